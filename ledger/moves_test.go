package ledger

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

func TestAnExecutionGoesThroughItsWholeLife(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	before := f.head()
	e := f.admit("A")
	if e.State != Pending || e.Attempt != 1 || e.Version != 1 || !e.Sources[0].Active || f.source("A").Pending {
		t.Errorf("born as %+v, source pending %v", e, f.source("A").Pending)
	}
	e = f.step(e, EventPrepare, Step{})
	f.clock.forward(time.Minute)
	e = f.step(e, EventPrepared, Step{})
	if e = f.step(e, EventSubmit, Step{}); e.SubmissionID != "bp-"+e.ID+"-1" {
		t.Errorf("submission id %q", e.SubmissionID)
	}
	e = f.step(e, EventAccepted, Step{ExternalID: "4711", Folder: "/scratch/x"})
	f.clock.forward(time.Minute)
	if e = f.step(e, EventStarted, Step{}); e.StartedAt == nil || !e.StartedAt.Equal(f.Now()) {
		t.Errorf("started at %v", e.StartedAt)
	}
	f.clock.forward(time.Minute)
	e = f.walk(e, EventRequeued, EventStarted, EventFinished, EventVerified)
	if e.State != Completed || e.CompletedAt == nil || e.ExternalID != "4711" || e.Folder != "/scratch/x" || !e.StartedAt.Before(*e.CompletedAt) {
		t.Errorf("ended as %+v", e)
	}
	if got := f.reread(e); fmt.Sprintf("%+v", flat(got)) != fmt.Sprintf("%+v", flat(e)) {
		t.Errorf("Move gave   %+v\nit is stored %+v", flat(e), flat(got))
	}
	want := "execution.created execution.prepare execution.prepared execution.submit execution.accepted execution.started " +
		"execution.requeued execution.started execution.finished execution.verified"
	if got := f.eventTypes(before); got != want {
		t.Errorf("events %s", got)
	}
	s := f.source("A")
	if s.LastExecutedSignature != "s1" || s.LastExecution != e.ID || s.Pending {
		t.Errorf("source %s, last execution %s", told(s), s.LastExecution)
	}
	verify(t, f.Ledger)
}

// flat replaces pointers by what they point to, so that two executions can be compared as text.
func flat(e Execution) string {
	stamp := func(at *time.Time) any { return stampOrNull(at) }
	mark := func(m *Mark) any {
		if m == nil {
			return nil
		}
		return *m
	}
	rest := e
	rest.NextRetryAt, rest.NotBefore, rest.StartedAt, rest.CompletedAt, rest.Held, rest.CancelWanted = nil, nil, nil, nil, nil, nil
	return fmt.Sprint(rest, stamp(e.NextRetryAt), stamp(e.NotBefore), stamp(e.StartedAt), stamp(e.CompletedAt), mark(e.Held), mark(e.CancelWanted))
}

func TestEveryStepIsStoredAsItWasGivenBackWithOneEvent(t *testing.T) {
	f := newFixture(t)
	for _, row := range Transitions() {
		name := fmt.Sprintf("%s %s", row.From, row.Event)
		t.Run(name, func(t *testing.T) {
			f.discover(name, OutcomeChanged, "s1")
			e := f.walk(f.admit(name), pathTo(row.From)...)
			before := f.head()
			later := f.Now().Add(time.Hour)
			to := f.step(e, row.Event, Step{
				Why: "because", Class: ClassPlumbing, NextRetry: &later, NotBefore: &later, ExternalID: "x", Folder: "/f",
				Extra: map[string]any{"extra": 1}, Profile: profile, ProfileRevision: 1, Target: "else",
			})
			attempt := e.Attempt
			if row.NextAttempt {
				attempt++
			}
			if to.State != row.To || to.Attempt != attempt || to.Version != e.Version+1 {
				t.Errorf("%s, attempt %d, version %d", to.State, to.Attempt, to.Version)
			}
			if got := flat(f.reread(to)); got != flat(to) {
				t.Errorf("Move gave   %s\nit is stored %s", flat(to), got)
			}
			if got := f.eventTypes(before); got != "execution."+string(row.Event) {
				t.Errorf("events %q", got)
			}
			if active := f.reread(to).Sources[0].Active; active == to.State.Terminal() {
				t.Errorf("%s, but its source is active: %v", to.State, active)
			}
			if (to.CompletedAt != nil) != to.State.Terminal() {
				t.Errorf("%s, completed at %v", to.State, to.CompletedAt)
			}
		})
	}
}

func TestAnEventThatIsNotInTheTableIsAConflictAndChangesNothing(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.walk(f.admit("A"), pathTo(Running)...)
	before := f.head()
	for _, event := range append(allEvents, "explode", "") {
		if Can(Running, event) {
			continue
		}
		_, err := f.tryStep(e, event, Step{})
		wantKind(t, err, fault.Conflict, e.ID, string(event))
	}
	if got := f.reread(e); got.Version != e.Version || f.head() != before {
		t.Errorf("version %d, %d events more", got.Version, f.head()-before)
	}
}

func TestAStaleExecutionIsAConflict(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	seen := f.walk(f.admit("A"), pathTo(Queued)...)
	f.walk(seen, EventStarted, EventRequeued) // queued again, but it has moved
	before := f.head()
	_, err := f.tryStep(seen, EventStarted, Step{})
	wantKind(t, err, fault.Conflict, seen.ID, "moved meanwhile")
	err = f.try(func(tx *Tx) error {
		_, err := tx.Hold(Execution{ID: seen.ID, State: Ready, Version: 1}, "x", person)
		return err
	})
	wantKind(t, err, fault.Conflict, seen.ID)
	wantKind(t, f.try(func(tx *Tx) error { return tx.Postpone(seen, tx.Now()) }), fault.Conflict, seen.ID)
	if f.head() != before {
		t.Error("an event was written")
	}
}

func TestOfMovesThatRaceExactlyOneWins(t *testing.T) {
	f := newFixture(t)
	second := f.create(f.Path())
	f.discover("A", OutcomeChanged, "s1")
	seen := f.walk(f.admit("A"), pathTo(Running)...)
	before := f.head()
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for i, event := range []Event{EventFinished, EventStopped, EventFail, EventCancel, EventRequeued, EventFinished} {
		l := []*Ledger{f.Ledger, second}[i%2]
		wg.Go(func() {
			err := l.Write(t.Context(), func(tx *Tx) error {
				_, err := tx.Move(seen, event, Step{Actor: person, Why: "race"})
				return err
			})
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, fault.Conflict):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 5 || f.head() != before+1 {
		t.Errorf("%d won, %d lost, %d events", won.Load(), lost.Load(), f.head()-before)
	}
}

func TestAMoveLeavesWhatWasSeenAsItWas(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	seen := f.admit("A")
	before := flat(seen)
	f.write(func(tx *Tx) error {
		_, err := tx.Move(seen, EventCancel, Step{Actor: person})
		return err
	})
	if got := flat(seen); got != before {
		t.Errorf("it was %s\nand is %s", before, got)
	}
}

func TestHoldReleaseAndHoldAtReady(t *testing.T) {
	for _, state := range allStates {
		f := newFixture(t)
		f.discover("A", OutcomeChanged, "s1")
		e := f.walk(f.admit("A"), pathTo(state)...)
		before := f.head()
		err := f.try(func(tx *Tx) (err error) { e, err = tx.Hold(e, "wait", person); return err })
		if state != Pending && state != Preparing && state != Ready {
			wantKind(t, err, fault.Conflict, e.ID, string(state))
			continue
		}
		if err != nil || e.Held == nil || *e.Held != (Mark{At: f.Now(), By: person, Reason: "wait"}) || e.State != state {
			t.Fatalf("%s: %v, held %+v", state, err, e.Held)
		}
		f.write(func(tx *Tx) (err error) { e, err = tx.Hold(e, "again", "user:bob"); return err })
		f.write(func(tx *Tx) (err error) { e, err = tx.Release(e, "go", person); return err })
		f.write(func(tx *Tx) (err error) { e, err = tx.Release(e, "go", person); return err })
		if e.Held != nil || f.eventTypes(before) != "execution.held execution.released" {
			t.Errorf("%s: held %+v, events %s", state, e.Held, f.eventTypes(before))
		}
	}
}

func TestHoldAtReadyHoldsWhenItBecomesReadyAndNotBefore(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	order := f.order("A")
	order.HoldAtReady = true
	var e Execution
	f.write(func(tx *Tx) (err error) { e, err = tx.CreateExecution(order); return err })
	if e = f.walk(e, EventPrepare); e.Held != nil || !e.HoldAtReady {
		t.Errorf("preparing: held %+v, at ready %v", e.Held, e.HoldAtReady)
	}
	if e = f.walk(e, EventPrepared); e.Held == nil || e.HoldAtReady {
		t.Fatalf("ready: held %+v, at ready %v", e.Held, e.HoldAtReady)
	}
	_, err := f.tryStep(e, EventSubmit, Step{})
	wantKind(t, err, fault.Conflict, e.ID, "held by")
	if hints := fault.Hints(err); len(hints) != 1 {
		t.Errorf("hints %q", hints)
	}
	if n, err := f.view().CountInFlight("", ""); n != 0 || err != nil {
		t.Errorf("%d in flight, %v; a held one does not count", n, err)
	}
	f.write(func(tx *Tx) (err error) { e, err = tx.Release(e, "go", person); return err })
	if e = f.walk(e, EventSubmit); e.State != Submitting {
		t.Errorf("it is %s", e.State)
	}
	// A wish to be held at ready can be taken back before.
	f.discover("B", OutcomeChanged, "s1")
	order = f.order("B")
	order.HoldAtReady = true
	f.write(func(tx *Tx) (err error) { e, err = tx.CreateExecution(order); return err })
	f.write(func(tx *Tx) (err error) { e, err = tx.Release(e, "go", person); return err })
	if e = f.walk(e, EventPrepare, EventPrepared); e.Held != nil {
		t.Errorf("held %+v", e.Held)
	}
}

func TestAWishToCancelIsRecordedOnceAndKeptUntilARetry(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.walk(f.admit("A"), pathTo(Submitting)...)
	before := f.head()
	for range 2 {
		f.write(func(tx *Tx) (err error) { e, err = tx.WantCancel(e, "enough", person); return err })
	}
	if e.CancelWanted == nil || e.CancelWanted.Reason != "enough" || f.eventTypes(before) != "execution.cancel_wanted" {
		t.Errorf("%+v, events %s", e.CancelWanted, f.eventTypes(before))
	}
	events, err := f.view().Events(EventFilter{Project: project, Source: "A", Type: provenance.ExecutionCancelWanted})
	if err != nil || len(events) != 1 || events[0].Correlation != e.SubmissionID {
		t.Errorf("the source's events: %+v %v", events, err)
	}
	if e = f.walk(e, EventLost, EventFound, EventCancel, EventFail); e.CancelWanted == nil {
		t.Error("the wish is gone")
	}
	err = f.try(func(tx *Tx) error { _, err := tx.WantCancel(e, "late", person); return err })
	wantKind(t, err, fault.Conflict, "failed")
	if e = f.walk(e, EventRetry); e.CancelWanted != nil {
		t.Error("the wish outlived the retry")
	}
}

func TestAStepOverwritesAWaitThatItDidNotSee(t *testing.T) {
	f := newFixture(t)
	f.source("A")
	seen := f.walk(f.admit("A"), EventPrepare, EventPrepared)
	f.write(func(tx *Tx) error {
		return errors.Join(tx.Postpone(seen, f.Now().Add(time.Hour)), tx.Delay(seen, f.Now().Add(2*time.Hour), "the archive is away"))
	})
	f.step(seen, EventSubmit, Step{})
	got, err := f.view().Execution(seen.ID)
	if err != nil || got.NotBefore != nil || got.Refusals != seen.Refusals || got.Error != seen.Error {
		t.Errorf("not before %v, %d refusals, %q, %v", got.NotBefore, got.Refusals, got.Error, err)
	}
}
