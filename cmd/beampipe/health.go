package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/control"
)

func newHealthCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "What is wrong now, and what to do about it",
		Long: `What is wrong now and what to do about it, whether a daemon runs, and when each tick last ran.
Ends with 8 when a problem of severity error is present.`,
		Example: "  beampipe health --json",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, _ []string) error {
			answer, err := c.Health(ctx)
			if err != nil {
				return err
			}
			if err := a.print(answer, func(p *page) { p.health(answer) }); err != nil {
				return err
			}
			for _, problem := range answer.Problems {
				if problem.Severity == "error" {
					return exitStatus(exitUnhealthy)
				}
			}
			return nil
		}),
	}
}

func (p *page) health(h control.Health) {
	switch len(h.Problems) {
	case 0:
		p.line("%s", p.green("no problems"))
	default:
		p.line("%s", p.bold(count(len(h.Problems), "problem")))
		if !h.Running {
			p.line("  no daemon runs: what one reported is as the last one left it")
		}
	}
	for _, problem := range h.Problems {
		severity := p.yellow(problem.Severity)
		if problem.Severity == "error" {
			severity = p.red(problem.Severity)
		}
		subject := ""
		if problem.Subject != "" && !strings.Contains(problem.Title, problem.Subject) {
			subject = " (" + problem.Subject + ")"
		}
		p.line("")
		since := ""
		if problem.Since.Before(h.At) { // else nobody knows for how long
			since = ", for " + age(h.At, problem.Since)
		}
		p.line("%s   %s%s%s   %s", severity, p.bold(problem.Title), subject, since, p.faint(problem.Code))
		p.line("  %s", problem.Text)
		if problem.Todo != "" {
			p.line("  → %s", problem.Todo)
		}
	}
	p.line("")
	p.field("daemon", "%s", h.Daemon)
	p.field("ledger", "%s, %s and %s of log, %s", h.Ledger, bytesText(h.Bytes), bytesText(h.WALBytes), count(int(h.Events), "event"))
	p.ticks(h.At, h.Ticks)
}
