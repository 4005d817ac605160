package real

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/votable"
)

const oneSource = "SELECT * FROM ivoa.obscore WHERE target_name = '%s' ORDER BY filename"

func TestASourcesRowsAreThoseThatTheArchiveHolds(t *testing.T) {
	r := theRig(t)
	c := client(t, tap.Options{URL: r.url})
	for _, source := range []string{r.sources[0], r.sources[1], r.sources[30], r.sources[49]} {
		table, err := c.Query(t.Context(), fmt.Sprintf(oneSource, source))
		must(t, err)
		rows, _ := r.of(source)
		var want, got []string
		for _, o := range rows {
			want = append(want, o.Filename+" "+o.ObsID)
		}
		slices.Sort(want)
		filename, obs := table.Column("filename"), table.Column("obs_id")
		for _, row := range table.Rows {
			got = append(got, row[filename]+" "+row[obs])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", source, diff)
		}
	}
}

func TestEverySerializationGivesTheSameCells(t *testing.T) {
	r := theRig(t)
	adql := "SELECT TOP 2000 * FROM ivoa.obscore ORDER BY obs_publisher_did"
	var first *tap.Table
	for _, s := range []votable.Serialization{votable.TableData, votable.Binary2, votable.Binary} {
		c := client(t, tap.Options{URL: r.url, Serialization: s})
		table, err := c.Query(t.Context(), adql)
		if s == votable.Binary && errors.Is(err, fault.Invalid) {
			t.Logf("BINARY is refused by name here: %v", err)
			continue
		}
		must(t, err)
		if first == nil {
			first = table
		}
		if len(table.Rows) != 2000 {
			t.Errorf("%v: %d rows", s, len(table.Rows))
		}
		if diff := cmp.Diff(first.Rows, table.Rows); diff != "" {
			t.Errorf("%v: %s", s, diff)
		}
	}
}

func TestAnErrorIsAnErrorWithTheArchivesWordsWhateverItsHTTPStatus(t *testing.T) {
	r := theRig(t)
	for _, status := range []int{http.StatusOK, http.StatusBadRequest} {
		for _, tt := range []struct{ name, adql, words string }{
			{"a table that is not there", "SELECT * FROM ivoa.nonesuch", "nonesuch"},
			{"a column that is not there", "SELECT nonesuch FROM ivoa.obscore", "nonesuch"},
			{"no ADQL", "SELEKT * FROM ivoa.obscore", "Expected"},
			{"a division by zero in the middle of the work", "SELECT 1/(calib_level-calib_level) FROM ivoa.obscore", "zero"},
		} {
			t.Run(fmt.Sprintf("%s, HTTP %d", tt.name, status), func(t *testing.T) {
				f := newFront(t, r)
				var seen atomic.Int64
				f.set(spoil{bad400: status == http.StatusBadRequest, passed: func(_ string, code int) { seen.Store(int64(code)) }})
				table, err := client(t, tap.Options{URL: f.url}).Query(t.Context(), tt.adql)
				if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.words) {
					t.Errorf("%v, %v", table, err)
				}
				if seen.Load() != http.StatusOK {
					t.Errorf("the service itself said %d: the README of the rig is out of date", seen.Load())
				}
				if f.count(kindSync) != 1 {
					t.Errorf("asked %d times", f.count(kindSync))
				}
			})
		}
	}
}

func TestAnAnswerThatIsCutAnywhereIsNoAnswer(t *testing.T) {
	r := theRig(t)
	f := newFront(t, r)
	c := client(t, tap.Options{URL: f.url})
	adql := fmt.Sprintf(oneSource, r.sources[0])
	whole, err := c.Query(t.Context(), adql)
	must(t, err)
	if len(whole.Rows) != 2 {
		t.Fatalf("%d rows", len(whole.Rows))
	}
	cuts := 0
	for n := 1; ; n += 997 {
		f.set(spoil{cut: n})
		table, err := c.Query(t.Context(), adql)
		if err == nil {
			if diff := cmp.Diff(whole.Rows, table.Rows); diff != "" {
				t.Errorf("cut after %d bytes: %s", n, diff)
			}
			break // the document is not that long
		}
		cuts++
		if !errors.Is(err, fault.Unavailable) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	if cuts < 5 {
		t.Errorf("only %d cuts", cuts)
	}
}

func TestAnOverflowIsNeverTakenForAWholeAnswer(t *testing.T) {
	r := theRig(t)
	source, all := busiest(r)
	adql := fmt.Sprintf("SELECT filename FROM ivoa.obscore WHERE filename LIKE '%s\\_%%' ORDER BY filename", source)
	whole, err := client(t, tap.Options{URL: r.url}).Query(t.Context(), adql)
	must(t, err)
	if len(whole.Rows) != all {
		t.Fatalf("%d rows of %d", len(whole.Rows), all)
	}
	for _, tt := range []struct {
		name        string
		maxRec, top int // top: as far as MAXREC may be raised
		refused     bool
	}{
		{name: "MAXREC is raised until the answer is whole", maxRec: 1, top: 1000},
		{name: "exactly MAXREC rows exist", maxRec: all, top: 10 * all},
		{name: "MAXREC may not be raised far enough", maxRec: 1, top: all - 1, refused: true},
		{name: "exactly MAXREC rows exist, and it may not be raised", maxRec: all, top: all, refused: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFront(t, r)
			c := client(t, tap.Options{URL: f.url, MaxRec: tt.maxRec, MaxRecLimit: tt.top})
			table, err := c.Run(t.Context(), tap.Request{ADQL: adql})
			if tt.refused {
				if !errors.Is(err, votable.ErrOverflow) {
					t.Errorf("%v, %v", table, err)
				}
				return
			}
			must(t, err)
			if diff := cmp.Diff(whole.Rows, table.Rows); diff != "" {
				t.Error(diff)
			}
			if f.count(kindSync) < 2 {
				t.Errorf("asked %d times", f.count(kindSync))
			}
		})
	}
}

// busiest gives the source with the most rows.
func busiest(r rig) (source string, rows int) {
	counts := map[string]int{}
	for _, o := range r.rows {
		name, _, _ := strings.Cut(o.Filename, "_")
		counts[name]++
		if counts[name] > rows {
			source, rows = name, counts[name]
		}
	}
	return source, rows
}

func TestWhatTheServiceSaysOfItself(t *testing.T) {
	r := theRig(t)
	c := client(t, tap.Options{URL: r.url})
	must(t, c.Available(t.Context()))
	limits, err := c.Limits(t.Context())
	must(t, err)
	if !limits.Async || !limits.Upload || limits.Sync.Output.Default != 20000 || limits.AsyncJobs.Uploads.Hard != 20_000_000 || limits.AsyncJobs.Uploads.Unit != "byte" {
		t.Errorf("limits: %+v", limits)
	}
	tables, err := c.Tables(t.Context())
	must(t, err)
	names := map[string]int{}
	for _, table := range tables {
		names[table.Name] = len(table.Columns)
	}
	for _, name := range []string{"ivoa.obscore", "casda.observation_evaluation_file", "hipass.hicat"} {
		if names[name] == 0 {
			t.Errorf("%s is not among the tables: %v", name, names)
		}
	}
}
