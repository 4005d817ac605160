package discovery

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"beampipe/fault"
	"beampipe/ledger"
)

// batch is some claimed sources of one tick.
type batch struct {
	tick    *Tick
	sources []ledger.Source
	claims  []ledger.Claim
}

// concluded is what came of one source of a batch. Without ok nothing is known: ctx ended.
type concluded struct {
	discovery ledger.Discovery
	requests  int
	ok        bool
}

// run discovers the sources of the batch, a few at a time, and stores what came of them at once.
// When ctx ends, the claims of the sources without a conclusion are given back.
func (b *batch) run(ctx context.Context) error {
	t := b.tick
	t.mu.Lock()
	mine := t.waits[b]
	delete(t.waits, b)
	t.mu.Unlock()
	if !mine {
		return fault.New(fault.Conflict, "run a discovery batch of "+t.id+": it was run or released already", "")
	}
	results := make([]concluded, len(b.sources))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(t.engine.limits.SourceConcurrency, len(b.sources)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(results); i = int(next.Add(1)) - 1 {
				results[i] = t.discover(ctx, b.sources[i], b.claims[i])
			}
		})
	}
	workers.Wait()
	var done []concluded
	var rest []ledger.Claim
	for i, r := range results {
		if r.ok {
			done = append(done, r)
		} else {
			rest = append(rest, b.claims[i])
		}
		t.addRequests(r.requests)
	}
	return b.store(context.WithoutCancel(ctx), done, rest)
}

// discover asks about one source and concludes. A failure is a conclusion, unless ctx has ended.
func (t *Tick) discover(ctx context.Context, s ledger.Source, c ledger.Claim) (out concluded) {
	e := t.engine
	began := e.ledger.Now()
	report := &Report{At: began, Queries: []QueryReport{}}
	n := &inquiry{engine: e, project: t.project, report: report}
	d := ledger.Discovery{Source: s, Claim: c}
	defer func() {
		if p := recover(); p != nil { // a defect of ours; it stays with its source
			e.log.Error("discovery of a source panicked", "project", t.id, "source", s.Identifier, "panic", p, "stack", string(debug.Stack()))
			t.fail(&d, fmt.Errorf("discover %s: defect: %v", s.Identifier, p))
			out.ok = true
		}
		report.Took = e.ledger.Now().Sub(began)
		d.Report = *report
		out.discovery, out.requests = d, n.requests
		e.metrics.duration.WithLabelValues(t.id).Observe(report.Took.Seconds())
	}()
	if ctx.Err() != nil {
		return out
	}
	err := t.inquire(ctx, n, s)
	if err == nil {
		err = t.conclude(ctx, &d, n)
	}
	if err != nil && ctx.Err() != nil {
		return out // cut off: nothing is known
	}
	if err != nil {
		t.fail(&d, err)
	}
	out.ok = true
	return out
}

func (t *Tick) inquire(ctx context.Context, n *inquiry, s ledger.Source) error {
	longer, err := t.engine.ledger.View(ctx).IdentifiersBeginning(t.id, s.Identifier)
	if err != nil {
		return err
	}
	n.owner = ownership{project: t.project, identifier: s.Identifier, longer: longer}
	return n.ask(ctx)
}

// fail makes the discovery a failure: what is known stays, and the source is asked again later.
func (t *Tick) fail(d *ledger.Discovery, err error) {
	*d = ledger.Discovery{Source: d.Source, Claim: d.Claim}
	d.Outcome, d.Error = failed(err)
	d.NextDue = t.engine.ledger.Now().Add(backoff(d.Source.Identifier, d.Source.Failures, t.stale()))
}

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

func (t *Tick) addRequests(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Requests += n
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
