package execution

import (
	"beampipe/backends"
	"beampipe/ledger"
)

// verdict says what an observation means for an execution in a state: the transitions to make, in
// order. None means that nothing is known that moves it. It has no side: what a lost run outside means
// (absent) holds only once its attempt is fenced.
func verdict(state ledger.State, o backends.Observation) []ledger.Event {
	switch state {
	case ledger.Uncertain:
		switch {
		case o.Phase == backends.PhaseLost:
			return []ledger.Event{ledger.EventAbsent}
		case o.Phase == backends.PhaseQueued, o.Phase == backends.PhaseRunning, o.Phase.Ended():
			return append([]ledger.Event{ledger.EventFound}, verdict(ledger.Queued, o)...)
		}
		return nil
	case ledger.Queued:
		if o.Phase == backends.PhaseRunning {
			return []ledger.Event{ledger.EventStarted}
		}
		if (o.Phase == backends.PhaseFinished || o.Phase == backends.PhaseFailed) && o.StartedAt != nil {
			return append([]ledger.Event{ledger.EventStarted}, ending(o.Phase)...)
		}
	case ledger.Running:
		if o.Phase == backends.PhaseQueued {
			return []ledger.Event{ledger.EventRequeued}
		}
	case ledger.Cancelling:
		if o.Phase == backends.PhaseLost {
			return []ledger.Event{ledger.EventStopped} // nothing of it is left: that was asked for
		}
	default:
		return nil
	}
	return ending(o.Phase)
}

// ending is how a run that its place has ends; nothing when it has not ended. What finished is verified
// at once: a project that asks for output verification is refused at submission.
func ending(p backends.Phase) []ledger.Event {
	switch p {
	case backends.PhaseFinished:
		return []ledger.Event{ledger.EventFinished, ledger.EventVerified}
	case backends.PhaseFailed, backends.PhaseLost:
		return []ledger.Event{ledger.EventFail}
	case backends.PhaseCancelled:
		return []ledger.Event{ledger.EventStopped}
	}
	return nil
}
