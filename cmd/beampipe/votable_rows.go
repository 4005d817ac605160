package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"beampipe/vo/votable"
)

// rowWriter writes the rows of a table as CSV, as JSON Lines, or as one JSON object.
type rowWriter struct {
	rd    *votable.Reader
	out   *bufio.Writer
	csv   *csv.Writer
	names []string // of the columns, each as a JSON string where the rows are JSON
	json  bool     // one object
	lines bool     // an object per row
	clean bool     // stdout is a terminal, which must not be written to by what an archive sent
	buf   []byte
}

func (a *app) newRowWriter(format string, rd *votable.Reader) *rowWriter {
	w := &rowWriter{
		rd: rd, out: bufio.NewWriterSize(a.stdout, 64<<10), names: columnNames(rd.Fields()),
		json: format == "json", lines: format == "jsonl", clean: a.terminal,
	}
	w.csv = csv.NewWriter(w.out)
	if w.lines {
		for i, name := range w.names {
			w.names[i] = string(appendJSONString(nil, name))
		}
	}
	return w
}

func (w *rowWriter) flush() error {
	w.csv.Flush()
	return errors.Join(w.csv.Error(), w.out.Flush())
}

// all writes every row. It gives how the table ended, nil where it is whole.
func (w *rowWriter) all() error {
	if err := w.head(); err != nil {
		return err
	}
	for n := 0; ; n++ {
		if end := w.rd.Next(nil); end != nil {
			if err := w.foot(n, end); err != nil {
				return err
			}
			if end == io.EOF {
				return nil
			}
			return end
		}
		if err := w.row(n); err != nil {
			return err
		}
	}
}

func (w *rowWriter) head() error {
	switch {
	case w.lines:
		return nil
	case !w.json:
		return w.writeCSV(w.names)
	}
	fields := []votableField{}
	for _, f := range w.rd.Fields() {
		fields = append(fields, fieldAnswer(f))
	}
	b, err := compactJSON(fields)
	if err != nil {
		return err
	}
	_, err = w.out.WriteString(`{"fields": ` + string(b) + `, "rows": [`)
	return err
}

// foot ends the one object, unless the document broke off: then the object does, too.
func (w *rowWriter) foot(rows int, end error) error {
	if !w.json || end != io.EOF && !errors.Is(end, votable.ErrOverflow) {
		return nil
	}
	line := ""
	if rows > 0 {
		line = "\n"
	}
	status := votable.StatusOK
	if end != io.EOF {
		status = votable.StatusOverflow
	}
	_, err := w.out.WriteString(line + `], "status": "` + status + "\"}\n")
	return err
}

func (w *rowWriter) row(n int) error {
	cells := w.rd.Text()
	if !w.lines && !w.json {
		return w.writeCSV(cells)
	}
	w.buf = w.buf[:0]
	if w.json && n > 0 {
		w.buf = append(w.buf, ',')
	}
	if w.json {
		w.buf = append(w.buf, "\n["...)
	} else {
		w.buf = append(w.buf, '{')
	}
	for i, text := range cells {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		if w.lines {
			w.buf = append(append(w.buf, w.names[i]...), ':')
		}
		w.buf = w.appendCell(w.buf, i, text)
	}
	if w.json {
		w.buf = append(w.buf, ']')
	} else {
		w.buf = append(w.buf, "}\n"...)
	}
	return w.write(w.buf)
}

func (w *rowWriter) write(line []byte) error {
	if w.clean {
		line = []byte(clean(string(line), true))
	}
	_, err := w.out.Write(line)
	return err
}

func (w *rowWriter) writeCSV(cells []string) error {
	if w.clean {
		for i := range cells {
			cells[i] = clean(cells[i], false)
		}
	}
	if len(cells) == 1 && cells[0] == "" {
		// An empty line would be no row for most readers.
		w.csv.Flush()
		_, err := w.out.WriteString("\"\"\n")
		return err
	}
	return w.csv.Write(cells)
}

// appendCell appends a cell as JSON. One that is not of its field's type is text.
func (w *rowWriter) appendCell(dst []byte, i int, text string) []byte {
	v, err := w.rd.Value(i)
	if err != nil {
		return appendJSONString(dst, text)
	}
	f := w.rd.Fields()[i]
	c := jsonCell{bit: strings.EqualFold(f.Datatype, "bit"), bits: 64, words: strings.Fields(text)}
	if name := strings.ToLower(f.Datatype); name == "float" || name == "floatcomplex" {
		c.bits = 32
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return appendJSONString(dst, text)
	case bool:
		return c.appendBool(dst, 0, v)
	case int64:
		return c.appendInteger(dst, 0, v)
	case float64:
		return c.appendFloat(dst, 0, v)
	case complex128:
		return c.appendComplex(dst, 0, v)
	case []string:
		return appendList(dst, v, func(dst []byte, _ int, s string) []byte { return appendJSONString(dst, s) })
	case []bool:
		return appendList(dst, v, c.appendBool)
	case []int64:
		return appendList(dst, v, c.appendInteger)
	case []float64:
		return appendList(dst, v, c.appendFloat)
	case []complex128:
		return appendList(dst, v, c.appendComplex)
	}
	return appendJSONString(dst, text)
}

// jsonCell knows what a cell's numbers look like in the document: where that is JSON it is kept.
type jsonCell struct {
	bit   bool // 0 and 1 instead of false and true
	bits  int  // width of a float
	words []string
}

func (c jsonCell) appendBool(dst []byte, n int, b bool) []byte {
	switch {
	case n < len(c.words) && c.words[n] == "?":
		return append(dst, "null"...)
	case c.bit && b:
		return append(dst, '1')
	case c.bit:
		return append(dst, '0')
	}
	return strconv.AppendBool(dst, b)
}

// jsonNumber is the grammar of RFC 8259.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// word gives number n of the cell as it is written, where that is JSON.
func (c jsonCell) word(n int) (string, bool) {
	if n >= len(c.words) || !jsonNumber.MatchString(c.words[n]) {
		return "", false
	}
	return c.words[n], true
}

func (c jsonCell) appendInteger(dst []byte, n int, v int64) []byte {
	if word, ok := c.word(n); ok {
		return append(dst, word...)
	}
	return strconv.AppendInt(dst, v, 10)
}

func (c jsonCell) appendFloat(dst []byte, n int, v float64) []byte {
	word, ok := c.word(n)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return append(append(append(dst, '"'), strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+")...), '"')
	case ok:
		return append(dst, word...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, c.bits)
}

func (c jsonCell) appendComplex(dst []byte, n int, v complex128) []byte {
	dst = c.appendFloat(append(dst, '['), 2*n, real(v))
	return append(c.appendFloat(append(dst, ','), 2*n+1, imag(v)), ']')
}

func appendList[T any](dst []byte, list []T, one func([]byte, int, T) []byte) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, i, v)
	}
	return append(dst, ']')
}

func appendJSONString(dst []byte, s string) []byte {
	b, err := compactJSON(s)
	if err != nil { // a string can be encoded
		return append(dst, "null"...)
	}
	return append(dst, b...)
}
