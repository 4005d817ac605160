package execution

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/ledger"
)

// crash claims and submits a ready execution up to a point, and leaves it there as a dead process does.
func (r *rig) crash(id string, reached bool) {
	r.t.Helper()
	run, ok, err := r.Next(context.Background())
	if !ok || err != nil {
		r.t.Fatal(ok, err)
	}
	_ = run // the process is gone before it does anything by itself
	claim, err := r.view().ClaimOf(ledger.ExecutionSubject(id))
	r.must(err)
	u := &unit{execution: r.get(id), claim: claim}
	ok, err = r.intend(context.Background(), u)
	if !ok || err != nil {
		r.t.Fatal(ok, err)
	}
	if reached {
		s, err := r.submission(context.Background(), r.get(id))
		r.must(err)
		_, err = r.place.Submit(context.Background(), s.Submission)
		r.must(err)
	}
}

func TestACrashBetweenIntentAndReceiptIsClearedUpByAsking(t *testing.T) {
	for _, tt := range []struct {
		name    string
		reached bool                  // the submission got there before the process died
		says    *backends.Observation // what the place then says
		make    func(r *rig)
		state   ledger.State
		attempt int
	}{
		{name: "it never got there", state: ledger.Ready, attempt: 2},
		{name: "it got there", reached: true, state: ledger.Queued, attempt: 1},
		{name: "it runs", reached: true, says: &backends.Observation{Phase: backends.PhaseRunning}, state: ledger.Running, attempt: 1},
		{name: "it has finished", reached: true, says: &finished, state: ledger.Completed, attempt: 1},
		{name: "it has failed", reached: true, says: &broken, state: ledger.Failed, attempt: 1},
		{name: "the place cannot tell", reached: true, says: &backends.Observation{Phase: backends.PhaseUnknown}, state: ledger.Uncertain, attempt: 1},
		{name: "the place cannot be asked", reached: true, make: func(r *rig) { r.place.asked = fault.New(fault.Unavailable, "no route", "") }, state: ledger.Uncertain, attempt: 1},
		{name: "it never got there, and cannot be fenced", make: func(r *rig) { r.place.fence = fault.New(fault.Unavailable, "no route", "") }, state: ledger.Uncertain, attempt: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			id := r.one()
			r.must(r.step())
			r.crash(id, tt.reached)
			if tt.says != nil {
				r.place.says(sub(id, 1), *tt.says)
			}
			if tt.make != nil {
				tt.make(r)
			}
			r.poll()
			r.wantState(id, ledger.Submitting) // its claim is alive: somebody is at it
			r.clock.forward(defaultLease + time.Second)
			r.poll()
			x := r.wantState(id, tt.state)
			if x.Attempt != tt.attempt {
				t.Errorf("attempt %d", x.Attempt)
			}
			if tt.attempt == 2 && (!r.place.fenced[sub(id, 1)] || !slices.Contains(r.events(id), "fenced")) {
				t.Error("another attempt may start although the first is not fenced")
			}
			r.work()
			for name, n := range r.place.told {
				if n != 1 {
					t.Errorf("%s was submitted %d times", name, n)
				}
			}
			if tt.attempt == 2 {
				if x := r.wantState(id, ledger.Queued); x.SubmissionID != sub(id, 2) {
					t.Errorf("%+v", x)
				}
			}
		})
	}
}

func TestALostReceiptIsFoundAgain(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.place.took, r.place.submit = true, func(backends.Submission) error { return fault.New(fault.Uncertain, "timeout", "") }
	r.work()
	r.wantState(id, ledger.Uncertain)
	r.poll()
	r.wantState(id, ledger.Queued)
	if n := r.place.told[sub(id, 1)]; n != 1 {
		t.Errorf("submitted %d times", n)
	}
	if run := r.record(id).Current(); run == nil || run.Lookup == nil || run.SessionID != sub(id, 1) {
		t.Errorf("%+v", r.record(id))
	}
}

func TestASubmissionThatWasMadeBeforeIsTakenOver(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.place.says(sub(id, 1), backends.Observation{Phase: backends.PhaseRunning})
	if errs := r.work(); errs != nil {
		t.Fatal(errs)
	}
	if x := r.wantState(id, ledger.Queued); x.ExternalID != "job-1" {
		t.Errorf("%+v", x)
	}
}

func TestAPlaceThatCannotBeAskedChangesNothingButIsReported(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.work()
	r.place.says(sub(id, 1), backends.Observation{Phase: backends.PhaseRunning})
	r.poll()
	r.place.asked = fault.New(fault.Unavailable, "no route to host", "")
	got := r.poll()
	x := r.wantState(id, ledger.Running)
	if len(got.Errors) != 1 || !r.health.has(ProblemBackendUnreachable, x.Target) {
		t.Errorf("%+v %v", got, r.health.problems)
	}
	events := r.events(id)
	if events[len(events)-1] != "observed" {
		t.Errorf("%v", events)
	}
	r.poll()
	r.poll()
	if again := r.events(id); len(again) != len(events) {
		t.Errorf("the same fact was recorded again: %v", again)
	}
	r.place.asked = nil
	r.place.says(sub(id, 1), finished)
	r.poll()
	if r.wantState(id, ledger.Completed); r.health.has(ProblemBackendUnreachable, x.Target) {
		t.Error("the problem stays")
	}
}

func TestAPlumbingFailureIsRetriedByItselfThreeTimes(t *testing.T) {
	r := newRig(t)
	id := r.one()
	for n, want := range []time.Duration{5 * time.Minute, 15 * time.Minute, 45 * time.Minute} {
		r.work()
		r.place.says(sub(id, n+1), broken)
		r.poll()
		x := r.wantState(id, ledger.Failed)
		if wait := x.NextRetryAt.Sub(r.clock.now()); wait < want || wait > want+want/10 {
			t.Fatalf("retry %d after %s, expected %s", n+1, wait, want)
		}
		r.clock.forward(want - time.Second)
		if r.work(); r.get(id).State != ledger.Failed {
			t.Fatal("retried too early")
		}
		r.clock.forward(want/10 + 2*time.Second)
		if errs := r.work(); errs != nil {
			t.Fatal(errs)
		}
		if x := r.wantState(id, ledger.Queued); x.Attempt != n+2 || x.AutoRetries != n+1 || !r.place.fenced[sub(id, n+1)] {
			t.Fatalf("%+v", x)
		}
	}
	r.place.says(sub(id, 4), broken)
	r.poll()
	if x := r.wantState(id, ledger.Failed); x.NextRetryAt != nil {
		t.Error("it is retried a fourth time")
	}
	if s := r.source("S000"); s.Pending {
		t.Error("a failed source stays with its execution")
	}
	if a := r.admit(); len(a.Executions) != 0 {
		t.Error("a failed source makes a new execution")
	}
}

func TestAScienceFailureWaitsForAPerson(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	id := r.one()
	r.work()
	first, _, err := r.view().ArtifactOf(id, ledger.ArtifactManifest)
	r.must(err)
	r.place.says(sub(id, 1), backends.Observation{
		Phase: backends.PhaseFailed, Class: backends.ClassScience, Reason: "measure: exit 1", StartedAt: &startedAt,
		FailedDrops: []backends.FailedDrop{{OID: "x", Name: "measure", LogTail: "boom"}},
	})
	r.poll()
	if x := r.wantState(id, ledger.Failed); x.NextRetryAt != nil || x.Class != ledger.ClassScience || x.Error != "measure: exit 1" {
		t.Fatalf("%+v", x)
	}
	if _, err := r.Retry(ctx, id, "", "user:a"); !errors.Is(err, fault.Invalid) {
		t.Errorf("without a reason: %v", err)
	}
	r.addProfile("here", func(d map[string]any) { d["description"] = "second revision" })
	x, err := r.Retry(ctx, id, "more memory", "user:a")
	r.must(err)
	if x.Attempt != 2 || x.ProfileRevision != 2 || x.AutoRetries != 0 || !r.place.fenced[sub(id, 1)] {
		t.Errorf("%+v", x)
	}
	if _, err := r.Retry(ctx, id, "again", "user:a"); !errors.Is(err, fault.Conflict) {
		t.Errorf("retried when pending: %v", err)
	}
	// The same data runs again, whatever the archive shows now under the same signature.
	r.outcome("S000", ledger.OutcomeUnchanged, func(d *ledger.Discovery) {
		d.Signature, d.Metadata = "sig-S000", []ledger.Metadata{block("S000", "1", "other")}
	})
	r.work()
	r.wantState(id, ledger.Queued)
	second, _, err := r.view().ArtifactOf(id, ledger.ArtifactManifest)
	r.must(err)
	if string(first) != string(second) {
		t.Error("a retry has another manifest")
	}
	record := r.record(id)
	if len(record.Earlier) != 1 || record.Earlier[0].Terminal.FailedDrops[0].LogTail != "boom" || record.Earlier[0].Fenced == nil {
		t.Errorf("%+v", record)
	}
	r.place.says(sub(id, 2), finished)
	r.poll()
	r.wantState(id, ledger.Completed)
}

func TestThereIsNoNextAttemptBeforeTheLastIsFenced(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	id := r.one()
	r.work()
	r.place.says(sub(id, 1), broken)
	r.poll()
	r.place.fence = fault.New(fault.Unavailable, "no route to host", "")
	if _, err := r.Retry(ctx, id, "now", "user:a"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
	r.clock.forward(10 * time.Minute)
	if errs := r.work(); len(errs) != 1 {
		t.Errorf("an automatic retry that cannot be made is tried once, then left for later: %v", errs)
	}
	if x := r.wantState(id, ledger.Failed); x.Attempt != 1 || !r.health.has(ProblemFenceFailed, id) {
		t.Errorf("%+v", x)
	}
	r.place.fence = nil
	r.clock.forward(10 * time.Minute)
	r.work()
	r.wantState(id, ledger.Queued)
	if r.health.has(ProblemFenceFailed, id) {
		t.Error("the problem stays")
	}
}

func TestARunThatItsPlaceNoLongerHasIsAPlumbingFailure(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.work()
	r.place.forgets(sub(id, 1))
	r.poll()
	if x := r.wantState(id, ledger.Failed); !strings.HasPrefix(x.Error, "lost: ") || x.NextRetryAt == nil {
		t.Errorf("%+v", x)
	}
}

func TestAnUncertainExecutionCanBeAbandoned(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	id := r.one()
	r.place.submit = func(backends.Submission) error { return fault.New(fault.Uncertain, "timeout", "") }
	r.work()
	if _, err := r.Abandon(ctx, id, "", "user:a"); !errors.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
	r.place.fence = fault.New(fault.Unavailable, "no", "")
	if _, err := r.Abandon(ctx, id, "site is gone", "user:a"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
	r.place.fence = nil
	_, err := r.Abandon(ctx, id, "site is gone", "user:a")
	r.must(err)
	if x := r.wantState(id, ledger.Failed); !r.place.fenced[sub(id, 1)] || x.NextRetryAt != nil {
		t.Errorf("%+v", x)
	}
}
