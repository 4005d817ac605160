package daemon

import (
	"log/slog"
	"sync"
)

// State is what a daemon is at, as /ready tells.
type State string

// The states. Only a leading daemon is ready.
const (
	StateStarting State = "starting"
	StateStandby  State = "standby" // another process leads
	StatePaused   State = "paused"  // the ledger is to be adopted first
	StateTrouble  State = "trouble" // the ledger cannot be written to
	StateLeading  State = "leading"
	StateEnded    State = "ended"
)

// Readiness is what /ready answers.
type Readiness struct {
	Ready  bool   `json:"ready"`
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"` // why it is not ready
}

// standing keeps what the daemon is at. It is safe for concurrent use.
type standing struct {
	log *slog.Logger

	mu  sync.Mutex
	now Readiness
}

// set says what the daemon is at; a change is logged.
func (s *standing) set(state State, reason string) {
	now := Readiness{Ready: state == StateLeading, State: state, Reason: reason}
	s.mu.Lock()
	before := s.now
	s.now = now
	s.mu.Unlock()
	switch {
	case before == now:
	case state == StatePaused || state == StateTrouble:
		s.log.Warn("daemon takes no work", "state", state, "because", reason)
	case state == StateStarting:
	case reason != "":
		s.log.Info("daemon "+string(state), "because", reason)
	default:
		s.log.Info("daemon " + string(state))
	}
}

func (s *standing) get() Readiness {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}
