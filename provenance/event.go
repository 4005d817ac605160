// Package provenance says what an event is, how events are chained by hash, and how a chain is
// verified. Events are stored by package ledger, in the same transaction as the change they record.
package provenance

import (
	"encoding/json"
	"time"
)

// TimeFormat is how every time of the ledger and of its events is written: UTC, milliseconds, Z.
// Its text order is its time order.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// Event is one thing that happened. Seq, PrevHash and Hash are given by the ledger.
type Event struct {
	Seq         int64           `json:"seq"`
	OccurredAt  time.Time       `json:"occurred_at"`
	Type        string          `json:"event_type"`
	Project     string          `json:"project_module,omitempty"`
	Source      string          `json:"source_identifier,omitempty"`
	Execution   string          `json:"execution_id,omitempty"`
	Actor       string          `json:"actor"`
	Correlation string          `json:"correlation_id,omitempty"`
	Payload     json.RawMessage `json:"payload,omitempty"`
	PrevHash    string          `json:"prev_hash"`
	Hash        string          `json:"hash"`
}

// ChainHash computes the event's hash from the hash before it and every stored field. Each field goes
// in with its length, so that no two different events give the same input.
func (e Event) ChainHash() string {
	r := e.record()
	var h hasher
	return string(h.sum(&r, r.Seq))
}
