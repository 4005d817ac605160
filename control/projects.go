package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"beampipe/configs"
	"beampipe/discovery"
	"beampipe/fault"
	"beampipe/graph"
	"beampipe/ledger"
)

// graphTimeout bounds the download of a graph (behaviour 3.5).
const graphTimeout = 30 * time.Second

// ValidateProject implements Projects.
func (c *Local) ValidateProject(_ context.Context, f ProjectFile) (ProjectReport, error) {
	cfg, report := configs.Load(f.Content, f.Name)
	answer := ProjectReport{At: c.now(), File: f.Name, Report: report}
	if cfg != nil {
		answer.RefusedDiscovery, answer.RefusedExecution = cfg.RefuseDiscovery(), cfg.RefuseExecution()
	}
	return answer, nil
}

// AddProject implements Projects. The graph's bytes are stored; nothing reads its path or URL again.
func (c *Local) AddProject(ctx context.Context, f ProjectFile) (ProjectAdded, error) {
	if err := c.needLedger(); err != nil {
		return ProjectAdded{}, err
	}
	cfg, report := configs.Load(f.Content, f.Name)
	if err := report.Err(); err != nil {
		return ProjectAdded{}, err
	}
	n := ledger.NewConfig{Project: cfg.Metadata.ID, Digest: cfg.Digest(), Spec: cfg.Canonical(), File: f.Content, FileName: f.Name}
	answer := ProjectAdded{Project: n.Project, Digest: n.Digest, Warnings: report.Warnings}
	raw, origin, err := c.resolveGraph(ctx, cfg, f)
	if err != nil {
		return ProjectAdded{}, err
	}
	if raw != nil {
		parsed, err := graph.Parse(raw, origin)
		if err != nil {
			return ProjectAdded{}, err
		}
		packed, err := ledger.Pack("application/json", raw)
		if err != nil {
			return ProjectAdded{}, err
		}
		n.Graph, n.GraphOrigin = &packed, origin
		answer.GraphSHA256, answer.GraphOrigin, answer.GraphNodes = packed.SHA256, origin, len(parsed.Nodes())
		answer.GraphPinned = cfg.Graph != nil && cfg.Graph.SHA256 != ""
	}
	err = c.ledger.Write(ctx, func(tx *ledger.Tx) error {
		stored, added, err := tx.AddConfig(n, c.o.Actor)
		if err != nil {
			return err
		}
		answer.Revision, answer.Added = stored.Revision, added
		p, err := tx.Project(n.Project)
		answer.Admitting = p.Admitting
		return err
	})
	if err != nil {
		return ProjectAdded{}, err
	}
	answer.At, answer.Next = c.now(), nextAfterAdd(answer)
	return answer, nil
}

func nextAfterAdd(a ProjectAdded) []string {
	var next []string
	if a.Revision == 1 {
		next = append(next, "beampipe source import --project "+a.Project+" -f FILE")
	}
	if !a.Admitting {
		next = append(next, "beampipe project start "+a.Project)
	}
	return next
}

// resolveGraph gives the graph's raw bytes and where they came from: --graph FILE, graph.path against
// the YAML's folder, or graph.url. Its pin is verified. nil bytes: the config names no graph.
func (c *Local) resolveGraph(ctx context.Context, cfg *configs.Project, f ProjectFile) ([]byte, string, error) {
	raw, origin, err := c.readGraph(ctx, cfg, f)
	if err != nil || raw == nil {
		return nil, "", err
	}
	if cfg.Graph == nil || cfg.Graph.SHA256 == "" {
		return raw, origin, nil
	}
	return raw, origin, graph.Verify(raw, cfg.Graph.SHA256, origin)
}

func (c *Local) readGraph(ctx context.Context, cfg *configs.Project, f ProjectFile) ([]byte, string, error) {
	switch {
	case f.Graph != nil:
		return f.Graph, f.GraphName, nil
	case cfg.Graph == nil:
		return nil, "", nil
	case cfg.Graph.Path != nil:
		path := *cfg.Graph.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(f.Folder, path)
		}
		raw, err := readLimited(path, graph.MaxBytes)
		kind := fault.Invalid
		if errors.Is(err, fs.ErrNotExist) {
			kind = fault.NotFound
		}
		return raw, path, fault.Wrap(kind, err, fmt.Sprintf("read graph.path of %s", f.Name), "correct graph.path, or name the file with --graph FILE")
	case cfg.Graph.URL != nil:
		if u, err := url.Parse(*cfg.Graph.URL); err != nil || u.User != nil {
			return nil, "", fault.New(fault.Invalid, "graph.url of "+f.Name+" cannot be used: it is malformed or holds a credential", "take the credential out, or name a local copy with --graph FILE")
		}
		raw, err := c.download(ctx, *cfg.Graph.URL)
		return raw, *cfg.Graph.URL, fault.Wrap(fault.Unavailable, err, "download graph.url of "+f.Name, "try again, or name a local copy with --graph FILE")
	}
	return nil, "", nil
}

func readLimited(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAllLimited(file, path, limit)
}

func readAllLimited(r io.Reader, name string, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, limit)
	}
	return raw, nil
}

func (c *Local) download(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, graphTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{CheckRedirect: safeRedirect}
	if c.o.Transport != nil {
		client.Transport = c.o.Transport(address)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s answered %s", address, res.Status)
	}
	return readAllLimited(res.Body, address, graph.MaxBytes)
}

// maxRedirects bounds how often the server of a graph may send us on.
const maxRedirects = 5

// safeRedirect follows a few redirects, and none from https to http.
func safeRedirect(next *http.Request, before []*http.Request) error {
	if len(before) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if before[0].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return fmt.Errorf("redirected from https to %s", next.URL.Redacted())
	}
	return nil
}

// DiffProject implements Projects.
func (c *Local) DiffProject(ctx context.Context, f ProjectFile) (ProjectDiff, error) {
	if err := c.needLedger(); err != nil {
		return ProjectDiff{}, err
	}
	cfg, report := configs.Load(f.Content, f.Name)
	if err := report.Err(); err != nil {
		return ProjectDiff{}, err
	}
	v := c.ledger.View(ctx)
	old, stored, err := c.config(v, cfg.Metadata.ID)
	if err != nil {
		return ProjectDiff{}, err
	}
	answer := ProjectDiff{At: c.now(), Project: stored.Project, Revision: stored.Revision, Same: cfg.Digest() == stored.Digest, Changes: []ValueDiff{}}
	for _, d := range cfg.Diff(old) {
		answer.Changes = append(answer.Changes, ValueDiff{Path: d.Path, Before: d.Old, After: d.New})
	}
	if !answer.Same {
		impact, err := c.discovery.Impact(ctx, stored.Project, cfg)
		if err != nil {
			return answer, err
		}
		answer.Impact = &impact
	}
	answer.Warnings = cfg.ChangesFrom(old)
	n, err := v.CountInFlight(stored.Project, "")
	if err == nil && n > 0 && !answer.Same {
		answer.Warnings = append(answer.Warnings, Diagnostic{
			Severity: "warning", Code: "in_flight_config_pins",
			Message: fmt.Sprintf("%d executions in flight stay with the revision that they were made under", n),
		})
	}
	return answer, err
}

// UpgradeProject implements Projects.
func (c *Local) UpgradeProject(ctx context.Context, f ProjectFile) (Upgrade, error) {
	digest := ""
	cfg, _ := configs.Load(f.Content, f.Name)
	if cfg != nil && (cfg.Graph == nil || cfg.Graph.SHA256 == "") {
		raw, _, err := c.readGraph(ctx, cfg, f)
		if err != nil {
			return Upgrade{}, err
		}
		if raw != nil {
			digest = graph.Digest(raw)
		}
	}
	content, changes, err := configs.Upgrade(f.Content, f.Name, digest)
	return Upgrade{File: f.Name, Content: string(content), Changes: changes}, err
}

// StartProject implements Projects.
func (c *Local) StartProject(ctx context.Context, project, reason string) (ProjectStatus, error) {
	return c.setAdmission(ctx, project, true, reason)
}

// PauseProject implements Projects.
func (c *Local) PauseProject(ctx context.Context, project, reason string) (ProjectStatus, error) {
	return c.setAdmission(ctx, project, false, reason)
}

// ReleaseProject implements Projects.
func (c *Local) ReleaseProject(ctx context.Context, project, reason string) (ProjectStatus, error) {
	if err := c.needLedger(); err != nil {
		return ProjectStatus{}, err
	}
	if err := needReason("release project "+project, reason); err != nil {
		return ProjectStatus{}, err
	}
	err := c.ledger.Write(ctx, func(tx *ledger.Tx) error {
		if _, err := tx.Project(project); err != nil {
			return err
		}
		released, err := tx.ReleaseBrake(project, reason, c.o.Actor)
		if err == nil && !released {
			err = fault.New(fault.Conflict, "release project "+project+": its mass-change brake is not on", "see: beampipe project show "+project)
		}
		return err
	})
	if err != nil {
		return ProjectStatus{}, err
	}
	if c.o.Health != nil {
		c.o.Health.Clear(discovery.ProblemMassChange, project)
	}
	return c.projectStatus(c.ledger.View(ctx), project)
}

func (c *Local) setAdmission(ctx context.Context, project string, on bool, reason string) (ProjectStatus, error) {
	if err := c.needLedger(); err != nil {
		return ProjectStatus{}, err
	}
	if err := checkReason("start or pause project "+project, reason); err != nil {
		return ProjectStatus{}, err
	}
	err := c.ledger.Write(ctx, func(tx *ledger.Tx) error {
		if _, err := tx.Project(project); err != nil {
			return err
		}
		_, err := tx.SetAdmission(project, on, reason, c.o.Actor)
		return err
	})
	if err != nil {
		return ProjectStatus{}, err
	}
	return c.projectStatus(c.ledger.View(ctx), project)
}

func (c *Local) projectStatus(v ledger.View, project string) (ProjectStatus, error) {
	p, err := v.Project(project)
	if err != nil {
		return ProjectStatus{}, err
	}
	cfg, stored, err := c.config(v, project)
	if err != nil {
		return ProjectStatus{}, err
	}
	s := ProjectStatus{At: v.Now(), Project: p, Digest: stored.Digest}
	if cfg.Metadata.Description != nil {
		s.Description = *cfg.Metadata.Description
	}
	if s.Outcomes, err = v.CountOutcomes(project); err != nil {
		return s, err
	}
	for _, n := range s.Outcomes {
		s.Sources += n
	}
	if s.Pending, s.OldestPending, err = v.CountPending(project); err != nil {
		return s, err
	}
	if s.Executions, err = v.CountExecutions(project); err != nil {
		return s, err
	}
	ticks, err := v.Schedules()
	for _, t := range ticks {
		if t.Project == project {
			s.Ticks = append(s.Ticks, t)
		}
	}
	return s, err
}

// ListProjects implements Projects.
func (c *Local) ListProjects(ctx context.Context) (ProjectList, error) {
	if err := c.needLedger(); err != nil {
		return ProjectList{}, err
	}
	v := c.ledger.View(ctx)
	list := ProjectList{At: v.Now(), Projects: []ProjectStatus{}}
	projects, err := v.Projects()
	if err != nil {
		return list, err
	}
	if list.Paused, err = c.pause(ctx); err != nil {
		return list, err
	}
	for _, p := range projects {
		s, err := c.projectStatus(v, p.ID)
		if err != nil {
			return list, err
		}
		list.Projects = append(list.Projects, s)
	}
	return list, nil
}

// ShowProject implements Projects.
func (c *Local) ShowProject(ctx context.Context, project string) (ProjectDetail, error) {
	if err := c.needLedger(); err != nil {
		return ProjectDetail{}, err
	}
	v := c.ledger.View(ctx)
	status, err := c.projectStatus(v, project)
	if err != nil {
		return ProjectDetail{}, err
	}
	d := ProjectDetail{ProjectStatus: status}
	if d.Config, err = v.Config(project, status.Revision); err != nil {
		return d, err
	}
	d.File = string(d.Config.File)
	d.Revisions, err = v.Configs(project)
	return d, err
}
