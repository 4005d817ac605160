package votable

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"beampipe/fault"
)

// maxHeldBytes bounds the rows that are held while a results RESOURCE may still follow. A document
// with more of them before it is read from its first table.
const maxHeldBytes = 1 << 20

// rowOverhead is what a held row costs beside its text, about.
const rowOverhead = 64

// row is one row as text: the cells, one behind the other.
type row struct {
	text      []byte
	cells     []span
	line, col int // behind its <TR>
	number    int // from 1, in a stream; text then holds bytes
}

type span struct{ start, end int }

// span gives where cell i is in text; a missing cell is empty.
func (w *row) span(i int) span {
	if i < len(w.cells) {
		return w.cells[i]
	}
	return span{}
}

func (w *row) cell(i int) []byte {
	at := w.span(i)
	return w.text[at.start:at.end]
}

func (w *row) size() int { return rowOverhead + len(w.text) + 16*len(w.cells) }

// readRow reads the next row of the chosen table into dst. found is false at its end.
func (r *Reader) readRow(dst *row) (found bool, err error) {
	if r.stream == nil {
		return r.scanRow(dst)
	}
	switch err := r.stream.readRow(dst); {
	case err == nil:
		return true, nil
	case err != io.EOF:
		return false, err
	}
	r.inRows, r.stream = false, nil
	return false, r.end()
}

// scanRow reads the next row of the chosen table's TABLEDATA into dst. found is false at its end.
func (r *Reader) scanRow(dst *row) (found bool, err error) {
	for {
		t, err := r.scan.next()
		switch {
		case err != nil:
			return false, err
		case t == endTag:
			r.inRows = false
			return false, r.end()
		case t == text:
			if err := r.onlyBlanks("TABLEDATA"); err != nil {
				return false, err
			}
		case string(r.scan.name) != "TR" || r.scan.foreign:
			return false, r.scan.fail("<%s> where <TR> was expected", r.scan.tag)
		default:
			err := r.scanCells(dst)
			return err == nil, err
		}
	}
}

// scanCells reads a row behind its <TR>.
func (r *Reader) scanCells(dst *row) error {
	dst.text, dst.cells = dst.text[:0], dst.cells[:0]
	dst.line, dst.col = r.scan.place()
	unprefixed := string(r.scan.tag) == "TR" // then <TD> is in the same namespace
	for {
		if unprefixed && len(dst.cells) < len(r.fields) {
			if cell, ok := r.scan.plainCell(); ok {
				if err := r.addText(dst, len(dst.text), cell); err != nil {
					return err
				}
				dst.cells = append(dst.cells, span{len(dst.text) - len(cell), len(dst.text)})
				continue
			}
		}
		t, err := r.scan.next()
		switch {
		case err != nil:
			return err
		case t == endTag:
			return nil
		case t == text:
			if err := r.onlyBlanks("TR"); err != nil {
				return err
			}
			continue
		case string(r.scan.name) != "TD" || r.scan.foreign:
			return r.scan.fail("<%s> where <TD> was expected", r.scan.tag)
		}
		if len(dst.cells) == len(r.fields) {
			return r.scan.fail("the row has more cells than the table has fields (%d)", len(r.fields))
		}
		if err := r.scanCell(dst); err != nil {
			return err
		}
	}
}

// scanCell reads a cell behind its <TD>.
func (r *Reader) scanCell(dst *row) error {
	encoded, err := r.isEncoded()
	if err != nil {
		return err
	}
	if encoded {
		return r.scanEncoded(dst)
	}
	start := len(dst.text)
	for {
		t, err := r.scan.next()
		switch {
		case err != nil:
			return err
		case t == startTag:
			return r.scan.fail("<%s> inside a cell; markup in text is written &lt;", r.scan.tag)
		case t == endTag:
			dst.cells = append(dst.cells, span{start, len(dst.text)})
			return nil
		}
		if err := r.addText(dst, start, r.scan.chunk); err != nil {
			return err
		}
	}
}

// plainCell reads the next cell when it is, as most are, <TD>text</TD> with nothing to expand or <TD/>, with
// or without blanks before it, and in the buffer. Otherwise it reads nothing. The caller has made sure
// that <TD> needs no namespace looked up. The text is valid until the next call.
func (s *scanner) plainCell() (text []byte, ok bool) {
	const opening, closing, empty = "<TD>", "</TD>", "<TD/>"
	rest := s.buf[s.pos:s.end]
	blanks := 0
	for blanks < len(rest) && isBlank(rest[blanks]) {
		blanks++
	}
	rest = rest[blanks:]
	if s.closing || s.inCDATA || s.depth() == s.limits.Depth || len(rest) < len(empty) || string(rest[:3]) != opening[:3] {
		return nil, false
	}
	if string(rest[:len(empty)]) == empty {
		s.pos += blanks + len(empty)
		return nil, true
	}
	if rest[3] != '>' {
		return nil, false
	}
	rest = rest[len(opening):]
	n := 0
	for n < len(rest) && ordinary[rest[n]] {
		n++
	}
	if len(rest) < n+len(closing) || string(rest[n:n+len(closing)]) != closing {
		return nil, false
	}
	s.pos += blanks + len(opening) + n + len(closing)
	return rest[:n], true
}

// addText adds to the cell that begins at start.
func (r *Reader) addText(dst *row, start int, chunk []byte) error {
	dst.text = append(dst.text, chunk...)
	if len(dst.text)-start > r.limits.CellBytes {
		return r.scan.fail("a cell longer than %d bytes (Limits.CellBytes)", r.limits.CellBytes)
	}
	if len(dst.text) > r.limits.RowBytes {
		return r.scan.fail("a row longer than %d bytes (Limits.RowBytes)", r.limits.RowBytes)
	}
	return nil
}

// isEncoded says whether a cell, whose start tag was read last, is base64 instead of its text.
func (r *Reader) isEncoded() (bool, error) {
	if len(r.scan.attrs) == 0 {
		return false, nil
	}
	switch encoding := strings.ToLower(r.attr("encoding")); encoding {
	case "base64":
		return true, nil
	case "gzip", "dynamic":
		return false, fault.New(fault.Invalid, "unsupported: "+encoding+" encoding of a VOTable cell", "ask the service for plain TABLEDATA")
	}
	return false, nil
}

// scanEncoded reads the base64 text of a cell: what a BINARY stream has for it, without the count of its
// elements (VOTable 1.5 appendix A.5). It becomes the text that a plain cell would have.
func (r *Reader) scanEncoded(dst *row) error {
	text := &base64Text{name: "TD", scan: r.scan}
	raw, err := io.ReadAll(io.LimitReader(text, int64(r.limits.CellBytes)+1))
	if err != nil {
		return err
	}
	i := len(dst.cells)
	d := &r.decode[i]
	cell, err := d.uncounted(raw, r.limits)
	if err != nil {
		return r.scan.fail("field %s: %s", fieldName(r.fields[i], i), err)
	}
	start := len(dst.text)
	if err := r.addText(dst, start, d.appendLexical(nil, cell)); err != nil {
		return err
	}
	dst.cells = append(dst.cells, span{start, len(dst.text)})
	return nil
}

// uncounted makes of a cell's bytes alone what a row of a stream holds: the same, but for bits, whose
// count is needed.
func (d *decoder) uncounted(raw []byte, limits Limits) ([]byte, error) {
	if d.broken != nil || len(raw) == 0 {
		return nil, d.broken
	}
	count := d.shape.count
	switch {
	case d.shape.variable && d.datatype == bitType:
		count = 8 * len(raw)
	case d.shape.variable:
		count = len(raw) / elementBytes[d.datatype]
	}
	size, err := d.cellBytes(count, limits)
	if err != nil {
		return nil, err
	}
	if len(raw) != size && (!d.datatype.isString() || len(raw) > size) {
		return nil, fmt.Errorf("%d bytes in a cell encoded as base64, where its field needs %d", len(raw), size)
	}
	if d.shape.variable && d.datatype == bitType {
		return append(binary.BigEndian.AppendUint32(nil, uint32(count)), raw...), nil
	}
	return raw, nil
}

func (r *Reader) onlyBlanks(where string) error {
	for _, b := range r.scan.chunk {
		if !isBlank(b) {
			return r.scan.fail("text %.40q between the elements of a %s", r.scan.chunk, where)
		}
	}
	return nil
}
