package archive_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/vo/archive"
	"beampipe/vo/tap"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, o archive.Options) *archive.Archive {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	a, err := archive.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func clientOf(t testing.TB, a *archive.Archive, o tap.Options) *tap.Client {
	t.Helper()
	o.Transport = a.Transport()
	if o.URL == "" {
		o.URL = archive.URL
	}
	c, err := tap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ptr(v float64) *float64 { return &v }

// fill adds two sources whose names begin alike, with two observations each.
func fill(t testing.TB, a *archive.Archive) {
	t.Helper()
	var list []archive.Observation
	for _, source := range []string{"HIPASSJ0324-21", "HIPASSJ0324-21b"} {
		for beam := range 2 {
			list = append(list, archive.Observation{
				Filename: fmt.Sprintf("%s_A_beam%02d_10arc_split.ms.tar", source, beam), ObsID: "ASKAP-34166",
				PublisherDID: fmt.Sprintf("visibility-%s-%d", source, beam), Collection: "WALLABY",
				AccessURL: "https://archive.invalid/x?a=1&b=" + source, TargetName: source, Filesize: 1234567,
				RA: 51.25, Dec: -0.5, TMin: 59000.25, TMax: 59000.75, Released: "2023-01-01T00:00:00Z",
			})
		}
	}
	must(t, a.AddObservations(t.Context(), list))
	must(t, a.AddEvaluations(t.Context(), []archive.Evaluation{
		{SBID: "34166", Filename: "calibration-metadata-processing-logs-SB34166_2021-12-31-011733.tar", Format: "calibration", AccessURL: "https://archive.invalid/e", Filesize: 5},
		{SBID: "34166", Filename: "validation-SB34166_1.tar", Format: "validation", AccessURL: "https://archive.invalid/v", Filesize: 6},
	}))
	must(t, a.AddCatalogue(t.Context(), []archive.CatalogueEntry{
		{HIPASS: "J0324-21", RAJ2000: ptr(51.1), DEJ2000: ptr(-21.5), RVmom: ptr(1400)},
	}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The queries of the WALLABY survey, as its config has them.
const (
	visibilityQuery = `SELECT o.* FROM ivoa.obscore o
		INNER JOIN (
		  SELECT MAX(t_max) AS mx FROM ivoa.obscore
		  WHERE filename LIKE '%[1]s%%'
		  AND obs_collection IN ('ASKAP Pilot Survey for WALLABY', 'WALLABY')
		) AS latest ON o.t_max = latest.mx
		WHERE o.filename LIKE '%[1]s%%'
		AND o.obs_collection IN ('ASKAP Pilot Survey for WALLABY', 'WALLABY')`
	catalogueQuery = `SELECT HIPASS, RAJ2000, DEJ2000, RV50max, RV50min, RVmom
		FROM "VIII/73/hicat" WHERE HIPASS = '%s'`
	evaluationQuery = `SELECT * FROM casda.observation_evaluation_file
		WHERE sbid = '%[1]s' AND format = 'calibration'
		AND filename LIKE 'calibration-metadata-processing-logs-SB%[1]s_%%.tar'`
)

// column gives one column of an answer.
func column(t *testing.T, table *tap.Table, name string) []string {
	t.Helper()
	at := table.Column(name)
	if at < 0 {
		t.Fatalf("no column %s", name)
	}
	var cells []string
	for _, row := range table.Rows {
		cells = append(cells, row[at])
	}
	return cells
}

func TestTheQueriesOfTheSurveyAreAnswered(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	c := clientOf(t, a, tap.Options{})

	table, err := c.Query(t.Context(), fmt.Sprintf(visibilityQuery, "HIPASSJ0324-21"))
	must(t, err)
	want := []string{"HIPASSJ0324-21", "HIPASSJ0324-21", "HIPASSJ0324-21b", "HIPASSJ0324-21b"}
	if diff := cmp.Diff(want, column(t, table, "target_name")); diff != "" {
		t.Error("a name that another begins with finds both:", diff)
	}
	if len(table.Fields) != 29 {
		t.Errorf("%d columns", len(table.Fields))
	}
	for name, want := range map[string]string{
		"obs_id": "ASKAP-34166", "s_dec": "-0.5", "t_max": "59000.75", "filesize": "1234567", "s_region": "",
		"access_url": "https://archive.invalid/x?a=1&b=HIPASSJ0324-21", "released_date": "2023-01-01T00:00:00Z",
	} {
		if got := column(t, table, name)[0]; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	table, err = c.Query(t.Context(), fmt.Sprintf(catalogueQuery, "J0324-21"))
	must(t, err)
	if diff := cmp.Diff([][]string{{"J0324-21", "51.1", "-21.5", "", "", "1400.0"}}, table.Rows); diff != "" {
		t.Error(diff)
	}
	table, err = c.Query(t.Context(), fmt.Sprintf(evaluationQuery, "34166"))
	must(t, err)
	if diff := cmp.Diff([]string{"calibration-metadata-processing-logs-SB34166_2021-12-31-011733.tar"}, column(t, table, "filename")); diff != "" {
		t.Error(diff)
	}
	if a.Requests() != 3 || a.Queries() != 3 {
		t.Errorf("%d requests, %d queries", a.Requests(), a.Queries())
	}
}

func TestADQLIsUnderstood(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	c := clientOf(t, a, tap.Options{})
	for _, tt := range []struct {
		adql string
		want [][]string
	}{
		{"SELECT filename FROM ivoa.obscore WHERE filename LIKE 'nobody%'", nil},
		{"SELECT filename FROM ivoa.obscore WHERE filename LIKE 'hipass%'", nil}, // LIKE has case
		{"SELECT COUNT(*) AS n FROM ivoa.obscore", [][]string{{"4"}}},
		{"select count(*) from IVOA.ObsCore", [][]string{{"4"}}},
		{"SELECT TOP 1 target_name -- first\nFROM ivoa.obscore ORDER BY target_name DESC", [][]string{{"HIPASSJ0324-21b"}}},
		{"SELECT DISTINCT TOP 5 target_name FROM ivoa.obscore ORDER BY 1", [][]string{{"HIPASSJ0324-21"}, {"HIPASSJ0324-21b"}}},
		{"SELECT s.n FROM (SELECT TOP 3 filename AS n FROM ivoa.obscore) AS s WHERE s.n LIKE '%beam00%' ORDER BY s.n /* x */", [][]string{{"HIPASSJ0324-21_A_beam00_10arc_split.ms.tar"}, {"HIPASSJ0324-21b_A_beam00_10arc_split.ms.tar"}}},
		{"SELECT target_name, MAX(t_max) - MIN(t_min) AS d FROM ivoa.obscore GROUP BY target_name HAVING COUNT(*) > 1 ORDER BY target_name", [][]string{{"HIPASSJ0324-21", "0.5"}, {"HIPASSJ0324-21b", "0.5"}}},
		{`SELECT "HIPASS" || '''s "x" -- y' AS p FROM "VIII/73/hicat" AS h WHERE h.RV50max IS NULL`, [][]string{{`J0324-21's "x" -- y`}}},
		{"SELECT e.sbid FROM casda.observation_evaluation_file e JOIN ivoa.obscore o ON o.obs_id = 'ASKAP-' || e.sbid WHERE e.format = 'validation' AND o.filesize > 1e3 AND o.filename IN ('HIPASSJ0324-21_A_beam00_10arc_split.ms.tar')", [][]string{{"34166"}}},
		{"SELECT 1 AS a FROM \"VIII/73/hicat\" UNION SELECT 2 FROM \"VIII/73/hicat\"", [][]string{{"1"}, {"2"}}},
	} {
		table, err := c.Query(t.Context(), tt.adql)
		if err != nil {
			t.Errorf("%s: %v", tt.adql, err)
			continue
		}
		if diff := cmp.Diff(tt.want, table.Rows); diff != "" {
			t.Errorf("%s: %s", tt.adql, diff)
		}
	}
}

func TestWhatIsNoADQLIsRefusedWithItsPlace(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	c := clientOf(t, a, tap.Options{})
	for adql, want := range map[string]string{
		"SELEC 1":                                   "only SELECT",
		"DELETE FROM ivoa.obscore":                  "only SELECT",
		"SELECT 1; DROP TABLE ivoa.obscore":         `line 1 column 9: unexpected character ";"`,
		"SELECT nope FROM ivoa.obscore":             "no such column: nope",
		`SELECT "nope" FROM ivoa.obscore`:           "no such column",
		"SELECT 1 FROM nowhere":                     "no such table: nowhere",
		"SELECT * FROM sqlite_master":               "there is no table sqlite_master",
		"SELECT 1 FROM ivoa.obscore\n LIMIT 1":      "line 2 column 2: LIMIT is not ADQL",
		"SELECT 'x FROM t":                          "a quote ' that is not closed",
		"SELECT (1 FROM t":                          "1 parentheses are not closed",
		"SELECT 1) FROM t":                          "a parenthesis that was not opened",
		"SELECT zeroblob(1000000000) FROM t":        "function ZEROBLOB is not supported",
		"SELECT * FROM t WHERE 1=CONTAINS(POINT())": "function CONTAINS is not supported",
		"SELECT 1 FROM t WHERE a = ?":               "unexpected character",
		"SELECT FROM":                               "syntax error",
		"SELECT TOP 1 1 UNION SELECT 2":             "TOP inside UNION",
		"SELECT 1abc":                               "runs into a word",
		"SELECT x'00'":                              "hexadecimal literals",
	} {
		_, err := c.Query(t.Context(), adql)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "HTTP 400") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", adql, err, want)
		}
	}
	if table, err := c.Query(t.Context(), "SELECT COUNT(*) FROM ivoa.obscore"); err != nil || table.Rows[0][0] != "4" {
		t.Errorf("afterwards: %v, %v", table, err)
	}
}

func TestMoreRowsThanTheLimitAreAnOverflow(t *testing.T) {
	a := open(t, archive.Options{MaxRec: 4})
	fill(t, a)
	const all = "SELECT filename FROM ivoa.obscore"
	if table, err := clientOf(t, a, tap.Options{}).Query(t.Context(), all); err != nil || len(table.Rows) != 4 {
		t.Errorf("exactly the limit: %v, %v", table, err)
	}
	if _, err := clientOf(t, a, tap.Options{MaxRec: 3}).Query(t.Context(), all); !errors.Is(err, votable.ErrOverflow) {
		t.Errorf("the client's limit: %v", err)
	}
	must(t, a.AddObservations(t.Context(), []archive.Observation{{Filename: "one more"}}))
	if _, err := clientOf(t, a, tap.Options{}).Query(t.Context(), all); !errors.Is(err, votable.ErrOverflow) {
		t.Errorf("the service's limit: %v", err)
	}
	if table, err := clientOf(t, a, tap.Options{}).Query(t.Context(), "SELECT TOP 3 filename FROM ivoa.obscore"); err != nil || len(table.Rows) != 3 {
		t.Errorf("TOP is no overflow: %v, %v", table, err)
	}
}

func TestColumnsHaveTheirDeclaredTypes(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	table, err := clientOf(t, a, tap.Options{}).Query(t.Context(), "SELECT filename, calib_level, filesize, s_ra, COUNT(*) AS n, MAX(t_max) AS m, NULL AS x FROM ivoa.obscore GROUP BY filename, calib_level, filesize, s_ra")
	must(t, err)
	var got []string
	for _, f := range table.Fields {
		got = append(got, f.Name+" "+f.Datatype+f.Arraysize)
	}
	want := []string{"filename char*", "calib_level int", "filesize long", "s_ra double", "n long", "m double", "x char*"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestContentIsChangedAndRemoved(t *testing.T) {
	dir := t.TempDir()
	a := open(t, archive.Options{Dir: dir})
	fill(t, a)
	fill(t, a) // the same rows again replace themselves
	const name = "HIPASSJ0324-21_A_beam00_10arc_split.ms.tar"
	ctx := t.Context()
	must(t, a.UpdateObservation(ctx, name, "access_url", "https://new.invalid/"))
	must(t, a.UpdateObservation(ctx, name, "filesize", 7))
	must(t, a.UpdateObservation(ctx, name, "obs_id", nil))
	for what, err := range map[string]error{
		"unknown column":    a.UpdateObservation(ctx, name, "filesize = 1; --", 7),
		"control character": a.UpdateObservation(ctx, name, "obs_id", "a\x00"),
		"strange type":      a.UpdateObservation(ctx, name, "obs_id", true),
		"bad row":           a.AddObservations(ctx, []archive.Observation{{Filename: "never"}, {Filename: "\xff"}}),
	} {
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := a.UpdateObservation(ctx, "nobody", "obs_id", "x"); !errors.Is(err, fault.NotFound) {
		t.Errorf("no such row: %v", err)
	}
	if n, err := a.RemoveObservations(ctx, "HIPASSJ0324-21b_A_beam01_10arc_split.ms.tar"); n != 1 || err != nil {
		t.Errorf("%d rows removed, %v", n, err)
	}
	again := open(t, archive.Options{Dir: dir})
	table, err := clientOf(t, again, tap.Options{}).Query(ctx, "SELECT filename, access_url, filesize, obs_id FROM ivoa.obscore ORDER BY filename")
	must(t, err)
	if len(table.Rows) != 3 {
		t.Errorf("%d rows, want 3", len(table.Rows))
	}
	if diff := cmp.Diff([]string{name, "https://new.invalid/", "7", ""}, table.Rows[0]); diff != "" {
		t.Error(diff)
	}
}

func TestTheTransportHonoursTheContext(t *testing.T) {
	a := open(t, archive.Options{Latency: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := clientOf(t, a, tap.Options{}).Query(ctx, "SELECT 1 FROM ivoa.obscore"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestOpenRefusesWhatIsNoArchive(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, []byte("not a folder"), 0o600))
	broken := filepath.Join(dir, "broken")
	must(t, os.Mkdir(broken, 0o700))
	must(t, os.WriteFile(filepath.Join(broken, "ivoa.db"), []byte(strings.Repeat("no database ", 1000)), 0o600))
	for _, bad := range []string{"", file, broken} {
		_, err := archive.Open(t.Context(), archive.Options{Dir: bad})
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	odd := filepath.Join(dir, "a folder? with %41 # and 'quotes'")
	a := open(t, archive.Options{Dir: odd})
	fill(t, a)
	if _, err := os.Stat(filepath.Join(odd, "ivoa.db")); err != nil {
		t.Error(err)
	}
}
