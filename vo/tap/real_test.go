package tap_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
)

// These tests ask a real service (GAVO DaCHS), where RIG_TAP_URL says that one runs.

// rig makes a Client of the real service.
func rig(t *testing.T, o tap.Options) *tap.Client {
	t.Helper()
	if o.URL = os.Getenv("RIG_TAP_URL"); o.URL == "" {
		t.Skip("RIG_TAP_URL is not set: no real TAP service")
	}
	o.Name = "rig"
	c, err := tap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

const (
	hipass = "SELECT filename, obs_id, filesize FROM ivoa.obscore WHERE filename LIKE 'HIPASSJ13%'"
	join   = "SELECT u.source, o.filename FROM TAP_UPLOAD.ids AS u JOIN ivoa.obscore AS o ON o.target_name = u.source"
)

func TestRealAnswersAreEqualInEveryModeAndSerialization(t *testing.T) {
	var want [][]string
	for _, mode := range []tap.Mode{tap.Sync, tap.Async} {
		for _, s := range []votable.Serialization{votable.TableData, votable.Binary, votable.Binary2} {
			table, err := rig(t, tap.Options{Mode: mode, Serialization: s}).Run(t.Context(), tap.Request{ADQL: hipass})
			if err != nil {
				t.Fatalf("%s %s: %v", mode, s, err)
			}
			slices.SortFunc(table.Rows, slices.Compare)
			if want == nil {
				want = table.Rows
			}
			if diff := cmp.Diff(want, table.Rows); diff != "" || len(want) == 0 || table.Mode != string(mode) {
				t.Errorf("%s %s: %s", mode, s, diff)
			}
		}
	}
}

func TestARealUploadJoinGivesTheRowsOfSingleQueries(t *testing.T) {
	c := rig(t, tap.Options{})
	names := []string{"HIPASSJ1313-15", "HIPASSJ1318-21", "HIPASSJ0614-17", "nobody's"}
	table, err := c.Run(t.Context(), tap.Request{ADQL: join, Uploads: []tap.Upload{ids(names...)}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, row := range table.Rows {
		got[row[0]] = append(got[row[0]], row[1])
	}
	for _, name := range names {
		single, err := c.Query(t.Context(), fmt.Sprintf("SELECT filename FROM ivoa.obscore WHERE target_name = '%s'", strings.ReplaceAll(name, "'", "''")))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, row := range single.Rows {
			want = append(want, row[0])
		}
		slices.Sort(want)
		slices.Sort(got[name])
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	async, err := rig(t, tap.Options{Mode: tap.Async}).Run(t.Context(), tap.Request{ADQL: join, Uploads: []tap.Upload{ids(names...)}})
	if err != nil || len(async.Rows) != len(table.Rows) {
		t.Errorf("as a job: %v", err)
	}
}

func TestARealUploadThatIsTooLargeSynchronouslyIsAJob(t *testing.T) {
	var names []string
	for i := range 20000 {
		names = append(names, fmt.Sprintf("nobody-%06d", i))
	}
	r := tap.Request{ADQL: "SELECT COUNT(*) AS n FROM TAP_UPLOAD.ids", Uploads: []tap.Upload{ids(names...)}}
	table, err := rig(t, tap.Options{}).Run(t.Context(), r)
	if err != nil || table.Mode != "async" || table.Attempts != 2 || table.Rows[0][0] != "20000" {
		t.Errorf("%+v, %v", table, err)
	}
	if _, err := rig(t, tap.Options{Mode: tap.Sync}).Run(t.Context(), r); !errors.Is(err, tap.ErrTooLarge) {
		t.Error(err)
	}
}

func TestARealOverflowIsContinued(t *testing.T) {
	c := rig(t, tap.Options{})
	whole, err := c.Query(t.Context(), hipass)
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, len(whole.Rows) - 1, len(whole.Rows)} { // the last one overflows here, too
		table, err := c.Run(t.Context(), tap.Request{ADQL: hipass, MaxRec: limit})
		if err != nil || len(table.Rows) != len(whole.Rows) || table.Attempts < 2 {
			t.Errorf("MAXREC %d: %+v, %v", limit, table, err)
		}
	}
	if _, err := rig(t, tap.Options{MaxRecLimit: 10}).Run(t.Context(), tap.Request{ADQL: hipass, MaxRec: 5}); !errors.Is(err, votable.ErrOverflow) {
		t.Error(err)
	}
}

func TestRealRefusalsAreInvalidInEveryMode(t *testing.T) {
	for _, mode := range []tap.Mode{tap.Sync, tap.Async} {
		c := rig(t, tap.Options{Mode: mode, Retries: 2})
		_, err := c.Query(t.Context(), "SELECT nonesuch FROM ivoa.obscore")
		wantKind(t, err, fault.Invalid, "nonesuch")
		_, err = c.Run(t.Context(), tap.Request{ADQL: "SELECT nonesuch FROM TAP_UPLOAD.ids", Uploads: []tap.Upload{ids("a")}})
		wantKind(t, err, fault.Invalid, "nonesuch")
	}
}

// stopper stops its caller when a job is waited for.
type stopper struct {
	http.RoundTripper
	stop context.CancelFunc
}

func (s stopper) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.RawQuery, "WAIT=") {
		s.stop()
	}
	return s.RoundTripper.RoundTrip(r)
}

func TestARealJobIsResumed(t *testing.T) {
	m := newMemory()
	ctx, stop := context.WithCancel(t.Context())
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	r := tap.Request{ADQL: join, Uploads: []tap.Upload{ids("HIPASSJ1313-15")}, Mode: tap.Async}
	_, err := rig(t, tap.Options{Jobs: m, Transport: stopper{transport, stop}}).Run(ctx, r)
	if !errors.Is(err, context.Canceled) || len(m.urls) != 1 {
		t.Fatalf("%v, kept %v", err, m.urls)
	}
	kept := m.log[0]
	c := rig(t, tap.Options{Jobs: m})
	table, err := c.Run(t.Context(), r)
	if err != nil || len(table.Rows) == 0 {
		t.Fatalf("%+v, %v", table, err)
	}
	if diff := cmp.Diff([]string{kept, "forget"}, m.log); diff != "" { // no second job was kept
		t.Error(diff)
	}
	address := strings.Fields(kept)[2]
	if err := c.DeleteJob(t.Context(), address); !errors.Is(err, fault.NotFound) {
		t.Errorf("the job is still there: %v", err)
	}

	m.urls["k"] = address // a job that is gone
	if _, err := c.Run(t.Context(), tap.Request{ADQL: hipass, Mode: tap.Async, Key: "k"}); err != nil || len(m.urls) != 0 {
		t.Errorf("%v, kept %v", err, m.urls)
	}
}

func TestARealJobIsAbortedWhenItsTimeIsOver(t *testing.T) {
	m := newMemory()
	const slow = "SELECT COUNT(*) AS n FROM ivoa.obscore AS a, ivoa.obscore AS b, ivoa.obscore AS c WHERE a.s_ra+b.s_ra*c.s_ra>1 AND a.filename<b.filename"
	c := rig(t, tap.Options{Jobs: m, MaxWait: 3 * time.Second})
	_, err := c.Run(t.Context(), tap.Request{ADQL: slow, Mode: tap.Async})
	wantKind(t, err, fault.Unavailable, "after 3s")
	address := strings.Fields(m.log[0])[2]
	if err := c.DeleteJob(t.Context(), address); !errors.Is(err, fault.NotFound) || len(m.urls) != 0 {
		t.Errorf("the job is still there: %v, kept %v", err, m.urls)
	}
}

func TestWhatTheRealServiceSaysAboutItself(t *testing.T) {
	c := rig(t, tap.Options{})
	if err := c.Available(t.Context()); err != nil {
		t.Error(err)
	}
	l, err := c.Limits(t.Context())
	if err != nil || !l.Upload || !l.Async || l.Sync.Output.Hard == 0 || len(l.Functions) == 0 {
		t.Errorf("%+v, %v", l, err)
	}
	tables, err := c.Tables(t.Context())
	if err != nil || len(tables) < 5 {
		t.Errorf("%d tables, %v", len(tables), err)
	}
	if _, err := c.ListJobs(t.Context()); err != nil {
		t.Error(err)
	}
}
