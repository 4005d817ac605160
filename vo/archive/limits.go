package archive

import (
	"fmt"
	"time"

	"beampipe/fault"
)

// Limits are what the service allows beside Options.MaxRec. It advertises them in its capabilities
// and refuses what is past them. A zero field means its default.
type Limits struct {
	NoUpload bool // TAP_UPLOAD is neither offered nor answered
	NoAsync  bool // /tap/async is neither offered nor there

	OutputRows      int   // rows of an answer when no MAXREC is sent; default and at most Options.MaxRec
	QueryBytes      int   // of an ADQL query; default 2 MiB
	UploadBytes     int64 // of all uploaded tables of a request; default 20,000,000
	SyncUploadBytes int64 // the same for a synchronous request, not advertised, as real services do; default UploadBytes
	UploadRows      int   // of all uploaded tables of a request; default 100,000. Where it is set, capabilities give it in place of the bytes

	Jobs              int           // that are kept at the same time; default 100
	ExecutionDuration time.Duration // how long a job may run; default 10 min
	Retention         time.Duration // until a job is destroyed; default 24 h
}

// The defaults of Limits.
const (
	DefaultQueryBytes        = 2 << 20
	DefaultUploadBytes       = 20_000_000
	DefaultUploadRows        = 100_000
	DefaultJobs              = 100
	DefaultExecutionDuration = 10 * time.Minute
	DefaultRetention         = 24 * time.Hour
)

// Limits that no option changes.
const (
	maxUploads       = 20               // tables of a request
	maxUploadColumns = 200              // of a table
	maxParameters    = 100              // of a request
	maxResultBytes   = 64 << 20         // of the result of a job
	maxKeptBytes     = 256 << 20        // of what all jobs keep together: queries, uploads, results
	longestQuery     = 60 * time.Second // a synchronous query that runs longer is stopped
	longestWait      = 60 * time.Second // of WAIT, whatever the client asks
	runners          = 4                // jobs that run at the same time; the others are QUEUED
)

// complete fills in the defaults and refuses numbers that make no sense.
func (o *Options) complete() error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = newID
	}
	if o.MaxRec == 0 {
		o.MaxRec = DefaultMaxRec
	}
	what := fmt.Sprintf("open the archive in %q", o.Dir)
	if o.Dir == "" || o.MaxRec < 0 || o.Latency < 0 {
		return fault.New(fault.Invalid, what+": it needs a folder, and a row limit and a latency of at least 0", "")
	}
	l := &o.Limits
	if min(int64(l.OutputRows), int64(l.QueryBytes), l.UploadBytes, l.SyncUploadBytes, int64(l.UploadRows), int64(l.Jobs), int64(l.ExecutionDuration), int64(l.Retention)) < 0 {
		return fault.New(fault.Invalid, what+": a limit is negative", "")
	}
	if l.OutputRows == 0 || l.OutputRows > o.MaxRec {
		l.OutputRows = o.MaxRec
	}
	orDefault(&l.QueryBytes, DefaultQueryBytes)
	orDefault(&l.UploadBytes, DefaultUploadBytes)
	orDefault(&l.SyncUploadBytes, l.UploadBytes)
	orDefault(&l.Jobs, DefaultJobs)
	orDefault(&l.ExecutionDuration, DefaultExecutionDuration)
	orDefault(&l.Retention, DefaultRetention)
	return nil
}

func orDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// uploadRows is Limits.UploadRows, or its default: unset it is not advertised.
func (l Limits) uploadRows() int {
	if l.UploadRows == 0 {
		return DefaultUploadRows
	}
	return l.UploadRows
}

// formBytes bounds the body of a form: a query in which each byte is written as three, and the rest.
func (l Limits) formBytes() int64 { return 3*int64(l.QueryBytes) + 64<<10 }

// multipartBytes bounds the body of a request with uploads.
func (l Limits) multipartBytes() int64 { return l.UploadBytes + int64(l.QueryBytes) + 1<<20 }
