package votable

import (
	"errors"
	"io"
	"slices"
)

// stream checks the content of the STREAM whose start tag was read last, up to its end tag.
func (c *checker) stream(masked bool) error {
	line, col := c.scan.tagLine, c.scan.tagCol
	depth := c.scan.depth()
	_, remote := c.attr("href")
	encoding, _ := c.attr("encoding")
	s, err := newStream(c.scan, c.limits, encoding)
	t := &c.table
	broken := slices.IndexFunc(t.cells, func(d decoder) bool { return d.checkBinary(c.limits) != nil })
	switch {
	case remote:
		return c.drain(depth)
	case err != nil:
		err = c.add(line, col, SeverityError, "<STREAM> in the document with encoding=%.40q; only base64 can stand there", encoding)
	case broken >= 0:
		err = c.add(line, col, SeverityError, "field %.80s: %s", fieldName(t.fields[broken], broken), t.cells[broken].checkBinary(c.limits))
	case encoding != "base64":
		err = c.add(line, col, SeverityError, `<STREAM> in the document without encoding="base64"`)
	}
	if err != nil {
		return err
	}
	if s == nil || broken >= 0 {
		return c.drain(depth)
	}
	s.holds(t.fields, t.cells, masked)
	if err := c.streamRows(s); err != nil {
		return err
	}
	if s.text.err == io.EOF { // the end tag has been read
		return nil
	}
	return c.drain(depth)
}

// drain skips to the end tag of the element that was the depth-th open one.
func (c *checker) drain(depth int) error {
	for {
		t, err := c.scan.next()
		if err != nil {
			return err
		}
		if t == endTag && c.scan.depth() < depth {
			return nil
		}
	}
}

func (c *checker) streamRows(s *stream) error {
	c.table.counted = true
	var r row
	for {
		err := s.readRow(&r)
		var syntax *SyntaxError
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &syntax):
			c.table.counted = false
			return c.add(syntax.Line, syntax.Column, SeverityError, "%s", syntax.Msg)
		case err != nil:
			return err
		}
		c.table.rows++
		if err := c.streamRow(s, &r); err != nil {
			return err
		}
	}
}

// streamRow checks one row of a stream. What is wrong with a field is told once.
func (c *checker) streamRow(s *stream, r *row) error {
	t := &c.table
	if spare := s.mask*8 - len(t.fields); spare > 0 && r.text[s.mask-1]&(1<<spare-1) != 0 && !t.maskTold {
		t.maskTold = true
		line, col := c.scan.place()
		if err := c.add(line, col, SeverityError, "row %d of the STREAM: a bit behind those of the fields is set in its null mask", r.number); err != nil {
			return err
		}
	}
	for i := range t.cells {
		if t.told[i] || len(r.cell(i)) == 0 {
			continue
		}
		if err := t.cells[i].strictBytes(r.cell(i)); err != nil {
			t.told[i] = true
			line, col := c.scan.place()
			if err := c.add(line, col, SeverityError, "row %d of the STREAM, field %.80s: %s", r.number, fieldName(t.fields[i], i), err); err != nil {
				return err
			}
		}
	}
	return nil
}
