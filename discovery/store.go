package discovery

import (
	"context"
	"errors"
	"fmt"

	"beampipe/fault"
	"beampipe/ledger"
)

// store writes the conclusions of a batch in one transaction, and one by one where that fails, so
// that a source whose claim was lost costs the others nothing. Claims in rest are released.
func (b *batch) store(ctx context.Context, done []concluded, rest []ledger.Claim) error {
	t, l := b.tick, b.tick.engine.ledger
	err := l.Write(ctx, func(tx *ledger.Tx) error {
		for _, r := range done {
			if err := tx.StoreDiscovery(r.discovery); err != nil {
				return err
			}
		}
		return release(tx, rest)
	})
	if err == nil {
		t.count(done, 0, len(rest))
		return nil
	}
	var stored []concluded
	var failures []error
	lost := 0
	for _, r := range done {
		err := l.Write(ctx, func(tx *ledger.Tx) error { return tx.StoreDiscovery(r.discovery) })
		switch {
		case err == nil:
			stored = append(stored, r)
			continue
		case errors.Is(err, fault.Conflict):
			lost++
			t.engine.log.Warn("a discovery was not stored: it has changed hands", "project", t.id, "source", r.discovery.Source.Identifier, "error", err)
		default:
			failures = append(failures, fmt.Errorf("store discovery of %s: %w", r.discovery.Source.Identifier, err))
		}
		rest = append(rest, r.discovery.Claim)
	}
	failures = append(failures, l.Write(ctx, func(tx *ledger.Tx) error { return release(tx, rest) }))
	t.count(stored, lost, len(rest)-lost)
	return firstOf(failures...)
}

func release(tx *ledger.Tx, claims []ledger.Claim) error {
	for _, c := range claims {
		if err := tx.ReleaseClaim(c); err != nil {
			return err
		}
	}
	return nil
}

// count adds stored conclusions to the result, the metrics and the health.
func (t *Tick) count(stored []concluded, lost, released int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Lost += lost
	t.result.Released += released
	for _, r := range stored {
		d := r.discovery
		t.engine.metrics.sources.WithLabelValues(t.id, d.Outcome).Inc()
		switch d.Outcome {
		case ledger.OutcomeChanged:
			t.result.Changed++
		case ledger.OutcomeUnchanged:
			t.result.Unchanged++
		case ledger.OutcomeNoData:
			t.result.NoData++
		case ledger.OutcomeMissing:
			t.result.Missing++
		case ledger.OutcomeAmbiguous:
			t.result.Ambiguous++
		default:
			t.result.Failed++
		}
		t.reportSource(d)
	}
}

// reportSource shows a source that fails again and again, and takes it back when it does not.
func (t *Tick) reportSource(d ledger.Discovery) {
	subject, failures := t.id+"/"+d.Source.Identifier, d.Source.Failures
	bad := d.Outcome == ledger.OutcomeError || d.Outcome == ledger.OutcomeAmbiguous
	switch {
	case bad && failures+1 >= patience:
		t.engine.log.Warn("discovery of a source fails", "project", t.id, "source", d.Source.Identifier, "failures", failures+1, "error", d.Error)
		t.engine.problem(ledger.Problem{
			Code: ProblemSource, Subject: subject, Severity: "warning", Title: fmt.Sprintf("Discovery of %s failed %d times in a row", d.Source.Identifier, failures+1),
			Text: d.Error, Todo: "see: beampipe source why " + d.Source.Identifier,
		})
	case !bad && failures >= patience:
		t.engine.clear(ProblemSource, subject)
	}
}
