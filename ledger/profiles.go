package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// Profile is one immutable revision of a deployment profile, with what its name stands for now.
type Profile struct {
	Name      string    `json:"name"`
	Revision  int       `json:"revision"`
	Digest    string    `json:"digest"`
	Spec      []byte    `json:"-"` // canonical JSON
	Project   string    `json:"project_module,omitempty"`
	IsDefault bool      `json:"is_default"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
}

// AddProfile makes p the active revision under its name. Equal content is no change. A second default
// for the same project (or a second global one) is a Conflict.
func (tx *Tx) AddProfile(p Profile, actor string) (stored Profile, added bool, err error) {
	old, err := tx.Profile(p.Name)
	if err == nil && old.Digest == p.Digest {
		return old, false, nil
	}
	if err != nil && !errors.Is(err, fault.NotFound) {
		return Profile{}, false, err
	}
	if p.IsDefault {
		if err := tx.checkDefault(p); err != nil {
			return Profile{}, false, err
		}
	}
	p.Revision, p.CreatedAt, p.CreatedBy = old.Revision+1, tx.now, actor
	if _, err := tx.exec("add profile "+p.Name, `INSERT INTO profile_revisions (name, revision, digest, spec, created_at, created_by)
		VALUES (?, ?, ?, ?, ?, ?)`, p.Name, p.Revision, p.Digest, string(p.Spec), Stamp(tx.now), actor); err != nil {
		return Profile{}, false, err
	}
	if _, err := tx.exec("activate profile "+p.Name, `INSERT INTO profiles (name, revision, project, is_default) VALUES (?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, project = excluded.project, is_default = excluded.is_default`,
		p.Name, p.Revision, p.Project, p.IsDefault); err != nil {
		return Profile{}, false, err
	}
	return p, true, tx.Append(provenance.Event{Type: provenance.ProfileAdded, Project: p.Project, Actor: actor},
		map[string]any{"profile": p.Name, "revision": p.Revision, "spec_sha256": p.Digest})
}

func (tx *Tx) checkDefault(p Profile) error {
	other, err := tx.DefaultProfile(p.Project)
	if errors.Is(err, fault.NotFound) || (err == nil && (other.Name == p.Name || other.Project != p.Project)) {
		return nil
	}
	if err != nil {
		return err
	}
	scope := "for all projects"
	if p.Project != "" {
		scope = "of project " + p.Project
	}
	return fault.New(fault.Conflict, fmt.Sprintf("add profile %s: profile %s is already the default %s", p.Name, other.Name, scope),
		"set is_default to false in one of the two")
}

const profileQuery = `SELECT p.name, p.revision, r.digest, r.spec, p.project, p.is_default, r.created_at, r.created_by
	FROM profiles p JOIN profile_revisions r ON r.name = p.name AND r.revision = p.revision `

func scanProfile(scan func(...any) error) (Profile, error) {
	var p Profile
	var spec string
	var at timeText
	err := scan(&p.Name, &p.Revision, &p.Digest, &spec, &p.Project, &p.IsDefault, &at, &p.CreatedBy)
	p.Spec, p.CreatedAt = []byte(spec), at.value()
	return p, err
}

func (v View) oneProfile(what, hint, query string, args ...any) (Profile, error) {
	p, err := scanProfile(v.row(profileQuery+query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return p, fault.New(fault.NotFound, what, hint)
	}
	return p, readError(v.path, what, err)
}

// Profile reads the active revision under a name.
func (v View) Profile(name string) (Profile, error) {
	return v.oneProfile(fmt.Sprintf("there is no profile %q in this ledger", name),
		"add it with: beampipe profile add -f FILE, or list them with: beampipe profile list", "WHERE p.name = ?", name)
}

// ProfileRevision reads one revision.
func (v View) ProfileRevision(name string, revision int) (Profile, error) {
	p, err := v.Profile(name)
	if err != nil || p.Revision == revision {
		return p, err
	}
	var spec string
	var at timeText
	p.Revision = revision
	err = v.get(fmt.Sprintf("revision %d of profile %s", revision, name), "SELECT digest, spec, created_at, created_by FROM profile_revisions WHERE name = ? AND revision = ?",
		[]any{name, revision}, &p.Digest, &spec, &at, &p.CreatedBy)
	p.Spec, p.CreatedAt = []byte(spec), at.value()
	return p, err
}

// DefaultProfile is the project's own default, else the global one, else NotFound.
func (v View) DefaultProfile(project string) (Profile, error) {
	return v.oneProfile(fmt.Sprintf("no profile is named, and there is no default for project %q", project),
		"name one (automation.execution.deployment_profile_name or --profile), or add one with is_default: true",
		"WHERE p.is_default = 1 AND p.project IN (?, '') ORDER BY p.project DESC LIMIT 1", project)
}

// Profiles lists the active revisions by name.
func (v View) Profiles() ([]Profile, error) {
	var list []Profile
	err := v.list("profiles", profileQuery+"ORDER BY p.name", nil, func(rows *sql.Rows) error {
		p, err := scanProfile(rows.Scan)
		list = append(list, p)
		return err
	})
	return list, err
}
