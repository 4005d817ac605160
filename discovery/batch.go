package discovery

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

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
	discovery   ledger.Discovery
	requests    int
	unreachable bool // the archive of the primary query could not be asked
	ok          bool
}

// run asks about the sources of the batch, concludes about each, and stores what came of them at once.
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
	began := t.engine.ledger.Now()
	stop := b.renew(ctx)
	defer stop()
	heard := b.ask(ctx)
	ctx = context.WithoutCancel(ctx) // what was heard to its end is kept
	results := make([]concluded, len(b.sources))
	inParallel(t.engine.limits.SourceConcurrency, len(results), func(i int) {
		results[i] = t.concludeOne(ctx, b.sources[i], b.claims[i], &heard[i], began)
	})
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
	return b.store(ctx, done, rest)
}

// concludeOne makes of what was heard about one source what is stored about it. A failure is a
// conclusion; a source whose questions were cut off has none.
func (t *Tick) concludeOne(ctx context.Context, s ledger.Source, c ledger.Claim, a *asked, began time.Time) (out concluded) {
	e := t.engine
	d := ledger.Discovery{Source: s, Claim: c}
	out.requests = a.requests
	if a.cut {
		return out
	}
	defer func() {
		if p := recover(); p != nil {
			t.fail(&d, e.defect(t.id, s.Identifier, p))
			out.ok = true
		}
		a.report.Took = e.ledger.Now().Sub(began)
		d.Report = *a.report
		out.discovery = d
		e.metrics.duration.WithLabelValues(t.id).Observe(a.report.Took.Seconds())
	}()
	err := a.err
	if err == nil {
		err = t.conclude(ctx, &d, a)
	}
	if err != nil {
		t.fail(&d, err)
	}
	out.ok, out.unreachable = true, a.unreachable()
	return out
}

// defect makes an error of a panic: a defect of ours, which stays with its source.
func (e *Engine) defect(project, what string, p any) error {
	e.log.Error("discovery of a source panicked", "project", project, "source", what, "panic", p, "stack", string(debug.Stack()))
	return defect{fmt.Errorf("discover %s: defect: %v", what, p)}
}

// inParallel runs fn for 0 to n-1, at most workers at a time, and waits for all of them.
func inParallel(workers, n int, fn func(i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(workers, n) {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	wait.Wait()
}

func (t *Tick) addRequests(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Requests += n
}
