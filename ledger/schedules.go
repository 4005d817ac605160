package ledger

import (
	"database/sql"
	"time"

	"beampipe/provenance"
)

// Kinds of tick.
const (
	TickDiscovery = "discovery"
	TickExecution = "execution"
	TickPoll      = "poll"
)

// Schedule is where a project's tick stands: what was served and what came of it.
type Schedule struct {
	Project   string         `json:"project,omitempty"`
	Kind      string         `json:"kind"`
	Watermark time.Time      `json:"watermark"` // the last scheduled time that was served
	LastRunAt *time.Time     `json:"last_run_at,omitempty"`
	Reason    string         `json:"reason,omitempty"`
	ReasonAt  *time.Time     `json:"reason_at,omitempty"`
	Counters  map[string]int `json:"counters,omitempty"`
}

// Schedules lists where every tick stands.
func (v View) Schedules() ([]Schedule, error) {
	var list []Schedule
	err := v.list("schedules", "SELECT project, kind, watermark, last_run_at, reason, reason_at, counters FROM schedules ORDER BY project, kind", nil,
		func(rows *sql.Rows) error {
			var s Schedule
			var mark, run, reason timeText
			var counters string
			if err := rows.Scan(&s.Project, &s.Kind, &mark, &run, &s.Reason, &reason, &counters); err != nil {
				return err
			}
			s.Watermark, s.LastRunAt, s.ReasonAt = mark.value(), run.t, reason.t
			err := scanJSON("counters", counters, &s.Counters)
			list = append(list, s)
			return err
		})
	return list, err
}

// SetWatermark records that the tick scheduled for t was served. It only moves forward.
func (tx *Tx) SetWatermark(project, kind string, t time.Time) error {
	_, err := tx.exec("set watermark", `INSERT INTO schedules (project, kind, watermark) VALUES (?, ?, ?)
		ON CONFLICT (project, kind) DO UPDATE SET watermark = excluded.watermark WHERE watermark < excluded.watermark`, project, kind, Stamp(t))
	return err
}

// ForgetFuture brings what was planned by a clock that has been set back since to the time now:
// watermarks, sources that were asked at a time that has not come yet, and waits of executions that were
// set at such a time. What has happened stays as it was recorded.
func (tx *Tx) ForgetFuture() error {
	now := Stamp(tx.now)
	for what, query := range map[string]string{
		"watermarks": "UPDATE schedules SET watermark = ?1 WHERE watermark > ?1",
		"sources":    "UPDATE sources SET next_due_at = ?1 WHERE last_attempted_at > ?1 AND next_due_at > ?1",
		"waits":      "UPDATE batch_execution_record SET not_before = ?1 WHERE " + live + " AND not_before > ?1 AND updated_at > ?1",
		"retries":    "UPDATE batch_execution_record SET next_retry_at = ?1 WHERE next_retry_at > ?1 AND updated_at > ?1",
	} {
		if _, err := tx.exec("forget the future of "+what, query, now); err != nil {
			return err
		}
	}
	return nil
}

// RecordTick keeps what a tick did in one row that is updated in place. Its reason becomes an event
// when it changes; counters are those of the last tick.
func (tx *Tx) RecordTick(project, kind, reason string, counters map[string]int) error {
	_, err := tx.recordTick(project, kind, reason, counters)
	return err
}

// recordTick tells whether the reason has changed.
func (tx *Tx) recordTick(project, kind, reason string, counters map[string]int) (news bool, err error) {
	text, err := jsonText(counters)
	if err != nil {
		return false, err
	}
	var last string
	if err := tx.list("last tick", "SELECT reason FROM schedules WHERE project = ? AND kind = ?", []any{project, kind},
		func(rows *sql.Rows) error { return rows.Scan(&last) }); err != nil {
		return false, err
	}
	now := Stamp(tx.now)
	if _, err := tx.exec("record tick", `INSERT INTO schedules (project, kind, watermark, last_run_at, reason, reason_at, counters) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (project, kind) DO UPDATE SET last_run_at = excluded.last_run_at, counters = excluded.counters,
			reason_at = CASE WHEN reason = excluded.reason THEN reason_at ELSE excluded.reason_at END, reason = excluded.reason`,
		project, kind, now, now, reason, now, text); err != nil || last == reason {
		return false, err
	}
	return true, tx.Append(provenance.Event{Type: provenance.ScheduleReason, Project: project, Actor: provenance.ActorDaemon},
		map[string]any{"tick": kind, "reason": reason, "before": last})
}

// Problem is a health problem as the daemon last reported it.
type Problem struct {
	Code     string    `json:"code"`
	Subject  string    `json:"subject,omitempty"`
	Title    string    `json:"title"`
	Text     string    `json:"text"`
	Severity string    `json:"severity"` // warning, error
	Todo     string    `json:"todo"`
	Since    time.Time `json:"since"`
	SeenAt   time.Time `json:"seen_at"`
}

// SetProblems replaces the stored health problems; a problem that stays keeps its Since.
func (tx *Tx) SetProblems(problems []Problem) error {
	old, err := tx.Problems()
	if err != nil {
		return err
	}
	since := map[[2]string]time.Time{}
	for _, p := range old {
		since[[2]string{p.Code, p.Subject}] = p.Since
	}
	if _, err := tx.exec("clear problems", "DELETE FROM health_problems"); err != nil {
		return err
	}
	for _, p := range problems {
		if t, ok := since[[2]string{p.Code, p.Subject}]; ok {
			p.Since = t
		}
		if _, err := tx.exec("store problem", `INSERT INTO health_problems (code, subject, title, text, severity, todo, since, seen_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, p.Code, p.Subject, p.Title, p.Text, p.Severity, p.Todo, Stamp(p.Since), Stamp(tx.now)); err != nil {
			return err
		}
	}
	return nil
}

// Problems lists the stored health problems.
func (v View) Problems() ([]Problem, error) {
	var list []Problem
	err := v.list("health problems", "SELECT code, subject, title, text, severity, todo, since, seen_at FROM health_problems ORDER BY severity, code, subject", nil,
		func(rows *sql.Rows) error {
			var p Problem
			var since, seen timeText
			err := rows.Scan(&p.Code, &p.Subject, &p.Title, &p.Text, &p.Severity, &p.Todo, &since, &seen)
			p.Since, p.SeenAt = since.value(), seen.value()
			list = append(list, p)
			return err
		})
	return list, err
}
