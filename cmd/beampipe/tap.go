package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/vo/tap"
)

// maxADQLBytes bounds a query that is read from stdin.
const maxADQLBytes = 1 << 20

const archiveLong = `ARCHIVE is the name that a survey's adapters section gives an archive, which then is asked with the credentials
and within the limits of that section; casda or vizier; a name from --archive NAME=URL; or a TAP service's URL.
A URL, and a public name where there is no survey, needs no ledger.`

func newTapCmd(a *app) *cobra.Command {
	return group("tap", "Ask an archive by hand: what it really says", "  beampipe tap query vizier 'SELECT TOP 5 * FROM TAP_SCHEMA.tables'",
		newTapQueryCmd(a), newTapCapabilitiesCmd(a), newTapTablesCmd(a), newTapJobsCmd(a))
}

// tapFlags adds what every command that asks an archive by hand has.
func (a *app) tapFlags(cmd *cobra.Command, project *string) {
	cmd.Flags().StringVar(project, "project", "", "the `PROJECT` that names the archive (may be left out where there is only one)")
	a.tapeFlags(cmd)
}

// archiveRef gives an archive as it was named, in the project that names it.
func (a *app) archiveRef(ctx context.Context, c control.Control, name, project string) (control.ArchiveRef, error) {
	ref := control.ArchiveRef{Archive: name, Project: project}
	if project != "" || control.IsArchiveURL(name) || !a.ledgerThere() {
		return ref, nil
	}
	list, err := c.ListProjects(ctx)
	if err != nil || len(list.Projects) == 0 {
		return ref, err
	}
	ref.Project, err = a.project(ctx, c, "")
	return ref, err
}

type tapQuery struct {
	project, format string
	async           bool
	maxRec          int
	uploads         []string
}

func newTapQueryCmd(a *app) *cobra.Command {
	var f tapQuery
	cmd := &cobra.Command{
		Use:   "query ARCHIVE ADQL|-",
		Short: "Ask an archive one query and show its rows",
		Long: archiveLong + `

The rows come as they arrive: as a table that is cut to a screen (and says so), as CSV, as one JSON object per row,
or as a VOTable. With --json the answer is one object, the columns and then the rows. Where the archive cut
its answer (OVERFLOW), stderr says so, and the command ends with 9.

--upload NAME=FILE sends a VOTable, or CSV with a header line, that the query names TAP_UPLOAD.NAME. Columns of
CSV are text; where numbers are compared, give a VOTable. --async asks with a job. One of a survey's archive is
kept in the ledger while it runs: the same command goes on with it after an interruption.`,
		Example: `  beampipe tap query casda "SELECT TOP 10 obs_id, filename FROM ivoa.obscore WHERE filename LIKE 'HIPASSJ1313-15%'"
  beampipe tap query casda --upload s=sources.csv --format csv 'SELECT o.* FROM ivoa.obscore o JOIN TAP_UPLOAD.s s ON o.target_name = s.name'
  beampipe tap query https://tapvizier.cds.unistra.fr/TAPVizieR/tap - < query.adql`,
		Args: arguments(2, 2, "an archive and a query (- = stdin)"),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.check(a.json, cmd.Flags().Changed("format"), cmd.Flags().Changed("maxrec")); err != nil {
			return err
		}
		return a.with(onEither, func(ctx context.Context, c control.Control, args []string) error {
			ref, err := a.archiveRef(ctx, c, args[0], f.project)
			if err != nil {
				return err
			}
			q := control.ArchiveQuery{ArchiveRef: ref, ADQL: args[1], Async: f.async, MaxRec: f.maxRec}
			if q.ADQL == "-" {
				content, err := a.readInput(ctx, "-", "ADQL", maxADQLBytes)
				if err != nil {
					return err
				}
				q.ADQL = string(content)
			}
			if q.Uploads, err = a.readUploads(ctx, f.uploads, args[1] == "-"); err != nil {
				return err
			}
			return a.queryArchive(ctx, c, q, f.format)
		})(cmd, args)
	}
	a.tapFlags(cmd, &f.project)
	flags := cmd.Flags()
	flags.BoolVar(&f.async, "async", false, "ask with a job, whatever the survey says")
	flags.StringArrayVar(&f.uploads, "upload", nil, "send a table with the query: `NAME=FILE` (repeatable)")
	flags.StringVar(&f.format, "format", "table", "`FORMAT` of the rows: table, csv, jsonl or votable")
	flags.IntVar(&f.maxRec, "maxrec", 0, fmt.Sprintf("at most `N` rows (else %d)", tap.DefaultMaxRec))
	return cmd
}

func (f *tapQuery) check(json, formatGiven, maxRecGiven bool) error {
	switch {
	case f.format != "table" && f.format != "csv" && f.format != "jsonl" && f.format != "votable":
		return usagef("tap query --format %q: expected table, csv, jsonl or votable", f.format)
	case formatGiven && json:
		return usagef("tap query: give either --format or --json")
	case maxRecGiven && f.maxRec < 1:
		return usagef("tap query --maxrec %d: expected a number above 0", f.maxRec)
	case json:
		f.format = "json"
	}
	return nil
}

// readUploads reads the tables that go with a query. taken: stdin is read for something else.
func (a *app) readUploads(ctx context.Context, list []string, taken bool) ([]control.ArchiveUpload, error) {
	var uploads []control.ArchiveUpload
	for _, text := range list {
		name, path, ok := strings.Cut(text, "=")
		if !ok || name == "" || path == "" {
			return nil, usagef("tap query --upload %.80q: expected NAME=FILE, for example sources=sources.csv", text)
		}
		if path == "-" {
			if taken {
				return nil, usagef("tap query: stdin can be read once")
			}
			taken = true
		}
		content, err := a.readInput(ctx, path, "upload", tap.MaxUploadBytes)
		if err != nil {
			return nil, err
		}
		uploads = append(uploads, control.ArchiveUpload{Name: name, FileName: path, Content: content})
	}
	return uploads, nil
}

// tapCommand makes a command that asks an archive about itself.
func (a *app) tapCommand(cmd *cobra.Command, ask func(ctx context.Context, c control.Control, ref control.ArchiveRef, args []string) error) *cobra.Command {
	var project string
	cmd.Long = strings.TrimSpace(cmd.Long + "\n\n" + archiveLong)
	cmd.RunE = a.with(onEither, func(ctx context.Context, c control.Control, args []string) error {
		ref, err := a.archiveRef(ctx, c, args[0], project)
		if err != nil {
			return err
		}
		return ask(ctx, c, ref, args[1:])
	})
	a.tapFlags(cmd, &project)
	return cmd
}

func newTapCapabilitiesCmd(a *app) *cobra.Command {
	var raw bool
	cmd := a.tapCommand(&cobra.Command{
		Use:     "capabilities ARCHIVE",
		Short:   "What an archive says that it can do: modes, uploads, limits, functions",
		Example: "  beampipe tap capabilities casda\n  beampipe tap capabilities --raw https://tapvizier.cds.unistra.fr/TAPVizieR/tap",
		Args:    arguments(1, 1, "an archive"),
	}, func(ctx context.Context, c control.Control, ref control.ArchiveRef, _ []string) error {
		answer, err := c.ArchiveCapabilities(ctx, ref)
		if err != nil {
			return err
		}
		if raw && !a.json {
			if a.terminal {
				answer.Document = clean(answer.Document, true)
			}
			return a.write([]byte(answer.Document))
		}
		return a.print(answer, func(p *page) { p.archiveCapabilities(answer) })
	})
	cmd.Flags().BoolVar(&raw, "raw", false, "print the document as the archive sent it, and nothing else")
	return cmd
}

func newTapTablesCmd(a *app) *cobra.Command {
	return a.tapCommand(&cobra.Command{
		Use:     "tables ARCHIVE [TABLE]",
		Short:   "The tables that an archive says it has, or one with its columns",
		Example: "  beampipe tap tables casda\n  beampipe tap tables casda ivoa.obscore",
		Args:    arguments(1, 2, "an archive, and perhaps a table"),
	}, func(ctx context.Context, c control.Control, ref control.ArchiveRef, args []string) error {
		answer, err := c.ArchiveTables(ctx, ref, first(args))
		if err != nil {
			return err
		}
		return a.print(answer, func(p *page) { p.archiveTables(answer, first(args) != "") })
	})
}

func newTapJobsCmd(a *app) *cobra.Command {
	var abort string
	var abortGiven func() bool
	cmd := a.tapCommand(&cobra.Command{
		Use:     "jobs ARCHIVE",
		Short:   "Jobs in an archive: those that it shows, and those that the ledger keeps",
		Long:    "List the jobs that an archive shows to us, and those that the ledger keeps to go on with. --abort stops one on its\nserver and forgets it here; the query that made it is asked anew when it is needed.",
		Example: "  beampipe tap jobs casda\n  beampipe tap jobs casda --abort https://casda.csiro.au/casda_vo_tools/tap/async/1234",
		Args:    arguments(1, 1, "an archive"),
	}, func(ctx context.Context, c control.Control, ref control.ArchiveRef, _ []string) error {
		var answer control.ArchiveJobs
		var err error
		if abortGiven() {
			answer, err = c.AbortArchiveJob(ctx, ref, abort)
		} else {
			answer, err = c.ArchiveJobs(ctx, ref)
		}
		if err != nil {
			return err
		}
		return a.print(answer, func(p *page) { p.archiveJobs(answer) })
	})
	abortGiven = func() bool { return cmd.Flags().Changed("abort") }
	cmd.Flags().StringVar(&abort, "abort", "", "stop the job with this `URL`")
	return cmd
}

// keptNote tells somebody who interrupted a query that its job goes on.
func (a *app) keptNote(ctx context.Context, q control.ArchiveQuery, err error) {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) && q.Async && q.Project != "" {
		a.note("a job that runs already is kept: the same command goes on with it; see: beampipe tap jobs %s", q.Archive)
	}
}
