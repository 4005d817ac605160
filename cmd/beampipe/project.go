package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/fault"
)

func newProjectCmd(a *app) *cobra.Command {
	return group("project", "Surveys: what is asked of archives and what is run", "  beampipe project add -f survey.yaml",
		newProjectAddCmd(a), newProjectValidateCmd(a), newProjectExplainCmd(a), newProjectDiffCmd(a), newProjectUpgradeCmd(a),
		newProjectStartCmd(a), newProjectPauseCmd(a), newProjectReleaseCmd(a), newProjectListCmd(a), newProjectShowCmd(a))
}

func newProjectAddCmd(a *app) *cobra.Command {
	var file, graph string
	cmd := &cobra.Command{
		Use:   "add -f FILE",
		Short: "Add a survey, or a new revision of one",
		Long: `Add a survey's config, or a new revision of it, with the bytes of its graph: --graph FILE, else graph.path
against the YAML's folder, else graph.url. A new survey discovers, but makes no runs until it is started.`,
		Example: "  beampipe project add -f survey.yaml --graph survey.graph",
		Args:    arguments(0, 0, "no argument: the file is named with -f"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) error {
			f, err := a.projectFile(ctx, file, graph)
			if err != nil {
				return err
			}
			answer, err := c.AddProject(ctx, f)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.projectAdded(answer) })
		}),
	}
	fileFlag(cmd, &file, "the survey's YAML `FILE` (- = stdin)")
	graphFlag(cmd, &graph)
	return cmd
}

func newProjectValidateCmd(a *app) *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "validate -f FILE",
		Short: "Check survey files; needs no ledger",
		Long: `Check survey files. Each finding has its line and column and shows the offending line. Warnings do not make
a file invalid; what could not run as it is, is listed as refused.
With several files, --json prints {"reports": [ … ]}.`,
		Example: "  beampipe project validate -f survey.yaml -f other.yaml",
		Args:    arguments(0, 0, "no argument: files are named with -f"),
		RunE: a.with(onFiles, func(ctx context.Context, c control.Control, _ []string) error {
			return validateProjects(ctx, a, c, files)
		}),
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "a survey's YAML `FILE` (- = stdin; repeatable)")
	require(cmd, "file")
	return cmd
}

func validateProjects(ctx context.Context, a *app, c control.Control, files []string) error {
	var reports []control.ProjectReport
	bad, errors := "", 0
	for _, file := range files {
		f, err := a.projectFile(ctx, file, "")
		if err != nil {
			return err
		}
		report, err := c.ValidateProject(ctx, f)
		if err != nil {
			return err
		}
		reports = append(reports, report)
		if !report.Report.Valid && bad == "" {
			bad = f.Name
		}
		errors += len(report.Report.Errors)
	}
	var answer any = reports[0]
	if len(reports) > 1 {
		answer = struct {
			Reports []control.ProjectReport `json:"reports"`
		}{reports}
	}
	err := a.print(answer, func(p *page) {
		for _, r := range reports {
			p.projectReport(r)
		}
	})
	if err != nil || bad == "" {
		return err
	}
	return fault.New(fault.Invalid, fmt.Sprintf("validate project config %s: %s", bad, count(errors, "error")), "correct the file and validate it again")
}

func newProjectExplainCmd(a *app) *cobra.Command {
	var file, graph, source string
	cmd := &cobra.Command{
		Use:   "explain [PROJECT | -f FILE]",
		Short: "Tell in plain words what a survey does, with its real queries",
		Long: `Tell in plain words what a survey does: its queries as they would be sent, what enters the signature, its
limits and where each comes from, its graph and patches. With -f no ledger is needed.`,
		Example: "  beampipe project explain -f survey.yaml --source HIPASSJ1313-15",
		Args:    arguments(0, 1, "at most one project"),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if file != "" && len(args) > 0 {
			return usagef("project explain: name a project or a file, not both")
		}
		need := onRead
		if file != "" {
			need = onFiles
		}
		return a.with(need, func(ctx context.Context, c control.Control, args []string) error {
			q := control.ExplainRequest{Source: source}
			if file != "" {
				f, err := a.projectFile(ctx, file, graph)
				if err != nil {
					return err
				}
				q.File = &f
			} else {
				var err error
				if q.Project, err = a.project(ctx, c, first(args)); err != nil {
					return err
				}
			}
			answer, err := c.ExplainProject(ctx, q)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.explanation(answer) })
		})(cmd, args)
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "a survey's YAML `FILE` instead of a project of the ledger (- = stdin)")
	graphFlag(cmd, &graph)
	cmd.Flags().StringVar(&source, "source", "", "fill the queries with this `IDENTIFIER`")
	return cmd
}

func newProjectDiffCmd(a *app) *cobra.Command {
	var file, graph string
	cmd := &cobra.Command{
		Use:   "diff -f FILE",
		Short: "Compare a survey file with the active revision",
		Long: `Compare a survey file with the active revision, and say what it would mean for the sources, from the answers
that are stored: which would have other records, be signed anew, or be refused. Nothing is activated, no archive
is asked.`,
		Example: "  beampipe project diff -f survey.yaml",
		Args:    arguments(0, 0, "no argument: the file is named with -f"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) error {
			f, err := a.projectFile(ctx, file, graph)
			if err != nil {
				return err
			}
			answer, err := c.DiffProject(ctx, f)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.projectDiff(answer) })
		}),
	}
	fileFlag(cmd, &file, "the survey's YAML `FILE` (- = stdin)")
	graphFlag(cmd, &graph)
	return cmd
}

func newProjectUpgradeCmd(a *app) *cobra.Command {
	var file, graph, out string
	cmd := &cobra.Command{
		Use:     "upgrade -f FILE",
		Short:   "Write the v2 form of a v1 survey file; needs no ledger",
		Long:    "Write the beampipe.dev/v2 form of a survey file to stdout, or to -o FILE, and the list of changes to stderr.",
		Example: "  beampipe project upgrade -f survey.v1.yaml --graph survey.graph -o survey.v2.yaml",
		Args:    arguments(0, 0, "no argument: the file is named with -f"),
		RunE: a.with(onFiles, func(ctx context.Context, c control.Control, _ []string) error {
			f, err := a.projectFile(ctx, file, graph)
			if err != nil {
				return err
			}
			answer, err := c.UpgradeProject(ctx, f)
			if err != nil {
				return err
			}
			if out != "" {
				if err := writeFile(out, []byte(answer.Content)); err != nil {
					return err
				}
			}
			for _, change := range answer.Changes {
				a.note("%s", clean(change, false))
			}
			switch {
			case a.json:
				return a.printJSON(answer)
			case out != "":
				a.note("wrote %s", out)
				return nil
			}
			return a.write([]byte(answer.Content))
		}),
	}
	fileFlag(cmd, &file, "the survey's YAML `FILE` (- = stdin)")
	graphFlag(cmd, &graph)
	outFlag(cmd, &out, "write the YAML to `FILE`")
	return cmd
}

func newProjectStartCmd(a *app) *cobra.Command {
	return projectSwitch(a, &cobra.Command{
		Use:     "start PROJECT",
		Short:   "Let a survey make runs",
		Example: "  beampipe project start wallaby_hires",
	}, control.Control.StartProject)
}

func newProjectPauseCmd(a *app) *cobra.Command {
	return projectSwitch(a, &cobra.Command{
		Use:     "pause PROJECT",
		Short:   "Let a survey make no new runs; it goes on discovering, and running work goes on",
		Example: "  beampipe project pause wallaby_hires --reason 'quota is used up'",
	}, control.Control.PauseProject)
}

func newProjectReleaseCmd(a *app) *cobra.Command {
	cmd := projectSwitch(a, &cobra.Command{
		Use:   "release PROJECT --reason TEXT",
		Short: "Let a survey make runs again that its mass-change brake stopped",
		Long: `Let a survey make runs again after one discovery tick changed so many sources at once that its brake went on
(automation.discovery.mass_change). Look at what changed first: what waits is run after the release.`,
		Example: "  beampipe source list --outcome changed --project wallaby_hires\n  beampipe project release wallaby_hires --reason 'reprocessed by the archive'",
	}, control.Control.ReleaseProject)
	require(cmd, "reason")
	return cmd
}

type setProject func(c control.Control, ctx context.Context, project, reason string) (control.ProjectStatus, error)

func projectSwitch(a *app, cmd *cobra.Command, set setProject) *cobra.Command {
	var reason string
	cmd.Args = arguments(1, 1, "one project")
	cmd.RunE = a.with(onLedger, func(ctx context.Context, c control.Control, args []string) error {
		answer, err := set(c, ctx, args[0], reason)
		if err != nil {
			return err
		}
		return a.print(answer, func(p *page) { p.projectStatus(answer) })
	})
	reasonFlag(cmd, &reason)
	return cmd
}

func newProjectListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "All surveys and how they stand",
		Example: "  beampipe project list",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, _ []string) error {
			answer, err := c.ListProjects(ctx)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.projectList(answer) })
		}),
	}
}

func newProjectShowCmd(a *app) *cobra.Command {
	var yaml bool
	cmd := &cobra.Command{
		Use:     "show [PROJECT]",
		Short:   "One survey with its revisions",
		Example: "  beampipe project show wallaby_hires --yaml > survey.yaml",
		Args:    arguments(0, 1, "at most one project"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			project, err := a.project(ctx, c, first(args))
			if err != nil {
				return err
			}
			answer, err := c.ShowProject(ctx, project)
			if err != nil {
				return err
			}
			if yaml && !a.json {
				return a.write([]byte(answer.File))
			}
			return a.print(answer, func(p *page) { p.projectDetail(answer) })
		}),
	}
	cmd.Flags().BoolVar(&yaml, "yaml", false, "print the active config as it was added, and nothing else")
	return cmd
}
