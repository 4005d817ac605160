package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"beampipe/fault"
)

// Exit codes. They are part of the command line's contract: see docs/cli.md.
const (
	exitOK          = 0
	exitUnexpected  = 1
	exitUsage       = 2
	exitInvalid     = 3
	exitNotFound    = 4
	exitConflict    = 5
	exitUnavailable = 6
	exitUncertain   = 7
	exitUnhealthy   = 8
	exitCut         = 9
	exitBroken      = 10
	exitInterrupted = 130
)

const exitCodesText = `Exit codes of every command:

    0  done
    1  unexpected error: a defect of beampipe or of the machine
    2  wrong usage: an unknown command or flag, a missing or superfluous argument
    3  invalid input: a file, name or value is wrong; correct it, do not retry
       (also: validate or votable check found errors; an import or add refused some identifiers)
    4  not found: there is no such file, ledger, project, source, execution, tick or table
    5  conflict: it is not possible in the present state; look again
       (also: an action on several sources was refused for some)
    6  unavailable: an archive, a backend or the ledger could not be asked; try later
       (also: a tick, a poll or a discovery by hand that met an error)
    7  uncertain: asked, and not known whether it happened; do not retry blindly
    8  health shows at least one problem of severity error
    9  tap query: the archive cut its answer (OVERFLOW); the rows given are not all there are
   10  ledger check or provenance verify found the ledger broken, or not to be what was written
  130  interrupted (SIGINT or SIGTERM)

The answer goes to stdout, everything else to stderr. With --json an error is printed to stderr as
{"error": {"kind": …, "message": …, "hints": [ … ]}}; kind is invalid, not_found, conflict,
unavailable, uncertain, usage, interrupted or unexpected.
`

// usageError is a command line that cannot be understood.
type usageError struct {
	what string
	try  string
}

func (e *usageError) Error() string { return e.what }

func usagef(format string, args ...any) error {
	return &usageError{what: fmt.Sprintf(format, args...)}
}

// exitStatus ends the process with a code and without a message: the answer said it all.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// failure is an error as it is told to the operator.
type failure struct {
	Kind    string   `json:"kind"`
	Message string   `json:"message"`
	Hints   []string `json:"hints"`

	code int
}

var codes = map[fault.Kind]int{
	fault.Invalid: exitInvalid, fault.NotFound: exitNotFound, fault.Conflict: exitConflict,
	fault.Unavailable: exitUnavailable, fault.Uncertain: exitUncertain,
}

// describe says what err means for the operator. interrupted: a signal had ended ctx.
func describe(err error, interrupted bool) failure {
	f := failure{Kind: "unexpected", Message: err.Error(), Hints: []string{}, code: exitUnexpected}
	for _, hint := range fault.Hints(err) {
		f.Hints = append(f.Hints, strings.Split(hint, "\n")...)
	}
	var usage *usageError
	kind := fault.KindOf(err)
	switch {
	case interrupted:
		f.Kind, f.Message, f.Hints, f.code = "interrupted", "interrupted: "+f.Message, []string{}, exitInterrupted
	case errors.As(err, &usage):
		f.Kind, f.code = "usage", exitUsage
		if usage.try != "" {
			f.Hints = append(f.Hints, usage.try)
		}
	case kind != "":
		f.Kind, f.code = string(kind), codes[kind]
	case errors.Is(err, context.DeadlineExceeded):
		f.Kind, f.code = string(fault.Unavailable), exitUnavailable
	}
	return f
}

// report tells the operator of err on stderr and gives the exit code.
func (a *app) report(err error, interrupted bool) int {
	var status exitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	f := describe(err, interrupted)
	if a.json {
		out := json.NewEncoder(a.stderr)
		out.SetEscapeHTML(false)
		// Nothing can be told when stderr cannot be written to; the exit code still says it.
		_ = out.Encode(struct {
			Error failure `json:"error"`
		}{f})
		return f.code
	}
	fmt.Fprintf(a.stderr, "beampipe: %s\n", clean(f.Message, true))
	for _, hint := range f.Hints {
		fmt.Fprintf(a.stderr, "  %s\n", clean(hint, false))
	}
	return f.code
}
