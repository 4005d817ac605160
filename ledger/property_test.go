package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"beampipe/fault"
	"beampipe/provenance"
)

// deed is what one of several workers tries on one of a few executions.
type deed struct {
	Execution int
	Event     Event
	Stale     bool   // with the execution as the worker saw it the last time
	Manner    string // how the write goes wrong after the step was made; "" = it does not
}

// The manners. After each of them nothing of the write may be left, whoever shared its transaction.
const (
	fails       = "its function returns an error"
	panics      = "its function panics"
	spoils      = "a statement ends the transaction"
	spoilsQuiet = "a statement ends the transaction, and the function says that all went well"
	orphans     = "the commit fails"
	gaveUp      = "its context has ended before"
	givesUp     = "its context ends while it waits" // or later: then the write is carried to its end
)

var errOfDeed = errors.New("the deed fails")

var deeds = rapid.Custom(func(t *rapid.T) deed {
	return deed{
		Execution: rapid.IntRange(0, 1).Draw(t, "execution"),
		Event:     rapid.SampledFrom(allEvents).Draw(t, "event"),
		Stale:     rapid.Bool().Draw(t, "stale"),
		Manner:    rapid.SampledFrom([]string{"", "", "", "", "", fails, panics, spoils, spoilsQuiet, orphans, gaveUp, givesUp}).Draw(t, "manner"),
	}
})

// accepted is a step that a worker was told it had made.
type accepted struct {
	id       string
	from, to State
	event    Event
	attempt  int
	version  int
}

const workers = 4

func TestWhateverWorkersTryOnlyListedStepsHappenEachOnceWithItsEvent(t *testing.T) {
	f := newFixture(t)
	f.spoilable()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		var ids []string
		for _, name := range []string{"A", "B"} { // each run has executions of its own in the same ledger
			name = fmt.Sprintf("%s%d", name, runs)
			f.source(name)
			ids = append(ids, f.admit(name).ID)
		}
		before := f.head()
		plans := make([][]deed, workers)
		for w := range plans {
			plans[w] = rapid.SliceOfN(deeds, 1, 8).Draw(rt, fmt.Sprintf("worker %d", w))
		}
		steps := make([][]accepted, workers)
		failures := make([]error, workers)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() { steps[w], failures[w] = work(f.Ledger, ids, plans[w]) })
		}
		wg.Wait()
		if err := errors.Join(failures...); err != nil {
			rt.Fatal(err)
		}
		checkAgainstModel(rt, f.Ledger, before, ids, steps)
	})
	verify(t, f.Ledger)
	var accidents, orphaned int
	err := f.raw().QueryRow("SELECT (SELECT count(*) FROM sources WHERE last_error <> ''), (SELECT count(*) FROM projects WHERE project = 'orphan')").Scan(&accidents, &orphaned)
	if err != nil || accidents != 0 || orphaned != 0 {
		t.Errorf("%d sources were written to outside of a transaction, %d orphans are there, %v", accidents, orphaned, err)
	}
	if stats := f.WriterStats(); stats.Replays == 0 || stats.Groups == stats.Sizes[0] {
		t.Errorf("nothing shared a transaction, or nothing was run again: %+v", stats)
	}
}

// spoilable makes a table whose trigger ends the transaction, as a disk error would.
func (f *fixture) spoilable() {
	f.Helper()
	f.write(func(tx *Tx) error {
		if _, err := tx.exec("table", "CREATE TABLE spoilt (x)"); err != nil {
			return err
		}
		_, err := tx.exec("trigger", "CREATE TRIGGER spoil BEFORE INSERT ON spoilt BEGIN SELECT RAISE(ROLLBACK, 'ends all'); END")
		return err
	})
}

// work tries the deeds and tells which steps were made. A conflict is an answer, all else a failure.
func work(l *Ledger, ids []string, plan []deed) ([]accepted, error) {
	var made []accepted
	seen := map[string]Execution{}
	for _, d := range plan {
		id := ids[d.Execution]
		if _, ok := seen[id]; !ok || !d.Stale {
			e, err := l.View(context.Background()).Execution(id)
			if err != nil {
				return made, err
			}
			seen[id] = e
		}
		from := seen[id]
		to := from
		err := do(l, d.Manner, func(tx *Tx) (err error) {
			to, err = tx.Move(from, d.Event, Step{Actor: person, Why: "property"})
			return err
		})
		switch {
		case err == nil && d.Manner != "" && d.Manner != givesUp:
			return made, fmt.Errorf("it was told that all went well, though %s", d.Manner)
		case err == nil:
			made = append(made, accepted{id, from.State, to.State, d.Event, to.Attempt, to.Version})
			seen[id] = to
		case !errors.Is(err, fault.Conflict) && d.Manner == "":
			return made, err
		}
	}
	return made, nil
}

// do writes in a manner and tells what the caller was told.
func do(l *Ledger, manner string, step func(tx *Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch manner {
	case gaveUp:
		cancel()
	case givesUp:
		go cancel()
	}
	return l.Write(ctx, func(tx *Tx) error {
		if err := step(tx); err != nil {
			return err
		}
		return misbehave(tx, manner)
	})
}

func misbehave(tx *Tx, manner string) (err error) {
	switch manner {
	case fails:
		return errOfDeed
	case panics:
		panic("the deed panics")
	case spoils, spoilsQuiet:
		_, err = tx.exec("spoil", "INSERT INTO spoilt VALUES (1)")
		if err == nil {
			return errors.New("it was not spoilt")
		}
		if manner == spoilsQuiet {
			_, _ = tx.exec("go on", "UPDATE sources SET last_error = 'by accident'")
			return nil
		}
	case orphans:
		if _, err = tx.exec("defer", "PRAGMA defer_foreign_keys = ON"); err == nil {
			_, err = tx.exec("orphan", "INSERT INTO projects (project, revision, created_at) VALUES ('orphan', 7, '2026')")
		}
	}
	return err
}

// checkAgainstModel replays the event log: per execution, each event must be a step of the table from
// where the last one led, and exactly the steps that the workers were told of must be there.
func checkAgainstModel(t *rapid.T, l *Ledger, before int64, ids []string, steps [][]accepted) {
	told := map[string]accepted{}
	for _, list := range steps {
		for _, a := range list {
			key := fmt.Sprintf("%s %d", a.id, a.version)
			if other, twice := told[key]; twice {
				t.Fatalf("two workers made version %d of %s: %v and %v", a.version, a.id, other, a)
			}
			told[key] = a
		}
	}
	model := map[string]accepted{}
	for _, id := range ids {
		model[id] = accepted{id: id, to: Pending, attempt: 1, version: 1}
	}
	events, err := l.View(context.Background()).Events(EventFilter{After: before})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		now, err := replay(model[e.Execution], e)
		if err != nil {
			t.Fatalf("event %d: %v", e.Seq, err)
		}
		key := fmt.Sprintf("%s %d", e.Execution, now.version)
		if told[key] != now {
			t.Fatalf("event %d: the model says %v, a worker was told %v", e.Seq, now, told[key])
		}
		delete(told, key)
		model[e.Execution] = now
	}
	if len(told) > 0 {
		t.Fatalf("steps without an event: %v", told)
	}
	for _, id := range ids {
		e, err := l.View(context.Background()).Execution(id)
		if m := model[id]; err != nil || e.State != m.to || e.Attempt != m.attempt || e.Version != m.version || e.Sources[0].Active == e.State.Terminal() {
			t.Fatalf("%s is %s, attempt %d, version %d, active %v (%v); the model says %v", id, e.State, e.Attempt, e.Version, e.Sources[0].Active, err, m)
		}
	}
}

// replay takes the step that an event tells of, from where the execution was.
func replay(was accepted, e provenance.Event) (accepted, error) {
	step, err := next(was.to, Event(strings.TrimPrefix(e.Type, "execution.")))
	if err != nil {
		return was, err
	}
	now := accepted{e.Execution, step.From, step.To, step.Event, was.attempt, was.version + 1}
	if step.NextAttempt {
		now.attempt++
	}
	var payload struct{ From, To State }
	if err := json.Unmarshal(e.Payload, &payload); err != nil || payload.From != now.from || payload.To != now.to {
		return was, fmt.Errorf("payload %s, %w", e.Payload, err)
	}
	return now, nil
}
