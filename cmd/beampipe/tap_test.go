package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"beampipe/control"
	"beampipe/fault"
	"beampipe/vo/votable"
)

// asked is a Control whose archive gives these rows, and then ends so.
type asked struct {
	control.Control

	rows     [][]string
	overflow bool
	err      error
	got      control.ArchiveQuery
	broken   error // what writing gave
}

func (a *asked) QueryArchive(_ context.Context, q control.ArchiveQuery, w io.Writer) (control.ArchiveAnswer, error) {
	a.got = q
	answer := control.ArchiveAnswer{Archive: "casda", URL: "https://casda.invalid/tap", Rows: len(a.rows), Columns: 2, Overflow: a.overflow}
	if a.err != nil && len(a.rows) == 0 {
		return answer, a.err
	}
	out := votable.NewWriter(w, []votable.Field{{Name: "name", Datatype: "char", Arraysize: "*"}, {Name: "n", Datatype: "int"}})
	for _, row := range a.rows {
		if a.broken = out.WriteText(row); a.broken != nil {
			return answer, a.broken
		}
	}
	switch {
	case a.err != nil:
		return answer, errors.Join(a.err, out.Close(votable.StatusFailed, a.err.Error()))
	case a.overflow:
		return answer, out.Close(votable.StatusOverflow, "")
	}
	a.broken = out.Close(votable.StatusOK, "")
	return answer, a.broken
}

func numbered(n int) [][]string {
	rows := make([][]string, n)
	for i := range rows {
		rows[i] = []string{fmt.Sprintf("row%d", i+1), fmt.Sprint(i + 1)}
	}
	return rows
}

// query runs tap query on an archive.
func query(t *testing.T, a *asked, out io.Writer, terminal bool, args ...string) (code int, stderr string) {
	t.Helper()
	var told strings.Builder
	app := &app{
		stdin: strings.NewReader("SELECT 1"), stdout: out, stderr: &told, terminal: terminal, getenv: func(string) string { return "" },
		open: func(context.Context, openOptions) (control.Control, func() error, error) {
			return a, func() error { return nil }, nil
		},
	}
	t.Chdir(t.TempDir())
	code = run(t.Context(), app, append([]string{"tap", "query", "https://casda.invalid/tap"}, args...))
	return code, told.String()
}

func TestATableOfRowsIsBoundedAndSaysSo(t *testing.T) {
	long := append(numbered(150), []string{strings.Repeat("x", 1000), "1"})
	for _, tt := range []struct {
		name    string
		rows    [][]string
		want    []string
		without string
	}{
		{name: "few", rows: numbered(2), want: []string{"name  n\n", "row2  2\n", "2 rows of 2 columns from casda (https://casda.invalid/tap)"}, without: "only the first"},
		{name: "none", want: []string{"name  n\n", "0 rows"}, without: "only the first"},
		{name: "many", rows: long, want: []string{"row100  100\n", "151 rows of 2 columns", "only the first 100 are shown; all of them: --format csv"}, without: "row101"},
		{name: "wide", rows: long[150:], want: []string{strings.Repeat("x", maxTableCells-1) + "…", "long cells are cut"}, without: strings.Repeat("x", maxTableCells)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			code, stderr := query(t, &asked{rows: tt.rows}, &out, false, "SELECT")
			if code != exitOK || stderr != "" || strings.Contains(out.String(), tt.without) {
				t.Errorf("code %d, %s\n%s", code, stderr, out.String())
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("without %q:\n%s", want, out.String())
				}
			}
		})
	}
}

func TestHowAnAnswerEndedIsInTheExitCode(t *testing.T) {
	failed := fault.New(fault.Unavailable, "the connection broke", "try again")
	for _, format := range []string{"table", "csv", "jsonl", "votable"} {
		for _, tt := range []struct {
			name   string
			a      asked
			code   int
			stderr string
		}{
			{name: "whole", a: asked{rows: numbered(3)}},
			{name: "cut", a: asked{rows: numbered(3), overflow: true}, code: exitCut, stderr: "casda cut its answer at 3 rows (OVERFLOW)"},
			{name: "refused", a: asked{err: failed}, code: exitUnavailable, stderr: "the connection broke"},
			{name: "broken off", a: asked{rows: numbered(3), err: failed}, code: exitUnavailable, stderr: "the connection broke"},
		} {
			var out strings.Builder
			code, stderr := query(t, &tt.a, &out, false, "SELECT", "--format", format)
			if code != tt.code || !strings.Contains(stderr, tt.stderr) || (tt.stderr == "") != (stderr == "") {
				t.Errorf("%s, %s: code %d, %s", format, tt.name, code, stderr)
			}
		}
	}
}

// full is a disk that takes no more.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAQueryEndsWhenItsRowsCannotBeWritten(t *testing.T) {
	for _, format := range []string{"table", "csv", "jsonl", "votable"} {
		a := &asked{rows: numbered(200_000)}
		if format == "table" {
			a.rows = numbered(1) // it is written at the end
		}
		code, stderr := query(t, a, full{}, false, "SELECT", "--format", format)
		if code != exitUnexpected || !strings.Contains(stderr, "no space left on device") {
			t.Errorf("%s: code %d, %s", format, code, stderr)
		}
		if format != "table" && a.broken == nil {
			t.Errorf("%s: the archive's rows were read to the end", format)
		}
	}
}

func TestATerminalIsNotWrittenToByAnArchive(t *testing.T) {
	for _, format := range []string{"table", "csv", "jsonl", "votable"} {
		var out strings.Builder
		query(t, &asked{rows: [][]string{{"\u009b31m\u202eevil", "1"}}}, &out, true, "SELECT", "--format", format)
		if got := strings.ReplaceAll(out.String(), "\x1b[", ""); strings.ContainsAny(got, "\u009b\u202e\x1b") || !strings.Contains(got, "evil") {
			t.Errorf("%s: %q", format, out.String())
		}
	}
}

func TestAQueryIsReadFromStdinAndSentWithItsTables(t *testing.T) {
	a := &asked{}
	var out strings.Builder
	if code, stderr := query(t, a, &out, false, "-", "--async", "--maxrec", "7"); code != exitOK || a.got.ADQL != "SELECT 1" || !a.got.Async || a.got.MaxRec != 7 {
		t.Errorf("code %d, %s: %+v", code, stderr, a.got)
	}
	if code, _ := query(t, a, &out, false, "SELECT", "--upload", "t=-"); code != exitOK || len(a.got.Uploads) != 1 || string(a.got.Uploads[0].Content) != "SELECT 1" || a.got.Uploads[0].Name != "t" {
		t.Errorf("code %d: %+v", code, a.got)
	}
	if code, stderr := query(t, a, &out, false, "-", "--upload", "t=-"); code != exitUsage || !strings.Contains(stderr, "stdin can be read once") {
		t.Errorf("code %d, %s", code, stderr)
	}
}
