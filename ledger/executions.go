package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// Class says what kind of failure ended an execution.
type Class string

// The classes: plumbing is retried by itself, science only when a person says so.
const (
	ClassPlumbing Class = "plumbing" // could not submit, node failure, preemption, staging
	ClassScience  Class = "science"  // work began and an application failed, or ran out of time or memory
)

// Mark says who did something when and why: a hold, or a wish to cancel.
type Mark struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
}

// ExecutionSource is a source as an execution pinned it.
type ExecutionSource struct {
	SourceID   int64    `json:"-"`
	Identifier string   `json:"source_identifier"`
	SBIDs      []string `json:"sbids"`
	Signature  string   `json:"discovery_signature"` // pinned
	Resigned   string   `json:"-"`                   // that of the same data under a rule that came later
	Active     bool     `json:"active"`
}

// Current is the signature of the pinned data under the newest rule that it was signed under.
func (s ExecutionSource) Current() string {
	if s.Resigned != "" {
		return s.Resigned
	}
	return s.Signature
}

// PartPrefix begins the signature that is pinned for some of a source's SBIDs only.
const PartPrefix = "part:"

// Part tells whether only some of the source's SBIDs are run: its end says nothing about the whole.
func (s ExecutionSource) Part() bool { return strings.HasPrefix(s.Signature, PartPrefix) }

// Execution is one run of a graph over one or more sources: a row of batch_execution_record.
type Execution struct {
	ID              string            `json:"uuid"`
	Project         string            `json:"project_module"`
	ConfigRevision  int               `json:"config_revision"`
	Profile         string            `json:"profile"`
	ProfileRevision int               `json:"profile_revision"`
	Target          string            `json:"target"`
	State           State             `json:"status"`
	Attempt         int               `json:"attempt"`
	Version         int               `json:"version"`
	Signature       string            `json:"discovery_signature"`
	Class           Class             `json:"failure_class,omitempty"`
	Error           string            `json:"last_error,omitempty"`
	AutoRetries     int               `json:"auto_retries"`
	NextRetryAt     *time.Time        `json:"next_retry_at,omitempty"`
	NotBefore       *time.Time        `json:"not_before,omitempty"`
	Refusals        int               `json:"refusals"`
	Held            *Mark             `json:"held,omitempty"`
	HoldAtReady     bool              `json:"hold_at_ready,omitempty"`
	CancelWanted    *Mark             `json:"cancel_wanted,omitempty"`
	RerunOf         string            `json:"rerun_of,omitempty"`
	SubmissionID    string            `json:"submission_id,omitempty"`
	ExternalID      string            `json:"external_id,omitempty"`
	Folder          string            `json:"folder,omitempty"`
	Checkpoint      string            `json:"-"`
	CreatedAt       time.Time         `json:"created_at"`
	CreatedBy       string            `json:"created_by"`
	UpdatedAt       time.Time         `json:"updated_at"`
	StartedAt       *time.Time        `json:"started_at,omitempty"`
	CompletedAt     *time.Time        `json:"completed_at,omitempty"`
	Sources         []ExecutionSource `json:"sources"`
}

// SubmissionID is the deterministic name of an attempt outside of the ledger.
func SubmissionID(execution string, attempt int) string {
	return fmt.Sprintf("bp-%s-%d", execution, attempt)
}

const executionColumns = `uuid, project, config_revision, profile, profile_revision, target, status, attempt, version, discovery_signature,
	failure_class, last_error, auto_retries, next_retry_at, not_before, refusals, held_at, held_by, hold_reason, hold_at_ready,
	cancel_wanted_at, cancel_wanted_by, cancel_reason, rerun_of, submission_id, external_id, folder, checkpoint,
	created_at, created_by, updated_at, started_at, completed_at`

func scanExecution(scan func(...any) error) (Execution, error) {
	var e Execution
	var retry, notBefore, held, cancel, created, updated, started, completed timeText
	var heldMark, cancelMark Mark
	err := scan(&e.ID, &e.Project, &e.ConfigRevision, &e.Profile, &e.ProfileRevision, &e.Target, &e.State, &e.Attempt, &e.Version, &e.Signature,
		&e.Class, &e.Error, &e.AutoRetries, &retry, &notBefore, &e.Refusals, &held, &heldMark.By, &heldMark.Reason, &e.HoldAtReady,
		&cancel, &cancelMark.By, &cancelMark.Reason, &e.RerunOf, &e.SubmissionID, &e.ExternalID, &e.Folder, &e.Checkpoint,
		&created, &e.CreatedBy, &updated, &started, &completed)
	e.NextRetryAt, e.NotBefore, e.StartedAt, e.CompletedAt = retry.t, notBefore.t, started.t, completed.t
	e.CreatedAt, e.UpdatedAt = created.value(), updated.value()
	if held.t != nil {
		heldMark.At = *held.t
		e.Held = &heldMark
	}
	if cancel.t != nil {
		cancelMark.At = *cancel.t
		e.CancelWanted = &cancelMark
	}
	return e, err
}

// Execution reads one execution with its sources.
func (v View) Execution(id string) (Execution, error) {
	e, err := scanExecution(v.row("SELECT "+executionColumns+" FROM batch_execution_record WHERE uuid = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return e, fault.New(fault.NotFound, fmt.Sprintf("there is no execution %q in this ledger", id), "list them with: beampipe execution list")
	}
	if err != nil {
		return e, readError(v.path, "execution "+id, err)
	}
	e.Sources, err = v.executionSources(id)
	return e, err
}

func (v View) executionSources(id string) ([]ExecutionSource, error) {
	var list []ExecutionSource
	err := v.list("sources of execution "+id, "SELECT "+executionSourceColumns+" FROM execution_sources WHERE execution = ? ORDER BY identifier",
		[]any{id}, func(rows *sql.Rows) error {
			s, err := scanExecutionSource(rows)
			list = append(list, s)
			return err
		})
	return list, err
}

// unblocked leaves out executions with a source that another execution works on now, that has newer data
// waiting, or that was disabled or removed.
const unblocked = `NOT EXISTS (SELECT 1 FROM execution_sources mine JOIN execution_sources other
	ON other.source_id = mine.source_id AND other.active = 1 WHERE mine.execution = uuid AND other.execution <> uuid)
	AND NOT EXISTS (SELECT 1 FROM execution_sources mine JOIN sources s ON s.id = mine.source_id
	WHERE mine.execution = uuid AND (s.workflow_run_pending = 1 OR s.enabled = 0 OR s.removed_at IS NOT NULL))`

// RetriesDue lists failed executions whose time for an automatic retry has come, the longest due first.
// One whose retry would be refused, because another execution works on a source of it, waits. The plus
// before status keeps SQLite from walking over all that ever failed.
func (v View) RetriesDue(limit int) ([]Execution, error) {
	var list []Execution
	err := v.list("retries due", "SELECT "+executionColumns+` FROM batch_execution_record
		WHERE next_retry_at IS NOT NULL AND next_retry_at <= ? AND +status = 'failed' AND `+unblocked+` ORDER BY next_retry_at, uuid LIMIT ?`,
		[]any{Stamp(v.now), limit}, func(rows *sql.Rows) error {
			e, err := scanExecution(rows.Scan)
			list = append(list, e)
			return err
		})
	if err != nil {
		return nil, err
	}
	return list, v.addSources(list)
}

// NextRetryAt gives the earliest time at which a failed execution is to be retried by itself, or at
// which a delayed one may go on; nil when nothing waits for a time.
func (v View) NextRetryAt() (*time.Time, error) {
	var at timeText
	err := v.get("next retry", `SELECT min(t) FROM (
		SELECT min(max(next_retry_at, coalesce(not_before, next_retry_at))) AS t FROM batch_execution_record WHERE next_retry_at IS NOT NULL AND +status = 'failed' AND `+unblocked+`
		UNION ALL
		SELECT min(not_before) FROM batch_execution_record WHERE status IN ('pending', 'preparing', 'ready', 'submitting', 'uncertain') AND held_at IS NULL)`, nil, &at)
	return at.t, err
}

// NewExecution is what an execution is made from.
type NewExecution struct {
	Project         string
	ConfigRevision  int
	Profile         string
	ProfileRevision int
	Target          string
	Sources         []ExecutionSource // with pinned SBIDs and signature
	Signature       string            // combined
	HoldAtReady     bool
	RerunOf         string
	Actor           string
	Why             string
	Correlation     string
	Record          any // the first content of the run record, nil for none
}

// CreateExecution makes an execution in state pending and clears the pending flags of its sources. It
// is a Conflict when another execution works on one of them.
func (tx *Tx) CreateExecution(n NewExecution) (Execution, error) {
	id := tx.newID()
	now := Stamp(tx.now)
	if _, err := tx.exec("create execution", `INSERT INTO batch_execution_record (uuid, project, config_revision, profile, profile_revision, target,
		status, attempt, version, discovery_signature, hold_at_ready, rerun_of, created_at, created_by, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, 'pending', 1, 1, ?, ?, ?, ?, ?, ?)`,
		id, n.Project, n.ConfigRevision, n.Profile, n.ProfileRevision, n.Target, n.Signature, n.HoldAtReady, n.RerunOf, now, n.Actor, now); err != nil {
		return Execution{}, err
	}
	identifiers := make([]string, len(n.Sources))
	for i, s := range n.Sources {
		identifiers[i] = s.Identifier
		if err := tx.attachSource(id, n.Project, s); err != nil {
			return Execution{}, err
		}
	}
	if n.Record != nil {
		if err := tx.SetRunRecord(id, n.Record); err != nil {
			return Execution{}, err
		}
	}
	if err := tx.Append(provenance.Event{
		Type: provenance.ExecutionCreated, Project: n.Project, Source: onlySource(n.Sources), Execution: id, Actor: n.Actor, Correlation: n.Correlation,
	}, map[string]any{
		"sources": identifiers, "discovery_signature": n.Signature, "config_revision": n.ConfigRevision,
		"profile": n.Profile, "profile_revision": n.ProfileRevision, "why": n.Why, "rerun_of": n.RerunOf,
	}); err != nil {
		return Execution{}, err
	}
	return tx.Execution(id)
}

func (tx *Tx) attachSource(execution, project string, s ExecutionSource) error {
	other, err := tx.ActiveExecution(s.SourceID)
	if err != nil {
		return err
	}
	if other != "" {
		return fault.New(fault.Conflict, fmt.Sprintf("source %s: execution %s works on it already", s.Identifier, other),
			"wait for it, or: beampipe execution cancel --reason TEXT "+other)
	}
	sbids, err := jsonText(s.SBIDs)
	if err != nil {
		return err
	}
	if _, err := tx.exec("attach source "+s.Identifier, `INSERT INTO execution_sources (execution, source_id, project, identifier, sbids, signature, active)
		VALUES (?, ?, ?, ?, ?, ?, 1)`, execution, s.SourceID, project, s.Identifier, sbids, s.Signature); err != nil {
		return err
	}
	inputs := make([]ExecutionInput, len(s.SBIDs))
	for i, sbid := range s.SBIDs {
		inputs[i] = ExecutionInput{Input: Input{Kind: InputSBID, Value: sbid}, SourceID: s.SourceID}
	}
	if err := tx.AddInputs(execution, inputs); err != nil {
		return err
	}
	if s.Part() {
		return nil // what the whole waits for, it still waits for
	}
	if err := tx.endRetries(s.SourceID); err != nil {
		return err
	}
	_, err = tx.exec("clear pending of "+s.Identifier, `UPDATE sources SET workflow_run_pending = 0, workflow_run_pending_at = NULL
		WHERE id = ? AND signature = ?`, s.SourceID, s.Signature)
	return err
}
