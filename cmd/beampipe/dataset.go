package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/control"
)

// maxDatasetListBytes bounds a file that lists datasets.
const maxDatasetListBytes = 8 << 20

func newDatasetCmd(a *app) *cobra.Command {
	return group("dataset", "Data that is kept out of runs", "  beampipe dataset exclude --sbid 72962 --reason 'bad calibration'",
		newDatasetChangeCmd(a, datasetChange{
			use: "exclude", short: "Keep SBIDs or datasets out of readiness and manifests; they stay stored", done: "excluded", rest: "excluded already",
			long: `Keep SBIDs or datasets out of readiness and manifests. They stay stored, and a run that has been made already
goes on with what it pinned. What is named need not be known yet.`,
			example: "  beampipe dataset exclude --sbid 72962 --reason 'bad calibration'\n  beampipe dataset exclude --file bad-beams.txt --reason 'ticket 118'",
			do:      control.Control.ExcludeDatasets,
		}),
		newDatasetChangeCmd(a, datasetChange{
			use: "include", short: "End the exclusion of SBIDs or datasets", done: "included again", rest: "not excluded as named, see: beampipe dataset list",
			long: `End the exclusion of SBIDs or datasets. What is given must be named as it was when it was excluded: an SBID does
not stand for single datasets of it.`,
			example: "  beampipe dataset include --sbid 72962 --reason 'recalibrated'", do: control.Control.IncludeDatasets,
		}),
		newDatasetListCmd(a))
}

// datasetChange is a change of what is excluded.
type datasetChange struct {
	use, short, long, example string
	done, rest                string // what was done, and what is true of those with which nothing was to be done

	do func(c control.Control, ctx context.Context, q control.DatasetSelection) (control.DatasetChanges, error)
}

func newDatasetChangeCmd(a *app, change datasetChange) *cobra.Command {
	var q control.DatasetSelection
	var item control.Dataset
	cmd := &cobra.Command{
		Use:     change.use + " --sbid N [--dataset NAME] | --file FILE",
		Short:   change.short,
		Long:    change.long,
		Example: change.example,
		Args:    arguments(0, 0, "no argument: data is named with --sbid or --file"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) error {
			if (item.SBID != "") == (q.FileName != "") {
				return usagef("dataset %s: which data? give --sbid or --file, and not both", change.use)
			}
			if item.Dataset != "" && item.SBID == "" {
				return usagef("dataset %s: --dataset needs --sbid", change.use)
			}
			var err error
			if q.Project, err = a.project(ctx, c, q.Project); err != nil {
				return err
			}
			q.Items = nil
			if item.SBID != "" {
				q.Items = []control.Dataset{item}
			} else if q.File, err = a.readInput(ctx, q.FileName, "list of datasets", maxDatasetListBytes); err != nil {
				return err
			}
			answer, err := change.do(c, ctx, q)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) {
				rest := ""
				if n := answer.Named - answer.Changed; n > 0 {
					rest = fmt.Sprintf("; %d %s", n, change.rest)
				}
				p.line("%s   %d of %d %s%s", p.bold(answer.Project), answer.Changed, answer.Named, change.done, rest)
				if n := len(answer.Unknown); n > 0 {
					const shown = 10
					list := strings.Join(answer.Unknown[:min(n, shown)], ", ")
					if n > shown {
						list += ", …"
					}
					p.field("note", "no source has data of %s now: %s", count(n, "SBID"), list)
				}
			})
		}),
	}
	projectFlag(cmd, &q.Project)
	f := cmd.Flags()
	f.StringVar(&item.SBID, "sbid", "", "the `SBID`")
	f.StringVar(&item.Dataset, "dataset", "", "only this `DATASET` of the SBID, by its dataset_id")
	f.StringVar(&q.FileName, "file", "", "a `FILE` with an SBID, or an SBID and a dataset, per line (- = stdin)")
	reasonFlag(cmd, &q.Reason)
	require(cmd, "reason")
	return cmd
}

func newDatasetListCmd(a *app) *cobra.Command {
	var q control.ExclusionQuery
	var all bool
	cmd := &cobra.Command{
		Use:     "list [PROJECT]",
		Short:   "What is excluded, by whom and why",
		Example: "  beampipe dataset list wallaby_hires",
		Args:    arguments(0, 1, "at most one project"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) (err error) {
			if q.Limit < 1 {
				return usagef("dataset list: --limit %d: expected a number above 0", q.Limit)
			}
			if q.Project, err = a.oneProject(ctx, c, "dataset list", args, q.Project); err != nil {
				return err
			}
			return a.pages(all, &q.Limit, func() (bool, string, error) {
				answer, err := c.ListExclusions(ctx, q)
				if err != nil {
					return false, "", err
				}
				q.After = answer.Next
				return answer.More, "--after " + answer.Next, a.print(answer, func(p *page) { p.exclusions(answer) })
			})
		}),
	}
	projectFlag(cmd, &q.Project)
	f := cmd.Flags()
	f.StringVar(&q.SBID, "sbid", "", "only of this `SBID`")
	f.IntVar(&q.Limit, "limit", 100, "at most `N`")
	f.StringVar(&q.After, "after", "", "only those behind this `SBID/DATASET`")
	allFlag(cmd, &all)
	return cmd
}

func (p *page) exclusions(l control.ExclusionList) {
	if len(l.Exclusions) == 0 {
		p.line("nothing is excluded from %s", l.Project)
		return
	}
	var rows [][]any
	for _, x := range l.Exclusions {
		dataset := x.Dataset
		if dataset == "" {
			dataset = "all of it"
		}
		rows = append(rows, []any{x.SBID, dataset, when(x.At), x.Actor, x.Reason})
	}
	p.table("", []string{"SBID", "DATASET", "SINCE", "BY", "REASON"}, rows)
}
