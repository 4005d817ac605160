package ledger

import (
	"context"
	"runtime"
	"strings"
	"time"

	"beampipe/fault"
)

// nestedLook is when a write that still waits looks whether it waits for itself.
const nestedLook = time.Second

// Write runs fn in a write transaction and returns once it is durable. Calls that wait at the same time
// share one transaction; an error of fn undoes what fn did and nothing else. fn may be run more than
// once, must only touch the database through tx, and must not call Write of the same ledger: that would
// wait for itself, and is told so after a second, unless it is called on another goroutine. ctx bounds the wait for a turn; once fn runs, the transaction is carried to its end,
// because a cancelled statement would roll all of it back.
//
// The error is Unavailable when the ledger could not be written to, and Uncertain when it is not known
// whether what was written will be there after a restart; TroubleOf says why.
func (l *Ledger) Write(ctx context.Context, fn func(tx *Tx) error) error {
	return l.submit(&call{ctx: ctx, fn: fn})
}

// between runs fn when no transaction is open, with the connection that writes to itself.
func (l *Ledger) between(ctx context.Context, fn func() error) error {
	return l.submit(&call{ctx: ctx, alone: fn})
}

func (l *Ledger) submit(c *call) error {
	gaveUp := func() error {
		return fault.Wrap(fault.Unavailable, context.Cause(c.ctx), "write to ledger "+l.path+": waiting for a turn", "")
	}
	if l.queue == nil {
		return fault.New(fault.Invalid, "write to ledger "+l.path+": it was opened for reading only", "")
	}
	if c.ctx.Err() != nil {
		return gaveUp()
	}
	c.since, c.told = time.Now(), make(chan order, 1)
	if err := l.queue.join(c); err != nil {
		return err
	}
	looks := time.NewTimer(nestedLook)
	defer looks.Stop()
	for {
		select {
		case o := <-c.told:
			return l.obey(c, o)
		case <-c.ctx.Done():
			if l.queue.leave(c) {
				return gaveUp()
			}
			return l.obey(c, <-c.told)
		case <-looks.C:
			if insideOfWrite() && l.queue.leave(c) {
				return fault.New(fault.Invalid, "write to ledger "+l.path+": from within another write, which waits for this one", "")
			}
		}
	}
}

// obey does as the writer says until it gives the answer.
func (l *Ledger) obey(c *call, o order) error {
	for o.run {
		l.run(c, o.tx)
		o = <-c.told
	}
	return o.err
}

// run runs a call's function on the goroutine that called Write, and tells the writer what came of it. When
// the goroutine ends in it, by a panic or by runtime.Goexit, the writer is told that as well.
func (l *Ledger) run(c *call, tx *Tx) {
	c.left = true
	defer func() { l.ran <- struct{}{} }()
	if c.alone != nil {
		c.err = c.alone()
	} else {
		c.err = c.fn(tx)
	}
	c.left = false
}

// insideOfWrite tells whether this goroutine runs a write's function: then its next write of the same ledger
// waits for itself. It is asked when a write has waited for long, because it walks the stack.
func insideOfWrite() bool {
	var calls [256]uintptr
	frames := runtime.CallersFrames(calls[:runtime.Callers(0, calls[:])])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, "ledger.(*Ledger).run") {
			return true
		}
		if !more {
			return false
		}
	}
}

// lend lets a call run its function and waits until it has.
func (l *Ledger) lend(c *call, tx *Tx) {
	c.told <- order{run: true, tx: tx}
	<-l.ran
}
