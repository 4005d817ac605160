package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"beampipe/ledger"
)

// Settings of the ledger bench.
const (
	ledgerRounds     = 5
	ledgerSlice      = 500 * time.Millisecond // of each of the things that take turns
	ledgerExecutions = 512
	ledgerBatch      = 100 // transitions in a commit of the batched loop
	loopExecutions   = 64  // that the loops go round

	arrivalRate  = 1000 // a second
	arrivalSlice = 2 * time.Second

	walFrame = 24 + 4096 // a page and its header: what SQLite appends at least
)

// ledgerCallers are how many callers write at the same time.
var ledgerCallers = []int{1, 8, 64, 512}

// ledgerBench is a ledger whose executions go to and fro between queued and running, and a second one of
// the same content for the loops that it is compared with.
type ledgerBench struct {
	ledger     *ledger.Ledger
	executions []ledger.Execution
	loop       *loop
	dir        string
	slice      time.Duration
}

// ledgerWriting measures durable transitions per second: Tx.Move with its event, each caller on an execution of its own,
// synchronous=FULL. It takes turns with its references in the same run, and each figure is the median of
// five turns: a plain loop over database/sql on the same schema with prepared statements, which computes
// and writes the same rows with one commit for each transition or for a hundred, and the file system's
// fsync rate. p99_ms is of transitions that arrive at 1000/s whether or not those before them are done,
// from the moment at which they were due.
//
// Flags: "rounds" instead of five, "ms" of each turn instead of 500.
func ledgerWriting(ctx context.Context, o Options) ([]Row, error) {
	rounds, err := positive(o, "rounds", ledgerRounds)
	if err != nil {
		return nil, err
	}
	ms, err := positive(o, "ms", int(ledgerSlice.Milliseconds()))
	if err != nil {
		return nil, err
	}
	b, err := newLedgerBench(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.slice = time.Duration(ms) * time.Millisecond
	figures := map[string][]float64{}
	for round := range rounds {
		for _, part := range b.parts() {
			value, err := part.run(ctx)
			if err != nil {
				return nil, fmt.Errorf("bench ledger: %s: %w", part.name, err)
			}
			figures[part.name] = append(figures[part.name], value)
		}
		o.Log.Info("bench ledger", "round", round+1)
	}
	o.Log.Info("bench ledger", "figures", figures, "writer", b.ledger.WriterStats())
	return ledgerRows(figures), nil
}

// part is one of the things that take turns.
type part struct {
	name string
	run  func(ctx context.Context) (float64, error)
}

func (b *ledgerBench) parts() []part {
	parts := []part{
		{"fsync", func(context.Context) (float64, error) { return fsyncRate(b.dir, b.slice) }},
		{"one commit loop", func(ctx context.Context) (float64, error) { return b.loop.rate(ctx, 1, b.slice) }},
	}
	for _, n := range ledgerCallers {
		parts = append(parts, part{fmt.Sprintf("callers %d", n), func(ctx context.Context) (float64, error) { return b.rate(ctx, n) }})
	}
	return append(parts,
		part{"batched loop", func(ctx context.Context) (float64, error) { return b.loop.rate(ctx, ledgerBatch, b.slice) }},
		part{"p99", b.p99},
		part{"p99 loop", b.loop.p99},
	)
}

func ledgerRows(figures map[string][]float64) []Row {
	m := map[string]float64{}
	for name, values := range figures {
		m[name] = median(values)
	}
	const oneByOne, batched, synced = "a plain loop, one commit each", "a plain loop, 100 in a commit", "appends of a WAL frame with fsync"
	var rows []Row
	for _, n := range ledgerCallers {
		rows = append(rows, against(Row{Name: fmt.Sprintf("transitions_s_%d", n), Value: m[fmt.Sprintf("callers %d", n)], Unit: "1/s"}, oneByOne, m["one commit loop"]))
	}
	at64 := m["callers 64"]
	return append(rows,
		times("vs_one_commit_loop_64", at64, 5, oneByOne, m["one commit loop"]),
		times("vs_batched_loop_64", at64, 0.5, batched, m["batched loop"]),
		times("vs_fsync_64", at64, 0, synced, m["fsync"]),
		under("p99_ms_at_1000_s", m["p99"], "ms", 20, "the same arrivals, "+oneByOne, m["p99 loop"]),
	)
}

// against sets what a row is compared with.
func against(r Row, reference string, value float64) Row {
	r.Reference, r.ReferenceValue = reference, value
	if value > 0 {
		r.Ratio = r.Value / value
	}
	return r
}

// times makes a row of how many times its reference a rate is, with a goal of at least some; 0 = none.
func times(name string, rate, least float64, reference string, referenceRate float64) Row {
	r := Row{Name: name, Unit: "×", Reference: reference, ReferenceValue: referenceRate}
	if referenceRate > 0 {
		r.Value = rate / referenceRate
		r.Ratio = r.Value
	}
	if least > 0 {
		r.Goal, r.Met = fmt.Sprintf("at least %g", least), r.Value >= least
	}
	return r
}

func newLedgerBench(ctx context.Context, dir string) (*ledgerBench, error) {
	b := &ledgerBench{dir: dir}
	var err error
	if b.ledger, err = ledger.Create(ctx, filepath.Join(dir, "beampipe.db"), ledger.Options{}); err != nil {
		return nil, err
	}
	if b.executions, err = queuedExecutions(ctx, b.ledger, ledgerExecutions); err != nil {
		return nil, errors.Join(err, b.ledger.Close())
	}
	if b.loop, err = newLoop(ctx, filepath.Join(dir, "loop.db")); err != nil {
		return nil, errors.Join(err, b.ledger.Close())
	}
	return b, nil
}

func (b *ledgerBench) close() {
	b.ledger.Close()
	b.loop.close()
}

// queuedExecutions fills a ledger with executions that are queued.
func queuedExecutions(ctx context.Context, l *ledger.Ledger, n int) ([]ledger.Execution, error) {
	const project, profile = "bench", "here"
	list := make([]ledger.Execution, n)
	err := l.Write(ctx, func(tx *ledger.Tx) error {
		if _, _, err := tx.AddConfig(ledger.NewConfig{Project: project, Digest: "c1", Spec: []byte("{}"), File: []byte("x"), FileName: "bench.yaml"}, benchActor); err != nil {
			return err
		}
		if _, _, err := tx.AddProfile(ledger.Profile{Name: profile, Digest: "p1", Spec: []byte("{}")}, benchActor); err != nil {
			return err
		}
		for i := range list {
			name := fmt.Sprintf("HIPASSJ%07d", i)
			if _, err := tx.RegisterSource(project, name, benchActor); err != nil {
				return err
			}
			s, err := tx.Source(project, name)
			if err != nil {
				return err
			}
			list[i], err = tx.CreateExecution(ledger.NewExecution{
				Project: project, ConfigRevision: 1, Profile: profile, ProfileRevision: 1, Target: "local", Signature: "s1", Actor: benchActor, Why: "bench",
				Sources: []ledger.ExecutionSource{{SourceID: s.ID, Identifier: name, SBIDs: []string{"100"}, Signature: "s1"}},
			})
			for _, event := range []ledger.Event{ledger.EventPrepare, ledger.EventPrepared, ledger.EventSubmit, ledger.EventAccepted, ledger.EventStarted, ledger.EventRequeued} {
				if err == nil {
					list[i], err = tx.Move(list[i], event, benchStep)
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

var benchStep = ledger.Step{Actor: benchActor, Why: "the scheduler says so"}

// nextEvent takes an execution to and fro.
func nextEvent(s ledger.State) ledger.Event {
	if s == ledger.Queued {
		return ledger.EventStarted
	}
	return ledger.EventRequeued
}

// step makes one durable transition of an execution.
func (b *ledgerBench) step(ctx context.Context, i int) error {
	seen := b.executions[i]
	var to ledger.Execution
	err := b.ledger.Write(ctx, func(tx *ledger.Tx) (err error) {
		to, err = tx.Move(seen, nextEvent(seen.State), benchStep)
		return err
	})
	if err == nil {
		b.executions[i] = to
	}
	return err
}

// rate is how many transitions n callers make in a second.
func (b *ledgerBench) rate(ctx context.Context, n int) (float64, error) {
	var made atomic.Int64
	failures := make([]error, n)
	var wg sync.WaitGroup
	begun := time.Now()
	for i := range n {
		wg.Go(func() {
			for time.Since(begun) < b.slice && failures[i] == nil {
				failures[i] = b.step(ctx, i)
				made.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(made.Load()) / seconds(begun), errors.Join(failures...)
}

// p99 is the time in ms that all but one of a hundred transitions take when they arrive at arrivalRate.
func (b *ledgerBench) p99(ctx context.Context) (float64, error) {
	free := make(chan int, len(b.executions))
	for i := range b.executions {
		free <- i
	}
	n := int(arrivalSlice.Seconds() * arrivalRate)
	took, failures := make([]float64, n), make([]error, n)
	var wg sync.WaitGroup
	arrivals(n, func(k int, due time.Time) {
		wg.Go(func() {
			i := <-free
			failures[k] = b.step(ctx, i)
			free <- i
			took[k] = seconds(due) * 1e3
		})
	})
	wg.Wait()
	return percentile(took, 0.99), errors.Join(failures...)
}

// arrivals calls fn for each of n arrivals when it is due, or at once when it is late.
func arrivals(n int, fn func(k int, due time.Time)) {
	begun := time.Now()
	for k := range n {
		due := begun.Add(time.Duration(k) * time.Second / arrivalRate)
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		fn(k, due)
	}
}

func percentile(values []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(float64(len(sorted))*p), len(sorted)-1)]
}

// fsyncRate is how often a second a file can be appended to and synced.
func fsyncRate(dir string, slice time.Duration) (rate float64, err error) {
	f, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	frame := make([]byte, walFrame)
	begun, n := time.Now(), 0
	for ; time.Since(begun) < slice; n++ {
		if _, err := f.Write(frame); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
	}
	return float64(n) / seconds(begun), nil
}
