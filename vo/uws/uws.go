// Package uws is a client for services that run jobs as the Universal Worker Service pattern says
// (IVOA Recommendation UWS 1.1): make a job, run it, wait for its end, read what it says, delete it.
//
// A job is known by its URL alone. Whoever keeps the URL can go on with the job after a crash, so
// Create never runs what it makes: keep the URL, then Run. Services of UWS 1.0, which do not know
// WAIT, are polled.
//
// Every error is a fault: Unavailable where nothing is known and asking again may help, NotFound
// for a job that is not there, Invalid for every other refusal. The service's answer, where there
// was one, is in the chain as an *AnswerError.
package uws

import (
	"strings"
	"time"
)

// Phase says where a job is in its life (UWS 1.1 section 2.1.3).
type Phase string

// The phases. What a service says beyond them is read as Unknown.
const (
	Pending   Phase = "PENDING"   // made, not yet run
	Queued    Phase = "QUEUED"    // run, waits for its turn
	Executing Phase = "EXECUTING" // at work
	Completed Phase = "COMPLETED" // its results can be read
	Error     Phase = "ERROR"     // it failed
	Aborted   Phase = "ABORTED"   // stopped by a client or by the service
	Unknown   Phase = "UNKNOWN"   // the service cannot say now: ask again
	Held      Phase = "HELD"      // the service waits for another Run
	Suspended Phase = "SUSPENDED" // the service stopped it for a while, and goes on by itself
	Archived  Phase = "ARCHIVED"  // ended, and its results are deleted
)

// Active holds for the phases in which a service may answer late when asked to WAIT.
func (p Phase) Active() bool { return p == Pending || p == Queued || p == Executing }

// Terminal holds for the phases that a job never leaves.
func (p Phase) Terminal() bool {
	return p == Completed || p == Error || p == Aborted || p == Archived
}

// Job is what a service says about a job. A time that it does not give, or that cannot be read, is
// nil.
type Job struct {
	URL               string // "" as ReadJob gives it; a Client fills it in
	ID, RunID, Owner  string
	Phase             Phase
	Created           *time.Time
	Started           *time.Time
	Ended             *time.Time
	Destruction       *time.Time    // when the service deletes it
	Quote             *time.Time    // when the service expects it to end
	ExecutionDuration time.Duration // how long it may run; 0: as long as it likes, or not said
	Parameters        []Parameter
	Results           []Result
	Error             string // the message of its errorSummary
	ErrorDetail       bool   // the service has more to say, see Client.ErrorText
}

// Parameter is one that the job was made with.
type Parameter struct {
	ID, Value   string
	ByReference bool // Value is an address
}

// Result is one thing that a completed job gives.
type Result struct {
	ID       string
	Href     string // a Client makes it absolute
	MIMEType string // "" when not said
	Size     int64  // bytes; 0 when not said
}

// JobRef is a job as a list of jobs shows it.
type JobRef struct {
	ID, URL, RunID string
	Phase          Phase
	Created        *time.Time
}

// Parameter gives the value of a parameter, whose name has no case; ok is false where the job has
// none of that name.
func (j Job) Parameter(name string) (value string, ok bool) {
	for _, p := range j.Parameters {
		if strings.EqualFold(p.ID, name) {
			return p.Value, true
		}
	}
	return "", false
}

// Result gives the one named id, else the only one there is; ok is false where neither is.
func (j Job) Result(id string) (result Result, ok bool) {
	for _, r := range j.Results {
		if r.ID == id {
			return r, true
		}
	}
	if len(j.Results) == 1 {
		return j.Results[0], true
	}
	return Result{}, false
}
