package tap_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"beampipe/fault"
	"beampipe/vo/tap"

	"github.com/google/go-cmp/cmp"
)

// ask asks once and gives what is allowed then.
func ask(t *testing.T, c *tap.Client, b *tap.Budget) (tap.BudgetState, error) {
	t.Helper()
	_, err := c.Query(t.Context(), "q")
	return b.State(), err
}

func TestTheBreakerOpensAfterFailuresInARowAndTriesAgainOneAtATime(t *testing.T) {
	f := newFake(t)
	var changes []string
	b := f.budget(tap.BudgetOptions{OnChange: func(s tap.BudgetState) { changes = append(changes, s.Breaker) }})
	c := f.client(tap.Options{Budget: b})
	bad, ok := reply{code: 502, body: "bad gateway"}, reply{body: good}
	answer := bad
	f.sync = func(int, query) reply { return answer }

	for range 4 {
		if s, err := ask(t, c, b); s.Breaker != tap.BreakerClosed || !errors.Is(err, fault.Unavailable) {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	answer = ok
	if s, err := ask(t, c, b); err != nil || s.LastError != "" {
		t.Fatalf("an answer ends the row: %+v, %v", s, err)
	}
	answer = bad
	for range 5 {
		_, _ = ask(t, c, b)
	}
	s := b.State()
	if s.Breaker != tap.BreakerOpen || !s.RetryAt.Equal(f.now.Add(30*time.Second)) || !s.Since.Equal(f.now) || !strings.Contains(s.LastError, "bad gateway") {
		t.Fatalf("%+v", s)
	}
	asked := f.syncs
	for _, open := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
		f.now = f.now.Add(open - time.Second)
		_, err := ask(t, c, b)
		wantKind(t, err, fault.Unavailable, "until 2026-11-20 ")
		if !errors.Is(err, tap.ErrCircuitOpen) || f.syncs != asked || !strings.Contains(err.Error(), "bad gateway") {
			t.Fatalf("%s: asked %d times, %v", open, f.syncs, err)
		}
		f.now = f.now.Add(time.Second)
		if s, _ := ask(t, c, b); s.Breaker != tap.BreakerOpen || f.syncs != asked+1 { // the trial fails
			t.Fatalf("%s: %+v, asked %d times", open, s, f.syncs)
		}
		asked = f.syncs
	}
	f.now = f.now.Add(10 * time.Minute)
	answer = ok
	if s, err := ask(t, c, b); err != nil || s.Breaker != tap.BreakerClosed || !s.RetryAt.IsZero() {
		t.Fatalf("the trial succeeds: %+v, %v", s, err)
	}
	answer = bad
	for range 5 {
		_, _ = ask(t, c, b)
	}
	if s := b.State(); !s.RetryAt.Equal(f.now.Add(30 * time.Second)) {
		t.Errorf("the delay begins anew: %+v", s)
	}
	if changes[0] != tap.BreakerOpen || changes[1] != tap.BreakerHalfOpen || changes[len(changes)-2] != tap.BreakerClosed {
		t.Errorf("%v", changes)
	}
}

func TestOnlyWhatTheArchiveCannotHelpCountsAsItsFailure(t *testing.T) {
	for name, tt := range map[string]struct {
		answer reply
		opens  bool
	}{
		"a refused query":           {reply{code: 400, body: failedDoc("no such column")}, false},
		"a refused query with 200":  {reply{body: failedDoc("no such column")}, false},
		"a refused query with 500":  {reply{code: 500, body: failedDoc("no such column")}, false},
		"a malformed VOTable":       {reply{body: head + "<TR><TD></TR>" + foot}, false},
		"a redirect out of reach":   {reply{code: 301, header: map[string]string{"Location": "http://new.example/tap"}}, false},
		"500 in other words":        {reply{code: 500, body: "stack trace"}, true},
		"503":                       {reply{code: 503}, true},
		"429":                       {reply{code: 429}, true},
		"too busy":                  {reply{code: 400, body: "TAP service too busy"}, true},
		"a page instead of a table": {reply{body: "<html><title>Maintenance"}, true},
		"a cut answer":              {reply{body: head + oneTR}, true},
		"a broken line":             {reply{header: map[string]string{fail: "connection refused"}}, true},
	} {
		f := newFake(t)
		f.sync = func(int, query) reply { return tt.answer }
		b := f.budget(tap.BudgetOptions{})
		c := f.client(tap.Options{Budget: b})
		for range 5 {
			_, _ = ask(t, c, b)
		}
		if open := b.State().Breaker == tap.BreakerOpen; open != tt.opens {
			t.Errorf("%s: %+v", name, b.State())
		}
	}
}

func TestATrialThatItsCallerGaveUpIsFollowedByAnother(t *testing.T) {
	f := newFake(t)
	b := f.budget(tap.BudgetOptions{Failures: 1})
	c := f.client(tap.Options{Budget: b})
	f.sync = func(int, query) reply { return reply{code: 502} }
	_, _ = ask(t, c, b)
	f.now = f.now.Add(30 * time.Second)
	ctx, stop := context.WithCancel(t.Context())
	f.sync = func(int, query) reply { stop(); return reply{header: map[string]string{fail: "stopped"}} }
	if _, err := c.Query(ctx, "q"); !errors.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	if s := b.State(); s.Breaker != tap.BreakerHalfOpen {
		t.Fatalf("%+v", s)
	}
	f.sync = func(int, query) reply { return reply{body: good} }
	if s, err := ask(t, c, b); err != nil || s.Breaker != tap.BreakerClosed {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestATrialThatPanicsIsFollowedByAnother(t *testing.T) {
	f := newFake(t)
	b := f.budget(tap.BudgetOptions{Failures: 1, MaxConcurrency: 1})
	f.sync = func(int, query) reply { return reply{code: 502} }
	_, _ = ask(t, f.client(tap.Options{Budget: b}), b)
	f.now = f.now.Add(30 * time.Second)
	broken, err := tap.New(tap.Options{URL: "http://archive.example/tap", Transport: panics{}, Budget: b})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = broken.Query(t.Context(), "q")
	}()
	f.sync = func(int, query) reply { return reply{body: good} }
	if s, err := ask(t, f.client(tap.Options{Budget: b}), b); err != nil || s.Breaker != tap.BreakerClosed || s.InFlight != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// panics is a transport with a defect.
type panics struct{}

func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("a defect") }

func TestWhileAJobRunsAnOpenBreakerIsWaitedOut(t *testing.T) {
	f, m := newFake(t), newMemory()
	b := f.budget(tap.BudgetOptions{Failures: 2})
	polls := 0
	f.phases = func(int) []string { return []string{"EXECUTING", "COMPLETED"} }
	f.other = func(r *http.Request) (reply, bool) {
		if r.Method == http.MethodGet && r.URL.Path == "/run/1" {
			polls++
			return reply{code: 502}, polls > 1 && polls < 8
		}
		return reply{}, false
	}
	table, err := f.client(tap.Options{Mode: tap.Async, Budget: b, Jobs: m}).Run(t.Context(), tap.Request{ADQL: "q"})
	if err != nil || len(table.Rows) != 1 || f.creates != 1 || b.State().Breaker != tap.BreakerClosed || b.State().InFlight != 0 {
		t.Errorf("%v, %d jobs, %+v", err, f.creates, b.State())
	}
}

func TestRetriesAreAShareOfTheRequests(t *testing.T) {
	f := newFake(t)
	b := f.budget(tap.BudgetOptions{Failures: 1 << 20})
	c := f.client(tap.Options{Budget: b, Retries: 3})
	f.sync = func(int, query) reply { return reply{code: 502} }
	now := f.now
	const questions = 100
	for range questions {
		_, err := c.Query(t.Context(), "q")
		f.now = now // the waits between attempts earn nothing here
		if !errors.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
	}
	if retries := f.syncs - questions; retries < 25 || retries > 31 {
		t.Errorf("%d retries", retries)
	}
	_, err := c.Query(t.Context(), "q")
	wantKind(t, err, fault.Unavailable, "not tried again")
	f.now = f.now.Add(time.Minute)
	before := f.syncs
	_, _ = c.Query(t.Context(), "q")
	if f.syncs != before+4 {
		t.Errorf("after a minute: %d attempts", f.syncs-before)
	}

	b = f.budget(tap.BudgetOptions{RetryRatio: -1})
	before = f.syncs
	_, _ = f.client(tap.Options{Budget: b, Retries: 3}).Query(t.Context(), "q")
	if f.syncs != before+1 {
		t.Errorf("without retries: %d attempts", f.syncs-before)
	}
}

func TestRequestsAreSpacedAndARetryAfterHoldsForAll(t *testing.T) {
	f := newFake(t)
	b := f.budget(tap.BudgetOptions{PerSecond: 2})
	c, other := f.client(tap.Options{Budget: b}), f.client(tap.Options{Budget: b})
	for range 3 {
		_, _ = ask(t, c, b)
	}
	if diff := cmp.Diff([]time.Duration{500 * time.Millisecond, 500 * time.Millisecond}, f.waits); diff != "" {
		t.Error(diff)
	}
	f.now, f.waits = f.now.Add(time.Minute), nil
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "86400": time.Minute} {
		f.sync = func(int, query) reply { return reply{code: 503, header: map[string]string{"Retry-After": header}} }
		_, _ = ask(t, c, b)
		f.sync = func(int, query) reply { return reply{body: good} }
		f.waits = nil
		if _, err := ask(t, other, b); err != nil || len(f.waits) != 1 || f.waits[0] != want {
			t.Errorf("Retry-After %s: %v, waited %v", header, err, f.waits)
		}
		f.now = f.now.Add(time.Minute)
	}
}

func TestTheConcurrencyBacksOffWhenTheArchiveSlowsAndGrowsAgain(t *testing.T) {
	f := newFake(t)
	b := f.budget(tap.BudgetOptions{})
	c := f.client(tap.Options{Budget: b, Timeout: time.Hour})
	window := func(d time.Duration) int {
		f.sync = func(int, query) reply { return after(d) }
		var s tap.BudgetState
		for range 16 {
			var err error
			if s, err = ask(t, c, b); err != nil {
				t.Fatal(err)
			}
		}
		return s.Concurrency
	}
	var got []int
	for _, d := range []time.Duration{200, 250, 350, 500, 600, 900, 200, 200, 200, 200, 200, 200, 200} {
		got = append(got, window(d*time.Millisecond))
	}
	if diff := cmp.Diff([]int{8, 8, 8, 4, 2, 1, 2, 3, 4, 5, 6, 7, 8}, got); diff != "" {
		t.Error(diff)
	}
	f.sync = func(int, query) reply { return reply{code: 429} }
	if s, _ := ask(t, c, b); s.Concurrency != 4 {
		t.Errorf("429: %+v", s)
	}
}

// gate answers when it is told to.
type gate struct {
	canned
	in, most atomic.Int64
	open     chan struct{}
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	n := g.in.Add(1)
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
	}
	defer g.in.Add(-1)
	select {
	case <-g.open:
		return g.canned.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func TestSoManyQuestionsAreAskedAtATimeAndWaitingIsNotTheAttemptsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{canned: canned{code: 200, body: []byte(good)}, open: make(chan struct{})}
		b := tap.NewBudget(tap.BudgetOptions{MaxConcurrency: 2})
		c, err := tap.New(tap.Options{URL: "http://a/tap", Transport: g, Budget: b, Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				if _, err := c.Query(t.Context(), "q"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		impatient, stop := context.WithCancel(t.Context())
		wait.Go(func() {
			if _, err := c.Query(impatient, "q"); !errors.Is(err, context.Canceled) || !errors.Is(err, fault.Unavailable) {
				t.Error(err)
			}
		})
		synctest.Wait()
		if s := b.State(); s.InFlight != 2 || g.in.Load() != 2 {
			t.Errorf("%+v, %d under way", s, g.in.Load())
		}
		stop()
		// Each pair takes 9 s of the 10 that an attempt has; the last waits for 81.
		for range 10 {
			time.Sleep(9 * time.Second)
			g.open <- struct{}{}
			g.open <- struct{}{}
		}
		wait.Wait()
		if s := b.State(); s.InFlight != 0 || g.most.Load() != 2 {
			t.Errorf("%+v, %d at most", s, g.most.Load())
		}
	})
}

func TestTheBreakerKeepsTheRealTimeToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &switching{canned: canned{code: 502}}
		b := tap.NewBudget(tap.BudgetOptions{Failures: 1})
		c, err := tap.New(tap.Options{URL: "http://a/tap", Transport: w, Budget: b})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Query(t.Context(), "q")
		time.Sleep(30*time.Second - 1)
		if _, err := c.Query(t.Context(), "q"); !errors.Is(err, tap.ErrCircuitOpen) {
			t.Error(err)
		}
		w.canned = canned{code: 200, body: []byte(good)}
		time.Sleep(time.Nanosecond)
		if _, err := c.Query(t.Context(), "q"); err != nil || b.State().Breaker != tap.BreakerClosed {
			t.Error(err)
		}
	})
}

// switching answers as it is told at the time.
type switching struct{ canned }

func TestANilBudgetBoundsNothing(t *testing.T) {
	var b *tap.Budget
	if s := b.State(); s.Breaker != tap.BreakerClosed {
		t.Errorf("%+v", s)
	}
}
