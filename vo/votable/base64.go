package votable

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
)

// base64Text is the text of the open STREAM or TD element, decoded. Blanks may stand anywhere in it. It
// decodes straight from the scanner's buffer into the caller's, and stops behind the end tag.
type base64Text struct {
	name  string // of the element
	scan  *scanner
	chunk []byte  // of the scanner, not yet decoded
	group [4]byte // a group that is not whole: split by a blank or by a chunk's end
	have  int     // characters of group
	ready [3]byte // bytes of a group that did not fit the caller's buffer
	left  []byte  // of ready
	ended bool    // padding was read
	err   error
}

// Read gives at least one byte, or why there is none: io.EOF behind the end tag, a *SyntaxError, or
// an error of the document's source.
func (b *base64Text) Read(p []byte) (int, error) {
	n := copy(p, b.left)
	b.left = b.left[n:]
	for n == 0 && len(p) > 0 {
		if b.err != nil {
			return 0, b.err
		}
		for len(b.chunk) > 0 && isBlank(b.chunk[0]) {
			b.chunk = b.chunk[1:]
		}
		if len(b.chunk) == 0 {
			b.err = b.nextChunk()
			continue
		}
		n, b.err = b.decode(p)
	}
	return n, nil
}

func (b *base64Text) nextChunk() error {
	t, err := b.scan.next()
	switch {
	case err != nil:
		return err
	case t == startTag:
		return b.scan.fail("<%s> inside a %s", b.scan.tag, b.name)
	case t == text:
		b.chunk = b.scan.chunk
		return nil
	case b.have > 0:
		err := b.scan.fail("the base64 text of the %s ends inside a group of four characters", b.name)
		err.(*SyntaxError).cause = io.ErrUnexpectedEOF
		return err
	}
	return io.EOF
}

// decode decodes what is in chunk up to the next blank, as much as p can take.
func (b *base64Text) decode(p []byte) (int, error) {
	if b.ended {
		return 0, b.fail(0, "data behind the padding of base64 text")
	}
	if b.have > 0 || len(b.chunk) < 4 || len(p) < 3 {
		return b.decodeGroup(p)
	}
	run := b.chunk[:min(len(b.chunk), len(p)/3*4)]
	if i := bytes.IndexByte(run, '\n'); i >= 0 {
		run = run[:i]
	}
	run = run[:len(run)/4*4]
	if len(run) == 0 {
		return b.decodeGroup(p)
	}
	n, err := base64.StdEncoding.Decode(p, run)
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) {
		// A blank, or padding before the end: up to there it is good, and what follows goes by groups.
		whole := int(corrupt) / 4 * 4
		if whole == 0 {
			return b.decodeGroup(p)
		}
		run = run[:whole]
		n, err = base64.StdEncoding.Decode(p, run)
	}
	if err != nil {
		return 0, b.fail(len(run), "the %s is not base64: %s", b.name, err)
	}
	b.ended = run[len(run)-1] == '='
	b.chunk = b.chunk[len(run):]
	return n, nil
}

// decodeGroup collects one group of four characters, and decodes it when it is whole.
func (b *base64Text) decodeGroup(p []byte) (int, error) {
	for i, c := range b.chunk {
		if isBlank(c) {
			continue
		}
		b.group[b.have] = c
		if b.have++; b.have < 4 {
			continue
		}
		n, err := base64.StdEncoding.Decode(b.ready[:], b.group[:])
		if err != nil {
			return 0, b.fail(i+1, "%q is not base64", b.group[:])
		}
		b.have, b.ended = 0, b.group[3] == '='
		b.chunk = b.chunk[i+1:]
		k := copy(p, b.ready[:n])
		b.left = b.ready[k:n]
		return k, nil
	}
	b.chunk = nil
	return 0, nil
}

// fail makes a SyntaxError behind the first used bytes of chunk.
func (b *base64Text) fail(used int, format string, args ...any) error {
	b.scan.pos -= len(b.chunk) - used
	return b.scan.fail(format, args...)
}
