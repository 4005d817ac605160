package ledger

import (
	"database/sql"
	"fmt"
)

// Standing is where an execution stands, in short.
type Standing struct {
	State   State
	Attempt int
}

// Standing tells where an execution stands; known is false for one that this ledger never had. One whose
// row was pruned is known by its events, with the zero Standing.
func (v View) Standing(execution string) (s Standing, known bool, err error) {
	err = v.list("execution "+execution, "SELECT status, attempt FROM batch_execution_record WHERE uuid = ?", []any{execution}, func(rows *sql.Rows) error {
		known = true
		return rows.Scan(&s.State, &s.Attempt)
	})
	if known || err != nil {
		return s, known, err
	}
	events, err := v.Events(EventFilter{Execution: execution, Limit: 1})
	return s, len(events) > 0, err
}

// ProfilesInUse lists the profile revisions that lead to places which may have runs of this ledger: those
// that are active and those that an execution names. It reads all executions: not for loops.
func (v View) ProfilesInUse() ([]Profile, error) {
	active, err := v.Profiles()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	key := func(name string, revision int) string { return fmt.Sprintf("%s/%d", name, revision) }
	for _, p := range active {
		seen[key(p.Name, p.Revision)] = true
	}
	type used struct {
		name     string
		revision int
	}
	var named []used
	if err := v.list("profiles in use", "SELECT DISTINCT profile, profile_revision FROM batch_execution_record ORDER BY profile, profile_revision", nil, func(rows *sql.Rows) error {
		var u used
		err := rows.Scan(&u.name, &u.revision)
		named = append(named, u)
		return err
	}); err != nil {
		return nil, err
	}
	for _, u := range named {
		if seen[key(u.name, u.revision)] {
			continue
		}
		p, err := v.ProfileRevision(u.name, u.revision)
		if err != nil {
			return nil, err
		}
		active = append(active, p)
	}
	return active, nil
}
