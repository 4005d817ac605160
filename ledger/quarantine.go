package ledger

import (
	"database/sql"
	"fmt"

	"beampipe/provenance"
)

// storeFailure stores that a source could not be asked (error) or that its answer cannot be used
// (refused, ambiguous). Unusable answers are counted, and quarantine the source at d.QuarantineAfter.
func (tx *Tx) storeFailure(d Discovery, report string) error {
	unusable := d.Outcome != OutcomeError
	args := append([]any{Stamp(tx.now)}, dueNextArgs(d)...)
	if err := tx.execOne("store discovery of "+d.Source.Identifier, `UPDATE sources SET last_attempted_at = ?, `+dueNext+`, last_outcome = ?,
		last_error = ?, failures = failures + 1, refusals = refusals + ?, report = ? WHERE id = ?`,
		append(args, d.Outcome, d.Error, unusable, report, d.Source.ID)...); err != nil {
		return err
	}
	if d.Source.LastOutcome != d.Outcome || d.Source.LastError != d.Error { // the same failure again is no new fact
		kind := map[string]string{
			OutcomeError: provenance.DiscoveryError, OutcomeAmbiguous: provenance.DiscoveryAmbiguous, OutcomeRefused: provenance.DiscoveryRefused,
		}[d.Outcome]
		if err := tx.discoveryEvent(d, kind, map[string]any{"error": d.Error, "failures": d.Source.Failures + 1}); err != nil {
			return err
		}
	}
	if !unusable || d.QuarantineAfter <= 0 {
		return nil
	}
	n, err := tx.exec("quarantine "+d.Source.Identifier, "UPDATE sources SET quarantined_at = ? WHERE id = ? AND quarantined_at IS NULL AND refusals >= ?",
		Stamp(tx.now), d.Source.ID, d.QuarantineAfter)
	if err != nil || n == 0 {
		return err
	}
	return tx.discoveryEvent(d, provenance.SourceQuarantined, map[string]any{"error": d.Error, "after": d.QuarantineAfter})
}

// endQuarantine lets a source go that was asked by name while in quarantine, and gave a usable answer.
func (tx *Tx) endQuarantine(d Discovery) error {
	switch d.Outcome {
	case OutcomeError, OutcomeRefused, OutcomeAmbiguous:
		return nil
	}
	if d.Source.QuarantinedAt == nil {
		return nil
	}
	n, err := tx.exec("release "+d.Source.Identifier, "UPDATE sources SET quarantined_at = NULL WHERE id = ? AND quarantined_at IS NOT NULL", d.Source.ID)
	if err != nil || n == 0 {
		return err
	}
	return tx.discoveryEvent(d, provenance.SourceReleased, map[string]any{"reason": "it gave a usable answer", "outcome": d.Outcome})
}

// ReleaseSource ends a source's quarantine: it is due now, and its failures are forgotten. Released is
// false for one that is not in quarantine.
func (tx *Tx) ReleaseSource(project, identifier, reason, actor string) (released bool, err error) {
	s, err := tx.Source(project, identifier)
	if err != nil || s.QuarantinedAt == nil {
		return false, err
	}
	if err := tx.execOne("release source "+identifier, "UPDATE sources SET quarantined_at = NULL, refusals = 0, failures = 0, next_due_at = ? WHERE id = ?",
		Stamp(tx.now), s.ID); err != nil {
		return false, err
	}
	return true, tx.Append(provenance.Event{Type: provenance.SourceReleased, Project: project, Source: identifier, Actor: actor},
		map[string]any{"reason": reason, "quarantined_at": Stamp(*s.QuarantinedAt), "error": s.LastError})
}

// releaseRefused gives the sources whose answers could not be used another try under a new config.
func (tx *Tx) releaseRefused(project string, revision int, actor string) error {
	var quarantined []string
	if err := tx.list("quarantined sources of "+project, "SELECT identifier FROM sources WHERE project = ? AND quarantined_at IS NOT NULL ORDER BY identifier",
		[]any{project}, func(rows *sql.Rows) error {
			var identifier string
			err := rows.Scan(&identifier)
			quarantined = append(quarantined, identifier)
			return err
		}); err != nil {
		return err
	}
	if _, err := tx.exec("release sources of "+project, `UPDATE sources SET quarantined_at = NULL, refusals = 0, failures = 0, next_due_at = ?
		WHERE project = ? AND refusals > 0`, Stamp(tx.now), project); err != nil {
		return err
	}
	for _, identifier := range quarantined {
		if err := tx.Append(provenance.Event{Type: provenance.SourceReleased, Project: project, Source: identifier, Actor: actor},
			map[string]any{"reason": fmt.Sprintf("config revision %d", revision)}); err != nil {
			return err
		}
	}
	return nil
}

// CountQuarantined counts a project's sources in quarantine, without looking at them.
func (v View) CountQuarantined(project string) (n int, err error) {
	err = v.get("quarantined sources of "+project, "SELECT coalesce(sum(n), 0) FROM source_groups WHERE project = ? AND marks & ? = ?",
		[]any{project, markQuarantined | markRemoved, markQuarantined}, &n)
	return n, err
}

// CountRefused counts a project's enabled sources whose last answers cannot be used, those in quarantine
// among them; its cost is their number.
func (v View) CountRefused(project string) (n int, err error) {
	err = v.get("refused sources of "+project, "SELECT count(*) FROM sources WHERE project = ? AND refusals > 0 AND enabled = 1 AND removed_at IS NULL", []any{project}, &n)
	return n, err
}

// CountEnabled counts a project's sources that are enabled and not removed, without looking at them.
func (v View) CountEnabled(project string) (n int, err error) {
	err = v.get("enabled sources of "+project, "SELECT coalesce((SELECT enabled FROM source_counts WHERE project = ?), 0)", []any{project}, &n)
	return n, err
}
