package control

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/votable"
)

// rowsOf is what a table is read with.
type rowsOf interface {
	Fields() []votable.Field
	Text() []string
}

// readUpload reads a table that goes with a query: a VOTable as it is; CSV with every column as text, for
// it says nothing of types.
func readUpload(u ArchiveUpload) (tap.Upload, error) {
	what := fmt.Sprintf("read upload %s from %s", u.Name, u.FileName)
	fail := func(err error) (tap.Upload, error) {
		return tap.Upload{}, fault.Wrap(fault.Invalid, err, what, "give a VOTable, or CSV with a header line")
	}
	if isMarkup(u.Content) {
		rd, err := votable.NewReader(bytes.NewReader(u.Content), votable.Limits{})
		if err != nil {
			return fail(err)
		}
		rows, err := allRows(rd, func() error { return rd.Next(nil) })
		if err != nil {
			return fail(err)
		}
		return tap.Upload{Name: u.Name, Fields: rd.Fields(), Rows: rows}, nil
	}
	rd, err := votable.NewCSVReader(bytes.NewReader(u.Content), votable.CSVOptions{})
	if err != nil {
		return fail(err)
	}
	rows, err := allRows(rd, rd.Next)
	if err != nil {
		return fail(err)
	}
	return tap.Upload{Name: u.Name, Fields: textColumns(rd.Fields(), rows), Rows: rows}, nil
}

// isMarkup tells a VOTable, perhaps gzipped, from CSV.
func isMarkup(content []byte) bool {
	head := bytes.TrimLeft(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(head, []byte("<")) || bytes.HasPrefix(content, []byte("\x1f\x8b")) ||
		bytes.HasPrefix(content, []byte("\xff\xfe<")) || bytes.HasPrefix(content, []byte("\xfe\xff\x00<"))
}

func allRows(rd rowsOf, next func() error) ([][]string, error) {
	rows := [][]string{}
	for {
		switch err := next(); {
		case err == io.EOF:
			return rows, nil
		case err != nil:
			return nil, err
		}
		rows = append(rows, rd.Text())
	}
}

// textColumns gives CSV's columns the narrowest text type that holds them: archives compare char with
// their own char columns, and not all of them know unicodeChar.
func textColumns(fields []votable.Field, rows [][]string) []votable.Field {
	for i := range fields {
		fields[i].Datatype, fields[i].Arraysize = "char", "*"
		for _, row := range rows {
			if strings.ContainsFunc(row[i], func(r rune) bool { return r > 127 }) {
				fields[i].Datatype = "unicodeChar"
				break
			}
		}
	}
	return fields
}
