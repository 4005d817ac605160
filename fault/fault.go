// Package fault says what a caller may do about an error.
//
// Every room returns errors of this package where the caller's next step depends on the kind:
//
//	if errors.Is(err, fault.Unavailable) { /* nothing is known; ask again later */ }
package fault

import (
	"errors"
	"slices"
	"strings"
)

// Kind says what a caller may do about an error. The list is closed. A Kind is itself an error, so
// that errors.Is(err, fault.Conflict) works on any wrapped Error.
type Kind string

// The kinds. An error without one is a defect of ours or of the machine: report it, do not retry.
const (
	Invalid     Kind = "invalid"     // the input is wrong: fix it, do not retry
	NotFound    Kind = "not_found"   // the thing named does not exist
	Conflict    Kind = "conflict"    // someone else moved it: read again
	Unavailable Kind = "unavailable" // could not ask: retry later, nothing is known
	Uncertain   Kind = "uncertain"   // asked, and do not know whether it happened: reconcile, never retry blindly
)

// Error makes a Kind a target for errors.Is.
func (k Kind) Error() string { return string(k) }

// Error is a failure with its kind, what was being done to what, and what to try next.
type Error struct {
	Kind Kind
	What string // what was being done, to what: "load profile slurm.json: deployment.kind"
	Try  string // what the operator can do about it; may be empty
	Err  error  // the cause; may be nil
}

// Error gives one line: what was being done and why it failed. The hint is not part of it, see Hints.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.What
	}
	return e.What + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is this error's Kind.
func (e *Error) Is(target error) bool {
	kind, ok := target.(Kind)
	return ok && kind == e.Kind
}

// New makes an error of a kind. try may be empty.
func New(kind Kind, what, try string) error {
	return &Error{Kind: kind, What: what, Try: try}
}

// Wrap says of err what was being done and what to try. It returns nil for a nil err.
func Wrap(kind Kind, err error, what, try string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: kind, What: what, Try: try, Err: err}
}

// KindOf gives the outermost kind in err's chain, or "" when it has none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var k Kind
	if errors.As(err, &k) {
		return k
	}
	return ""
}

// Hints gives what to try, from the outermost error inwards and through joined errors in their order,
// without repetition.
func Hints(err error) []string {
	var hints []string
	collectHints(err, &hints)
	return hints
}

func collectHints(err error, hints *[]string) {
	if e, ok := err.(*Error); ok {
		if hint := strings.TrimSpace(e.Try); hint != "" && !slices.Contains(*hints, hint) {
			*hints = append(*hints, hint)
		}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		collectHints(e.Unwrap(), hints)
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			collectHints(part, hints)
		}
	}
}
