package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// Project is a survey as the ledger knows it: its active revision and whether it may admit work.
type Project struct {
	ID          string     `json:"id"`
	Revision    int        `json:"revision"`
	Admitting   bool       `json:"admitting"`
	AdmitReason string     `json:"admit_reason,omitempty"`
	AdmitBy     string     `json:"admit_by,omitempty"`
	AdmitAt     *time.Time `json:"admit_at,omitempty"`
	BrakeAt     *time.Time `json:"brake_at,omitempty"` // admission is stopped since then: too much changed at once
	BrakeReason string     `json:"brake_reason,omitempty"`
	CreatedAt   time.Time  `json:"created_at"`
}

// Config is one immutable revision of a project's config.
type Config struct {
	Project     string    `json:"project"`
	Revision    int       `json:"revision"`
	Digest      string    `json:"digest"`
	Spec        []byte    `json:"-"` // canonical JSON
	File        []byte    `json:"-"` // as the operator gave it
	FileName    string    `json:"file_name"`
	GraphSHA256 string    `json:"graph_sha256,omitempty"`
	GraphOrigin string    `json:"graph_origin,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	CreatedBy   string    `json:"created_by"`
}

// NewConfig is a config to be added. Graph is nil where the project has none.
type NewConfig struct {
	Project     string
	Digest      string
	Spec        []byte
	File        []byte
	FileName    string
	Graph       *Packed
	GraphOrigin string
}

// AddConfig makes the config the project's active revision. The same digest with the same graph as the
// active one is no change (added is false). A new project does not admit until it is started. A new
// revision of a known one gives the sources whose answers could not be used another try: they leave
// quarantine and are due at once.
func (tx *Tx) AddConfig(c NewConfig, actor string) (cfg Config, added bool, err error) {
	graph := ""
	if c.Graph != nil {
		graph = c.Graph.SHA256
	}
	old, err := tx.Project(c.Project)
	known := err == nil
	if err != nil && !errors.Is(err, fault.NotFound) {
		return Config{}, false, err
	}
	if known {
		cfg, err = tx.Config(c.Project, old.Revision)
		if err != nil || (cfg.Digest == c.Digest && cfg.GraphSHA256 == graph) {
			return cfg, false, err
		}
	}
	if c.Graph != nil {
		if err := tx.PutPacked(*c.Graph); err != nil {
			return Config{}, false, err
		}
	}
	cfg = Config{
		Project: c.Project, Revision: old.Revision + 1, Digest: c.Digest, Spec: c.Spec, File: c.File, FileName: c.FileName,
		GraphSHA256: graph, GraphOrigin: c.GraphOrigin, CreatedAt: tx.now, CreatedBy: actor,
	}
	var graphRef any
	if graph != "" {
		graphRef = graph
	}
	if _, err := tx.exec("add config of "+c.Project, `INSERT INTO project_configs
		(project, revision, digest, spec, file, file_name, graph_sha256, graph_origin, created_at, created_by)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		cfg.Project, cfg.Revision, cfg.Digest, string(cfg.Spec), cfg.File, cfg.FileName, graphRef, cfg.GraphOrigin, Stamp(tx.now), actor); err != nil {
		return Config{}, false, err
	}
	if known {
		err = tx.execOne("activate config of "+c.Project, "UPDATE projects SET revision = ? WHERE project = ?", cfg.Revision, c.Project)
	} else {
		_, err = tx.exec("add project "+c.Project, "INSERT INTO projects (project, revision, created_at) VALUES (?, ?, ?)", c.Project, cfg.Revision, Stamp(tx.now))
	}
	if err != nil {
		return Config{}, false, err
	}
	if err := tx.Append(provenance.Event{Type: provenance.ProjectAdded, Project: c.Project, Actor: actor},
		map[string]any{"revision": cfg.Revision, "spec_sha256": cfg.Digest, "graph_sha256": graph}); err != nil {
		return Config{}, false, err
	}
	return cfg, true, tx.releaseRefused(c.Project, cfg.Revision, actor)
}

// SetAdmission starts (on) or pauses a project's admission. No change is no event.
func (tx *Tx) SetAdmission(project string, on bool, reason, actor string) (changed bool, err error) {
	n, err := tx.exec("set admission of "+project, `UPDATE projects SET admitting = ?, admit_reason = ?, admit_by = ?, admit_at = ?
		WHERE project = ? AND admitting <> ?`, on, reason, actor, Stamp(tx.now), project, on)
	if err != nil || n == 0 {
		return false, err
	}
	kind := provenance.ProjectPaused
	if on {
		kind = provenance.ProjectStarted
	}
	return true, tx.Append(provenance.Event{Type: kind, Project: project, Actor: actor}, map[string]any{"reason": reason})
}

const projectColumns = "project, revision, admitting, admit_reason, admit_by, admit_at, brake_at, brake_reason, created_at"

func scanProject(scan func(...any) error) (Project, error) {
	var p Project
	var at, brake, created timeText
	err := scan(&p.ID, &p.Revision, &p.Admitting, &p.AdmitReason, &p.AdmitBy, &at, &brake, &p.BrakeReason, &created)
	p.AdmitAt, p.BrakeAt, p.CreatedAt = at.t, brake.t, created.value()
	return p, err
}

// Project reads one project.
func (v View) Project(id string) (Project, error) {
	p, err := scanProject(v.row("SELECT "+projectColumns+" FROM projects WHERE project = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return p, fault.New(fault.NotFound, fmt.Sprintf("there is no project %q in this ledger", id), "list them with: beampipe project list")
	}
	return p, readError(v.path, "project "+id, err)
}

// Projects lists all projects by name.
func (v View) Projects() ([]Project, error) {
	var list []Project
	err := v.list("projects", "SELECT "+projectColumns+" FROM projects ORDER BY project", nil, func(rows *sql.Rows) error {
		p, err := scanProject(rows.Scan)
		list = append(list, p)
		return err
	})
	return list, err
}

// Config reads one revision of a project's config.
func (v View) Config(project string, revision int) (Config, error) {
	c := Config{}
	var spec string
	var graph sql.NullString
	var at timeText
	err := v.get(fmt.Sprintf("config revision %d of project %s", revision, project), `SELECT project, revision, digest, spec, file, file_name,
		graph_sha256, graph_origin, created_at, created_by FROM project_configs WHERE project = ? AND revision = ?`, []any{project, revision},
		&c.Project, &c.Revision, &c.Digest, &spec, &c.File, &c.FileName, &graph, &c.GraphOrigin, &at, &c.CreatedBy)
	c.Spec, c.GraphSHA256, c.CreatedAt = []byte(spec), graph.String, at.value()
	return c, err
}

// Configs lists a project's revisions, the newest first.
func (v View) Configs(project string) ([]Config, error) {
	var list []Config
	err := v.list("configs of "+project, `SELECT project, revision, digest, file_name, coalesce(graph_sha256, ''), graph_origin, created_at, created_by
		FROM project_configs WHERE project = ? ORDER BY revision DESC`, []any{project}, func(rows *sql.Rows) error {
		var c Config
		var at timeText
		err := rows.Scan(&c.Project, &c.Revision, &c.Digest, &c.FileName, &c.GraphSHA256, &c.GraphOrigin, &at, &c.CreatedBy)
		c.CreatedAt = at.value()
		list = append(list, c)
		return err
	})
	return list, err
}
