package votable

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scanStart reads a start tag behind its "<".
func (s *scanner) scanStart() error {
	if s.rootDone {
		return s.fail("a second root element")
	}
	if s.depth() == s.limits.Depth {
		return s.fail("more than %d elements inside each other (Limits.Depth)", s.limits.Depth)
	}
	var err error
	if s.tag, err = s.scanName(s.tag[:0]); err != nil {
		return err
	}
	s.openAt = append(s.openAt, len(s.openNames))
	s.openNames = append(s.openNames, s.tag...)
	s.attrs = s.attrs[:0]
	left := s.limits.AttrBytes
	for {
		blanks, b, err := s.skipBlanks()
		switch {
		case err != nil:
			return s.readFailed(err)
		case b == '>':
			s.pos++
			return s.startDone()
		case b == '/':
			if rest := s.ahead(2); string(rest) != "/>" {
				if len(rest) < 2 {
					return s.readFailed(s.endErr())
				}
				return s.fail("expected /> in <%s>", s.tag)
			}
			s.pos += 2
			s.closing = true
			return s.startDone()
		case !blanks:
			return s.fail("expected a blank, > or /> in <%s>", s.tag)
		}
		if left, err = s.scanAttr(left); err != nil {
			return err
		}
	}
}

func (s *scanner) startDone() error {
	s.foreign = s.spaces.enter(s.depth(), s.tag, s.attrs)
	s.name = local(s.tag)
	return nil
}

// scanEnd reads an end tag behind its "</".
func (s *scanner) scanEnd() error {
	if s.depth() == 0 {
		return s.fail("an end tag without a start tag")
	}
	var err error
	if s.tag, err = s.scanName(s.tag[:0]); err != nil {
		return err
	}
	if open := s.openNames[s.openAt[s.depth()-1]:]; !bytes.Equal(open, s.tag) {
		return s.fail("</%s> where </%s> was expected", s.tag, open)
	}
	_, b, err := s.skipBlanks()
	if err != nil {
		return s.readFailed(err)
	}
	if b != '>' {
		return s.fail("expected > in </%s>", s.tag)
	}
	s.pos++
	s.name = local(s.tag)
	s.pop()
	return nil
}

// pop closes the innermost element.
func (s *scanner) pop() {
	last := len(s.openAt) - 1
	s.spaces.leave(len(s.openAt))
	s.openNames = s.openNames[:s.openAt[last]]
	s.openAt = s.openAt[:last]
	s.rootDone = last == 0
}

// scanAttr reads one attribute. left is what remains of Limits.AttrBytes for this element.
func (s *scanner) scanAttr(left int) (int, error) {
	if len(s.attrs) == maxAttrs {
		return 0, s.fail("more than %d attributes in <%s>", maxAttrs, s.tag)
	}
	var scratch [nameBytes]byte
	name, err := s.scanName(scratch[:0])
	if err != nil {
		return 0, err
	}
	for _, a := range s.attrs {
		if a.name == string(name) {
			return 0, s.fail("attribute %s twice in <%s>", name, s.tag)
		}
	}
	_, b, err := s.skipBlanks()
	if err != nil {
		return 0, s.readFailed(err)
	}
	if b != '=' {
		return 0, s.fail("expected = behind attribute %s of <%s>", name, s.tag)
	}
	s.pos++
	_, quote, err := s.skipBlanks()
	if err != nil {
		return 0, s.readFailed(err)
	}
	if quote != '"' && quote != '\'' {
		return 0, s.fail("expected a quoted value for attribute %s of <%s>", name, s.tag)
	}
	s.pos++
	if err := s.scanValue(quote, left); err != nil {
		return 0, err
	}
	s.attrs = append(s.attrs, attribute{name: string(name), value: string(s.value)})
	return left - len(name) - len(s.value), nil
}

// attrBytes counts the values of the attributes of the last start tag.
func (s *scanner) attrBytes() int {
	size := 0
	for _, a := range s.attrs {
		size += len(a.value)
	}
	return size
}

// scanValue reads an attribute's value behind its opening quote into s.value.
func (s *scanner) scanValue(quote byte, left int) error {
	s.value = s.value[:0]
	for {
		b, err := s.peek()
		switch {
		case err != nil:
			return s.readFailed(err)
		case b == quote:
			s.pos++
			return nil
		case len(s.value) >= left:
			return s.fail("the attributes of <%s> are longer than %d bytes (Limits.AttrBytes)", s.tag, s.limits.AttrBytes)
		case b == '&':
			r, err := s.scanReference()
			if err != nil {
				return err
			}
			s.value = utf8.AppendRune(s.value, r)
			continue
		case b == '\r' && string(s.ahead(2)) == "\r\n": // one line end, one blank
		case isBlank(b):
			s.value = append(s.value, ' ')
		case b == '<' || b < 0x20:
			return s.fail("character %q is not allowed in an attribute", b)
		default:
			s.value = append(s.value, b)
		}
		s.pos++
	}
}

// scanReference reads &lt; &gt; &amp; &quot; &apos; &#…; and &#x…;.
func (s *scanner) scanReference() (rune, error) {
	const longest = len("&#x0010ffff;") + 4
	rest := s.ahead(longest)
	end := bytes.IndexByte(rest, ';')
	if end < 0 {
		if len(rest) < longest && !bytes.ContainsAny(rest, "< ") {
			return 0, s.readFailed(s.endErr())
		}
		return 0, s.fail("an & that begins no entity; a plain one is written &amp;")
	}
	r, ok := reference(string(rest[1:end]))
	if !ok {
		return 0, s.fail("unknown entity %s", rest[:end+1])
	}
	s.pos += end + 1
	return r, nil
}

// reference gives the character that a reference without & and ; stands for.
func reference(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune || !isXMLChar(rune(n)) {
		return 0, false
	}
	return rune(n), true
}

// isXMLChar holds for the characters of XML 1.0, section 2.2.
func isXMLChar(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return true
	case r < 0x20, r >= 0xD800 && r <= 0xDFFF, r == 0xFFFE, r == 0xFFFF:
		return false
	}
	return r <= utf8.MaxRune
}

// scanName appends an element's or attribute's name to dst.
func (s *scanner) scanName(dst []byte) ([]byte, error) {
	for {
		b, err := s.peek()
		if err != nil {
			return dst, s.readFailed(err)
		}
		if !isNameByte(b, len(dst) == 0) {
			if len(dst) == 0 {
				return dst, s.fail("expected a name, found %q", b)
			}
			return dst, nil
		}
		if len(dst) == nameBytes {
			return dst, s.fail("a name longer than %d bytes", nameBytes)
		}
		dst = append(dst, b)
		s.pos++
	}
}

func isNameByte(b byte, first bool) bool {
	switch {
	case b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z', b == '_', b == ':', b >= utf8.RuneSelf:
		return true
	case b >= '0' && b <= '9', b == '-', b == '.':
		return !first
	}
	return false
}

// skipBlanks skips blanks and gives the byte behind them, unread.
func (s *scanner) skipBlanks() (skipped bool, next byte, err error) {
	for {
		b, err := s.peek()
		if err != nil || !isBlank(b) {
			return skipped, b, err
		}
		skipped = true
		s.pos++
	}
}

// local gives a name without its namespace prefix.
func local(name []byte) []byte {
	return name[bytes.IndexByte(name, ':')+1:]
}
