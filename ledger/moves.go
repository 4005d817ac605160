package ledger

import (
	"fmt"
	"slices"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// Step is what goes with a transition: who, why, and what is recorded with it.
type Step struct {
	Why   string // one sentence for the event and, when it fails, for last_error
	Actor string
	Claim *Claim         // checked in the same transaction when it is given
	Extra map[string]any // more for the event's payload

	Class      Class      // of a failure
	NextRetry  *time.Time // of a failure that is retried by itself
	NotBefore  *time.Time // the next state is left alone until then
	ExternalID string     // kept when it is not empty
	Folder     string     // kept when it is not empty
	Requeue    bool       // of a cancel: the sources wait for a run again

	Profile         string // of a retry: the profile revision that is current now
	ProfileRevision int
	Target          string
	Automatic       bool // of a retry: nobody asked for it, it counts against the limit
}

// Move applies event to the execution as it was seen, together with its provenance event and with what
// follows for its sources. It returns a Conflict error when the execution has moved since, or when the
// event is not possible in its state.
func (tx *Tx) Move(seen Execution, event Event, step Step) (Execution, error) {
	t, err := next(seen.State, event)
	if err != nil {
		return seen, fmt.Errorf("execution %s: %w", seen.ID, err)
	}
	if step.Claim != nil {
		if err := tx.CheckClaim(*step.Claim); err != nil {
			return seen, err
		}
	}
	if event == EventSubmit && seen.Held != nil {
		return seen, fault.New(fault.Conflict, fmt.Sprintf("submit execution %s: it is held by %s (%s)", seen.ID, seen.Held.By, seen.Held.Reason),
			"release it: beampipe execution release "+seen.ID)
	}
	to := seen
	to.Sources = slices.Clone(seen.Sources) // what was seen stays as it was, should this be run again
	to.State, to.Version, to.UpdatedAt = t.To, seen.Version+1, tx.now
	if t.NextAttempt {
		to.Attempt++
	}
	applyStep(&to, event, step)
	if err := tx.writeMove(seen, to); err != nil {
		return seen, err
	}
	if err := tx.moveSources(&to, event, step); err != nil {
		return seen, err
	}
	return to, tx.moveEvent(seen, to, event, step)
}

// applyStep sets the columns that a transition changes besides state, attempt and version.
func applyStep(e *Execution, event Event, step Step) {
	now := e.UpdatedAt
	e.NotBefore = step.NotBefore
	e.NextRetryAt = nil
	if step.ExternalID != "" {
		e.ExternalID = step.ExternalID
	}
	if step.Folder != "" {
		e.Folder = step.Folder
	}
	switch event {
	case EventSubmit:
		e.SubmissionID = SubmissionID(e.ID, e.Attempt)
	case EventRefused:
		e.Refusals++
		e.Error = step.Why
	case EventPrepared:
		e.Error, e.Refusals = "", 0 // of preparations that could not be done
		if e.HoldAtReady {
			e.Held = &Mark{At: now, By: e.CreatedBy, Reason: "asked for: hold when ready"}
			e.HoldAtReady = false
		}
	case EventAccepted, EventFound, EventVerified:
		e.Error, e.Refusals = "", 0
	case EventStarted:
		if e.StartedAt == nil {
			e.StartedAt = &now
		}
	case EventFail, EventAbandoned:
		e.Class, e.Error, e.NextRetryAt = step.Class, step.Why, step.NextRetry
	case EventRetry:
		e.Class, e.Error, e.Refusals, e.StartedAt, e.CompletedAt, e.CancelWanted = "", "", 0, nil, nil, nil
		e.ExternalID, e.Folder, e.SubmissionID = "", "", ""
		if step.Automatic {
			e.AutoRetries++
		} else {
			e.AutoRetries = 0
		}
		if step.Profile != "" {
			e.Profile, e.ProfileRevision, e.Target = step.Profile, step.ProfileRevision, step.Target
		}
	case EventRecheck:
		e.Class, e.Error, e.CompletedAt = "", "", nil
	case EventAbsent:
		e.ExternalID, e.Folder, e.SubmissionID = "", "", ""
	}
	if e.State.Terminal() {
		e.CompletedAt = &now
		e.Held = nil
	}
}

// writeMove is the statement that can lose: it names the state, the attempt and the version as seen. It
// sets what has changed, because writing a column again costs its indexes and references as much as a
// change, and what changes without a new version (Postpone, Delay), of which seen may be stale.
func (tx *Tx) writeMove(seen, to Execution) error {
	set := "status = ?, version = ?, updated_at = ?, not_before = ?, next_retry_at = ?, refusals = ?, last_error = ?"
	args := []any{string(to.State), to.Version, Stamp(to.UpdatedAt), stampOrNull(to.NotBefore), stampOrNull(to.NextRetryAt), to.Refusals, to.Error}
	before, after := movedColumns(seen), movedColumns(to)
	for i, column := range moveColumns {
		if before[i] != after[i] {
			set += ", " + column + " = ?"
			args = append(args, after[i])
		}
	}
	if to.State.Terminal() {
		set += ", checkpoint = ''"
	}
	args = append(args, seen.ID, string(seen.State), seen.Attempt, seen.Version)
	n, err := tx.exec("move execution "+seen.ID, "UPDATE batch_execution_record SET "+set+
		" WHERE uuid = ? AND status = ? AND attempt = ? AND version = ?", args...)
	if err != nil {
		return err
	}
	if n != 1 {
		return fault.New(fault.Conflict, fmt.Sprintf("execution %s is no longer %s (attempt %d, version %d): it has moved meanwhile", seen.ID, seen.State, seen.Attempt, seen.Version), "read it again")
	}
	return nil
}

// moveColumns are the columns that some transition changes, besides those that every one writes.
var moveColumns = [...]string{
	"attempt", "profile", "profile_revision", "target", "failure_class", "auto_retries",
	"held_at", "held_by", "hold_reason", "hold_at_ready", "cancel_wanted_at", "cancel_wanted_by", "cancel_reason",
	"submission_id", "external_id", "folder", "started_at", "completed_at",
}

// movedColumns are the values of moveColumns, as they are stored.
func movedColumns(e Execution) [len(moveColumns)]any {
	var held, cancel Mark
	var heldAt, cancelAt any
	if e.Held != nil {
		held, heldAt = *e.Held, Stamp(e.Held.At)
	}
	if e.CancelWanted != nil {
		cancel, cancelAt = *e.CancelWanted, Stamp(e.CancelWanted.At)
	}
	return [...]any{
		e.Attempt, e.Profile, e.ProfileRevision, e.Target, string(e.Class), e.AutoRetries,
		heldAt, held.By, held.Reason, e.HoldAtReady, cancelAt, cancel.By, cancel.Reason,
		e.SubmissionID, e.ExternalID, e.Folder, stampOrNull(e.StartedAt), stampOrNull(e.CompletedAt),
	}
}

func (tx *Tx) moveEvent(seen, to Execution, event Event, step Step) error {
	payload := map[string]any{"from": string(seen.State), "to": string(to.State), "attempt": to.Attempt}
	if step.Why != "" {
		payload["why"] = step.Why
	}
	if step.Class != "" {
		payload["class"] = string(step.Class)
	}
	if to.NextRetryAt != nil {
		payload["next_retry_at"] = Stamp(*to.NextRetryAt)
	}
	for k, v := range step.Extra {
		payload[k] = v
	}
	return tx.Append(provenance.Event{
		Type: "execution." + string(event), Project: to.Project, Source: onlySource(to.Sources), Execution: to.ID, Actor: step.Actor, Correlation: to.SubmissionID,
	}, payload)
}

// onlySource is the source that an execution's events name: its only one, or none of several.
func onlySource(sources []ExecutionSource) string {
	if len(sources) != 1 {
		return ""
	}
	return sources[0].Identifier
}

// moveSources applies what a transition means for the execution's sources (DESIGN, "Sources and
// executions").
func (tx *Tx) moveSources(e *Execution, event Event, step Step) error {
	switch {
	case event == EventRetry || event == EventRecheck:
		return tx.reactivateSources(e)
	case !e.State.Terminal():
		return nil
	}
	if _, err := tx.exec("free sources of "+e.ID, "UPDATE execution_sources SET active = 0 WHERE execution = ?", e.ID); err != nil {
		return err
	}
	for i, s := range e.Sources {
		e.Sources[i].Active = false
		var err error
		switch {
		case e.State == Completed && s.Part():
			_, err = tx.exec("finish part of "+s.Identifier, "UPDATE sources SET last_execution = ? WHERE id = ?", e.ID, s.SourceID)
		case e.State == Completed:
			_, err = tx.exec("finish source "+s.Identifier, `UPDATE sources SET last_executed_signature = ?, last_execution = ?, executed_before_gone = '',
				workflow_run_pending_at = CASE WHEN signature = ? THEN NULL ELSE workflow_run_pending_at END,
				workflow_run_pending = CASE WHEN signature = ? THEN 0 ELSE workflow_run_pending END WHERE id = ?`,
				s.Current(), e.ID, s.Current(), s.Current(), s.SourceID)
		case e.State == Cancelled && step.Requeue:
			_, err = tx.exec("requeue source "+s.Identifier, `UPDATE sources SET workflow_run_pending = 1,
				workflow_run_pending_at = coalesce(workflow_run_pending_at, ?) WHERE id = ? AND removed_at IS NULL`, Stamp(tx.now), s.SourceID)
		case e.State == Cancelled:
			// Pending is cleared until the next change; a change that came meanwhile is kept.
			_, err = tx.exec("clear source "+s.Identifier, `UPDATE sources SET workflow_run_pending = 0, workflow_run_pending_at = NULL
				WHERE id = ? AND signature = ?`, s.SourceID, s.Current())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) reactivateSources(e *Execution) error {
	for i, s := range e.Sources {
		other, err := tx.ActiveExecution(s.SourceID)
		if err != nil {
			return err
		}
		if other != "" && other != e.ID {
			return fault.New(fault.Conflict, fmt.Sprintf("execution %s: execution %s works on %s now", e.ID, other, s.Identifier),
				"wait for it, or: beampipe execution cancel --reason TEXT "+other)
		}
		if _, err := tx.exec("take source "+s.Identifier, "UPDATE execution_sources SET active = 1 WHERE execution = ? AND source_id = ?", e.ID, s.SourceID); err != nil {
			return err
		}
		e.Sources[i].Active = true
	}
	return nil
}

// Hold keeps an execution where it is until it is released; it takes the place of a wish to be held at
// ready (NewExecution.HoldAtReady). It is a Conflict but in pending, preparing and ready; holding what
// is held is no change.
func (tx *Tx) Hold(e Execution, reason, actor string) (Execution, error) {
	switch e.State {
	case Pending, Preparing, Ready:
	default:
		return e, fault.New(fault.Conflict, fmt.Sprintf("hold execution %s: it is %s; only pending, preparing and ready ones can be held", e.ID, e.State), "")
	}
	if e.Held != nil {
		return e, nil
	}
	return tx.mark(e, provenance.ExecutionHeld, actor, reason, "held_at = ?, held_by = ?, hold_reason = ?, hold_at_ready = 0", Stamp(tx.now), actor, reason)
}

// Release ends a hold. Releasing what is not held is no change.
func (tx *Tx) Release(e Execution, reason, actor string) (Execution, error) {
	if e.Held == nil && !e.HoldAtReady {
		return e, nil
	}
	return tx.mark(e, provenance.ExecutionReleased, actor, reason, "held_at = NULL, held_by = '', hold_reason = '', hold_at_ready = 0")
}

// WantCancel records the wish to cancel an execution whose outcome outside is not known yet; it is
// acted on when it is known. An execution that has ended is a Conflict; a second wish is no change.
func (tx *Tx) WantCancel(e Execution, reason, actor string) (Execution, error) {
	if e.State.Terminal() {
		return e, fault.New(fault.Conflict, fmt.Sprintf("cancel execution %s: it is %s already", e.ID, e.State), "")
	}
	if e.CancelWanted != nil {
		return e, nil
	}
	return tx.mark(e, provenance.ExecutionCancelWanted, actor, reason, "cancel_wanted_at = ?, cancel_wanted_by = ?, cancel_reason = ?", Stamp(tx.now), actor, reason)
}

// Postpone leaves an execution alone until t, without an event: it is a wait, not a fact.
func (tx *Tx) Postpone(e Execution, t time.Time) error {
	return tx.execOne("postpone execution "+e.ID, "UPDATE batch_execution_record SET not_before = ? WHERE uuid = ? AND version = ?", Stamp(t), e.ID, e.Version)
}

// Delay leaves an execution alone until t because its work could not be done now, and counts that with
// its refusals. Why is kept as its error; there is no event, because nothing has happened to it.
func (tx *Tx) Delay(e Execution, t time.Time, why string) error {
	return tx.execOne("delay execution "+e.ID, "UPDATE batch_execution_record SET not_before = ?, refusals = refusals + 1, last_error = ?, updated_at = ? WHERE uuid = ? AND version = ?",
		Stamp(t), why, Stamp(tx.now), e.ID, e.Version)
}

func (tx *Tx) mark(e Execution, kind, actor, reason, set string, args ...any) (Execution, error) {
	args = append(args, e.Version+1, Stamp(tx.now), e.ID, e.Version)
	if err := tx.execOne("mark execution "+e.ID, "UPDATE batch_execution_record SET "+set+", version = ?, updated_at = ? WHERE uuid = ? AND version = ?", args...); err != nil {
		return e, err
	}
	if err := tx.Append(provenance.Event{Type: kind, Project: e.Project, Source: onlySource(e.Sources), Execution: e.ID, Actor: actor, Correlation: e.SubmissionID}, map[string]any{"reason": reason, "state": string(e.State)}); err != nil {
		return e, err
	}
	return tx.Execution(e.ID)
}
