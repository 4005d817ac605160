package execution

import (
	"context"
	"slices"

	"beampipe/ledger"
	"beampipe/provenance"
)

// create makes the executions, at most maxPerWrite per transaction.
func (a *admission) create(ctx context.Context) error {
	for batch := range slices.Chunk(a.groups, maxPerWrite) {
		var made []ledger.Execution
		var skipped []Skip
		var stop string
		if err := a.engine.ledger.Write(ctx, func(tx *ledger.Tx) error {
			made, skipped, stop = nil, nil, ""
			var err error
			made, skipped, stop, err = a.createBatch(tx, batch)
			return err
		}); err != nil {
			return err
		}
		for _, x := range made {
			a.Executions = append(a.Executions, x.ID)
			a.Sources += len(x.Sources)
			for _, s := range x.Sources {
				a.made = append(a.made, ledger.TickSource{Identifier: s.Identifier, Outcome: outcomeAdmitted, Text: "execution " + x.ID})
			}
		}
		a.Skipped = append(a.Skipped, skipped...)
		if stop != "" {
			a.Reason = stop
			return nil
		}
	}
	return nil
}

// createBatch creates what still may be created: between plan and write somebody else may have
// admitted, paused the project or changed a source.
func (a *admission) createBatch(tx *ledger.Tx, batch [][]ledger.ExecutionSource) (made []ledger.Execution, skipped []Skip, stop string, err error) {
	p, err := tx.Project(a.Project)
	if err != nil {
		return nil, nil, "", err
	}
	if !p.Admitting || p.Revision != a.revision {
		return nil, nil, "changed: the project was paused or got another revision meanwhile", nil
	}
	if p.BrakeAt != nil {
		return nil, nil, a.refusal(p), nil
	}
	limits, err := a.engine.allLimits(tx.View, a.cfg, a.profile)
	if err != nil {
		return nil, nil, "", err
	}
	room := tightest(limits)
	depth, err := queueDepth(tx.View)
	if err != nil {
		return nil, nil, "", err
	}
	for _, group := range batch {
		if len(made) >= room.left() {
			return made, skipped, room.after(len(made)).String(), nil
		}
		group, gone, err := a.stillPending(tx, group)
		skipped = append(skipped, gone...)
		if err != nil {
			return nil, nil, "", err
		}
		if len(group) == 0 {
			continue
		}
		x, err := tx.CreateExecution(a.newExecution(group, depth+len(made)))
		if err != nil {
			return nil, nil, "", err
		}
		made = append(made, x)
	}
	return made, skipped, "", nil
}

const changedMeanwhile = "changed while it was being admitted"

func (a *admission) newExecution(group []ledger.ExecutionSource, depth int) ledger.NewExecution {
	return ledger.NewExecution{
		Project: a.Project, ConfigRevision: a.revision,
		Profile: a.profile.Name, ProfileRevision: a.profRev, Target: a.profile.Target(),
		Sources: group, Signature: CombinedSignature(group), HoldAtReady: a.hold,
		Actor: provenance.ActorAdmission, Why: "new data", Correlation: a.tick,
		Record: newRunRecord(group, Scheduler{
			PolicyDecision: "admitted", ClaimToken: a.tick, AdmittedSourceCount: len(group), QueueDepth: depth,
		}),
	}
}

// stillPending leaves out the sources that changed since they were chosen, or of which something went
// missing or was excluded.
func (a *admission) stillPending(tx *ledger.Tx, group []ledger.ExecutionSource) (kept []ledger.ExecutionSource, gone []Skip, err error) {
	for _, pinned := range group {
		s, err := tx.SourceByID(pinned.SourceID)
		if err != nil {
			return nil, nil, err
		}
		active, err := tx.ActiveExecution(s.ID)
		if err != nil {
			return nil, nil, err
		}
		if !s.Pending || !s.Enabled || s.RemovedAt != nil || s.Signature != pinned.Signature || active != "" {
			gone = append(gone, Skip{Source: s.Identifier, Reason: changedMeanwhile})
			continue
		}
		now, why, err := a.pin(tx.View, s)
		if err != nil {
			return nil, nil, err
		}
		if why == "" && !slices.Equal(now.SBIDs, pinned.SBIDs) {
			why = changedMeanwhile
		}
		if why != "" {
			gone = append(gone, Skip{Source: s.Identifier, Reason: why})
			continue
		}
		kept = append(kept, pinned)
	}
	return kept, gone, nil
}

// CombinedSignature is an execution's discovery signature: the SHA-256 of the canonical JSON object
// of its sources' signatures by identifier.
func CombinedSignature(sources []ledger.ExecutionSource) string {
	signatures := map[string]string{}
	for _, s := range sources {
		signatures[s.Identifier] = s.Signature
	}
	text, err := ledger.Canonical(signatures)
	if err != nil {
		panic("execution: a map of texts cannot be written as JSON: " + err.Error())
	}
	return digest(text)
}
