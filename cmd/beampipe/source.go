package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/fault"
	"beampipe/ledger"
)

func newSourceCmd(a *app) *cobra.Command {
	return group("source", "Registered sky objects", "  beampipe source why HIPASSJ1313-15",
		newSourceAddCmd(a), newSourceImportCmd(a), newSourceListCmd(a), newSourceShowCmd(a), newSourceWhyCmd(a), newSourceReviewCmd(a), newSourceDiscoverCmd(a),
		newSourceActionCmd(a, sourceAction{
			use: "enable", short: "Let sources be discovered and run again", done: "enabled",
			example: "  beampipe source enable HIPASSJ1313-15", do: control.Control.EnableSources,
		}),
		newSourceActionCmd(a, sourceAction{
			use: "disable", short: "Start nothing new for sources; running work goes on", done: "disabled",
			example: "  beampipe source disable HIPASSJ1313-15 --reason 'bad calibration'", do: control.Control.DisableSources,
		}),
		newSourceActionCmd(a, sourceAction{
			use: "remove", short: "Take sources out of the survey; their history is kept", done: "removed",
			example: "  beampipe source remove HIPASSJ1313-15 --reason 'registered twice'", do: control.Control.RemoveSources,
		}),
		newSourceActionCmd(a, sourceAction{
			use: "baseline", short: "Record current signatures as executed already", done: "recorded as executed",
			long: `Record the current signatures of sources as already executed, for work that was done elsewhere: they
do not wait for a run until their data changes.`,
			example: "  beampipe source baseline --all --reason 'processed with the old pipeline'", do: control.Control.BaselineSources, reasoned: true,
		}),
		newSourceActionCmd(a, sourceAction{
			use: "release", short: "End the quarantine of sources: they are asked about again", done: "released",
			long: `End the quarantine of sources whose answers could not be used again and again. Their failures are forgotten
and they are due now. A new revision of the survey releases them by itself.`,
			example: "  beampipe source list --quarantined\n  beampipe source release HIPASSJ1313-15 --reason 'the archive corrected the record'",
			do:      control.Control.ReleaseSources, reasoned: true,
		}),
		newSourceActionCmd(a, sourceAction{
			use: "accept-missing", short: "Take data that the archive no longer shows as gone", done: "accepted as gone when the archive still lacks it",
			long: `Take data that the archive no longer shows as gone, without waiting for three agreeing answers over 48 hours.
The next complete answer decides; nothing is deleted, and no run is made for it.`,
			example: "  beampipe source accept-missing HIPASSJ1313-15 --reason 'SBID 72962 was withdrawn'",
			do:      control.Control.AcceptMissing, reasoned: true,
		}),
		newSourceSetCmd(a))
}

func newSourceAddCmd(a *app) *cobra.Command {
	var project string
	cmd := &cobra.Command{
		Use:     "add IDENTIFIER…",
		Short:   "Register sources by name",
		Example: "  beampipe source add --project wallaby_hires HIPASSJ1313-15 HIPASSJ0324-21",
		Args:    arguments(1, -1, "at least one identifier"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, args []string) error {
			project, err := a.project(ctx, c, project)
			if err != nil {
				return err
			}
			answer, err := c.AddSources(ctx, project, args)
			if err != nil {
				return err
			}
			return a.printImport(answer, "arguments")
		}),
	}
	projectFlag(cmd, &project)
	return cmd
}

func newSourceImportCmd(a *app) *cobra.Command {
	var q control.ImportRequest
	var file string
	cmd := &cobra.Command{
		Use:   "import [-f FILE]",
		Short: "Register sources from a list: plain lines, CSV or VOTable",
		Long: `Register sources from a file or stdin: plain lines, CSV or VOTable, told by the content, all in one
transaction. The report says what was added, known and refused with its line, and shows every pair of
identifiers of which one begins with the other.`,
		Example: "  beampipe source import --project wallaby_hires -f catalogue.csv --column name\n  cut -f1 list.tsv | beampipe source import",
		Args:    arguments(0, 0, "no argument: the file is named with -f"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) error {
			var err error
			if q.Project, err = a.project(ctx, c, q.Project); err != nil {
				return err
			}
			if q.Content, err = a.readInput(ctx, file, "list of sources", maxImportBytes); err != nil {
				return err
			}
			q.Name = file
			if file == "-" {
				q.Name = "stdin"
			}
			answer, err := c.ImportSources(ctx, q)
			if err != nil {
				return err
			}
			return a.printImport(answer, q.Name)
		}),
	}
	projectFlag(cmd, &q.Project)
	cmd.Flags().StringVarP(&file, "file", "f", "-", "the list's `FILE` (- = stdin)")
	cmd.Flags().StringVar(&q.Column, "column", "", "the `COLUMN` of the identifiers in a CSV or VOTable")
	return cmd
}

// printImport prints what became of a list. Refused identifiers make it an error after the report.
func (a *app) printImport(r control.ImportReport, name string) error {
	if err := a.print(r, func(p *page) { p.importReport(r) }); err != nil || len(r.Refused) == 0 {
		return err
	}
	return fault.New(fault.Invalid, fmt.Sprintf("register sources from %s: %d of %d were refused", name, len(r.Refused), len(r.Refused)+r.Added+r.Known),
		"the others are registered; correct the refused ones and give them again")
}

func newSourceShowCmd(a *app) *cobra.Command {
	var project string
	cmd := &cobra.Command{
		Use:     "show IDENTIFIER",
		Short:   "One source: its data, its runs, its changes",
		Example: "  beampipe source show HIPASSJ1313-15",
		Args:    arguments(1, 1, "one identifier"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			project, err := a.project(ctx, c, project)
			if err != nil {
				return err
			}
			answer, err := c.ShowSource(ctx, project, args[0])
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.sourceDetail(answer) })
		}),
	}
	projectFlag(cmd, &project)
	return cmd
}

func newSourceWhyCmd(a *app) *cobra.Command {
	var project string
	cmd := &cobra.Command{
		Use:     "why IDENTIFIER",
		Short:   "Why a source is in the state that it is in",
		Example: "  beampipe source why HIPASSJ1313-15",
		Args:    arguments(1, 1, "one identifier"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			project, err := a.project(ctx, c, project)
			if err != nil {
				return err
			}
			answer, err := c.WhySource(ctx, project, args[0])
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.sourceWhy(answer) })
		}),
	}
	projectFlag(cmd, &project)
	return cmd
}

// selection adds what names sources: arguments or --all.
func selection(cmd *cobra.Command, q *control.SourceSelection) {
	projectFlag(cmd, &q.Project)
	cmd.Flags().BoolVar(&q.All, "all", false, "every source of the project")
	reasonFlag(cmd, &q.Reason)
}

func (a *app) selected(ctx context.Context, c control.Control, q *control.SourceSelection, args []string) (err error) {
	if q.All == (len(args) > 0) {
		return usagef("which sources? name them, or say --all")
	}
	q.Identifiers = args
	q.Project, err = a.project(ctx, c, q.Project)
	return err
}

func newSourceDiscoverCmd(a *app) *cobra.Command {
	var q control.SourceSelection
	cmd := &cobra.Command{
		Use:     "discover IDENTIFIER… | --all",
		Short:   "Ask the archives about sources now, due or not",
		Example: "  beampipe source discover HIPASSJ1313-15",
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, args []string) error {
			if err := a.selected(ctx, c, &q, args); err != nil {
				return err
			}
			answer, err := c.DiscoverSources(ctx, q)
			if err != nil {
				return err
			}
			if err := a.print(answer, func(p *page) { p.discoverReport(answer) }); err != nil {
				return err
			}
			return discoverError(answer)
		}),
	}
	selection(cmd, &q)
	a.tapeFlags(cmd)
	return cmd
}

// discoverError is not nil when somebody asked for certain sources and not all could be answered.
func discoverError(r control.DiscoverReport) error {
	if r.Tick.Error != "" {
		return fault.New(fault.Unavailable, "discover sources of "+r.Tick.Project+": "+r.Tick.Error, "")
	}
	var bad []ledger.Source
	for _, s := range r.Sources {
		switch s.LastOutcome {
		case ledger.OutcomeError, ledger.OutcomeAmbiguous, ledger.OutcomeRefused:
			bad = append(bad, s)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return fault.New(fault.Unavailable, fmt.Sprintf("discover sources of %s: %d of %d failed", r.Tick.Project, len(bad), len(r.Sources)),
		"see: beampipe source why --project "+r.Tick.Project+" "+bad[0].Identifier)
}

// sourceAction is a change of chosen sources.
type sourceAction struct {
	use, short, long, example, done string

	reasoned bool // --reason must be given
	do       func(c control.Control, ctx context.Context, q control.SourceSelection) (control.SourceChanges, error)
}

func newSourceActionCmd(a *app, action sourceAction) *cobra.Command {
	var q control.SourceSelection
	cmd := &cobra.Command{
		Use:     action.use + " IDENTIFIER… | --all",
		Short:   action.short,
		Long:    action.long,
		Example: action.example,
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, args []string) error {
			if err := a.selected(ctx, c, &q, args); err != nil {
				return err
			}
			answer, err := action.do(c, ctx, q)
			if err != nil {
				return err
			}
			if err := a.print(answer, func(p *page) { p.sourceChanges(answer, action.done) }); err != nil || len(answer.Refused) == 0 {
				return err
			}
			return fault.New(fault.Conflict, fmt.Sprintf("%s sources of %s: %d of %d were refused", action.use, answer.Project,
				len(answer.Refused), len(answer.Refused)+len(answer.Changed)+len(answer.Same)), "the reasons are in the answer")
		}),
	}
	selection(cmd, &q)
	if action.reasoned {
		require(cmd, "reason")
	}
	return cmd
}
