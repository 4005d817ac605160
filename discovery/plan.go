package discovery

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/vo/tap"
)

// Planned is what the next discovery tick of a project would do if it came now.
type Planned struct {
	Project  string `json:"project"`
	Revision int    `json:"revision"`
	// Reason is what would end the tick, or keep it from doing anything: one of the Reason constants; Why
	// says more where there is more to say.
	Reason string `json:"reason"`
	Why    string `json:"why,omitempty"`

	Due     int        `json:"due"`                   // sources that are due and not being discovered
	First   []string   `json:"first,omitempty"`       // of them, the longest due first; at most 10
	NextDue *time.Time `json:"next_due_at,omitempty"` // when the next of the others is due

	Claimed  int         `json:"claimed"`  // sources that the tick would take
	Batches  int         `json:"batches"`  // that it would take them in
	Requests []QueryCost `json:"requests"` // for them, estimated by the SBIDs that they had last time

	Limits   []PlanLimit                `json:"limits"`
	Archives map[string]tap.BudgetState `json:"archives,omitempty"` // as far as this process has asked them

	Enabled     int    `json:"enabled"`     // sources that are discovered at all
	Quarantined int    `json:"quarantined"` // of them set aside
	Settling    int    `json:"settling"`    // of them with data that changed too short ago to be run
	Failing     int    `json:"failing"`     // of them those whose last discovery failed
	Missing     int    `json:"missing"`     // of them those whose data is no longer shown
	Brake       string `json:"brake,omitempty"`
}

// PlanLimit is a limit of a tick.
type PlanLimit struct {
	Name  string `json:"name"` // the config's key or the environment variable that says it
	Limit int    `json:"limit"`
	Binds bool   `json:"binds"` // it keeps this tick from taking more
}

// maxFirst bounds the names in a plan.
const maxFirst = 10

// Plan says what the next discovery tick of a project would do if it came now. It writes nothing and
// asks no archive. Its cost is that of reading every source of the project once.
func (e *Engine) Plan(ctx context.Context, project string) (Planned, error) {
	plan := Planned{Project: project, Requests: []QueryCost{}}
	err := e.ledger.Snapshot(ctx, func(v ledger.View) error {
		t, err := e.newTick(v, project)
		if err != nil {
			return err
		}
		p, err := v.Project(project)
		if err != nil {
			return err
		}
		plan.Revision, plan.Brake = t.revision, p.BrakeReason
		survey := &surveyed{plan: &plan, now: v.Now(), settle: t.project.Automation.Execution.Settle()}
		if err := survey.look(ctx, v); err != nil {
			return err
		}
		plan.Archives = e.budgets(t.project)
		return plan.tick(v, t, survey)
	})
	return plan, err
}

// tick says what a tick makes of the sources that are due.
func (plan *Planned) tick(v ledger.View, t *Tick, survey *surveyed) error {
	due, err := v.CountDueSources(t.id, maxLimit)
	if err != nil {
		return err
	}
	plan.Due = due
	a := t.project.Automation.Discovery
	batches := PlanLimit{Name: EnvMaxBatchesPerTick, Limit: t.engine.limits.MaxBatchesPerTick}
	if a.TickDiscoveryBatchLimit != nil {
		batches = PlanLimit{Name: "automation.discovery.tick_discovery_batch_limit", Limit: *a.TickDiscoveryBatchLimit}
	}
	sources := PlanLimit{Name: "automation.discovery.tick_discovery_source_limit", Limit: a.TickDiscoverySourceLimit}
	size := PlanLimit{Name: "automation.discovery.batch_size", Limit: a.BatchSize}
	plan.Claimed = min(due, sources.Limit, batches.Limit*a.BatchSize)
	plan.Batches = (plan.Claimed + a.BatchSize - 1) / a.BatchSize
	switch {
	case plan.Claimed == due:
		plan.Reason = ReasonNoneDue
	case plan.Claimed == sources.Limit:
		plan.Reason, sources.Binds = ReasonMaxSources, true
	default:
		plan.Reason, batches.Binds = ReasonMaxBatches, true
	}
	plan.Limits = []PlanLimit{sources, batches, size}
	none, err := plan.nothing(v, t)
	if err != nil {
		return err
	}
	if none {
		plan.Claimed, plan.Batches = 0, 0
	}
	if plan.Claimed > 0 {
		plan.Requests = Cost(t.project, plan.Claimed, survey.sbidsPerSource())
	}
	return nil
}

// nothing says what keeps a tick from doing anything at all, and whether something does.
func (plan *Planned) nothing(v ledger.View, t *Tick) (bool, error) {
	if err := t.engine.refuse(t.project); err != nil {
		plan.Reason, plan.Why = ReasonConfigFailed, strings.Join(append([]string{err.Error()}, fault.Hints(err)...), "; ")
		return true, nil
	}
	if !t.project.Automation.Discovery.Enabled {
		plan.Reason = ReasonDisabled
		return true, nil
	}
	if plan.Due == 0 {
		return true, nil
	}
	if why := t.engine.closedArchive(t.project); why != "" {
		plan.Reason, plan.Why = ReasonUnavailable, why
		return true, nil
	}
	busy, err := t.inFlight(v)
	if err != nil || busy == "" {
		return false, err
	}
	plan.Reason = busy
	return true, nil
}

// surveyed is what a walk over a project's sources found.
type surveyed struct {
	plan   *Planned
	now    time.Time
	settle time.Duration
	first  []ledger.Source // due, the longest first, at most maxFirst
	sbids  int             // of the sources that are due
	known  int             // of them, those that had any
}

func (w *surveyed) look(ctx context.Context, v ledger.View) error {
	enabled := true
	err := eachSource(v, ledger.SourceFilter{Project: w.plan.Project, Enabled: &enabled}, func(s ledger.Source) error {
		w.add(s)
		return ctx.Err()
	})
	for _, s := range w.first {
		w.plan.First = append(w.plan.First, s.Identifier)
	}
	return err
}

func (w *surveyed) add(s ledger.Source) {
	plan := w.plan
	plan.Enabled++
	if s.Pending && !s.Settled(w.settle) {
		plan.Settling++
	}
	if s.MissingSince != nil {
		plan.Missing++
	}
	if s.Failures > 0 {
		plan.Failing++
	}
	if s.QuarantinedAt != nil {
		plan.Quarantined++
		return
	}
	if s.NextDueAt.After(w.now) {
		if plan.NextDue == nil || s.NextDueAt.Before(*plan.NextDue) {
			plan.NextDue = &s.NextDueAt
		}
		return
	}
	var report Report
	if json.Unmarshal([]byte(s.Report), &report) == nil && len(report.SBIDs) > 0 {
		w.sbids, w.known = w.sbids+len(report.SBIDs), w.known+1
	}
	w.first = append(w.first, s)
	slices.SortStableFunc(w.first, func(a, b ledger.Source) int {
		return cmp.Or(a.NextDueAt.Compare(b.NextDueAt), cmp.Compare(a.ID, b.ID))
	})
	w.first = w.first[:min(len(w.first), maxFirst)]
}

// sbidsPerSource is what the sources that are due had last time, rounded up; 1 where none had any.
func (w *surveyed) sbidsPerSource() int {
	if w.known == 0 {
		return 1
	}
	return (w.sbids + w.known - 1) / w.known
}
