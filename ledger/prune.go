package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// How much one write deletes, so that others need not wait long for their turn.
const (
	prunedRows       = 500
	prunedExecutions = 50
	prunedEvents     = 1_000

	pruneWindow = 20_000 // rows that one read looks at
)

// prunings holds one token: a process prunes once at a time, so that a part of an archive with its own number
// is always one that an earlier process left.
var prunings = make(chan struct{}, 1)

// PruneOptions say what to prune.
type PruneOptions struct {
	Kinds    []string // nil = all
	Policies []Policy // nil = those that hold in the ledger
	Archive  string   // an absolute folder in place of those of the policies; "" = as they say
	DryRun   bool     // count, and delete nothing
	Actor    string
	Reason   string
}

// PruneReport says what was pruned, by kind.
type PruneReport struct {
	At     time.Time `json:"at"`
	DryRun bool      `json:"dry_run,omitempty"`
	Kinds  []Pruned  `json:"kinds"`
}

// Pruned is what was deleted of one kind, or would be.
type Pruned struct {
	Kind     string        `json:"kind"`
	Rows     int64         `json:"rows"`
	UptoSeq  int64         `json:"upto_seq,omitempty"` // of events: the last one
	Archives []ArchiveFile `json:"archives,omitempty"`
	Note     string        `json:"note,omitempty"` // why less than the policy says
}

// ArchiveFile is a file that rows were written to before they were deleted.
type ArchiveFile struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Rows   int64  `json:"rows"`
}

// Prune deletes what the policies do not keep, in many short writes, so that others go on beside it. What
// was deleted of executions, graphs, artifacts and events is told by the event ledger.pruned in the same
// write. It can be broken off at any time; the next one goes on. With DryRun it counts what one run would
// delete; executions that are deleted make artifacts unused, which that does not count.
func (l *Ledger) Prune(ctx context.Context, o PruneOptions) (PruneReport, error) {
	policies := o.Policies
	if policies == nil {
		var err error
		if policies, err = l.View(ctx).Policies(); err != nil {
			return PruneReport{}, err
		}
	}
	if o.Actor == "" {
		return PruneReport{}, fmt.Errorf("prune ledger: no actor")
	}
	for i, p := range policies {
		if o.Archive != "" && (p.Kind == KeepEvents || p.Kind == KeepExecutions) {
			policies = slices.Clone(policies)
			policies[i].Archive = o.Archive
			p = policies[i]
		}
		if err := CheckPolicy(p); err != nil {
			return PruneReport{}, err
		}
	}
	for _, kind := range o.Kinds {
		if _, err := retainedKind("prune ledger", kind); err != nil {
			return PruneReport{}, err
		}
	}
	select {
	case prunings <- struct{}{}:
		defer func() { <-prunings }()
	case <-ctx.Done():
		return PruneReport{}, fault.Wrap(fault.Unavailable, context.Cause(ctx), "prune ledger "+l.path+": waiting for another pruning", "")
	}
	report := PruneReport{At: l.Now(), DryRun: o.DryRun, Kinds: []Pruned{}}
	for _, r := range retention {
		at := slices.IndexFunc(policies, func(p Policy) bool { return p.Kind == r.Kind })
		if at < 0 || (o.Kinds != nil && !slices.Contains(o.Kinds, r.Kind)) {
			continue
		}
		if policies[at].unlimited() {
			if o.Kinds != nil { // it was asked for by name
				report.Kinds = append(report.Kinds, Pruned{Kind: r.Kind, Note: "its policy keeps it for ever"})
			}
			continue
		}
		pruned, err := l.pruneKind(ctx, policies[at], o)
		report.Kinds = append(report.Kinds, pruned)
		if err != nil {
			return report, fault.Wrap(fault.KindOf(err), err, "prune "+r.Kind+" of ledger "+l.path, "")
		}
	}
	return report, nil
}

func (l *Ledger) pruneKind(ctx context.Context, p Policy, o PruneOptions) (Pruned, error) {
	w := walk{ledger: l, ctx: ctx, policy: p, o: o, cutoff: l.Now().Add(-p.MaxAge), young: l.Now().Add(-MinRetention)}
	if p.MaxAge == 0 {
		w.cutoff = time.Time{}
	}
	switch p.Kind {
	case KeepExecutions:
		return w.executions()
	case KeepEvents:
		return w.events()
	case KeepArtifacts:
		return w.artifacts()
	case KeepPhysicalGraphs:
		return w.physicalGraphs()
	case KeepClaims:
		return w.claims()
	case KeepAnswers:
		return w.answers()
	}
	return w.rows(logs[p.Kind])
}

// walk is one kind being pruned.
type walk struct {
	ledger *Ledger
	ctx    context.Context
	policy Policy
	o      PruneOptions
	cutoff time.Time // older than this is too old; zero = nothing is
	young  time.Time // younger than this is kept in any case
}

func (w walk) view() View { return w.ledger.View(w.ctx) }

// write runs a part of a pruning in a write of its own.
func (w walk) write(fn func(tx *Tx) error) error {
	if err := w.ledger.Write(w.ctx, fn); err != nil {
		return err
	}
	w.ledger.pass("prune.deleted")
	return nil
}

// pruning is the row that lets histories be deleted, and its event.
type pruning struct {
	kind    string
	upto    Head // of events: the last one
	count   int64
	archive ArchiveFile
	more    map[string]any // what else the event says
}

// prune appends the event, opens the row, deletes, and closes the row. remove must delete count rows.
func (tx *Tx) prune(p pruning, o PruneOptions, remove func() (int64, error)) error {
	payload := map[string]any{
		"kind": p.kind, "upto_seq": p.upto.Seq, "hash": p.upto.Hash, "count": p.count, "archive": p.archive.Path, "archive_sha256": p.archive.SHA256, "reason": o.Reason,
	}
	for name, value := range p.more {
		payload[name] = value
	}
	if err := tx.Append(provenance.Event{Type: provenance.LedgerPruned, Actor: o.Actor}, payload); err != nil {
		return err
	}
	if _, err := tx.exec("open pruning", `INSERT INTO prunings (at, kind, event, upto_seq, hash, count, archive, archive_sha256, actor, reason, open)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)`,
		Stamp(tx.now), p.kind, tx.headSeq, p.upto.Seq, p.upto.Hash, p.count, p.archive.Path, p.archive.SHA256, o.Actor, o.Reason); err != nil {
		return err
	}
	n, err := remove()
	if err != nil {
		return err
	}
	if n != p.count {
		return fault.New(fault.Conflict, fmt.Sprintf("prune %s: %d rows were to go, and %d did", p.kind, p.count, n), "look at the ledger with: beampipe ledger check")
	}
	_, err = tx.exec("close pruning", "UPDATE prunings SET open = 0 WHERE open = 1")
	return err
}

// each runs one statement for each of the keys and gives the number of rows that it touched.
func (tx *Tx) each(what, query string, keys []any, more ...any) (total int64, err error) {
	for _, key := range keys {
		n, err := tx.exec(what, query, append([]any{key}, more...)...)
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// keysOf lists the first column of a query.
func (v View) keysOf(what, query string, args ...any) ([]any, error) {
	var keys []any
	err := v.list(what, query, args, func(rows *sql.Rows) error {
		var key any
		err := rows.Scan(&key)
		keys = append(keys, key)
		return err
	})
	return keys, err
}
