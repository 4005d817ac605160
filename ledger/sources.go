package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// Outcomes of a source's last discovery.
const (
	OutcomeChanged   = "changed"
	OutcomeUnchanged = "unchanged"
	OutcomeNoData    = "no_data"
	OutcomeMissing   = "missing"   // what was known is no longer shown
	OutcomeGone      = "gone"      // what was missing is accepted as gone
	OutcomeAmbiguous = "ambiguous" // the answer holds rows of other sources and cannot be cleaned
	OutcomeRefused   = "refused"   // asked, and the answer cannot be used: the archive refused the query, or a row cannot be mapped
	OutcomeError     = "error"     // could not ask
)

// Source is one registered sky object of a survey.
type Source struct {
	ID                    int64      `json:"-"`
	Project               string     `json:"project_module"`
	Identifier            string     `json:"source_identifier"`
	Enabled               bool       `json:"enabled"`
	RemovedAt             *time.Time `json:"removed_at,omitempty"`
	RegisteredAt          time.Time  `json:"registered_at"`
	RegisteredBy          string     `json:"registered_by"`
	Signature             string     `json:"discovery_signature,omitempty"`
	SignatureRule         string     `json:"signature_rule,omitempty"`
	LastCheckedAt         *time.Time `json:"last_checked_at,omitempty"`
	LastAttemptedAt       *time.Time `json:"last_attempted_at,omitempty"`
	NextDueAt             time.Time  `json:"next_due_at"`
	LastOutcome           string     `json:"last_outcome,omitempty"`
	LastError             string     `json:"last_error,omitempty"`
	Failures              int        `json:"failures"`
	MissingSince          *time.Time `json:"missing_since,omitempty"`
	Pending               bool       `json:"workflow_run_pending"`
	PendingAt             *time.Time `json:"workflow_run_pending_at,omitempty"`
	LastExecutedSignature string     `json:"last_executed_discovery_signature,omitempty"`
	LastExecution         string     `json:"last_execution,omitempty"`
	SignatureSince        *time.Time `json:"signature_since,omitempty"`   // since when the archive shows what is signed; a new rule does not move it
	Refusals              int        `json:"refusals"`                    // unusable answers (refused, ambiguous) since the last usable one
	QuarantinedAt         *time.Time `json:"quarantined_at,omitempty"`    // no tick claims it until it is released
	StaleAfterHours       *int       `json:"stale_after_hours,omitempty"` // its own cadence; nil = the project's
	GoneAnswers           int        `json:"gone_answers,omitempty"`      // complete answers in a row that show the same too little
	GoneSince             *time.Time `json:"gone_since,omitempty"`        // the first of them
	GoneDigest            string     `json:"-"`                           // of what they show
	AcceptMissingAt       *time.Time `json:"accept_missing_at,omitempty"` // a person said that what is missing is gone
	Report                string     `json:"-"`                           // JSON of the last discovery
}

// Settled reports whether the archive has shown the signed data for long enough: two equal signatures at
// least settle apart. A settle of 0 or less is always over.
func (s Source) Settled(settle time.Duration) bool {
	if settle <= 0 {
		return true
	}
	return s.SignatureSince != nil && s.LastCheckedAt != nil && !s.LastCheckedAt.Before(s.SignatureSince.Add(settle))
}

const sourceColumns = `id, project, identifier, enabled, removed_at, registered_at, registered_by, signature, signature_rule,
	last_checked_at, last_attempted_at, next_due_at, last_outcome, last_error, failures, missing_since,
	workflow_run_pending, workflow_run_pending_at, last_executed_signature, last_execution, signature_since, refusals,
	quarantined_at, stale_after_hours, gone_answers, gone_since, gone_digest, accept_missing_at, report`

func scanSource(scan func(...any) error) (Source, error) {
	var s Source
	var removed, registered, checked, attempted, due, missing, pending, since, quarantined, gone, accept timeText
	err := scan(&s.ID, &s.Project, &s.Identifier, &s.Enabled, &removed, &registered, &s.RegisteredBy, &s.Signature, &s.SignatureRule,
		&checked, &attempted, &due, &s.LastOutcome, &s.LastError, &s.Failures, &missing,
		&s.Pending, &pending, &s.LastExecutedSignature, &s.LastExecution, &since, &s.Refusals,
		&quarantined, &s.StaleAfterHours, &s.GoneAnswers, &gone, &s.GoneDigest, &accept, &s.Report)
	s.RemovedAt, s.RegisteredAt, s.LastCheckedAt, s.LastAttemptedAt = removed.t, registered.value(), checked.t, attempted.t
	s.NextDueAt, s.MissingSince, s.PendingAt = due.value(), missing.t, pending.t
	s.SignatureSince, s.QuarantinedAt, s.GoneSince, s.AcceptMissingAt = since.t, quarantined.t, gone.t, accept.t
	return s, err
}

func (v View) sources(what, query string, args []any) ([]Source, error) {
	var list []Source
	err := v.list(what, query, args, func(rows *sql.Rows) error {
		s, err := scanSource(rows.Scan)
		list = append(list, s)
		return err
	})
	return list, err
}

// Source reads one source by name.
func (v View) Source(project, identifier string) (Source, error) {
	s, err := scanSource(v.row("SELECT "+sourceColumns+" FROM sources WHERE project = ? AND identifier = ?", project, identifier))
	if errors.Is(err, sql.ErrNoRows) {
		return s, fault.New(fault.NotFound, fmt.Sprintf("source %q is not registered in project %q", identifier, project),
			"register it with: beampipe source add --project "+project+" "+identifier)
	}
	return s, readError(v.path, "source "+identifier, err)
}

// SourceByID reads one source by its row id.
func (v View) SourceByID(id int64) (Source, error) {
	s, err := scanSource(v.row("SELECT "+sourceColumns+" FROM sources WHERE id = ?", id))
	return s, readError(v.path, fmt.Sprintf("source %d", id), err)
}

// Identifiers lists every identifier of a project that is not removed, for dealing rows to the
// longest one that they begin with.
func (v View) Identifiers(project string) ([]string, error) {
	var list []string
	err := v.list("identifiers of "+project, "SELECT identifier FROM sources WHERE project = ? AND removed_at IS NULL ORDER BY identifier", []any{project},
		func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			list = append(list, id)
			return err
		})
	return list, err
}

// LongerIdentifiers gives, for each identifier, those of the project that begin with it and are longer,
// sorted; removed ones too: their rows do not become another source's new data.
func (v View) LongerIdentifiers(project string, identifiers []string) (map[string][]string, error) {
	list, err := jsonText(identifiers)
	if err != nil {
		return nil, err
	}
	longer := map[string][]string{}
	err = v.list("longer identifiers", `SELECT j.value, s.identifier FROM json_each(?) j CROSS JOIN sources s
		WHERE s.project = ? AND s.identifier > j.value AND s.identifier < j.value || ? ORDER BY j.value, s.identifier`,
		[]any{list, project, "\U0010FFFF"}, func(rows *sql.Rows) error {
			var short, long string
			err := rows.Scan(&short, &long)
			longer[short] = append(longer[short], long)
			return err
		})
	return longer, err
}

// RegisterSource adds a source, or brings a removed one back with its history; added is false for one
// that is there already. It is due for discovery at once; a quarantine from before its removal is over.
// A million go fastest in order of their identifiers, which is that of the index.
func (tx *Tx) RegisterSource(project, identifier, actor string) (added bool, err error) {
	at := Stamp(tx.now)
	n, err := tx.exec("register source "+identifier, `INSERT INTO sources (project, identifier, registered_at, registered_by, next_due_at)
		VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (project, identifier) DO UPDATE SET removed_at = NULL, enabled = 1, next_due_at = excluded.next_due_at,
			quarantined_at = NULL, refusals = 0, failures = 0
		WHERE sources.removed_at IS NOT NULL`, project, identifier, at, actor, at)
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.Append(provenance.Event{Type: provenance.SourceRegistered, Project: project, Source: identifier, Actor: actor}, nil)
}

// SetEnabled switches a source on or off. Off means: nothing new starts, running work goes on.
func (tx *Tx) SetEnabled(project, identifier string, on bool, reason, actor string) (changed bool, err error) {
	n, err := tx.exec("set enabled of "+identifier, "UPDATE sources SET enabled = ? WHERE project = ? AND identifier = ? AND enabled <> ?", on, project, identifier, on)
	if err != nil || n == 0 {
		return false, err
	}
	kind := provenance.SourceDisabled
	if on {
		kind = provenance.SourceEnabled
	}
	return true, tx.Append(provenance.Event{Type: kind, Project: project, Source: identifier, Actor: actor}, map[string]any{"reason": reason})
}

// RemoveSource takes a source out of the survey and keeps its history. It is refused (Conflict) while
// an execution works on it.
func (tx *Tx) RemoveSource(project, identifier, reason, actor string) error {
	s, err := tx.Source(project, identifier)
	if err != nil {
		return err
	}
	active, err := tx.ActiveExecution(s.ID)
	if err != nil {
		return err
	}
	if active != "" {
		return fault.New(fault.Conflict, fmt.Sprintf("remove source %s: execution %s works on it", identifier, active),
			"wait for it, or first: beampipe execution cancel --reason TEXT "+active)
	}
	if s.RemovedAt != nil {
		return nil
	}
	if err := tx.execOne("remove source "+identifier, `UPDATE sources SET removed_at = ?, workflow_run_pending = 0,
		workflow_run_pending_at = NULL WHERE id = ?`, Stamp(tx.now), s.ID); err != nil {
		return err
	}
	return tx.Append(provenance.Event{Type: provenance.SourceRemoved, Project: project, Source: identifier, Actor: actor}, map[string]any{"reason": reason})
}

// Baseline records a source's current signature as already executed, for work that was done elsewhere.
// It is refused (Conflict) while an execution works on the source; without a signature it is Invalid.
func (tx *Tx) Baseline(s Source, reason, actor string) error {
	if s.Signature == "" {
		return fault.New(fault.Invalid, fmt.Sprintf("baseline source %s: it has no signature yet", s.Identifier), "discover it first: beampipe source discover "+s.Identifier)
	}
	active, err := tx.ActiveExecution(s.ID)
	if err != nil {
		return err
	}
	if active != "" {
		return fault.New(fault.Conflict, fmt.Sprintf("baseline source %s: execution %s works on it", s.Identifier, active), "cancel it first: beampipe execution cancel --reason TEXT "+active)
	}
	if err := tx.execOne("baseline source "+s.Identifier, `UPDATE sources SET last_executed_signature = signature,
		workflow_run_pending = 0, workflow_run_pending_at = NULL WHERE id = ? AND signature = ?`, s.ID, s.Signature); err != nil {
		return err
	}
	return tx.Append(provenance.Event{Type: provenance.SourceBaselined, Project: s.Project, Source: s.Identifier, Actor: actor},
		map[string]any{"reason": reason, "signature": s.Signature})
}

// ActiveExecution gives the execution that works on a source now, "" for none.
func (v View) ActiveExecution(sourceID int64) (id string, err error) {
	err = v.list("active execution", "SELECT execution FROM execution_sources WHERE source_id = ? AND active = 1", []any{sourceID},
		func(rows *sql.Rows) error { return rows.Scan(&id) })
	return id, err
}

// PendingSources lists sources that wait for a run and that no execution works on, the longest
// waiting first.
func (v View) PendingSources(project string, limit int) ([]Source, error) {
	return v.sources("pending sources of "+project, "SELECT "+sourceColumns+` FROM sources WHERE `+waiting+" ORDER BY workflow_run_pending_at, id LIMIT ?2", []any{project, limit})
}

// waiting are the sources that wait for a run and that no execution works on.
const waiting = `project = ?1 AND workflow_run_pending = 1 AND enabled = 1 AND removed_at IS NULL
	AND NOT EXISTS (SELECT 1 FROM execution_sources e WHERE e.source_id = sources.id AND e.active = 1)`

// CountPending counts a project's pending sources that no execution works on, and gives since when the
// oldest of them waits. It costs what is being worked on, not what waits.
func (v View) CountPending(project string) (n int, oldest *time.Time, err error) {
	const marked = markEnabled | markPending | markRemoved
	var at timeText
	err = v.get("pending sources of "+project, `SELECT
		(SELECT coalesce(sum(n), 0) FROM source_groups WHERE project = ?1 AND marks & ?2 = ?3)
		- (SELECT count(*) FROM execution_sources e CROSS JOIN sources s ON s.id = e.source_id WHERE e.project = ?1 AND e.active = 1 AND s.marks & ?2 = ?3),
		(SELECT workflow_run_pending_at FROM sources WHERE `+waiting+` ORDER BY workflow_run_pending_at, id LIMIT 1)`,
		[]any{project, marked, marked &^ markRemoved}, &n, &at)
	return n, at.t, err
}

// CountOutcomes counts a project's sources by the outcome of their last discovery; "" = never asked.
func (v View) CountOutcomes(project string) (map[string]int, error) {
	counts := map[string]int{}
	err := v.list("count sources", "SELECT last_outcome, sum(n) FROM source_groups WHERE n > 0 AND project = ? AND marks & ? = 0 GROUP BY last_outcome", []any{project, markRemoved},
		func(rows *sql.Rows) error {
			var outcome string
			var n int
			err := rows.Scan(&outcome, &n)
			counts[outcome] = n
			return err
		})
	return counts, err
}
