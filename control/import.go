package control

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"beampipe/fault"
	"beampipe/vo/votable"
)

// maxImportLines bounds one import.
const maxImportLines = 1_000_000

// importLine is an identifier with the line (or table row) that it stood in.
type importLine struct {
	number     int
	identifier string
}

// identifierColumns are the columns that are taken when none is named, in this order.
var identifierColumns = []string{"source_identifier", "identifier", "source", "name"}

// readIdentifiers reads plain lines, CSV or VOTable; the content tells which.
func readIdentifiers(q ImportRequest) ([]importLine, error) {
	content := bytes.TrimPrefix(q.Content, []byte("\xef\xbb\xbf"))
	head := strings.TrimSpace(string(content[:min(len(content), 512)]))
	switch {
	case strings.HasPrefix(head, "<"):
		return readVOTable(q, content)
	case !utf8.Valid(content):
		return nil, importError(q, "it is neither text in UTF-8 nor a VOTable")
	case strings.ContainsAny(firstLine(content), ",\t;"):
		return readCSV(q, content)
	}
	return readLines(q, content)
}

func importError(q ImportRequest, format string, args ...any) error {
	return fault.New(fault.Invalid, "import "+q.Name+": "+fmt.Sprintf(format, args...), "give one identifier per line, CSV with a header line, or a VOTable; nothing was imported")
}

// firstLine gives the first line that is neither empty nor a comment.
func firstLine(content []byte) string {
	for line := range strings.Lines(string(content)) {
		if text := strings.TrimSpace(line); text != "" && !strings.HasPrefix(text, "#") {
			return text
		}
	}
	return ""
}

// readLines reads one identifier per line; empty lines and lines with # in front are left out.
func readLines(q ImportRequest, content []byte) ([]importLine, error) {
	var lines []importLine
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		text := strings.TrimSpace(line)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		lines = append(lines, importLine{number: number, identifier: text})
		if len(lines) > maxImportLines {
			return nil, importError(q, "more than %d identifiers", maxImportLines)
		}
	}
	return someLines(q, lines)
}

// someLines refuses a document without identifiers: nobody imports nothing on purpose.
func someLines(q ImportRequest, lines []importLine) ([]importLine, error) {
	if len(lines) == 0 {
		return nil, importError(q, "there is no identifier in it")
	}
	return lines, nil
}

func readCSV(q ImportRequest, content []byte) ([]importLine, error) {
	r := csv.NewReader(bytes.NewReader(content))
	r.Comment, r.FieldsPerRecord, r.TrimLeadingSpace = '#', -1, true
	for _, comma := range "\t;" {
		if strings.ContainsRune(firstLine(content), comma) {
			r.Comma = comma
		}
	}
	header, err := r.Read()
	if err != nil {
		return nil, importError(q, "header line: %v", err)
	}
	column, err := chooseColumn(q, header)
	if err != nil {
		return nil, err
	}
	var lines []importLine
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return someLines(q, lines)
		}
		if err != nil {
			return nil, importError(q, "%v", err)
		}
		number, _ := r.FieldPos(0)
		if column >= len(record) {
			return nil, importError(q, "line %d: it has %d columns, column %q is number %d", number, len(record), header[column], column+1)
		}
		lines = append(lines, importLine{number: number, identifier: strings.TrimSpace(record[column])})
		if len(lines) > maxImportLines {
			return nil, importError(q, "more than %d identifiers", maxImportLines)
		}
	}
}

// chooseColumn finds the identifiers' column: the one that is named, the only one, or a usual name.
func chooseColumn(q ImportRequest, names []string) (int, error) {
	wanted := identifierColumns
	if q.Column != "" {
		wanted = []string{q.Column}
	}
	for _, name := range wanted {
		for i, have := range names {
			if strings.EqualFold(strings.TrimSpace(have), name) {
				return i, nil
			}
		}
	}
	if q.Column == "" && len(names) == 1 {
		return 0, nil
	}
	return 0, fault.New(fault.Invalid, fmt.Sprintf("import %s: it has no column %s, its columns are: %s", q.Name, strings.Join(wanted, " or "), strings.Join(names, ", ")),
		"name the identifiers' column with --column NAME")
}

func readVOTable(q ImportRequest, content []byte) ([]importLine, error) {
	r, err := votable.NewReader(bytes.NewReader(content), votable.Limits{})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "import "+q.Name, "nothing was imported")
	}
	names := make([]string, len(r.Fields()))
	for i, f := range r.Fields() {
		names[i] = f.Name
	}
	column, err := chooseColumn(q, names)
	if err != nil {
		return nil, err
	}
	var lines []importLine
	values := make([]any, len(names))
	for {
		err := r.Next(values)
		if errors.Is(err, io.EOF) {
			return someLines(q, lines)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, fmt.Sprintf("import %s: row %d", q.Name, len(lines)+1), "nothing was imported")
		}
		lines = append(lines, importLine{number: len(lines) + 1, identifier: r.Text()[column]})
		if len(lines) > maxImportLines {
			return nil, importError(q, "more than %d identifiers", maxImportLines)
		}
	}
}
