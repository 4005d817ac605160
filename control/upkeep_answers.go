package control

import (
	"time"

	"beampipe/ledger"
	"beampipe/provenance"
)

// BackupRequest asks for a copy of the ledger as it is now.
type BackupRequest struct {
	To    string `json:"to"`
	Force bool   `json:"force,omitempty"` // a file of that name is replaced
}

// RestoreRequest asks to put a backup in the place of a ledger.
type RestoreRequest struct {
	From   string `json:"from"`
	Ledger string `json:"ledger"`
	Reason string `json:"reason"`
}

// PruneRequest asks to delete what the policies do not keep.
type PruneRequest struct {
	Kinds   []string `json:"kinds,omitempty"`   // none = all
	Archive string   `json:"archive,omitempty"` // an absolute folder, in place of those of the policies
	DryRun  bool     `json:"dry_run,omitempty"`
	Reason  string   `json:"reason"`
}

// Policy says how long a kind is kept; a limit of 0 is none, and without any it is kept for ever.
type Policy struct {
	Kind          string       `json:"kind"`
	MaxAgeSeconds int64        `json:"max_age_s,omitempty"`
	MaxRows       int64        `json:"max_rows,omitempty"`
	MaxBytes      int64        `json:"max_bytes,omitempty"`
	Archive       string       `json:"archive,omitempty"`
	Set           *ledger.Mark `json:"set,omitempty"` // by whom, when and why; none = it is the built-in policy
}

// RetentionList is the policy of every kind, in the order in which they are pruned.
type RetentionList struct {
	At       time.Time  `json:"at"`
	Policies []Policy   `json:"policies"`
	LastRun  *time.Time `json:"last_run,omitempty"` // when the daemon last pruned
	Reason   string     `json:"reason,omitempty"`   // what came of that
}

// PolicyRequest sets the policy of a kind, or makes the built-in one hold again.
type PolicyRequest struct {
	Policy
	Clear  bool   `json:"clear,omitempty"`
	Reason string `json:"reason"`
}

// PolicyChange is a policy as it holds now.
type PolicyChange struct {
	At      time.Time `json:"at"`
	Changed bool      `json:"changed"`
	Policy  Policy    `json:"policy"`
}

// Vacuumed says what a vacuum gave back.
type Vacuumed struct {
	At time.Time `json:"at"`
	ledger.VacuumReport
}

// ArchiveVerified says what an archive of pruned events holds.
type ArchiveVerified struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	provenance.Archive
	// Known says whether this ledger's log tells of the file by its digest; none when there is no ledger to ask.
	Known    *bool      `json:"known,omitempty"`
	PrunedAt *time.Time `json:"pruned_at,omitempty"`
}
