package grown

import (
	"fmt"
	"slices"
)

// strip takes off triggers and indexes, and keeps their SQL.
func (m *maker) strip() error {
	rows, err := m.db.QueryContext(m.ctx, "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type = 'trigger', rowid")
	if err != nil {
		return err
	}
	var drops []string
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			return err
		}
		m.taken, drops = append(m.taken, text), append(drops, fmt.Sprintf("DROP %s %s", kind, name))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	slices.Reverse(drops)
	return m.all(drops)
}

// restore makes what was taken off again, from the same SQL.
func (m *maker) restore() error { return m.all(m.taken) }

// counts sets what triggers would have counted.
func (m *maker) counts() error {
	return m.all([]string{
		"DELETE FROM execution_counts", "DELETE FROM source_groups", "DELETE FROM source_counts",
		`INSERT INTO execution_counts (status, project, profile, target, failure_class, n)
			SELECT status, project, profile, target, failure_class, count(*) FROM batch_execution_record GROUP BY 1, 2, 3, 4, 5`,
		"INSERT INTO source_groups (project, last_outcome, marks, n) SELECT project, last_outcome, marks, count(*) FROM sources GROUP BY 1, 2, 3",
		"INSERT INTO source_counts (project, enabled) SELECT project, count(*) FROM sources WHERE enabled = 1 AND removed_at IS NULL GROUP BY project",
	})
}

// inputs says what each execution was made from, in the order of its key.
func (m *maker) inputs() error {
	return m.all([]string{`INSERT INTO execution_inputs (kind, value, execution, source) SELECT kind, value, execution, source FROM (
		SELECT 'dataset' AS kind, 'image.' || e.identifier || '.SB' || j.value AS value, e.execution AS execution, e.source_id AS source FROM execution_sources e, json_each(e.sbids) j
		UNION ALL SELECT 'sbid', j.value, e.execution, e.source_id FROM execution_sources e, json_each(e.sbids) j) ORDER BY 1, 2, 3, 4`})
}

func (m *maker) all(statements []string) error {
	for _, text := range statements {
		if _, err := m.db.ExecContext(m.ctx, text); err != nil {
			return fmt.Errorf("%.80s: %w", text, err)
		}
	}
	return nil
}
