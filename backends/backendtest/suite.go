// Package backendtest is the suite that every backends.Backend passes, and a builder of small graphs.
package backendtest

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"beampipe/backends"
	"beampipe/fault"
)

// Work is what an attempt is to do.
type Work string

// The kinds of work that the suite asks for.
const (
	Quick       Work = "quick"       // finishes at once, and makes one product that says "hello"
	Failing     Work = "failing"     // an application writes half a product, says "about to fail" and exits with 3
	Endless     Work = "endless"     // works until it is stopped
	Unsupported Work = "unsupported" // holds a node named "strange" that the place cannot run
)

// GraphOf gives a logical graph that does the work, for places that really run graphs.
func GraphOf(work Work) []byte {
	var g Graph
	switch work {
	case Failing:
		g.Bash("boom", "echo half > {product}; echo about to fail >&2; exit 3")
	case Endless:
		g.Bash("boom", "sleep 600; echo {product}")
	case Unsupported:
		g.Add("boom", "DynlibApp", "Application").Named("strange")
	default:
		g.Bash("boom", "echo hello > {product}")
	}
	g.File("product", "product.txt")
	g.Link("boom", "product", "product")
	return g.Bytes()
}

// Rig is a place under test.
type Rig struct {
	Backend backends.Backend

	// Submission gives a new submission, with an id that was not used before.
	Submission func(work Work) backends.Submission

	// Step lets a simulated place go on; nil for a real one, which goes on by itself.
	Step func()
}

// awaitLimit is how long a real place may take for anything; it is only reached when a test fails.
const awaitLimit = 60 * time.Second

// Run holds a place against the contract of backends.Backend. Each part gets a rig of its own.
func Run(t *testing.T, newRig func(t *testing.T) Rig) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, r Rig)
	}{
		{"a submission runs to its end and tells what it made", finishes},
		{"a failing application fails the attempt for a person to see", fails},
		{"what cannot run is refused by node name before it starts", refused},
		{"a second submission of one id finds the first", twice},
		{"of many submissions of one id at once one starts", atOnce},
		{"what was never submitted is lost", neverSubmitted},
		{"cancel stops an attempt", cancelled},
		{"cancel of what is not there says so, of what ended does nothing", cancelledLate},
		{"a fence keeps an attempt from ever starting", fencedBefore},
		{"a fence ends an attempt that runs", fencedRunning},
		{"one poll answers for all", polledTogether},
		{"the list has what was submitted, running or ended, and nothing else", listed},
		{"ids that nobody made are not looked up", badIDs},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, newRig(t)) })
	}
}

// Await polls until the attempt is in one of the phases, and fails the test when it ends in another. A real
// place runs in other processes, which can only be asked: hence the ticker, here and nowhere else.
func (r Rig) Await(t *testing.T, id string, phases ...backends.Phase) backends.Observation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), awaitLimit)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		o := r.poll(t, id)
		if slices.Contains(phases, o.Phase) {
			return o
		}
		if o.Phase.Ended() {
			t.Fatalf("%s ended as %+v, want one of %v", id, o, phases)
		}
		if r.Step != nil {
			r.Step()
			continue
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s is still %+v, want one of %v", id, o, phases)
		case <-ticker.C:
		}
	}
}

func (r Rig) poll(t *testing.T, id string) backends.Observation {
	t.Helper()
	all, err := r.Backend.Poll(t.Context(), []string{id})
	if err != nil {
		t.Fatal(err)
	}
	o, ok := all[id]
	if !ok || o.ID != id || o.At.IsZero() {
		t.Fatalf("poll of %s gave %+v", id, all)
	}
	return o
}

func (r Rig) submit(t *testing.T, s backends.Submission) backends.Receipt {
	t.Helper()
	receipt, err := r.Backend.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if receipt.ID != s.ID || receipt.ExternalID == "" || receipt.At.IsZero() {
		t.Fatalf("receipt %+v", receipt)
	}
	return receipt
}

// stop makes sure that nothing outlives a test.
func (r Rig) stop(t *testing.T, id string) {
	t.Helper()
	if err := r.Backend.Fence(t.Context(), id); err != nil {
		t.Errorf("stop %s: %v", id, err)
	}
}

func finishes(t *testing.T, r Rig) {
	s := r.Submission(Quick)
	if err := r.Backend.Check(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r.submit(t, s)
	o := r.Await(t, s.ID, backends.PhaseFinished)
	if o.StartedAt == nil || o.EndedAt == nil || o.EndedAt.Before(*o.StartedAt) || o.Class != "" || len(o.FailedDrops) > 0 {
		t.Errorf("observation %+v", o)
	}
	if len(o.Drops) != 1 || o.Drops[backends.DropCompleted] != 2 {
		t.Errorf("drops %v, want 2 completed", o.Drops)
	}
	const hello = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" // of "hello\n"
	if len(o.Products) != 1 || o.Products[0].Bytes != 6 || o.Products[0].SHA256 != hello || o.Products[0].Drop == "" {
		t.Errorf("products %+v", o.Products)
	}
}

func fails(t *testing.T, r Rig) {
	s := r.Submission(Failing)
	r.submit(t, s)
	o := r.Await(t, s.ID, backends.PhaseFailed)
	if o.Class != backends.ClassScience || !strings.Contains(o.Reason, "boom") || o.Drops[backends.DropError] != 2 || len(o.Products) > 0 {
		t.Errorf("observation %+v", o)
	}
	if len(o.FailedDrops) != 1 || o.FailedDrops[0].Name != "boom" || !strings.Contains(o.FailedDrops[0].LogTail, "about to fail") {
		t.Fatalf("failed drops %+v", o.FailedDrops)
	}
	log, err := r.Backend.Logs(t.Context(), s.ID, o.FailedDrops[0].OID)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if text, err := io.ReadAll(log); err != nil || !strings.Contains(string(text), "about to fail") {
		t.Errorf("log %q, %v", text, err)
	}
	if _, err := r.Backend.Logs(t.Context(), s.ID, "no such drop"); !errors.Is(err, fault.NotFound) {
		t.Errorf("the log of no drop: %v", err)
	}
}

func refused(t *testing.T, r Rig) {
	s := r.Submission(Unsupported)
	err := r.Backend.Check(t.Context(), s)
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "strange") {
		t.Errorf("check: %v", err)
	}
	if _, err := r.Backend.Submit(t.Context(), s); !errors.Is(err, fault.Invalid) {
		t.Errorf("submit: %v", err)
	}
	if o := r.poll(t, s.ID); o.Phase != backends.PhaseLost {
		t.Errorf("observation %+v", o)
	}
	broken := r.Submission(Quick)
	broken.Graph = []byte(`{"nodeDataArray": [`)
	if err := r.Backend.Check(t.Context(), broken); !errors.Is(err, fault.Invalid) {
		t.Errorf("check of a broken graph: %v", err)
	}
}

func twice(t *testing.T, r Rig) {
	s := r.Submission(Endless)
	first := r.submit(t, s)
	defer r.stop(t, s.ID)
	again, err := r.Backend.Submit(t.Context(), s)
	if !errors.Is(err, fault.Conflict) || again.ExternalID != first.ExternalID {
		t.Errorf("second receipt %+v, %v; first %+v", again, err, first)
	}
	r.Await(t, s.ID, backends.PhaseRunning)
	if again, err = r.Backend.Submit(t.Context(), s); !errors.Is(err, fault.Conflict) || again.ExternalID != first.ExternalID {
		t.Errorf("third receipt %+v, %v; first %+v", again, err, first)
	}
	found, err := r.Backend.Find(t.Context(), []string{s.ID})
	if err != nil || found[s.ID].Phase != backends.PhaseRunning {
		t.Errorf("find: %+v, %v", found, err)
	}
}

func atOnce(t *testing.T, r Rig) {
	s := r.Submission(Quick)
	var mu sync.Mutex
	var all sync.WaitGroup
	won := 0
	for range 8 {
		all.Go(func() {
			_, err := r.Backend.Submit(t.Context(), s)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, fault.Conflict) {
				t.Errorf("submit: %v", err)
			}
		})
	}
	all.Wait()
	if won != 1 {
		t.Errorf("%d submissions were taken", won)
	}
	r.Await(t, s.ID, backends.PhaseFinished)
}

func neverSubmitted(t *testing.T, r Rig) {
	s := r.Submission(Quick)
	found, err := r.Backend.Find(t.Context(), []string{s.ID})
	if err != nil || found[s.ID].Phase != backends.PhaseLost || found[s.ID].Reason == "" {
		t.Errorf("find: %+v, %v", found, err)
	}
}

func cancelled(t *testing.T, r Rig) {
	s := r.Submission(Endless)
	r.submit(t, s)
	defer r.stop(t, s.ID)
	r.Await(t, s.ID, backends.PhaseRunning)
	for range 2 {
		if err := r.Backend.Cancel(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
	}
	o := r.Await(t, s.ID, backends.PhaseCancelled)
	if o.EndedAt == nil || o.Class != "" || len(o.Products) > 0 {
		t.Errorf("observation %+v", o)
	}

	early := r.Submission(Endless)
	r.submit(t, early)
	defer r.stop(t, early.ID)
	if err := r.Backend.Cancel(t.Context(), early.ID); err != nil {
		t.Fatal(err)
	}
	r.Await(t, early.ID, backends.PhaseCancelled)
}

func cancelledLate(t *testing.T, r Rig) {
	s := r.Submission(Quick)
	if err := r.Backend.Cancel(t.Context(), s.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("cancel of nothing: %v", err)
	}
	r.submit(t, s)
	r.Await(t, s.ID, backends.PhaseFinished)
	if err := r.Backend.Cancel(t.Context(), s.ID); err != nil {
		t.Errorf("cancel of what ended: %v", err)
	}
	if o := r.poll(t, s.ID); o.Phase != backends.PhaseFinished {
		t.Errorf("observation %+v", o)
	}
}

func fencedBefore(t *testing.T, r Rig) {
	s := r.Submission(Quick)
	for range 2 {
		if err := r.Backend.Fence(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Backend.Submit(t.Context(), s); !errors.Is(err, fault.Conflict) {
		t.Errorf("submit: %v", err)
	}
	if o := r.poll(t, s.ID); o.Phase != backends.PhaseLost {
		t.Errorf("observation %+v", o)
	}
}

func fencedRunning(t *testing.T, r Rig) {
	s := r.Submission(Endless)
	r.submit(t, s)
	r.Await(t, s.ID, backends.PhaseRunning)
	if err := r.Backend.Fence(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if o := r.poll(t, s.ID); o.Phase != backends.PhaseCancelled && o.Phase != backends.PhaseFailed {
		t.Errorf("observation %+v", o)
	}
	if _, err := r.Backend.Submit(t.Context(), s); !errors.Is(err, fault.Conflict) {
		t.Errorf("submit: %v", err)
	}
}

func polledTogether(t *testing.T, r Rig) {
	want := map[string]backends.Phase{}
	for _, work := range []Work{Quick, Failing, Endless} {
		s := r.Submission(work)
		r.submit(t, s)
		defer r.stop(t, s.ID)
		phase := map[Work]backends.Phase{
			Quick: backends.PhaseFinished, Failing: backends.PhaseFailed, Endless: backends.PhaseRunning,
		}[work]
		want[s.ID] = phase
		r.Await(t, s.ID, phase)
	}
	want[r.Submission(Quick).ID] = backends.PhaseLost
	all, err := r.Backend.Poll(t.Context(), slices.Collect(maps.Keys(want)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]backends.Phase{}
	for id, o := range all {
		got[id] = o.Phase
	}
	if !maps.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func badIDs(t *testing.T, r Rig) {
	for _, id := range []string{"", "..", "bp-../../etc-1", "bp-x-1\n"} {
		if err := r.Backend.Fence(t.Context(), id); !errors.Is(err, fault.Invalid) {
			t.Errorf("fence %q: %v", id, err)
		}
		if err := r.Backend.Cancel(t.Context(), id); !errors.Is(err, fault.Invalid) {
			t.Errorf("cancel %q: %v", id, err)
		}
		if _, err := r.Backend.Logs(t.Context(), id, ""); !errors.Is(err, fault.Invalid) {
			t.Errorf("logs %q: %v", id, err)
		}
		if all, err := r.Backend.Poll(t.Context(), []string{id}); err == nil && all[id].Phase != backends.PhaseUnknown {
			t.Errorf("poll %q: %+v", id, all)
		}
	}
}

func listed(t *testing.T, r Rig) {
	list := func() []string {
		t.Helper()
		ids, err := r.Backend.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	before := list()
	ended, runs, fenced := r.Submission(Quick), r.Submission(Endless), r.Submission(Quick)
	r.submit(t, ended)
	r.submit(t, runs)
	defer r.stop(t, runs.ID)
	r.Await(t, ended.ID, backends.PhaseFinished)
	if err := r.Backend.Fence(t.Context(), fenced.ID); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(slices.Values(append(before, ended.ID, runs.ID)))
	if got := list(); !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
}
