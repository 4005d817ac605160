package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/ledger"
)

func newOutputsCmd(a *app) *cobra.Command {
	return group("outputs", "The files that runs made, and which of them came of bad data", "  beampipe outputs list --withdrawn",
		newOutputsListCmd(a),
		newOutputsMarkCmd(a, outputsMark{
			use: "withdraw", short: "Mark products that came of bad data; nothing is deleted", done: "withdrawn", would: "would be withdrawn", already: "withdrawn already",
			long: `Mark products as withdrawn, with a reason: all of an execution, all that was made from an SBID, a dataset or an
evaluation file, or single files. A mark is an event of the log, and shows in lists, traces and exports. Nothing is
deleted. Executions that were made from the same data and go on are named: they may make more.`,
			example: "  beampipe outputs withdraw --sbid 72962 --dry-run\n  beampipe outputs withdraw --file mosaic.fits --reason 'wrong beam, ticket 118'",
			do:      control.Control.WithdrawOutputs,
		}),
		newOutputsMarkCmd(a, outputsMark{
			use: "restore", short: "Take withdrawals back", done: "restored", would: "would be restored", already: "not withdrawn",
			long: `Take withdrawals of products back, with a reason. What was said of them before stays in the log.`, example: "  beampipe outputs restore --sbid 72962 --reason 'recalibrated: it was good'",
			do: control.Control.RestoreOutputs,
		}))
}

func newOutputsListCmd(a *app) *cobra.Command {
	var q control.OutputQuery
	var all bool
	cmd := &cobra.Command{
		Use:     "list [EXECUTION]",
		Short:   "The files that runs made, of the newest run first",
		Long:    "The files that one run made, or all of them, of the newest run first, with their digests.",
		Example: "  beampipe outputs list 0193a1c2\n  beampipe outputs list --withdrawn --all",
		Args:    arguments(0, 1, "at most one execution id"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			if q.Limit < 1 {
				return usagef("outputs list: --limit %d: expected a number above 0", q.Limit)
			}
			q.Execution = first(args)
			return a.pages(all, &q.Limit, func() (bool, string, error) {
				answer, err := c.ListOutputs(ctx, q)
				if err != nil {
					return false, "", err
				}
				err = a.print(answer, func(p *page) { p.outputs(answer.Products, q.Execution) })
				q.After = answer.Next
				return answer.Next != "", "--after " + q.After, err
			})
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&q.Withdrawn, "withdrawn", false, "only withdrawn ones")
	f.IntVar(&q.Limit, "limit", 100, "at most `N` (1000 is the most)")
	f.StringVar(&q.After, "after", "", "only those behind this `CURSOR`, which the page before gave")
	allFlag(cmd, &all)
	return cmd
}

// outputs shows products, without the execution where all are of one.
func (p *page) outputs(list []ledger.Product, execution string) {
	if len(list) == 0 {
		p.line("no product")
		return
	}
	marks := slices.ContainsFunc(list, func(o ledger.Product) bool { return o.Withdrawn != nil })
	var rows [][]any
	for _, o := range list {
		var row []any
		if marks { // first, because a terminal cuts what is last
			row = append(row, p.withdrawnMark(o))
		}
		if execution == "" {
			row = append(row, o.Execution)
		}
		rows = append(rows, append(row, o.Path, bytesText(o.Bytes), short(o.SHA256), fmt.Sprintf("%d", o.Attempt), withdrawal(o)))
	}
	var header []string
	if marks {
		header = append(header, "")
	}
	if execution == "" {
		header = append(header, "EXECUTION")
	}
	header = append(header, "PRODUCT", "SIZE", "SHA256", "ATTEMPT", "")
	p.table("", header, rows)
}

// withdrawnMark says that a product is withdrawn.
func (p *page) withdrawnMark(o ledger.Product) ink {
	if o.Withdrawn == nil {
		return ""
	}
	return p.red("withdrawn")
}

// withdrawn says that a product is, since when, by whom and why.
func (p *page) withdrawn(o ledger.Product) ink {
	if o.Withdrawn == nil {
		return ""
	}
	return p.red("withdrawn " + withdrawal(o))
}

func withdrawal(o ledger.Product) string {
	if o.Withdrawn == nil {
		return ""
	}
	return fmt.Sprintf("%s by %s: %s", when(o.Withdrawn.At), o.Withdrawn.By, o.Withdrawn.Reason)
}

// outputsMark is a mark that can be set on products.
type outputsMark struct {
	use, short, long, example string
	done, would, already      string

	do func(c control.Control, ctx context.Context, q control.OutputSelection) (control.OutputChanges, error)
}

func newOutputsMarkCmd(a *app, m outputsMark) *cobra.Command {
	var q control.OutputSelection
	var input inputFlags
	var files []string
	cmd := &cobra.Command{
		Use:     m.use + " [EXECUTION] [--sbid N | --dataset NAME | --evaluation-file NAME | --file PATH]",
		Short:   m.short,
		Long:    m.long,
		Example: m.example,
		Args:    arguments(0, 1, "at most one execution id"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, args []string) (err error) {
			if q.Reason == "" && !q.DryRun {
				return missingReason("outputs " + m.use)
			}
			q.Execution = first(args)
			if q.Input, err = input.input("outputs " + m.use); err != nil {
				return err
			}
			q.Products = nil
			for _, name := range files {
				product, err := exportedThing(ctx, name)
				if err != nil {
					return err
				}
				q.Products = append(q.Products, product)
			}
			answer, err := m.do(c, ctx, q)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.outputChanges(answer, m) })
		}),
	}
	input.add(cmd, "of what was made from")
	f := cmd.Flags()
	f.StringArrayVar(&files, "file", nil, "one product: a file here, sha256:DIGEST, its URI or its `PATH` (repeatable)")
	f.StringVar(&q.Project, "project", "", "with --sbid, --dataset and --evaluation-file: only of this `PROJECT`")
	f.BoolVar(&q.DryRun, "dry-run", false, "only print what would be done")
	reasonFlag(cmd, &q.Reason)
	return cmd
}

func (p *page) outputChanges(c control.OutputChanges, m outputsMark) {
	done := m.done
	if c.DryRun {
		done = m.would
	}
	p.line("%s of %s %s", p.bold(count(c.Changed, "product")), count(len(c.Executions), "execution"), done)
	if c.Already > 0 {
		p.line("  %s %s", count(c.Already, "other product"), m.already)
	}
	const shown = 50
	var rows [][]any
	for _, o := range c.Products[:min(len(c.Products), shown)] {
		rows = append(rows, []any{o.Execution, o.Path, short(o.SHA256)})
	}
	if more := len(c.Products) - shown; more > 0 {
		rows = append(rows, []any{fmt.Sprintf("and %d more (--json has them all)", more)})
	}
	if len(rows) > 0 {
		p.table("  ", nil, rows)
	}
	for _, id := range c.Going {
		p.line("  %s", p.yellow("execution "+id+" was made from the same data and goes on: it may make more"))
	}
}

// inputFlags name something that executions are made from.
type inputFlags struct{ sbid, dataset, evaluation string }

func (i *inputFlags) add(cmd *cobra.Command, what string) {
	f := cmd.Flags()
	f.StringVar(&i.sbid, "sbid", "", what+" this SBID: its `NUMBER`")
	f.StringVar(&i.dataset, "dataset", "", what+" this dataset: its `NAME`, by its dataset_id")
	f.StringVar(&i.evaluation, "evaluation-file", "", what+" this evaluation file: its `NAME`")
}

// input gives what is named, nil for nothing.
func (i *inputFlags) input(command string) (*ledger.Input, error) {
	var found *ledger.Input
	for _, in := range []ledger.Input{{Kind: ledger.InputSBID, Value: i.sbid}, {Kind: ledger.InputDataset, Value: i.dataset}, {Kind: ledger.InputEvaluation, Value: i.evaluation}} {
		if in.Value == "" {
			continue
		}
		if found != nil {
			return nil, usagef("%s: give one of --sbid, --dataset and --evaluation-file", command)
		}
		found = &in
	}
	return found, nil
}
