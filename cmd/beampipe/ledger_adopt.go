package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/execution"
	"beampipe/ledger"
)

func newLedgerAdoptCmd(a *app) *cobra.Command {
	var q control.AdoptRequest
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Let a paused ledger act from here, after asking what runs outside",
		Long: `Let a paused ledger act from here. A ledger is paused on another machine or under another path than it is at home,
after it was restored, and when its witness has seen a later state of it: what it does not know may run outside.

Every place of every profile in use is asked first. Runs that got further than the ledger knows are taken in by legal
steps, so that nothing is submitted twice. Attempts of executions that the ledger does not have stop the adoption, and
so does a place that cannot be asked: with --forget-strangers both are given up, and their sources may run a second time.
A daemon that waits on the ledger goes on by itself afterwards.`,
		Example: "  beampipe ledger adopt --dry-run\n  beampipe ledger adopt --reason 'restored after the disk failed, ticket 118'",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) error {
			if q.Reason == "" && !q.DryRun {
				return missingReason("ledger adopt")
			}
			answer, err := c.AdoptLedger(ctx, q)
			if err != nil && len(answer.Found.Places) == 0 {
				return err
			}
			return errors.Join(err, a.print(answer, func(p *page) { p.adoption(answer, q) }))
		}),
	}
	reasonFlag(cmd, &q.Reason)
	cmd.Flags().BoolVar(&q.DryRun, "dry-run", false, "ask every place and show what was found; change nothing")
	cmd.Flags().BoolVar(&q.ForgetStrangers, "forget-strangers", false, "go on although attempts outside are not known here, or a place cannot be asked")
	return cmd
}

// maxShownAttempts bounds a list of attempts for people; --json has all.
const maxShownAttempts = 20

func (p *page) adoption(x control.Adoption, q control.AdoptRequest) {
	switch {
	case x.Paused.Reason == "":
		p.line("%s   nothing to adopt: it is at home here", p.bold(x.To.Path))
		return
	case x.Adopted:
		p.line("%s   %s", p.bold(x.To.Path), p.green("adopted: ticks run again"))
	case q.DryRun:
		p.line("%s   would be adopted, unless something below stops it", p.bold(x.To.Path))
	default:
		p.line("%s   %s", p.bold(x.To.Path), p.red("not adopted"))
	}
	p.field("paused", "%s", x.Paused.Reason)
	p.field("home", "%s on %s → %s on %s", x.From.Path, orElse(x.From.HostName, x.From.HostID), x.To.Path, orElse(x.To.HostName, x.To.HostID))
	for _, place := range x.Found.Places {
		if place.Error != "" {
			p.field("place", "%s: %s", place.Target, p.red(place.Error))
			continue
		}
		p.field("place", "%s, %s", place.Target, count(place.Attempts, "attempt"))
	}
	p.attempts("outside, of executions that the ledger does not have", x.Found.Strangers)
	p.attempts("outside, further than the ledger knows", x.Found.Behind)
	if x.Adopted {
		p.field("polled", "%s, %d moved", count(x.Found.Poll.Asked, "execution"), x.Found.Poll.Moved)
	}
}

func (p *page) attempts(title string, list []execution.Outside) {
	if len(list) == 0 {
		return
	}
	var rows [][]any
	for _, x := range list[:min(len(list), maxShownAttempts)] {
		here := "unknown"
		if x.State != "" {
			here = string(x.State)
		}
		rows = append(rows, []any{x.ID, string(x.Phase), here, orElse(x.Folder, x.Target)})
	}
	p.line("")
	p.line("%s: %s", title, count(len(list), "attempt"))
	p.table("", []string{"ATTEMPT", "OUTSIDE", "HERE", "WHERE"}, rows)
	if more := len(list) - maxShownAttempts; more > 0 {
		p.line("and %d more: see --json", more)
	}
}

// paused says before an answer that nothing of it happens.
func (p *page) paused(pause *ledger.Pause) {
	if pause == nil {
		return
	}
	p.line("%s   %s", p.red("the ledger is paused, no tick runs"), pause.Reason)
	p.line("  → %s", ledger.AdoptHint)
	p.line("")
}
