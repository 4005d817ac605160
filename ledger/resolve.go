package ledger

import (
	"database/sql"
	"fmt"

	"beampipe/fault"
)

// Bounds of the part of an id that may stand for all of it. executions_tail holds the last minPart characters.
const (
	minPart = 4
	wholeID = 36
)

// ResolveExecution finds an execution by its id or by an unambiguous part of its id (at least 4
// characters, from the front or the end: UUIDv7s of one minute begin alike).
func (v View) ResolveExecution(part string) (string, error) {
	if len(part) == wholeID {
		return part, nil
	}
	var found []string
	if len(part) >= minPart && len(part) < wholeID {
		err := v.list("execution "+part, `SELECT uuid FROM (SELECT uuid FROM batch_execution_record WHERE uuid >= ?1 AND uuid < ?1 || '~' LIMIT 2)
			UNION SELECT uuid FROM (SELECT uuid FROM batch_execution_record WHERE substr(uuid, -4) = substr(?1, -4) AND substr(uuid, -length(?1)) = ?1 LIMIT 2) LIMIT 2`,
			[]any{part}, func(rows *sql.Rows) error {
				var id string
				err := rows.Scan(&id)
				found = append(found, id)
				return err
			})
		if err != nil {
			return "", err
		}
	}
	switch len(found) {
	case 0:
		return "", fault.New(fault.NotFound, fmt.Sprintf("there is no execution %q in this ledger", part), "list them with: beampipe execution list")
	case 1:
		return found[0], nil
	}
	return "", fault.New(fault.Invalid, fmt.Sprintf("%q stands for more than one execution", part), "give more of the id")
}
