package ledger

import "database/sql"

// SBIDs gives the SBIDs under which anything is known in a project. Its cost is all that is known: it is
// for what a person asks, not for a tick.
func (v View) SBIDs(project string) (map[string]bool, error) {
	known := map[string]bool{}
	err := v.list("SBIDs of "+project, "SELECT DISTINCT m.sbid FROM sources s JOIN archive_metadata m ON m.source_id = s.id WHERE s.project = ?", []any{project},
		func(rows *sql.Rows) error {
			var sbid string
			err := rows.Scan(&sbid)
			known[sbid] = true
			return err
		})
	return known, err
}
