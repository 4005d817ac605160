package discovery

import (
	"context"
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

func (t *Tick) addRequests(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Requests += n
}
