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

// Retry makes the next attempt of a failed execution: same manifest, same metadata, the current
// revision of its profile. The attempt before is fenced first; where that cannot be done there is no
// next attempt (Unavailable or Conflict). A reason is required.
func (e *Engine) Retry(ctx context.Context, id, reason, actor string) (ledger.Execution, error) {
	what := "retry execution " + id
	if reason == "" {
		return ledger.Execution{}, fault.New(fault.Invalid, what+": no reason given", "say why: --reason TEXT")
	}
	x, err := e.ledger.View(ctx).Execution(id)
	if err != nil {
		return x, err
	}
	if x.State != ledger.Failed {
		return x, fault.New(fault.Conflict, fmt.Sprintf("%s: it is %s; only a failed one can be retried", what, x.State), "")
	}
	return e.retry(ctx, x, ledger.Step{Why: reason, Actor: actor}, nil)
}

// retryItself is the unit of an automatic retry.
func (e *Engine) retryItself(ctx context.Context, u *unit) error {
	x := u.execution
	_, err := e.retry(ctx, x, ledger.Step{
		Why: fmt.Sprintf("automatic retry %d of %d after: %s", x.AutoRetries+1, maxAutoRetries, x.Error), Actor: provenance.ActorExecution,
		Claim: &u.claim, Automatic: true,
	}, u)
	if err == nil || ctx.Err() != nil {
		return err
	}
	u.wait = fenceWait
	return fmt.Errorf("retry execution %s by itself: %w", x.ID, err)
}

// retry fences the attempt that failed and makes the next one.
func (e *Engine) retry(ctx context.Context, x ledger.Execution, step ledger.Step, u *unit) (ledger.Execution, error) {
	fenced, err := e.fence(ctx, x)
	if err != nil {
		return x, err
	}
	var next ledger.Execution
	err = e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		stored, err := tx.Profile(x.Profile)
		if err != nil {
			return err
		}
		p, err := e.profile(tx.View, stored.Name, stored.Revision)
		if err != nil {
			return err
		}
		step.Profile, step.ProfileRevision, step.Target = stored.Name, stored.Revision, p.Target()
		// A wish to cancel was one about the attempt before.
		if err := updateRecord(tx, x.ID, func(r *RunRecord) { r.Cancel = nil }); err != nil {
			return err
		}
		if fenced {
			if err := recordFence(tx, x, step.Actor); err != nil {
				return err
			}
		}
		step.Extra = map[string]any{"profile_revision": stored.Revision}
		if next, err = tx.Move(x, ledger.EventRetry, step); err != nil || u == nil {
			return err
		}
		return tx.ReleaseClaim(u.claim)
	})
	if err != nil {
		return x, err
	}
	if u != nil {
		u.setReleased()
	}
	e.metrics.retries.WithLabelValues(x.Project).Inc()
	return next, nil
}

// fence makes sure that the execution's current attempt does no more work; fenced is false when
// nothing was ever submitted, so that there is nothing to fence. Its errors mean that it may go on.
func (e *Engine) fence(ctx context.Context, x ledger.Execution) (fenced bool, err error) {
	if x.SubmissionID == "" {
		return false, nil
	}
	b, err := e.placeOf(ctx, x)
	if err == nil {
		err = b.Fence(ctx, x.SubmissionID)
	}
	if err == nil {
		e.o.Health.Clear(ProblemFenceFailed, x.ID)
		return true, nil
	}
	todo := "see that " + x.Target + " can be reached; there is no next attempt before this one is fenced"
	e.problem(ProblemFenceFailed, x.ID, "Attempt "+x.SubmissionID+" could not be fenced", err.Error(), "error", todo)
	kind := fault.Unavailable
	if errors.Is(err, fault.Conflict) {
		kind = fault.Conflict
	}
	return false, fault.Wrap(kind, err, fmt.Sprintf("fence attempt %s on %s", x.SubmissionID, x.Target), todo)
}

func recordFence(tx *ledger.Tx, x ledger.Execution, actor string) error {
	at := tx.Now()
	if err := updateRecord(tx, x.ID, func(r *RunRecord) {
		if run := r.Current(); run != nil && run.SessionID == x.SubmissionID {
			run.Fenced = &at
		}
	}); err != nil {
		return err
	}
	return tx.Append(provenance.Event{
		Type: provenance.ExecutionFenced, Project: x.Project, Execution: x.ID, Actor: actor, Correlation: x.SubmissionID,
	}, map[string]any{"attempt": x.Attempt, "submission_id": x.SubmissionID, "target": x.Target})
}

// placeOf gives the place that an execution's current attempt went to.
func (e *Engine) placeOf(ctx context.Context, x ledger.Execution) (backends.Backend, error) {
	p, err := e.profile(e.ledger.View(ctx), x.Profile, x.ProfileRevision)
	if err != nil {
		return nil, err
	}
	return e.backend(p)
}
