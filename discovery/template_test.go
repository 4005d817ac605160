package discovery

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
)

func TestATemplateTellsWhoseRowsItGives(t *testing.T) {
	for _, tt := range []struct {
		name, template string
		want           shape
	}{
		{
			name: "a plain prefix", template: "SELECT o.* FROM t o WHERE o.filename LIKE '{id}%'",
			want: shape{plain: true, variable: "id", like: &comparison{column: "filename", variable: "id", open: true}},
		},
		{
			name: "an exact comparison", template: `SELECT * FROM "VIII/73/hicat" WHERE HIPASS = '{name}'`,
			want: shape{plain: true, variable: "name"},
		},
		{
			name: "the latest of a name", template: "SELECT o.* FROM t o JOIN (SELECT MAX(t) AS m FROM t WHERE inner_name LIKE '{id}%') l ON o.t = l.m WHERE o.\"Name\" LIKE 'HIPASS{id}_%'",
			want: shape{variable: "id", like: &comparison{column: "Name", before: "HIPASS", variable: "id", open: true}},
		},
		{
			name: "words in literals and comments mean nothing", template: "SELECT a -- TOP MAX\n/* GROUP BY (SELECT */ FROM t WHERE c = 'SELECT MAX ''TOP' AND \"max\" = 1 AND n LIKE '{id}'",
			want: shape{plain: true, variable: "id", like: &comparison{column: "n", variable: "id"}},
		},
		{
			name: "a name somewhere in the text", template: "SELECT a FROM t WHERE n LIKE '%{id}%'",
			want: shape{plain: true, variable: "id", like: &comparison{column: "n", before: "%", variable: "id", open: true, anywhere: true}},
		},
		{
			name: "an expression on the left", template: "SELECT a FROM t WHERE LOWER(n) LIKE '{id}%'",
			want: shape{plain: true, variable: "id", like: &comparison{variable: "id", open: true}},
		},
		{
			name: "an expression on the right", template: "SELECT a FROM t WHERE n LIKE CONCAT('{id}', '%')",
			want: shape{plain: true, variable: "id", like: &comparison{column: "n", open: true, anywhere: true}},
		},
		{
			name: "a text and more behind it", template: "SELECT a FROM t WHERE n LIKE 'HIPASS{id}' || '_%'",
			want: shape{plain: true, variable: "id", like: &comparison{column: "n", before: "HIPASS", variable: "id", open: true}},
		},
		{
			name: "a text in two parts", template: "SELECT a FROM t WHERE n LIKE 'HIPASS' || '{id}'",
			want: shape{plain: true, variable: "id", like: &comparison{column: "n", before: "HIPASS", variable: "id"}},
		},
		{
			name: "a column of an uploaded table", template: "SELECT o.* FROM TAP_UPLOAD.s AS u JOIN t AS o ON o.n LIKE 'HIPASS' || u.source_name || '%' WHERE o.m = 1",
			want: shape{plain: true, like: &comparison{column: "n", before: "HIPASS", variable: "source_name", open: true}},
		},
		{
			name: "exactly a column of an uploaded table", template: `SELECT o.* FROM TAP_UPLOAD.s JOIN t AS o ON o.n LIKE TAP_UPLOAD.s."source_name"`,
			want: shape{plain: true, like: &comparison{column: "n", variable: "source_name"}},
		},
		{
			name: "a column of the archive", template: "SELECT a FROM t WHERE n LIKE m || '%' AND o = '{id}'",
			want: shape{plain: true, variable: "id", like: &comparison{column: "n", open: true, anywhere: true}},
		},
		{
			name: "half a concatenation", template: "SELECT a FROM t WHERE o = '{id}' AND n LIKE '{id}' ||",
			want: shape{plain: true, variable: "id", like: &comparison{column: "n", open: true, anywhere: true}},
		},
		{
			name: "what a name is not like", template: "SELECT a FROM t WHERE n = '{id}' AND n NOT LIKE '{id}b%' AND m LIKE 'x%'",
			want: shape{plain: true, variable: "id"},
		},
		{name: "a row limit", template: "SELECT TOP 5 a FROM t WHERE n = '{id}'", want: shape{variable: "id"}},
		{name: "groups", template: "SELECT a FROM t WHERE n = '{id}' group by a", want: shape{variable: "id"}},
		{name: "distinct", template: "SELECT DISTINCT a FROM t WHERE n = '{id}'", want: shape{variable: "id"}},
		{name: "a query inside", template: "SELECT a FROM t WHERE n IN (SELECT n FROM u WHERE m = '{id}')", want: shape{variable: "id"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := shapeOf(configs.Query{Template: tt.template})
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(shape{}, comparison{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzTemplateTokens(f *testing.F) {
	for _, seed := range []string{"SELECT 'a''b' FROM \"x\" -- c\n/* d", "LIKE", "'{id}%", "a LIKE '", "(((", "a LIKE TAP_UPLOAD.u.v || '%' ||"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, template string) {
		size := 0
		for _, token := range templateTokens(template) {
			size += len(token.text)
		}
		if size > len(template) {
			t.Errorf("the tokens of %q are longer than it", template)
		}
		shapeOf(configs.Query{Template: template})
	})
}
