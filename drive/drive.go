// Package drive advances the system, apart from how: a driver takes units of work from a source and
// carries them out, one after the other or several at once. A driver lives for one tick: the daemon's
// loop waits for cron or a wake-up and makes a new one.
package drive

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// State is what one call of Drive found.
type State string

// The states. The caller goes on until a terminal one.
const (
	Continue State = "continue" // work was dispatched: call again
	Shutdown State = "shutdown" // quiescent: nothing is due and nothing runs. Terminal
	Failed   State = "failed"   // the whole cannot go on. Terminal
)

// Work gives units of work that are due. Next claims one and returns it, ok=false when nothing more is
// due now, an error when it could not tell. A unit's own error is told to Report and stops nothing
// else: one bad record harms itself alone.
type Work interface {
	Next(ctx context.Context) (run func(ctx context.Context) error, ok bool, err error)
}

// Driver does one unit of scheduling per call.
type Driver interface {
	Drive(ctx context.Context) (State, error)
}

// Report is told the error of a unit of work.
type Report func(err error)

// Run calls the driver until it answers Shutdown or Failed.
func Run(ctx context.Context, d Driver) error {
	for {
		state, err := d.Drive(ctx)
		switch state {
		case Continue:
		case Shutdown:
			return nil
		case Failed:
			return err
		default:
			return fmt.Errorf("drive: unknown state %q", state)
		}
	}
}

// serial carries out one unit per call, in the caller's goroutine.
type serial struct {
	work   Work
	report Report
	end    ended
}

// Serial makes a driver that does one thing after the other: for tests and for single ticks by hand.
func Serial(work Work, report Report) Driver { return &serial{work: work, report: report} }

// Drive implements Driver.
func (s *serial) Drive(ctx context.Context) (State, error) {
	if state, err, done := s.end.state(); done {
		return state, err
	}
	run, ok, err := next(ctx, s.work)
	if err != nil {
		return s.end.with(Failed, err)
	}
	if !ok {
		return s.end.with(Shutdown, nil)
	}
	if err := safely(ctx, run); err != nil {
		s.report(err)
	}
	return Continue, nil
}

// parallel carries out up to workers units at once.
type parallel struct {
	work    Work
	report  Report
	workers int
	running int           // units that were started and not yet collected; only Drive touches it
	done    chan struct{} // one token per unit that ended; never full
	end     ended
	mu      sync.Mutex // report is not called by two units at once
}

// Parallel makes a driver with a number of workers in this process. Its units are waited for before it
// answers a terminal state.
func Parallel(work Work, workers int, report Report) Driver {
	workers = max(workers, 1)
	return &parallel{work: work, report: report, workers: workers, done: make(chan struct{}, workers)}
}

// Drive implements Driver. It waits for a free worker, and for a running unit to end when nothing is
// due meanwhile: what ends may have made more work due.
func (p *parallel) Drive(ctx context.Context) (State, error) {
	if state, err, done := p.end.state(); done {
		return state, err
	}
	if p.running == p.workers {
		return p.wait(ctx)
	}
	run, ok, err := next(ctx, p.work)
	switch {
	case err != nil:
		return p.stop(Failed, err)
	case ok:
		p.start(ctx, run)
		return Continue, nil
	case p.running == 0:
		return p.end.with(Shutdown, nil)
	}
	return p.wait(ctx)
}

func (p *parallel) start(ctx context.Context, run func(context.Context) error) {
	p.running++
	go func() {
		defer func() { p.done <- struct{}{} }()
		if err := safely(ctx, run); err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.report(err)
		}
	}()
}

// wait collects one unit that ended.
func (p *parallel) wait(ctx context.Context) (State, error) {
	select {
	case <-p.done:
		p.running--
		return Continue, nil
	case <-ctx.Done():
		return p.stop(Failed, context.Cause(ctx))
	}
}

// stop waits for what runs and remembers the terminal answer.
func (p *parallel) stop(state State, err error) (State, error) {
	for ; p.running > 0; p.running-- {
		<-p.done
	}
	return p.end.with(state, err)
}

// safely turns a panic of a unit into its error: a defect that one unit meets does not end the others.
func safely(ctx context.Context, run func(ctx context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a unit of work met a defect: %v\n%s", p, debug.Stack())
		}
	}()
	return run(ctx)
}

// next asks for work unless ctx has ended.
func next(ctx context.Context, work Work) (func(context.Context) error, bool, error) {
	if ctx.Err() != nil {
		return nil, false, context.Cause(ctx)
	}
	run, ok, err := work.Next(ctx)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return run, ok, err
}

// ended keeps a terminal answer: once given it stays.
type ended struct {
	final State
	err   error
}

func (e *ended) state() (state State, err error, done bool) { return e.final, e.err, e.final != "" }

func (e *ended) with(state State, err error) (State, error) {
	e.final, e.err = state, err
	return state, err
}
