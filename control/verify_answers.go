package control

import (
	"time"

	"beampipe/ledger"
)

// ProvenanceHead is the head of the provenance log at a time. Kept elsewhere, it proves later whether the log
// still contains everything up to it.
type ProvenanceHead struct {
	At       time.Time   `json:"at"`
	Ledger   string      `json:"ledger"`
	LedgerID string      `json:"ledger_id"`
	Head     ledger.Head `json:"head"`
	Text     string      `json:"text"` // the head as VerifyRequest takes it
}

// VerifyRequest asks for a walk over the provenance log.
type VerifyRequest struct {
	Head string `json:"head,omitempty"` // as ProvenanceHead.Text; the log must contain it
}

// VerifyAnswer says whether the provenance log is what was written.
type VerifyAnswer struct {
	At     time.Time `json:"at"`
	Ledger string    `json:"ledger"`
	Intact bool      `json:"intact"` // no event is broken, the witness does not speak against it, and it contains the given head
	// Paused says why the ledger is paused; a restore explains a witness that has seen later events.
	Paused *ledger.Pause `json:"paused,omitempty"`
	ledger.Verified
}

// CheckAnswer says whether a ledger is sound.
type CheckAnswer struct {
	Ledger string `json:"ledger"`
	ledger.CheckReport
}
