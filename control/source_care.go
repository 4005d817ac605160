package control

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"beampipe/fault"
	"beampipe/ledger"
)

// maxReasonBytes bounds why somebody did something: it is stored with the change, for each thing changed.
const maxReasonBytes = 1000

// needReason refuses a change that says nothing of why.
func needReason(what, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fault.New(fault.Invalid, what+": no reason is given", "say why: --reason TEXT")
	}
	return checkReason(what, reason)
}

// checkReason refuses a reason that nobody would read.
func checkReason(what, reason string) error {
	switch {
	case len(reason) > maxReasonBytes:
		return fault.New(fault.Invalid, fmt.Sprintf("%s: the reason has %d bytes, expected at most %d", what, len(reason), maxReasonBytes), "say it in a sentence, and where to read more")
	case !utf8.ValidString(reason):
		return fault.New(fault.Invalid, what+": the reason is not UTF-8 text", "say why: --reason TEXT")
	}
	return nil
}

// ReleaseSources implements Sources: quarantined sources are asked about again.
func (c *Local) ReleaseSources(ctx context.Context, q SourceSelection) (SourceChanges, error) {
	if err := needReason("release sources", q.Reason); err != nil {
		return SourceChanges{}, err
	}
	return c.change(ctx, q, func(tx *ledger.Tx, s ledger.Source) (bool, error) {
		return tx.ReleaseSource(q.Project, s.Identifier, q.Reason, c.o.Actor)
	})
}

// AcceptMissing implements Sources: the next complete answer that still lacks what is missing is taken
// for the truth.
func (c *Local) AcceptMissing(ctx context.Context, q SourceSelection) (SourceChanges, error) {
	if err := needReason("accept missing data", q.Reason); err != nil {
		return SourceChanges{}, err
	}
	return c.change(ctx, q, func(tx *ledger.Tx, s ledger.Source) (bool, error) {
		if s.MissingSince == nil && q.All {
			return false, nil // --all means those that miss something
		}
		if s.AcceptMissingAt != nil {
			return false, nil
		}
		return true, tx.AcceptMissing(s, q.Reason, c.o.Actor)
	})
}

// SetCadence implements Sources: how often a source is asked about, apart from its project.
func (c *Local) SetCadence(ctx context.Context, q CadenceRequest) (SourceChanges, error) {
	if h := q.StaleAfterHours; h != nil && (*h < 1 || *h > ledger.MaxStaleHours) {
		return SourceChanges{}, fault.New(fault.Invalid, fmt.Sprintf("set how often sources are asked about: every %d hours, expected 1 to %d", *h, ledger.MaxStaleHours), "nothing was changed; give --stale-after-hours N, or default")
	}
	return c.change(ctx, q.SourceSelection, func(tx *ledger.Tx, s ledger.Source) (bool, error) {
		return tx.SetCadence(q.Project, s.Identifier, q.StaleAfterHours, q.Reason, c.o.Actor)
	})
}
