package configs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// filled is what a template must become: its tokens, those of kind literal with the value in place of
// each {name}, and each {name:list} as a list of literals. It knows nothing of how ADQL fills.
func filled(template, value string, list []string) []string {
	doubled := func(text string) string { return strings.ReplaceAll(text, "'", "''") }
	var out []string
	for _, t := range tokenizeADQL(template) {
		text := template[t.start:t.end]
		switch t.kind {
		case tokenLiteral:
			out = append(out, placeholderPattern.ReplaceAllStringFunc(text, func(string) string { return doubled(value) }))
		case tokenList:
			for i, item := range list {
				if i > 0 {
					out = append(out, ",")
				}
				out = append(out, "'"+doubled(item)+"'")
			}
		default:
			out = append(out, text)
		}
	}
	return out
}

func tokenTexts(query string) []string {
	var out []string
	for _, t := range tokenizeADQL(query) {
		out = append(out, query[t.start:t.end])
	}
	return out
}

// FuzzADQL fills templates with values: the query has the template's tokens, apart from what stands in
// the literals that were filled, and every quote that opens closes.
func FuzzADQL(f *testing.F) {
	like := "SELECT * FROM \"a/b\" WHERE x LIKE '{id}%' -- note\nAND y = 'it''s {id}' /* c */ AND z = '{id}'"
	in := "SELECT u.* FROM t AS u WHERE name IN ('fixed', {id:list} /* ' */) AND b = 'O''Brien'"
	for _, seed := range []string{"x", "'", "''", "\\'", "{id}", "{id:list}", "x' OR 1=1 --", "*/", "\"", "\n", "a_%", "','", "Ünï"} {
		f.Add(like, seed, "y")
		f.Add(in, seed, "'")
	}
	f.Add("'{id}''{id}'", "'", "")
	f.Add("{id}", "x", "")
	f.Add("('a'{id:list}'b')", "x", "")
	f.Add("(N{id:list},{a--b:list})", "x", "")
	f.Add("({id:list})({id:list})", "x", "")
	f.Fuzz(func(t *testing.T, template, one, two string) {
		key := "k"
		q := Query{Template: template, Key: &key}
		vars := map[string]string{}
		for _, p := range q.Placeholders() {
			vars[p.Name] = one
		}
		check := func(got string, list ...string) {
			if text := (Query{Template: got}).unterminated(); text != "" {
				t.Errorf("%s in %s", text, got)
			}
			if diff := cmp.Diff(filled(template, one, list), tokenTexts(got)); diff != "" {
				t.Errorf("the structure changed:\n%s\n%s\n%s", template, got, diff)
			}
		}
		if got, err := q.ADQL(vars); err == nil {
			check(got, one)
		}
		values := []string{one, two, one}
		if got, err := q.SetADQL(BatchForm{InList: true, Key: key}, values); err == nil {
			check(got, values...)
		}
		if got, err := q.SetADQL(BatchForm{Upload: "sources", Key: key}, values); err == nil && got != template {
			t.Errorf("an upload changes the template:\n%s\n%s", template, got)
		}
	})
}

func TestReservedWordsAndOtherNamesAreNoTables(t *testing.T) {
	for _, name := range []string{"sources", "S", "sbids_2", strings.Repeat("x", 63)} {
		if problem := nameProblem(name); problem != "" {
			t.Errorf("%s %s", name, problem)
		}
	}
	for name, want := range map[string]string{
		"select": "reserved", "Sum": "reserved", "POINT": "reserved", "offset": "reserved", "in_unit": "reserved",
		"": "regular", "_a": "regular", "1a": "regular", "a b": "regular", "a.b": "regular", `"a"`: "regular", "ä": "regular", "a;": "regular",
		strings.Repeat("x", 64): "63 bytes",
	} {
		if problem := nameProblem(name); !strings.Contains(problem, want) {
			t.Errorf("%q: %q, want %s", name, problem, want)
		}
	}
	if n := len(reservedWords); n < 260 {
		t.Error(fmt.Sprint(n, " reserved words"))
	}
}
