package execution

import (
	"context"

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
