package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/configs"
	"beampipe/control"
	"beampipe/discovery"
)

func newSourceReviewCmd(a *app) *cobra.Command {
	var notReady bool
	var project string
	cmd := &cobra.Command{
		Use:   "review [PROJECT]",
		Short: "One table of sources, SBIDs, datasets and flags, for the first look at a survey",
		Long: `One row for each source and SBID: how many datasets, which discovery flags hold, and whether that SBID could be
run. For the first look at a survey, before: beampipe project start`,
		Example: "  beampipe source review wallaby_hires --not-ready",
		Args:    arguments(0, 1, "at most one project"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			project, err := a.oneProject(ctx, c, "source review", args, project)
			if err != nil {
				return err
			}
			answer, err := c.ReviewSources(ctx, project)
			if err != nil {
				return err
			}
			if notReady {
				answer.Rows = slices.DeleteFunc(answer.Rows, func(r discovery.ReviewRow) bool { return r.Ready })
			}
			return a.print(answer, func(p *page) { p.review(answer) })
		}),
	}
	projectFlag(cmd, &project)
	cmd.Flags().BoolVar(&notReady, "not-ready", false, "only what cannot be run")
	return cmd
}

func (p *page) review(r control.Review) {
	var rows [][]any
	for _, x := range r.Rows {
		datasets := value(x.Datasets)
		if x.Excluded > 0 {
			datasets += ", " + value(x.Excluded) + " excluded"
		}
		ready := p.green("ready")
		switch {
		case x.Missing:
			ready = p.red("missing")
		case !x.Ready:
			ready = p.yellow("not ready")
		}
		outcome := orElse(strings.ReplaceAll(x.Outcome, "_", " "), "never asked")
		rows = append(rows, []any{x.Source, orElse(x.SBID, "–"), datasets, flagText(x.Flags), outcome, ready, cut(x.Why, 80)})
	}
	if len(rows) > 0 {
		p.table("", []string{"SOURCE", "SBID", "DATASETS", "FLAGS", "LAST FOUND", "RUN", "WHY NOT"}, rows)
	}
	p.line("%s   %s, %d of their SBIDs ready", p.bold(r.Project), count(r.Sources, "source"), r.Ready)
}

// flagText shows the discovery flags: the name of one that holds, with "no " before one that does not.
func flagText(flags map[string]any) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if !configs.Truthy(flags[name]) {
			name = "no " + name
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}
