package ledger

import (
	"fmt"
	"sync"

	"github.com/looplab/fsm"

	"beampipe/fault"
)

// State is where an execution stands. The list is closed; see docs/state-machine.md.
type State string

// The states.
const (
	Pending    State = "pending"    // admitted, nothing done yet
	Preparing  State = "preparing"  // manifest and graph are being made
	Ready      State = "ready"      // prepared, may be submitted
	Submitting State = "submitting" // the intent is recorded, the backend has not answered
	Uncertain  State = "uncertain"  // it may have been submitted; nobody knows yet
	Queued     State = "queued"     // the backend has it
	Running    State = "running"    // the backend works on it
	Cancelling State = "cancelling" // a cancel was asked for, the backend has not confirmed
	Verifying  State = "verifying"  // it ended well; its outputs are being checked
	Completed  State = "completed"  // final
	Failed     State = "failed"     // terminal until a retry
	Cancelled  State = "cancelled"  // final
)

// Terminal reports whether no work is going on in this state.
func (s State) Terminal() bool { return s == Completed || s == Failed || s == Cancelled }

// FinalStates are those that no event leads out of.
func FinalStates() []State { return []State{Completed, Cancelled} }

// Submitted reports whether something may exist outside of this process in this state.
func (s State) Submitted() bool {
	switch s {
	case Submitting, Uncertain, Queued, Running, Cancelling, Verifying:
		return true
	}
	return false
}

// Event is what happens to an execution. The list is closed.
type Event string

// The events.
const (
	EventPrepare   Event = "prepare"
	EventPrepared  Event = "prepared"
	EventSubmit    Event = "submit"
	EventAccepted  Event = "accepted"
	EventRefused   Event = "refused"
	EventLost      Event = "lost"
	EventFound     Event = "found"
	EventAbsent    Event = "absent"
	EventAbandoned Event = "abandoned"
	EventStarted   Event = "started"
	EventRequeued  Event = "requeued"
	EventFinished  Event = "finished"
	EventStopped   Event = "stopped"
	EventVerified  Event = "verified"
	EventCancel    Event = "cancel"
	EventFail      Event = "fail"
	EventRetry     Event = "retry"
	EventRecheck   Event = "recheck"
)

// Transition is one row of the table: Event leads from From to To. NextAttempt says that the attempt
// number grows with it.
type Transition struct {
	From        State `json:"from"`
	Event       Event `json:"event"`
	To          State `json:"to"`
	NextAttempt bool  `json:"next_attempt,omitempty"`
}

// Transitions is the state machine: the one table that Go code, the triggers in the database and the
// chart in docs are held to by tests.
func Transitions() []Transition {
	table := []Transition{
		{From: Pending, Event: EventPrepare, To: Preparing},
		{From: Preparing, Event: EventPrepared, To: Ready},
		{From: Ready, Event: EventSubmit, To: Submitting},
		{From: Submitting, Event: EventAccepted, To: Queued},
		{From: Submitting, Event: EventRefused, To: Ready},
		{From: Submitting, Event: EventLost, To: Uncertain},
		{From: Uncertain, Event: EventFound, To: Queued},
		{From: Uncertain, Event: EventAbsent, To: Ready, NextAttempt: true},
		{From: Uncertain, Event: EventAbandoned, To: Failed},
		{From: Queued, Event: EventStarted, To: Running},
		{From: Running, Event: EventRequeued, To: Queued},
		{From: Verifying, Event: EventVerified, To: Completed},
		{From: Failed, Event: EventRetry, To: Pending, NextAttempt: true},
		{From: Failed, Event: EventRecheck, To: Verifying},
	}
	for _, from := range []State{Queued, Running, Cancelling} {
		table = append(table,
			Transition{From: from, Event: EventFinished, To: Verifying},
			Transition{From: from, Event: EventStopped, To: Cancelled})
	}
	for _, from := range []State{Pending, Preparing, Ready, Verifying} {
		table = append(table, Transition{From: from, Event: EventCancel, To: Cancelled})
	}
	for _, from := range []State{Queued, Running} {
		table = append(table, Transition{From: from, Event: EventCancel, To: Cancelling})
	}
	for _, from := range []State{Pending, Preparing, Ready, Submitting, Queued, Running, Cancelling, Verifying} {
		table = append(table, Transition{From: from, Event: EventFail, To: Failed})
	}
	return table
}

// transitions is the table, made once: every step looks it up.
var transitions = sync.OnceValue(Transitions)

// machines holds one looplab/fsm per state. They are never moved: Can is all that is asked of them.
var machines = sync.OnceValue(func() map[State]*fsm.FSM {
	var events fsm.Events
	states := map[State]bool{}
	for _, t := range Transitions() {
		events = append(events, fsm.EventDesc{Name: string(t.Event), Src: []string{string(t.From)}, Dst: string(t.To)})
		states[t.From], states[t.To] = true, true
	}
	machines := make(map[State]*fsm.FSM, len(states))
	for state := range states {
		machines[state] = fsm.NewFSM(string(state), events, nil)
	}
	return machines
})

// next looks event up in the table. An event that the table does not list is a defect of the caller,
// told before the database sees it.
func next(from State, event Event) (Transition, error) {
	machine, ok := machines()[from]
	if !ok || !machine.Can(string(event)) {
		return Transition{}, fault.New(fault.Conflict, fmt.Sprintf("event %q is not possible in state %q", event, from), "")
	}
	for _, t := range transitions() {
		if t.From == from && t.Event == event {
			return t, nil
		}
	}
	return Transition{}, fmt.Errorf("state machine: %q in %q is in looplab's table but not in ours", event, from)
}

// Can reports whether event is possible in state.
func Can(from State, event Event) bool {
	_, err := next(from, event)
	return err == nil
}
