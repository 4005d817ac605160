package ledger

import (
	"database/sql"
	"time"
)

// CountExecutions counts per state; project "" counts all. It reads the index of all that ever ran: for
// answers to people, not for loops.
func (v View) CountExecutions(project string) (map[State]int, error) {
	counts := map[State]int{}
	err := v.list("count executions", "SELECT status, count(*) FROM batch_execution_record WHERE (? = '' OR project = ?) GROUP BY status",
		[]any{project, project}, func(rows *sql.Rows) error {
			var s State
			var n int
			err := rows.Scan(&s, &n)
			counts[s] = n
			return err
		})
	return counts, err
}

// live are the states that are not terminal. They are named one by one, so that SQLite reads their part
// of the index alone: what has ended costs nothing, however much it is.
const live = "status IN ('pending', 'preparing', 'ready', 'submitting', 'uncertain', 'queued', 'running', 'cancelling', 'verifying')"

// CountLive counts the executions that have not ended, per state; project "" counts all. Unlike
// CountExecutions it does not cost more with each execution that ever ran.
func (v View) CountLive(project string) (map[State]int, error) {
	counts := map[State]int{}
	err := v.list("count live executions", "SELECT status, count(*) FROM batch_execution_record WHERE "+live+" AND (? = '' OR project = ?) GROUP BY status",
		[]any{project, project}, func(rows *sql.Rows) error {
			var s State
			var n int
			err := rows.Scan(&s, &n)
			counts[s] = n
			return err
		})
	return counts, err
}

// OldestLive gives, per state, since when the oldest execution that has not ended exists.
func (v View) OldestLive() (map[State]time.Time, error) {
	oldest := map[State]time.Time{}
	err := v.list("oldest live executions", "SELECT status, min(created_at) FROM batch_execution_record WHERE "+live+" GROUP BY status", nil,
		func(rows *sql.Rows) error {
			var s State
			var at timeText
			err := rows.Scan(&s, &at)
			oldest[s] = at.value()
			return err
		})
	return oldest, err
}

// inFlight are the states that count against limits: non-terminal, and not verifying.
const inFlight = "status IN ('pending', 'preparing', 'ready', 'submitting', 'uncertain', 'queued', 'running', 'cancelling') AND held_at IS NULL"

// CountInFlight counts executions that count against limits: not terminal, not held, not verifying.
// Empty arguments do not narrow.
func (v View) CountInFlight(project, profile string) (n int, err error) {
	err = v.get("executions in flight", "SELECT count(*) FROM batch_execution_record WHERE "+inFlight+
		" AND (? = '' OR project = ?) AND (? = '' OR profile = ?)", []any{project, project, profile, profile}, &n)
	return n, err
}
