package configs

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

func TestPlaceholdersKnowWhereTheyStand(t *testing.T) {
	for _, tt := range []struct {
		name, template string
		want           []Placeholder
	}{
		{"in a literal", "a = '{x}'", []Placeholder{{"x", 5, true, false}}},
		{"in LIKE", "a LIKE '{x}%'", []Placeholder{{"x", 8, true, true}}},
		{"in NOT like", "a not like '%{x}'", []Placeholder{{"x", 13, true, true}}},
		{"in ILIKE", "a ILIKE '{x}'", []Placeholder{{"x", 9, true, true}}},
		{"in a concatenation after LIKE", "a LIKE '%' || '{x}' AND b = '{y}'", []Placeholder{{"x", 15, true, true}, {"y", 29, true, false}}},
		{"in a function after LIKE", "a LIKE LOWER(CONCAT('{x}', '%')) AND b = '{y}'", []Placeholder{{"x", 21, true, true}, {"y", 42, true, false}}},
		{"after LIKE in brackets", "(a LIKE 'b') AND c = '{x}'", []Placeholder{{"x", 22, true, false}}},
		{"after ESCAPE", "a LIKE 'b' ESCAPE '{x}'", []Placeholder{{"x", 19, true, false}}},
		{"after a quote in a literal", "a = 'it''s {x}'", []Placeholder{{"x", 11, true, false}}},
		{"bare", "a = {x}", []Placeholder{{"x", 4, false, false}}},
		{"between two literals", "'a' {x} 'b'", []Placeholder{{"x", 4, false, false}}},
		{"in a quoted identifier", `"{x}" = 1`, []Placeholder{{"x", 1, false, false}}},
		{"in a comment", "-- '{x}'\n'{y}'", []Placeholder{{"x", 4, false, false}, {"y", 10, true, false}}},
		{"in a block comment", "/* ' {x} */ '{y}'", []Placeholder{{"x", 5, false, false}, {"y", 13, true, false}}},
		{"in two braces", "a = '{{x}}'", []Placeholder{{"x", 6, true, false}}},
		{"not a name", "a = '{1}{}{a b}{'", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Query{Template: tt.template}.Placeholders()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestADQLFillsInOrRefuses(t *testing.T) {
	key := "filename"
	like := Query{Name: "q", Template: "SELECT * FROM t WHERE f LIKE '{id}%'"}
	exact := Query{Name: "q", Template: "SELECT * FROM t WHERE f = '{id}'"}
	keyed := Query{Name: "q", Template: like.Template, Key: &key}
	for _, tt := range []struct {
		name  string
		query Query
		id    string
		want  string // the query, or "!" and a part of the refusal
	}{
		{"plain", like, "HIPASSJ1313-15", "SELECT * FROM t WHERE f LIKE 'HIPASSJ1313-15%'"},
		{"quote", exact, "O'Brien", "SELECT * FROM t WHERE f = 'O''Brien'"},
		{"quote to break out", exact, "' OR '1'='1", "SELECT * FROM t WHERE f = ''' OR ''1''=''1'"},
		{"braces are not filled in again", exact, "{sbid} {id}", "SELECT * FROM t WHERE f = '{sbid} {id}'"},
		{"comment", exact, "x -- /*", "SELECT * FROM t WHERE f = 'x -- /*'"},
		{"underscore outside LIKE", exact, "A_1%", "SELECT * FROM t WHERE f = 'A_1%'"},
		{"underscore in LIKE", like, "A_1", "!key_column"},
		{"percent in LIKE", like, "A%", "!which match anything in LIKE"},
		{"underscore in LIKE with a key column", keyed, "A_1", "SELECT * FROM t WHERE f LIKE 'A_1%'"},
		{"empty in LIKE", keyed, "", "!LIKE would match everything"},
		{"empty", exact, "", "SELECT * FROM t WHERE f = ''"},
		{"newline", exact, "a\nb", "!control characters"},
		{"NUL", exact, "a\x00", "!control characters"},
		{"C1 control", exact, "a\u0085", "!control characters"},
		{"not UTF-8", exact, "a\xff", "!not UTF-8"},
		{"10 kB", exact, strings.Repeat("x", 10_000), "!10000 bytes, expected at most 1024"},
		{"bare", Query{Name: "q", Template: "WHERE a = {id}"}, "1", "!{id} stands outside a quoted literal"},
		{"unknown", Query{Name: "q", Template: "WHERE a = '{other}'"}, "1", "!nothing fills the placeholder {other}"},
		{"open literal", Query{Name: "q", Template: "WHERE a = '{id}"}, "1", "!literal is never closed"},
		{"open comment", Query{Name: "q", Template: "/* '{id}'"}, "1", "!comment is never closed"},
		{"grows too large", Query{Name: "q", Template: "'" + strings.Repeat("{id}", 1000) + "'"}, strings.Repeat("x", 1000), "!grows past 262144 bytes"},
		{"twice", Query{Template: "'{id}' '{id}'"}, "a", "'a' 'a'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.query.ADQL(map[string]string{"id": tt.id})
			if refusal, ok := strings.CutPrefix(tt.want, "!"); ok {
				text := ""
				if err != nil {
					text = err.Error() + strings.Join(fault.Hints(err), " ")
				}
				if got != "" || !errors.Is(err, fault.Invalid) || !strings.Contains(text, refusal) {
					t.Errorf("got %q and %q, want a refusal with %q", got, text, refusal)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got  %q, %v\nwant %q", got, err, tt.want)
			}
		})
	}
}

func TestTheRealQueriesAreFilledIn(t *testing.T) {
	p := mustLoad(t, string(shared(t, "wallaby_hires.v2.yaml")))
	vars := p.TemplateVars("HIPASSJ1313-15")
	primary, err := p.Discovery.Queries[0].ADQL(vars)
	if err != nil || strings.Count(primary, "LIKE 'HIPASSJ1313-15%'") != 2 {
		t.Errorf("%s %v", primary, err)
	}
	position, err := p.Discovery.Queries[1].ADQL(vars)
	if err != nil || !strings.Contains(position, `"VIII/73/hicat" WHERE HIPASS = 'J1313-15'`) {
		t.Errorf("%s %v", position, err)
	}
	vars[VarSBID] = "72962"
	files, err := p.Discovery.Enrichments[0].ADQL(vars)
	if err != nil || !strings.Contains(files, "LIKE 'calibration-metadata-processing-logs-SB72962_%.tar'") {
		t.Errorf("%s %v", files, err)
	}
}

func TestTemplateVariables(t *testing.T) {
	withIdentity := mustLoad(t, edit(t, "    source_name:\n      transform: digits\n",
		"    source_name:\n      transform: digits\n    same:\n      from: canonical\n    fixed:\n      from: J2000\n    fixed_digits:\n      from: J2000\n      transform: digits\n"))
	want := map[string]string{"source_identifier": "A-1", "source_name": "1", "same": "A-1", "fixed": "J2000", "fixed_digits": "2000"}
	if diff := cmp.Diff(want, withIdentity.TemplateVars("A-1")); diff != "" {
		t.Error(diff)
	}
	if got := withIdentity.TemplateVars("ABC")["source_name"]; got != "ABC" {
		t.Errorf("a transform that fails leaves the identifier, got %q", got)
	}
}

func TestWithoutIdentityEachQueryMayRenameTheSource(t *testing.T) {
	p := mustLoad(t, `apiVersion: beampipe.dev/v2
kind: ProjectConfig
metadata: {id: x}
definitions: {transforms: {hipass: {kind: strip_prefix, prefix: HIPASS}, digits: {kind: extract_digits}}}
adapters: {required: [casda]}
discovery:
  queries:
    - {name: a, adapter: casda, template: "'{source_name}'", source_id_transform: hipass}
    - {name: b, adapter: casda, template: "'{source_name}'"}
    - {name: c, adapter: casda, template: "'{source_name}'", source_id_transform: digits}
  enrichments:
    - {name: d, adapter: casda, template: "'{source_name} {sbid}'"}
`)
	for i, want := range []string{"J13", "J13", "13", "13"} {
		got := p.QueryVars(i, "HIPASSJ13")
		if diff := cmp.Diff(map[string]string{"source_identifier": "HIPASSJ13", "source_name": want}, got); diff != "" {
			t.Errorf("query %d: %s", i, diff)
		}
	}
	if got := p.QueryVars(3, "HIPASSJ")["source_name"]; got != "J" {
		t.Errorf("a transform that fails keeps the name before it, got %q", got)
	}
}

func TestCheckIdentifier(t *testing.T) {
	for _, id := range []string{"HIPASSJ1313-15", "O'Brien", "A_1", "50%", "{sbid}", "Ünï", "a b", strings.Repeat("x", 100)} {
		if err := CheckIdentifier(id); err != nil {
			t.Errorf("%q is fine, got %v", id, err)
		}
	}
	for _, id := range []string{"", " ", " a", "a ", "a\nb", "a\x00", "a\u0085b", "\xff", strings.Repeat("x", 101), strings.Repeat("ä", 51)} {
		if err := CheckIdentifier(id); !errors.Is(err, fault.Invalid) {
			t.Errorf("%.20q is refused, got %v", id, err)
		}
	}
}

// shape is the structure of a query: its tokens without what stands in literals.
func shape(query string) []string {
	var out []string
	for _, tk := range tokenizeADQL(query) {
		if tk.kind == tokenLiteral {
			out = append(out, "literal")
			continue
		}
		out = append(out, query[tk.start:tk.end])
	}
	return out
}

func FuzzADQLKeepsTheStructure(f *testing.F) {
	template := "SELECT * FROM \"a/b\" WHERE x LIKE '{id}%' -- note\nAND y = 'it''s {id}' /* c */ AND z = '{id}'"
	for _, seed := range []string{"x", "'", "''", "\\'", "{id}", "x' OR 1=1 --", "*/", "\"", "\n", "a_%"} {
		f.Add(template, seed)
	}
	f.Add("'{id}''{id}'", "'")
	f.Add("{id}", "x")
	f.Fuzz(func(t *testing.T, template, value string) {
		key := "k"
		q := Query{Template: template, Key: &key}
		vars := map[string]string{}
		for _, p := range q.Placeholders() {
			vars[p.Name] = value
		}
		got, err := q.ADQL(vars)
		if err != nil {
			return
		}
		if diff := cmp.Diff(shape(template), shape(got)); diff != "" {
			t.Fatalf("the structure changed:\n%s\n%s\n%s", template, got, diff)
		}
	})
}
