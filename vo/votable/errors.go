package votable

import (
	"errors"
	"fmt"
)

// ErrOverflow says that the service cut the table at a row limit: the rows given are not all there
// are (QUERY_STATUS OVERFLOW, DALI 1.1 section 4.4.1).
var ErrOverflow = errors.New("the service cut the answer at its row limit (QUERY_STATUS OVERFLOW)")

// StatusError is QUERY_STATUS ERROR, found before or after the rows.
type StatusError struct {
	Message string // the service's words, trimmed; never empty
}

func (e *StatusError) Error() string { return "the service answered with an error: " + e.Message }

// SyntaxError says where a document is not a VOTable (or CSV), not well-formed, or past a limit.
//
// A document that ends too early is a SyntaxError for which errors.Is(err, io.ErrUnexpectedEOF).
type SyntaxError struct {
	Line   int // from 1
	Column int // from 1, in bytes of the text as UTF-8
	Msg    string
	cause  error
	format string // "" is VOTable
}

func (e *SyntaxError) Error() string {
	format := "VOTable"
	if e.format != "" {
		format = e.format
	}
	return fmt.Sprintf("%s line %d column %d: %s", format, e.Line, e.Column, e.Msg)
}

// Unwrap gives io.ErrUnexpectedEOF for a document that ends too early, else nil.
func (e *SyntaxError) Unwrap() error { return e.cause }
