package execution

import (
	"fmt"

	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/profiles"
)

// limit is one bound on how much may start now.
type limit struct {
	code  string
	used  int
	bound int
	unit  string
	from  string // the key or setting that says so
}

// left is what may still start.
func (l limit) left() int { return l.bound - l.used }

// after is the limit once n more have started.
func (l limit) after(n int) limit {
	l.used += n
	return l
}

// String is a reason: it names the limit, what is used of it, and where it comes from.
func (l limit) String() string {
	return fmt.Sprintf("%s: %d of %d %s (%s)", l.code, l.used, l.bound, l.unit, l.from)
}

func inFlight(code string, used, bound int, from string) limit {
	return limit{code: code, used: used, bound: bound, unit: "in flight", from: from}
}

// processLimits are the bounds that no profile is needed for, in the order in which they are told.
func (e *Engine) processLimits(v ledger.View, cfg *configs.Project) ([]limit, error) {
	project := cfg.Metadata.ID
	var limits []limit
	if bound := cfg.Automation.Execution.ConcurrentExecutionRunLimit; bound != nil {
		used, err := v.CountInFlight(project, "")
		if err != nil {
			return nil, err
		}
		limits = append(limits, inFlight("project_in_flight_cap", used, *bound, "automation.execution.concurrent_execution_run_limit"))
	}
	used, err := v.CountInFlight("", "")
	if err != nil {
		return nil, err
	}
	limits = append(limits, inFlight("in_flight_cap", used, e.o.Limits.MaxInFlightRuns, EnvMaxInFlightRuns))
	depth, err := queueDepth(v)
	if err != nil {
		return nil, err
	}
	return append(limits, limit{
		code: "queue_full", used: depth, bound: e.o.Limits.QueueMaxDepth, unit: "wait for a worker", from: EnvQueueMaxDepth,
	}), nil
}

// profileLimit is the bound of a profile; ok is false when it has none.
func profileLimit(v ledger.View, p *profiles.Profile) (l limit, ok bool, err error) {
	if p.MaxConcurrent == nil {
		return limit{}, false, nil
	}
	used, err := v.CountInFlight("", p.Name)
	return inFlight("profile_in_flight_cap", used, *p.MaxConcurrent, fmt.Sprintf("max_concurrent_executions of profile %q", p.Name)), true, err
}

// LimitUse is one bound on how much may be in flight, with what is used of it and where it comes from.
type LimitUse struct {
	Code  string // project_in_flight_cap, in_flight_cap, queue_full, profile_in_flight_cap
	Used  int
	Bound int
	From  string
}

// Limits gives every bound that decides about an execution, as it stands now.
func (e *Engine) Limits(v ledger.View, x ledger.Execution) ([]LimitUse, error) {
	cfg, err := e.project(v, x.Project, x.ConfigRevision)
	if err != nil {
		return nil, err
	}
	p, err := e.profile(v, x.Profile, x.ProfileRevision)
	if err != nil {
		return nil, err
	}
	limits, err := e.allLimits(v, cfg, p)
	uses := make([]LimitUse, len(limits))
	for i, l := range limits {
		uses[i] = LimitUse{Code: l.code, Used: l.used, Bound: l.bound, From: l.from}
	}
	return uses, err
}

// allLimits are all bounds on admission now.
func (e *Engine) allLimits(v ledger.View, cfg *configs.Project, p *profiles.Profile) ([]limit, error) {
	limits, err := e.processLimits(v, cfg)
	if err != nil {
		return nil, err
	}
	if l, ok, err := profileLimit(v, p); err != nil {
		return nil, err
	} else if ok {
		limits = append(limits, l)
	}
	return limits, nil
}

// exhausted gives the first limit with nothing left.
func exhausted(limits []limit) (limit, bool) {
	for _, l := range limits {
		if l.left() <= 0 {
			return l, true
		}
	}
	return limit{}, false
}

// tightest gives the limit with the least left, the first of equals.
func tightest(limits []limit) limit {
	least := limits[0]
	for _, l := range limits[1:] {
		if l.left() < least.left() {
			least = l
		}
	}
	return least
}

// submitted counts the executions that a place has or may have. project "" counts all.
func submitted(v ledger.View, project string) (int, error) {
	counts, err := v.CountLive(project)
	n := 0
	for _, s := range []ledger.State{ledger.Submitting, ledger.Uncertain, ledger.Queued, ledger.Running, ledger.Cancelling} {
		n += counts[s]
	}
	return n, err
}

// queueDepth counts the executions that wait for a worker: in flight, and not submitted.
func queueDepth(v ledger.View) (int, error) {
	all, err := v.CountInFlight("", "")
	if err != nil {
		return 0, err
	}
	out, err := submitted(v, "")
	return all - out, err
}

// submissionLimit gives the bound that keeps an execution from being submitted now; ok is false when
// none does. Admission keeps within the limits by itself; executions made by hand, or released from
// a hold all at once, wait here.
func (e *Engine) submissionLimit(v ledger.View, x ledger.Execution) (l limit, ok bool, err error) {
	used, err := submitted(v, "")
	if err != nil {
		return limit{}, false, err
	}
	limits := []limit{inFlight("in_flight_cap", used, e.o.Limits.MaxInFlightRuns, EnvMaxInFlightRuns)}
	cfg, err := e.project(v, x.Project, x.ConfigRevision)
	if err != nil {
		return limit{}, false, err
	}
	if bound := cfg.Automation.Execution.ConcurrentExecutionRunLimit; bound != nil {
		if used, err = submitted(v, x.Project); err != nil {
			return limit{}, false, err
		}
		limits = append(limits, inFlight("project_in_flight_cap", used, *bound, "automation.execution.concurrent_execution_run_limit"))
	}
	l, ok = exhausted(limits)
	return l, ok, nil
}
