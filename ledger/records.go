package ledger

import (
	"database/sql"
	"encoding/json"
	"time"
	"unicode/utf8"
)

// MaxRawBytes bounds the raw text that is kept of an observation or a run record's excerpt.
const MaxRawBytes = 2048

// Observation is external evidence about an execution: what a scheduler, a session or an output said.
type Observation struct {
	ID         int64     `json:"-"`
	Execution  string    `json:"-"`
	Attempt    int       `json:"attempt"`
	Kind       string    `json:"kind"`
	State      string    `json:"state"`
	Reason     string    `json:"reason,omitempty"`
	Raw        string    `json:"raw,omitempty"`
	ObservedAt time.Time `json:"observed_at"`
}

// Observe keeps an observation when it differs from the last one of its kind; changed tells.
func (tx *Tx) Observe(o Observation) (changed bool, err error) {
	var last Observation
	err = tx.list("last observation", `SELECT attempt, state, reason FROM execution_observations WHERE execution = ? AND kind = ? ORDER BY id DESC LIMIT 1`,
		[]any{o.Execution, o.Kind}, func(rows *sql.Rows) error { return rows.Scan(&last.Attempt, &last.State, &last.Reason) })
	if err != nil || (last.Attempt == o.Attempt && last.State == o.State && last.Reason == o.Reason) {
		return false, err
	}
	_, err = tx.exec("store observation", `INSERT INTO execution_observations (execution, attempt, kind, state, reason, raw, observed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, o.Execution, o.Attempt, o.Kind, o.State, o.Reason, Excerpt(o.Raw, MaxRawBytes), Stamp(tx.now))
	return true, err
}

// Observations lists what was observed of an execution, oldest first.
func (v View) Observations(execution string) ([]Observation, error) {
	var list []Observation
	err := v.list("observations", `SELECT id, execution, attempt, kind, state, reason, raw, observed_at FROM execution_observations
		WHERE execution = ? ORDER BY id`, []any{execution}, func(rows *sql.Rows) error {
		var o Observation
		var at timeText
		err := rows.Scan(&o.ID, &o.Execution, &o.Attempt, &o.Kind, &o.State, &o.Reason, &o.Raw, &at)
		o.ObservedAt = at.value()
		list = append(list, o)
		return err
	})
	return list, err
}

// Excerpt cuts text to at most n bytes without splitting a character.
func Excerpt(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// SetRunRecord replaces what the backend said about an execution.
func (tx *Tx) SetRunRecord(execution string, record any) error {
	text, err := jsonText(record)
	if err != nil {
		return err
	}
	_, err = tx.exec("store run record", `INSERT INTO run_records (execution, record, updated_at) VALUES (?, ?, ?)
		ON CONFLICT (execution) DO UPDATE SET record = excluded.record, updated_at = excluded.updated_at WHERE record <> excluded.record`,
		execution, text, Stamp(tx.now))
	return err
}

// RunRecord reads what the backend said about an execution, as JSON; nil when there is none.
func (v View) RunRecord(execution string) (json.RawMessage, error) {
	var record json.RawMessage
	err := v.list("run record", "SELECT record FROM run_records WHERE execution = ?", []any{execution}, func(rows *sql.Rows) error {
		var text string
		err := rows.Scan(&text)
		record = json.RawMessage(text)
		return err
	})
	return record, err
}

// SaveCheckpoint keeps how far an execution's preparation came, under the claim of its worker.
func (tx *Tx) SaveCheckpoint(e Execution, claim Claim, checkpoint []byte) error {
	if err := tx.CheckClaim(claim); err != nil {
		return err
	}
	return tx.execOne("checkpoint execution "+e.ID, "UPDATE batch_execution_record SET checkpoint = ? WHERE uuid = ? AND version = ?", string(checkpoint), e.ID, e.Version)
}
