package votable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// A token is what the scanner found next.
type token int

const (
	endOfDocument token = iota // the root element is closed and the source is at its end
	startTag                   // name, attrs, foreign are set
	endTag                     // name is set; also comes after the startTag of an empty element
	text                       // chunk is set; one text can come in several chunks
)

const (
	bufferBytes = 32 << 10
	nameBytes   = 256 // longest element or attribute name
	maxAttrs    = 256 // attributes of one element
)

type attribute struct{ name, value string } // name as written, with its prefix

// scanner reads XML 1.0 as the VOTable schema uses it: elements, attributes, text, CDATA,
// references; comments and processing instructions are skipped. A document type declaration is
// refused if it does more than name a DTD, and with it every entity but the five that XML predefines.
//
// It holds one buffer, one start tag and the names of the open elements.
type scanner struct {
	src    io.Reader
	limits Limits

	buf       []byte
	pos       int   // next byte
	end       int   // bytes of buf that are valid UTF-8 and may be read
	have      int   // bytes of buf read from src; buf[end:have] is the start of a character
	srcErr    error // why src gives no more; reported once buf is used up
	mark      int   // line and column are those of buf[mark]
	line, col int

	placeTags       bool // tagLine and tagCol are wanted
	tagLine, tagCol int  // of the "<" of the last start tag

	inCDATA   bool
	closing   bool // the last startTag was of an empty element
	rootDone  bool
	tag       []byte // name of the last tag, as written
	name      []byte // the same without its prefix
	attrs     []attribute
	foreign   bool // the last startTag is of another vocabulary than VOTable
	value     []byte
	chunk     []byte
	char      [utf8.UTFMax]byte
	openNames []byte // names of the open elements, one behind the other
	openAt    []int  // where each begins in openNames
	spaces    namespaces
}

func newScanner(src io.Reader, limits Limits) *scanner {
	return &scanner{src: src, limits: limits, buf: make([]byte, bufferBytes), line: 1, col: 1}
}

// depth counts the open elements.
func (s *scanner) depth() int { return len(s.openAt) }

// next gives the next token. Its parts are valid until the call after it.
func (s *scanner) next() (token, error) {
	if s.closing {
		s.closing = false
		s.pop()
		return endTag, nil
	}
	for {
		if s.inCDATA {
			if found, err := s.scanCDATA(); found || err != nil {
				return text, err
			}
			continue
		}
		b, err := s.peek()
		if errors.Is(err, io.EOF) && s.rootDone && s.have == s.end {
			return endOfDocument, nil
		}
		if err != nil {
			return 0, s.readFailed(err)
		}
		if b != '<' {
			found, err := s.scanText(b)
			if err != nil {
				return 0, err
			}
			if found {
				return text, nil
			}
			continue
		}
		if t, err := s.scanMarkup(); t != 0 || err != nil {
			return t, err
		}
	}
}

// scanMarkup reads what begins with "<": a tag, or 0 for something that is skipped.
func (s *scanner) scanMarkup() (token, error) {
	head := s.ahead(2)
	if len(head) < 2 {
		return 0, s.readFailed(s.endErr())
	}
	switch head[1] {
	case '/':
		s.pos += 2
		return endTag, s.scanEnd()
	case '?':
		return 0, s.skipPast("<?", "?>")
	case '!':
		return 0, s.scanDeclaration()
	}
	if s.placeTags {
		s.tagLine, s.tagCol = s.place()
	}
	s.pos++
	return startTag, s.scanStart()
}

// scanText reads text up to the next markup or the end of the buffer. found is false for blanks
// outside the root element.
func (s *scanner) scanText(first byte) (found bool, err error) {
	switch {
	case s.depth() == 0:
		return false, s.skipOutside(first)
	case first == '&':
		r, err := s.scanReference()
		s.chunk = utf8.AppendRune(s.char[:0], r)
		return true, err
	case first == '\r':
		return s.scanReturn(), nil
	}
	start := s.pos
	i := start
	for i < s.end && ordinary[s.buf[i]] {
		i++
	}
	s.pos = i
	if i == start {
		return false, s.fail("character %#02x is not allowed in XML", first)
	}
	s.chunk = s.buf[start:i]
	return true, nil
}

// skipOutside skips blanks before or after the root element.
func (s *scanner) skipOutside(first byte) error {
	if isBlank(first) {
		s.pos++
		return nil
	}
	sample := s.ahead(40)
	if s.rootDone {
		return s.fail("text after the end of the document: %q", sample)
	}
	return s.fail("not XML: the document begins with %q", sample)
}

// scanReturn reads a carriage return: XML makes one line feed of CR LF and of a lone CR. It gives
// false before a LF, which the caller reads next.
func (s *scanner) scanReturn() bool {
	pair := s.ahead(2)
	s.pos++
	if len(pair) == 2 && pair[1] == '\n' {
		return false
	}
	s.chunk = append(s.char[:0], '\n')
	return true
}

// scanCDATA reads a chunk of a CDATA section. found is false when the section ended instead.
func (s *scanner) scanCDATA() (found bool, err error) {
	rest := s.ahead(3)
	switch {
	case len(rest) < 3:
		return false, s.readFailed(s.endErr())
	case string(rest) == "]]>":
		s.pos += 3
		s.inCDATA = false
		return false, nil
	case rest[0] == '\r':
		return s.scanReturn(), nil
	}
	start := s.pos
	i := start
	for i < s.end && inCDATA[s.buf[i]] {
		i++
	}
	if i == start && s.buf[i] != ']' {
		return false, s.fail("character %#02x is not allowed in XML", s.buf[i])
	}
	if i == start {
		i++ // a bracket that does not end the section
	}
	s.pos = i
	s.chunk = s.buf[start:i]
	return true, nil
}

// ordinary marks the bytes of text that stand for themselves; inCDATA those of a CDATA section.
var ordinary, inCDATA = textBytes()

func textBytes() (ordinary, cdata [256]bool) {
	for b := range 256 {
		legal := b >= 0x20 || b == '\t' || b == '\n'
		ordinary[b] = legal && b != '<' && b != '&'
		cdata[b] = legal && b != ']'
	}
	return ordinary, cdata
}

func isBlank(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

// peek gives the next byte without reading it.
func (s *scanner) peek() (byte, error) {
	if s.pos == s.end && len(s.ahead(1)) == 0 {
		return 0, s.endErr()
	}
	return s.buf[s.pos], nil
}

// ahead gives the next n bytes (n is small) without reading them, fewer only before the end.
func (s *scanner) ahead(n int) []byte {
	for s.end-s.pos < n && s.srcErr == nil {
		s.fill()
	}
	return s.buf[s.pos:min(s.pos+n, s.end)]
}

// endErr is why there is no more to read.
func (s *scanner) endErr() error {
	if s.srcErr == nil {
		return io.EOF
	}
	return s.srcErr
}

// maxEmptyReads is how often in a row a source may give nothing and no error.
const maxEmptyReads = 100

// fill moves what is unread to the front of the buffer and reads more behind it. Bytes that are not
// UTF-8 end the readable part with a SyntaxError at their place.
func (s *scanner) fill() {
	s.moveMark()
	rest := copy(s.buf, s.buf[s.pos:s.have])
	s.end -= s.pos
	s.pos, s.mark, s.have = 0, 0, rest
	var readErr error
	for range maxEmptyReads {
		var n int
		n, readErr = s.src.Read(s.buf[s.have:])
		s.have += n
		if n > 0 || readErr != nil {
			break
		}
	}
	if s.have == rest && readErr == nil {
		readErr = io.ErrNoProgress
	}
	s.srcErr = readErr
	fresh := s.buf[s.end:s.have]
	whole := len(fresh) - incompleteTail(fresh)
	if utf8.Valid(fresh[:whole]) {
		s.end += whole
		return
	}
	for s.end < s.have {
		r, size := utf8.DecodeRune(s.buf[s.end:s.have])
		if r == utf8.RuneError && size == 1 {
			break
		}
		s.end += size
	}
	line, col := s.placeOf(s.end)
	s.srcErr = &SyntaxError{Line: line, Column: col, Msg: fmt.Sprintf("byte %#02x is not valid UTF-8; if the document is ISO-8859-1, its XML declaration must say so", s.buf[s.end])}
}

// incompleteTail counts the bytes at the end of b that begin a character and do not end it.
func incompleteTail(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		c := b[len(b)-n]
		if utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// place gives line and column of the next byte.
func (s *scanner) place() (line, col int) {
	s.moveMark()
	return s.line, s.col
}

// moveMark counts lines and columns up to the next byte, so that each byte is counted once.
func (s *scanner) moveMark() {
	s.line, s.col = s.placeOf(s.pos)
	s.mark = s.pos
}

func (s *scanner) placeOf(pos int) (line, col int) {
	seen := s.buf[s.mark:pos]
	lines := bytes.Count(seen, []byte{'\n'})
	if lines == 0 {
		return s.line, s.col + len(seen)
	}
	return s.line + lines, len(seen) - bytes.LastIndexByte(seen, '\n')
}

// fail makes a SyntaxError at the next byte.
func (s *scanner) fail(format string, args ...any) error {
	line, col := s.place()
	return &SyntaxError{Line: line, Column: col, Msg: fmt.Sprintf(format, args...)}
}

// readFailed says of err, which ended the source, what it means here: too early an end is a
// SyntaxError, every other error is the source's own.
func (s *scanner) readFailed(err error) error {
	var syntax *SyntaxError
	switch {
	case errors.As(err, &syntax):
		if syntax.Line == 0 { // of gzip data: what was read before it is the place
			syntax.Line, syntax.Column = s.place()
		}
		return syntax
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("read VOTable: %w", err)
	}
	line, col := s.place()
	where := "before its first element"
	if s.rootDone {
		where = "in the middle of a character"
	}
	if n := s.depth(); n > 0 {
		where = fmt.Sprintf("inside <%s>", s.openNames[s.openAt[n-1]:])
	}
	return &SyntaxError{Line: line, Column: col, Msg: "the document ends " + where, cause: io.ErrUnexpectedEOF}
}
