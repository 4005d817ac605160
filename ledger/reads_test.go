package ledger

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"beampipe/fault"
)

func TestAReadThatTakesTooLongIsEndedAndSaysSo(t *testing.T) {
	f := newFixture(t)
	f.reads.age = time.Millisecond
	const endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
	for name, read := range map[string]func() error{
		"a query": func() error {
			var n int
			return f.view().get("count", endless, nil, &n)
		},
		"a snapshot in a query": func() error {
			return f.Snapshot(context.Background(), func(v View) error {
				var n int
				return v.get("count", endless, nil, &n)
			})
		},
		"a snapshot between queries": func() error {
			return f.Snapshot(context.Background(), func(v View) error {
				<-v.ctx.Done()
				_, err := v.CountEvents()
				return err
			})
		},
	} {
		cuts := f.WriterStats().ReadersCut
		wantKind(t, read(), fault.Unavailable, "a read ends after 1ms", f.Path())
		if got := f.WriterStats().ReadersCut - cuts; got != 1 {
			t.Errorf("%s: %d reads were cut", name, got)
		}
	}
	f.reads.age = maxReadAge
	if _, err := f.view().CountEvents(); err != nil {
		t.Errorf("the next read: %v", err)
	}
}

func TestAReadThatItsCallerEndsIsNotSaidToBeTooLong(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.View(ctx).CountEvents(); !errors.Is(err, context.Canceled) || errors.Is(err, errReadAge) {
		t.Errorf("%v", err)
	}
}

// wide writes an event that fills a dozen pages.
func wide(tx *Tx) error {
	return tx.Append(testEvent("wide"), map[string]string{"x": fmt.Sprintf("%050000d", 1)})
}

func TestAReadThatKeepsALongLogIsEndedSoThatTheLogIsUsedAgain(t *testing.T) {
	f := newFixture(t)
	f.reads.least, f.reads.maxLog = 0, 3<<20
	inside, ended := make(chan struct{}), make(chan error)
	go func() {
		ended <- f.Snapshot(context.Background(), func(v View) error {
			if _, err := v.CountEvents(); err != nil {
				return err
			}
			close(inside)
			<-v.ctx.Done()
			_, err := v.CountEvents()
			return err
		})
	}()
	<-inside
	var told error
	for n := 0; told == nil; n++ {
		f.write(wide) // it never waits for the reader
		select {
		case told = <-ended:
		default:
		}
		if n > 5000 {
			t.Fatal("the reader is never ended")
		}
	}
	wantKind(t, told, fault.Unavailable, "a read ends after")
	if err := f.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, wal := f.Size(); wal != 0 {
		t.Errorf("the log still has %d bytes", wal)
	}
	for range 250 { // 13 MB
		f.write(wide)
	}
	if _, wal := f.Size(); wal > 2*checkpointPages*4200 {
		t.Errorf("without a reader the log grew to %d bytes", wal)
	}
}

func TestACheckpointSaysWhichReadKeepsItFromItsEnd(t *testing.T) {
	path := newFixture(t).Path()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(context.Background(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		err = l.Snapshot(context.Background(), func(v View) error {
			if _, err := v.CountEvents(); err != nil {
				return err
			}
			if err := l.Write(context.Background(), wide); err != nil {
				return err
			}
			err := l.Checkpoint(context.Background())
			wantKind(t, err, fault.Unavailable, "a read keeps")
			return nil
		})
		if err := errors.Join(err, l.Checkpoint(context.Background())); err != nil {
			t.Error(err)
		}
	})
}

func TestTheLogIsCutShortWhenNobodyWrites(t *testing.T) {
	path := newFixture(t).Path()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(context.Background(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		long := func(tx *Tx) (err error) {
			for i := 0; i < 200 && err == nil; i++ {
				err = wide(tx)
			}
			return err
		}
		if err := l.Write(context.Background(), long); err != nil {
			t.Fatal(err)
		}
		if _, wal := l.Size(); wal <= maxIdleWAL {
			t.Fatalf("a log of %d bytes shows nothing", wal)
		}
		time.Sleep(2 * idleAfter)
		if _, wal := l.Size(); wal != 0 {
			t.Errorf("after %s the log has %d bytes", 2*idleAfter, wal)
		}
	})
}

func TestWhatWasWrittenIsInTheFileWhenNobodyWrites(t *testing.T) {
	path := newFixture(t).Path()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(context.Background(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		before, _ := l.Size()
		for range 40 {
			if err := l.Write(context.Background(), wide); err != nil {
				t.Fatal(err)
			}
		}
		if now, _ := l.Size(); now != before {
			t.Fatalf("the file grew to %d bytes already", now)
		}
		time.Sleep(2 * idleAfter)
		if now, _ := l.Size(); now < before+40*50_000 {
			t.Errorf("after %s the file has %d bytes and had %d", 2*idleAfter, now, before)
		}
	})
}
