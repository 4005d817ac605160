package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

// Upkeep is what is done for the ledger's file: copies of it, its size, and how long what is kept.
type Upkeep interface {
	// BackupLedger copies the ledger while others use it. progress, which may be nil, is told bytes.
	BackupLedger(ctx context.Context, q BackupRequest, progress func(done, total int64)) (ledger.BackupReport, error)
	// RestoreLedger puts a backup in the place of a ledger that nobody has open. The Control is on no ledger.
	// progress, which may be nil, is told events.
	RestoreLedger(ctx context.Context, q RestoreRequest, progress func(done, total int64)) (ledger.RestoreReport, error)
	LedgerStats(ctx context.Context) (ledger.Stats, error)
	// VacuumLedger gives free pages back to the disk. It is a Conflict while a daemon runs.
	VacuumLedger(ctx context.Context) (Vacuumed, error)
	// PruneLedger deletes what the policies do not keep, beside a daemon.
	PruneLedger(ctx context.Context, q PruneRequest) (ledger.PruneReport, error)
	ListRetention(ctx context.Context) (RetentionList, error)
	SetRetention(ctx context.Context, q PolicyRequest) (PolicyChange, error)
	// VerifyArchive checks a file of pruned events by itself, and against the ledger where there is one.
	VerifyArchive(ctx context.Context, path string) (ArchiveVerified, error)
}

// BackupLedger implements Upkeep.
func (c *Local) BackupLedger(ctx context.Context, q BackupRequest, progress func(done, total int64)) (ledger.BackupReport, error) {
	if err := c.needLedger(); err != nil {
		return ledger.BackupReport{}, err
	}
	if q.Force {
		return c.ledger.BackupOver(ctx, q.To, progress)
	}
	return c.ledger.Backup(ctx, q.To, progress)
}

// RestoreLedger implements Upkeep.
func (c *Local) RestoreLedger(ctx context.Context, q RestoreRequest, progress func(done, total int64)) (ledger.RestoreReport, error) {
	what := "restore ledger " + q.Ledger
	if err := needReason(what, q.Reason); err != nil {
		return ledger.RestoreReport{}, err
	}
	if c.ledger != nil {
		return ledger.RestoreReport{}, fault.New(fault.Conflict, what+": this process has a ledger open", "")
	}
	return ledger.Restore(ctx, q.From, q.Ledger, ledger.RestoreOptions{
		Actor: c.o.Actor, Reason: q.Reason, Now: c.o.Now, HostID: c.o.Getenv("BEAMPIPE_HOST_ID"), Rebuild: execution.Rebuild, Progress: progress,
	})
}

// LedgerStats implements Upkeep.
func (c *Local) LedgerStats(ctx context.Context) (ledger.Stats, error) {
	if err := c.needLedger(); err != nil {
		return ledger.Stats{}, err
	}
	return c.ledger.Stats(ctx)
}

// VacuumLedger implements Upkeep.
func (c *Local) VacuumLedger(ctx context.Context) (Vacuumed, error) {
	if err := c.needLedger(); err != nil {
		return Vacuumed{}, err
	}
	report, err := c.ledger.Vacuum(ctx)
	return Vacuumed{At: c.now(), VacuumReport: report}, err
}

// PruneLedger implements Upkeep.
func (c *Local) PruneLedger(ctx context.Context, q PruneRequest) (ledger.PruneReport, error) {
	if err := c.needLedger(); err != nil {
		return ledger.PruneReport{}, err
	}
	if err := needReason("prune ledger", q.Reason); err != nil && !q.DryRun {
		return ledger.PruneReport{}, err
	}
	kinds := q.Kinds
	if len(kinds) == 0 {
		kinds = nil
	}
	return c.ledger.Prune(ctx, ledger.PruneOptions{Kinds: kinds, Archive: q.Archive, DryRun: q.DryRun, Actor: c.o.Actor, Reason: q.Reason})
}

// Retain prunes by the policies, for the daemon. What came of it is noted as of a tick, in place.
func (c *Local) Retain(ctx context.Context) (ledger.PruneReport, error) {
	if err := c.awake(ctx, "prune the ledger"); err != nil {
		return ledger.PruneReport{}, err
	}
	report, err := c.ledger.Prune(ctx, ledger.PruneOptions{Actor: provenance.ActorRetention, Reason: "the retention policies"})
	counters := map[string]int{}
	for _, k := range report.Kinds {
		if k.Rows > 0 {
			counters[k.Kind] = int(k.Rows)
		}
	}
	if err != nil {
		return report, err
	}
	return report, c.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.NoteRetention(counters) })
}

// RetentionDue tells whether the daemon is to prune: once a day, and with a clock that was set back at once.
func (c *Local) RetentionDue(ctx context.Context, every time.Duration) (bool, error) {
	last, _, err := c.ledger.View(ctx).LastRetention()
	if err != nil || last == nil {
		return err == nil, err
	}
	since := c.now().Sub(*last)
	return since < 0 || since >= every, nil
}

// ListRetention implements Upkeep.
func (c *Local) ListRetention(ctx context.Context) (RetentionList, error) {
	if err := c.needLedger(); err != nil {
		return RetentionList{}, err
	}
	v := c.ledger.View(ctx)
	answer := RetentionList{At: v.Now(), Policies: []Policy{}}
	policies, err := v.Policies()
	if err != nil {
		return answer, err
	}
	for _, p := range policies {
		answer.Policies = append(answer.Policies, policyAnswer(p))
	}
	last, counters, err := v.LastRetention()
	answer.LastRun, answer.Reason = last, prunedText(counters)
	return answer, err
}

func policyAnswer(p ledger.Policy) Policy {
	return Policy{Kind: p.Kind, MaxAgeSeconds: int64(p.MaxAge / time.Second), MaxRows: p.MaxRows, MaxBytes: p.MaxBytes, Archive: p.Archive, Set: p.Set}
}

// prunedText says what the last run deleted.
func prunedText(counters map[string]int) string {
	var parts []string
	for _, kind := range ledger.RetentionKinds() {
		if n := counters[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, strings.ReplaceAll(kind, "_", " ")))
		}
	}
	return strings.Join(parts, ", ")
}

// SetRetention implements Upkeep.
func (c *Local) SetRetention(ctx context.Context, q PolicyRequest) (PolicyChange, error) {
	if err := c.needLedger(); err != nil {
		return PolicyChange{}, err
	}
	if err := needReason("change retention of "+q.Kind, q.Reason); err != nil {
		return PolicyChange{}, err
	}
	if q.MaxAgeSeconds < 0 || q.MaxAgeSeconds > maxRetentionSeconds {
		return PolicyChange{}, fault.New(fault.Invalid, fmt.Sprintf("change retention of %s: an age of %d s, expected up to %d", q.Kind, q.MaxAgeSeconds, int64(maxRetentionSeconds)), "")
	}
	answer := PolicyChange{At: c.now()}
	err := c.ledger.Write(ctx, func(tx *ledger.Tx) (err error) {
		if q.Clear {
			answer.Changed, err = tx.ClearPolicy(q.Kind, c.o.Actor, q.Reason)
		} else {
			answer.Changed, err = tx.SetPolicy(ledger.Policy{
				Kind: q.Kind, MaxAge: time.Duration(q.MaxAgeSeconds) * time.Second, MaxRows: q.MaxRows, MaxBytes: q.MaxBytes, Archive: q.Archive,
			}, c.o.Actor, q.Reason)
		}
		if err != nil {
			return err
		}
		p, err := tx.Policy(q.Kind)
		answer.Policy = policyAnswer(p)
		return err
	})
	return answer, err
}

// maxRetentionSeconds is a hundred years.
const maxRetentionSeconds = 100 * 366 * 24 * 3600

// VerifyArchive implements Upkeep.
func (c *Local) VerifyArchive(ctx context.Context, path string) (ArchiveVerified, error) {
	a, sum, err := ledger.VerifyArchive(path)
	answer := ArchiveVerified{Path: path, SHA256: sum, Archive: a}
	if err != nil || c.ledger == nil {
		return answer, err
	}
	at, _, known, err := c.ledger.View(ctx).PrunedIn(sum)
	if answer.Known = &known; known {
		answer.PrunedAt = &at
	}
	return answer, err
}
