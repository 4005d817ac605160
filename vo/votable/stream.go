package votable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"

	"beampipe/fault"
)

// streamBytes is the first size of a stream's buffer; it grows to the longest row.
const streamBytes = 64 << 10

// stream reads the rows of a BINARY or BINARY2 serialization (VOTable 1.5 sections 5.3 and 5.4).
type stream struct {
	scan   *scanner
	text   *base64Text
	src    io.Reader // text, or what gunzips it
	limits Limits
	fields []Field
	cells  []decoder
	mask   int    // bytes of the null mask before each row; 0 in BINARY
	rows   int    // rows begun
	spans  []span // cells of the row at hand

	buf      []byte
	pos, end int   // bytes read and not yet taken
	err      error // why src gives no more
}

// startStream makes the STREAM element whose start tag was read last the source of rows.
func (r *Reader) startStream(masked bool) error {
	if r.begun {
		return r.scan.fail("a second STREAM or TABLEDATA in one TABLE")
	}
	for i := range r.decode {
		if err := r.decode[i].checkBinary(r.limits); err != nil {
			return r.reject(r.scan.fail("field %s: %s", fieldName(r.fields[i], i), err))
		}
	}
	if r.attr("href") != "" {
		return r.reject(unsupported("a STREAM with href"))
	}
	s, err := newStream(r.scan, r.limits, r.attr("encoding"))
	if err != nil {
		return r.reject(err)
	}
	s.holds(r.fields, r.decode, masked)
	r.stream, r.begun, r.binary, r.inRows = s, true, true, true
	return nil
}

// newStream reads the content of the STREAM element whose start tag was read last. A fault.Invalid says
// that it is in an encoding that cannot be read.
func newStream(scan *scanner, limits Limits, encoding string) (*stream, error) {
	s := &stream{scan: scan, limits: limits, text: &base64Text{name: "STREAM", scan: scan}, buf: make([]byte, streamBytes)}
	s.src = s.text
	switch encoding = strings.ToLower(strings.TrimSpace(encoding)); encoding {
	case "", "base64": // nothing else can stand in XML, so it need not be said
	case "gzip":
		s.src = &gunzip{text: s.text}
	default:
		return nil, unsupported(fmt.Sprintf("%.40s encoding of a STREAM", encoding))
	}
	return s, nil
}

// holds says what the rows of the stream are; masked, that they have null masks.
func (s *stream) holds(fields []Field, cells []decoder, masked bool) {
	s.fields, s.cells = fields, cells
	if masked {
		s.mask = (len(fields) + 7) / 8
	}
}

func unsupported(what string) error {
	return fault.New(fault.Invalid, "unsupported: "+what+" in a VOTable",
		"ask the service for TABLEDATA (FORMAT=application/x-votable+xml;serialization=TABLEDATA)")
}

// checkBinary says why a field cannot be in a BINARY stream.
func (d *decoder) checkBinary(limits Limits) error {
	if d.broken != nil || d.shape.variable {
		return d.broken
	}
	_, err := d.cellBytes(d.shape.count, limits)
	return err
}

// cellBytes gives the bytes of a cell of count elements.
func (d *decoder) cellBytes(count int, limits Limits) (int, error) {
	cost := count * elementBytes[d.datatype]
	n := cost
	if d.datatype == bitType {
		// A bit is small here, but not in the text and values made of it.
		n, cost = (count+7)/8, count
	}
	if count < 0 || cost > limits.CellBytes {
		return 0, fmt.Errorf("a cell longer than %d bytes (Limits.CellBytes)", limits.CellBytes)
	}
	return n, nil
}

// readRow reads the next row into dst: its bytes, and where in them each cell is. A null is an
// empty cell. It returns io.EOF behind the last row. After an error dst is the row before.
func (s *stream) readRow(dst *row) error {
	if err := s.need(1); err != nil {
		return err
	}
	s.rows++
	s.spans = s.spans[:0]
	if err := s.need(s.mask); err != nil {
		return s.cut(err, 0)
	}
	at := s.mask
	for i := range s.cells {
		cell, next, err := s.readCell(i, at)
		if err != nil {
			return err
		}
		s.spans = append(s.spans, cell)
		at = next
	}
	if at == 0 {
		return s.scan.fail("data in the STREAM of a table whose rows have no bytes")
	}
	dst.number = s.rows
	dst.text = append(dst.text[:0], s.buf[s.pos:s.pos+at]...)
	dst.cells = append(dst.cells[:0], s.spans...)
	s.pos += at
	return nil
}

// readCell finds cell i, which begins at, and where the one behind it does.
func (s *stream) readCell(i, at int) (cell span, next int, err error) {
	d := &s.cells[i]
	count, start := d.shape.count, at
	if d.shape.variable {
		if err := s.need(at + 4); err != nil {
			return span{}, 0, s.cut(err, i)
		}
		count = int(int32(binary.BigEndian.Uint32(s.buf[s.pos+at:])))
		at += 4
		if d.datatype != bitType { // bits do not fill their bytes, so their count is needed later
			start = at
		}
	}
	n, err := d.cellBytes(count, s.limits)
	if err != nil {
		return span{}, 0, s.scan.fail("row %d of the STREAM, field %s, %d elements: %s", s.rows, fieldName(s.fields[i], i), count, err)
	}
	next = at + n
	if next > s.limits.RowBytes {
		return span{}, 0, s.scan.fail("row %d of the STREAM is longer than %d bytes (Limits.RowBytes)", s.rows, s.limits.RowBytes)
	}
	if s.end-s.pos < next {
		if err := s.need(next); err != nil {
			return span{}, 0, s.cut(err, i)
		}
	}
	if n == 0 || s.mask > 0 && s.buf[s.pos+i/8]>>(7-i%8)&1 == 1 {
		return span{}, next, nil
	}
	return span{start, next}, next, nil
}

// need makes n bytes readable at pos. n is within the limits.
func (s *stream) need(n int) error {
	for s.end-s.pos < n {
		if s.err != nil {
			return s.err
		}
		s.makeRoom(n)
		var got int
		got, s.err = s.src.Read(s.buf[s.end:])
		s.end += got
	}
	return nil
}

// makeRoom makes the buffer able to hold n bytes from pos on, with room behind what it has.
func (s *stream) makeRoom(n int) {
	if s.end < len(s.buf) && (s.pos == 0 || s.pos+n <= len(s.buf)) {
		return
	}
	buf := s.buf
	if n > len(buf) {
		// Twice what has come at most, however much the stream promises.
		buf = make([]byte, min(n, 2*len(s.buf)))
	}
	s.end = copy(buf, s.buf[s.pos:s.end])
	s.buf, s.pos = buf, 0
}

// cut says of err, which ended the stream inside a row, what it means there.
func (s *stream) cut(err error, i int) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	end := s.scan.fail("the STREAM ends inside row %d, field %s", s.rows, fieldName(s.fields[i], i))
	end.(*SyntaxError).cause = io.ErrUnexpectedEOF
	return end
}

// gunzip decompresses a STREAM.
type gunzip struct {
	text *base64Text
	zip  *gzip.Reader
}

func (g *gunzip) Read(p []byte) (n int, err error) {
	if g.zip == nil {
		g.zip, err = gzip.NewReader(g.text)
		if err == io.EOF {
			return 0, err // an empty STREAM: no rows
		}
	}
	if err == nil {
		n, err = g.zip.Read(p)
	}
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case g.text.err != nil && g.text.err != io.EOF:
		return n, g.text.err // the document's own fault
	}
	bad := g.text.scan.fail("the STREAM is not good gzip data: %s", err)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		bad.(*SyntaxError).cause = io.ErrUnexpectedEOF
	}
	return n, bad
}
