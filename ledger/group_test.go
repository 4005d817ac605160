package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"beampipe/fault"
)

// together makes one group of the functions, in their order, and gives what each caller was told.
func (f *fixture) together(fns ...func(tx *Tx) error) []error {
	f.Helper()
	told := make([]error, len(fns))
	for i := range told {
		told[i] = errNotTold
	}
	var wg sync.WaitGroup
	err := f.between(context.Background(), func() error {
		f.groupTime = time.Hour
		for i, fn := range fns {
			wg.Go(func() {
				defer func() {
					if p := recover(); p != nil {
						told[i] = fmt.Errorf("panic: %v", p)
					}
				}()
				told[i] = f.try(fn)
			})
			f.waiting(i + 1)
		}
		return nil
	})
	if err != nil {
		f.Error(err)
	}
	wg.Wait()
	return told
}

var errNotTold = errors.New("its goroutine ended before it was told anything")

// waiting waits until n calls wait for their turn.
func (f *fixture) waiting(n int) {
	for {
		f.queue.mu.Lock()
		now := len(f.queue.waiting)
		f.queue.mu.Unlock()
		if now >= n {
			return
		}
		runtime.Gosched()
	}
}

func appends(name string) func(tx *Tx) error {
	return func(tx *Tx) error { return tx.Append(testEvent(name), nil) }
}

func TestCallsThatWaitTogetherShareOneTransaction(t *testing.T) {
	f := newFixture(t)
	before, groups := f.head(), f.WriterStats().Groups
	var fns []func(tx *Tx) error
	for i := range 20 {
		fns = append(fns, appends(fmt.Sprint(i)))
	}
	for i, err := range f.together(fns...) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if got := f.head() - before; got != 20 {
		t.Errorf("%d events", got)
	}
	if got := f.WriterStats(); got.Groups-groups != 1 || got.Sizes[5] != 1 {
		t.Errorf("%+v", got)
	}
	verify(t, f.Ledger)
}

func TestACallThatFailsHarmsItselfAlone(t *testing.T) {
	wrong := errors.New("wrong")
	undone := func(end func() error) func(tx *Tx) error {
		return func(tx *Tx) error {
			if err := tx.Append(testEvent("undone"), nil); err != nil {
				return err
			}
			return end()
		}
	}
	for _, tt := range []struct {
		name    string
		bad     func(tx *Tx) error
		told    string
		replays int64
	}{
		{"its own error", undone(func() error { return wrong }), "wrong", 0},
		{"a panic", undone(func() error { panic("a defect") }), "panic: a defect", 0},
		{"a goroutine that ends", undone(func() error { runtime.Goexit(); return nil }), errNotTold.Error(), 0},
		{"a constraint", func(tx *Tx) error {
			_, err := tx.exec("insert", "INSERT INTO provenance_events (seq, occurred_at, event_type, actor, prev_hash, hash) VALUES (1, '', '', '', '', '')")
			return err
		}, "an event continues the chain", 0},
		{"a constraint that is seen at the end only", func(tx *Tx) error {
			if _, err := tx.exec("defer", "PRAGMA defer_foreign_keys = ON"); err != nil {
				return err
			}
			_, err := tx.exec("orphan", "INSERT INTO projects (project, revision, created_at) VALUES ('orphan', 7, '2026')")
			return err
		}, "FOREIGN KEY constraint failed", 4},
		{"an error that ends the transaction", undoneThen("INSERT INTO spoilt VALUES (1)"), "ends all", 2},
		{"an error that ends the transaction, kept to itself", func(tx *Tx) error {
			_ = undoneThen("INSERT INTO spoilt VALUES (1)")(tx)
			_ = tx.Append(testEvent("by accident"), nil)
			return nil
		}, "ends all", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.spoilable()
			before := f.head()
			told := f.together(appends("one"), appends("two"), tt.bad, appends("three"))
			for _, i := range []int{0, 1, 3} {
				if told[i] != nil {
					t.Errorf("call %d: %v", i, told[i])
				}
			}
			if told[2] == nil || !strings.Contains(told[2].Error(), tt.told) {
				t.Errorf("the one at fault was told %v, want %q", told[2], tt.told)
			}
			if got := f.WriterStats().Replays; got != tt.replays {
				t.Errorf("%d replays, want %d", got, tt.replays)
			}
			f.write(appends("after"))
			want := "test.one test.two test.three test.after"
			if got := f.eventTypes(before); got != want {
				t.Errorf("events %q, want %q", got, want)
			}
			verify(t, f.Ledger)
		})
	}
}

func undoneThen(statement string) func(tx *Tx) error {
	return func(tx *Tx) error {
		if err := tx.Append(testEvent("undone"), nil); err != nil {
			return err
		}
		_, err := tx.exec("spoil", statement)
		return err
	}
}

func TestWhoWaitsForAnotherProcessCanLeaveAndIsRefusedAfterAWhile(t *testing.T) {
	f := newFixture(t)
	f.patience = 50 * time.Millisecond
	held := f.raw()
	if _, err := held.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error)
	go func() { left <- f.Write(ctx, appends("left")) }()
	f.waiting(1)
	cancel()
	wantKind(t, <-left, fault.Unavailable, "waiting for a turn")
	err := f.try(appends("refused"))
	wantKind(t, err, fault.Unavailable, "another process holds it locked", f.Path())
	if TroubleOf(err) != TroubleLocked {
		t.Errorf("trouble %q", TroubleOf(err))
	}
	f.patience = time.Hour
	go func() { left <- f.try(appends("waited")) }()
	f.waiting(1)
	before := f.head()
	if _, err := held.Exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-left; err != nil {
		t.Error(err)
	}
	if got := f.eventTypes(before); got != "test.waited" {
		t.Errorf("events %q", got)
	}
}

func TestCloseRefusesThoseWhoWait(t *testing.T) {
	f := newFixture(t)
	var wg sync.WaitGroup
	told := make([]error, 3)
	err := f.between(context.Background(), func() error {
		for i := range told {
			wg.Go(func() { told[i] = f.try(appends("late")) })
		}
		f.waiting(len(told))
		wg.Go(func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
		<-f.closing
		return nil
	})
	wg.Wait()
	for _, err := range append(told, f.try(appends("later"))) {
		wantKind(t, err, fault.Unavailable, "it is closed")
	}
	if err := errors.Join(err, f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
}

func TestALedgerWorksInABubbleOfVirtualTime(t *testing.T) {
	path := newFixture(t).Path()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(context.Background(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := l.Write(context.Background(), appends("bubble")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begun); took != 0 {
			t.Errorf("writing let %s go by", took)
		}
		time.Sleep(time.Hour)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestATxThatIsUsedAfterItsFunctionChangesNothing(t *testing.T) {
	f := newFixture(t)
	var kept *Tx
	f.write(func(tx *Tx) error { kept = tx; return nil })
	before := f.head()
	if err := kept.Append(testEvent("late"), nil); !errors.Is(err, errTurnOver) {
		t.Errorf("%v", err)
	}
	if f.head() != before {
		t.Error("it was written")
	}
}

func TestAWriteFromWithinAWriteIsToldSoInsteadOfWaitingForItself(t *testing.T) {
	path := newFixture(t).Path()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(context.Background(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		err = l.Write(context.Background(), func(tx *Tx) error {
			return l.Write(context.Background(), appends("inner"))
		})
		wantKind(t, err, fault.Invalid, "from within another write")
		if err := l.Write(context.Background(), appends("after")); err != nil {
			t.Error(err)
		}
	})
}

func TestOneThatWritesWithoutAPauseLeavesAnotherProcessItsTurn(t *testing.T) {
	f := newFixture(t)
	second := f.create(f.Path())
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := f.try(appends("busy")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		if err := second.Write(context.Background(), appends("turn")); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	verify(t, second)
}
