package ledger

import "database/sql"

// ArtifactUse says of which execution an artifact is what.
type ArtifactUse struct {
	Execution string
	Kind      string
	Attempt   int
}

// UsesOf tells which executions an artifact belongs to, the newest first, at most limit.
func (v View) UsesOf(digest string, limit int) ([]ArtifactUse, error) {
	var list []ArtifactUse
	err := v.list("executions with artifact "+digest, `SELECT execution, kind, attempt FROM execution_artifacts WHERE sha256 = ?
		ORDER BY execution DESC, attempt DESC, kind LIMIT ?`, []any{digest, limit}, func(rows *sql.Rows) error {
		var u ArtifactUse
		err := rows.Scan(&u.Execution, &u.Kind, &u.Attempt)
		list = append(list, u)
		return err
	})
	return list, err
}

// ConfigsWithGraph tells which config revisions pin a source graph, by project, the newest first.
func (v View) ConfigsWithGraph(digest string) ([]Config, error) {
	var list []Config
	err := v.list("configs with graph "+digest, `SELECT project, revision, graph_origin, created_by FROM project_configs WHERE graph_sha256 = ? ORDER BY project, revision DESC`,
		[]any{digest}, func(rows *sql.Rows) error {
			c := Config{GraphSHA256: digest}
			err := rows.Scan(&c.Project, &c.Revision, &c.GraphOrigin, &c.CreatedBy)
			list = append(list, c)
			return err
		})
	return list, err
}
