package execution

import (
	"context"
	"fmt"

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

// failForGood ends a unit's execution with a failure that no repetition would mend: class plumbing,
// without an automatic retry. A person corrects the cause and retries it.
func (e *Engine) failForGood(ctx context.Context, u *unit, state ledger.State, cause error) error {
	var failed ledger.Execution
	err := e.last(ctx, u, state, func(tx *ledger.Tx, x ledger.Execution) error {
		var err error
		failed, err = tx.Move(x, ledger.EventFail, ledger.Step{
			Why: cause.Error(), Actor: provenance.ActorExecution, Claim: &u.claim, Class: ledger.ClassPlumbing, Extra: tryNext(cause),
		})
		return err
	})
	if err == nil {
		e.metrics.moved(failed)
	}
	return err
}

// later leaves a preparation that could not be done now for later, each time twice as long. One that
// was tried maxPrepareTries times is a plumbing failure: it no longer looks as if it were being worked on.
func (e *Engine) later(ctx context.Context, u *unit, cause error) error {
	var failed *ledger.Execution
	err := e.last(ctx, u, ledger.Preparing, func(tx *ledger.Tx, x ledger.Execution) error {
		failed = nil
		if x.Refusals+1 < maxPrepareTries {
			return tx.Delay(x, tx.Now().Add(refusalWait(x.Refusals)), ledger.Excerpt(cause.Error(), maxErrorText))
		}
		moved, err := tx.Move(x, ledger.EventFail, ledger.Step{
			Why:   fmt.Sprintf("it could not be prepared in %d tries, at last: %v", maxPrepareTries, cause),
			Actor: provenance.ActorExecution, Claim: &u.claim, Class: ledger.ClassPlumbing, NextRetry: retryAt(tx.Now(), x), Extra: tryNext(cause),
		})
		failed = &moved
		return err
	})
	if err == nil && failed != nil {
		e.metrics.moved(*failed)
	}
	return err
}

// tryNext gives an error's hints for the payload of an event.
func tryNext(err error) map[string]any {
	if hints := fault.Hints(err); len(hints) > 0 {
		return map[string]any{"try": hints}
	}
	return nil
}

// definite tells whether an error would come again however often the same is tried.
func definite(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound:
		return true
	}
	return false
}
