package backends

import (
	"context"
	"io"
	"time"

	"beampipe/profiles"
)

// Backend is one place to run. All methods may be called at the same time, also for one id, and by
// a process that did not make the submission.
type Backend interface {
	// Check refuses what the place cannot run, before anything is recorded: Invalid errors that name
	// the node.
	Check(ctx context.Context, s Submission) error

	// Submit starts an attempt, at most once per id, ever. Its errors: Invalid, it did not start and never
	// will; Unavailable, it did not start and may later; Conflict, the id was submitted before (the
	// receipt is then of that, as far as it is known) or is fenced; Uncertain, it may have started: ask Find.
	Submit(ctx context.Context, s Submission) (Receipt, error)

	// Find tells what became of submissions whose outcome is not known. An id that the place provably
	// does not have is PhaseLost. An error means that nothing could be asked.
	Find(ctx context.Context, ids []string) (map[string]Observation, error)

	// Poll looks at running attempts: one question for all of them. There is an observation for every
	// id; one that could not be looked at is PhaseUnknown. An error means that nothing could be asked.
	Poll(ctx context.Context, ids []string) (map[string]Observation, error)

	// List gives the ids of all attempts that were submitted to the place and that it still has, running
	// or ended, whoever submitted them, in order. An error means that the list would not be whole.
	List(ctx context.Context) ([]string, error)

	// Cancel asks an attempt to stop; Poll shows when it did. NotFound when there is no such attempt. An
	// attempt that has ended stays as it is.
	Cancel(ctx context.Context, id string) error

	// Fence makes sure that an attempt does no more work: once it returns nil, nothing of it runs, and
	// it can never start. Any error means that it is not fenced.
	Fence(ctx context.Context, id string) error

	// Logs opens what a drop (by oid) wrote; with an empty drop what the run itself wrote. NotFound when
	// there is nothing. The caller closes it.
	Logs(ctx context.Context, id, drop string) (io.ReadCloser, error)
}

// Submission is one attempt at an execution.
type Submission struct {
	ID        string // AttemptID(Execution, Attempt)
	Execution string // UUID
	Attempt   int    // from 1
	Project   string
	Sources   []string
	Graph     []byte // the patched logical graph
	Manifest  []byte
	Profile   *profiles.Profile
}

// Receipt says that a place has taken a submission.
type Receipt struct {
	ID         string         `json:"id"`
	ExternalID string         `json:"external_id"` // what the place calls it: a process, a job, a session
	Folder     string         `json:"folder,omitempty"`
	At         time.Time      `json:"at"`
	Details    map[string]any `json:"details,omitempty"`
}

// Phase is where an attempt is, in the words common to all places.
type Phase string

// The phases.
const (
	PhaseQueued    Phase = "queued"
	PhaseRunning   Phase = "running"
	PhaseFinished  Phase = "finished"
	PhaseFailed    Phase = "failed"
	PhaseCancelled Phase = "cancelled"
	PhaseLost      Phase = "lost"    // proved not to be there
	PhaseUnknown   Phase = "unknown" // could not tell
)

// Ended tells whether an attempt in this phase does no more work.
func (p Phase) Ended() bool {
	return p == PhaseFinished || p == PhaseFailed || p == PhaseCancelled
}

// Classes of failures: plumbing may be tried again without a person, science may not.
const (
	ClassPlumbing = "plumbing" // it never got to work, or the place let it down
	ClassScience  = "science"  // an application failed, or took too long or too much
)

// Limits of an Observation.
const (
	MaxRawBytes     = 2 << 10
	MaxLogTailBytes = 2 << 10
	MaxFailedDrops  = 20
)

// Observation is what a place said about an attempt.
type Observation struct {
	ID          string         `json:"id"`
	ExternalID  string         `json:"external_id,omitempty"` // as in the receipt, where the place has the attempt
	Folder      string         `json:"folder,omitempty"`
	Phase       Phase          `json:"phase"`
	Reason      string         `json:"reason,omitempty"`
	Class       string         `json:"class,omitempty"` // for PhaseFailed: ClassPlumbing or ClassScience
	StartedAt   *time.Time     `json:"started_at,omitempty"`
	EndedAt     *time.Time     `json:"ended_at,omitempty"`
	Drops       map[string]int `json:"drops,omitempty"`        // drop state -> how many
	FailedDrops []FailedDrop   `json:"failed_drops,omitempty"` // those that failed by themselves, at most MaxFailedDrops
	Products    []Product      `json:"products,omitempty"`     // for attempts that ended
	Raw         string         `json:"raw,omitempty"`          // what was read, at most MaxRawBytes
	At          time.Time      `json:"at"`
}

// FailedDrop is a drop that failed by itself.
type FailedDrop struct {
	OID     string `json:"oid"`
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	LogTail string `json:"log_tail,omitempty"` // at most MaxLogTailBytes
}

// Product is a file that a run made.
type Product struct {
	Path   string `json:"path"` // relative to Receipt.Folder, with slashes
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	Drop   string `json:"drop"` // oid
}

// Names of drop states, as DALiuGE has them; DropRunning is the execution state of an application that works.
const (
	DropInitialized = "initialized"
	DropRunning     = "running"
	DropWriting     = "writing"
	DropCompleted   = "completed"
	DropError       = "error"
	DropExpired     = "expired"
	DropDeleted     = "deleted"
	DropCancelled   = "cancelled"
	DropSkipped     = "skipped"
)
