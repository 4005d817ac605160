package execution

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/ledger"
)

func (r *rig) reconcile(o ReconcileOptions) (Reconciliation, error) {
	r.t.Helper()
	o.Actor = "user:test"
	return r.Reconcile(context.Background(), o)
}

// stranger is an attempt of an execution that no ledger here ever had.
const stranger = "bp-01999999-0000-7000-8000-000000000000-1"

// at says how an attempt stands at its place.
func at(phase backends.Phase) backends.Observation {
	started, ended := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC), time.Date(2026, 11, 20, 5, 0, 0, 0, time.UTC)
	o := backends.Observation{Phase: phase, StartedAt: &started, Class: "", Reason: "as the test says"}
	if phase.Ended() {
		o.EndedAt = &ended
	}
	if phase == backends.PhaseFailed {
		o.Class = backends.ClassPlumbing
	}
	return o
}

func TestAnOldLedgerIsLedToWhatItsPlaceHasAndSubmitsNothingTwice(t *testing.T) {
	for _, tt := range []struct {
		name    string
		until   func(r *rig, id string)      // where the old copy stands
		outside map[int]backends.Observation // its attempts outside
		state   ledger.State                 // after it was led there
		attempt int
		behind  int
	}{
		{name: "pending, it runs", outside: map[int]backends.Observation{1: at(backends.PhaseRunning)}, state: ledger.Running, attempt: 1, behind: 1},
		{
			name: "pending and held, it has finished", until: func(r *rig, id string) { _, err := r.Hold(context.Background(), id, "wait", "user:test"); r.must(err) },
			outside: map[int]backends.Observation{1: at(backends.PhaseFinished)}, state: ledger.Completed, attempt: 1, behind: 1,
		},
		{
			name: "ready, it runs", until: func(r *rig, _ string) { r.must(r.step()) },
			outside: map[int]backends.Observation{1: at(backends.PhaseRunning)}, state: ledger.Running, attempt: 1, behind: 1,
		},
		{
			name: "pending, its second attempt runs", outside: map[int]backends.Observation{1: at(backends.PhaseFailed), 2: at(backends.PhaseRunning)},
			state: ledger.Running, attempt: 2, behind: 1,
		},
		{
			name: "queued, its third attempt has finished", until: func(r *rig, _ string) { r.work() },
			outside: map[int]backends.Observation{1: at(backends.PhaseFailed), 2: at(backends.PhaseFailed), 3: at(backends.PhaseFinished)}, state: ledger.Completed, attempt: 3, behind: 1,
		},
		{
			name: "submitting, its second attempt runs", until: func(r *rig, id string) { r.must(r.step()); r.crash(id, false) },
			outside: map[int]backends.Observation{2: at(backends.PhaseRunning)}, state: ledger.Running, attempt: 2, behind: 1,
		},
		{
			name: "failed, its second attempt runs", until: func(r *rig, id string) {
				r.work()
				r.place.says(sub(id, 1), at(backends.PhaseFailed))
				r.poll()
			},
			outside: map[int]backends.Observation{1: at(backends.PhaseFailed), 2: at(backends.PhaseRunning)}, state: ledger.Running, attempt: 2, behind: 1,
		},
		{
			name: "queued, it runs", until: func(r *rig, _ string) { r.work() },
			outside: map[int]backends.Observation{1: at(backends.PhaseRunning)}, state: ledger.Running, attempt: 1,
		},
		{
			name: "submitting, it runs", until: func(r *rig, id string) { r.must(r.step()); r.crash(id, false) },
			outside: map[int]backends.Observation{1: at(backends.PhaseRunning)}, state: ledger.Running, attempt: 1,
		},
		{name: "pending, nothing is outside", state: ledger.Pending, attempt: 1},
		{
			name: "queued, its place has nothing of it", until: func(r *rig, id string) { r.work(); r.place.forgets(sub(id, 1)) },
			state: ledger.Failed, attempt: 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			id := r.one()
			if tt.until != nil {
				tt.until(r, id)
			}
			for attempt, o := range tt.outside {
				r.place.says(sub(id, attempt), o)
			}
			told := len(r.place.told)
			before := r.get(id)
			dry, err := r.reconcile(ReconcileOptions{DryRun: true})
			if err != nil || len(dry.Behind) != tt.behind || len(dry.Places) != 1 || dry.Places[0].Error != "" {
				t.Fatalf("%+v, %v", dry, err)
			}
			if now := r.get(id); now.Version != before.Version {
				t.Fatalf("a dry run moved it: %+v", now)
			}
			found, err := r.reconcile(ReconcileOptions{})
			if err != nil || len(found.Behind) != tt.behind {
				t.Fatalf("%+v, %v\n%s", found, err, strings.Join(r.events(id), "\n"))
			}
			x := r.wantState(id, tt.state)
			if x.Attempt != tt.attempt {
				t.Errorf("attempt %d, want %d", x.Attempt, tt.attempt)
			}
			if len(r.place.told) != told {
				t.Errorf("something was submitted: %v", r.place.told)
			}
			if tt.attempt > 1 && !slices.Contains(r.events(id), "found") {
				t.Errorf("events %v", r.events(id))
			}
			if tt.behind > 0 && len(r.record(id).Earlier) != tt.attempt-1 {
				t.Errorf("%d earlier attempts are recorded", len(r.record(id).Earlier))
			}
			if _, _, err := r.view().ArtifactOf(id, ledger.ArtifactManifest); tt.behind > 0 && err != nil {
				t.Errorf("its manifest: %v", err)
			}
			again, err := r.reconcile(ReconcileOptions{})
			if err != nil || len(again.Behind) != 0 {
				t.Errorf("the second time: %+v, %v", again, err)
			}
		})
	}
}

func TestWhatTheLedgerDoesNotKnowOrCannotAskStopsItAndChangesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(r *rig)
		o    ReconcileOptions
		kind fault.Kind
		says []string
		wait ledger.State // after it was forgotten
	}{
		{
			name: "a stranger", make: func(r *rig) {
				r.place.says(stranger, backends.Observation{Phase: backends.PhaseRunning, Folder: "/runs/it"})
			},
			kind: fault.Conflict, says: []string{stranger, "running", "/runs/it"}, wait: ledger.Queued,
		},
		{
			name: "a place that cannot be asked", make: func(r *rig) { r.place.asked = fault.New(fault.Unavailable, "no route to it", "") },
			kind: fault.Unavailable, says: []string{"local:runs", "no route to it"}, wait: ledger.Queued,
		},
		{
			name: "a work folder that is another one", make: func(r *rig) { r.place.runs = map[string]backends.Observation{} }, o: ReconcileOptions{Moved: true},
			kind: fault.Unavailable, says: []string{"none of the runs", "/runs/bp-"}, wait: ledger.Failed,
		},
		{
			name: "a process of another machine", make: func(r *rig) {
				for id := range r.place.runs {
					r.place.runs[id] = backends.Observation{Phase: backends.PhaseFailed, Reason: "the process vanished"}
				}
			}, o: ReconcileOptions{Moved: true, OtherHost: true},
			kind: fault.Unavailable, says: []string{"cannot be seen from here"}, wait: ledger.Failed,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			id := r.one()
			r.work()
			tt.make(r)
			before := r.get(id)
			_, err := r.reconcile(tt.o)
			if fault.KindOf(err) != tt.kind {
				t.Fatalf("error %v", err)
			}
			for _, says := range tt.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%v does not say %q", err, says)
				}
			}
			if now := r.get(id); now.Version != before.Version {
				t.Errorf("it moved to %s", now.State)
			}
			tt.o.ForgetStrangers = true
			if _, err := r.reconcile(tt.o); err != nil {
				t.Fatal(err)
			}
			r.wantState(id, tt.wait)
		})
	}
}

func TestAnExecutionThatNoStepLeadsToWhatIsOutsideStopsTheAdoption(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.work()
	r.place.says(sub(id, 1), at(backends.PhaseFinished))
	r.place.says(sub(id, 2), at(backends.PhaseRunning))
	_, err := r.reconcile(ReconcileOptions{})
	if !errors.Is(err, errNotLed) || !strings.Contains(err.Error(), id) {
		t.Errorf("error %v", err)
	}
}

func TestAttemptIDsAreTakenApart(t *testing.T) {
	for id, want := range map[string]string{
		"bp-0193-a-12": "0193-a 12 true", "bp-x-0": " 0 false", "x": " 0 false", "bp-a": " 0 false", "bp-a-99999999999999999999": "a 9223372036854775807 false",
	} {
		execution, attempt, ok := parseAttempt(id)
		if got := fmt.Sprint(execution, " ", attempt, " ", ok); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}
