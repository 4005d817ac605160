package ledger

import (
	"database/sql"
	"fmt"
)

// texts are the columns that hold a JSON document which no digest guards, and what names their rows. An empty
// text is none yet.
var texts = []struct{ table, column, row string }{
	{"archive_metadata", "records", "'source ' || source_id || ', SBID ' || sbid"},
	{"archive_metadata", "flags", "'source ' || source_id || ', SBID ' || sbid"},
	{"sources", "report", "'source ' || identifier || ' of ' || project"},
	{"discovery_changes", "changes", "'change ' || id || ' of source ' || source_id"},
	{"signature_rules", "content", "'rule of ' || project || ', revision ' || revision"},
	{"project_configs", "spec", "project || ', revision ' || revision"},
	{"profile_revisions", "spec", "name || ', revision ' || revision"},
	{"execution_sources", "sbids", "'execution ' || execution || ', source ' || identifier"},
	{"batch_execution_record", "checkpoint", "'execution ' || uuid"},
	{"run_records", "record", "'execution ' || execution"},
	{"schedules", "counters", "kind || ' of ' || project"},
	{"tick_runs", "counters", "'tick ' || id"},
}

// texts looks whether stored documents can still be read. What became another document is not seen: only
// events, artifacts and answers have digests.
func (c *checker) texts() error {
	for _, t := range texts {
		there, err := c.view().hasTable(t.table)
		if err != nil {
			return err
		}
		if !there {
			continue // a schema of before
		}
		if err := c.documents(t.table, t.column, t.row); err != nil {
			c.found("table %s, column %s: cannot be read to its end: %v; restore the ledger from a backup", t.table, t.column, err)
		}
	}
	return c.ctx.Err()
}

func (c *checker) documents(table, column, row string) error {
	return c.long(func(v View) error {
		var rows int64
		if err := v.get("rows of "+table, "SELECT count(*) FROM "+table, nil, &rows); err != nil {
			return err
		}
		err := v.list("documents in "+table, fmt.Sprintf("SELECT %s FROM %s WHERE %s <> '' AND NOT json_valid(%s)", row, table, column, column), nil,
			func(rows *sql.Rows) error {
				var name sql.NullString
				err := rows.Scan(&name)
				c.found("%s: its %s in table %s is no JSON document any more; restore the ledger from a backup", name.String, column, table)
				return err
			})
		c.step.Checked += rows
		c.progress(c.step.Checked, 0)
		return err
	})
}
