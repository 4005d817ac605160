package main

import (
	"context"

	"github.com/spf13/cobra"

	"beampipe/control"
)

func newLedgerCheckCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Look whether the ledger is sound, from its pages to every history in it",
		Long: `Look whether the ledger is sound: its pages, indexes and references; that every table, index and trigger is the one
of this program; that every execution's history is one of legal steps and leads to its record; that artifacts and
answers have their digests; that counts equal a recount; and that the provenance log is what was written. Nothing is
changed. Works on a copy of a ledger and beside a daemon. What is found is told step by step, with the row and what to do.
Ends with 10 when something was found.`,
		Example: "  beampipe ledger check\n  beampipe ledger check --ledger backup.db --json",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onCopy, func(ctx context.Context, c control.Control, _ []string) error {
			bar := a.bar("")
			answer, err := c.CheckLedger(ctx, bar.step)
			bar.stop()
			if err != nil {
				return err
			}
			if err := a.print(answer, func(p *page) { p.checked(answer) }); err != nil {
				return err
			}
			if !answer.OK {
				return exitStatus(exitBroken)
			}
			return nil
		}),
	}
}

func (p *page) checked(x control.CheckAnswer) {
	verdict := p.green("sound")
	if !x.OK {
		verdict = p.red("not sound")
	}
	p.line("%s   %s, schema version %d", p.bold(x.Ledger), verdict, x.SchemaVersion)
	var rows [][]any
	for _, s := range x.Steps {
		found := p.green("ok")
		if !s.OK {
			found = p.red(count(len(s.Findings)+int(s.More), "finding"))
		}
		rows = append(rows, []any{s.Name, s.Checked, found, s.What})
	}
	p.table("  ", nil, rows)
	for _, s := range x.Steps {
		for _, text := range s.Findings {
			p.line("%s   %s", p.red(s.Name), text)
		}
		if s.More > 0 {
			p.line("%s   and %d more", p.red(s.Name), s.More)
		}
		for _, text := range s.Notes {
			p.line("%s   %s", p.yellow(s.Name), text)
		}
	}
}
