package execution

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

const (
	feedSize       = 64   // candidates read from the ledger at once
	maxLooks       = 1000 // candidates that one Next tries to claim
	maxLots        = 64   // lots of candidates that are read for one that has room
	maxRetriesSeen = 1000 // failed executions due for a retry that are looked at
)

// unit is one claimed piece of work on one execution.
type unit struct {
	execution ledger.Execution // as it was claimed
	claim     ledger.Claim
	do        func(ctx context.Context, u *unit) error

	mu       sync.Mutex
	released bool
	wait     time.Duration // leave the execution alone for so long, when it was not moved
}

// Next claims the next execution that has work and gives that work: an automatic retry that is due, a
// preparation (also one that was broken off), or a submission; the oldest first. Held executions and
// those whose time has not come are passed over. ok is false when there is nothing now. The unit runs
// under the claim, which is renewed while it runs and given back at its end; a unit that is never run
// is free again when the lease ends.
func (e *Engine) Next(ctx context.Context) (run func(ctx context.Context) error, ok bool, err error) {
	v := e.ledger.View(ctx)
	due, err := v.RetriesDue(maxRetriesSeen)
	if err != nil {
		return nil, false, err
	}
	for _, x := range due {
		if x.NotBefore != nil && x.NotBefore.After(v.Now()) {
			continue
		}
		if u, err := e.claim(ctx, x.ID); u != nil || err != nil {
			return e.runner(u), u != nil, err
		}
	}
	for range maxLooks {
		id, ok, err := e.candidate(v)
		if err != nil || !ok {
			return nil, false, err
		}
		if u, err := e.claim(ctx, id); u != nil || err != nil {
			return e.runner(u), u != nil, err
		}
	}
	return nil, false, nil
}

func (e *Engine) runner(u *unit) func(ctx context.Context) error {
	if u == nil {
		return nil
	}
	return func(ctx context.Context) error { return e.run(ctx, u) }
}

// candidate gives the id of an execution that may have work. Ids are read in lots, so that a long
// queue is not sorted anew for each of its executions; claim checks each one again.
func (e *Engine) candidate(v ledger.View) (id string, ok bool, err error) {
	e.feedMu.Lock()
	defer e.feedMu.Unlock()
	if len(e.feed) == 0 {
		if err := e.fill(v); err != nil || len(e.feed) == 0 {
			return "", false, err
		}
	}
	id, e.feed = e.feed[0], e.feed[1:]
	return id, true, nil
}

// fill reads a lot of candidates. Ready executions that have no room to be submitted are left out:
// neither what is to be prepared nor another project's wait behind them, however many they are.
func (e *Engine) fill(v ledger.View) error {
	states := []ledger.State{ledger.Pending, ledger.Preparing, ledger.Ready}
	used, err := submitted(v, "")
	if err != nil {
		return err
	}
	if used >= e.o.Limits.MaxInFlightRuns {
		states = states[:2] // there is room for nobody's
	}
	blocked := map[revision]bool{}
	after := ""
	for range maxLots {
		list, err := candidates(v, after, states)
		if err != nil {
			return err
		}
		for _, x := range list {
			full, err := e.blocked(v, x, blocked)
			if err != nil {
				return err
			}
			if !full {
				e.feed = append(e.feed, x.ID)
			}
		}
		if len(e.feed) > 0 || len(list) < feedSize {
			return nil
		}
		after = list[len(list)-1].ID
	}
	return nil
}

// blocked tells whether a ready execution has no room to be submitted; known is what was found for
// others of the same config.
func (e *Engine) blocked(v ledger.View, x ledger.Execution, known map[revision]bool) (bool, error) {
	if x.State != ledger.Ready {
		return false, nil
	}
	key := revision{x.Project, x.ConfigRevision}
	full, asked := known[key]
	if !asked {
		var err error
		if full, err = e.noRoom(v, x); err != nil {
			return false, err
		}
		known[key] = full
	}
	return full, nil
}

// noRoom tells whether a limit keeps an execution from being submitted now. One whose config cannot be
// read has room: its submission reads it first and fails it by name, and it keeps nobody else waiting.
func (e *Engine) noRoom(v ledger.View, x ledger.Execution) (bool, error) {
	_, full, err := e.submissionLimit(v, x)
	if err != nil && definite(err) {
		return false, nil
	}
	return full, err
}

func candidates(v ledger.View, after string, states []ledger.State) ([]ledger.Execution, error) {
	held := false
	return v.Executions(ledger.ExecutionFilter{States: states, Held: &held, Due: true, Unclaim: true, Oldest: true, After: after, Limit: feedSize})
}

// claim takes an execution if it has work now; nil when it has none, or another worker has it.
func (e *Engine) claim(ctx context.Context, id string) (*unit, error) {
	var u *unit
	err := e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		u = nil
		x, err := tx.Execution(id)
		if err != nil {
			return err
		}
		do, err := e.workOf(tx, x)
		if err != nil || do == nil {
			return err
		}
		claim, ok, err := tx.TryClaim(ledger.ClaimExecution, ledger.ExecutionSubject(id), e.o.Owner, "", e.o.Lease)
		if err != nil || !ok {
			return err
		}
		if x.State == ledger.Pending {
			x, err = tx.Move(x, ledger.EventPrepare, ledger.Step{Actor: provenance.ActorExecution, Claim: &claim})
			if err != nil {
				return err
			}
		}
		u = &unit{execution: x, claim: claim, do: do}
		return nil
	})
	return u, err
}

// workOf says what is to be done for an execution now; nil for nothing.
func (e *Engine) workOf(tx *ledger.Tx, x ledger.Execution) (func(context.Context, *unit) error, error) {
	if x.Held != nil || (x.NotBefore != nil && x.NotBefore.After(tx.Now())) {
		return nil, nil
	}
	switch x.State {
	case ledger.Pending, ledger.Preparing:
		return e.prepare, nil
	case ledger.Ready:
		full, err := e.noRoom(tx.View, x)
		if err != nil || full {
			return nil, err
		}
		return e.submit, nil
	case ledger.Failed:
		if x.NextRetryAt != nil && !x.NextRetryAt.After(tx.Now()) {
			return e.retryItself, nil
		}
	}
	return nil, nil
}

// run does a unit under its claim and gives the claim back.
func (e *Engine) run(ctx context.Context, u *unit) error {
	work, stop := e.renew(ctx, u)
	err := u.safely(work)
	stop()
	if err != nil && ctx.Err() == nil && u.wait == 0 {
		u.wait = prepareWait // where it was not moved: not to be taken again at once
	}
	if releaseErr := e.release(ctx, u); releaseErr != nil {
		e.o.Log.Warn("give claim back", "execution", u.execution.ID, "error", releaseErr)
	}
	if errors.Is(err, fault.Conflict) && ctx.Err() == nil {
		// Somebody cancelled, held or took it meanwhile: that is theirs to go on with.
		e.o.Log.Info("left to somebody else", "execution", u.execution.ID, "because", err)
		return nil
	}
	return err
}

// safely does the work. A defect of ours stays with its execution: it ends neither the daemon nor the
// work on others.
func (u *unit) safely(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("work on execution %s: defect: %v\n%s", u.execution.ID, p, debug.Stack())
		}
	}()
	return u.do(ctx, u)
}

// renew keeps the claim until stop is called. When the claim is lost, the unit's context ends.
func (e *Engine) renew(ctx context.Context, u *unit) (work context.Context, stop func()) {
	work, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(max(e.o.Lease/3, time.Millisecond))
		defer ticker.Stop()
		held := u.claim
		for {
			select {
			case <-work.Done():
				return
			case <-ticker.C:
			}
			err := e.ledger.Write(work, func(tx *ledger.Tx) error { return tx.RenewClaim(&held, e.o.Lease) })
			if errors.Is(err, fault.Conflict) && !u.isReleased() {
				cancel(err)
				return
			}
		}
	})
	return work, func() {
		cancel(nil)
		wg.Wait()
	}
}

// release gives the claim back unless the unit did so with its last move, together with the wait that
// keeps the execution from being taken again at once.
func (e *Engine) release(ctx context.Context, u *unit) error {
	if u.isReleased() {
		return nil
	}
	ctx, cancel := grace(ctx)
	defer cancel()
	return e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.CheckClaim(u.claim); err != nil {
			return err
		}
		if u.wait > 0 {
			x, err := tx.Execution(u.execution.ID)
			if err != nil {
				return err
			}
			if x.State == u.execution.State && x.Attempt == u.execution.Attempt {
				if err := tx.Postpone(x, tx.Now().Add(u.wait)); err != nil {
					return err
				}
			}
		}
		return tx.ReleaseClaim(u.claim)
	})
}

func (u *unit) isReleased() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.released
}

func (u *unit) setReleased() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.released = true
}

// last runs the write that ends a unit: fn gets the execution as it is now, checked to be in the state
// and attempt that the unit works on and still claimed, and the claim is given back with it. It
// happens also when ctx has ended.
func (e *Engine) last(ctx context.Context, u *unit, state ledger.State, fn func(tx *ledger.Tx, x ledger.Execution) error) error {
	ctx, cancel := grace(ctx)
	defer cancel()
	err := e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		x, err := current(tx, u, state)
		if err != nil {
			return err
		}
		if err := fn(tx, x); err != nil {
			return err
		}
		return tx.ReleaseClaim(u.claim)
	})
	if err == nil {
		u.setReleased()
	}
	return err
}

// current reads the unit's execution; it is a Conflict when somebody else has moved it or has the claim.
func current(tx *ledger.Tx, u *unit, state ledger.State) (ledger.Execution, error) {
	if err := tx.CheckClaim(u.claim); err != nil {
		return ledger.Execution{}, err
	}
	x, err := tx.Execution(u.execution.ID)
	if err == nil && (x.State != state || x.Attempt != u.execution.Attempt) {
		err = fault.New(fault.Conflict, "execution "+x.ID+" is "+string(x.State)+" now, it was "+string(state), "")
	}
	return x, err
}
