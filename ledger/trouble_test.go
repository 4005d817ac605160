package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"beampipe/fault"
)

func TestAFileThatWasRemovedOrReplacedIsNotWrittenToAnyMore(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"removed": os.Remove,
		"moved":   func(path string) error { return os.Rename(path, path+".moved") },
		"replaced": func(path string) error {
			if err := os.Rename(path, path+".moved"); err != nil {
				return err
			}
			return os.WriteFile(path, templateBytes, 0o644)
		},
		"its log removed": func(path string) error { return os.Remove(path + "-wal") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.write(appends("before"))
			if err := f.Probe(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := spoil(f.Path()); err != nil {
				t.Fatal(err)
			}
			for _, err := range []error{f.try(appends("lost")), f.Probe(context.Background())} {
				wantKind(t, err, fault.Unavailable, f.Path())
				if TroubleOf(err) != TroubleGone {
					t.Errorf("trouble %q of %v", TroubleOf(err), err)
				}
			}
		})
	}
}

func TestAFileThatGoesWhileItIsWrittenToLeavesTheWriteUncertain(t *testing.T) {
	f := newFixture(t)
	err := f.try(func(tx *Tx) error {
		if err := os.Remove(f.Path()); err != nil {
			return err
		}
		return tx.Append(testEvent("lost"), nil)
	})
	wantKind(t, err, fault.Uncertain, f.Path())
	if TroubleOf(err) != TroubleGone {
		t.Errorf("trouble %q", TroubleOf(err))
	}
}

func TestAProbeWritesAndAddsNothing(t *testing.T) {
	f := newFixture(t)
	before := f.head()
	groups := f.WriterStats().Groups
	_, wal := f.Size()
	if err := f.Probe(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, now := f.Size(); now <= wal || f.WriterStats().Groups != groups+1 || f.head() != before {
		t.Errorf("a log of %d bytes and then of %d, %d groups more, head %d and then %d", wal, now, f.WriterStats().Groups-groups, before, f.head())
	}
}

func TestAFileThatMayNotGrowIsAFullDisk(t *testing.T) {
	f := newFixture(t)
	f.maxPages(t, 1) // as many as there are
	before := f.head()
	wide := func(tx *Tx) error {
		return tx.Append(testEvent("wide"), map[string]string{"x": string(make([]byte, 1_000_000))})
	}
	told := f.together(appends("one"), wide, appends("two"))
	if told[0] != nil || told[2] != nil {
		t.Errorf("those who need no room were told %v and %v", told[0], told[2])
	}
	wantKind(t, told[1], fault.Unavailable, "the disk is full", f.Path())
	if TroubleOf(told[1]) != TroubleFull {
		t.Errorf("trouble %q", TroubleOf(told[1]))
	}
	if err := f.Probe(context.Background()); err != nil {
		t.Error(err)
	}
	f.maxPages(t, 1<<30)
	f.write(wide)
	if got := f.eventTypes(before); got != "test.one test.two test.wide" {
		t.Errorf("events %q", got)
	}
}

// maxPages bounds the pages of the file for the connection that writes.
func (f *fixture) maxPages(t *testing.T, n int) {
	t.Helper()
	err := f.between(context.Background(), func() error {
		_, err := f.writer.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", n))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestADamagedPageHarmsThoseWhoTouchIt(t *testing.T) {
	first := newFixture(t)
	path := first.Path()
	var page int64
	if err := first.raw().QueryRow("SELECT rootpage FROM sqlite_master WHERE name = 'health_problems'").Scan(&page); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil { // which brings the log into the file
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt(bytes.Repeat([]byte{0xA5}, 100), (page-1)*4096)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	f := &fixture{TB: t, clock: first.clock, ids: first.ids}
	f.Ledger = f.create(path)
	before := f.head()
	told := f.together(appends("one"), func(tx *Tx) error { return tx.SetProblems([]Problem{{Code: "x"}}) }, appends("two"))
	if told[0] != nil || told[2] != nil {
		t.Errorf("the others were told %v and %v", told[0], told[2])
	}
	wantKind(t, told[1], fault.Invalid, "the file is damaged", path)
	_, err = f.view().Problems()
	wantKind(t, err, fault.Invalid, "the file is damaged", path)
	for _, err := range []error{told[1], err} {
		if TroubleOf(err) != TroubleDamaged || len(fault.Hints(err)) == 0 {
			t.Errorf("trouble %q of %v", TroubleOf(err), err)
		}
	}
	if got := f.eventTypes(before); got != "test.one test.two" {
		t.Errorf("events %q", got)
	}
}

func TestAnErrorThatIsNotTheFilesFaultIsNoTrouble(t *testing.T) {
	f := newFixture(t)
	_, err := f.view().Project("none")
	for _, err := range []error{nil, err, errors.New("plain"), f.try(func(*Tx) error { return fault.New(fault.Conflict, "moved", "") })} {
		if got := TroubleOf(err); got != "" {
			t.Errorf("%v: trouble %q", err, got)
		}
	}
}
