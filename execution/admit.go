package execution

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/profiles"
)

// Bounds of one admission.
const (
	maxPerWrite = 100    // executions created in one transaction
	maxExamined = 10_000 // pending sources looked at in one tick
	pageSize    = 100    // pending sources read beyond what is needed, at first
)

// AdmitOptions are the options of one admission.
type AdmitOptions struct {
	Hold bool // what is admitted is held when it is ready
}

// Admission is what one admission tick did. Reason is what stopped it from doing more: the binding
// limit and where it comes from, or "admitted" when nothing that is pending was left.
type Admission struct {
	Project    string   `json:"project"`
	Reason     string   `json:"reason"`
	Executions []string `json:"executions"`
	Skipped    []Skip   `json:"skipped,omitempty"`
	Pending    int      `json:"pending"`  // sources that waited for a run
	Examined   int      `json:"examined"` // of them looked at
	Sources    int      `json:"sources"`  // of them admitted
	// Planned is given by Preview alone: the sources of each execution that would be made.
	Planned [][]string `json:"planned,omitempty"`
}

// Skip is a pending source that was not admitted, and why. It stays pending and keeps nobody waiting.
type Skip struct {
	Source string `json:"source_identifier"`
	Reason string `json:"reason"`
}

// Reasons of an admission tick that name no number.
const (
	reasonAdmitted  = "admitted"
	reasonNoPending = "no_pending_sources"
	reasonNotReady  = "sources_skipped_not_ready"
	reasonDisabled  = "disabled: automation.execution.enabled is false"
)

// Admit makes executions of a project's pending sources, the longest waiting first, as far as every
// limit allows. A source that cannot run, or whose data has not settled, is skipped and keeps nobody
// behind it waiting. The reason is kept with ledger.RecordTickRun. An error means that the ledger could
// not be read or written: what was created before it is in the answer.
func (e *Engine) Admit(ctx context.Context, project string, o AdmitOptions) (Admission, error) {
	a := e.admission(project)
	a.hold, a.tick = o.Hold, e.ledger.NewID()
	began := e.ledger.Now()
	err := e.ledger.Snapshot(ctx, a.plan)
	if err == nil {
		err = a.create(ctx)
	}
	if err != nil {
		return a.Admission, fmt.Errorf("admit executions of project %s: %w", project, err)
	}
	a.count()
	return a.Admission, e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		_, err := tx.RecordTickRun(a.tickRun(began))
		return err
	})
}

// Preview says what Admit would do now: the same reason and skips, and the sources of each execution
// that it would make (Planned). Nothing is written and nobody is told of a problem.
func (e *Engine) Preview(ctx context.Context, project string) (Admission, error) {
	a := e.admission(project)
	a.preview = true
	if err := e.ledger.Snapshot(ctx, a.plan); err != nil {
		return a.Admission, fmt.Errorf("preview admission of project %s: %w", project, err)
	}
	for _, group := range a.groups {
		names := make([]string, len(group))
		for i, s := range group {
			names[i] = s.Identifier
		}
		a.Planned = append(a.Planned, names)
		a.Sources += len(group)
	}
	return a.Admission, nil
}

// admission is one admission on its way.
type admission struct {
	Admission
	engine  *Engine
	hold    bool
	preview bool   // only look
	tick    string // names the tick in events

	cfg      *configs.Project
	revision int
	profile  *profiles.Profile
	profRev  int
	oldest   *time.Time
	now      time.Time
	limits   []limit
	groups   [][]ledger.ExecutionSource // one per execution to be made
	made     []ledger.TickSource        // what was admitted
}

func (e *Engine) admission(project string) *admission {
	return &admission{engine: e, Admission: Admission{Project: project, Executions: []string{}}}
}

// plan decides what is to be created. It leaves groups empty and sets the reason when nothing is.
func (a *admission) plan(v ledger.View) error {
	a.now = v.Now()
	p, err := v.Project(a.Project)
	if err != nil {
		return err
	}
	if a.cfg, err = a.engine.project(v, p.ID, p.Revision); err != nil {
		return err
	}
	a.revision = p.Revision
	if a.Pending, a.oldest, err = v.CountPending(p.ID); err != nil {
		return err
	}
	if a.Reason = a.refusal(p); a.Reason != "" {
		return nil
	}
	if a.limits, err = a.engine.processLimits(v, a.cfg); err != nil {
		return err
	}
	if l, full := exhausted(a.limits); full {
		a.Reason = l.String()
		return nil
	}
	if a.Reason = a.threshold(); a.Reason != "" {
		return nil
	}
	if a.Reason, err = a.resolveProfile(v); err != nil || a.Reason != "" {
		return err
	}
	if a.limits, err = a.engine.allLimits(v, a.cfg, a.profile); err != nil {
		return err
	}
	if l, full := exhausted(a.limits); full {
		a.Reason = l.String()
		return nil
	}
	return a.choose(v)
}

// refusal is why this project admits nothing at all.
func (a *admission) refusal(p ledger.Project) string {
	switch {
	case !a.cfg.Automation.Execution.Enabled:
		a.accept()
		return reasonDisabled
	case !p.Admitting:
		a.accept()
		return "paused: start it with: beampipe project start " + p.ID
	case p.BrakeAt != nil:
		return fmt.Sprintf("mass_change_brake: %s; beampipe project release %s --reason TEXT", p.BrakeReason, p.ID)
	}
	if refused := a.cfg.RefuseExecution(); len(refused) > 0 {
		list := make([]string, len(refused))
		for i, d := range refused {
			list[i] = d.Code + " (" + d.Path + "): " + d.Message
		}
		return a.refuse(strings.Join(list, "; "), "correct the project file, then: beampipe project add")
	}
	return ""
}

// refuse reports a refusal that only a person can end.
func (a *admission) refuse(text, todo string) string {
	if !a.preview {
		a.engine.problem(ProblemAdmissionRefused, a.Project, "Project "+a.Project+" admits nothing", text, "error", todo)
	}
	return "refused: " + text
}

// accept takes an earlier refusal back.
func (a *admission) accept() {
	if !a.preview {
		a.engine.o.Health.Clear(ProblemAdmissionRefused, a.Project)
	}
}

func (a *admission) threshold() string {
	if a.Pending == 0 {
		return reasonNoPending
	}
	x := a.cfg.Automation.Execution
	waited := a.oldest != nil && a.now.Sub(*a.oldest) >= time.Duration(x.MaxWaitMinutes)*time.Minute
	if a.Pending >= x.MinSourcesToTrigger || waited {
		return ""
	}
	return fmt.Sprintf("threshold_not_met: %d of %d pending (automation.execution.min_sources_to_trigger), and the oldest has not waited %d minutes (automation.execution.max_wait_minutes)",
		a.Pending, x.MinSourcesToTrigger, x.MaxWaitMinutes)
}

// resolveProfile finds the profile to run with. A profile that is named must be there.
func (a *admission) resolveProfile(v ledger.View) (reason string, err error) {
	named := a.cfg.Automation.Execution.DeploymentProfileName
	stored, err := findProfile(v, a.Project, named)
	if errors.Is(err, fault.NotFound) || errors.Is(err, fault.Invalid) {
		todo := "add one with: beampipe profile add -f FILE"
		if hints := fault.Hints(err); len(hints) > 0 {
			todo = hints[0]
		}
		return a.refuse(err.Error(), todo), nil
	}
	if err != nil {
		return "", err
	}
	a.accept()
	a.profRev = stored.Revision
	a.profile, err = a.engine.profile(v, stored.Name, stored.Revision)
	return "", err
}

// findProfile gives the named profile, or the default one when none is named. NotFound or Invalid say
// why there is none to be used.
func findProfile(v ledger.View, project string, named *string) (ledger.Profile, error) {
	if named == nil {
		p, err := v.DefaultProfile(project)
		if errors.Is(err, fault.NotFound) {
			err = fault.New(fault.NotFound, "no profile is named and none is default",
				"name one in automation.execution.deployment_profile_name, or add one with is_default: true")
		}
		return p, err
	}
	p, err := v.Profile(*named)
	switch {
	case errors.Is(err, fault.NotFound):
		err = fault.New(fault.NotFound, fmt.Sprintf("profile %q does not exist", *named), "add it with: beampipe profile add -f FILE, or name another")
	case err == nil && p.Project != "" && p.Project != project:
		err = fault.New(fault.Invalid, fmt.Sprintf("profile %q belongs to project %s", *named, p.Project), "name a profile of project "+project+" or one for all projects")
	}
	return p, err
}

// choose picks the sources, longest waiting first, and deals them to executions.
func (a *admission) choose(v ledger.View) error {
	x := a.cfg.Automation.Execution
	a.limits = append(a.limits, limit{
		code: "tick_run_limit", bound: x.TickExecutionRunLimit, unit: "executions in this tick", from: "automation.execution.tick_execution_run_limit",
	})
	bind := tightest(a.limits)
	need := bind.left() * x.MaxSourcesPerExecution
	if x.TickExecutionSourceLimit < need {
		need = x.TickExecutionSourceLimit
		bind = limit{code: "tick_source_limit", bound: need, unit: "sources in this tick", from: "automation.execution.tick_execution_source_limit"}
	}
	chosen, more, err := a.ready(v, need)
	if err != nil {
		return err
	}
	for group := range slices.Chunk(chosen, x.MaxSourcesPerExecution) {
		a.groups = append(a.groups, group)
	}
	switch {
	case more && len(chosen) == need && bind.code == "tick_source_limit":
		a.Reason = bind.after(len(chosen)).String()
	case more && len(chosen) == need:
		a.Reason = bind.after(len(a.groups)).String()
	case more:
		a.Reason = fmt.Sprintf("examined_limit: %d pending sources looked at per tick", maxExamined)
	case len(chosen) == 0:
		a.Reason = reasonNotReady
	default:
		a.Reason = reasonAdmitted
	}
	return nil
}

// ready reads pending sources page by page until need of them can run; more tells whether some were
// left unread.
func (a *admission) ready(v ledger.View, need int) (chosen []ledger.ExecutionSource, more bool, err error) {
	for size := min(need+pageSize, maxExamined); ; size = min(size*4, maxExamined) {
		page, err := v.PendingSources(a.Project, size)
		if err != nil {
			return nil, false, err
		}
		for _, s := range page[min(a.Examined, len(page)):] {
			if len(chosen) == need {
				return chosen, true, nil
			}
			a.Examined++
			pinned, why, err := a.pin(v, s)
			if err != nil {
				return nil, false, err
			}
			if why != "" {
				a.Skipped = append(a.Skipped, Skip{Source: s.Identifier, Reason: why})
				continue
			}
			chosen = append(chosen, pinned)
		}
		if len(page) < size || size == maxExamined {
			return chosen, len(page) == size, nil
		}
	}
}

// pin says which SBIDs of a source an execution takes now, or why it cannot take it.
func (a *admission) pin(v ledger.View, s ledger.Source) (ledger.ExecutionSource, string, error) {
	if why := unsettled(s, a.cfg.Automation.Execution.Settle(), a.now); why != "" {
		return ledger.ExecutionSource{}, why, nil
	}
	meta, err := v.Metadata(s.ID)
	if err != nil {
		return ledger.ExecutionSource{}, "", err
	}
	if reasons := a.engine.o.Ready(s, meta, nil); len(reasons) > 0 {
		return ledger.ExecutionSource{}, strings.Join(reasons, "; "), nil
	}
	pinned := ledger.ExecutionSource{SourceID: s.ID, Identifier: s.Identifier, SBIDs: usableSBIDs(meta), Signature: s.Signature}
	if len(pinned.SBIDs) == 0 {
		return pinned, "no dataset that an archive still shows and that is not excluded", nil
	}
	return pinned, "", nil
}

func usableSBIDs(meta []ledger.Metadata) []string {
	var sbids []string
	for _, m := range meta {
		if Usable(m) {
			sbids = append(sbids, m.SBID)
		}
	}
	slices.Sort(sbids)
	return sbids
}
