package discovery

import (
	"errors"
	"strings"

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/vo/tap"
)

// maxErrorText bounds the stored text of a failure.
const maxErrorText = 2000

// defect is a panic of ours over one source.
type defect struct{ error }

// fail makes the discovery a failure: what is known stays, and the source is asked again later.
func (t *Tick) fail(d *ledger.Discovery, err error) {
	*d = ledger.Discovery{Source: d.Source, Claim: d.Claim}
	d.Outcome, d.Error = failed(err)
	if d.Outcome != ledger.OutcomeError {
		d.QuarantineAfter = t.project.Automation.Discovery.QuarantineLimit()
	}
}

// failed gives the outcome and the text of a failure. An answer that cannot be used is refused or
// ambiguous and counts towards quarantine; where nobody could be asked, nothing is known of the source.
func failed(err error) (outcome, text string) {
	var mixed ambiguous
	var ours defect
	switch {
	case errors.As(err, &mixed):
		outcome = ledger.OutcomeAmbiguous
	case silent(err):
		outcome = ledger.OutcomeError
	case fault.KindOf(err) == fault.Invalid || errors.As(err, &ours):
		outcome = ledger.OutcomeRefused
	default:
		outcome = ledger.OutcomeError
	}
	text = err.Error()
	if hints := fault.Hints(err); len(hints) > 0 {
		text += "; to do: " + strings.Join(hints, "; ")
	}
	return outcome, ledger.Excerpt(text, maxErrorText)
}

// refusal reports whether an outcome counts towards quarantine.
func refusal(outcome string) bool {
	return outcome == ledger.OutcomeRefused || outcome == ledger.OutcomeAmbiguous
}

// quarantines reports whether storing d sets its source aside.
func quarantines(d ledger.Discovery) bool {
	return refusal(d.Outcome) && d.QuarantineAfter > 0 && d.Source.QuarantinedAt == nil && d.Source.Refusals+1 >= d.QuarantineAfter
}

// unreachable reports whether the archive of the primary query could not be asked about a source.
func (a *asked) unreachable() bool {
	return silent(a.err) && len(a.answer.Queries) == 0
}

// silent reports whether an error says that the archive gave no answer to a query, not even a refusal.
func silent(err error) bool {
	return fault.KindOf(err) == fault.Unavailable || errors.Is(err, tap.ErrNoService)
}
