package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"beampipe/ledger"
	"beampipe/provenance"
)

const taskPrune = "prune"

func init() { tasks[taskPrune] = prune }

// oldEvents is more than one write of a pruning takes.
const oldEvents = 5_000

func archiveFolder(path string) string { return path + ".archive" }

// prune takes the old events out of the log, into an archive.
func prune(ctx context.Context, c *child) error {
	_, err := c.Prune(ctx, ledger.PruneOptions{
		Policies: []ledger.Policy{{Kind: ledger.KeepEvents, MaxAge: 90 * 24 * time.Hour, Archive: archiveFolder(c.Ledger.Path())}},
		Actor:    "user:ada", Reason: "crash",
	})
	return err
}

// dieInPrune kills a child that prunes a log. What is left of it joins what is gone, and all that is gone is
// in an archive.
func (b *book) dieInPrune(o order) {
	b.Helper()
	before := b.layOldEvents()
	o.Task, o.Callers, o.Readers = taskPrune, 0, 0
	b.start(o).dies()
	b.check("structure", b.structureOf(b.path))
	b.check("pruned log", b.prunedLog(before))
	b.report()
	b.open(func(l *ledger.Ledger) { // the next one finishes it
		b.check("next pruning", prune(b.Context(), &child{Ledger: l}))
	})
	b.check("pruned log", b.prunedLog(before))
	b.report()
}

// layOldEvents adds events of long ago and gives the last one.
func (b *book) layOldEvents() ledger.Head {
	b.Helper()
	left, err := filepath.Glob(b.path + "*")
	must(b.T, err)
	for _, name := range left {
		must(b.T, os.RemoveAll(name))
	}
	ago := func() time.Time { return time.Now().Add(-100 * 24 * time.Hour) }
	l, err := ledger.Create(b.Context(), b.path, ledger.Options{HostID: host, Now: ago})
	must(b.T, err)
	must(b.T, l.Write(b.Context(), func(tx *ledger.Tx) error {
		for range oldEvents {
			if err := tx.Append(provenance.Event{Type: "x.old", Actor: "user:ada"}, map[string]any{"why": "crash"}); err != nil {
				return err
			}
		}
		return nil
	}))
	seq, hash, err := l.View(b.Context()).Head()
	must(b.T, err)
	must(b.T, l.Close())
	return ledger.Head{Seq: seq, Hash: hash}
}

// prunedLog checks that what is left of the log is unbroken and contains an event of before, or begins behind
// it, and that an archive holds the event behind which it begins.
func (b *book) prunedLog(contains ledger.Head) (err error) {
	b.Helper()
	var begin, last ledger.Head
	found := false
	b.open(func(l *ledger.Ledger) {
		err = l.View(b.Context()).EachEvent(func(e provenance.Event) error {
			if last.Seq == 0 {
				begin = ledger.Head{Seq: e.Seq - 1, Hash: e.PrevHash}
				last = begin
			}
			if e.Seq != last.Seq+1 || e.PrevHash != last.Hash || e.ChainHash() != e.Hash {
				return fmt.Errorf("broken at event %d", e.Seq)
			}
			last = ledger.Head{Seq: e.Seq, Hash: e.Hash}
			found = found || last == contains
			return nil
		})
	})
	files, globErr := filepath.Glob(archiveFolder(b.path) + "/*.jsonl.zst")
	archived := begin.Seq == 0
	for _, path := range files {
		a, _, err := ledger.VerifyArchive(path)
		if err != nil {
			return err
		}
		archived = archived || a.First <= begin.Seq && begin.Seq <= a.Last
	}
	switch {
	case err != nil || globErr != nil:
		return errors.Join(err, globErr)
	case !found && begin.Seq < contains.Seq:
		return fmt.Errorf("event %d is lost", contains.Seq)
	case !archived:
		return fmt.Errorf("the log begins behind event %d, which no archive holds", begin.Seq)
	}
	return nil
}
