package ledger

import (
	"context"
	"errors"
	"runtime"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"beampipe/fault"
)

// Bounds of a group: the calls of Write that share one durable transaction.
const (
	maxGroup     = 512
	maxGroupTime = 15 * time.Millisecond // then nobody else is let in: a long call closes its group
)

// A group that is smaller than the one before it lets the goroutines that were just answered come back
// first, this often. It is no wait: without others that can run it takes less than a microsecond.
const groupYields = 4

// Another process that wants to write looks every few milliseconds whether it can. One that writes without
// a pause leaves it a gap that is longer than that.
const (
	maxUnbroken  = 200 * time.Millisecond
	gap          = 3 * time.Millisecond
	lockPause    = time.Millisecond
	maxLockPause = 10 * time.Millisecond
	patientLook  = time.Second // after that the pause is the longer one
)

// group is one transaction and the calls that are in it.
type group struct {
	l      *Ledger
	calls  []*call
	opened time.Time
	added  bool // events

	headKnown bool
	headSeq   int64
	headHash  string
}

// serve is the goroutine that owns the connection that writes. It ends with Close.
func (l *Ledger) serve() {
	defer close(l.served)
	for {
		select {
		case <-l.closing:
			l.queue.close(fault.New(fault.Unavailable, "write to ledger "+l.path+": it is closed", ""))
			return
		case <-l.queue.wake:
			l.writeWaiting()
		case <-l.idle.C:
			l.tidy()
		}
	}
}

// writeWaiting writes until nobody waits.
func (l *Ledger) writeWaiting() {
	begun := time.Now()
	for l.queue.waits() {
		select {
		case <-l.closing:
			return
		default:
		}
		if c := l.queue.take(true); c != nil {
			if l.lend(c, nil); !c.left {
				c.told <- order{err: c.err}
			}
			continue
		}
		l.writeGroup()
		l.checkpointIfDue()
		if time.Since(begun) > maxUnbroken {
			time.Sleep(gap)
			begun = time.Now()
		}
	}
	l.idle.Reset(idleAfter)
}

var errNobodyWaits = errors.New("nobody waits any more")

// writeGroup makes one transaction of those who wait. When it fails as a whole, the one at fault is told so
// and each other is tried again by itself.
func (l *Ledger) writeGroup() {
	g, err := l.begin(func(busy error) error {
		l.queue.refuse(time.Now().Add(-l.patience), busy)
		if !l.queue.waits() {
			return errNobodyWaits
		}
		return nil
	})
	if errors.Is(err, errNobodyWaits) {
		return
	}
	if err != nil {
		l.queue.refuse(time.Now().Add(time.Nanosecond), err)
		return
	}
	guilty, err := g.fill()
	if err == nil {
		err = g.commit()
	}
	if err == nil {
		g.answer()
		return
	}
	l.writer.rollback()
	if len(g.calls) == 1 {
		guilty = g.calls[0]
	}
	for _, c := range g.calls {
		switch {
		case c.left:
		case c == guilty:
			c.told <- order{err: err}
		default:
			l.stats.replays.Add(1)
			l.writeAlone(c)
		}
	}
}

// writeAlone gives a call a transaction of its own.
func (l *Ledger) writeAlone(c *call) {
	g, err := l.begin(func(busy error) error {
		if time.Since(c.since) > l.patience {
			return busy
		}
		return nil
	})
	if err != nil {
		c.told <- order{err: err}
		return
	}
	if err = g.add(c); err == nil {
		err = g.commit()
	}
	if err == nil {
		g.answer()
		return
	}
	l.writer.rollback()
	if !c.left {
		c.told <- order{err: err}
	}
}

// begin opens a transaction. While another process holds the ledger locked, it asks wait again and again,
// which ends it with an error. The guard is asked before anybody is let in.
func (l *Ledger) begin(wait func(busy error) error) (*group, error) {
	if err := l.files.there(l.path); err != nil {
		return nil, err
	}
	looking := time.Now()
	for {
		err := l.writer.begin()
		if err == nil {
			break
		}
		err = writeError(l.path, err)
		if TroubleOf(err) != TroubleLocked {
			return nil, err
		}
		if err := wait(err); err != nil {
			return nil, err
		}
		pause := lockPause
		if time.Since(looking) > patientLook {
			pause = maxLockPause
		}
		select {
		case <-time.After(pause):
		case <-l.closing:
			return nil, err
		}
	}
	l.files.know(l.path)
	g := &group{l: l, opened: time.Now()}
	l.pass("write.begun")
	if l.guard != nil {
		tx, turn := g.tx()
		err := l.guard(tx)
		if err == nil {
			err = writeError(l.path, turn.ended)
		}
		if err != nil {
			l.writer.rollback()
			return nil, err
		}
		g.keepHead(tx)
	}
	return g, nil
}

// tx makes the transaction that one function sees.
func (g *group) tx() (*Tx, *turn) {
	t := &turn{w: g.l.writer}
	return &Tx{
		View: View{ctx: context.Background(), q: t, now: g.l.Now(), path: g.l.path, rebuild: g.l.rebuild}, newID: g.l.newID,
		headKnown: g.headKnown, headSeq: g.headSeq, headHash: g.headHash,
	}, t
}

func (g *group) keepHead(tx *Tx) {
	g.headKnown, g.headSeq, g.headHash = tx.headKnown, tx.headSeq, tx.headHash
}

// fill lets calls in until the group is full. An error ends the transaction for all of them; guilty is
// whose it was.
func (g *group) fill() (guilty *call, err error) {
	yields := 0
	for len(g.calls) < maxGroup && time.Since(g.opened) < g.l.groupTime {
		c := g.l.queue.take(false)
		if c == nil {
			if yields == groupYields || len(g.calls) >= g.l.lastGroup {
				break
			}
			yields++
			runtime.Gosched()
			continue
		}
		if err := g.add(c); err != nil {
			return c, err
		}
	}
	return nil, nil
}

// add runs a call in a savepoint of its own. An error means that the transaction cannot go on; one of the
// function itself is kept with the call, and what it did is undone.
func (g *group) add(c *call) error {
	g.calls = append(g.calls, c)
	c.err = nil
	w := g.l.writer
	if err := w.do("SAVEPOINT closure"); err != nil {
		return writeError(g.l.path, err)
	}
	tx, t := g.tx()
	g.l.lend(c, tx)
	g.l.pass("write.closure")
	ended := t.close()
	switch {
	case ended != nil:
		return writeError(g.l.path, ended)
	case c.err == nil && !c.left:
		g.added = g.added || tx.headKnown && tx.headSeq != g.headSeq
		g.keepHead(tx)
		return writeError(g.l.path, w.do("RELEASE closure"))
	}
	c.err = writeError(g.l.path, c.err)
	if err := w.do("ROLLBACK TO closure"); err != nil {
		return writeError(g.l.path, err)
	}
	return writeError(g.l.path, w.do("RELEASE closure"))
}

// commit makes the group durable and tells the witness of it.
func (g *group) commit() error {
	l := g.l
	l.pass("write.before_commit")
	if err := l.writer.do("COMMIT"); err != nil {
		return commitError(l.path, err)
	}
	l.pass("write.committed")
	if err := l.files.there(l.path); err != nil { // what was written is in a file that nobody will open again
		for _, c := range g.calls {
			if c.err == nil {
				c.err = fault.Wrap(fault.Uncertain, err, "write to ledger "+l.path+": it was written, but perhaps not to the file that is there now", "")
			}
		}
		return nil
	}
	if g.added && l.onCommit != nil {
		l.onCommit(Head{g.headSeq, g.headHash})
	}
	l.pass("write.witnessed")
	return nil
}

// answer tells each caller what came of its call.
func (g *group) answer() {
	g.l.lastGroup = len(g.calls)
	g.l.stats.group(len(g.calls))
	for _, c := range g.calls {
		if !c.left {
			c.told <- order{err: c.err}
		}
	}
	g.l.pass("write.answered")
}

// commitError is writeError for a COMMIT. After a failed sync nobody knows what is on the disk: until the
// next write has gone over it, a restart may still find the transaction there. A failed write leaves none:
// the page that completes a transaction is the last one.
func commitError(path string, err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_IOERR && e.Code() != sqlite3.SQLITE_IOERR_WRITE {
		return fault.Wrap(fault.Uncertain, writeError(path, err), "write to ledger "+path+": the commit failed", "look at what the ledger says now before it is tried again")
	}
	return writeError(path, err)
}
