package execution

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/profiles"
)

// CreateRequest asks for an execution by hand.
type CreateRequest struct {
	Project string            `json:"project"`
	Sources []SourceSelection `json:"sources"`
	Profile string            `json:"profile,omitempty"` // "" = the project's, else the default one
	Hold    bool              `json:"hold,omitempty"`    // hold it when it is ready
	Actor   string            `json:"actor"`
	Reason  string            `json:"reason,omitempty"`
	RerunOf string            `json:"rerun_of,omitempty"` // the execution that this one repeats with current metadata
}

// SourceSelection is a source with the SBIDs to use; none = all that are known and not missing.
type SourceSelection struct {
	Identifier string   `json:"source_identifier"`
	SBIDs      []string `json:"sbids,omitempty"`
}

// Plan is what an execution would be. It can be created when there are no problems.
type Plan struct {
	Project         string          `json:"project"`
	ConfigRevision  int             `json:"config_revision"`
	Profile         string          `json:"profile,omitempty"`
	ProfileRevision int             `json:"profile_revision,omitempty"`
	Target          string          `json:"target,omitempty"`
	GraphSHA256     string          `json:"graph_sha256,omitempty"`
	ManifestSHA256  string          `json:"manifest_sha256,omitempty"` // as it would be now
	Sources         []PlannedSource `json:"sources"`
	TotalDatasets   int             `json:"total_datasets"`
	Problems        []string        `json:"problems,omitempty"`
	Asks            []string        `json:"asks,omitempty"` // what would be asked of whom at submission

	pinned []ledger.ExecutionSource
}

// PlannedSource is one source of a plan.
type PlannedSource struct {
	Identifier string   `json:"source_identifier"`
	SBIDs      []string `json:"sbids"`
	Datasets   int      `json:"datasets"`
	Problems   []string `json:"problems,omitempty"`

	kind fault.Kind // of its only problem: NotFound or Conflict; "" = Invalid
}

// kind says what a caller may do about the problems of a plan: it is more than Invalid only when every
// problem is of that one kind.
func (p Plan) kind() fault.Kind {
	kind := fault.Kind("")
	for _, s := range p.Sources {
		if len(s.Problems) == 0 {
			continue
		}
		if len(p.Problems) > 0 || len(s.Problems) > 1 || s.kind == "" || (kind != "" && kind != s.kind) {
			return fault.Invalid
		}
		kind = s.kind
	}
	if kind == "" {
		return fault.Invalid
	}
	return kind
}

// AllProblems gives the problems of a plan and of its sources.
func (p Plan) AllProblems() []string {
	all := slices.Clone(p.Problems)
	for _, s := range p.Sources {
		for _, problem := range s.Problems {
			all = append(all, s.Identifier+": "+problem)
		}
	}
	return all
}

// Plan says what an execution made by hand would be, without making it. What stands in its way is in
// the plan; an error means that the project is not there, or that the ledger could not be read.
func (e *Engine) Plan(ctx context.Context, q CreateRequest) (Plan, error) {
	var plan Plan
	err := e.ledger.Snapshot(ctx, func(v ledger.View) error {
		var err error
		plan, err = e.plan(v, q)
		return err
	})
	return plan, err
}

// Create makes an execution by hand: explicit sources, the same readiness as admission, no capacity. It
// names every problem of the plan: NotFound where all are sources that are not registered, Conflict where
// all are sources that another execution works on, else Invalid.
func (e *Engine) Create(ctx context.Context, q CreateRequest) (ledger.Execution, Plan, error) {
	var x ledger.Execution
	var plan Plan
	err := e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		var err error
		if plan, err = e.plan(tx.View, q); err != nil {
			return err
		}
		if problems := plan.AllProblems(); len(problems) > 0 {
			return fault.New(plan.kind(), fmt.Sprintf("create execution in project %s: %s", q.Project, strings.Join(problems, "; ")),
				"see the whole plan with --dry-run")
		}
		depth, err := queueDepth(tx.View)
		if err != nil {
			return err
		}
		x, err = tx.CreateExecution(ledger.NewExecution{
			Project: q.Project, ConfigRevision: plan.ConfigRevision,
			Profile: plan.Profile, ProfileRevision: plan.ProfileRevision, Target: plan.Target,
			Sources: plan.pinned, Signature: CombinedSignature(plan.pinned), HoldAtReady: q.Hold, RerunOf: q.RerunOf,
			Actor: q.Actor, Why: q.Reason,
			Record: newRunRecord(plan.pinned, Scheduler{PolicyDecision: "manual", AdmittedSourceCount: len(plan.pinned), QueueDepth: depth}),
		})
		return err
	})
	return x, plan, err
}

func (e *Engine) plan(v ledger.View, q CreateRequest) (Plan, error) {
	plan := Plan{Project: q.Project, Sources: []PlannedSource{}}
	project, err := v.Project(q.Project)
	if err != nil {
		return plan, err
	}
	cfg, err := e.project(v, project.ID, project.Revision)
	if err != nil {
		return plan, err
	}
	config, err := v.Config(project.ID, project.Revision)
	if err != nil {
		return plan, err
	}
	plan.ConfigRevision, plan.GraphSHA256 = project.Revision, config.GraphSHA256
	for _, d := range cfg.RefuseExecution() {
		plan.Problems = append(plan.Problems, d.Code+" ("+d.Path+"): "+d.Message)
	}
	p, err := e.planProfile(v, cfg, q, &plan)
	if err != nil {
		return plan, err
	}
	if err := planRerun(v, q, &plan); err != nil {
		return plan, err
	}
	if n, bound := len(q.Sources), cfg.Automation.Execution.MaxSourcesPerExecution; n == 0 || n > bound {
		plan.Problems = append(plan.Problems, fmt.Sprintf("%d sources are named, expected 1 to %d (automation.execution.max_sources_per_execution)", n, bound))
		if n > bound {
			return plan, nil
		}
	}
	if err := e.planSources(v, cfg, q, &plan); err != nil {
		return plan, err
	}
	plan.Asks = asks(cfg, p, plan)
	return plan, nil
}

func (e *Engine) planProfile(v ledger.View, cfg *configs.Project, q CreateRequest, plan *Plan) (*profiles.Profile, error) {
	named := cfg.Automation.Execution.DeploymentProfileName
	if q.Profile != "" {
		named = &q.Profile
	}
	stored, err := findProfile(v, q.Project, named)
	if errors.Is(err, fault.NotFound) || errors.Is(err, fault.Invalid) {
		plan.Problems = append(plan.Problems, err.Error())
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p, err := e.profile(v, stored.Name, stored.Revision)
	if err != nil {
		return nil, err
	}
	plan.Profile, plan.ProfileRevision, plan.Target = stored.Name, stored.Revision, p.Target()
	return p, nil
}

func planRerun(v ledger.View, q CreateRequest, plan *Plan) error {
	if q.RerunOf == "" {
		return nil
	}
	old, err := v.Execution(q.RerunOf)
	if err == nil && old.Project != q.Project {
		plan.Problems = append(plan.Problems, "execution "+q.RerunOf+" belongs to project "+old.Project)
	}
	return err
}

// planSources looks at each source and at the manifest of all.
func (e *Engine) planSources(v ledger.View, cfg *configs.Project, q CreateRequest, plan *Plan) error {
	var sources []ManifestSource
	named := map[string]bool{}
	for _, selection := range q.Sources {
		if named[selection.Identifier] {
			plan.Problems = append(plan.Problems, fmt.Sprintf("source %q is named twice", selection.Identifier))
			continue
		}
		named[selection.Identifier] = true
		planned, m, err := e.planSource(v, q.Project, selection, plan)
		if err != nil {
			return err
		}
		plan.Sources = append(plan.Sources, planned)
		plan.TotalDatasets += planned.Datasets
		sources = append(sources, m)
	}
	if len(plan.AllProblems()) > 0 {
		return nil
	}
	m, err := BuildManifest(cfg, sources)
	if err != nil {
		plan.Problems = append(plan.Problems, err.Error())
		return nil
	}
	plan.ManifestSHA256 = m.Digest()
	return nil
}

func (e *Engine) planSource(v ledger.View, project string, selection SourceSelection, plan *Plan) (PlannedSource, ManifestSource, error) {
	planned := PlannedSource{Identifier: selection.Identifier, SBIDs: []string{}}
	s, err := v.Source(project, selection.Identifier)
	if errors.Is(err, fault.NotFound) {
		planned.Problems, planned.kind = append(planned.Problems, "not registered in project "+project), fault.NotFound
		return planned, ManifestSource{}, nil
	}
	if err != nil {
		return planned, ManifestSource{}, err
	}
	meta, err := v.Metadata(s.ID)
	if err != nil {
		return planned, ManifestSource{}, err
	}
	planned.Problems = append(planned.Problems, e.o.Ready(s, meta, selection.SBIDs)...)
	active, err := v.ActiveExecution(s.ID)
	if err != nil {
		return planned, ManifestSource{}, err
	}
	if active != "" {
		planned.Problems, planned.kind = append(planned.Problems, "execution "+active+" works on it already"), fault.Conflict
	}
	m := ManifestSource{Identifier: s.Identifier, SBIDs: selection.SBIDs, Metadata: meta}
	blocks, err := selected(m)
	if err != nil && len(planned.Problems) == 0 { // else it says the same in other words
		planned.Problems = append(planned.Problems, err.Error())
	}
	for _, b := range blocks {
		planned.SBIDs = append(planned.SBIDs, b.SBID)
		planned.Datasets += len(b.Records)
	}
	plan.pinned = append(plan.pinned, ledger.ExecutionSource{
		SourceID: s.ID, Identifier: s.Identifier, SBIDs: planned.SBIDs, Signature: pinnedSignature(s.Signature, planned.SBIDs, usableSBIDs(meta)),
	})
	return planned, m, nil
}

// pinnedSignature is the source's signature, or, when only some of its SBIDs are run, one made from it
// and them: finishing a part must not mark the whole as executed.
func pinnedSignature(signature string, sbids, all []string) string {
	if slices.Equal(sbids, all) {
		return signature
	}
	return ledger.PartPrefix + digest([]byte("part of "+signature+": "+strings.Join(sbids, ",")))
}

// asks says what would be asked of whom at submission.
func asks(cfg *configs.Project, p *profiles.Profile, plan Plan) []string {
	if p == nil {
		return nil
	}
	var list []string
	if needsStaging(cfg) {
		list = append(list, fmt.Sprintf("archive %s: stage %d datasets", cfg.Automation.Execution.ArchiveName, plan.TotalDatasets))
	}
	switch {
	case p.Deployment.Local != nil:
		list = append(list, "this machine ("+plan.Target+"): run the patched graph in a folder of its own")
	case p.Deployment.Rest != nil:
		list = append(list, "translator "+p.Translation.TMURL+": unroll and partition, map", plan.Target+": create a session, append the graph, deploy")
	case p.Deployment.Slurm != nil:
		list = append(list, "translator "+p.Translation.TMURL+": unroll and partition", plan.Target+": upload the graph, sbatch one job")
	}
	if err := unsupported(cfg, p); err != nil {
		list = append(list, "refused at submission: "+err.Error())
	}
	return list
}
