package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/fault"
)

func newSourceSetCmd(a *app) *cobra.Command {
	var q control.CadenceRequest
	var hours string
	cmd := &cobra.Command{
		Use:   "set IDENTIFIER… | --all",
		Short: "How often sources are asked about, apart from their survey",
		Long: `Set after how many hours sources are asked about again, instead of automation.discovery.stale_after_hours of
their survey; default takes the survey's again.`,
		Example: "  beampipe source set HIPASSJ1313-15 --stale-after-hours 6 --reason 'observed this week'\n  beampipe source set --all --stale-after-hours default",
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, args []string) error {
			if err := a.selected(ctx, c, &q.SourceSelection, args); err != nil {
				return err
			}
			if q.StaleAfterHours = nil; hours != "default" {
				n, err := strconv.Atoi(hours)
				if err != nil {
					return usagef("source set: --stale-after-hours %.20q: expected a whole number of hours, or default", hours)
				}
				q.StaleAfterHours = &n
			}
			answer, err := c.SetCadence(ctx, q)
			if err != nil {
				return err
			}
			if err := a.print(answer, func(p *page) { p.sourceChanges(answer, "set") }); err != nil || len(answer.Refused) == 0 {
				return err
			}
			return fault.New(fault.Invalid, fmt.Sprintf("set sources of %s: %d were refused", answer.Project, len(answer.Refused)), "the reasons are in the answer")
		}),
	}
	selection(cmd, &q.SourceSelection)
	cmd.Flags().StringVar(&hours, "stale-after-hours", "", "ask again after `HOURS`, or default")
	require(cmd, "stale-after-hours")
	return cmd
}
