package discovery

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"beampipe/ledger"
)

// asyncSurvey asks everything with jobs.
var asyncSurvey = strings.Replace(setSurvey, "vizier]}", "vizier], tap: {mode: async}}", 1)

// polls calls once when a job is looked at.
type polls struct {
	next http.RoundTripper
	once *sync.Once
	call func()
}

func (p polls) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/async/") {
		p.once.Do(p.call)
		if err := req.Context().Err(); err != nil {
			return nil, err
		}
	}
	return p.next.RoundTrip(req)
}

// keepJobs makes a new engine that keeps its jobs in the ledger, as a new process would.
func (w *world) keepJobs(line http.RoundTripper) {
	w.set = NewArchives(ArchiveOptions{
		Transport: func(string) http.RoundTripper { return line }, Now: w.clock.Now, Jobs: NewJobs(w.ledger),
		Wait: func(context.Context, time.Duration) error { return nil },
	})
	w.engine = New(Options{Ledger: w.ledger, Archives: w.set, Owner: "test", Health: w.health})
}

func (w *world) jobs() []ledger.ArchiveJob {
	w.t.Helper()
	list, err := w.ledger.View(context.Background()).ArchiveJobs()
	must(w.t, err)
	return list
}

// interrupted stops a tick while its first job runs.
func interrupted(t *testing.T) *world {
	w := newWorld(t, asyncSurvey)
	w.crowd(3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.keepJobs(polls{next: w.archive.Transport(), once: &sync.Once{}, call: cancel})
	r, err := w.engine.Tick(ctx, "survey")
	if r.Released != 3 || r.Failed != 0 {
		t.Fatalf("result %+v, error %v", r, err)
	}
	return w
}

func TestAJobThatRanWhenTheProcessEndedIsGoneOnWith(t *testing.T) {
	w := interrupted(t)
	if list := w.jobs(); len(list) != 1 || list[0].Project != "survey" || list[0].Archive != "casda" || w.archive.Jobs() != 1 {
		t.Fatalf("%d jobs on the server, kept: %+v", w.archive.Jobs(), list)
	}
	w.keepJobs(w.archive.Transport())
	if r := w.tick(); r.Changed != 3 || w.archive.Jobs() != 3 {
		t.Errorf("%d jobs were made, want one per query: %+v", w.archive.Jobs(), r)
	}
	if list := w.jobs(); len(list) != 0 {
		t.Errorf("jobs that are done are kept: %+v", list)
	}
}

func TestAJobThatNobodyGoesOnWithIsEndedAfterADay(t *testing.T) {
	w := interrupted(t)
	url := w.jobs()[0].URL
	line := &unplugged{next: w.archive.Transport()}
	w.keepJobs(line)
	must(t, w.engine.SweepJobs(t.Context()))
	if len(w.jobs()) != 1 {
		t.Fatal("it was ended at once")
	}
	w.clock.advance(JobPatience)
	line.out = true
	must(t, w.engine.SweepJobs(t.Context()))
	if len(w.jobs()) != 1 {
		t.Fatal("it was forgotten though the archive could not be asked")
	}
	line.out = false
	w.clock.advance(time.Hour)
	must(t, w.engine.SweepJobs(t.Context()))
	if len(w.jobs()) != 0 {
		t.Errorf("kept: %+v", w.jobs())
	}
	resp, err := w.archive.Transport().RoundTrip(mustRequest(t, url))
	must(t, err)
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("the job is still on the server: HTTP %d", resp.StatusCode)
	}
}

func TestAJobWhoseProjectIsGoneIsForgotten(t *testing.T) {
	w := newWorld(t, plainSurvey)
	must(t, NewJobs(w.ledger).Of("nobody").Keep(t.Context(), "k", "casda", "http://archive.invalid/tap/async/1"))
	w.clock.advance(JobPatience)
	must(t, w.engine.SweepJobs(t.Context()))
	if len(w.jobs()) != 0 {
		t.Errorf("kept: %+v", w.jobs())
	}
}

func TestEachProjectHasItsOwnJobs(t *testing.T) {
	w := newWorld(t, plainSurvey)
	one, two := NewJobs(w.ledger).Of("one"), NewJobs(w.ledger).Of("two")
	must(t, one.Keep(t.Context(), "k", "casda", "http://archive.invalid/tap/async/1"))
	w.clock.advance(time.Hour)
	if url, err := one.Job(t.Context(), "k"); err != nil || url == "" {
		t.Errorf("%q, %v", url, err)
	}
	if at := w.jobs()[0].SeenAt; !at.Equal(w.clock.Now()) {
		t.Errorf("seen at %v", at)
	}
	if url, err := two.Job(t.Context(), "k"); err != nil || url != "" {
		t.Errorf("%q, %v", url, err)
	}
	must(t, two.Forget(t.Context(), "k"))
	must(t, one.Forget(t.Context(), "k"))
	if len(w.jobs()) != 0 {
		t.Errorf("kept: %+v", w.jobs())
	}
}

// unplugged is a line that can be out.
type unplugged struct {
	next http.RoundTripper
	out  bool
}

func (u *unplugged) RoundTrip(req *http.Request) (*http.Response, error) {
	if u.out {
		return nil, context.DeadlineExceeded
	}
	return u.next.RoundTrip(req)
}

func mustRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	return req
}
