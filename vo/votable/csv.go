package votable

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// CSVOptions says what a CSV document cannot say of itself. The zero value is RFC 4180 with a header
// line, in UTF-8.
type CSVOptions struct {
	Limits Limits  // RowBytes, CellBytes and Fields count here; zero fields mean their defaults
	Comma  byte    // between cells; 0 is ',', and '\t' reads tab-separated values
	Fields []Field // the columns of a document without a header line; nil: its first line names them
	Latin1 bool    // the text is ISO-8859-1; otherwise UTF-8, or UTF-16 with a byte order mark
}

// CSVReader streams the rows of comma-separated values (RFC 4180), for services that give nothing else.
// A byte order mark and gzip are recognised.
//
// CSV knows no types, no nulls (an empty cell is one) and no QUERY_STATUS: it cannot tell that a service
// cut its answer at a row limit, and a document that was cut behind a whole row looks like a whole one.
// Ask for VOTable wherever that matters, or count the rows in another way.
//
// Memory is bounded by one row. A CSVReader does not close its source. It is not safe for concurrent use.
type CSVReader struct {
	src    *bufio.Reader
	limits Limits
	comma  byte
	fields []Field
	done   error

	text []byte // the cells of the row, one behind the other
	ends []int  // where in text each ends
	line int    // of the next byte, from 1
	col  int    // likewise, in bytes
}

// NewCSVReader reads the header line. Each of its names becomes a Field of unicodeChar "*".
//
// Errors are as for the CSVReader's Next. A document that begins with "<" is refused: services send an
// XML or HTML page in place of CSV when something went wrong.
func NewCSVReader(r io.Reader, o CSVOptions) (*CSVReader, error) {
	in, head, err := unpacked(r, "CSV")
	if err != nil {
		return nil, err
	}
	c := &CSVReader{limits: o.Limits.withDefaults(), comma: ',', fields: o.Fields, line: 1, col: 1}
	if o.Comma != 0 {
		c.comma = o.Comma
	}
	wide := markedUTF16(in, head)
	switch {
	case wide != nil:
		c.src = bufio.NewReaderSize(wide, bufferBytes)
	case o.Latin1:
		c.src = bufio.NewReaderSize(&latin1Reader{src: in}, bufferBytes)
	default:
		if bytes.HasPrefix(head, utf8Mark) {
			_, _ = in.Discard(len(utf8Mark)) // peeked, so it is there
		}
		c.src = bufio.NewReaderSize(in, bufferBytes)
	}
	if err := c.refuseMarkup(); err != nil || o.Fields != nil {
		return c, err
	}
	if err := c.readRow(); err != nil {
		if err == io.EOF {
			err = c.cut("before its header line")
		}
		return nil, err
	}
	c.fields = make([]Field, len(c.ends))
	for i, name := range c.Text() {
		c.fields[i] = Field{Name: name, Datatype: "unicodeChar", Arraysize: "*"}
	}
	return c, nil
}

// refuseMarkup refuses a document that is XML or HTML.
func (c *CSVReader) refuseMarkup() error {
	head, err := c.src.Peek(60)
	if err != nil && err != io.EOF {
		return c.readFailed(err)
	}
	if bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("<")) {
		return c.fail("not CSV: the document begins with %q", head)
	}
	return nil
}

// Fields gives the columns in document order.
func (c *CSVReader) Fields() []Field { return c.fields }

// Next reads the next row. After the last it returns io.EOF. A *SyntaxError says that the document is no
// CSV, ends inside a row, has a row of another length than the header, or is past a limit; other errors
// are those of the source, wrapped. Every error is final.
//
// An empty line is a null where there is one column, and otherwise skipped.
func (c *CSVReader) Next() error {
	for c.done == nil {
		line := c.line
		if c.done = c.readRow(); c.done != nil {
			break
		}
		n := len(c.ends)
		if n == len(c.fields) {
			return nil
		}
		if n == 1 && len(c.text) == 0 && len(c.fields) > 1 {
			continue
		}
		if _, err := c.src.Peek(1); err == io.EOF && n < len(c.fields) {
			c.done = c.cut(fmt.Sprintf("inside its last row: %d of %d cells", n, len(c.fields)))
			break
		}
		c.done = &SyntaxError{format: "CSV", Line: line, Column: 1, Msg: fmt.Sprintf("a row of %d cells where there are %d columns", n, len(c.fields))}
	}
	return c.done
}

// Text gives the cells of the row that Next read last, trimmed, in field order. The slice is the
// caller's.
func (c *CSVReader) Text() []string {
	all, start := string(c.text), 0
	cells := make([]string, len(c.ends))
	for i, end := range c.ends {
		cells[i], start = strings.TrimSpace(all[start:end]), end
	}
	return cells
}

// readRow reads a line into text and ends. It returns io.EOF where there is none.
func (c *CSVReader) readRow() error {
	c.text, c.ends = c.text[:0], c.ends[:0]
	if _, err := c.src.Peek(1); err == io.EOF {
		return err
	}
	for {
		start := len(c.text)
		more, err := c.readCell()
		if err != nil {
			return err
		}
		switch cell := c.text[start:]; {
		case len(c.ends) == c.limits.Fields:
			return c.fail("more than %d cells in a row (Limits.Fields)", c.limits.Fields)
		case !utf8.Valid(cell):
			return c.fail("the cell that ends here is not valid UTF-8; if the document is ISO-8859-1, that must be said")
		case bytes.IndexByte(cell, 0) >= 0:
			return c.fail("the cell that ends here holds a NUL: not CSV")
		}
		c.ends = append(c.ends, len(c.text))
		if !more {
			return nil
		}
	}
}

// readCell appends a cell to text. more says that another follows in its row.
func (c *CSVReader) readCell() (more bool, err error) {
	start := len(c.text)
	for {
		b, err := c.next()
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		case b == c.comma:
			return true, nil
		case b == '\n':
			return false, nil
		case b == '\r':
			return false, c.lineFeed()
		case b == '"' && len(c.text) == start:
			return c.readQuoted(start)
		case b == '"':
			return false, c.fail("a quote inside a cell that does not begin with one")
		}
		if err := c.add(b, start); err != nil {
			return false, err
		}
	}
}

// readQuoted appends a cell behind its opening quote.
func (c *CSVReader) readQuoted(start int) (more bool, err error) {
	line, col := c.line, c.col-1
	for {
		b, err := c.next()
		switch {
		case err == io.EOF:
			return false, c.cut(fmt.Sprintf("inside the quoted cell that begins at line %d column %d", line, col))
		case err != nil:
			return false, err
		case b != '"':
			if err := c.add(b, start); err != nil {
				return false, err
			}
			continue
		}
		b, err = c.next()
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		case b == '"':
			if err := c.add(b, start); err != nil {
				return false, err
			}
		case b == c.comma:
			return true, nil
		case b == '\n':
			return false, nil
		case b == '\r':
			return false, c.lineFeed()
		default:
			return false, c.fail("%q behind the closing quote of a cell", b)
		}
	}
}

// lineFeed reads the line feed behind a carriage return.
func (c *CSVReader) lineFeed() error {
	b, err := c.next()
	if err == io.EOF {
		return c.cut("between the two characters of a line end")
	}
	if err == nil && b != '\n' {
		err = c.fail("a carriage return that ends no line; in a cell it must be quoted")
	}
	return err
}

// next reads a byte.
func (c *CSVReader) next() (byte, error) {
	b, err := c.src.ReadByte()
	if err == io.EOF {
		return 0, err
	}
	if err != nil {
		return 0, c.readFailed(err)
	}
	if b == '\n' {
		c.line, c.col = c.line+1, 1
	} else {
		c.col++
	}
	return b, nil
}

// add appends a byte to the cell that begins at start.
func (c *CSVReader) add(b byte, start int) error {
	c.text = append(c.text, b)
	if len(c.text)-start > c.limits.CellBytes {
		return c.fail("a cell longer than %d bytes (Limits.CellBytes)", c.limits.CellBytes)
	}
	if len(c.text) > c.limits.RowBytes {
		return c.fail("a row longer than %d bytes (Limits.RowBytes)", c.limits.RowBytes)
	}
	return nil
}

func (c *CSVReader) fail(format string, args ...any) error {
	return &SyntaxError{format: "CSV", Line: c.line, Column: c.col, Msg: fmt.Sprintf(format, args...)}
}

func (c *CSVReader) cut(where string) error {
	return &SyntaxError{format: "CSV", Line: c.line, Column: c.col, Msg: "the document ends " + where, cause: io.ErrUnexpectedEOF}
}

// readFailed says of an error of the source what it means here.
func (c *CSVReader) readFailed(err error) error {
	if bad, ok := err.(*SyntaxError); ok { // of gzip data
		return &SyntaxError{format: "CSV", Line: c.line, Column: c.col, Msg: bad.Msg, cause: bad.cause}
	}
	return fmt.Errorf("read CSV: %w", err)
}
