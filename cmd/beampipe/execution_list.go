package main

import (
	"context"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/ledger"
)

func newExecutionListCmd(a *app) *cobra.Command {
	var q control.ExecutionQuery
	var states []string
	var held, all bool
	var input inputFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Runs, the newest first",
		Long: `Runs, the newest first. What narrows the list may be combined, and a page costs the same however many runs there
are. --since and --until go by the time at which a run was made: a time in UTC, such as 2026-11-20 or
'2026-11-20 04:00', or an age, such as 90m, 24h or 7d.`,
		Example: "  beampipe execution list --state running --state queued\n  beampipe execution list --state failed --class science --since 7d --all",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, _ []string) (err error) {
			if q.Limit < 1 {
				return usagef("execution list: --limit %d: expected a number above 0", q.Limit)
			}
			if q.States, err = parseStates(states); err != nil {
				return err
			}
			if q.Class != "" && q.Class != ledger.ClassPlumbing && q.Class != ledger.ClassScience {
				return usagef("execution list: --class %.40q: expected %s or %s", string(q.Class), ledger.ClassPlumbing, ledger.ClassScience)
			}
			if held {
				q.Held = &held
			}
			if q.Input, err = input.input("execution list"); err != nil {
				return err
			}
			return a.pages(all, &q.Limit, func() (bool, string, error) {
				answer, err := c.ListExecutions(ctx, q)
				if err != nil {
					return false, "", err
				}
				err = a.print(answer, func(p *page) { p.executionList(answer, all && answer.More) })
				if answer.More && len(answer.Executions) > 0 {
					q.Before = answer.Executions[len(answer.Executions)-1].ID
				}
				return answer.More, "--before " + q.Before, err
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&q.Project, "project", "", "only of this `PROJECT`")
	f.StringVar(&q.Source, "source", "", "only with this source: its `IDENTIFIER`")
	f.StringArrayVar(&states, "state", nil, "only in this `STATE` (repeatable)")
	f.StringVar((*string)(&q.Class), "class", "", "only failed ones of this `CLASS`: plumbing, science")
	f.StringVar(&q.Profile, "profile", "", "only with this deployment `PROFILE`")
	f.StringVar(&q.Target, "target", "", "only at this `PLACE`, as execution show names it")
	f.BoolVar(&held, "held", false, "only held ones")
	f.StringVar(&q.RerunOf, "rerun-of", "", "only those that run again what this execution ran: its `ID`")
	input.add(cmd, "only made from")
	f.StringVar(&q.Since, "since", "", "only made at this `TIME` or later")
	f.StringVar(&q.Until, "until", "", "only made before this `TIME`")
	f.IntVar(&q.Limit, "limit", 50, "at most `N`")
	f.StringVar(&q.Before, "before", "", "only those older than this `ID`")
	allFlag(cmd, &all)
	return cmd
}

func parseStates(names []string) ([]ledger.State, error) {
	known := map[ledger.State]bool{}
	for _, t := range ledger.Transitions() {
		known[t.From], known[t.To] = true, true
	}
	var states []ledger.State
	for _, name := range names {
		if !known[ledger.State(name)] {
			return nil, usagef("execution list: --state %q: expected one of pending, preparing, ready, submitting, uncertain, queued, running, cancelling, verifying, completed, failed, cancelled", name)
		}
		states = append(states, ledger.State(name))
	}
	return states, nil
}
