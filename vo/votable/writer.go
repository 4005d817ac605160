package votable

import (
	"bufio"
	"fmt"
	"io"
	"unicode/utf8"

	"beampipe/fault"
)

// Writer writes a VOTable 1.4 document with one table in TABLEDATA, in a RESOURCE of type
// "results", as DALI 1.1 section 4.4 asks. It does not close the writer under it. It is not safe
// for concurrent use.
type Writer struct {
	out     *bufio.Writer
	fields  []Field
	started bool
	closed  bool
	err     error // first failure; final
}

const header = `<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
`

// NewWriter makes a Writer. Nothing is written before the first WriteText or Close.
func NewWriter(w io.Writer, fields []Field) *Writer {
	return &Writer{out: bufio.NewWriterSize(w, 32<<10), fields: fields}
}

// WriteText writes a row, one cell per field in its lexical form; "" is a null cell. A cell that
// XML cannot hold (control characters, invalid UTF-8) and a row of another length than the fields
// are fault.Invalid. After an error the document is broken, and every later call returns it.
func (w *Writer) WriteText(row []string) error {
	w.start()
	if w.err == nil && w.closed {
		w.err = fault.New(fault.Invalid, "write VOTable row: the document is closed", "")
	}
	if w.err == nil && len(row) != len(w.fields) {
		w.err = fault.New(fault.Invalid, fmt.Sprintf("write VOTable row: %d cells for %d fields", len(row), len(w.fields)), "")
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

// Close ends the table and the document with a QUERY_STATUS: StatusOK, StatusOverflow or
// StatusFailed, with a message for people, and writes out what is buffered.
func (w *Writer) Close(status, message string) error {
	w.start()
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil && status != StatusOK && status != StatusOverflow && status != StatusFailed {
		w.err = fault.New(fault.Invalid, fmt.Sprintf("close VOTable: status %q is not OK, OVERFLOW or ERROR", status), "")
	}
	w.raw("</TABLEDATA></DATA>\n</TABLE>\n")
	w.status(status, message)
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
	w.raw("<DATA><TABLEDATA>\n")
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
