package execution

import (
	"context"
	"errors"
	"fmt"
	"time"

	"beampipe/backends"
	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/profiles"
	"beampipe/provenance"
)

// submit is the unit that takes a ready execution to its place. That it will be submitted is durable
// before the place hears of it; whatever the place answers, or does not, is written down as what it is.
func (e *Engine) submit(ctx context.Context, u *unit) error {
	begun := e.ledger.Now()
	what := "submit execution " + u.execution.ID
	s, err := e.submission(ctx, u.execution)
	if err == nil {
		err = s.backend.Check(ctx, s.Submission)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return fmt.Errorf("%s: broken off, nothing was submitted: %w", what, err)
	case definite(err):
		if failErr := e.failForGood(ctx, u, ledger.Ready, err); failErr != nil {
			return failErr
		}
		return fmt.Errorf("%s: %w", what, err)
	default:
		return e.refusedBefore(ctx, u, s, err)
	}
	if ok, err := e.intend(ctx, u); err != nil || !ok {
		return err
	}
	receipt, err := s.backend.Submit(ctx, s.Submission)
	if err := e.conclude(ctx, u, s, receipt, err); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	e.metrics.took("submit", e.ledger.Now().Sub(begun))
	return nil
}

// submission is a backend's submission with what goes with it.
type submission struct {
	backends.Submission
	backend backends.Backend
	target  string
	kind    string
}

// submission puts together what an attempt sends, and refuses by name what this build cannot run.
func (e *Engine) submission(ctx context.Context, x ledger.Execution) (submission, error) {
	v := e.ledger.View(ctx)
	s := submission{target: x.Target, kind: "local"}
	cfg, err := e.project(v, x.Project, x.ConfigRevision)
	if err != nil {
		return s, err
	}
	p, err := e.profile(v, x.Profile, x.ProfileRevision)
	if err != nil {
		return s, err
	}
	s.kind = placeKind(p)
	if err := unsupported(cfg, p); err != nil {
		return s, err
	}
	if s.backend, err = e.backend(p); err != nil {
		return s, err
	}
	s.Submission = backends.Submission{
		ID: ledger.SubmissionID(x.ID, x.Attempt), Execution: x.ID, Attempt: x.Attempt, Project: x.Project, Profile: p,
	}
	for _, source := range x.Sources {
		s.Sources = append(s.Sources, source.Identifier)
	}
	if s.Graph, _, err = v.ArtifactOf(x.ID, ledger.ArtifactPatchedGraph); err != nil {
		return s, err
	}
	raw, _, err := v.ArtifactOf(x.ID, ledger.ArtifactManifest)
	if err != nil {
		return s, err
	}
	m, err := ReadManifest(raw)
	s.Manifest = m.Embedded // what the graph carries, and the ingest node gives
	return s, err
}

// unsupported refuses what is not built yet, by name: nothing is skipped silently.
func unsupported(cfg *configs.Project, p *profiles.Profile) error {
	if err := p.Built(); err != nil {
		return err
	}
	if needsStaging(cfg) {
		return fault.New(fault.Invalid, fmt.Sprintf("unsupported: staging for archive %q is not built", cfg.Automation.Execution.ArchiveName),
			"hold executions at ready until this build can stage, or set automation.execution.archive_name to an archive whose data needs no staging")
	}
	if cfg.OutputVerification.Required {
		return fault.New(fault.Invalid, "unsupported: output verification is not built",
			"hold executions at ready until this build can verify outputs, or set output_verification.required to false")
	}
	return nil
}

// intend makes the intent durable. ok is false when there is no room to submit any more: the
// execution stays ready.
func (e *Engine) intend(ctx context.Context, u *unit) (ok bool, err error) {
	err = e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		ok = false
		x, err := current(tx, u, ledger.Ready)
		if err != nil {
			return err
		}
		if x.Held != nil {
			return nil // held since it was claimed
		}
		if _, full, err := e.submissionLimit(tx.View, x); err != nil || full {
			return err
		}
		ok = true
		_, err = tx.Move(x, ledger.EventSubmit, e.intentStep(u))
		return err
	})
	return ok && err == nil, err
}

func (e *Engine) intentStep(u *unit) ledger.Step {
	step := ledger.Step{Why: "intent to submit", Actor: provenance.ActorExecution, Claim: &u.claim}
	if len(e.o.Software) > 0 {
		step.Extra = map[string]any{"software": e.o.Software}
	}
	return step
}

// conclude writes down what came of a submission. Its error is the submission's, or that of writing it
// down; then the execution stays submitting, and a poll asks the place once the claim has expired.
func (e *Engine) conclude(ctx context.Context, u *unit, s submission, receipt backends.Receipt, cause error) error {
	var err error
	switch {
	case cause == nil:
		err = e.accepted(ctx, u, s, receipt)
	case errors.Is(cause, fault.Conflict) && receipt.ID == s.ID && receipt.ExternalID != "":
		return e.accepted(ctx, u, s, receipt) // it was submitted before: that is the receipt
	default:
		switch fault.KindOf(cause) {
		case fault.Invalid, fault.NotFound:
			err = e.failForGood(ctx, u, ledger.Submitting, cause)
		case fault.Unavailable:
			err = e.refused(ctx, u, s, ledger.Submitting, cause)
		default:
			err = e.lost(ctx, u, cause)
		}
	}
	return errors.Join(cause, err)
}

// accepted takes the receipt. A wish to cancel that was recorded meanwhile is acted on.
func (e *Engine) accepted(ctx context.Context, u *unit, s submission, receipt backends.Receipt) error {
	cancel := false
	err := e.last(ctx, u, ledger.Submitting, func(tx *ledger.Tx, x ledger.Execution) error {
		at := receipt.At.UTC()
		if err := updateRecord(tx, x.ID, func(r *RunRecord) {
			run := r.attempt(s.kind, s.ID)
			run.SubmittedAt = &at
			run.Deploy = &Deploy{DeployedAt: at, Target: s.target, ExternalID: receipt.ExternalID, Folder: receipt.Folder, Details: receipt.Details}
		}); err != nil {
			return err
		}
		x, err := tx.Move(x, ledger.EventAccepted, ledger.Step{
			Actor: provenance.ActorExecution, Claim: &u.claim, ExternalID: receipt.ExternalID, Folder: receipt.Folder,
			Extra: map[string]any{"external_id": receipt.ExternalID, "folder": receipt.Folder, "target": s.target},
		})
		if err != nil || x.CancelWanted == nil {
			return err
		}
		cancel = true
		_, err = actOnWish(tx, x)
		return err
	})
	if err != nil {
		return err
	}
	e.o.Health.Clear(ProblemSubmissionRefused, s.target)
	if cancel {
		ctx, stop := grace(ctx)
		defer stop()
		e.deliverCancel(ctx, s.backend, u.execution.ID)
	}
	return nil
}

// refused goes back to ready: the place said no for now, or cannot be reached, and nothing was
// submitted. Each refusal waits twice as long as the one before.
func (e *Engine) refused(ctx context.Context, u *unit, s submission, state ledger.State, cause error) error {
	err := e.last(ctx, u, state, func(tx *ledger.Tx, x ledger.Execution) error {
		if state == ledger.Ready {
			var err error
			if x, err = tx.Move(x, ledger.EventSubmit, e.intentStep(u)); err != nil {
				return err
			}
		}
		until := tx.Now().Add(refusalWait(x.Refusals))
		x, err := tx.Move(x, ledger.EventRefused, ledger.Step{
			Why: cause.Error(), Actor: provenance.ActorExecution, Claim: &u.claim, NotBefore: &until, Extra: tryNext(cause),
		})
		if err != nil || x.CancelWanted == nil {
			return err
		}
		_, err = actOnWish(tx, x) // wanted while it was being submitted
		return err
	})
	if err == nil {
		e.problem(ProblemSubmissionRefused, s.target, "Nothing can be submitted to "+s.target, cause.Error(), "warning",
			"see that it runs and accepts work; it is tried again by itself")
	}
	return err
}

// refusedBefore is a refusal found before the intent was made. It is recorded as an intent that was
// refused, in one transaction, so that it counts and is waited for in the same way.
func (e *Engine) refusedBefore(ctx context.Context, u *unit, s submission, cause error) error {
	return errors.Join(cause, e.refused(ctx, u, s, ledger.Ready, cause))
}

// lost leaves it open whether the attempt was submitted; polls find out.
func (e *Engine) lost(ctx context.Context, u *unit, cause error) error {
	return e.last(ctx, u, ledger.Submitting, func(tx *ledger.Tx, x ledger.Execution) error {
		_, err := tx.Move(x, ledger.EventLost, ledger.Step{Why: cause.Error(), Actor: provenance.ActorExecution, Claim: &u.claim, Extra: tryNext(cause)})
		return err
	})
}

// actOnWish carries a recorded wish to cancel out, now that the outcome is known: the execution is
// ready, and ends, or queued, and is being cancelled.
func actOnWish(tx *ledger.Tx, x ledger.Execution) (ledger.Execution, error) {
	wish := *x.CancelWanted
	raw, err := tx.RunRecord(x.ID)
	if err != nil {
		return x, err
	}
	r, err := ReadRunRecord(raw)
	if err != nil {
		return x, err
	}
	return tx.Move(x, ledger.EventCancel, ledger.Step{
		Why: wish.Reason, Actor: wish.By, Requeue: r.Cancel != nil && r.Cancel.Requeue,
	})
}

// deliverCancel asks the place to stop a run, and notes that it has heard. What could not be delivered
// is delivered by a later poll.
func (e *Engine) deliverCancel(ctx context.Context, b backends.Backend, id string) {
	x, err := e.ledger.View(ctx).Execution(id)
	if err != nil || x.State != ledger.Cancelling {
		return
	}
	if err := b.Cancel(ctx, x.SubmissionID); err != nil && !errors.Is(err, fault.NotFound) {
		e.o.Log.Warn("cancel not delivered yet", "execution", id, "target", x.Target, "error", err)
		return
	}
	err = e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		return updateRecord(tx, id, func(r *RunRecord) {
			if r.Cancel == nil {
				r.Cancel = &CancelRecord{RequestedAt: tx.Now(), By: provenance.ActorPoll}
			}
			at := tx.Now().UTC().Truncate(time.Millisecond)
			r.Cancel.DeliveredAt = &at
		})
	})
	if err != nil {
		e.o.Log.Warn("note that a cancel was delivered", "execution", id, "error", err)
	}
}
