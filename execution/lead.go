package execution

import (
	"context"
	"errors"
	"fmt"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

// stepsPerAttempt bounds the steps that lead over one attempt: retry, release, prepare, submit and lost,
// settle.
const stepsPerAttempt = 6

// lead brings an execution by legal steps to the attempt that its place has: it is uncertain then, and
// polls find out the rest.
func (e *Engine) lead(ctx context.Context, out Outside, actor string) error {
	for range (out.Attempt - out.Known + 1) * stepsPerAttempt {
		x, err := e.ledger.View(ctx).Execution(out.Execution)
		if err != nil {
			return err
		}
		inside := x.State == ledger.Pending || x.State == ledger.Preparing || x.State == ledger.Ready
		if x.Attempt > out.Attempt || (x.Attempt == out.Attempt && !inside) {
			return nil
		}
		if err := e.leadStep(ctx, x, out, actor); err != nil {
			return err
		}
	}
	return errNotLed
}

// leadStep makes one step towards an attempt outside.
func (e *Engine) leadStep(ctx context.Context, x ledger.Execution, out Outside, actor string) error {
	why := fmt.Sprintf("its place has attempt %d, which this ledger did not know", out.Attempt)
	if x.Held != nil { // it was released, or it would not be outside
		_, err := e.Release(ctx, x.ID, why, actor)
		return err
	}
	switch x.State {
	case ledger.Failed:
		next, err := e.retry(ctx, x, ledger.Step{Why: why, Actor: actor}, nil)
		if err == nil && next.Target != out.Target && next.Attempt == out.Attempt {
			err = fault.New(fault.Conflict, fmt.Sprintf("its profile %s leads to %s now, the attempt is at %s", next.Profile, next.Target, out.Target),
				"make the profile lead there again: beampipe profile add, then try again")
		}
		return err
	case ledger.Pending, ledger.Preparing:
		return e.prepareNow(ctx, x)
	case ledger.Ready:
		return e.assumeSubmitted(ctx, x, why, actor)
	case ledger.Submitting:
		return e.ledger.Write(ctx, func(tx *ledger.Tx) error {
			_, err := tx.Move(x, ledger.EventLost, ledger.Step{Why: why, Actor: actor})
			return err
		})
	case ledger.Completed, ledger.Cancelled:
		return fmt.Errorf("it is %s here: %w", x.State, errNotLed)
	}
	return e.settleEarlier(ctx, x, out)
}

// assumeSubmitted records that a ready execution was submitted, which is not known for sure: the intent, and
// that its answer was lost.
func (e *Engine) assumeSubmitted(ctx context.Context, x ledger.Execution, why, actor string) error {
	return e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		x, err := tx.Move(x, ledger.EventSubmit, ledger.Step{Why: why, Actor: actor})
		if err != nil {
			return err
		}
		_, err = tx.Move(x, ledger.EventLost, ledger.Step{Why: why, Actor: actor})
		return err
	})
}

// prepareNow makes an execution's manifest and graph, whatever it waits for: the same inputs give the
// same manifest as the attempt outside got.
func (e *Engine) prepareNow(ctx context.Context, x ledger.Execution) error {
	var u *unit
	err := e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		claim, ok, err := tx.TryClaim(ledger.ClaimExecution, ledger.ExecutionSubject(x.ID), e.o.Owner, "", e.o.Lease)
		if err != nil {
			return err
		}
		if !ok {
			return fault.New(fault.Conflict, "somebody works on execution "+x.ID, "end whatever else works on this ledger")
		}
		taken := x
		if x.State == ledger.Pending {
			if taken, err = tx.Move(x, ledger.EventPrepare, ledger.Step{Actor: provenance.ActorExecution, Claim: &claim}); err != nil {
				return err
			}
		}
		u = &unit{execution: taken, claim: claim, do: e.prepare}
		return nil
	})
	if err != nil {
		return err
	}
	if err := e.run(ctx, u); err != nil {
		return err
	}
	now, err := e.ledger.View(ctx).Execution(x.ID)
	if err == nil && now.State != ledger.Ready {
		err = fault.New(fault.Conflict, fmt.Sprintf("it could not be prepared: it is %s (%s)", now.State, now.Error), "see: beampipe execution why "+x.ID)
	}
	return err
}

// settleEarlier writes down how an attempt ended after which there was a later one.
func (e *Engine) settleEarlier(ctx context.Context, x ledger.Execution, out Outside) error {
	e.pollMu.Lock()
	defer e.pollMu.Unlock()
	b, err := e.placeOf(ctx, x)
	if err != nil {
		return err
	}
	answers, err := b.Find(ctx, []string{x.SubmissionID})
	if err != nil {
		return err
	}
	var result PollResult
	if err := e.applyAll(ctx, b, out.kind, []ledger.Execution{x}, answers, map[string]string{}, &result); err != nil {
		return err
	}
	now, err := e.ledger.View(ctx).Execution(x.ID)
	if err != nil || now.State != x.State || now.Attempt != x.Attempt {
		return err
	}
	phase := answers[x.SubmissionID].Phase
	if phase == "" {
		phase = backends.PhaseUnknown
	}
	return errors.Join(fault.New(fault.Conflict, fmt.Sprintf("its attempt %d is %s at its place, although there is a later one", x.Attempt, phase), "look at the folders of both attempts"), errNotLed)
}
