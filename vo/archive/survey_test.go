package archive_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"beampipe/vo/archive"
	"beampipe/vo/tap"

	"golang.org/x/sync/errgroup"
)

// surveySources gives the source names of the survey, or 801 made-up ones where the shared data is
// absent.
func surveySources(t testing.TB) []string {
	t.Helper()
	root := os.Getenv("BEAMPIPE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	raw, err := os.ReadFile(filepath.Join(root, "data", "wallaby", "sources.txt"))
	if err == nil {
		return strings.Fields(string(raw))
	}
	var names []string
	for i := range 801 {
		names = append(names, fmt.Sprintf("HIPASSJ%02d%02d-%02d", i/60, i%60, i%90))
	}
	return names
}

// surveyArchive fills an archive with a whole survey.
func surveyArchive(t testing.TB, filesPerSource int) (*archive.Archive, []string) {
	t.Helper()
	a := open(t, archive.Options{})
	names := surveySources(t)
	var observations []archive.Observation
	var evaluations []archive.Evaluation
	var catalogue []archive.CatalogueEntry
	for i, name := range names {
		sbid := fmt.Sprint(30000 + i)
		for beam := range filesPerSource {
			observations = append(observations, archive.Observation{
				Filename: fmt.Sprintf("%s_A_beam%02d_10arc_split.ms.tar", name, beam), ObsID: "ASKAP-" + sbid,
				PublisherDID: fmt.Sprintf("visibility-%d-%d", i, beam), Collection: "WALLABY", TargetName: name,
				TMin: 59000 + float64(i), TMax: 59000.5 + float64(i),
			})
		}
		evaluations = append(evaluations, archive.Evaluation{SBID: sbid, Format: "calibration", Filename: "calibration-metadata-processing-logs-SB" + sbid + "_2021-12-31-011733.tar"})
		catalogue = append(catalogue, archive.CatalogueEntry{HIPASS: strings.TrimPrefix(name, "HIPASS"), RAJ2000: ptr(1), DEJ2000: ptr(2)})
	}
	must(t, a.AddObservations(t.Context(), observations))
	must(t, a.AddEvaluations(t.Context(), evaluations))
	must(t, a.AddCatalogue(t.Context(), catalogue))
	return a, names
}

// askAll runs the three queries of every source, four at a time.
func askAll(t testing.TB, c *tap.Client, names []string, filesPerSource int) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(4)
	for i, name := range names {
		group.Go(func() error {
			for adql, atLeast := range map[string]int{
				fmt.Sprintf(visibilityQuery, name):                              filesPerSource,
				fmt.Sprintf(catalogueQuery, strings.TrimPrefix(name, "HIPASS")): 1,
				fmt.Sprintf(evaluationQuery, fmt.Sprint(30000+i)):               1,
			} {
				table, err := c.Query(ctx, adql)
				if err != nil {
					return err
				}
				if len(table.Rows) < atLeast && !strings.HasSuffix(name, "-21") && !strings.HasSuffix(name, "-13") {
					return fmt.Errorf("%d rows for %s", len(table.Rows), adql)
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
}

// BenchmarkJoin asks for 1,000 sources over some 10,000 files at once, in each of the ways there are.
func BenchmarkJoin(b *testing.B) {
	a := open(b, archive.Options{})
	var list []archive.Observation
	var names, literals []string
	for i := range 1000 {
		name := fmt.Sprintf("HIPASSJ%04d-21", i)
		names, literals = append(names, name), append(literals, "'"+name+"'")
		for beam := range 10 {
			list = append(list, archive.Observation{Filename: fmt.Sprintf("%s_A_beam%02d.ms.tar", name, beam), TargetName: name, Collection: "WALLABY", TMax: float64(beam)})
		}
	}
	must(b, a.AddObservations(b.Context(), list))
	table := map[string]string{"s": sources(b, names...)}
	const columns = "SELECT o.obs_id, o.filename, o.filesize, o.t_max, o.target_name FROM "
	for name, adql := range map[string]string{
		"equal":  columns + "TAP_UPLOAD.s u JOIN ivoa.obscore o ON o.target_name = u.source_identifier WHERE o.obs_collection IN ('WALLABY')",
		"prefix": columns + "TAP_UPLOAD.s u JOIN ivoa.obscore o ON o.filename LIKE u.source_identifier || '%' WHERE o.obs_collection IN ('WALLABY')",
		"list":   columns + "ivoa.obscore o WHERE o.target_name IN (" + strings.Join(literals, ",") + ") AND o.obs_collection IN ('WALLABY')",
		"latest": columns + `TAP_UPLOAD.s u JOIN ivoa.obscore o ON o.filename LIKE u.source_identifier || '%'
			JOIN (SELECT v.source_identifier AS id, MAX(p.t_max) AS mx FROM TAP_UPLOAD.s v JOIN ivoa.obscore p ON p.filename LIKE v.source_identifier || '%' GROUP BY v.source_identifier) AS latest
			ON latest.id = u.source_identifier AND o.t_max = latest.mx`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				got := askWith(b, a, "/sync", adql, table)
				if rows, err := rowsOf(got.body); err != nil || len(rows) != 10_000 && len(rows) != 1000 {
					b.Fatal(len(rows), err)
				}
			}
		})
	}
}

func TestASurveyIsAskedForInParallel(t *testing.T) {
	const filesPerSource = 3
	a, names := surveyArchive(t, filesPerSource)
	c := clientOf(t, a, tap.Options{})
	names = names[:200] // of all 801 that are there: BenchmarkSurvey asks for every one
	askAll(t, c, names, filesPerSource)
	if want := int64(3 * len(names)); a.Queries() != want {
		t.Errorf("%d queries, want %d", a.Queries(), want)
	}
}

func BenchmarkSurvey(b *testing.B) {
	const filesPerSource = 36
	a, names := surveyArchive(b, filesPerSource)
	c := clientOf(b, a, tap.Options{})
	for b.Loop() {
		askAll(b, c, names, filesPerSource)
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/survey")
}
