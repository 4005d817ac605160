package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"beampipe/fault"
)

// State is where a vertex is.
type State string

// The states. In a Result, pending means that the run ended before the vertex could start.
const (
	Pending   State = "pending"
	Running   State = "running"
	Completed State = "completed"
	Failed    State = "failed"
)

// Why a vertex failed that did not fail by itself, and the error of one that took too long.
var (
	ErrUpstream   = errors.New("something before it failed")
	ErrRolledBack = errors.New("another vertex of its group failed")
	ErrTimeout    = errors.New("out of time")
)

// MaxWorkers is the largest Options.Workers.
const MaxWorkers = 1024

// Options says how to run a graph. The zero value runs serially and keeps nothing.
type Options struct {
	Workers int    // vertices that run at once; 0 and 1 = serial, at most MaxWorkers
	Data    Values // the seeds, by name with or without "$"

	// KeepGoing runs the branches that a failure does not touch. Without it nothing new starts after
	// one. Either way running vertices finish, and what is behind the failed one fails with ErrUpstream.
	KeepGoing bool

	Now func() time.Time // nil = time.Now

	// Sleep waits before a retry: 100 ms, doubling up to 5 s. nil waits for real.
	Sleep func(ctx context.Context, d time.Duration) error

	// Observer is told of every change of a state, one call at a time; it must be quick, because
	// the run waits for it. It cannot break the run: its panics are dropped.
	Observer func(Event)

	// Checkpoint is called after each vertex (and after a whole group), one call at a time, also
	// when the run is being cancelled; nothing that depends on the vertex starts before it returned.
	// An error ends the run. Outputs that are no JSON fail their vertex when it is set.
	Checkpoint func(ctx context.Context, c Checkpoint) error

	Resume *Checkpoint // go on from here; nil = from the beginning
	Cache  Cache       // of pure vertices; nil = none
}

// Event is a change of a vertex's state.
type Event struct {
	Vertex string
	State  State
	At     time.Time
	Took   time.Duration // for completed and failed: since it started
	Err    error         // for failed
	Cached bool          // completed without running, from the cache
}

// Result is what a run gave, also when it failed.
type Result struct {
	Data    Values           // by qualified name
	States  map[string]State // by vertex
	Errors  map[string]error // by vertex, for failed ones
	Lineage []Record         // seeds first, then in the order of the graph
	Cached  int              // vertices taken from the cache
}

// Run runs g to its end. The error is that of the first vertex, in the order of the graph, that failed
// by itself, with the vertex's name and its fault.Kind kept; or that of the checkpoint; or why ctx
// ended. Running vertices are always waited for. Options, seeds or a checkpoint that do not fit give
// an Invalid error and a nil Result, before anything runs; otherwise there is a Result.
func Run(ctx context.Context, g *Graph, o Options) (*Result, error) {
	r, err := newRun(g, o)
	if err != nil {
		return nil, err
	}
	r.loop(ctx)
	r.abandonOpenGroups()
	return &Result{
		Data: r.data, States: r.states, Errors: r.errs, Lineage: r.lineage(), Cached: r.cached,
	}, r.err(ctx)
}

// newRun checks the options and sets the data store up.
func newRun(g *Graph, o Options) (*run, error) {
	if o.Workers < 0 || o.Workers > MaxWorkers {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("run flow: %d workers, expected 0 to %d", o.Workers, MaxWorkers), "")
	}
	o.Workers = max(o.Workers, 1)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	r := &run{
		graph: g, o: o,
		data: Values{}, seeds: Values{}, records: map[string]Record{},
		states: make(map[string]State, len(g.nodes)), errs: map[string]error{},
		missing: make([]int, len(g.nodes)), started: make([]time.Time, len(g.nodes)),
		open: map[string]*openGroup{}, done: make(chan outcome, o.Workers),
	}
	r.kept = Checkpoint{
		Outputs: map[string]json.RawMessage{}, States: r.states,
		Lineage: map[string]Record{}, Seeds: map[string]string{},
	}
	if err := r.plant(); err != nil {
		return nil, err
	}
	for i := range g.nodes {
		r.states[g.nodes[i].Name] = Pending
	}
	if err := r.restore(o.Resume); err != nil {
		return nil, err
	}
	r.prepare()
	return r, nil
}

// plant takes the seeds from the options.
func (r *run) plant() error {
	given := Values{}
	for key, value := range r.o.Data {
		name := strings.TrimPrefix(key, "$")
		if _, twice := given[name]; twice {
			return fault.New(fault.Invalid, fmt.Sprintf("run flow: seed %q is given twice, with and without $", name), "")
		}
		given[name] = value
	}
	var absent []string
	for _, seed := range r.graph.seeds {
		value, ok := given[seed]
		if !ok {
			absent = append(absent, seed)
			continue
		}
		record := Record{Output: "$" + seed, At: r.o.Now()}
		if raw, err := canonical(value); err == nil {
			record.Digest = digest(raw)
			r.kept.Seeds[seed] = record.Digest
		}
		r.seeds["$"+seed], r.records["$"+seed] = value, record
	}
	if len(absent) > 0 {
		return fault.New(fault.Invalid, "run flow: Data does not give the seeds "+strings.Join(absent, ", "), "")
	}
	return nil
}

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
