package votable

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// packed unpacks a document that is gzipped as a whole.
type packed struct {
	src *remembering
	zip *gzip.Reader
	err error // why there is no more
}

// remembering keeps the error that its source ended with, so that it can be told from bad gzip data.
type remembering struct {
	src io.Reader
	err error
}

func (r *remembering) Read(p []byte) (n int, err error) {
	n, err = r.src.Read(p)
	if err != nil {
		r.err = err
	}
	return n, err
}

// Read gives an error of the source as it is. Bad gzip data is a *SyntaxError without a place: the
// reader of the text knows how far it came.
func (p *packed) Read(b []byte) (n int, err error) {
	if p.err != nil {
		return 0, p.err
	}
	if p.zip == nil {
		p.zip, p.err = gzip.NewReader(p.src)
	}
	if p.err == nil {
		n, p.err = p.zip.Read(b)
	}
	switch own := p.src.err; {
	case p.err == nil:
	case own != nil && !errors.Is(own, io.EOF):
		p.err = own
	case p.err == io.EOF && p.zip != nil:
	default:
		bad := &SyntaxError{Msg: fmt.Sprintf("the document is not good gzip data: %s", p.err)}
		if errors.Is(p.err, io.ErrUnexpectedEOF) || p.err == io.EOF {
			bad.cause = io.ErrUnexpectedEOF
		}
		p.err = bad
	}
	return n, p.err
}
