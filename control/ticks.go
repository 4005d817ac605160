package control

import (
	"context"
	"errors"
	"sync/atomic"

	"beampipe/discovery"
	"beampipe/drive"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
)

// projects gives the projects that a tick is for: the one that is named, or all.
func (c *Local) projects(ctx context.Context, project string) ([]string, error) {
	if err := c.needLedger(); err != nil {
		return nil, err
	}
	v := c.ledger.View(ctx)
	if project != "" {
		_, err := v.Project(project)
		return []string{project}, err
	}
	list, err := v.Projects()
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.ID
	}
	return names, err
}

// TickDiscovery implements Ticks.
func (c *Local) TickDiscovery(ctx context.Context, project string) (DiscoveryTicks, error) {
	names, err := c.projects(ctx, project)
	if err == nil {
		err = c.mayAsk(ctx, "discovery tick")
	}
	if err != nil {
		return DiscoveryTicks{}, err
	}
	answer := DiscoveryTicks{Ticks: []DiscoveryTick{}}
	for _, name := range names {
		answer.Ticks = append(answer.Ticks, c.discoveryTick(ctx, name, discovery.TickOptions{}))
	}
	answer.At = c.now()
	return answer, ctx.Err()
}

// discoveryTick runs one project's discovery tick with a parallel driver. What goes wrong is in its
// answer: one project harms itself alone.
func (c *Local) discoveryTick(ctx context.Context, project string, o discovery.TickOptions) DiscoveryTick {
	answer := DiscoveryTick{Project: project}
	tick, err := c.discovery.Begin(ctx, project, o)
	if err != nil {
		answer.Reason, answer.Error = "refused", err.Error()
		return answer
	}
	var failures []error
	err = drive.Run(ctx, drive.Parallel(tick, c.o.Workers, func(err error) { failures = append(failures, err) }))
	r, finish := tick.Finish(context.WithoutCancel(ctx))
	answer = DiscoveryTick{
		Project: project, Reason: r.Reason, Claimed: r.Claimed, Changed: r.Changed, Unchanged: r.Unchanged, NoData: r.NoData,
		Missing: r.Missing, Gone: r.Gone, Ambiguous: r.Ambiguous, Refused: r.Refused, Failed: r.Failed, Requests: r.Requests, Took: r.Took,
	}
	if err := errors.Join(append(failures, err, finish)...); err != nil {
		answer.Error = err.Error()
	}
	return answer
}

// TickExecution implements Ticks: it admits, and then prepares and submits what is due.
func (c *Local) TickExecution(ctx context.Context, project string, hold bool) (ExecutionTicks, error) {
	names, err := c.projects(ctx, project)
	if err == nil {
		err = c.awake(ctx, "execution tick")
	}
	if err != nil {
		return ExecutionTicks{}, err
	}
	answer := ExecutionTicks{Ticks: []ExecutionTick{}}
	for _, name := range names {
		answer.Ticks = append(answer.Ticks, c.Admit(ctx, name, hold))
	}
	answer.Steps, err = c.Work(ctx)
	answer.At = c.now()
	return answer, err
}

// Admit runs one project's admission. What goes wrong is in its answer.
func (c *Local) Admit(ctx context.Context, project string, hold bool) ExecutionTick {
	tick := ExecutionTick{Project: project, Executions: []string{}}
	if err := c.awake(ctx, "execution tick"); err != nil {
		tick.Reason, tick.Error = "refused", err.Error()
		return tick
	}
	a, err := c.execution.Admit(ctx, project, execution.AdmitOptions{Hold: hold})
	if err != nil {
		tick.Reason, tick.Error = "refused", err.Error()
		return tick
	}
	tick.Reason = a.Reason
	tick.Executions = append(tick.Executions, a.Executions...)
	for _, s := range a.Skipped {
		tick.Skipped = append(tick.Skipped, SkippedItem{Source: s.Source, Reason: s.Reason})
	}
	return tick
}

// Work prepares, submits and retries whatever is due until nothing is, and counts the steps. A step
// that fails leaves its reason in the ledger; only a step that could not be told is an error here.
func (c *Local) Work(ctx context.Context) (int, error) {
	if err := c.awake(ctx, "work"); err != nil {
		return 0, err
	}
	counted := &counter{work: c.execution}
	var failures []error
	err := drive.Run(ctx, drive.Parallel(counted, c.o.Workers, func(err error) {
		if !errors.Is(err, fault.Conflict) { // moved by someone else: it is theirs
			failures = append(failures, err)
		}
	}))
	return int(counted.n.Load()), errors.Join(append(failures, err)...)
}

// counter counts the units of work that it hands on.
type counter struct {
	work drive.Work
	n    atomic.Int64
}

func (c *counter) Next(ctx context.Context) (func(context.Context) error, bool, error) {
	run, ok, err := c.work.Next(ctx)
	if ok {
		c.n.Add(1)
	}
	return run, ok, err
}

// TickPoll implements Ticks.
func (c *Local) TickPoll(ctx context.Context) (PollTick, error) {
	if err := c.awake(ctx, "poll tick"); err != nil {
		return PollTick{}, err
	}
	r, err := c.execution.Poll(ctx)
	return PollTick{At: c.now(), Asked: r.Asked, Moved: r.Moved, Targets: r.Targets, Errors: r.Errors}, err
}

// Ledger lets the daemon and the demo read beside the control.
func (c *Local) Ledger() *ledger.Ledger { return c.ledger }
