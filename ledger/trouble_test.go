package ledger

import (
	"context"
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
	if err := f.Probe(context.Background()); err != nil {
		t.Fatal(err)
	}
	written, err := f.writer.pagesWritten()
	if err != nil || written == 0 || f.WriterStats().Groups != groups+1 || f.head() != before {
		t.Errorf("%d pages, %v", written, err)
	}
}
