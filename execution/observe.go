package execution

import (
	"fmt"
	"slices"
	"strings"

	"beampipe/backends"
	"beampipe/ledger"
	"beampipe/provenance"
)

// applied is what became of an execution by an observation.
type applied struct {
	execution ledger.Execution
	stale     bool // it moved after its place was asked: the answer was left unused
	moved     bool
	deliver   bool // its place has still to hear that it is to stop
}

// apply writes an observation down and moves the execution by it, in the transaction. polled is the
// execution as it was when its place was asked; one that has moved since is left alone. fenced says
// that the attempt, which the place does not have, can never start.
func (e *Engine) apply(tx *ledger.Tx, polled ledger.Execution, o backends.Observation, kind string, products *madeProducts, fenced bool) (applied, error) {
	x, err := tx.Execution(polled.ID)
	if err != nil || x.Version != polled.Version {
		return applied{execution: x, stale: true}, err
	}
	events := verdict(x.State, o)
	if slices.Contains(events, ledger.EventAbsent) && !fenced {
		events = nil // not yet: it could still start
	}
	changed, err := tx.Observe(ledger.Observation{
		Execution: x.ID, Attempt: x.Attempt, Kind: kind, State: string(o.Phase), Reason: o.Reason, Raw: o.Raw,
	})
	if err != nil {
		return applied{}, err
	}
	if changed && len(events) == 0 {
		err = observedEvent(tx, x, o)
	}
	if err == nil && (changed || len(events) > 0) {
		err = noteRun(tx, x, o, kind, events)
	}
	if err != nil {
		return applied{}, err
	}
	a := applied{execution: x, moved: len(events) > 0}
	if products != nil && slices.Contains(events, ledger.EventFinished) {
		if err := products.store(tx, x); err != nil {
			return applied{}, err
		}
	}
	for _, event := range events {
		if a.execution, err = e.moveBy(tx, a.execution, event, o); err != nil {
			return applied{}, err
		}
	}
	return e.wishes(tx, a)
}

// moveBy makes one transition for an observation.
func (e *Engine) moveBy(tx *ledger.Tx, x ledger.Execution, event ledger.Event, o backends.Observation) (ledger.Execution, error) {
	step := ledger.Step{Why: o.Reason, Actor: provenance.ActorPoll}
	switch event {
	case ledger.EventStarted, ledger.EventVerified:
		step.Why = ""
	case ledger.EventFound:
		step.Why = fmt.Sprintf("its place has it: %s", o.Phase)
		step.ExternalID, step.Folder = o.ExternalID, o.Folder
	case ledger.EventAbsent:
		step.Why = "proved not to be at its place, and fenced"
		if err := recordFence(tx, x, provenance.ActorPoll); err != nil {
			return x, err
		}
		if wait := absentWait(x.Attempt); wait > 0 {
			until := tx.Now().Add(wait)
			step.NotBefore = &until
		}
	case ledger.EventFinished:
		step.Extra = map[string]any{"products": len(o.Products)}
	case ledger.EventStopped:
		raw, err := tx.RunRecord(x.ID)
		if err != nil {
			return x, err
		}
		r, err := ReadRunRecord(raw)
		if err != nil {
			return x, err
		}
		wanted := x.State == ledger.Cancelling || x.CancelWanted != nil
		step.Requeue = wanted && r.Cancel != nil && r.Cancel.Requeue
	case ledger.EventFail:
		step.Why, step.Class = failure(o)
		if step.Class == ledger.ClassPlumbing && x.State != ledger.Cancelling && x.CancelWanted == nil {
			step.NextRetry = retryAt(tx.Now(), x)
		}
	}
	return tx.Move(x, event, step)
}

// failure says why a run failed and of what class that is. A failure that nobody has classed is not
// repeated by itself.
func failure(o backends.Observation) (string, ledger.Class) {
	if o.Phase == backends.PhaseLost {
		return strings.TrimSuffix("lost: its place no longer has it: "+o.Reason, ": "), ledger.ClassPlumbing
	}
	class := ledger.ClassScience
	if o.Class == backends.ClassPlumbing {
		class = ledger.ClassPlumbing
	}
	why := o.Reason
	if why == "" {
		why = "the run failed; its place gives no reason"
	}
	return why, class
}

// wishes acts on a wish to cancel when the outcome is known now, and tells whether the place has still
// to hear of one.
func (e *Engine) wishes(tx *ledger.Tx, a applied) (applied, error) {
	x := a.execution
	if x.CancelWanted != nil && (x.State == ledger.Queued || x.State == ledger.Running || x.State == ledger.Ready) {
		var err error
		if a.execution, err = actOnWish(tx, x); err != nil {
			return a, err
		}
		a.moved = true
	}
	if a.execution.State != ledger.Cancelling {
		return a, nil
	}
	raw, err := tx.RunRecord(x.ID)
	if err != nil {
		return a, err
	}
	r, err := ReadRunRecord(raw)
	a.deliver = r.Cancel == nil || r.Cancel.DeliveredAt == nil
	return a, err
}

// observedEvent records an observation that moves nothing: it is a fact all the same.
func observedEvent(tx *ledger.Tx, x ledger.Execution, o backends.Observation) error {
	payload := map[string]any{"state": string(x.State), "observed": string(o.Phase), "attempt": x.Attempt}
	if o.Reason != "" {
		payload["reason"] = o.Reason
	}
	return tx.Append(provenance.Event{
		Type: provenance.ExecutionObserved, Project: x.Project, Execution: x.ID, Actor: provenance.ActorPoll, Correlation: x.SubmissionID,
	}, payload)
}

// noteRun keeps the observation in the run record.
func noteRun(tx *ledger.Tx, x ledger.Execution, o backends.Observation, kind string, events []ledger.Event) error {
	return updateRecord(tx, x.ID, func(r *RunRecord) {
		run := r.attempt(kind, x.SubmissionID)
		if x.State == ledger.Uncertain {
			answer := observationRecord(o)
			run.Lookup = &answer
			if !slices.Contains(events, ledger.EventFound) {
				return // what a lookup does not find is not how a run ended
			}
		}
		run.observe(o, endState(events))
	})
}

// endState is the state that the events lead to, when they end the execution.
func endState(events []ledger.Event) ledger.State {
	if len(events) == 0 {
		return ""
	}
	switch events[len(events)-1] {
	case ledger.EventVerified:
		return ledger.Completed
	case ledger.EventFail:
		return ledger.Failed
	case ledger.EventStopped:
		return ledger.Cancelled
	}
	return ""
}
