package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"beampipe/fault"
)

// Bounds of reads: one that stays open keeps the write-ahead log from being used again.
const (
	maxReadAge = 30 * time.Second
	minReadAge = 2 * time.Second // that is left to a read when the log is longer than maxWAL
	maxWAL     = 256 << 20
)

// errReadAge is why a read was ended.
var errReadAge = errors.New("it took too long")

// readings are the reads that are going on.
type readings struct {
	age    time.Duration // maxReadAge
	least  time.Duration // minReadAge
	maxLog int64         // maxWAL
	cuts   atomic.Int64

	mu   sync.Mutex
	open map[*reading]struct{}
}

type reading struct {
	begun time.Time
	end   context.CancelCauseFunc
}

func newReadings() *readings {
	return &readings{age: maxReadAge, least: minReadAge, maxLog: maxWAL, open: map[*reading]struct{}{}}
}

// begin bounds a read. done must be called at its end. Without readings, inside of a transaction that is
// bounded already, ctx stays as it is.
func (r *readings) begin(ctx context.Context) (bounded context.Context, done func()) {
	if r == nil {
		return ctx, func() {}
	}
	bounded, end := context.WithCancelCause(ctx)
	x := &reading{begun: time.Now(), end: end}
	r.mu.Lock()
	r.open[x] = struct{}{}
	r.mu.Unlock()
	timer := time.AfterFunc(r.age, func() { r.cut(x) })
	return bounded, func() {
		timer.Stop()
		r.mu.Lock()
		delete(r.open, x)
		r.mu.Unlock()
		end(nil)
	}
}

func (r *readings) cut(x *reading) {
	r.mu.Lock()
	_, open := r.open[x]
	delete(r.open, x)
	r.mu.Unlock()
	if open {
		r.cuts.Add(1)
		x.end(errReadAge)
	}
}

// cutOld ends the reads that keep a log of that size, but for those that have just begun.
func (r *readings) cutOld(log int64) {
	if log <= r.maxLog {
		return
	}
	var old []*reading
	r.mu.Lock()
	for x := range r.open {
		if time.Since(x.begun) >= r.least {
			old = append(old, x)
		}
	}
	r.mu.Unlock()
	for _, x := range old {
		r.cut(x)
	}
}

// ageError says that a read was ended by its bound, whatever the driver made of that; else err passes.
func (r *readings) ageError(ctx context.Context, path string, err error) error {
	if err == nil || r == nil || !errors.Is(context.Cause(ctx), errReadAge) {
		return err
	}
	return fault.Wrap(fault.Unavailable, errReadAge, fmt.Sprintf("read ledger %s: a read ends after %s, or after %s when the log of writes has grown past %d MB", path, r.age, r.least, r.maxLog>>20),
		"ask for less at once")
}

// View gives the reading half: each of its calls is a query of its own on a pooled connection. One that
// takes longer than 30 s is ended with an Unavailable error.
func (l *Ledger) View(ctx context.Context) View {
	return View{ctx: ctx, q: l.readers, reads: l.reads, now: l.Now(), path: l.path, rebuild: l.rebuild}
}

// Snapshot runs fn on one read transaction, so that all that it reads is from one instant. It is ended with
// an Unavailable error when it takes longer than 30 s.
func (l *Ledger) Snapshot(ctx context.Context, fn func(v View) error) error {
	ctx, done := l.reads.begin(ctx)
	defer done()
	dbTx, err := l.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return l.reads.ageError(ctx, l.path, readError(l.path, "begin", err))
	}
	defer dbTx.Rollback() //nolint:errcheck // nothing was written
	err = fn(View{ctx: ctx, q: dbTx, now: l.Now(), path: l.path, rebuild: l.rebuild})
	return l.reads.ageError(ctx, l.path, err)
}
