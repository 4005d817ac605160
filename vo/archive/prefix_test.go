package archive

import (
	"strings"
	"testing"
)

func TestAJoinByPrefixIsBounded(t *testing.T) {
	for adql, want := range map[string]string{
		"SELECT 1 FROM a u JOIN b o ON o.filename LIKE u.x || '%' WHERE 1=1": "SELECT 1 FROM a u JOIN b o ON ( o . filename LIKE u . x || '%' AND likelihood ( o . filename >= literal_prefix ( u . x || '%' ) , 0.001 ) AND likelihood ( o . filename < beyond_prefix ( u . x || '%' ) , 0.001 ) ) WHERE 1 = 1",
		`SELECT 1 FROM a WHERE NOT (FileName LIKE 'a_' || "x")`:              `SELECT 1 FROM a WHERE NOT ( ( FileName LIKE 'a_' || "x" AND likelihood ( FileName >= literal_prefix ( 'a_' || "x" ) , 0.001 ) AND likelihood ( FileName < beyond_prefix ( 'a_' || "x" ) , 0.001 ) ) )`,
	} {
		if got, err := translate(adql, prefixColumns()...); got != want || err != nil {
			t.Errorf("%s, %v", got, err)
		}
	}
	for _, adql := range []string{
		"SELECT 1 FROM a WHERE filename LIKE 'x%'",                          // SQLite knows what to do
		"SELECT 1 FROM a u, b o WHERE o.obs_id LIKE u.x || '%'",             // no index
		"SELECT 1 FROM a u, b o WHERE o.filename NOT LIKE u.x",              // nothing follows
		"SELECT 1 FROM a u, b o WHERE 'a' || o.filename LIKE u.x",           // the column is not all of the left side
		"SELECT 1 FROM a u, b o WHERE o.filename LIKE lower(u.x)",           // no column
		"SELECT 1 FROM a u, b o WHERE o.filename LIKE u.x || lower(u.y)",    // nor this
		"SELECT 1 FROM a u, b o WHERE o.filename LIKE CASE WHEN 1=1 THEN 2", // nor this
		"SELECT 1 FROM a u, b o WHERE o.filename LIKE u.x < 3",              // the comparison comes first
		"SELECT 1 FROM a u, b o WHERE o.filename LIKE u.x COLLATE y",
		"SELECT 1 FROM a u, b o WHERE 1 BETWEEN 0 AND o.filename LIKE u.x",
		"SELECT 1 FROM a u, b o WHERE o.filename LIKE u.",
		"SELECT 1 FROM a u, b o WHERE o.filename LIKE",
		"SELECT 1 FROM a u, b o WHERE o.filename LIKE u.x ||",
	} {
		got, err := translate(adql, prefixColumns()...)
		if strings.Contains(got, prefixFunction) || err != nil {
			t.Errorf("%s: %s, %v", adql, got, err)
		}
	}
	if _, err := translate("SELECT 1 FROM a WHERE filename LIKE sqlite_x.y", prefixColumns()...); err == nil {
		t.Error("a name that is refused elsewhere passed")
	}
	if _, err := translate("SELECT literal_prefix(a) FROM b"); err == nil {
		t.Error("a query may name the function")
	}
}

// TestABoundedJoinGivesWhatTheJoinGives holds the bounds against patterns of every kind.
func TestABoundedJoinGivesWhatTheJoinGives(t *testing.T) {
	a, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	names := []string{"a", "ab", "abc", "a_c", "a%", "A", "b", "é", "éa", "ézz", "z", "zz", "\U0010ffff", "\U0010ffffb", "10", "100"}
	var list []Observation
	for _, name := range names {
		list = append(list, Observation{Filename: name, ObsID: "x"})
	}
	list = append(list, Observation{Filename: "null", ObsID: "x"})
	if err := a.AddObservations(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if err := a.UpdateObservation(t.Context(), "null", "filename", nil); err != nil {
		t.Fatal(err)
	}
	count := func(adql string, prefixed ...string) (n int) {
		query, err := translate(adql, prefixed...)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.read.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(query, err)
		}
		return n
	}
	const from = "SELECT COUNT(*) FROM ivoa.obscore p LEFT JOIN ivoa.obscore o ON 1 = 1 WHERE "
	for _, condition := range []string{
		"o.filename LIKE p.filename", "o.filename LIKE p.filename || '%'", "o.filename LIKE p.filename || '_'",
		"o.filename LIKE '%' || p.filename", "o.filename LIKE p.s_resolution", "o.filename LIKE p.filesize || '%'",
		"NOT (o.filename LIKE p.filename || '%')", "(o.filename LIKE p.filename || '%') IS NULL",
	} {
		plain, bounded := count(from+condition), count(from+condition, prefixColumns()...)
		if plain != bounded {
			t.Errorf("%s: %d pairs, and %d with bounds", condition, plain, bounded)
		}
	}
}

func TestJoinsWithUploadedTablesUseTheIndexes(t *testing.T) {
	a, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	tables, err := a.load(t.Context(), []uploaded{{"s", []byte(`<VOTABLE><RESOURCE><TABLE><FIELD name="source_identifier" datatype="char" arraysize="*"/></TABLE></RESOURCE></VOTABLE>`)}})
	if err != nil {
		t.Fatal(err)
	}
	defer tables.close()
	for adql, want := range map[string]string{
		"SELECT o.* FROM TAP_UPLOAD.s u JOIN ivoa.obscore o ON o.target_name = u.source_identifier":                                                      "USING INDEX obscore target_name (target_name=?)",
		"SELECT o.* FROM TAP_UPLOAD.s u JOIN ivoa.obscore o ON o.filename LIKE u.source_identifier || '%' WHERE o.obs_collection IN ('WALLABY')":         "USING INDEX obscore key (filename>? AND filename<?)",
		"SELECT o.* FROM ivoa.obscore o JOIN TAP_UPLOAD.s u ON o.filename LIKE u.source_identifier || '%' AND o.obs_collection = 'WALLABY'":              "USING INDEX obscore key (filename>? AND filename<?)",
		`SELECT h.* FROM TAP_UPLOAD.s u JOIN "VIII/73/hicat" h ON h.HIPASS = u.source_identifier`:                                                        "USING INDEX VIII/73/hicat key (HIPASS=?)",
		"SELECT e.* FROM TAP_UPLOAD.s u JOIN casda.observation_evaluation_file e ON e.sbid = u.source_identifier AND e.filename LIKE 'calibration-SB_%'": "USING INDEX observation_evaluation_file key (sbid=? AND filename>? AND filename<?)",
	} {
		query, err := translate(adql, tables.prefixed()...)
		if err != nil {
			t.Fatal(err)
		}
		if plan := planOf(t, tables.conn, query); !strings.Contains(plan, want) {
			t.Errorf("%s: %s, want %q", adql, plan, want)
		}
	}
	if _, err := tables.conn.ExecContext(t.Context(), "DELETE FROM "+obscore.fullName()); err == nil {
		t.Error("an upload's connection can write")
	}
}
