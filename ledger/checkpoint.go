package ledger

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"beampipe/fault"
)

// When the write-ahead log goes into the file. Its size is bounded by checkpointPages and by what is
// written while the oldest read lasts. Measured with 1,000, 4,000 and 10,000 pages: to sync a log whose
// space is used again takes half the time of one that grows, so that a short log is the faster one too,
// and what it has been given is left to it up to maxIdleWAL.
const (
	checkpointPages = 1000            // written since the last checkpoint: 4 MB
	idlePages       = 100             // that are brought into the file when nobody writes
	maxIdleWAL      = 8 << 20         // bytes that are left to it when nobody writes
	idleAfter       = time.Second     // without a write
	checkpointWait  = 5 * time.Second // for reads to end, of a checkpoint that was asked for
	checkpointPause = 20 * time.Millisecond
)

// GroupSizes are the upper bounds by which WriterStats counts groups.
var GroupSizes = [...]int{1, 2, 4, 8, 16, 32, 64, 128, 256, maxGroup}

// WriterStats counts what the writer did since the ledger was opened.
type WriterStats struct {
	Groups      int64                  `json:"groups"`      // durable transactions
	Writes      int64                  `json:"writes"`      // calls of Write that were in them
	Replays     int64                  `json:"replays"`     // calls that were run again because of another one
	Checkpoints int64                  `json:"checkpoints"` // of the write-ahead log
	ReadersCut  int64                  `json:"readers_cut"` // reads that were ended because they took too long
	Sizes       [len(GroupSizes)]int64 `json:"sizes"`       // groups by size, see GroupSizes
}

type writerStats struct {
	groups, writes, replays, checkpoints atomic.Int64
	sizes                                [len(GroupSizes)]atomic.Int64
}

func (s *writerStats) group(n int) {
	if n == 0 {
		return
	}
	s.groups.Add(1)
	s.writes.Add(int64(n))
	for i, bound := range GroupSizes {
		if n <= bound {
			s.sizes[i].Add(1)
			return
		}
	}
}

// WriterStats gives the counters.
func (l *Ledger) WriterStats() WriterStats {
	s := WriterStats{
		Groups: l.stats.groups.Load(), Writes: l.stats.writes.Load(), Replays: l.stats.replays.Load(),
		Checkpoints: l.stats.checkpoints.Load(), ReadersCut: l.reads.cuts.Load(),
	}
	for i := range s.Sizes {
		s.Sizes[i] = l.stats.sizes[i].Load()
	}
	return s
}

// Checkpoint brings the write-ahead log into the file and cuts it to nothing. It is Unavailable when a read
// that does not end keeps some of it.
func (l *Ledger) Checkpoint(ctx context.Context) error {
	giveUp := time.Now().Add(checkpointWait)
	for {
		var left int
		err := l.between(ctx, func() (err error) {
			left, err = l.checkpoint("TRUNCATE")
			return err
		})
		switch {
		case err != nil || left == 0:
			return err
		case time.Now().After(giveUp):
			return fault.New(fault.Unavailable, fmt.Sprintf("checkpoint ledger %s: a read keeps %d pages of its log", l.path, left), "try again when long reads and other processes are done")
		}
		select {
		case <-time.After(checkpointPause):
		case <-ctx.Done():
			return fault.Wrap(fault.Unavailable, context.Cause(ctx), "checkpoint ledger "+l.path, "")
		}
	}
}

// checkpoint runs while no transaction is open. left is the number of pages that stay in the log: those
// that a read still needs, or all when another process is at it.
func (l *Ledger) checkpoint(mode string) (left int, err error) {
	l.pass("checkpoint.before")
	var busy, pages, done int
	err = l.writer.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &pages, &done)
	if err != nil {
		return 0, writeError(l.path, err)
	}
	l.stats.checkpoints.Add(1)
	l.pass("checkpoint.after")
	if left = max(pages-done, 0); left == 0 && busy != 0 {
		left = max(pages, 1)
	}
	return left, nil
}

// checkpointIfDue keeps the log short under load. It comes after the answer, so that no caller waits for
// it.
func (l *Ledger) checkpointIfDue() { l.checkpointAfter(checkpointPages) }

// checkpointAfter makes a checkpoint when that many pages were written since the last one. An error is left
// to the write that meets it: a checkpoint changes nothing of what is stored.
func (l *Ledger) checkpointAfter(pages int) {
	written, err := l.writer.pagesWritten()
	if err != nil {
		return
	}
	if l.pagesPending += written; l.pagesPending < pages {
		return
	}
	left, err := l.checkpoint("PASSIVE")
	if err != nil {
		return
	}
	l.pagesPending = 0
	if left > 0 {
		l.reads.cutOld(l.files.walSize)
	}
}

// tidy brings the log into the file when nobody has written for a while, and cuts one short that a long
// read has made long.
func (l *Ledger) tidy() {
	l.checkpointAfter(idlePages)
	if _, wal := l.Size(); wal <= maxIdleWAL {
		return
	}
	if left, err := l.checkpoint("TRUNCATE"); err == nil && left > 0 {
		l.idle.Reset(idleAfter) // a read keeps it
	}
}
