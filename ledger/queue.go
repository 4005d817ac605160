package ledger

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"beampipe/fault"
)

// maxWaiting bounds the calls of Write that wait for their turn at the same time.
const maxWaiting = 10_000

// call is one call of Write: a function that waits to be run in a transaction. The goroutine that called
// Write runs it, so that a panic, or a test that gives up, ends there and harms nobody else.
type call struct {
	ctx   context.Context
	fn    func(tx *Tx) error
	alone func() error // instead of fn: to be done between two transactions
	since time.Time
	told  chan order // what the writer tells the caller to do next; never more than one at a time

	// What came of it in the group that it is in.
	err  error
	left bool // its goroutine is gone: there is nobody to run it again or to be answered
}

// order is what the writer tells a caller: run the function now, with tx, or go on with err as the answer.
type order struct {
	run bool
	tx  *Tx
	err error
}

// queue is who waits to write, in the order in which they came.
type queue struct {
	path string
	wake chan struct{} // holds one token while somebody may be waiting

	mu      sync.Mutex
	waiting []*call
	closed  error // why nobody may come any more
}

func newQueue(path string) *queue { return &queue{path: path, wake: make(chan struct{}, 1)} }

// join puts a call at the end.
func (q *queue) join(c *call) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed != nil:
		return q.closed
	case len(q.waiting) >= maxWaiting:
		return fault.New(fault.Unavailable, fmt.Sprintf("write to ledger %s: %d writes wait already", q.path, maxWaiting),
			"see why they take so long: the disk, or another process that holds the ledger locked")
	}
	q.waiting = append(q.waiting, c)
	select {
	case q.wake <- struct{}{}:
	default: // there is a token already
	}
	return nil
}

// leave takes a call out again. It is false when its turn has come: then it is carried to its end.
func (q *queue) leave(c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, c)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// next is the place of the first call whose context has not ended; -1 when nobody waits. The others are
// about to leave.
func (q *queue) next() int {
	return slices.IndexFunc(q.waiting, func(c *call) bool { return c.ctx.Err() == nil })
}

// waits tells whether there is somebody whose turn could come.
func (q *queue) waits() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.next() >= 0
}

// take gives the next call when it is of that sort: one that wants to be alone, or one that writes.
func (q *queue) take(alone bool) *call {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.next()
	if i < 0 || (q.waiting[i].alone != nil) != alone {
		return nil
	}
	c := q.waiting[i]
	if i == 0 {
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
	} else {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return c
}

// refuse answers everybody who came before a time.
func (q *queue) refuse(before time.Time, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = slices.DeleteFunc(q.waiting, func(c *call) bool {
		late := c.since.Before(before)
		if late {
			c.told <- order{err: err}
		}
		return late
	})
}

// close answers everybody, and whoever comes later.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = err
	for _, c := range q.waiting {
		c.told <- order{err: err}
	}
	q.waiting = nil
}
