// Package archive is a small TAP 1.1 service over SQLite files, with the tables that a HIPASS survey
// asks CASDA and VizieR for. It exists for Beampipe's demonstration and for tests, says so in its
// capabilities, and is no archive to keep data in.
//
// Its tables have their real names, because each connection attaches one file per schema:
// ivoa.obscore, casda.observation_evaluation_file, and "VIII/73/hicat". Queries are synchronous, or
// jobs of UWS 1.1 that live in memory; tables can be uploaded with a request, as inline VOTables.
// Answers are VOTables (TABLEDATA, BINARY, BINARY2) or CSV with a header line.
//
// Its ADQL is one SELECT with TOP, DISTINCT, joins, sub-selects, LIKE (case-sensitive), IN, GROUP
// BY, ORDER BY, set operations and a few functions; no geometry.
//
// For tests it can be told to misbehave as real archives do, see [Archive.Misbehave].
package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"beampipe/fault"
)

// URL is an address to use with Transport; no host has this name.
const URL = "http://archive.invalid/tap"

// DefaultMaxRec is the row limit of an answer when Options.MaxRec is 0.
const DefaultMaxRec = 100_000

// Options says where an Archive keeps its files, and how it answers.
type Options struct {
	Dir     string           // folder of its SQLite files, made when missing
	Now     func() time.Time // nil: time.Now
	NewID   func() string    // names a job: letters, digits and dashes; nil: UUIDv7
	MaxRec  int              // most rows of an answer, whatever the client asks; default 100000
	Latency time.Duration    // added to each request
	Limits  Limits

	RunAtCreate bool // PHASE=RUN in the POST that makes a job runs it (TAP 1.1); else it is ignored, as DaCHS does
	Elsewhere   bool // jobs have addresses outside /tap and results answer with a redirect, as services do that keep jobs apart
}

// Archive is the service. It is safe for concurrent use.
type Archive struct {
	options  Options
	write    *sql.DB // one connection
	read     *sql.DB // connections that cannot write
	upload   *sql.DB // connections of one request each, for its uploaded tables
	jobs     *jobs
	trouble  trouble
	zips     zips
	opened   time.Time
	requests atomic.Int64
	queries  atomic.Int64
}

// Open opens the archive in o.Dir and makes what is missing there. What is not a folder, or not
// the file of an archive, is fault.Invalid.
func Open(ctx context.Context, o Options) (*Archive, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("open the archive in %q", o.Dir)
	dir, err := filepath.Abs(o.Dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, what, "give a folder that can be written")
	}
	a := &Archive{
		options: o, opened: o.Now(), jobs: newJobs(),
		write: connect(dir, writing), read: connect(dir, reading), upload: connect(dir, uploading),
	}
	if err := a.create(ctx); err != nil {
		return nil, errors.Join(fault.Wrap(fault.Invalid, err, what, "give an empty folder, or one that an archive made"), a.Close())
	}
	return a, nil
}

// Close stops the jobs, waits for them, and closes the files. Requests under way end with errors.
func (a *Archive) Close() error {
	a.jobs.close()
	if err := errors.Join(a.upload.Close(), a.read.Close(), a.write.Close()); err != nil {
		return fmt.Errorf("close the archive in %q: %w", a.options.Dir, err)
	}
	return nil
}

// Requests counts the HTTP requests that were begun, of every kind.
func (a *Archive) Requests() int64 { return a.requests.Load() }

// Queries counts those of them that went to /sync.
func (a *Archive) Queries() int64 { return a.queries.Load() }

// Jobs counts the asynchronous jobs that were made, also those that are no longer there.
func (a *Archive) Jobs() int { return a.jobs.count() }

// Handler serves /tap/sync (GET and POST), /tap/async and its jobs, /tap/availability,
// /tap/capabilities and /tap/tables. Answers are compressed for those who accept gzip.
func (a *Archive) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, method := range []string{"GET", "POST"} {
		mux.HandleFunc(method+" /tap/sync", a.serveSync)
	}
	mux.HandleFunc("GET /tap/availability", a.serveAvailability)
	mux.HandleFunc("GET /tap/capabilities", a.serveCapabilities)
	mux.HandleFunc("GET /tap/tables", a.serveTables)
	if !a.options.Limits.NoAsync {
		a.handleAsync(mux)
	}
	zipped := a.zips.handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.requests.Add(1)
		if err := linger(r.Context(), a.options.Latency); err != nil {
			return // the client has gone
		}
		zipped.ServeHTTP(w, r)
	})
}

// linger waits for a time, or until ctx ends.
func linger(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
