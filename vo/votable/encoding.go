package votable

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// declarationBytes is how far into a document its XML declaration is looked for.
const declarationBytes = 1024

// asUTF8 gives the document as UTF-8, without a byte order mark, from the encoding that its first
// bytes or its XML declaration name: UTF-8, US-ASCII, ISO-8859-1 or UTF-16. One that is gzipped as a
// whole is unpacked.
func asUTF8(r io.Reader) (io.Reader, error) {
	in, head, err := unpacked(r, "VOTable")
	if err != nil {
		return nil, err
	}
	if wide := markedUTF16(in, head); wide != nil {
		return wide, nil
	}
	switch {
	case bytes.HasPrefix(head, utf8Mark):
		_, _ = in.Discard(len(utf8Mark)) // peeked, so it is there
		head = head[len(utf8Mark):]
	case bytes.HasPrefix(head, []byte{0, '<'}):
		return &utf16Reader{src: in, order: binary.BigEndian}, nil
	case bytes.HasPrefix(head, []byte{'<', 0}):
		return &utf16Reader{src: in, order: binary.LittleEndian}, nil
	}
	name := declaredEncoding(head)
	switch strings.ToLower(name) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1":
		return &latin1Reader{src: in}, nil
	}
	return nil, &SyntaxError{Line: 1, Column: 1, Msg: fmt.Sprintf("unsupported encoding %q; expected UTF-8, US-ASCII, ISO-8859-1, or UTF-16 with a byte order mark", name)}
}

var utf8Mark = []byte{0xEF, 0xBB, 0xBF}

// unpacked gives a document with its first bytes, unpacked where these say that it is gzipped.
func unpacked(r io.Reader, format string) (in *bufio.Reader, head []byte, err error) {
	in = bufio.NewReaderSize(r, 4096)
	if head, _ = in.Peek(2); bytes.Equal(head, []byte{0x1F, 0x8B}) { // why there is less, the next Peek tells
		in = bufio.NewReaderSize(&packed{src: &remembering{src: in}}, 4096)
	}
	head, err = in.Peek(declarationBytes)
	var broken *SyntaxError
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 && !errors.As(err, &broken) {
		return nil, nil, fmt.Errorf("read %s: %w", format, err)
	}
	return in, head, nil
}

// markedUTF16 gives a reader of a document that begins with a byte order mark of UTF-16, else nil.
func markedUTF16(in *bufio.Reader, head []byte) io.Reader {
	var order binary.ByteOrder = binary.BigEndian
	switch {
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		order = binary.LittleEndian
	default:
		return nil
	}
	_, _ = in.Discard(2)
	return &utf16Reader{src: in, order: order}
}

// declaredEncoding gives the encoding of the XML declaration at the start of head, or "".
func declaredEncoding(head []byte) string {
	head = bytes.TrimLeft(head, " \t\r\n")
	end := bytes.Index(head, []byte("?>"))
	if !bytes.HasPrefix(head, []byte("<?xml")) || end < 0 {
		return ""
	}
	_, rest, found := bytes.Cut(head[:end], []byte("encoding"))
	rest = bytes.TrimLeft(rest, " \t\r\n=")
	if !found || len(rest) == 0 || (rest[0] != '"' && rest[0] != '\'') {
		return ""
	}
	value, _, _ := bytes.Cut(rest[1:], rest[:1])
	return string(value)
}

// latin1Reader turns ISO-8859-1 into UTF-8.
type latin1Reader struct {
	src     *bufio.Reader
	pending byte // second byte of a character that did not fit; 0 when none
}

func (l *latin1Reader) Read(p []byte) (int, error) {
	n := 0
	if l.pending != 0 && len(p) > 0 {
		p[0], l.pending, n = l.pending, 0, 1
	}
	for n < len(p) {
		if n > 0 && l.src.Buffered() == 0 {
			return n, nil // give what is there before waiting for more
		}
		b, err := l.src.ReadByte()
		if err != nil {
			return n, err
		}
		if b < utf8.RuneSelf {
			p[n] = b
			n++
			continue
		}
		p[n] = 0xC0 | b>>6
		n++
		if n == len(p) {
			l.pending = 0x80 | b&0x3F
			break
		}
		p[n] = 0x80 | b&0x3F
		n++
	}
	return n, nil
}

// utf16Reader turns UTF-16 into UTF-8. A lone surrogate becomes an invalid byte, which the scanner
// refuses with its place.
type utf16Reader struct {
	src     *bufio.Reader
	order   binary.ByteOrder
	pending []byte
}

const invalidUTF8 = 0xFF

func (u *utf16Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := copy(p, u.pending)
	u.pending = u.pending[n:]
	for n+utf8.UTFMax <= len(p) || n == 0 {
		if n > 0 && u.src.Buffered() < 4 {
			return n, nil
		}
		var buf [utf8.UTFMax]byte
		char, err := u.char(buf[:0])
		if err != nil {
			return n, err
		}
		k := copy(p[n:], char)
		n += k
		if k < len(char) {
			u.pending = append([]byte(nil), char[k:]...)
			break
		}
	}
	return n, nil
}

// char appends the next character to buf.
func (u *utf16Reader) char(buf []byte) ([]byte, error) {
	first, err := u.unit()
	if err != nil {
		return nil, err
	}
	if !utf16.IsSurrogate(rune(first)) {
		return utf8.AppendRune(buf, rune(first)), nil
	}
	second, err := u.unit()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	r := utf16.DecodeRune(rune(first), rune(second))
	if err != nil || r == utf8.RuneError {
		return append(buf, invalidUTF8), nil
	}
	return utf8.AppendRune(buf, r), nil
}

func (u *utf16Reader) unit() (uint16, error) {
	var b [2]byte
	if _, err := io.ReadFull(u.src, b[:]); err != nil {
		return 0, err // io.EOF at the end, io.ErrUnexpectedEOF in the middle of a unit
	}
	return u.order.Uint16(b[:]), nil
}
