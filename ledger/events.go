package ledger

import (
	"database/sql"
	"fmt"

	"beampipe/provenance"
)

// eventPage is how many events are read at once where nothing else is asked for.
const eventPage = 1000

// Append records an event at the end of the chain. Its payload is encoded as canonical JSON; nil
// leaves it empty. Every event needs an actor.
func (tx *Tx) Append(e provenance.Event, payload any) error {
	if payload != nil {
		text, err := Canonical(payload)
		if err != nil {
			return fmt.Errorf("event %s: %w", e.Type, err)
		}
		e.Payload = text
	}
	if e.Actor == "" {
		return fmt.Errorf("event %s: no actor", e.Type)
	}
	if !tx.headKnown {
		var err error
		if tx.headSeq, tx.headHash, err = tx.Head(); err != nil {
			return err
		}
		tx.headKnown = true
	}
	e.Seq, e.PrevHash = tx.headSeq+1, tx.headHash
	e.OccurredAt = tx.now
	e.Hash = e.ChainHash()
	if _, err := tx.exec("append event "+e.Type, `INSERT INTO provenance_events
		(seq, occurred_at, event_type, project_module, source_identifier, execution_id, actor, correlation_id, payload, prev_hash, hash)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.Seq, Stamp(e.OccurredAt), e.Type, e.Project, e.Source, e.Execution, e.Actor, e.Correlation, string(e.Payload), e.PrevHash, e.Hash); err != nil {
		return err
	}
	tx.headSeq, tx.headHash = e.Seq, e.Hash
	return nil
}

// Head gives the last event's sequence number and hash; 0 and "" for an empty log.
func (v View) Head() (seq int64, hash string, err error) {
	err = v.list("head of the provenance log", "SELECT seq, hash FROM provenance_events ORDER BY seq DESC LIMIT 1", nil,
		func(rows *sql.Rows) error { return rows.Scan(&seq, &hash) })
	return seq, hash, err
}

// CountEvents gives the number of events in the log.
func (v View) CountEvents() (int64, error) {
	seq, _, err := v.Head()
	return seq, err
}

// EachEvent gives the whole chain in order, for verification, a page at a time: no query is open while
// fn runs. It stops with fn's error.
func (v View) EachEvent(fn func(provenance.Event) error) error {
	var last int64
	for {
		page, err := v.Events(EventFilter{After: last, Limit: eventPage})
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := fn(e); err != nil {
				return err
			}
			last = e.Seq
		}
		if len(page) < eventPage {
			return nil
		}
	}
}

func scanEvent(rows *sql.Rows) (provenance.Event, error) {
	var e provenance.Event
	var at timeText
	var payload string
	err := rows.Scan(&e.Seq, &at, &e.Type, &e.Project, &e.Source, &e.Execution, &e.Actor, &e.Correlation, &payload, &e.PrevHash, &e.Hash)
	e.OccurredAt = at.value()
	if payload != "" {
		e.Payload = []byte(payload)
	}
	return e, err
}
