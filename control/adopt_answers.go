package control

import (
	"time"

	"beampipe/execution"
	"beampipe/ledger"
)

// AdoptRequest asks to let a paused ledger act from here.
type AdoptRequest struct {
	Reason string `json:"reason"`
	DryRun bool   `json:"dry_run,omitempty"` // ask, and change nothing
	// ForgetStrangers adopts although attempts outside are not known to the ledger, or a place cannot be
	// asked: their sources may run a second time.
	ForgetStrangers bool `json:"forget_strangers,omitempty"`
}

// Adoption is what was found outside when a ledger was to be adopted, and what came of it.
type Adoption struct {
	At      time.Time                `json:"at"`
	Adopted bool                     `json:"adopted"`
	Paused  ledger.Pause             `json:"paused"` // why it was
	From    ledger.Home              `json:"from"`
	To      ledger.Home              `json:"to"`
	Found   execution.Reconciliation `json:"found"`
}
