package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"beampipe/fault"
	"beampipe/ledger"
)

// order is what a child is told.
type order struct {
	Name    string // of the child: the owner of its claims, the beginning of its marks
	Ledger  string
	Diary   string
	Seed    uint64
	Callers int // goroutines that write
	Readers int // goroutines that read
	// DieAt is the named point at which the child kills itself, when it comes there for the Nth time.
	// "" is never: the parent does it.
	DieAt string
	Nth   int64
	Task  string // what it does beside the load, by name; "" = nothing
}

// child is a process that works on a ledger until its standard input ends or it is killed.
type child struct {
	order
	*ledger.Ledger
	diary  diary
	passed atomic.Int64
	began  sync.Once
}

// obey carries out an order. An error of it is a defect of the ledger or of this test.
func obey(o order) error {
	c := &child{order: o}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { // ends with the process: reading standard input cannot be broken off
		_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it, the parent is done with us
		stop()
	}()
	var err error
	if c.diary, err = openDiary(o.Diary); err != nil {
		return err
	}
	if o.Task == taskRestore { // which is done to a ledger that nobody has open
		err := restoreBackup(context.Background(), o.Ledger, c.pass)
		<-ctx.Done()
		return err
	}
	if c.Ledger, err = ledger.Create(context.Background(), o.Ledger, ledger.Options{Pass: c.pass, HostID: host}); err != nil {
		return err
	}
	if o.Callers == 0 {
		c.working() // to open it was all there was to do
	}
	if err := c.load(ctx); err != nil {
		return err
	}
	return c.Close()
}

// host is the machine that all children say they are on.
const host = "crash-test"

// pass is told each named point, and ends the process at the one that it was told.
func (c *child) pass(point string) {
	if point != c.DieAt || c.passed.Add(1) != c.Nth {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // an error: the parent sees that we live
	select {}                                      // nothing happens behind the point
}

// working tells the parent that the load has begun: the first deed was acknowledged.
func (c *child) working() { c.began.Do(func() { fmt.Println("working") }) }

// load lets the callers and the readers work until ctx ends. The first defect ends all.
func (c *child) load(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var group sync.WaitGroup
	start := func(what string, work func(context.Context) error) {
		group.Go(func() {
			if err := work(ctx); err != nil {
				// It is told in the diary, where the judge reads it, should a kill overtake the exit.
				err = fmt.Errorf("%s: %w", what, err)
				if told := c.diary.write(entry{Bad: err.Error()}); told != nil {
					err = fmt.Errorf("%w; %w", err, told)
				}
				fail(err)
			}
		})
	}
	for n := range c.Callers {
		start(fmt.Sprintf("caller %d", n), newCaller(c, n).work)
	}
	for n := range c.Readers {
		start(fmt.Sprintf("reader %d", n), c.read)
	}
	if c.Task != "" {
		start(c.Task, func(ctx context.Context) error { return tasks[c.Task](ctx, c) })
	}
	<-ctx.Done()
	group.Wait()
	if err := context.Cause(ctx); err != context.Canceled {
		return err
	}
	return nil
}

// What a child may do beside its load.
const (
	taskCheckpoint = "checkpoint"
	taskBackup     = "backup"
)

var tasks = map[string]func(ctx context.Context, c *child) error{
	taskCheckpoint: func(ctx context.Context, c *child) error {
		for ctx.Err() == nil {
			err := c.Checkpoint(ctx)
			// A reader that needs the log keeps it from being cut short: that is an answer.
			if err != nil && !errors.Is(err, fault.Unavailable) && ctx.Err() == nil {
				return err
			}
		}
		return nil
	},
	taskBackup: backUp,
}
