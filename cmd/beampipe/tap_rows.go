package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"beampipe/control"
	"beampipe/vo/votable"
)

// Bounds of an answer that is shown as a table.
const (
	maxTableRows  = 100
	maxTableCells = 60 // characters of a cell
)

// errNotRead ends a query whose rows nobody reads any more.
var errNotRead = errors.New("its rows are not read any more")

// queryArchive asks an archive and shows the rows as they come. Control gives them as a VOTable, which is
// shown like any other.
func (a *app) queryArchive(ctx context.Context, c control.Control, q control.ArchiveQuery, format string) error {
	type asked struct {
		answer control.ArchiveAnswer
		err    error
	}
	done := make(chan asked, 1)
	in, out := io.Pipe()
	go func() {
		answer, err := c.QueryArchive(ctx, q, out)
		out.CloseWithError(err)
		done <- asked{answer, err}
	}()
	table, shown := a.showRows(in, format)
	if shown == nil || errors.Is(shown, votable.ErrOverflow) {
		_, shown = io.Copy(io.Discard, in) // what stands behind the document's end
	}
	in.CloseWithError(errNotRead)
	got := <-done
	switch {
	case got.err != nil && !errors.Is(got.err, errNotRead):
		a.keptNote(ctx, q, got.err)
		return got.err
	case shown != nil:
		return shown
	}
	if table != nil {
		if err := a.print(nil, func(p *page) { p.archiveTable(*table, got.answer) }); err != nil {
			return err
		}
	}
	if !got.answer.Overflow {
		return nil
	}
	a.note("%s cut its answer at %s (OVERFLOW): there are more; ask for less, or for more with --maxrec", clean(got.answer.Archive, false), count(got.answer.Rows, "row"))
	return exitStatus(exitCut)
}

// showRows writes a VOTable's rows in a format; those of a table are given back, to be shown at the end.
func (a *app) showRows(in io.Reader, format string) (*shownTable, error) {
	if format == "votable" {
		return nil, a.copyText(in)
	}
	rd, err := votable.NewReader(in, votable.Limits{})
	if err != nil {
		return nil, err
	}
	if format == "table" {
		return readTable(rd)
	}
	w := a.newRowWriter(format, rd)
	err = w.all()
	if flushed := w.flush(); flushed != nil {
		return nil, fmt.Errorf("write to stdout: %w", flushed)
	}
	return nil, err
}

// copyText copies a document to stdout; to a terminal without what would control it.
func (a *app) copyText(in io.Reader) error {
	if !a.terminal {
		if _, err := io.Copy(a.stdout, in); err != nil {
			return fmt.Errorf("write to stdout: %w", err)
		}
		return nil
	}
	for r := bufio.NewReader(in); ; {
		line, err := r.ReadString('\n')
		if failed := a.write([]byte(clean(line, true))); failed != nil {
			return failed
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// shownTable is what a screen has room for of an answer.
type shownTable struct {
	fields []votable.Field
	rows   [][]string
	cut    bool // cells were shortened
}

func readTable(rd *votable.Reader) (*shownTable, error) {
	t := &shownTable{fields: rd.Fields()}
	for {
		switch err := rd.Next(nil); {
		case err == io.EOF, errors.Is(err, votable.ErrOverflow):
			return t, nil
		case err != nil:
			return nil, err
		}
		if len(t.rows) == maxTableRows {
			continue // the rest is counted alone
		}
		cells := rd.Text()
		for i, cell := range cells {
			if utf8.RuneCountInString(cell) > maxTableCells {
				t.cut = true
			}
			cells[i] = cut(cell, maxTableCells)
		}
		t.rows = append(t.rows, cells)
	}
}

func (p *page) archiveTable(t shownTable, answer control.ArchiveAnswer) {
	names := columnNames(t.fields)
	for i, name := range names {
		names[i] = clean(name, false)
	}
	var rows [][]any
	for _, cells := range t.rows {
		row := make([]any, len(cells))
		for i, cell := range cells {
			row[i] = cell
		}
		rows = append(rows, row)
	}
	p.table("", names, rows)
	p.line("%s", p.faint(fmt.Sprintf("%s of %s from %s in %s", count(answer.Rows, "row"), count(answer.Columns, "column"), archiveText(answer.Archive, answer.URL), took(answer.Took))))
	if answer.Rows > len(t.rows) {
		p.line("only the first %d are shown; all of them: --format csv", len(t.rows))
	}
	if t.cut {
		p.line("long cells are cut; whole ones: --format csv")
	}
}
