package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"beampipe/backends"
	"beampipe/fault"
)

// How long is waited for processes to go, and how often is looked.
const (
	clearLimit = 30 * time.Second
	clearLook  = 20 * time.Millisecond
)

// Cancel marks the attempt as cancelled and tells its shim, which stops its applications.
func (b *Backend) Cancel(_ context.Context, id string) error {
	if err := backends.CheckAttemptID(id); err != nil {
		return err
	}
	b.reap()
	f := b.folder(id)
	what := "cancel " + id
	claimed, err := exists(f.claim())
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, what, "")
	}
	if !claimed {
		return fault.New(fault.NotFound, what+": it was never submitted here", "")
	}
	// The mark first: a shim that starts meanwhile sees the mark, or we see its start.
	if err := writeFile(f.cancelMark(), record(b.o.Now().UTC())); err != nil {
		return fault.Wrap(fault.Unavailable, err, what, "")
	}
	var start startRecord
	if found, err := readRecord(f.startFile(), &start); err != nil {
		return fault.Wrap(fault.Unavailable, err, what, "")
	} else if !found || start.Owner != ownerShim {
		return nil
	}
	return fault.Wrap(fault.Unavailable, signal1(start.identity, syscall.SIGTERM), what, "")
}

// signal1 signals one process if it is still that one.
func signal1(who identity, signal syscall.Signal) error {
	alive, err := who.alive()
	if err != nil || !alive {
		return err
	}
	if err := syscall.Kill(who.Pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", who.Pid, err)
	}
	return nil
}

// Fence takes the attempt's claims where they are free, so that nothing can start, and otherwise makes
// sure that every process of the attempt is gone: the shim is asked first, then all are killed.
func (b *Backend) Fence(ctx context.Context, id string) error {
	if err := backends.CheckAttemptID(id); err != nil {
		return err
	}
	b.reap()
	f := b.folder(id)
	if err := b.fence(ctx, f, id); err != nil {
		return fault.Wrap(fault.Unavailable, err, "fence "+id+": it is not fenced", "see which processes of it are left, then try again")
	}
	return nil
}

func (b *Backend) fence(ctx context.Context, f folder, id string) error {
	if _, err := b.claim(f, ownerFence); err != nil {
		return err
	}
	me, err := self()
	if err != nil {
		return err
	}
	fence := startRecord{Owner: ownerFence, identity: me, At: b.o.Now().UTC()}
	if _, err := claimFile(f.startFile(), record(fence)); err != nil {
		return err
	}
	var start startRecord
	if _, err := readRecord(f.startFile(), &start); err != nil {
		return err
	}
	shim := identity{}
	if start.Owner == ownerShim {
		shim = start.identity
	}
	if err := b.stopAll(ctx, id, shim); err != nil {
		return err
	}
	return writeFile(f.fencedMark(), record(fence.At))
}

// stopAll ends the shim in order, then kills what is left of the attempt until nothing is.
func (b *Backend) stopAll(ctx context.Context, id string, shim identity) error {
	if err := signal1(shim, syscall.SIGTERM); err != nil {
		return err
	}
	killAt := time.Now().Add(2 * killGrace)
	return clearProcesses(ctx, runSpec{ID: id, Root: b.o.Root}, shim, func() (bool, error) {
		b.reap()
		orderly, err := shim.alive()
		return !orderly || time.Now().After(killAt), err
	})
}

// clearProcesses returns once no process of an attempt is left but this one; it kills them as soon as
// mayKill says so. It gives up after clearLimit.
func clearProcesses(ctx context.Context, spec runSpec, shim identity, mayKill func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, clearLimit)
	defer cancel()
	ticker := time.NewTicker(clearLook)
	defer ticker.Stop()
	for {
		kill, err := mayKill()
		if err != nil {
			return err
		}
		left, err := processesOf(spec, shim)
		if err != nil || len(left) == 0 {
			return err
		}
		if kill {
			if err := killAll(left); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %v are still there: %w", left, ctx.Err())
		case <-ticker.C:
		}
	}
}

func killAll(pids []int) error {
	slices.Sort(pids)
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	return nil
}

// Logs opens what a drop wrote, also while it runs; without a drop, what the shim said.
func (b *Backend) Logs(_ context.Context, id, drop string) (io.ReadCloser, error) {
	if err := backends.CheckAttemptID(id); err != nil {
		return nil, err
	}
	f := b.folder(id)
	path := f.shimLog()
	if drop != "" {
		path = f.log(drop)
	}
	file, err := os.Open(path)
	what := fmt.Sprintf("open the log of drop %q of %s", drop, id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, what+": there is none", "list the drops: beampipe execution why")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, what, "")
	}
	return file, nil
}
