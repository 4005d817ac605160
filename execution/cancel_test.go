package execution

import (
	"context"
	"errors"
	"testing"
	"time"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/ledger"
)

func TestCancelInEachState(t *testing.T) {
	running := func(r *rig, id string) {
		r.work()
		r.place.says(sub(id, 1), backends.Observation{Phase: backends.PhaseRunning})
		r.poll()
	}
	uncertain := func(r *rig, id string) {
		r.place.took, r.place.submit = true, func(backends.Submission) error { return fault.New(fault.Uncertain, "timeout", "") }
		r.work()
		r.place.took, r.place.submit = false, nil
	}
	stopped := func(r *rig, id string) {
		r.place.says(sub(id, 1), backends.Observation{Phase: backends.PhaseCancelled, Reason: "cancelled"})
	}
	for _, tt := range []struct {
		name  string
		bring func(r *rig, id string) // to the state
		at    ledger.State
		next  ledger.State // right after the cancel
		then  func(r *rig, id string)
		end   ledger.State // after two more polls
	}{
		{"pending", func(*rig, string) {}, ledger.Pending, ledger.Cancelled, nil, ledger.Cancelled},
		{"preparing", func(r *rig, _ string) { _, _, err := r.Next(context.Background()); r.must(err) }, ledger.Preparing, ledger.Cancelled, nil, ledger.Cancelled},
		{"ready", func(r *rig, _ string) { r.must(r.step()) }, ledger.Ready, ledger.Cancelled, nil, ledger.Cancelled},
		{"submitting, it got there", func(r *rig, id string) { r.must(r.step()); r.crash(id, true) }, ledger.Submitting, ledger.Submitting, nil, ledger.Cancelling},
		{"submitting, it never got there", func(r *rig, id string) { r.must(r.step()); r.crash(id, false) }, ledger.Submitting, ledger.Submitting, nil, ledger.Cancelled},
		{"uncertain, it got there", uncertain, ledger.Uncertain, ledger.Uncertain, nil, ledger.Cancelling},
		{"uncertain, it never got there", func(r *rig, id string) { uncertain(r, id); r.place.forgets(sub(id, 1)) }, ledger.Uncertain, ledger.Uncertain, nil, ledger.Cancelled},
		{"uncertain, it has finished", func(r *rig, id string) { uncertain(r, id); r.place.says(sub(id, 1), finished) }, ledger.Uncertain, ledger.Uncertain, nil, ledger.Completed},
		{"queued", func(r *rig, _ string) { r.work() }, ledger.Queued, ledger.Cancelling, stopped, ledger.Cancelled},
		{"running", running, ledger.Running, ledger.Cancelling, stopped, ledger.Cancelled},
		{"running, not stopped yet", running, ledger.Running, ledger.Cancelling, nil, ledger.Cancelling},
		{"running, it finished all the same", running, ledger.Running, ledger.Cancelling, func(r *rig, id string) { r.place.says(sub(id, 1), finished) }, ledger.Completed},
		{"running, it failed all the same", running, ledger.Running, ledger.Cancelling, func(r *rig, id string) { r.place.says(sub(id, 1), broken) }, ledger.Failed},
		{"running, nothing of it is left", running, ledger.Running, ledger.Cancelling, func(r *rig, id string) { r.place.forgets(sub(id, 1)) }, ledger.Cancelled},
		{"cancelling again", func(r *rig, id string) {
			running(r, id)
			_, err := r.Cancel(context.Background(), id, "first", "user:a", false)
			r.must(err)
		}, ledger.Cancelling, ledger.Cancelling, stopped, ledger.Cancelled},
	} {
		for _, requeue := range []bool{false, true} {
			name := tt.name
			if requeue {
				name += ", requeue"
			}
			t.Run(name, func(t *testing.T) {
				r := newRig(t)
				id := r.one()
				tt.bring(r, id)
				r.wantState(id, tt.at)
				_, err := r.Cancel(context.Background(), id, "not needed", "user:a", requeue)
				r.must(err)
				r.wantState(id, tt.next)
				if tt.then != nil {
					tt.then(r, id)
				}
				r.clock.forward(defaultLease + time.Second)
				r.poll()
				r.poll()
				x := r.wantState(id, tt.end)
				if tt.end == ledger.Cancelled && tt.at != ledger.Cancelling && r.source("S000").Pending != requeue {
					t.Errorf("source pending is %v", !requeue)
				}
				if tt.end == ledger.Failed && x.NextRetryAt != nil {
					t.Error("what was cancelled is retried by itself")
				}
				if tt.end == ledger.Cancelling && len(r.place.cancels) != 1 {
					t.Errorf("the place was told %d times", len(r.place.cancels))
				}
				if len(r.place.told) > 1 {
					t.Errorf("submitted again: %v", r.place.told)
				}
			})
		}
	}
}

func TestWhatHasEndedIsNotCancelled(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	id := r.one()
	r.work()
	r.place.says(sub(id, 1), finished)
	r.poll()
	if _, err := r.Cancel(ctx, id, "late", "user:a", false); !errors.Is(err, fault.Conflict) {
		t.Errorf("completed: %v", err)
	}
}

func TestACancelThatCouldNotBeDeliveredIsDeliveredByAPoll(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	id := r.one()
	r.work()
	r.place.cancel = fault.New(fault.Unavailable, "no route", "")
	_, err := r.Cancel(ctx, id, "stop", "user:a", false)
	r.must(err)
	r.wantState(id, ledger.Cancelling)
	r.poll()
	r.place.cancel = nil
	r.poll()
	r.poll()
	r.poll()
	if len(r.place.cancels) != 1 {
		t.Errorf("told %d times", len(r.place.cancels))
	}
	if r.record(id).Cancel.DeliveredAt == nil {
		t.Error("not noted")
	}
}

func TestAWishToCancelWhileBeingSubmittedIsActedOnWithTheReceipt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer error
		want   ledger.State
	}{
		{"accepted", nil, ledger.Cancelling},
		{"refused", fault.New(fault.Unavailable, "busy", ""), ledger.Cancelled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			id := r.one()
			r.must(r.step())
			r.place.submit = func(backends.Submission) error { return tt.answer }
			r.place.took = tt.answer == nil
			place := r.place.submit
			r.place.submit = func(s backends.Submission) error {
				_, err := r.Cancel(context.Background(), id, "changed my mind", "user:a", true)
				r.must(err)
				return place(s)
			}
			run, ok, err := r.Next(context.Background())
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			_ = run(context.Background())
			r.wantState(id, tt.want)
		})
	}
}
