package archive

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
)

// TestQueriesByPrefixUseTheIndexes asks SQLite how it runs the survey's queries.
func TestQueriesByPrefixUseTheIndexes(t *testing.T) {
	a, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for adql, want := range map[string]string{
		"SELECT o.* FROM ivoa.obscore o WHERE o.filename LIKE 'HIPASSJ1313-15%'":                                            "USING INDEX obscore key (filename>? AND filename<?)",
		"SELECT MAX(t_max) AS mx FROM ivoa.obscore WHERE filename LIKE 'HIPASSJ1313-15%' AND obs_collection IN ('WALLABY')": "USING INDEX obscore key (filename>? AND filename<?)",
		"SELECT * FROM casda.observation_evaluation_file WHERE sbid = '1' AND filename LIKE 'calibration-SB1_%.tar'":        "USING INDEX observation_evaluation_file key (sbid=? AND filename>? AND filename<?)",
		"SELECT * FROM casda.observation_evaluation_file WHERE filename LIKE 'calibration-SB1_%.tar'":                       "USING INDEX observation_evaluation_file filename (filename>? AND filename<?)",
		`SELECT RVmom FROM "VIII/73/hicat" WHERE HIPASS = 'J1313-15'`:                                                       "USING INDEX VIII/73/hicat key (HIPASS=?)",
	} {
		query, err := translate(adql)
		if err != nil {
			t.Fatal(err)
		}
		plan := planOf(t, a.read, query)
		if !strings.Contains(plan, want) || strings.Contains(plan, "SCAN") {
			t.Errorf("%s: %s, want %q", adql, plan, want)
		}
	}
}

func planOf(t *testing.T, db interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string,
) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "; ")
}

func TestReadConnectionsCannotWrite(t *testing.T) {
	a, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, table := range tables {
		if _, err := a.read.ExecContext(t.Context(), "DELETE FROM "+table.fullName()); err == nil {
			t.Errorf("%s was written through a read connection", table.fullName())
		}
	}
}

func TestRowsHaveOneValueForEachColumn(t *testing.T) {
	for _, tt := range []struct {
		table table
		row   []any
	}{{obscore, Observation{}.row()}, {evaluationFile, Evaluation{}.row()}, {hicat, CatalogueEntry{}.row()}} {
		if len(tt.row) != len(tt.table.columns) {
			t.Errorf("%s: %d values for %d columns", tt.table.fullName(), len(tt.row), len(tt.table.columns))
		}
	}
}

func TestTopMovesToTheEndOfItsOwnSelect(t *testing.T) {
	const adql = "SELECT TOP 5 a FROM (SELECT ALL top 2 b FROM t WHERE c IN (SELECT TOP 1 d FROM u)) AS x ORDER BY a"
	const want = "SELECT a FROM ( SELECT ALL b FROM t WHERE c IN ( SELECT d FROM u LIMIT 1 ) LIMIT 2 ) AS x ORDER BY a LIMIT 5"
	if got, err := translate(adql); got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

// FuzzTranslate holds that whatever a literal or the query holds, the translation is one statement
// made of ADQL's pieces, and that translating never panics.
func FuzzTranslate(f *testing.F) {
	f.Add("x' OR 1=1 --", "SELECT a FROM b WHERE c LIKE '%s'")
	f.Add("", "SELECT TOP 3 \"a\"\"b\" FROM (SELECT 1.5e-3 || 'x''y') /* c */ -- d\n")
	f.Add("%", "SELECT 1 FROM a u JOIN b o ON o.filename LIKE u.x || '%' || \"y\" AND NOT (target_name LIKE z)")
	f.Add("\x00", "SELECT 1 UNION SELECT TOP 2 x")
	f.Fuzz(func(t *testing.T, value, adql string) {
		if got, err := translate(adql, prefixColumns()...); err == nil {
			pieces, err := lex(got)
			if err != nil || len(pieces) == 0 || !pieces[0].is("SELECT") {
				t.Fatalf("%q became %q: %v", adql, got, err)
			}
			for _, p := range pieces {
				if p.text == ";" {
					t.Fatalf("%q became two statements: %q", adql, got)
				}
			}
		}
		if strings.ContainsRune(value, 0) {
			return
		}
		quoted := fmt.Sprintf("SELECT a FROM b WHERE c = '%s'", strings.ReplaceAll(value, "'", "''"))
		pieces, err := lex(quoted)
		if err != nil || len(pieces) != 8 || pieces[7].kind != literal {
			t.Fatalf("%q is %d pieces: %v", quoted, len(pieces), err)
		}
	})
}
