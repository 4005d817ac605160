package votable

import (
	"fmt"
	"io"
	"strings"

	"beampipe/fault"
)

// Reader streams the rows of one TABLE of a VOTable document: the first with FIELDs in a RESOURCE
// of type "results", or, in a document without such a RESOURCE, the first with FIELDs outside
// RESOURCEs of type "meta". The document is read to its end whatever the table.
//
// Memory is bounded by Limits; a document whose first table is outside type="results" is read up to
// 1 MiB of rows ahead, because a results RESOURCE may still follow. A Reader does not close its
// source. It is not safe for concurrent use.
type Reader struct {
	scan   *scanner
	limits Limits
	fields []Field
	decode []decoder // one for each field
	infos  []Info
	row    row    // last row given
	line   []byte // its text, where it comes from a stream
	ends   []int  // where in line each cell ends
	done   error

	open       []element
	kept       []byte // text of the INFO or DESCRIPTION that is open
	table      []Field
	param      Param   // the PARAM that is open
	params     []Param // all, within maxInfos and maxInfoBytes
	defined    definitions
	number     int       // of the TABLE read last, from 1
	want       int       // number of the TABLE to read; 0: the answer
	outline    *Document // what Describe collects, else nil; with it every TABLE is read
	resource   int       // the open RESOURCE in outline; -1: none
	outlineLen int       // bytes of outline
	chosen     choice
	headless   bool // a TABLE with DATA had no columns
	fieldLen   int  // bytes of table
	infoLen    int  // bytes of infos and params
	inRows     bool // the scanner stands inside the TABLEDATA or STREAM of the chosen table
	begun      bool // the chosen table has had its TABLEDATA or STREAM
	binary     bool // it was a STREAM
	stream     *stream
	held       []row
	heldSize   int
	// committed says that the rows held were too many to wait for a results RESOURCE any longer.
	committed bool
	after     error // what comes after the held rows; nil: go on scanning
	refused   error // why the candidate's rows cannot be read
	overflow  bool
	saidOK    bool
}

const (
	// maxInfos and maxInfoBytes bound the INFO and PARAM elements kept; an INFO after that is only
	// looked at for QUERY_STATUS.
	maxInfos     = 1000
	maxInfoBytes = 4 << 20
	// maxFieldBytes bounds what the FIELDs of one table say together.
	maxFieldBytes = 16 << 20
)

// choice says which table is read.
type choice int

const (
	none      choice = iota
	candidate        // not in a results RESOURCE: one may follow
	final
)

// element is what the Reader remembers of an open element.
type element struct {
	kind    kind
	results bool // inside a RESOURCE of type "results"
	meta    bool // inside a RESOURCE of type "meta"
	chosen  bool // TABLE and below: the table that is read
	masked  bool // BINARY2: rows have null masks
	info    Info // of an INFO
}

type kind int

const (
	other kind = iota
	document
	resource
	tableElement
	field
	param
	values
	description
	info
	data
	tableData
	binaryData
	streamElement
	foreign // another vocabulary: its content is skipped
)

// NewReader reads to the first row, or to the document's end where it has no rows. The document may
// be gzipped as a whole. A zero Limits means the defaults.
//
// Errors: *StatusError for QUERY_STATUS ERROR before the rows; *SyntaxError for what is not a
// VOTable, not well-formed, ends too early, or is past a limit; a fault.Invalid for rows in FITS, at
// an href, or in an encoding other than base64 and gzip; an error of r itself, wrapped.
func NewReader(r io.Reader, limits Limits) (*Reader, error) {
	return newReader(r, 0, limits)
}

// NewTableReader is NewReader for the TABLE of a number, from 1 in document order; every TABLE counts,
// as Describe shows them. A document with fewer is a fault.NotFound.
func NewTableReader(r io.Reader, number int, limits Limits) (*Reader, error) {
	if number < 1 {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("read VOTable: there is no table %d; they count from 1", number), "")
	}
	rd, err := newReader(r, number, limits)
	if err != nil || rd.number >= number {
		return rd, err
	}
	return nil, fault.New(fault.NotFound, fmt.Sprintf("read VOTable: there is no table %d; the document has %d", number, rd.number), "")
}

// open makes a Reader that has read nothing.
func open(r io.Reader, limits Limits) (*Reader, error) {
	utf8, err := asUTF8(r)
	if err != nil {
		return nil, err
	}
	limits = limits.withDefaults()
	return &Reader{scan: newScanner(utf8, limits), limits: limits, resource: -1}, nil
}

func newReader(r io.Reader, want int, limits Limits) (*Reader, error) {
	rd, err := open(r, limits)
	if err != nil {
		return nil, err
	}
	rd.want = want
	for !rd.inRows || rd.chosen == candidate {
		err := rd.ahead()
		if err != nil && err != io.EOF && err != ErrOverflow && len(rd.held) == 0 {
			return nil, err
		}
		if err != nil {
			rd.after = err
			break
		}
	}
	return rd, nil
}

// ahead reads one step towards the first row: a token, or a row of a candidate, which is held.
func (r *Reader) ahead() error {
	if !r.inRows {
		return r.step()
	}
	var next row
	found, err := r.readRow(&next)
	if err != nil || !found {
		return err
	}
	r.held = append(r.held, next)
	r.heldSize += next.size()
	if r.heldSize > maxHeldBytes {
		r.chosen, r.committed = final, true
	}
	return nil
}

// Fields gives the columns in document order. It is empty when the document has no table.
func (r *Reader) Fields() []Field { return r.fields }

// Infos gives the INFO elements read so far, at most 1000 and 4 MiB: those behind the rows are there once
// Next has returned io.EOF or ErrOverflow.
func (r *Reader) Infos() []Info { return r.infos }

// Params gives the PARAM elements read so far, wherever they stand, within the same bounds as Infos.
func (r *Reader) Params() []Param { return r.params }

// Next decodes the next row into dst, one value per field: bool (boolean, bit), int64, float64 (a
// "float" at its own width), complex128, string (with its blanks), []T for arrays, nil for null. A
// dst of length 0 skips the decoding; Text then still gives the row.
//
// A short row is filled with nulls. A cell that says NULL in letters is one, too, unless its field
// holds strings. TABLE nrows is not looked at: services get it wrong, and a document that was cut is
// not well-formed. An array has the elements that its cell has, whatever its
// arraysize says, and an element equal to the field's null stays as it is.
//
// After the last row Next returns io.EOF, and only when the document was read to its end without
// an ERROR; ErrOverflow when the service cut the rows; *StatusError, *SyntaxError and errors of
// the source as NewReader. Every error is final.
func (r *Reader) Next(dst []any) error {
	if r.done != nil {
		return r.done
	}
	if len(dst) != 0 && len(dst) != len(r.fields) {
		return fault.New(fault.Invalid, fmt.Sprintf("read VOTable row: dst has %d values for %d fields", len(dst), len(r.fields)), "")
	}
	if r.done = r.nextRow(); r.done != nil {
		return r.done
	}
	var i int
	var err error
	switch {
	case len(dst) == 0:
	case r.binary:
		i, err = r.binaryValues(dst)
	default:
		i, err = r.values(dst)
	}
	if err != nil {
		r.done = r.badCell(i, err)
	}
	return r.done
}

// values decodes a row of a TABLEDATA. The strings share its text, so that a row costs one copy.
func (r *Reader) values(dst []any) (i int, err error) {
	all := string(r.row.text)
	for i = range dst {
		at := r.row.span(i)
		if dst[i], err = r.decode[i].value(all[at.start:at.end]); err != nil {
			return i, err
		}
	}
	return 0, nil
}

// binaryValues decodes a row of a stream. The strings share one text, as in values.
func (r *Reader) binaryValues(dst []any) (i int, err error) {
	r.line, r.ends = r.line[:0], r.ends[:0]
	for i = range dst {
		d, cell := &r.decode[i], r.row.cell(i)
		if d.isPlainString() {
			r.line = d.appendToNUL(r.line, cell)
			r.ends = append(r.ends, len(r.line))
			continue
		}
		if dst[i], err = d.binaryValue(cell); err != nil {
			return i, err
		}
	}
	if len(r.ends) == 0 {
		return 0, nil
	}
	all, start, n := string(r.line), 0, 0
	for i = range dst {
		d := &r.decode[i]
		if !d.isPlainString() {
			continue
		}
		dst[i] = nil
		if text := all[start:r.ends[n]]; text != "" && !d.isNullString(text) {
			dst[i] = text
		}
		start, n = r.ends[n], n+1
	}
	return 0, nil
}

// Value decodes cell i, from 0, of the row that Next gave last, to what Next puts into dst. For a cell that
// its field does not allow it gives an error, as Next does, and the Reader can go on.
func (r *Reader) Value(i int) (any, error) {
	if i < 0 || i >= len(r.fields) {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("decode VOTable cell: there is no field %d of %d", i, len(r.fields)), "")
	}
	var v any
	var err error
	if r.binary {
		v, err = r.decode[i].binaryValue(r.row.cell(i))
	} else {
		v, err = r.decode[i].value(string(r.row.cell(i)))
	}
	if err != nil {
		return nil, r.badCell(i, err)
	}
	return v, nil
}

// badCell says that the last row has a cell that its field does not allow.
func (r *Reader) badCell(i int, err error) error {
	where := "in the row that begins here"
	line, col := r.row.line, r.row.col
	if r.binary {
		where = fmt.Sprintf("row %d of the STREAM, which has been read to here", r.row.number)
		line, col = r.scan.place()
	}
	return &SyntaxError{Line: line, Column: col, Msg: fmt.Sprintf("%s, field %s: %s", where, fieldName(r.fields[i], i), err)}
}

// Text gives the cells of the row that Next gave last, trimmed, in field order. Null is "": an
// empty or missing cell, one that equals the field's VALUES null, one that a BINARY2 mask marks, "?"
// for a boolean, and NaN for a float or double that is not an array. The slice is the caller's.
//
// From a binary stream numbers are the shortest decimals that round-trip at the column's own width
// (with ".0" behind a whole float), and the elements of an array are joined by blanks.
func (r *Reader) Text() []string {
	cells := make([]string, len(r.fields))
	if r.binary {
		r.binaryText(cells)
		return cells
	}
	all := string(r.row.text)
	for i := range cells {
		at := r.row.span(i)
		cell := strings.TrimSpace(all[at.start:at.end])
		if d := &r.decode[i]; !d.isNull(cell) && !d.isNaN(cell) {
			cells[i] = cell
		}
	}
	return cells
}

// binaryText makes cells the text of a row of a stream.
func (r *Reader) binaryText(cells []string) {
	r.line, r.ends = r.line[:0], r.ends[:0]
	for i := range cells {
		r.line = r.decode[i].appendBinaryText(r.line, r.row.cell(i))
		r.ends = append(r.ends, len(r.line))
	}
	all, start := string(r.line), 0
	for i, end := range r.ends {
		cells[i], start = all[start:end], end
	}
}

// nextRow makes r.row the next row.
func (r *Reader) nextRow() error {
	if len(r.held) > 0 {
		r.row, r.held = r.held[0], r.held[1:]
		return nil
	}
	for r.after == nil {
		if !r.inRows {
			r.after = r.step()
			continue
		}
		found, err := r.readRow(&r.row)
		if found {
			return nil
		}
		r.after = err
	}
	return r.after
}

// finish gives the verdict at the document's end.
func (r *Reader) finish() error {
	if r.refused != nil {
		return r.refused
	}
	if r.headless && r.chosen == none && r.outline == nil {
		return r.scan.fail("a TABLE with DATA has no FIELD, and refers to no TABLE before it that has")
	}
	if r.overflow {
		return ErrOverflow
	}
	return io.EOF
}

func fieldName(f Field, index int) string {
	switch {
	case f.Name != "":
		return f.Name
	case f.ID != "":
		return f.ID
	}
	return fmt.Sprintf("number %d", index+1)
}
