package configs

import "testing"

func TestAPathOfAConfigIsFoundInItsFile(t *testing.T) {
	const text = "\ufeffapiVersion: beampipe.dev/v2\nmanifest:\n  source_template:\n    ra: \"{flags.ra}\"\n    a.b: 1\nlist:\n  - set: {n: 2}\nadapters:\n  credentials:\n    casda: {password: hush}\n"
	for path, want := range map[string]Place{
		"manifest.source_template.ra":         {Line: 4, Column: 9, Excerpt: `4 |     ra: "{flags.ra}"`},
		"manifest.source_template.a.b":        {Line: 5, Column: 10, Excerpt: "5 |     a.b: 1"},
		"list[0].set.n":                       {Line: 7, Column: 14, Excerpt: "7 |   - set: {n: 2}"},
		"list[1]":                             {},
		"manifest.dataset_template":           {},
		"adapters.credentials.casda.password": {Line: 10, Column: 23},
	} {
		want.File, want.Path = "s.yaml", path
		if got := FindPlace([]byte(text), "s.yaml", path); got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
	if got := FindPlace([]byte("a: [b"), "s.yaml", "a"); got.Line != 0 {
		t.Errorf("of a file that cannot be read: %+v", got)
	}
}
