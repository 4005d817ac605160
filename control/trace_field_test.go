package control

import (
	"encoding/json"
	"strings"
	"testing"
)

const tracedManifest = `{"inputs":{},"sources":[{"source_identifier":"A.1","ra":"1h","sbids":[
	{"sbid":"72962","datasets":[{"dataset_id":"x.ms","list":[1,2]},{"visibility_filename":"y.ms"}]}]}]}`

func TestAFieldIsNamedByAPointerOrADottedPath(t *testing.T) {
	m, err := readManifestDocument([]byte(tracedManifest), "beef")
	if err != nil {
		t.Fatal(err)
	}
	for of, want := range map[string]string{
		"/sources/0/ra":                           "/sources/0/ra",
		"sources[0].ra":                           "/sources/0/ra",
		"sources.0.ra":                            "/sources/0/ra",
		"sources[A.1].ra":                         "/sources/0/ra",
		"sources[0].sbids[72962].sbid":            "/sources/0/sbids/0/sbid",
		"sources[0].sbids[0].datasets[y.ms]":      "/sources/0/sbids/0/datasets/1",
		"/sources/0/sbids/0/datasets/x.ms/list/1": "/sources/0/sbids/0/datasets/0/list/1",
		"sources[0].sbids[0].datasets[0].list[2]": "",
		"sources[1].ra":                           "",
		"sources[-1].ra":                          "",
		"sources[0].ra.more":                      "",
		"sources[0":                               "",
		"/":                                       "",
		"//":                                      "",
		"nothing":                                 "",
	} {
		_, pointer, err := m.at(fieldPath(of))
		got := ""
		if err == nil {
			got = "/" + strings.Join(pointer, "/")
		}
		if got != want {
			t.Errorf("%s: %q (%v), want %q", of, got, err, want)
		}
	}
}

// FuzzFieldPath holds that whatever names a field, it names one, and the same one by its pointer, or none.
func FuzzFieldPath(f *testing.F) {
	for _, seed := range []string{"/sources/0/ra", "sources[A.1].sbids[0].datasets[x.ms].list", "a..[b]]c[", "[", "/~0~1", ""} {
		f.Add(seed)
	}
	m, err := readManifestDocument([]byte(tracedManifest), "beef")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, of string) {
		value, pointer, err := m.at(fieldPath(of))
		if err != nil {
			return
		}
		for i, step := range pointer {
			pointer[i] = strings.ReplaceAll(strings.ReplaceAll(step, "~", "~0"), "/", "~1")
		}
		if len(pointer) == 0 {
			return
		}
		again, _, err := m.at(fieldPath("/" + strings.Join(pointer, "/")))
		a, _ := json.Marshal(value)
		b, _ := json.Marshal(again)
		if err != nil || string(a) != string(b) {
			t.Errorf("%q: %s, by its pointer %s %v", of, a, b, err)
		}
	})
}
