package drive_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"beampipe/drive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// queue is work made of functions; a unit may add more.
type queue struct {
	mu    sync.Mutex
	units []func(context.Context) error
	asked int
	err   error
}

func (q *queue) Next(context.Context) (func(context.Context) error, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked++
	if q.err != nil {
		return nil, false, q.err
	}
	if len(q.units) == 0 {
		return nil, false, nil
	}
	unit := q.units[0]
	q.units = q.units[1:]
	return unit, true, nil
}

func (q *queue) add(unit func(context.Context) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.units = append(q.units, unit)
}

// drivers are what every test of the contract runs against.
var drivers = map[string]func(drive.Work, drive.Report) drive.Driver{
	"serial":     drive.Serial,
	"parallel 1": func(w drive.Work, r drive.Report) drive.Driver { return drive.Parallel(w, 1, r) },
	"parallel 4": func(w drive.Work, r drive.Report) drive.Driver { return drive.Parallel(w, 4, r) },
}

func TestEveryUnitRunsOnceAlsoThoseThatAUnitMakesDue(t *testing.T) {
	for name, newDriver := range drivers {
		t.Run(name, func(t *testing.T) {
			q := &queue{}
			var ran atomic.Int64
			for range 20 {
				q.add(func(context.Context) error {
					q.add(func(context.Context) error { ran.Add(1); return nil })
					ran.Add(1)
					return nil
				})
			}
			if err := drive.Run(t.Context(), newDriver(q, func(error) {})); err != nil {
				t.Fatal(err)
			}
			if got := ran.Load(); got != 40 {
				t.Errorf("ran %d units, want 40", got)
			}
		})
	}
}

func TestAUnitsErrorIsReportedAndStopsNothing(t *testing.T) {
	for name, newDriver := range drivers {
		t.Run(name, func(t *testing.T) {
			q := &queue{}
			var ran atomic.Int64
			q.add(func(context.Context) error { return errors.New("poisoned") })
			q.add(func(context.Context) error { panic("a defect") })
			q.add(func(context.Context) error { ran.Add(1); return nil })
			var reported []string
			if err := drive.Run(t.Context(), newDriver(q, func(err error) { reported = append(reported, err.Error()) })); err != nil {
				t.Fatal(err)
			}
			if len(reported) != 2 || ran.Load() != 1 {
				t.Errorf("reported %v and ran %d, want two and one", reported, ran.Load())
			}
		})
	}
}

func TestATerminalAnswerStaysAndAsksNobody(t *testing.T) {
	for name, newDriver := range drivers {
		t.Run(name, func(t *testing.T) {
			q := &queue{}
			d := newDriver(q, func(error) {})
			if state, err := d.Drive(t.Context()); state != drive.Shutdown || err != nil {
				t.Fatalf("an idle driver answered %s, %v", state, err)
			}
			asked := q.asked
			q.add(func(context.Context) error { return nil })
			if state, _ := d.Drive(t.Context()); state != drive.Shutdown || q.asked != asked {
				t.Errorf("after Shutdown it answered %s and asked %d times more", state, q.asked-asked)
			}
		})
	}
}

func TestWorkThatCannotBeAskedForFailsTheDriver(t *testing.T) {
	for name, newDriver := range drivers {
		t.Run(name, func(t *testing.T) {
			want := errors.New("ledger gone")
			d := newDriver(&queue{err: want}, func(error) {})
			if state, err := d.Drive(t.Context()); state != drive.Failed || !errors.Is(err, want) {
				t.Errorf("answered %s, %v", state, err)
			}
			if state, err := d.Drive(t.Context()); state != drive.Failed || !errors.Is(err, want) {
				t.Errorf("then answered %s, %v", state, err)
			}
		})
	}
}

func TestParallelRunsUpToItsWorkersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{}
		for range 8 {
			q.add(func(context.Context) error { time.Sleep(time.Second); return nil })
		}
		start := time.Now()
		if err := drive.Run(t.Context(), drive.Parallel(q, 4, func(error) {})); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("8 units of 1 s with 4 workers took %s of virtual time, want 2 s", took)
		}
	})
}

func TestACancelledDriverWaitsForWhatRuns(t *testing.T) {
	q := &queue{}
	ctx, cancel := context.WithCancel(t.Context())
	var ended atomic.Bool
	q.add(func(ctx context.Context) error { cancel(); <-ctx.Done(); ended.Store(true); return nil })
	err := drive.Run(ctx, drive.Parallel(q, 2, func(error) {}))
	if !errors.Is(err, context.Canceled) || !ended.Load() {
		t.Errorf("ended with %v, the unit ended: %v", err, ended.Load())
	}
}
