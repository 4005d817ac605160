package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"beampipe/fault"
	"beampipe/ledger"
)

// store writes the conclusions of a batch in one transaction, and one by one where that fails, so
// that a source whose claim was lost costs the others nothing. Claims in rest are released. The batches
// of a tick are stored one after the other: what many sources do at once is judged over the tick.
func (b *batch) store(ctx context.Context, done []concluded, rest []ledger.Claim) error {
	t, l := b.tick, b.tick.engine.ledger
	t.storing.Lock()
	defer t.storing.Unlock()
	if len(done) > 0 && !slices.ContainsFunc(done, func(c concluded) bool { return !c.unreachable }) {
		t.stop(ReasonUnavailable)
	}
	err := t.storeGuarded(ctx, done, rest)
	if err == nil {
		t.count(0, len(rest))
		return nil
	}
	var failures []error
	lost := 0
	for _, r := range done {
		err := t.storeGuarded(ctx, []concluded{r}, nil)
		switch {
		case err == nil:
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
	t.count(lost, len(rest)-lost)
	return firstOf(failures...)
}

// storeGuarded judges conclusions together, stores them in one transaction and counts what was stored.
func (t *Tick) storeGuarded(ctx context.Context, done []concluded, rest []ledger.Claim) error {
	var g guarded
	err := t.engine.ledger.Write(ctx, func(tx *ledger.Tx) error {
		var err error
		if g, err = t.guard(tx, done); err != nil {
			return err
		}
		for _, r := range g.list {
			if err := tx.StoreDiscovery(r.discovery); err != nil {
				return err
			}
		}
		return release(tx, rest)
	})
	if err != nil {
		return err
	}
	t.stored(g)
	return nil
}

func release(tx *ledger.Tx, claims []ledger.Claim) error {
	for _, c := range claims {
		if err := tx.ReleaseClaim(c); err != nil {
			return err
		}
	}
	return nil
}

// count adds claims that were lost or given back to the result.
func (t *Tick) count(lost, released int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Lost += lost
	t.result.Released += released
}

// stored adds stored conclusions to the result, the history, the metrics and the health.
func (t *Tick) stored(g guarded) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mass = g.mass
	for _, c := range g.list {
		t.engine.metrics.sources.WithLabelValues(t.id, c.discovery.Outcome).Inc()
		t.result.add(c.discovery)
		t.history.add(c.discovery)
	}
	t.history.note(g.brake)
	t.history.note(g.fault)
	t.history.note(g.held)
	t.engine.watch(t.id, g)
}
