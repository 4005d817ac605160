package execution

import (
	"slices"
	"testing"

	"beampipe/backends"
	"beampipe/ledger"
)

func TestEveryObservationInEveryState(t *testing.T) {
	const (
		found, absent     = ledger.EventFound, ledger.EventAbsent
		started, requeued = ledger.EventStarted, ledger.EventRequeued
		finish, verified  = ledger.EventFinished, ledger.EventVerified
		fail, stopped     = ledger.EventFail, ledger.EventStopped
	)
	phases := []backends.Phase{
		backends.PhaseQueued, backends.PhaseRunning, backends.PhaseFinished, backends.PhaseFailed,
		backends.PhaseCancelled, backends.PhaseLost, backends.PhaseUnknown, stateUnreachable, "something new",
	}
	none := []ledger.Event(nil)
	table := map[ledger.State][][]ledger.Event{
		ledger.Uncertain:  {{found}, {found, started}, {found, finish, verified}, {found, fail}, {found, stopped}, {absent}, none, none, none},
		ledger.Queued:     {none, {started}, {finish, verified}, {fail}, {stopped}, {fail}, none, none, none},
		ledger.Running:    {{requeued}, none, {finish, verified}, {fail}, {stopped}, {fail}, none, none, none},
		ledger.Cancelling: {none, none, {finish, verified}, {fail}, {stopped}, {stopped}, none, none, none},
	}
	for _, state := range []ledger.State{ledger.Pending, ledger.Preparing, ledger.Ready, ledger.Submitting, ledger.Verifying, ledger.Completed, ledger.Failed, ledger.Cancelled} {
		table[state] = make([][]ledger.Event, len(phases))
	}
	for state, row := range table {
		for i, want := range row {
			got := verdict(state, backends.Observation{Phase: phases[i]})
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: %v, expected %v", state, phases[i], got, want)
			}
			// Each event leads on from the state that the one before it leads to.
			at := state
			for _, event := range got {
				if !ledger.Can(at, event) {
					t.Errorf("%s, %s: %s is not possible in %s", state, phases[i], event, at)
				}
				for _, tr := range ledger.Transitions() {
					if tr.From == at && tr.Event == event {
						at = tr.To
						break
					}
				}
			}
		}
	}
	if got := verdict(ledger.Queued, finished); !slices.Equal(got, []ledger.Event{started, finish, verified}) {
		t.Errorf("what finished between two polls has started: %v", got)
	}
}
