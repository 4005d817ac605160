package control

import (
	"context"
	"errors"
	"slices"
	"time"

	"beampipe/discovery"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
)

// Plan is what the next ticks would do if they came now.
type Plan struct {
	At       time.Time     `json:"at"`
	Paused   *ledger.Pause `json:"paused,omitempty"` // nothing of this happens before the ledger is adopted
	Projects []ProjectPlan `json:"projects"`
	Poll     PollPlan      `json:"poll"`
}

// ProjectPlan is what the next ticks would do for one project. An error keeps the rest of the plan.
type ProjectPlan struct {
	Project        string            `json:"project"`
	Discovery      discovery.Planned `json:"discovery"`
	DiscoveryError string            `json:"discovery_error,omitempty"`
	// Archives are those of the project that the daemon last found not to answer. The plan's own process
	// has asked none.
	Archives       []ledger.Problem     `json:"archive_problems,omitempty"`
	Execution      execution.Admission  `json:"execution"`
	ExecutionError string               `json:"execution_error,omitempty"`
	Executions     map[ledger.State]int `json:"executions"` // that are not terminal, by state
}

// PollPlan is what the next poll would ask.
type PollPlan struct {
	Executions int `json:"executions"` // that are outside: submitting, uncertain, queued, running, cancelling
}

// Plan implements Control.
func (c *Local) Plan(ctx context.Context, project string) (Plan, error) {
	names, err := c.projects(ctx, project)
	if err != nil {
		return Plan{}, err
	}
	answer := Plan{Projects: []ProjectPlan{}}
	if answer.Paused, err = c.pause(ctx); err != nil {
		return answer, err
	}
	for _, name := range names {
		p, err := c.planProject(ctx, name)
		if err != nil {
			return answer, err
		}
		answer.Projects = append(answer.Projects, p)
		for _, s := range outside {
			answer.Poll.Executions += p.Executions[s]
		}
	}
	answer.At = c.now()
	return answer, nil
}

// outside are the states in which something beside the ledger is asked how a run stands.
var outside = []ledger.State{ledger.Submitting, ledger.Uncertain, ledger.Queued, ledger.Running, ledger.Cancelling}

func (c *Local) planProject(ctx context.Context, project string) (ProjectPlan, error) {
	p := ProjectPlan{Project: project, Executions: map[ledger.State]int{}}
	var err error
	if p.Discovery, err = c.discovery.Plan(ctx, project); err != nil {
		if ctx.Err() != nil || errors.Is(err, fault.NotFound) {
			return p, err
		}
		p.DiscoveryError = err.Error()
	}
	if p.Archives, err = c.silentArchives(ctx, project); err != nil {
		return p, err
	}
	if p.Execution, err = c.execution.Preview(ctx, project); err != nil {
		if ctx.Err() != nil {
			return p, err
		}
		p.ExecutionError = err.Error()
	}
	all, err := c.ledger.View(ctx).CountExecutions(project)
	for state, n := range all {
		if !state.Terminal() {
			p.Executions[state] = n
		}
	}
	return p, err
}

// silentArchives gives the stored problems of those archives that a project asks.
func (c *Local) silentArchives(ctx context.Context, project string) ([]ledger.Problem, error) {
	v := c.ledger.View(ctx)
	problems, err := v.Problems()
	if err != nil {
		return nil, err
	}
	cfg, _, err := c.config(v, project)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(problems, func(p ledger.Problem) bool {
		return p.Code != discovery.ProblemArchive || !slices.Contains(cfg.Adapters.Required, p.Subject)
	}), nil
}
