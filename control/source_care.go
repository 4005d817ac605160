package control

import (
	"context"
	"strings"

	"beampipe/fault"
	"beampipe/ledger"
)

// needReason refuses a change that says nothing of why.
func needReason(what, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fault.New(fault.Invalid, what+": no reason is given", "say why: --reason TEXT")
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
	return c.change(ctx, q.SourceSelection, func(tx *ledger.Tx, s ledger.Source) (bool, error) {
		return tx.SetCadence(q.Project, s.Identifier, q.StaleAfterHours, q.Reason, c.o.Actor)
	})
}
