package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/fault"
)

func newTickCmd(a *app) *cobra.Command {
	return group("tick", "One tick by hand, beside a daemon or without one; what ticks did", "  beampipe tick discovery\n  beampipe tick list",
		newTickDiscoveryCmd(a), newTickExecutionCmd(a), newTickPollCmd(a), newTickListCmd(a), newTickShowCmd(a))
}

func newTickDiscoveryCmd(a *app) *cobra.Command {
	var project string
	cmd := &cobra.Command{
		Use:     "discovery",
		Short:   "Ask the archives about the sources that are due",
		Example: "  beampipe tick discovery --project wallaby_hires",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) error {
			answer, err := c.TickDiscovery(ctx, project)
			if err != nil {
				return err
			}
			if err := a.print(answer, func(p *page) {
				for _, t := range answer.Ticks {
					p.discoveryTick(t)
				}
				p.nothing(len(answer.Ticks))
			}); err != nil {
				return err
			}
			var failed []string
			for _, t := range answer.Ticks {
				failed = appendError(failed, t.Project, t.Error)
			}
			return tickError("discovery", failed)
		}),
	}
	cmd.Flags().StringVar(&project, "project", "", "only this `PROJECT`")
	a.tapeFlags(cmd)
	return cmd
}

func newTickExecutionCmd(a *app) *cobra.Command {
	var project string
	cmd := &cobra.Command{
		Use:     "execution",
		Short:   "Admit pending sources, prepare and submit their runs",
		Example: "  beampipe tick execution --hold ready",
		Args:    arguments(0, 0, "no argument"),
	}
	hold := holdFlag(cmd)
	cmd.RunE = a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) error {
		held, err := hold()
		if err != nil {
			return err
		}
		answer, ended := c.TickExecution(ctx, project, held)
		if ended != nil && len(answer.Ticks) == 0 {
			return ended
		}
		// A run that could not go on harms itself alone: what the others did is told first.
		if err := a.print(answer, func(p *page) { p.executionTicks(answer) }); err != nil {
			return err
		}
		var failed []string
		for _, t := range answer.Ticks {
			failed = appendError(failed, t.Project, t.Error)
		}
		if ended != nil {
			return ended
		}
		return tickError("execution", failed)
	})
	cmd.Flags().StringVar(&project, "project", "", "only this `PROJECT`")
	return cmd
}

func newTickPollCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "poll",
		Short:   "Ask the backends how the submitted runs stand",
		Example: "  beampipe tick poll",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) error {
			answer, err := c.TickPoll(ctx)
			if err != nil {
				return err
			}
			if err := a.print(answer, func(p *page) {
				p.line("asked about %s at %s, %d moved", count(answer.Asked, "execution"), count(answer.Targets, "target"), answer.Moved)
				for _, e := range answer.Errors {
					p.line("  %s", p.red(e))
				}
			}); err != nil {
				return err
			}
			return tickError("poll", answer.Errors)
		}),
	}
}

func appendError(failed []string, project, message string) []string {
	if message == "" {
		return failed
	}
	return append(failed, project+": "+message)
}

// tickError is not nil when a tick met an error as a whole. A source or a run that failed is not one:
// it harms itself alone and is in the answer.
func tickError(kind string, failed []string) error {
	if len(failed) == 0 {
		return nil
	}
	return fault.New(fault.Unavailable, fmt.Sprintf("tick %s: %s", kind, strings.Join(failed, "; ")), "see: beampipe health")
}

func (p *page) nothing(ticks int) {
	if ticks == 0 {
		p.line("no project; add one with: beampipe project add -f survey.yaml")
	}
}

func (p *page) discoveryTick(t control.DiscoveryTick) {
	p.line("%s   %s: %d changed, %d unchanged, %d without data, %d missing, %d gone, %d ambiguous, %d refused, %d failed; %s in %s",
		p.bold(t.Project), count(t.Claimed, "source"), t.Changed, t.Unchanged, t.NoData, t.Missing, t.Gone, t.Ambiguous, t.Refused, t.Failed,
		count(t.Requests, "request"), took(t.Took))
	p.field("ended", "%s", t.Reason)
	if t.Error != "" {
		p.field("error", "%s", p.red(t.Error))
	}
	if t.Refused > 0 {
		p.next([]string{"beampipe source list --project " + t.Project + " --outcome refused"})
	}
	if t.Failed > 0 {
		p.next([]string{"beampipe source list --project " + t.Project + " --outcome error"})
	}
	if t.Ambiguous > 0 {
		p.next([]string{"beampipe source list --project " + t.Project + " --outcome ambiguous"})
	}
}

func (p *page) executionTicks(a control.ExecutionTicks) {
	const shown = 20
	for _, t := range a.Ticks {
		p.line("%s   %s admitted, %s skipped", p.bold(t.Project), count(len(t.Executions), "execution"), count(len(t.Skipped), "source"))
		p.field("ended", "%s", t.Reason)
		if t.Error != "" {
			p.field("error", "%s", p.red(t.Error))
		}
		for i, id := range t.Executions {
			if i == shown {
				p.line("  … and %d more", len(t.Executions)-shown)
				break
			}
			p.line("  + %s", id)
		}
		var rows [][]any
		for i, s := range t.Skipped {
			if i == shown {
				rows = append(rows, []any{"…", fmt.Sprintf("and %d more", len(t.Skipped)-shown)})
				break
			}
			rows = append(rows, []any{s.Source, s.Reason})
		}
		p.titled("skipped", rows)
	}
	p.nothing(len(a.Ticks))
	if len(a.Ticks) > 0 {
		p.line("%s carried out", count(a.Steps, "step"))
	}
}
