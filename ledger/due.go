package ledger

import (
	"fmt"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// MaxStaleHours bounds a source's own cadence: a year.
const MaxStaleHours = 365 * 24

// dueNext is the time when a source that was discovered is to be asked again; its parameters are the
// time at which it was due when it was claimed, and three times the time that the discovery says. A time
// that was set meanwhile (somebody asked for it, its config was corrected) stands when it comes earlier:
// that wish was not for the answer which was under way.
const dueNext = "next_due_at = CASE WHEN next_due_at <> ? AND next_due_at < ? THEN next_due_at ELSE ? END"

func dueNextArgs(d Discovery) []any {
	next := Stamp(d.NextDue)
	return []any{Stamp(d.Source.NextDueAt), next, next}
}

// ClaimDueSources claims up to limit sources of a project that are due for discovery, the longest due
// first, under one batch. Quarantined sources are left alone.
func (tx *Tx) ClaimDueSources(project string, limit int, owner, batch string, ttl time.Duration) ([]Source, []Claim, error) {
	due, err := tx.sources("due sources of "+project, "SELECT "+sourceColumns+` FROM sources WHERE project = ? AND enabled = 1 AND removed_at IS NULL AND quarantined_at IS NULL AND next_due_at <= ?
		AND NOT EXISTS (SELECT 1 FROM claims WHERE subject = 'source:' || sources.id AND owner <> '' AND expires_at > ?)
		ORDER BY next_due_at, id LIMIT ?`, []any{project, Stamp(tx.now), Stamp(tx.now), limit})
	if err != nil {
		return nil, nil, err
	}
	var claimed []Source
	var claims []Claim
	for _, s := range due {
		c, ok, err := tx.TryClaim(ClaimDiscovery, SourceSubject(s.ID), owner, batch, ttl)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			claimed, claims = append(claimed, s), append(claims, c)
		}
	}
	return claimed, claims, nil
}

// CountDueSources counts the sources of a project that are due for discovery and neither claimed nor
// quarantined, up to limit.
func (v View) CountDueSources(project string, limit int) (n int, err error) {
	err = v.get("due sources of "+project, `SELECT count(*) FROM (SELECT 1 FROM sources WHERE project = ? AND enabled = 1
		AND removed_at IS NULL AND quarantined_at IS NULL AND next_due_at <= ?
		AND NOT EXISTS (SELECT 1 FROM claims WHERE subject = 'source:' || sources.id AND owner <> '' AND expires_at > ?) LIMIT ?)`,
		[]any{project, Stamp(v.now), Stamp(v.now), limit}, &n)
	return n, err
}

// RequestDiscovery makes a source due now, whatever its last answer or failure was. A claim that is
// held is left to its holder, and the source is due again after it; one in quarantine stays there.
func (tx *Tx) RequestDiscovery(s Source, actor string) error {
	if err := tx.execOne("request discovery of "+s.Identifier, "UPDATE sources SET next_due_at = ? WHERE id = ?", Stamp(tx.now), s.ID); err != nil {
		return err
	}
	return tx.Append(provenance.Event{Type: provenance.SourceDiscoveryRequested, Project: s.Project, Source: s.Identifier, Actor: actor}, nil)
}

// SetCadence sets after how many hours a source is asked again (1 to MaxStaleHours), nil for the
// project's own; changed is false when it is so already. A shorter one counts from the last conclusive
// answer, unless the source is failing: then it keeps its back-off.
func (tx *Tx) SetCadence(project, identifier string, hours *int, reason, actor string) (changed bool, err error) {
	if hours != nil && (*hours < 1 || *hours > MaxStaleHours) {
		return false, fault.New(fault.Invalid, fmt.Sprintf("set cadence of source %s: %d hours, expected 1 to %d", identifier, *hours, MaxStaleHours), "")
	}
	s, err := tx.Source(project, identifier)
	if err != nil {
		return false, err
	}
	if was := s.StaleAfterHours; (was == nil) == (hours == nil) && (was == nil || *was == *hours) {
		return false, nil
	}
	due := s.NextDueAt
	if hours != nil && s.LastCheckedAt != nil && s.Failures == 0 {
		if stale := s.LastCheckedAt.Add(time.Duration(*hours) * time.Hour); stale.Before(due) {
			due = stale
		}
	}
	if err := tx.execOne("set cadence of "+identifier, "UPDATE sources SET stale_after_hours = ?, next_due_at = ? WHERE id = ?", hours, Stamp(due), s.ID); err != nil {
		return false, err
	}
	return true, tx.Append(provenance.Event{Type: provenance.SourceCadence, Project: project, Source: identifier, Actor: actor},
		map[string]any{"reason": reason, "stale_after_hours": hours, "before": s.StaleAfterHours})
}
