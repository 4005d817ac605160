// Package provenance says what an event is, how events are chained by hash, and how a chain is
// verified. Events are stored by package ledger, in the same transaction as the change they record.
package provenance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
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
	sum := sha256.New()
	for _, field := range []string{
		e.PrevHash, strconv.FormatInt(e.Seq, 10), e.OccurredAt.UTC().Format(TimeFormat), e.Type, e.Project, e.Source,
		e.Execution, e.Actor, e.Correlation, string(e.Payload),
	} {
		fmt.Fprintf(sum, "%d:%s,", len(field), field)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Verifier checks a chain event by event, in constant memory.
type Verifier struct {
	seq  int64
	hash string
}

// Next checks one event against the one before it. The first event has Seq 1 and no PrevHash. The
// error names the event and what is wrong with it.
func (v *Verifier) Next(e Event) error {
	switch {
	case e.Seq > v.seq+1:
		return fmt.Errorf("event %d (%s): follows event %d, so %d before it are missing", e.Seq, e.Type, v.seq, e.Seq-v.seq-1)
	case e.Seq <= v.seq:
		return fmt.Errorf("event %d (%s): follows event %d, so it is out of order or there twice", e.Seq, e.Type, v.seq)
	case e.PrevHash != v.hash:
		return fmt.Errorf("event %d (%s): its prev_hash is not the hash of event %d", e.Seq, e.Type, v.seq)
	case e.ChainHash() != e.Hash:
		return fmt.Errorf("event %d (%s): its content does not match its hash", e.Seq, e.Type)
	}
	v.seq, v.hash = e.Seq, e.Hash
	return nil
}

// Head gives the sequence number and the hash of the last event that was checked.
func (v *Verifier) Head() (seq int64, hash string) { return v.seq, v.hash }
