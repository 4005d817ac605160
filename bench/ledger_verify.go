package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

// Settings of verification in the ledger bench.
const (
	verifyEvents = 500_000
	verifyRounds = 3
	verifyBatch  = 5_000 // events in a commit while the log is made

	verifyGoal   = 200_000.0 // events a second
	verifyGrowth = 64.0      // MB
)

// ledgerAll measures writing, then verifying.
func ledgerAll(ctx context.Context, o Options) ([]Row, error) {
	rows, err := ledgerWriting(ctx, o)
	if err != nil {
		return rows, err
	}
	more, err := ledgerVerifying(ctx, o)
	return append(rows, more...), err
}

// ledgerVerifying measures provenance verify on a log of transitions as runs write them, beside a plain walk
// that reads the same events with database/sql and hashes them one after the other; they take turns, and each
// figure is the median of three. The memory row is how much more the process holds at the peak of a
// verification than before it, beside the same for a tenth of the events.
//
// Flags: "events" instead of 500,000.
func ledgerVerifying(ctx context.Context, o Options) ([]Row, error) {
	n, err := positive(o, "events", verifyEvents)
	if err != nil {
		return nil, err
	}
	l, err := logOf(ctx, filepath.Join(o.Dir, "verify.db"), n)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	tenth, err := logOf(ctx, filepath.Join(o.Dir, "verify-tenth.db"), max(n/10, 1))
	if err != nil {
		return nil, err
	}
	defer tenth.Close()
	var ours, plain []float64
	for range verifyRounds {
		rate, err := verifyRate(ctx, l, n)
		if err != nil {
			return nil, err
		}
		ours = append(ours, rate)
		if rate, err = walkRate(ctx, l, n); err != nil {
			return nil, err
		}
		plain = append(plain, rate)
	}
	row := against(Row{Name: "verify_events_s", Value: median(ours), Unit: "1/s", Goal: fmt.Sprintf("at least %.0f", verifyGoal)}, "a plain walk over database/sql", median(plain))
	row.Met = row.Value >= verifyGoal
	return []Row{row, verifyMemory(ctx, l, tenth)}, nil
}

// logOf makes a ledger with n events more than a new one has.
func logOf(ctx context.Context, path string, n int) (*ledger.Ledger, error) {
	l, err := ledger.Create(ctx, path, ledger.Options{})
	if err != nil {
		return nil, err
	}
	for made := 0; made < n; {
		err := l.Write(ctx, func(tx *ledger.Tx) error {
			for i := made; i < min(made+verifyBatch, n); i++ {
				id := fmt.Sprintf("01930000-0000-7000-8000-%012d", i/8)
				e := provenance.Event{
					Type: "execution.accepted", Project: "wallaby_hires", Source: fmt.Sprintf("HIPASSJ%04d", i%1000), Execution: id,
					Actor: provenance.ActorExecution, Correlation: "bp-" + id + "-1",
				}
				payload := map[string]any{"from": "submitting", "to": "queued", "attempt": 1, "why": "the backend has it", "external_id": strconv.Itoa(i)}
				if err := tx.Append(e, payload); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		made += verifyBatch
	}
	return l, nil
}

// verifyRate is how many events a second are verified. A log that does not verify is an error: nothing was measured.
func verifyRate(ctx context.Context, l *ledger.Ledger, n int) (float64, error) {
	begun := time.Now()
	got, err := l.Verify(ctx, ledger.VerifyOptions{})
	if err == nil && (!got.Intact() || got.Events < int64(n)) {
		err = fmt.Errorf("bench ledger: of %d events %d were verified: %+v", n, got.Events, got.Finding)
	}
	return float64(got.Events) / seconds(begun), err
}

// walkRate is the same for a plain walk.
func walkRate(ctx context.Context, l *ledger.Ledger, n int) (float64, error) {
	begun := time.Now()
	var chain provenance.Verifier
	err := l.View(ctx).EachEvent(chain.Next)
	seq, _ := chain.Head()
	if err == nil && seq < int64(n) {
		err = fmt.Errorf("bench ledger: of %d events %d were walked over", n, seq)
	}
	return float64(seq) / seconds(begun), err
}

// verifyMemory is how much memory a verification takes, which must not depend on the number of events.
func verifyMemory(ctx context.Context, l, tenth *ledger.Ledger) Row {
	row := Row{Name: "verify_growth_mb", Unit: "MB"}
	whole, err := growth(func() error { _, err := l.Verify(ctx, ledger.VerifyOptions{}); return err })
	var part float64
	if err == nil {
		part, err = growth(func() error { _, err := tenth.Verify(ctx, ledger.VerifyOptions{}); return err })
	}
	if err != nil {
		row.Skipped = err.Error()
		return row
	}
	return under(row.Name, whole, row.Unit, verifyGrowth, "a tenth of the events", part)
}

// growth is by how many MB the process grew while fn ran, at the peak.
func growth(fn func() error) (float64, error) {
	debug.FreeOSMemory()
	// Begins the peak anew at what the process holds now (proc(5), clear_refs).
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return 0, fault.Wrap(fault.Unavailable, err, "the peak of memory cannot be set back on this system", "")
	}
	before, err := peakRSS()
	if err != nil {
		return 0, err
	}
	if err := fn(); err != nil {
		return 0, err
	}
	after, err := peakRSS()
	return after - before, err
}
