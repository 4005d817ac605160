package votable

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"unicode/utf8"

	"beampipe/fault"
)

// Serialization says how the rows of a table are written.
type Serialization int

// The serializations of VOTable 1.5 section 5 that can stand in the document itself.
const (
	TableData Serialization = iota // text, as XML
	Binary                         // base64; nulls only where a value can stand for them
	Binary2                        // base64, with a null mask before each row
)

// String gives the name of the serialization's element.
func (s Serialization) String() string {
	return [...]string{"TABLEDATA", "BINARY", "BINARY2"}[s]
}

// Writer writes a VOTable 1.4 document with one table, in a RESOURCE of type "results", as DALI 1.1
// section 4.4 asks. It does not close the writer under it. It is not safe for concurrent use.
type Writer struct {
	out     *bufio.Writer
	fields  []Field
	form    Serialization
	cells   []decoder
	stream  io.WriteCloser // base64, of a binary serialization
	row     []byte         // the row at hand, in a binary serialization
	started bool
	closed  bool
	err     error // first failure; final
}

const header = `<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
`

// NewWriter makes a Writer of TABLEDATA. Nothing is written before the first row or Close.
func NewWriter(w io.Writer, fields []Field) *Writer {
	return NewBinaryWriter(w, fields, TableData)
}

// NewBinaryWriter makes a Writer of a serialization. Nothing is written before the first row or
// Close. Fields without a datatype of VOTable's can only be written as TABLEDATA.
func NewBinaryWriter(w io.Writer, fields []Field, form Serialization) *Writer {
	return &Writer{out: bufio.NewWriterSize(w, 32<<10), fields: fields, form: form, cells: decoders(fields)}
}

// Write writes a row of values, of the types that Reader.Next gives; nil is a null.
//
// In BINARY a null is what stands for it: NaN, no elements, "?" for a boolean, the Null of the field
// for an integer; for others it is fault.Invalid. An empty string or array is read back as a null.
// Errors are as for WriteText, and fault.Invalid for a value that its field cannot hold.
func (w *Writer) Write(row []any) error {
	w.begin(len(row))
	if w.err != nil {
		return w.err
	}
	if w.form != TableData {
		return w.writeBinary(row)
	}
	texts := make([]string, len(row))
	for i, v := range row {
		text, err := w.cells[i].appendValue(nil, v)
		if err != nil {
			return w.refuse(i, err)
		}
		texts[i] = string(text)
	}
	return w.WriteText(texts)
}

// WriteText writes a row, one cell per field in its lexical form; "" is a null cell. A cell that
// XML cannot hold (control characters, invalid UTF-8) and a row of another length than the fields
// are fault.Invalid, and so is, in a binary serialization, a cell that its field cannot hold. After
// an error the document is broken, and every later call returns it.
func (w *Writer) WriteText(row []string) error {
	w.begin(len(row))
	if w.err == nil && w.form != TableData {
		return w.writeBinaryText(row)
	}
	w.raw("<TR>")
	for _, cell := range row {
		if cell == "" {
			w.raw("<TD/>")
			continue
		}
		w.raw("<TD>")
		w.escape(cell, false)
		w.raw("</TD>")
	}
	w.raw("</TR>\n")
	return w.err
}

// Close ends the table and the document with a status: StatusOK, which the document has said before its
// table, or a second QUERY_STATUS of StatusOverflow or StatusFailed; with a message for people, or "". It
// writes out what is buffered.
func (w *Writer) Close(status, message string) error {
	w.start()
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil && status != StatusOK && status != StatusOverflow && status != StatusFailed {
		w.err = fault.New(fault.Invalid, fmt.Sprintf("close VOTable: status %q is not OK, OVERFLOW or ERROR", status), "")
	}
	if w.stream != nil && w.err == nil {
		w.err = w.stream.Close()
		w.raw("</STREAM>")
	}
	w.raw("</" + w.form.String() + "></DATA>\n</TABLE>\n")
	if status != StatusOK { // that is said before the table, and once
		w.status(status, message)
	} else if message != "" {
		w.raw(`<INFO name="message"`)
		w.attr("value", printable(message))
		w.raw("/>\n")
	}
	w.raw("</RESOURCE>\n</VOTABLE>\n")
	return w.flush()
}

// WriteError writes a whole document that only says QUERY_STATUS ERROR. Characters of message that
// XML cannot hold become U+FFFD.
func WriteError(w io.Writer, message string) error {
	doc := NewWriter(w, nil)
	doc.raw(header)
	doc.status(StatusFailed, message)
	doc.raw("</RESOURCE>\n</VOTABLE>\n")
	return doc.flush()
}

func (w *Writer) start() {
	if w.started {
		return
	}
	w.started = true
	w.raw(header)
	w.status(StatusOK, "")
	w.raw("<TABLE>\n")
	for _, f := range w.fields {
		w.field(f)
	}
	w.raw("<DATA><" + w.form.String() + ">")
	if w.form == TableData {
		w.raw("\n")
		return
	}
	w.raw(`<STREAM encoding="base64">`)
	w.stream = base64.NewEncoder(base64.StdEncoding, w.out)
	for i := range w.cells {
		if err := w.cells[i].checkBinary(Limits{}.withDefaults()); err != nil {
			_ = w.refuse(i, err) // it is kept, and every later call gives it
		}
	}
}

// begin makes the document ready for a row of n cells.
func (w *Writer) begin(n int) {
	w.start()
	if w.err == nil && w.closed {
		w.err = fault.New(fault.Invalid, "write VOTable row: the document is closed", "")
	}
	if w.err == nil && n != len(w.fields) {
		w.err = fault.New(fault.Invalid, fmt.Sprintf("write VOTable row: %d cells for %d fields", n, len(w.fields)), "")
	}
}

// refuse says that field i cannot hold what was to be written.
func (w *Writer) refuse(i int, err error) error {
	if w.err == nil {
		w.err = fault.New(fault.Invalid, fmt.Sprintf("write VOTable row as %s, field %s: %s", w.form, fieldName(w.fields[i], i), err), "")
	}
	return w.err
}

func (w *Writer) writeBinaryText(row []string) error {
	values := make([]any, len(row))
	for i, cell := range row {
		var err error
		if values[i], err = w.cells[i].value(cell); err != nil {
			return w.refuse(i, err)
		}
	}
	return w.writeBinary(values)
}

func (w *Writer) writeBinary(row []any) error {
	w.row = w.row[:0]
	if w.form == Binary2 {
		w.row = append(w.row, make([]byte, (len(row)+7)/8)...)
	}
	for i, v := range row {
		if v == nil && w.form == Binary2 {
			w.row[i/8] |= 0x80 >> (i % 8)
			w.row = w.cells[i].appendBlank(w.row)
			continue
		}
		var err error
		if w.row, err = w.cells[i].appendBinary(w.row, v); err != nil {
			return w.refuse(i, err)
		}
	}
	_, w.err = w.stream.Write(w.row)
	return w.err
}

func (w *Writer) field(f Field) {
	w.raw("<FIELD")
	w.attr("ID", f.ID)
	w.raw(` name="`)
	w.escape(f.Name, true)
	w.raw(`"`)
	w.attr("datatype", f.Datatype)
	w.attr("arraysize", f.Arraysize)
	w.attr("unit", f.Unit)
	w.attr("ucd", f.UCD)
	w.attr("utype", f.Utype)
	w.attr("xtype", f.Xtype)
	w.attr("ref", f.Ref)
	if f.Description == "" && f.Null == "" {
		w.raw("/>\n")
		return
	}
	w.raw(">")
	if f.Description != "" {
		w.raw("<DESCRIPTION>")
		w.escape(f.Description, false)
		w.raw("</DESCRIPTION>")
	}
	if f.Null != "" {
		w.raw("<VALUES")
		w.attr("null", f.Null)
		w.raw("/>")
	}
	w.raw("</FIELD>\n")
}

func (w *Writer) status(status, message string) {
	w.raw(`<INFO name="` + statusInfo + `"`)
	w.attr("value", status)
	if message == "" {
		w.raw("/>\n")
		return
	}
	w.raw(">")
	w.escape(printable(message), false)
	w.raw("</INFO>\n")
}

func (w *Writer) attr(name, value string) {
	if value == "" {
		return
	}
	w.raw(" " + name + `="`)
	w.escape(value, true)
	w.raw(`"`)
}

func (w *Writer) raw(s string) {
	if w.err == nil {
		_, w.err = w.out.WriteString(s)
	}
}

// escape writes character data. Line ends and tabs of an attribute become references, because a
// reader makes blanks of plain ones; a carriage return always does.
func (w *Writer) escape(s string, attribute bool) {
	last := 0
	valid := utf8.ValidString(s)
	for i, r := range s {
		if !valid || !isXMLChar(r) {
			if w.err == nil {
				w.err = fault.New(fault.Invalid, fmt.Sprintf("write VOTable: %.60q holds what XML cannot hold (invalid UTF-8 or a control character)", s), "")
			}
			return
		}
		ref := ""
		switch {
		case r == '&':
			ref = "&amp;"
		case r == '<':
			ref = "&lt;"
		case r == '>':
			ref = "&gt;"
		case r == '\r':
			ref = "&#13;"
		case attribute && r == '"':
			ref = "&#34;"
		case attribute && r == '\t':
			ref = "&#9;"
		case attribute && r == '\n':
			ref = "&#10;"
		default:
			continue
		}
		w.raw(s[last:i])
		w.raw(ref)
		last = i + 1
	}
	w.raw(s[last:])
}

// printable replaces what XML cannot hold.
func printable(s string) string {
	clean := make([]rune, 0, len(s))
	for _, r := range s {
		if !isXMLChar(r) {
			r = utf8.RuneError
		}
		clean = append(clean, r)
	}
	return string(clean)
}

func (w *Writer) flush() error {
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}
