package ledger

import (
	"database/sql"
	"time"
)

// Counts of executions are read from execution_counts, which triggers keep: they cost the same however many
// there are.

// CountExecutions counts per state; project "" counts all.
func (v View) CountExecutions(project string) (map[State]int, error) {
	return v.countStates("count executions", "(?1 = '' OR project = ?1)", project)
}

// live are the states that are not terminal, named one by one so that an index is read for them alone.
const live = "status IN ('pending', 'preparing', 'ready', 'submitting', 'uncertain', 'queued', 'running', 'cancelling', 'verifying')"

// CountLive counts the executions that have not ended, per state; project "" counts all.
func (v View) CountLive(project string) (map[State]int, error) {
	return v.countStates("count live executions", live+" AND (?1 = '' OR project = ?1)", project)
}

func (v View) countStates(what, where string, args ...any) (map[State]int, error) {
	counts := map[State]int{}
	err := v.list(what, "SELECT status, sum(n) FROM execution_counts WHERE n > 0 AND "+where+" GROUP BY status",
		args, func(rows *sql.Rows) error {
			var s State
			var n int
			err := rows.Scan(&s, &n)
			counts[s] = n
			return err
		})
	return counts, err
}

// OldestLive gives, per state, since when the oldest execution that has not ended exists, by their ids.
func (v View) OldestLive() (map[State]time.Time, error) {
	oldest := map[State]time.Time{}
	err := v.list("oldest live executions", `SELECT g.status, e.created_at FROM execution_counts g CROSS JOIN batch_execution_record e
		ON e.uuid = (SELECT min(i.uuid) FROM batch_execution_record i WHERE i.status = g.status AND i.project = g.project
			AND i.profile = g.profile AND i.target = g.target AND i.failure_class = g.failure_class)
		WHERE g.n > 0 AND g.`+live, nil,
		func(rows *sql.Rows) error {
			var s State
			var at timeText
			err := rows.Scan(&s, &at)
			if t, ok := oldest[s]; !ok || at.value().Before(t) {
				oldest[s] = at.value()
			}
			return err
		})
	return oldest, err
}

// inFlight are the states that count against limits: non-terminal, and not verifying.
const inFlight = "status IN ('pending', 'preparing', 'ready', 'submitting', 'uncertain', 'queued', 'running', 'cancelling')"

// CountInFlight counts executions that count against limits: not terminal, not held, not verifying.
// Empty arguments do not narrow. It costs what is held.
func (v View) CountInFlight(project, profile string) (n int, err error) {
	const of = inFlight + " AND (?1 = '' OR project = ?1) AND (?2 = '' OR profile = ?2)"
	err = v.get("executions in flight", `SELECT (SELECT coalesce(sum(n), 0) FROM execution_counts WHERE n > 0 AND `+of+`)
		- (SELECT count(*) FROM batch_execution_record INDEXED BY executions_held WHERE held_at IS NOT NULL AND `+of+`)`, []any{project, profile}, &n)
	return n, err
}
