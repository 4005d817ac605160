package ledger

import (
	"fmt"
	"sync"
	"testing"
)

// BenchmarkMove is one transition with its event per durable transaction.
func BenchmarkMove(b *testing.B) {
	f := newFixture(b)
	f.discover("A", OutcomeChanged, "s1")
	e := f.walk(f.admit("A"), EventPrepare, EventPrepared, EventSubmit, EventAccepted)
	next := map[State]Event{Queued: EventStarted, Running: EventRequeued}
	for b.Loop() {
		e = f.step(e, next[e.State], Step{})
	}
}

// BenchmarkLife is one execution from its creation to its end, seven durable transactions.
func BenchmarkLife(b *testing.B) {
	f := newFixture(b)
	n := 0
	for b.Loop() {
		b.StopTimer()
		n++
		name := fmt.Sprintf("S%06d", n)
		f.discover(name, OutcomeChanged, "s1")
		b.StartTimer()
		f.walk(f.admit(name), EventPrepare, EventPrepared, EventSubmit, EventAccepted, EventFinished, EventVerified)
	}
}

// BenchmarkMovesInOneTransaction shows what a transition costs besides the wait for the disk.
func BenchmarkMovesInOneTransaction(b *testing.B) {
	f := newFixture(b)
	f.discover("A", OutcomeChanged, "s1")
	e := f.walk(f.admit("A"), EventPrepare, EventPrepared, EventSubmit, EventAccepted)
	next := map[State]Event{Queued: EventStarted, Running: EventRequeued}
	f.write(func(tx *Tx) (err error) {
		for b.Loop() && err == nil {
			e, err = tx.Move(e, next[e.State], Step{Actor: person, Why: "bench"})
		}
		return err
	})
}

// BenchmarkRegister is one source of an import, ten thousand to a transaction.
func BenchmarkRegister(b *testing.B) {
	f := newFixture(b)
	n := 0
	for b.Loop() {
		n++
		if n%10_000 != 0 {
			continue
		}
		f.write(func(tx *Tx) (err error) {
			for i := n - 10_000; i < n && err == nil; i++ {
				_, err = tx.RegisterSource(project, fmt.Sprintf("S%09d", i), person)
			}
			return err
		})
	}
}

// BenchmarkMoveTogether is transitions of several callers at once, each on an execution of its own.
func BenchmarkMoveTogether(b *testing.B) {
	for _, n := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newFixture(b)
			next := map[State]Event{Queued: EventStarted, Running: EventRequeued}
			left := make(chan struct{}, b.N)
			for range b.N {
				left <- struct{}{}
			}
			close(left)
			executions := make([]Execution, n)
			f.write(func(tx *Tx) error {
				for i := range executions {
					name := fmt.Sprintf("S%06d", i)
					_, err := tx.RegisterSource(project, name, person)
					if err != nil {
						return err
					}
				}
				return nil
			})
			for i := range executions {
				order := f.order(fmt.Sprintf("S%06d", i))
				f.write(func(tx *Tx) (err error) {
					executions[i], err = tx.CreateExecution(order)
					for _, event := range pathTo(Queued) {
						if err == nil {
							executions[i], err = tx.Move(executions[i], event, Step{Actor: person, Why: "bench"})
						}
					}
					return err
				})
			}
			before := f.WriterStats()
			b.ResetTimer()
			var wg sync.WaitGroup
			for i := range executions {
				wg.Go(func() {
					for range left {
						executions[i] = f.step(executions[i], next[executions[i].State], Step{})
					}
				})
			}
			wg.Wait()
			after := f.WriterStats()
			b.ReportMetric(float64(after.Writes-before.Writes)/float64(after.Groups-before.Groups), "writes/group")
		})
	}
}
