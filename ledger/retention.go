package ledger

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// Kinds of what can be kept for a time. The list is closed.
const (
	KeepExecutions     = "executions"        // that have ended, with all that hangs on them
	KeepPhysicalGraphs = "physical_graphs"   // of executions that have ended
	KeepArtifacts      = "artifacts"         // that nothing refers to any more
	KeepObservations   = "observations"      // of executions that have ended, but for the last of each kind
	KeepChanges        = "discovery_changes" // but for the last of each source
	KeepTickRuns       = "tick_runs"         // but for the last of each project
	KeepAnswers        = "answers"           // of archives, for sources that were removed
	KeepClaims         = "claims"            // that are free
	KeepEvents         = "events"            // the beginning of the provenance log
)

// MinRetention is how long everything is kept, whatever a policy says.
const MinRetention = 24 * time.Hour

// ArtifactPhysicalGraph is the kind of artifact that KeepPhysicalGraphs is about.
const ArtifactPhysicalGraph = "physical_graph"

// Policy says how long a kind is kept. What is older than MaxAge is pruned, and the oldest of what is more
// than MaxRows or MaxBytes, whatever its age; 0 is no limit. Nothing is younger than MinRetention that is
// pruned. MaxBytes counts rows by what the newest thousand take on the average.
type Policy struct {
	Kind     string
	MaxAge   time.Duration
	MaxRows  int64
	MaxBytes int64
	Archive  string // an absolute folder; what is pruned is written there first. "" = it is not
	Set      *Mark  // who set it, when and why; nil = the built-in one
}

// unlimited reports whether a policy prunes nothing.
func (p Policy) unlimited() bool { return p.MaxAge == 0 && p.MaxRows == 0 && p.MaxBytes == 0 }

const day = 24 * time.Hour

// retained is what holds for a kind: its built-in policy and what a policy of it may say.
type retained struct {
	Policy
	sized    bool // MaxRows and MaxBytes mean something
	archived bool // it can be archived
}

// retention lists the kinds in the order in which they are pruned: what hangs on something after that.
var retention = []retained{
	{Policy: Policy{Kind: KeepExecutions}, sized: true, archived: true}, // for ever
	{Policy: Policy{Kind: KeepPhysicalGraphs, MaxAge: 30 * day}},
	{Policy: Policy{Kind: KeepArtifacts, MaxAge: 7 * day}},
	{Policy: Policy{Kind: KeepObservations, MaxAge: 90 * day, MaxRows: 10_000_000}, sized: true},
	{Policy: Policy{Kind: KeepChanges, MaxAge: 365 * day, MaxRows: 1_000_000}, sized: true},
	{Policy: Policy{Kind: KeepTickRuns, MaxAge: 365 * day}, sized: true},
	{Policy: Policy{Kind: KeepAnswers, MaxAge: 90 * day}},
	{Policy: Policy{Kind: KeepClaims, MaxAge: 30 * day}},
	{Policy: Policy{Kind: KeepEvents}, sized: true, archived: true}, // for ever
}

// RetentionKinds lists the kinds in the order in which they are pruned.
func RetentionKinds() []string {
	names := make([]string, len(retention))
	for i, r := range retention {
		names[i] = r.Kind
	}
	return names
}

func retainedKind(what, kind string) (retained, error) {
	for _, r := range retention {
		if r.Kind == kind {
			return r, nil
		}
	}
	return retained{}, fault.New(fault.Invalid, fmt.Sprintf("%s: there is no kind %.40q", what, kind), "choose one of: "+strings.Join(RetentionKinds(), ", "))
}

// DefaultPolicy gives the built-in policy of a kind; that of executions and events keeps them for ever.
func DefaultPolicy(kind string) (Policy, error) {
	r, err := retainedKind("default policy", kind)
	return r.Policy, err
}

// CheckPolicy refuses a policy that means nothing, or less than it says.
func CheckPolicy(p Policy) error {
	what := "set retention of " + p.Kind
	r, err := retainedKind("set retention", p.Kind)
	switch {
	case err != nil:
		return err
	case p.MaxAge < 0 || p.MaxRows < 0 || p.MaxBytes < 0:
		return fault.New(fault.Invalid, what+": a limit is below 0", "0 is no limit")
	case p.MaxAge > 0 && p.MaxAge < MinRetention:
		return fault.New(fault.Invalid, fmt.Sprintf("%s: an age of %s, and everything is kept for %s", what, p.MaxAge, MinRetention), "give a longer one")
	case !r.sized && (p.MaxRows > 0 || p.MaxBytes > 0):
		return fault.New(fault.Invalid, what+": only its age can be limited", "give --max-age")
	case p.Archive != "" && !r.archived:
		return fault.New(fault.Invalid, what+": only executions and events are archived", "leave out the archive")
	case p.Archive != "" && !filepath.IsAbs(p.Archive):
		return fault.New(fault.Invalid, fmt.Sprintf("%s: the archive %s is not an absolute path", what, p.Archive), "the daemon runs in another folder: give the whole path")
	}
	return nil
}

// PrunedIn looks for the pruning that wrote an archive, by the file's digest.
func (v View) PrunedIn(archiveSHA256 string) (at time.Time, kind string, known bool, err error) {
	var stamp timeText
	if there, err := v.hasTable("prunings"); err != nil || !there || archiveSHA256 == "" {
		return at, "", false, err
	}
	err = v.list("pruning of an archive", "SELECT at, kind FROM prunings WHERE archive_sha256 = ? ORDER BY id LIMIT 1", []any{archiveSHA256}, func(rows *sql.Rows) error {
		known = true
		return rows.Scan(&stamp, &kind)
	})
	return stamp.value(), kind, known, err
}

// Policies gives the policy of every kind: the one that was set, else the built-in one.
func (v View) Policies() ([]Policy, error) {
	set := map[string]Policy{}
	err := v.list("retention policies", "SELECT kind, max_age_s, max_rows, max_bytes, archive, set_at, set_by, reason FROM retention_policies", nil, func(rows *sql.Rows) error {
		var p Policy
		var seconds int64
		var at timeText
		var m Mark
		err := rows.Scan(&p.Kind, &seconds, &p.MaxRows, &p.MaxBytes, &p.Archive, &at, &m.By, &m.Reason)
		p.MaxAge, m.At, p.Set = time.Duration(seconds)*time.Second, at.value(), &m
		set[p.Kind] = p
		return err
	})
	list := make([]Policy, len(retention))
	for i, r := range retention {
		list[i] = r.Policy
		if p, ok := set[r.Kind]; ok {
			list[i] = p
		}
	}
	return list, err
}

// SetPolicy sets the policy of a kind from now on; changed is false when it is so already.
func (tx *Tx) SetPolicy(p Policy, actor, reason string) (changed bool, err error) {
	if err := CheckPolicy(p); err != nil {
		return false, err
	}
	p.MaxAge = p.MaxAge.Truncate(time.Second)
	old, err := tx.Policy(p.Kind)
	if err != nil || (old.Set != nil && old.sameLimits(p)) {
		return false, err
	}
	if _, err := tx.exec("set retention of "+p.Kind, `INSERT INTO retention_policies (kind, max_age_s, max_rows, max_bytes, archive, set_at, set_by, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind) DO UPDATE SET max_age_s = excluded.max_age_s, max_rows = excluded.max_rows, max_bytes = excluded.max_bytes,
			archive = excluded.archive, set_at = excluded.set_at, set_by = excluded.set_by, reason = excluded.reason`,
		p.Kind, int64(p.MaxAge/time.Second), p.MaxRows, p.MaxBytes, p.Archive, Stamp(tx.now), actor, reason); err != nil {
		return false, err
	}
	return true, tx.policyEvent(p, false, actor, reason)
}

// ClearPolicy makes the built-in policy of a kind hold again; changed is false when it does already.
func (tx *Tx) ClearPolicy(kind, actor, reason string) (changed bool, err error) {
	r, err := retainedKind("clear retention", kind)
	if err != nil {
		return false, err
	}
	n, err := tx.exec("clear retention of "+kind, "DELETE FROM retention_policies WHERE kind = ?", kind)
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.policyEvent(r.Policy, true, actor, reason)
}

func (tx *Tx) policyEvent(p Policy, builtIn bool, actor, reason string) error {
	return tx.Append(provenance.Event{Type: provenance.RetentionSet, Actor: actor}, map[string]any{
		"kind": p.Kind, "max_age_s": int64(p.MaxAge / time.Second), "max_rows": p.MaxRows, "max_bytes": p.MaxBytes,
		"archive": p.Archive, "built_in": builtIn, "reason": reason,
	})
}

// Policy gives the policy of a kind that holds now.
func (v View) Policy(kind string) (Policy, error) {
	if _, err := retainedKind("retention", kind); err != nil {
		return Policy{}, err
	}
	list, err := v.Policies()
	if err != nil {
		return Policy{}, err
	}
	return list[slices.IndexFunc(list, func(p Policy) bool { return p.Kind == kind })], nil
}

func (p Policy) sameLimits(o Policy) bool {
	return p.MaxAge == o.MaxAge && p.MaxRows == o.MaxRows && p.MaxBytes == o.MaxBytes && p.Archive == o.Archive
}

// infoRetention keeps in ledger_info when the daemon last pruned, and what.
const infoRetention = "retention_run"

// retentionRun is what infoRetention holds.
type retentionRun struct {
	At   string         `json:"at"`
	Rows map[string]int `json:"rows"`
}

// NoteRetention writes down that the daemon pruned now, and how many rows of each kind, over what was noted
// before.
func (tx *Tx) NoteRetention(rows map[string]int) error {
	text, err := jsonText(retentionRun{Stamp(tx.now), rows})
	if err != nil {
		return err
	}
	return tx.setInfo(infoRetention, text)
}

// LastRetention gives when the daemon last pruned, and how many rows of each kind; nil = never.
func (v View) LastRetention() (at *time.Time, counts map[string]int, err error) {
	err = v.list("last retention", "SELECT value FROM ledger_info WHERE key = ?", []any{infoRetention}, func(rows *sql.Rows) error {
		var text string
		var run retentionRun
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if err := scanJSON("last retention", text, &run); err != nil {
			return err
		}
		var when timeText
		err := when.Scan(run.At)
		at, counts = when.t, run.Rows
		return err
	})
	return at, counts, err
}
