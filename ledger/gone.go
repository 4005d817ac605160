package ledger

import (
	"fmt"

	"beampipe/fault"
	"beampipe/provenance"
)

// storeMissing marks what the archive no longer shows: the SBIDs that d.Changes calls sbid_gone. The
// signature stays: less is not new data. Answers that agree on what is left are counted. A person's wish to
// take it as gone was for what was missing then, and ends when something else is missing.
func (tx *Tx) storeMissing(d Discovery, report string) error {
	now := Stamp(tx.now)
	args := append([]any{now, now}, dueNextArgs(d)...)
	args = append(args, d.Outcome, report, now, d.GoneDigest, d.GoneDigest, d.GoneDigest, now, d.GoneDigest, d.Source.ID)
	if err := tx.execOne("store discovery of "+d.Source.Identifier, `UPDATE sources SET last_checked_at = ?, last_attempted_at = ?, `+dueNext+`,
		last_outcome = ?, last_error = '', failures = 0, refusals = 0, quarantined_at = NULL, report = ?, missing_since = coalesce(missing_since, ?),
		accept_missing_at = CASE WHEN gone_digest IN ('', ?) THEN accept_missing_at END,
		gone_answers = CASE WHEN gone_answers > 0 AND gone_digest = ? THEN gone_answers + 1 ELSE 1 END,
		gone_since = CASE WHEN gone_answers > 0 AND gone_digest = ? THEN gone_since ELSE ? END, gone_digest = ? WHERE id = ?`, args...); err != nil {
		return err
	}
	for _, m := range d.Metadata {
		if _, err := tx.exec("mark shown", "UPDATE archive_metadata SET missing_since = NULL WHERE source_id = ? AND sbid = ?", d.Source.ID, m.SBID); err != nil {
			return err
		}
	}
	for _, c := range d.Changes {
		if c.Kind != "sbid_gone" {
			continue
		}
		if _, err := tx.exec("mark missing", "UPDATE archive_metadata SET missing_since = coalesce(missing_since, ?) WHERE source_id = ? AND sbid = ?",
			now, d.Source.ID, c.SBID); err != nil {
			return err
		}
	}
	news, err := tx.missingNews(d)
	if err != nil || !news {
		return err
	}
	if err := tx.recordChanges(d); err != nil {
		return err
	}
	return tx.discoveryEvent(d, provenance.DiscoveryMissing, map[string]any{"signature": d.Source.Signature, "changes": len(d.Changes)})
}

// missingNews tells whether more is missing than the last time that it was told.
func (tx *Tx) missingNews(d Discovery) (bool, error) {
	if d.Source.MissingSince == nil {
		return true, nil
	}
	if len(d.Changes) == 0 {
		return false, nil
	}
	last, err := tx.Changes(d.Source.ID, 1)
	if err != nil || len(last) == 0 {
		return true, err
	}
	before, err := jsonText(last[0].Changes)
	if err != nil {
		return false, err
	}
	now, err := jsonText(d.Changes)
	return before != now, err
}

// storeGone accepts that what was missing is gone: what is shown now is what is known, under its own
// signature. That asks for no run. What was executed was this data and more, so it stays executed, and
// is remembered in case that the rest comes back.
func (tx *Tx) storeGone(d Discovery, report string) error {
	if d.Metadata == nil {
		d.Metadata = []Metadata{} // nothing is shown; nil would leave what is stored
	}
	if err := tx.storeMetadata(d); err != nil {
		return err
	}
	now := Stamp(tx.now)
	args := append([]any{d.Signature, now, d.Signature, d.Rule, now, now}, dueNextArgs(d)...)
	if err := tx.execOne("store discovery of "+d.Source.Identifier, `UPDATE sources SET `+answered+`
		executed_before_gone = CASE WHEN last_executed_signature = signature AND executed_before_gone = '' THEN last_executed_signature ELSE executed_before_gone END,
		last_executed_signature = CASE WHEN last_executed_signature <> '' AND last_executed_signature = signature THEN ? ELSE last_executed_signature END,
		signature_since = coalesce(gone_since, ?),
		signature = ?, signature_rule = ?, last_checked_at = ?, last_attempted_at = ?, `+dueNext+`, last_outcome = ?,
		missing_since = NULL, report = ? WHERE id = ?`, append(args, d.Outcome, report, d.Source.ID)...); err != nil {
		return err
	}
	if err := tx.recordChanges(d); err != nil {
		return err
	}
	sbids := make([]string, len(d.Metadata))
	for i, m := range d.Metadata {
		sbids[i] = m.SBID
	}
	if err := tx.discoveryEvent(d, provenance.DiscoveryGone, map[string]any{
		"signature": d.Signature, "before": d.Source.Signature, "rule": d.Rule, "sbids": sbids, "changes": len(d.Changes),
		"answers": d.Source.GoneAnswers + 1, "accepted": d.Source.AcceptMissingAt != nil,
	}); err != nil {
		return err
	}
	if err := tx.supersede(d); err != nil {
		return err
	}
	// An execution that was superseded has given back its wish for a run; of nothing, and of what was
	// executed, there is none.
	_, err := tx.exec("clear pending of "+d.Source.Identifier, `UPDATE sources SET workflow_run_pending = 0, workflow_run_pending_at = NULL
		WHERE id = ? AND (? = 0 OR last_executed_signature = signature)`, d.Source.ID, len(d.Metadata))
	return err
}

// AcceptMissing marks that a person takes what is missing of a source as gone: the next complete answer
// that still lacks it is accepted (OutcomeGone). The source is due now; one that is disabled or
// quarantined is asked once that has ended. It is Invalid when nothing is missing; a second wish is no
// change.
func (tx *Tx) AcceptMissing(s Source, reason, actor string) error {
	s, err := tx.SourceByID(s.ID)
	switch {
	case err != nil:
		return err
	case s.MissingSince == nil:
		return fault.New(fault.Invalid, fmt.Sprintf("accept missing data of source %s: nothing of it is missing", s.Identifier),
			"see what is known of it: beampipe source show "+s.Identifier)
	case s.AcceptMissingAt != nil:
		return nil
	}
	now := Stamp(tx.now)
	if err := tx.execOne("accept missing data of "+s.Identifier, "UPDATE sources SET accept_missing_at = ?, next_due_at = ? WHERE id = ?", now, now, s.ID); err != nil {
		return err
	}
	return tx.Append(provenance.Event{Type: provenance.SourceMissingAccepted, Project: s.Project, Source: s.Identifier, Actor: actor},
		map[string]any{"reason": reason, "missing_since": Stamp(*s.MissingSince), "answers": s.GoneAnswers})
}
