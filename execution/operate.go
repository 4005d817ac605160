package execution

import (
	"context"
	"fmt"

	"beampipe/fault"
	"beampipe/ledger"
)

// Hold keeps a pending, preparing or ready execution where it is until it is released.
func (e *Engine) Hold(ctx context.Context, id, reason, actor string) (ledger.Execution, error) {
	return e.change(ctx, id, func(tx *ledger.Tx, x ledger.Execution) (ledger.Execution, error) { return tx.Hold(x, reason, actor) })
}

// Release ends a hold. Releasing what is not held is no change.
func (e *Engine) Release(ctx context.Context, id, reason, actor string) (ledger.Execution, error) {
	return e.change(ctx, id, func(tx *ledger.Tx, x ledger.Execution) (ledger.Execution, error) { return tx.Release(x, reason, actor) })
}

// Cancel ends an execution: at once where nothing was submitted; through cancelling where its place has
// it, until the place confirms; as a recorded wish where nobody knows yet whether it was submitted.
// With requeue its sources wait for a run again, else only new data brings one. A cancelled execution
// stays as it is; a completed or failed one is a Conflict.
func (e *Engine) Cancel(ctx context.Context, id, reason, actor string, requeue bool) (ledger.Execution, error) {
	x, err := e.change(ctx, id, func(tx *ledger.Tx, x ledger.Execution) (ledger.Execution, error) {
		switch x.State {
		case ledger.Cancelled, ledger.Cancelling:
			return x, nil
		case ledger.Pending, ledger.Preparing, ledger.Ready, ledger.Verifying:
			return tx.Move(x, ledger.EventCancel, ledger.Step{Why: reason, Actor: actor, Requeue: requeue})
		case ledger.Queued, ledger.Running:
			if err := recordWish(tx, x.ID, reason, actor, requeue); err != nil {
				return x, err
			}
			return tx.Move(x, ledger.EventCancel, ledger.Step{Why: reason, Actor: actor})
		case ledger.Submitting, ledger.Uncertain:
			if x.CancelWanted == nil {
				if err := recordWish(tx, x.ID, reason, actor, requeue); err != nil {
					return x, err
				}
			}
			return tx.WantCancel(x, reason, actor)
		}
		return x, fault.New(fault.Conflict, fmt.Sprintf("cancel execution %s: it is %s already", id, x.State), "")
	})
	if err != nil {
		return x, err
	}
	e.metrics.moved(x)
	if x.State == ledger.Cancelling {
		// The wish is durable. Where the place cannot be asked now, the next poll asks it.
		b, err := e.placeOf(ctx, x)
		if err != nil {
			e.o.Log.Warn("cancel not delivered yet", "execution", id, "target", x.Target, "error", err)
			return x, nil
		}
		e.deliverCancel(ctx, b, id)
	}
	return x, nil
}

func recordWish(tx *ledger.Tx, id, reason, actor string, requeue bool) error {
	at := tx.Now()
	return updateRecord(tx, id, func(r *RunRecord) {
		r.Cancel = &CancelRecord{RequestedAt: at, By: actor, Reason: reason, Requeue: requeue}
	})
}

// Abandon gives up on an uncertain execution: an operator decides, with a reason, and the attempt is
// fenced. It is failed then, and can be retried.
func (e *Engine) Abandon(ctx context.Context, id, reason, actor string) (ledger.Execution, error) {
	what := "abandon execution " + id
	if reason == "" {
		return ledger.Execution{}, fault.New(fault.Invalid, what+": no reason given", "say why: --reason TEXT")
	}
	x, err := e.ledger.View(ctx).Execution(id)
	if err != nil {
		return x, err
	}
	if x.State != ledger.Uncertain {
		return x, fault.New(fault.Conflict, fmt.Sprintf("%s: it is %s; only an uncertain one can be abandoned", what, x.State), "")
	}
	if _, err := e.fence(ctx, x); err != nil {
		return x, err
	}
	attempt := x.Attempt
	x, err = e.change(ctx, id, func(tx *ledger.Tx, x ledger.Execution) (ledger.Execution, error) {
		if x.State != ledger.Uncertain || x.Attempt != attempt {
			return x, fault.New(fault.Conflict, what+": it has moved meanwhile", "read it again")
		}
		if err := recordFence(tx, x, actor); err != nil {
			return x, err
		}
		return tx.Move(x, ledger.EventAbandoned, ledger.Step{Why: "abandoned: " + reason, Actor: actor, Class: ledger.ClassPlumbing})
	})
	if err == nil {
		e.metrics.moved(x)
	}
	return x, err
}

// change reads an execution and changes it in one transaction.
func (e *Engine) change(ctx context.Context, id string, fn func(tx *ledger.Tx, x ledger.Execution) (ledger.Execution, error)) (ledger.Execution, error) {
	var x ledger.Execution
	err := e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		var err error
		if x, err = tx.Execution(id); err != nil {
			return err
		}
		x, err = fn(tx, x)
		return err
	})
	return x, err
}

// Waiting says what an execution waits for that is not its own work: a hold, a time, or a limit. It
// is "" when nothing of that kind keeps it.
func (e *Engine) Waiting(ctx context.Context, x ledger.Execution) (string, error) {
	v := e.ledger.View(ctx)
	switch {
	case x.Held != nil:
		return fmt.Sprintf("held by %s: %s", x.Held.By, x.Held.Reason), nil
	case x.State == ledger.Failed && x.NextRetryAt != nil:
		return "automatic retry at " + ledger.Minute(*x.NextRetryAt), nil
	case x.NotBefore != nil && x.NotBefore.After(v.Now()) && !x.State.Terminal():
		return "not before " + ledger.Minute(*x.NotBefore), nil
	case x.State == ledger.Ready:
		l, full, err := e.submissionLimit(v, x)
		if err != nil || !full {
			return "", err
		}
		return l.String(), nil
	}
	return "", nil
}
