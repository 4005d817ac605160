package real

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/uws"
	"beampipe/vo/votable"
)

// kept keeps the addresses of jobs as a ledger does.
type kept struct {
	mu   sync.Mutex
	urls map[string]string
}

func (k *kept) Job(_ context.Context, key string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.urls[key], nil
}

func (k *kept) Keep(_ context.Context, key, _, url string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.urls == nil {
		k.urls = map[string]string{}
	}
	k.urls[key] = url
	return nil
}

func (k *kept) Forget(_ context.Context, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.urls, key)
	return nil
}

func (k *kept) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.urls)
}

// jobs gives the jobs that the server itself lists, without those that were there before.
func jobs(t testing.TB, r rig, before []uws.JobRef) []uws.JobRef {
	t.Helper()
	list, err := client(t, tap.Options{URL: r.url}).ListJobs(t.Context())
	must(t, err)
	return slices.DeleteFunc(list, func(j uws.JobRef) bool {
		return slices.ContainsFunc(before, func(old uws.JobRef) bool { return old.ID == j.ID })
	})
}

// slow is a query that works for some ten seconds.
const slow = "SELECT COUNT(*) AS n FROM ivoa.obscore AS a, (SELECT TOP 3000 filename FROM ivoa.obscore) AS b WHERE a.filename || b.filename LIKE '%zzz%'"

func TestAnAsynchronousAnswerIsThatOfASynchronousOneAndLeavesNoJobBehind(t *testing.T) {
	r := theRig(t)
	before := jobs(t, r, nil)
	adql := fmt.Sprintf(oneSource, r.sources[0])
	for _, s := range []votable.Serialization{votable.TableData, votable.Binary2} {
		want, err := client(t, tap.Options{URL: r.url, Serialization: s}).Run(t.Context(), tap.Request{ADQL: adql, Mode: tap.Sync})
		must(t, err)
		var k kept
		got, err := client(t, tap.Options{URL: r.url, Serialization: s, Jobs: &k}).Run(t.Context(), tap.Request{ADQL: adql, Mode: tap.Async})
		must(t, err)
		if diff := cmp.Diff(want.Rows, got.Rows); diff != "" || len(got.Rows) == 0 || got.Mode != "async" || want.Mode != "sync" {
			t.Errorf("%v: %s and %s: %s", s, want.Mode, got.Mode, diff)
		}
		if k.count() != 0 {
			t.Errorf("still kept: %v", k.urls)
		}
	}
	if left := jobs(t, r, before); len(left) != 0 {
		t.Errorf("left on the server: %+v", left)
	}
}

func TestAnAsynchronousErrorIsOneWithTheArchivesWords(t *testing.T) {
	r := theRig(t)
	before := jobs(t, r, nil)
	c := client(t, tap.Options{URL: r.url, Mode: tap.Async})
	table, err := c.Query(t.Context(), "SELECT nonesuch FROM ivoa.obscore")
	if !errors.Is(err, fault.Invalid) || table != nil {
		t.Errorf("%v", err)
	}
	if left := jobs(t, r, before); len(left) != 0 {
		t.Errorf("left on the server: %+v", left)
	}
}

func TestAnAsynchronousOverflowIsNeverTakenForAWholeAnswer(t *testing.T) {
	r := theRig(t)
	source, all := busiest(r)
	adql := fmt.Sprintf("SELECT filename FROM ivoa.obscore WHERE filename LIKE '%s\\_%%'", source)
	c := client(t, tap.Options{URL: r.url, Mode: tap.Async, MaxRec: 1, MaxRecLimit: 100})
	table, err := c.Run(t.Context(), tap.Request{ADQL: adql})
	must(t, err)
	if len(table.Rows) != all {
		t.Errorf("%d rows of %d", len(table.Rows), all)
	}
	c = client(t, tap.Options{URL: r.url, Mode: tap.Async, MaxRec: 1, MaxRecLimit: 1})
	if table, err := c.Run(t.Context(), tap.Request{ADQL: adql}); !errors.Is(err, votable.ErrOverflow) {
		t.Errorf("%v, %v", table, err)
	}
}

func TestAJobThatIsAbortedEndsWithoutAnAnswer(t *testing.T) {
	r := theRig(t)
	before := jobs(t, r, nil)
	f := newFront(t, r)
	began := make(chan struct{}, 1)
	f.set(spoil{passed: func(kind string, _ int) {
		if kind == kindRun {
			began <- struct{}{}
		}
	}})
	ended := make(chan error, 1)
	c := client(t, tap.Options{URL: f.url, Mode: tap.Async})
	go func() {
		_, err := c.Run(t.Context(), tap.Request{ADQL: slow})
		ended <- err
	}()
	<-began
	running := jobs(t, r, before)
	if len(running) != 1 {
		t.Fatalf("%d jobs on the server: %+v", len(running), running)
	}
	must(t, client(t, tap.Options{URL: r.url}).AbortJob(t.Context(), running[0].URL))
	if err := <-ended; err == nil {
		t.Error("an answer of an aborted job")
	} else {
		t.Log(err)
	}
	tidy(t, r, before)
}

// tidy takes jobs from the server that a test left there on purpose.
func tidy(t testing.TB, r rig, before []uws.JobRef) {
	t.Helper()
	c := client(t, tap.Options{URL: r.url})
	for _, j := range jobs(t, r, before) {
		if j.Phase.Active() {
			must(t, c.AbortJob(t.Context(), j.URL))
		}
		await(t, "the end of job "+j.ID, func() bool {
			for _, now := range jobs(t, r, before) {
				if now.ID == j.ID && !now.Phase.Terminal() {
					return false
				}
			}
			return true
		})
		must(t, c.DeleteJob(t.Context(), j.URL))
	}
}

func TestAJobThatTakesTooLongIsAbortedAndForgotten(t *testing.T) {
	r := theRig(t)
	before := jobs(t, r, nil)
	f := newFront(t, r)
	var k kept
	c := client(t, tap.Options{URL: f.url, Mode: tap.Async, Jobs: &k, MaxWait: 3 * time.Second})
	table, err := c.Run(t.Context(), tap.Request{ADQL: slow})
	if !errors.Is(err, fault.Unavailable) || table != nil {
		t.Errorf("%v", err)
	}
	if k.count() != 0 || f.count(kindAbort)+f.count(kindDelete) == 0 {
		t.Errorf("kept: %v, %d aborts, %d deletes", k.urls, f.count(kindAbort), f.count(kindDelete))
	}
	await(t, "the end of the job", func() bool {
		return !slices.ContainsFunc(jobs(t, r, before), func(j uws.JobRef) bool { return !j.Phase.Terminal() })
	})
	tidy(t, r, before)
}

func TestAClientThatEndsInTheMiddleOfAJobIsFollowedByOneThatTakesUpTheSameJob(t *testing.T) {
	r := theRig(t)
	before := jobs(t, r, nil)
	f := newFront(t, r)
	adql := "SELECT a.filename FROM ivoa.obscore AS a WHERE a.filename LIKE '" + r.sources[0] + "%'"
	var k kept
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	f.set(spoil{passed: func(kind string, _ int) {
		if kind == kindRun {
			stop() // the process ends when its job has just begun
		}
	}})
	if _, err := client(t, tap.Options{URL: f.url, Mode: tap.Async, Jobs: &k}).Run(ctx, tap.Request{ADQL: adql}); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if on := jobs(t, r, before); len(on) != 1 || k.count() != 1 {
		t.Fatalf("on the server: %+v, kept: %v", on, k.urls)
	}
	table, err := client(t, tap.Options{URL: f.url, Mode: tap.Async, Jobs: &k}).Run(t.Context(), tap.Request{ADQL: adql})
	must(t, err)
	if want, _ := r.of(r.sources[0]); len(table.Rows) < len(want) {
		t.Errorf("%d rows", len(table.Rows))
	}
	if f.count(kindCreate) != 1 || f.count(kindRun) != 1 {
		t.Errorf("%d jobs were made, %d were run", f.count(kindCreate), f.count(kindRun))
	}
	if left := jobs(t, r, before); len(left) != 0 || k.count() != 0 {
		t.Errorf("left on the server: %+v, kept: %v", left, k.urls)
	}
}
