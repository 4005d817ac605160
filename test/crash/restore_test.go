package crash

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"beampipe/ledger"
	"beampipe/provenance"
)

const taskRestore = "restore"

// restoreBackup puts the book's backup in the place of its ledger.
func restoreBackup(ctx context.Context, path string, pass func(string)) error {
	_, err := ledger.Restore(ctx, backupName(path, 0), path, ledger.RestoreOptions{Actor: "user:ada", Reason: "crash", HostID: host, Pass: pass})
	return err
}

// layBackup makes a ledger, a backup of it, and more in the ledger since then. It gives the ends of both.
func (b *book) layBackup() (backup, now ledger.Head) {
	b.Helper()
	b.layOldEvents()
	b.open(func(l *ledger.Ledger) {
		report, err := l.Backup(b.Context(), backupName(b.path, 0), nil)
		must(b.T, err)
		must(b.T, l.Write(b.Context(), func(tx *ledger.Tx) error {
			return tx.Append(provenance.Event{Type: "x.new", Actor: "user:ada"}, nil)
		}))
		backup = report.Head
		now.Seq, now.Hash, err = l.View(b.Context()).Head()
		must(b.T, err)
	})
	return backup, now
}

// dieInRestore kills a child that restores. The ledger is the one of before or the one of the backup.
func (b *book) dieInRestore(o order) {
	b.Helper()
	backup, now := b.layBackup()
	o.Task, o.Callers, o.Readers = taskRestore, 0, 0
	b.start(o).dies()
	restored := b.eitherOf(backup, now)
	if want := o.DieAt == "restore.replaced"; restored != want {
		b.found("killed at %s it was restored: %v", o.DieAt, restored)
	}
	b.report()
	b.restoreAgain(backup, now)
}

// eitherOf checks that the ledger is whole, and is the one of before or that of the backup with the event of
// its restoring; which it is.
func (b *book) eitherOf(backup, now ledger.Head) (restored bool) {
	b.Helper()
	b.check("structure", b.structureOf(b.path))
	b.open(func(l *ledger.Ledger) {
		var chain provenance.Verifier
		b.check("chain", l.View(b.Context()).EachEvent(chain.Next))
		seq, hash := chain.Head()
		last, err := l.View(b.Context()).Events(ledger.EventFilter{After: seq - 1})
		must(b.T, err)
		switch {
		case (ledger.Head{Seq: seq, Hash: hash}) == now:
		case len(last) == 1 && last[0].PrevHash == backup.Hash && last[0].Type == provenance.LedgerRestored:
			restored = true
		default:
			b.found("it ends with event %d, it did with %d, the backup with %d", seq, now.Seq, backup.Seq)
		}
	})
	return restored
}

// restoreAgain restores without being killed, and looks that nothing of the one before is left in the way.
func (b *book) restoreAgain(backup, now ledger.Head) {
	b.Helper()
	b.check("next restore", restoreBackup(b.Context(), b.path, nil))
	if !b.eitherOf(backup, now) {
		b.found("the next restore did not restore it")
	}
	left, err := filepath.Glob(b.path + ".restoring*")
	must(b.T, err)
	if len(left) > 0 {
		b.found("it left %v", left)
	}
	b.report()
}

func TestARestoreThatIsKilledAtAnyInstantLeavesTheOneLedgerOrTheOther(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	b := oldBook(t)
	for i := range kills(3, 60) {
		backup, now := b.layBackup()
		began := time.Now()
		if i == 0 { // how long one takes here, so that kills are spread over all of it
			must(t, restoreBackup(t.Context(), b.path, nil))
			backup, now = b.layBackup()
		}
		span := max(time.Since(began), 50*time.Millisecond)
		p := b.start(order{Name: fmt.Sprintf("r%d", i), Task: taskRestore})
		p.killAfter(time.Duration(rng.Int64N(int64(span))))
		b.eitherOf(backup, now)
		b.report()
		b.restoreAgain(backup, now)
		if t.Failed() {
			t.Fatalf("after kill %d", i+1)
		}
	}
}
