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
		{"in a literal", "a = '{x}'", []Placeholder{{Name: "x", Offset: 5, InLiteral: true, InLike: false}}},
		{"in LIKE", "a LIKE '{x}%'", []Placeholder{{Name: "x", Offset: 8, InLiteral: true, InLike: true}}},
		{"in NOT like", "a not like '%{x}'", []Placeholder{{Name: "x", Offset: 13, InLiteral: true, InLike: true}}},
		{"in ILIKE", "a ILIKE '{x}'", []Placeholder{{Name: "x", Offset: 9, InLiteral: true, InLike: true}}},
		{"in a concatenation after LIKE", "a LIKE '%' || '{x}' AND b = '{y}'", []Placeholder{{Name: "x", Offset: 15, InLiteral: true, InLike: true}, {Name: "y", Offset: 29, InLiteral: true, InLike: false}}},
		{"in a function after LIKE", "a LIKE LOWER(CONCAT('{x}', '%')) AND b = '{y}'", []Placeholder{{Name: "x", Offset: 21, InLiteral: true, InLike: true}, {Name: "y", Offset: 42, InLiteral: true, InLike: false}}},
		{"after LIKE in brackets", "(a LIKE 'b') AND c = '{x}'", []Placeholder{{Name: "x", Offset: 22, InLiteral: true, InLike: false}}},
		{"after ESCAPE", "a LIKE 'b' ESCAPE '{x}'", []Placeholder{{Name: "x", Offset: 19, InLiteral: true, InLike: false}}},
		{"after a quote in a literal", "a = 'it''s {x}'", []Placeholder{{Name: "x", Offset: 11, InLiteral: true, InLike: false}}},
		{"bare", "a = {x}", []Placeholder{{Name: "x", Offset: 4, InLiteral: false, InLike: false}}},
		{"between two literals", "'a' {x} 'b'", []Placeholder{{Name: "x", Offset: 4, InLiteral: false, InLike: false}}},
		{"in a quoted identifier", `"{x}" = 1`, []Placeholder{{Name: "x", Offset: 1, InLiteral: false, InLike: false}}},
		{"in a comment", "-- '{x}'\n'{y}'", []Placeholder{{Name: "x", Offset: 4, InLiteral: false, InLike: false}, {Name: "y", Offset: 10, InLiteral: true, InLike: false}}},
		{"in a block comment", "/* ' {x} */ '{y}'", []Placeholder{{Name: "x", Offset: 5, InLiteral: false, InLike: false}, {Name: "y", Offset: 13, InLiteral: true, InLike: false}}},
		{"in two braces", "a = '{{x}}'", []Placeholder{{Name: "x", Offset: 6, InLiteral: true, InLike: false}}},
		{"not a name", "a = '{1}{}{a b}{'", nil},
		{"a list", "a IN ({x:list})", []Placeholder{{Name: "x", Offset: 6, List: true, InList: true}}},
		{"a list between commas and comments", "a IN ('1', /* c */ {x:list} -- d\n, '2')", []Placeholder{{Name: "x", Offset: 19, List: true, InList: true}}},
		{"a list without brackets", "a = {x:list}", []Placeholder{{Name: "x", Offset: 4, List: true}}},
		{"a list beside a literal", "a IN ('b'{x:list})", []Placeholder{{Name: "x", Offset: 9, List: true}}},
		{"a list in a literal", "a = '{x:list}'", []Placeholder{{Name: "x", Offset: 5, InLiteral: true, List: true}}},
		{"a list in a comment", "(/* {x:list} */)", []Placeholder{{Name: "x", Offset: 4, List: true}}},
		{"a list in a quoted identifier", `("{x:list}")`, []Placeholder{{Name: "x", Offset: 2, List: true}}},
		{"a list in LIKE", "a LIKE ({x:list})", []Placeholder{{Name: "x", Offset: 8, InLike: true, List: true, InList: true}}},
		{"another mark", "('{x:set}', {x:List})", nil},
		{"a name that looks like a comment", "({a--b:list})", []Placeholder{{Name: "a--b", Offset: 1, List: true, InList: true}}},
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
		{"a list of one", Query{Template: "a IN ({id:list})"}, "O'Brien", "a IN ('O''Brien')"},
		{"a list of one with _", Query{Template: "a IN ({id:list})"}, "A_%", "a IN ('A_%')"},
		{"a list of one that is empty", Query{Template: "a IN ({id:list})"}, "", "a IN ('')"},
		{"a list between others", Query{Template: "a IN ('x', {id:list} /* ' */)"}, "'", "a IN ('x', '''' /* ' */)"},
		{"newline in a list", Query{Template: "a IN ({id:list})"}, "a\nb", "!control characters"},
		{"not UTF-8 in a list", Query{Template: "a IN ({id:list})"}, "\xff", "!not UTF-8"},
		{"10 kB in a list", Query{Template: "a IN ({id:list})"}, strings.Repeat("x", 10_000), "!10000 bytes"},
		{"a list in quotes", Query{Template: "a IN ('{id:list}')"}, "a", "!inside a quoted literal"},
		{"a list beside a literal", Query{Template: "a IN ('x'{id:list})"}, "a", "!does not stand alone"},
		{"a list after a word", Query{Template: "a IN (N{id:list})"}, "a", "!does not stand alone"},
		{"a list in a comment", Query{Template: "a IN (/* {id:list} */)"}, "a", "!does not stand alone"},
		{"a list in LIKE", Query{Template: "a LIKE ({id:list})"}, "a", "!the pattern of a LIKE"},
		{"an unknown list", Query{Template: "a IN ({other:list})"}, "a", "!nothing fills the placeholder {other:list}"},
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
