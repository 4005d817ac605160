package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/control"
)

func newPlanCmd(a *app) *cobra.Command {
	var project string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "What the next ticks would do, and why not the rest; does nothing",
		Long: `What the next discovery and execution ticks would do if they came now, what would keep them from doing more,
and what the next poll would ask. Nothing is written and no archive is asked.`,
		Example: "  beampipe plan --project wallaby_hires",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, _ []string) error {
			answer, err := c.Plan(ctx, project)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.ticksPlan(answer) })
		}),
	}
	cmd.Flags().StringVar(&project, "project", "", "only this `PROJECT`")
	return cmd
}

func (p *page) ticksPlan(answer control.Plan) {
	p.paused(answer.Paused)
	for _, x := range answer.Projects {
		p.line("%s", p.bold(x.Project))
		p.planDiscovery(x)
		p.planExecution(x)
		p.line("")
	}
	p.nothing(len(answer.Projects))
	if len(answer.Projects) > 0 {
		p.line("poll   asks about %s", count(answer.Poll.Executions, "execution"))
	}
}

func (p *page) planDiscovery(x control.ProjectPlan) {
	d := x.Discovery
	if x.DiscoveryError != "" {
		p.field("discovery", "%s", p.red(x.DiscoveryError))
		return
	}
	requests := 0
	for _, q := range d.Requests {
		requests += q.Set
	}
	p.field("discovery", "takes %d of %s due, in %s; about %s", d.Claimed, count(d.Due, "source"), batchCount(d.Batches), count(requests, "request"))
	p.field("", "then: %s", joined(d.Reason, d.Why))
	if len(d.First) > 0 {
		p.field("", "first: %s", strings.Join(d.First, ", "))
	}
	if d.NextDue != nil {
		p.field("", "the next of the others is due at %s", when(*d.NextDue))
	}
	for _, part := range []struct {
		n    int
		what string
	}{{d.Settling, "settling"}, {d.Failing, "failing"}, {d.Missing, "missing data"}, {d.Quarantined, "in quarantine"}} {
		if part.n > 0 {
			p.field("", "%s %s", count(part.n, "source"), part.what)
		}
	}
	for _, a := range x.Archives {
		p.field("", "%s", p.red(fmt.Sprintf("archive %s did not answer the daemon, since %s; see: beampipe health", a.Subject, when(a.Since))))
	}
	for _, name := range slices.Sorted(maps.Keys(d.Archives)) {
		if s := d.Archives[name]; s.Breaker != "closed" {
			p.field("", "%s", p.red("archive "+name+": its breaker is "+s.Breaker+", last error: "+s.LastError))
		}
	}
}

func (p *page) planExecution(x control.ProjectPlan) {
	e := x.Execution
	if x.ExecutionError != "" {
		p.field("execution", "%s", p.red(x.ExecutionError))
		return
	}
	p.field("execution", "makes %s of %s of %d pending", count(len(e.Planned), "execution"), count(e.Sources, "source"), e.Pending)
	p.field("", "then: %s", e.Reason)
	const shown = 10
	for i, s := range e.Skipped {
		if i == shown {
			p.field("", "… and %d more are skipped", len(e.Skipped)-shown)
			break
		}
		p.field("", "not %s: %s", s.Source, s.Reason)
	}
	if text := counts(x.Executions, ""); text != "" {
		p.field("in work", "%s", text)
	}
}

// joined puts a reason and what more there is to say of it together.
func joined(reason, why string) string {
	if why == "" {
		return reason
	}
	return reason + ": " + why
}

func batchCount(n int) string {
	if n == 1 {
		return "1 batch"
	}
	return value(n) + " batches"
}
