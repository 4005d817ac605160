package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/fault"
	"beampipe/vo/votable"
)

func newVotableCmd(a *app) *cobra.Command {
	return group("votable", "Look into a VOTable: what an archive really said", "  beampipe votable info answer.vot",
		newVotableCatCmd(a), newVotableInfoCmd(a), newVotableCheckCmd(a))
}

func newVotableCatCmd(a *app) *cobra.Command {
	var format string
	var number int
	cmd := &cobra.Command{
		Use:   "cat FILE|-",
		Short: "Write a table's rows as CSV or JSON Lines",
		Long: `Write the rows of a VOTable as CSV with a header line, or as one JSON object per row. Numbers are
written as the document has them; from a binary one, as the shortest decimals that read back the same.
A null is empty in CSV, null in JSON. NaN and the infinities are text in JSON; a NaN that is not in an
array is empty in CSV. With --json the answer is one object: the columns, then the rows as arrays.

Without --table it is the table that an archive's answer is in: the first of a RESOURCE of type
"results". The document may be gzipped, and of any size. Where the archive says that it cut its answer
(OVERFLOW), stderr says so, too.`,
		Example: "  beampipe votable cat answer.vot > answer.csv\n  beampipe votable cat --format jsonl --table 2 answer.vot.gz",
		Args:    arguments(1, 1, "a VOTable's file, or - for stdin"),
	}
	cmd.RunE = a.action(func(ctx context.Context, args []string) error {
		given := cmd.Flags().Changed("format")
		switch {
		case format != "csv" && format != "jsonl":
			return usagef("votable cat --format %q: expected csv or jsonl", format)
		case given && a.json:
			return usagef("votable cat: give either --format or --json")
		case number < 0 || number == 0 && cmd.Flags().Changed("table"):
			return usagef("votable cat --table %d: tables count from 1", number)
		case a.json:
			format = "json"
		}
		return a.catVotable(ctx, args[0], format, number)
	})
	cmd.Flags().StringVar(&format, "format", "csv", "`FORMAT` of the rows: csv or jsonl")
	cmd.Flags().IntVar(&number, "table", 0, "the table `N` of the document, as info counts them")
	return cmd
}

func (a *app) catVotable(ctx context.Context, path, format string, number int) (err error) {
	in, err := a.openInput(ctx, path, "VOTable")
	if err != nil {
		return err
	}
	defer in.Close()
	var rd *votable.Reader
	if number > 0 {
		rd, err = votable.NewTableReader(in, number, votable.Limits{})
	} else {
		rd, err = votable.NewReader(in, votable.Limits{})
	}
	if err != nil {
		return votableFailed(err, path)
	}
	if len(rd.Fields()) == 0 {
		if err := rd.Next(nil); err != io.EOF {
			return votableFailed(err, path)
		}
		return fault.New(fault.NotFound, "read VOTable "+path+": there is no table with columns", "see what it holds: beampipe votable info "+path)
	}
	out := a.newRowWriter(format, rd)
	err = out.all()
	if flushed := out.flush(); flushed != nil {
		return fmt.Errorf("write to stdout: %w", flushed)
	}
	if errors.Is(err, votable.ErrOverflow) {
		a.note("%s: %s", path, err)
		return nil
	}
	return votableFailed(err, path)
}

// votableFailed says what an error of package votable means for the operator; nil stays nil.
func votableFailed(err error, path string) error {
	var status *votable.StatusError
	var syntax *votable.SyntaxError
	doing := "read VOTable " + path
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status):
		return fault.Wrap(fault.Invalid, err, doing, "the rows before it, if any, are not the archive's answer")
	case errors.As(err, &syntax):
		return fault.Wrap(fault.Invalid, err, doing, "see all that is wrong with it: beampipe votable check "+path)
	case fault.KindOf(err) != "":
		return fault.Wrap(fault.KindOf(err), err, doing, "")
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fault.Wrap(fault.Invalid, plainCause(err), doing, "")
}

func newVotableInfoCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "info FILE|-",
		Short:   "Tell what a VOTable holds: its tables, columns, rows and status",
		Example: "  beampipe votable info answer.vot\n  curl -s \"$URL\" | beampipe votable info --json -",
		Args:    arguments(1, 1, "a VOTable's file, or - for stdin"),
		RunE: a.action(func(ctx context.Context, args []string) error {
			in, err := a.openInput(ctx, args[0], "VOTable")
			if err != nil {
				return err
			}
			defer in.Close()
			doc, err := votable.Describe(in, votable.Limits{})
			if err != nil {
				return votableFailed(err, args[0])
			}
			answer := describeVotable(args[0], doc)
			return a.print(answer, func(p *page) { p.votableInfo(answer) })
		}),
	}
}

// votableFindings is the answer of votable check.
type votableFindings struct {
	File     string           `json:"file"`
	Errors   int              `json:"errors"`
	Warnings int              `json:"warnings"`
	Findings []votableFinding `json:"findings"`
}

type votableFinding struct {
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
}

func newVotableCheckCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE|-",
		Short: "List what a strict reader would refuse in a VOTable",
		Long: `List what a strict reader would refuse in a VOTable, by the schema and the text of the standard, as
FILE:LINE:COLUMN: message, up to 1000 findings. Ends with 3 when one of them is an error; a warning is
what the standard advises against.`,
		Example: "  beampipe votable check answer.vot",
		Args:    arguments(1, 1, "a VOTable's file, or - for stdin"),
		RunE: a.action(func(ctx context.Context, args []string) error {
			in, err := a.openInput(ctx, args[0], "VOTable")
			if err != nil {
				return err
			}
			defer in.Close()
			found, err := votable.Check(in, votable.Limits{})
			if err != nil {
				return votableFailed(err, args[0])
			}
			answer := votableFindings{File: args[0], Findings: []votableFinding{}}
			for _, f := range found {
				answer.Findings = append(answer.Findings, votableFinding{f.Line, f.Column, f.Severity, f.Msg})
				if f.Severity == votable.SeverityError {
					answer.Errors++
				} else {
					answer.Warnings++
				}
			}
			if err := a.print(answer, func(p *page) { p.votableFindings(answer) }); err != nil || answer.Errors == 0 {
				return err
			}
			return exitStatus(exitInvalid)
		}),
	}
}

func (p *page) votableFindings(v votableFindings) {
	for _, f := range v.Findings {
		severity := ""
		if f.Severity != votable.SeverityError {
			severity = f.Severity + ": "
		}
		p.line("%s:%d:%d: %s%s", v.File, f.Line, f.Column, severity, f.Message)
	}
	if len(v.Findings) == 0 {
		p.line("%s: nothing that a strict reader would refuse", v.File)
	}
}

// openInput opens a file, or stdin for "-", to be streamed. what names it in errors.
func (a *app) openInput(ctx context.Context, path, what string) (io.ReadCloser, error) {
	if path == "-" {
		return &untilDone{ctx: ctx, r: a.stdin}, nil
	}
	doing := fmt.Sprintf("read %s %s", what, path)
	f, err := os.Open(path)
	if err != nil {
		return nil, openFileError(err, doing)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fault.New(fault.Invalid, doing+": it is a folder", "name the file in it")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &untilDone{ctx: ctx, r: f, close: f.Close}, nil
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx   context.Context
	r     io.Reader
	close func() error
}

func (u *untilDone) Read(b []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(b)
}

func (u *untilDone) Close() error {
	if u.close == nil {
		return nil
	}
	return u.close()
}

// columnNames gives each field a name that no other has: its own, its ID, or its number.
func columnNames(fields []votable.Field) []string {
	names, taken := make([]string, len(fields)), map[string]bool{}
	for i, f := range fields {
		name := f.Name
		if name == "" {
			name = f.ID
		}
		if name == "" {
			name = fmt.Sprintf("col%d", i+1)
		}
		unique := name
		for n := 2; taken[unique]; n++ {
			unique = fmt.Sprintf("%s_%d", name, n)
		}
		names[i], taken[unique] = unique, true
	}
	return names
}

// typeText says what a field holds, as "double", "char[*]".
func typeText(f votableField) string {
	if f.Arraysize == "" {
		return f.Datatype
	}
	return f.Datatype + "[" + strings.ReplaceAll(f.Arraysize, " ", "") + "]"
}
