package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"beampipe/ledger"
	"beampipe/provenance"
)

// backups are kept beside the ledger, each under a name that counts up.
func backupName(path string, number int) string { return fmt.Sprintf("%s.copy-%d", path, number) }

// backUp makes one backup after the other while the load goes on. It begins again over what an earlier
// child has left.
func backUp(ctx context.Context, c *child) error {
	for number := 0; ctx.Err() == nil; number++ {
		if _, err := c.BackupOver(ctx, backupName(c.Ledger.Path(), number), nil); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// dieInBackup kills a child that makes backups. What has the name of a backup then is a whole one.
func (b *book) dieInBackup(o order) {
	b.Helper()
	o.Task = taskBackup
	b.dieUnderLoad(o)
	copies, err := filepath.Glob(b.path + ".copy-*")
	must(b.T, err)
	whole := 0
	for _, path := range copies {
		if strings.Contains(path, ".part-") {
			continue // the next backup of that name takes it away
		}
		whole++
		b.check("backup "+filepath.Base(path), b.isPartOf(path))
		must(b.T, os.Remove(path))
	}
	if strings.HasSuffix(o.DieAt, ".renamed") && whole == 0 {
		b.found("a backup was made and there is none")
	}
	b.report()
	b.open(func(l *ledger.Ledger) {
		_, err := l.Backup(b.Context(), backupName(b.path, 0), nil)
		must(b.T, err)
	})
	must(b.T, os.Remove(backupName(b.path, 0)))
	left, err := filepath.Glob(backupName(b.path, 0) + "*")
	must(b.T, err)
	if len(left) > 0 {
		b.Errorf("after the next backup there is still %v", left)
	}
}

// isPartOf is an error unless the file is a whole ledger whose log is the beginning of the book's.
func (b *book) isPartOf(path string) error {
	if err := b.structureOf(path); err != nil {
		return err
	}
	r, err := ledger.Open(b.Context(), path, ledger.Options{HostID: host})
	if err != nil {
		return err
	}
	var chain provenance.Verifier
	err = r.View(b.Context()).EachEvent(chain.Next)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	b.open(func(l *ledger.Ledger) {
		seq, hash := chain.Head()
		events, lerr := l.View(b.Context()).Events(ledger.EventFilter{After: seq - 1, Limit: 1})
		if err = lerr; err == nil && (len(events) == 0 || events[0].Hash != hash) {
			err = fmt.Errorf("its last event %d is not in the ledger", seq)
		}
	})
	return err
}
