package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/ledger"
)

// outcomes are what a discovery can end with.
var outcomes = []string{
	ledger.OutcomeChanged, ledger.OutcomeUnchanged, ledger.OutcomeNoData, ledger.OutcomeMissing, ledger.OutcomeGone,
	ledger.OutcomeAmbiguous, ledger.OutcomeRefused, ledger.OutcomeError,
}

func newSourceListCmd(a *app) *cobra.Command {
	var q control.SourceQuery
	var pending, enabled, disabled, quarantined, missing, all bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Sources and what was last found for each",
		Example: "  beampipe source list --pending\n  beampipe source list --outcome error --limit 20",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, _ []string) error {
			if q.Limit < 1 {
				return usagef("source list: --limit %d: expected a number above 0", q.Limit)
			}
			if q.Outcome != "" && !slices.Contains(outcomes, q.Outcome) {
				return usagef("source list: --outcome %.40q: expected one of %s", q.Outcome, strings.Join(outcomes, ", "))
			}
			if pending {
				q.Pending = &pending
			}
			if enabled || disabled {
				q.Enabled = &enabled
			}
			if quarantined {
				q.Quarantined = &quarantined
			}
			if missing {
				q.Missing = &missing
			}
			narrowed := q != control.SourceQuery{Project: q.Project, Removed: q.Removed, Limit: q.Limit}
			return a.pages(all, &q.Limit, func() (bool, string, error) {
				answer, err := c.ListSources(ctx, q)
				if err != nil {
					return false, "", err
				}
				q.After = answer.Next
				return answer.More, "--after " + answer.Next, a.print(answer, func(p *page) { p.sourceList(answer, narrowed) })
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&q.Project, "project", "", "only of this `PROJECT`")
	f.StringVar(&q.Prefix, "prefix", "", "only identifiers that begin with `TEXT`")
	f.StringVar(&q.Outcome, "outcome", "", "only those whose last discovery ended with this `OUTCOME`: "+strings.Join(outcomes, ", "))
	f.BoolVar(&pending, "pending", false, "only those that wait for a run")
	f.BoolVar(&enabled, "enabled", false, "only enabled ones")
	f.BoolVar(&disabled, "disabled", false, "only disabled ones")
	f.BoolVar(&quarantined, "quarantined", false, "only those that are not asked about until they are released")
	f.BoolVar(&missing, "missing", false, "only those of which the archive no longer shows all")
	f.BoolVar(&q.Removed, "removed", false, "removed ones too")
	f.IntVar(&q.Limit, "limit", 100, "at most `N`")
	f.StringVar(&q.After, "after", "", "only those behind this `IDENTIFIER`; of several projects, behind PROJECT/IDENTIFIER")
	allFlag(cmd, &all)
	exclusive(cmd, "enabled", "disabled")
	return cmd
}
