package execution

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/ledger"
)

// until waits for a condition that a goroutine of the engine brings about; it asks again and again
// because nothing else tells, bounded by a minute.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatal(what + ": not within a minute")
		case <-ticker.C:
		}
	}
}

func TestAClaimIsRenewedWhileItsUnitRuns(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.o.Lease = 30 * time.Millisecond // of the ledger's clock, which stands still unless it is moved
	r.must(r.step())
	r.place.took, r.place.submit = true, func(backends.Submission) error {
		expires := func() time.Time {
			claim, err := r.view().ClaimOf(ledger.ExecutionSubject(id))
			r.must(err)
			return claim.ExpiresAt
		}
		before := expires()
		r.clock.forward(20 * time.Millisecond)
		until(t, "the claim is renewed", func() bool { return expires().After(before) })
		return nil
	}
	r.must(r.step())
	r.wantState(id, ledger.Queued)
}

func TestAUnitWhoseClaimIsLostIsToldToStop(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.o.Lease = 30 * time.Millisecond
	r.must(r.step())
	r.place.submit = func(backends.Submission) error {
		// Paused for an hour: a poll takes over, asks, and clears the attempt up.
		for taken := false; !taken; { // its renewal may come between
			r.clock.forward(time.Hour)
			r.write(func(tx *ledger.Tx) (err error) {
				_, taken, err = tx.TryClaim(ledger.ClaimExecution, ledger.ExecutionSubject(id), "thief", "", time.Hour)
				return err
			})
		}
		until(t, "the unit's context ends", func() bool { return r.place.ctx.Err() != nil })
		return fault.New(fault.Uncertain, "interrupted", "")
	}
	if err := r.step(); err != nil {
		t.Errorf("what somebody else took over is no error: %v", err)
	}
	r.wantState(id, ledger.Submitting)
}

func TestMetricsTellWhatHappened(t *testing.T) {
	r := newRig(t)
	registry := prometheus.NewRegistry()
	options := r.o
	options.Registerer = registry
	r.Engine = New(options)
	New(options) // a second engine shares them
	id := r.one()
	r.work()
	r.place.says(sub(id, 1), finished)
	r.poll()
	for name, want := range map[string]float64{
		"admitted": testutil.ToFloat64(r.metrics.admitted.WithLabelValues("demo", "admitted")),
		"terminal": testutil.ToFloat64(r.metrics.terminal.WithLabelValues("demo", "completed")),
	} {
		if want != 1 {
			t.Errorf("%s: %v", name, want)
		}
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
