package archive

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Misbehaviour is one way in which real archives answer badly. It concerns the requests that bring a
// query, to /sync or to /async, one after the other as they come; never capabilities or polls.
type Misbehaviour struct {
	Kind  string // one of the kinds below
	After int    // so many matching requests are answered well before
	Times int    // so many are answered badly; 0: until Behave

	Match string // only queries that hold this text; "" is every one
	Mode  string // "sync" or "async": only such requests; "" is both. The kinds for jobs are for async alone

	Bytes   int64         // TooLarge: requests whose body is larger; 0 is every one
	Rows    int           // Overflow: so many rows are given; 0: all that there are
	Reads   int           // JobSuspended, JobUnknown: so many reads of the job show it, then it goes on; default 2
	Delay   time.Duration // Slow: the time it takes longer, default 10 s; Busy503: its Retry-After, default 1 s
	Message string        // the archive's words, where the kind has any; default some for each kind
}

// Kinds that are the answer to the request itself: for /async no job is made.
const (
	RefuseUpload = "refuse_upload" // HTTP 400 and an ERROR document, for requests with uploads
	TooLarge     = "too_large"     // HTTP 413 and an ERROR document
	Error400     = "error_400"     // HTTP 400 and an ERROR document
	HTML500      = "html_500"      // HTTP 500 and a web page
	HTML200      = "html_200"      // HTTP 200 and a web page
	Busy503      = "busy_503"      // HTTP 503, Retry-After and plain text
	Drop         = "drop"          // the connection is closed without an answer
)

// Kinds that spoil the answer to the query, which for /async is the job's result.
const (
	Error200  = "error_200"  // HTTP 200 and an ERROR document; a job ends in ERROR
	Cut       = "cut"        // the connection breaks in the middle of the rows; a job's result only when it is first fetched
	Slow      = "slow"       // the answer comes late
	Overflow  = "overflow"   // QUERY_STATUS OVERFLOW behind the rows
	Empty     = "empty"      // a complete answer without rows
	LateError = "late_error" // QUERY_STATUS ERROR behind the rows
	NewColumn = "new_column" // one more column, behind the others
	InBinary  = "binary"     // BINARY, whatever was asked for
	InBinary2 = "binary2"    // BINARY2, whatever was asked for
)

// Kinds for jobs. They begin when the job is told to run.
const (
	JobHeld      = "held"      // HELD until it is told to run again
	JobSuspended = "suspended" // SUSPENDED for some reads, before it runs
	JobUnknown   = "unknown"   // runs, and some reads say UNKNOWN
	JobAborted   = "aborted"   // ABORTED by the archive
	JobArchived  = "archived"  // ARCHIVED: its result is gone
	LostJob      = "lost_job"  // the archive knows no such job any more
)

var (
	answerKinds = []string{Error200, Cut, Slow, Overflow, Empty, LateError, NewColumn, InBinary, InBinary2}
	jobKinds    = []string{JobHeld, JobSuspended, JobUnknown, JobAborted, JobArchived, LostJob}
)

// The column that NewColumn adds, and what its cells hold.
const (
	newColumnName = "added_column"
	newColumnText = "new"
)

// Misbehave adds a misbehaviour. Of several that match a request the first applies, until its Times
// are over. A Kind that there is not refuses every request that it matches, and says so.
func (a *Archive) Misbehave(m Misbehaviour) {
	a.trouble.mu.Lock()
	defer a.trouble.mu.Unlock()
	a.trouble.list = append(a.trouble.list, &planned{Misbehaviour: m})
}

// Behave ends every misbehaviour. A job that was made under one keeps it.
func (a *Archive) Behave() {
	a.trouble.mu.Lock()
	defer a.trouble.mu.Unlock()
	a.trouble.list = nil
}

// trouble is what the archive is to do badly.
type trouble struct {
	mu   sync.Mutex
	list []*planned
}

type planned struct {
	Misbehaviour
	seen int // requests that matched
}

// next gives the misbehaviour for a request; its Kind is "" where there is none. Each request that
// brings a query asks once.
func (t *trouble) next(p parameters, async bool) Misbehaviour {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.list {
		if !one.matches(p, async) || one.Times > 0 && one.seen >= one.After+one.Times {
			continue
		}
		if one.seen++; one.seen > one.After {
			return one.Misbehaviour
		}
	}
	return Misbehaviour{}
}

func (m Misbehaviour) matches(p parameters, async bool) bool {
	mode := "sync"
	if async {
		mode = "async"
	}
	switch {
	case m.Mode != "" && m.Mode != mode, !strings.Contains(p.get("QUERY"), m.Match):
		return false
	case slices.Contains(jobKinds, m.Kind):
		return async
	case m.Kind == RefuseUpload:
		return p.get("UPLOAD") != ""
	case m.Kind == TooLarge:
		return m.Bytes == 0 || p.size > m.Bytes
	}
	return true
}

// words are what the archive says.
func (m Misbehaviour) words() string {
	if m.Message != "" {
		return m.Message
	}
	switch m.Kind {
	case RefuseUpload:
		return "UPLOAD is not supported by this service"
	case TooLarge:
		return "the request is larger than this service takes: upload limit"
	case Error200, Error400:
		return "Field query: the query could not be run"
	case LateError:
		return "the connection to the database was lost after these rows"
	case Busy503:
		return "TAP service too busy, try again later"
	}
	return "this archive was told to misbehave"
}

// reads is Misbehaviour.Reads, or its default.
func (m Misbehaviour) reads() int {
	if m.Reads == 0 {
		return 2
	}
	return m.Reads
}

// delay is how much longer an answer takes.
func (m Misbehaviour) delay() time.Duration {
	switch {
	case m.Kind != Slow:
		return 0
	case m.Delay == 0:
		return 10 * time.Second
	}
	return m.Delay
}
