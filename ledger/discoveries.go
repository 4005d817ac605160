package ledger

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"beampipe/provenance"
)

// Metadata is what is known of a source under one SBID.
type Metadata struct {
	SBID         string           `json:"sbid"`
	Records      []map[string]any `json:"datasets"`
	Flags        map[string]any   `json:"discovery_flags,omitempty"`
	FirstSeenAt  time.Time        `json:"first_seen_at"`
	ChangedAt    time.Time        `json:"changed_at"`
	MissingSince *time.Time       `json:"missing_since,omitempty"`

	// View.Metadata says what of it is excluded; StoreDiscovery does not read these.
	Excluded     []string `json:"excluded,omitempty"`      // identities of its records that are excluded, sorted
	SBIDExcluded bool     `json:"sbid_excluded,omitempty"` // the SBID is excluded as a whole
}

// Change is one readable difference between what was known and what an archive now says.
type Change struct {
	Kind    string `json:"kind"` // dataset_added, dataset_gone, dataset_changed, flag_changed, sbid_added, sbid_gone
	SBID    string `json:"sbid,omitempty"`
	Dataset string `json:"dataset,omitempty"`
	Field   string `json:"field,omitempty"`
	Before  any    `json:"before,omitempty"`
	After   any    `json:"after,omitempty"`
}

// ChangeSet is one recorded change of a source.
type ChangeSet struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
	Before  string    `json:"signature_before"`
	After   string    `json:"signature_after"`
	Changes []Change  `json:"changes"`
}

// Discovery is the conclusion about one source, to be stored under its claim.
type Discovery struct {
	Source  Source // as it was when it was claimed
	Claim   Claim
	Outcome string // one of the Outcome constants
	// For changed, unchanged, no_data and gone: the signature and its rule now.
	Signature string
	Rule      string
	// Metadata is all that the archive shows now; nil leaves what is stored, also what is marked as
	// missing, so a source that shows its data again needs it. For missing it only says which SBIDs are
	// shown. For gone, nil is nothing at all.
	Metadata   []Metadata
	Answer     []byte // JSON of the rows as they came; nil leaves what is stored
	Changes    []Change
	GoneDigest string // for missing: digest of what is shown now; equal ones are agreeing answers
	Error      string // for error, refused and ambiguous
	// QuarantineAfter is the number of unusable answers (refused, ambiguous) that quarantine the source; 0 = never.
	QuarantineAfter int
	NextDue         time.Time // when to ask again
	Report          any       // what the discovery did, for "source why"
	Columns         []string  // columns seen for the first time under this rule, to be reported
}

// StoreDiscovery stores a discovery: metadata, signature, pending flag and events in one transaction.
// It is a Conflict when the claim was lost. Nothing that was known is deleted: what an archive no
// longer shows is kept with the time since when it is missing.
func (tx *Tx) StoreDiscovery(d Discovery) error {
	if d.Claim.Subject != SourceSubject(d.Source.ID) {
		return fmt.Errorf("store discovery of %s: the claim is of %q", d.Source.Identifier, d.Claim.Subject)
	}
	if err := tx.CheckClaim(d.Claim); err != nil {
		return err
	}
	report, err := jsonText(d.Report)
	if err != nil {
		return err
	}
	if err := tx.endQuarantine(d); err != nil {
		return err
	}
	switch d.Outcome {
	case OutcomeChanged:
		err = tx.storeChanged(d, report)
	case OutcomeUnchanged:
		err = tx.storeUnchanged(d, report)
	case OutcomeNoData:
		err = tx.storeNoData(d, report)
	case OutcomeMissing:
		err = tx.storeMissing(d, report)
	case OutcomeGone:
		err = tx.storeGone(d, report)
	case OutcomeError, OutcomeAmbiguous, OutcomeRefused:
		err = tx.storeFailure(d, report)
	default:
		err = fmt.Errorf("store discovery of %s: unknown outcome %q", d.Source.Identifier, d.Outcome)
	}
	if err != nil {
		return err
	}
	if len(d.Columns) > 0 {
		if err := tx.discoveryEvent(d, provenance.DiscoveryColumns, map[string]any{"columns": d.Columns}); err != nil {
			return err
		}
	}
	return tx.ReleaseClaim(d.Claim)
}

func (tx *Tx) discoveryEvent(d Discovery, kind string, payload map[string]any) error {
	return tx.Append(provenance.Event{
		Type: kind, Project: d.Source.Project, Source: d.Source.Identifier,
		Actor: provenance.ActorDiscovery, Correlation: d.Claim.Batch,
	}, payload)
}

// answered is what every complete answer that shows what is known, or more, sets back.
const answered = `last_error = '', failures = 0, refusals = 0, quarantined_at = NULL,
	gone_answers = 0, gone_since = NULL, gone_digest = '', accept_missing_at = NULL, `

func (tx *Tx) storeChanged(d Discovery, report string) error {
	if err := tx.storeMetadata(d); err != nil {
		return err
	}
	now := Stamp(tx.now)
	// What was already executed does not wait for another run; everything else that changed does. Data
	// that is back after it was accepted as gone was executed when it was before.
	args := append([]any{d.Signature, d.Rule, now, now, now}, dueNextArgs(d)...)
	args = append(args, d.Outcome, report, d.Signature, d.Signature, now, d.Signature, d.Signature, d.Source.ID)
	if err := tx.execOne("store discovery of "+d.Source.Identifier, `UPDATE sources SET `+answered+`signature = ?, signature_rule = ?, signature_since = ?,
		last_checked_at = ?, last_attempted_at = ?, `+dueNext+`, last_outcome = ?, missing_since = NULL, report = ?,
		last_executed_signature = CASE WHEN executed_before_gone = ? THEN executed_before_gone ELSE last_executed_signature END,
		workflow_run_pending_at = CASE WHEN ? IN (last_executed_signature, executed_before_gone) THEN NULL WHEN workflow_run_pending = 1 THEN workflow_run_pending_at ELSE ? END,
		workflow_run_pending = CASE WHEN ? IN (last_executed_signature, executed_before_gone) THEN 0 ELSE 1 END,
		executed_before_gone = CASE WHEN executed_before_gone = ? THEN '' ELSE executed_before_gone END
		WHERE id = ?`, args...); err != nil {
		return err
	}
	if err := tx.recordChanges(d); err != nil {
		return err
	}
	sbids, datasets := make([]string, 0, len(d.Metadata)), 0
	for _, m := range d.Metadata {
		sbids, datasets = append(sbids, m.SBID), datasets+len(m.Records)
	}
	if err := tx.discoveryEvent(d, provenance.DiscoveryChanged, map[string]any{
		"signature": d.Signature, "before": d.Source.Signature, "rule": d.Rule, "sbids": sbids, "datasets": datasets,
	}); err != nil {
		return err
	}
	return tx.supersede(d)
}

// supersede settles what changed data means for the execution that works on the source. One that was
// made from this very data goes on and is what the source waits for. One made from other data is
// cancelled when it is not submitted yet. One that failed is not retried by itself over the new data.
func (tx *Tx) supersede(d Discovery) error {
	id, err := tx.ActiveExecution(d.Source.ID)
	if err != nil {
		return err
	}
	if id == "" {
		return tx.endRetries(d.Source.ID)
	}
	e, err := tx.Execution(id)
	if err != nil {
		return err
	}
	for _, s := range e.Sources {
		if s.SourceID == d.Source.ID && s.Current() == d.Signature {
			_, err := tx.exec("clear pending of "+d.Source.Identifier, "UPDATE sources SET workflow_run_pending = 0, workflow_run_pending_at = NULL WHERE id = ?", d.Source.ID)
			return err
		}
	}
	if e.State.Submitted() {
		return nil
	}
	why := "superseded: new data for " + d.Source.Identifier
	if _, err := tx.Move(e, EventCancel, Step{Why: why, Actor: provenance.ActorDiscovery, Requeue: true}); err != nil {
		return err
	}
	// The others of the execution wait again; this one only for data that was not executed before.
	_, err = tx.exec("clear pending of "+d.Source.Identifier, `UPDATE sources SET workflow_run_pending = 0, workflow_run_pending_at = NULL
		WHERE id = ? AND last_executed_signature = signature`, d.Source.ID)
	return err
}

func (tx *Tx) storeUnchanged(d Discovery, report string) error {
	now := Stamp(tx.now)
	// Under a new rule the same data has a new signature; what was executed was the same data.
	args := append([]any{d.Signature, d.Signature, d.Rule, now, now}, dueNextArgs(d)...)
	if err := tx.execOne("store discovery of "+d.Source.Identifier, `UPDATE sources SET `+answered+`
		last_executed_signature = CASE WHEN last_executed_signature <> '' AND last_executed_signature = signature THEN ? ELSE last_executed_signature END,
		signature = ?, signature_rule = ?, last_checked_at = ?, last_attempted_at = ?, `+dueNext+`, last_outcome = ?,
		missing_since = NULL, report = ? WHERE id = ?`, append(args, d.Outcome, report, d.Source.ID)...); err != nil {
		return err
	}
	if err := tx.storeMetadata(d); err != nil {
		return err
	}
	if d.Signature != d.Source.Signature {
		if _, err := tx.exec("re-sign executions of "+d.Source.Identifier, `UPDATE execution_sources SET resigned = ?
			WHERE source_id = ? AND CASE resigned WHEN '' THEN signature ELSE resigned END = ?`, d.Signature, d.Source.ID, d.Source.Signature); err != nil {
			return err
		}
		return tx.discoveryEvent(d, provenance.DiscoveryResigned, map[string]any{"before": d.Source.Signature, "signature": d.Signature, "rule": d.Rule})
	}
	if d.Source.LastOutcome != OutcomeUnchanged && d.Source.LastOutcome != OutcomeChanged {
		return tx.discoveryEvent(d, provenance.DiscoveryUnchanged, map[string]any{"signature": d.Signature, "after": d.Source.LastOutcome})
	}
	return nil
}

func (tx *Tx) storeNoData(d Discovery, report string) error {
	now := Stamp(tx.now)
	args := append([]any{d.Signature, now, d.Signature, d.Rule, now, now}, dueNextArgs(d)...)
	if err := tx.execOne("store discovery of "+d.Source.Identifier, `UPDATE sources SET `+answered+`
		signature_since = CASE WHEN signature = ? THEN coalesce(signature_since, last_checked_at) ELSE ? END,
		signature = ?, signature_rule = ?, last_checked_at = ?, last_attempted_at = ?, `+dueNext+`, last_outcome = ?, report = ? WHERE id = ?`,
		append(args, d.Outcome, report, d.Source.ID)...); err != nil {
		return err
	}
	if d.Source.LastOutcome == OutcomeNoData {
		return nil
	}
	return tx.discoveryEvent(d, provenance.DiscoveryNoData, map[string]any{"signature": d.Signature})
}

// storeMetadata writes what is shown now and marks the SBIDs that are not among it as missing.
func (tx *Tx) storeMetadata(d Discovery) error {
	if d.Metadata == nil {
		return tx.storeAnswer(d)
	}
	now := Stamp(tx.now)
	shown := map[string]bool{}
	for _, m := range d.Metadata {
		shown[m.SBID] = true
		records, err := jsonText(m.Records)
		if err != nil {
			return err
		}
		flags, err := jsonText(m.Flags)
		if err != nil {
			return err
		}
		if _, err := tx.exec("store metadata of "+d.Source.Identifier, `INSERT INTO archive_metadata (source_id, sbid, records, flags, first_seen_at, changed_at)
			VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (source_id, sbid) DO UPDATE SET records = excluded.records, flags = excluded.flags, missing_since = NULL,
				changed_at = CASE WHEN records = excluded.records AND flags = excluded.flags THEN changed_at ELSE excluded.changed_at END`,
			d.Source.ID, m.SBID, records, flags, now, now); err != nil {
			return err
		}
	}
	known, err := tx.sbids(d.Source.ID)
	if err != nil {
		return err
	}
	for _, sbid := range known {
		if shown[sbid] {
			continue
		}
		if _, err := tx.exec("mark missing", "UPDATE archive_metadata SET missing_since = coalesce(missing_since, ?) WHERE source_id = ? AND sbid = ?",
			now, d.Source.ID, sbid); err != nil {
			return err
		}
	}
	return tx.storeAnswer(d)
}

func (v View) sbids(sourceID int64) ([]string, error) {
	var list []string
	err := v.list("SBIDs", "SELECT sbid FROM archive_metadata WHERE source_id = ? ORDER BY sbid", []any{sourceID}, func(rows *sql.Rows) error {
		var sbid string
		err := rows.Scan(&sbid)
		list = append(list, sbid)
		return err
	})
	return list, err
}

func (tx *Tx) storeAnswer(d Discovery) error {
	if d.Answer == nil {
		return nil
	}
	packed, err := compress(d.Answer)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(d.Answer)
	_, err = tx.exec("store answer for "+d.Source.Identifier, `INSERT INTO archive_answers (source_id, sha256, answer, stored_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (source_id) DO UPDATE SET sha256 = excluded.sha256, answer = excluded.answer, stored_at = excluded.stored_at`,
		d.Source.ID, hex.EncodeToString(sum[:]), packed, Stamp(tx.now))
	return err
}

func (tx *Tx) recordChanges(d Discovery) error {
	changes, err := jsonText(d.Changes)
	if err != nil {
		return err
	}
	_, err = tx.exec("record changes of "+d.Source.Identifier, `INSERT INTO discovery_changes (source_id, at, outcome, before, after, changes)
		VALUES (?, ?, ?, ?, ?, ?)`, d.Source.ID, Stamp(tx.now), d.Outcome, d.Source.Signature, d.Signature, changes)
	return err
}
