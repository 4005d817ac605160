// Package archive is a small TAP 1.1 service over SQLite files, with the tables that a HIPASS survey
// asks CASDA and VizieR for. It exists for Beampipe's demonstration and for tests, says so in its
// capabilities, and is no archive to keep data in.
//
// Its tables have their real names, because each connection attaches one file per schema:
// ivoa.obscore, casda.observation_evaluation_file, and "VIII/73/hicat". Queries are synchronous.
// Its ADQL is one SELECT with TOP, DISTINCT, joins, sub-selects, LIKE (case-sensitive), IN, GROUP
// BY, ORDER BY, set operations and a few functions; no geometry, no UPLOAD, no async.
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
	MaxRec  int              // most rows of an answer, whatever the client asks; default 100000
	Latency time.Duration    // added to each request
}

// Archive is the service. It is safe for concurrent use.
type Archive struct {
	options  Options
	write    *sql.DB // one connection
	read     *sql.DB // connections that cannot write
	opened   time.Time
	requests atomic.Int64
	queries  atomic.Int64
}

// Open opens the archive in o.Dir and makes what is missing there. What is not a folder, or not
// the file of an archive, is fault.Invalid.
func Open(ctx context.Context, o Options) (*Archive, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxRec == 0 {
		o.MaxRec = DefaultMaxRec
	}
	what := fmt.Sprintf("open the archive in %q", o.Dir)
	if o.Dir == "" || o.MaxRec < 0 || o.Latency < 0 {
		return nil, fault.New(fault.Invalid, what+": it needs a folder, and a row limit and a latency of at least 0", "")
	}
	dir, err := filepath.Abs(o.Dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, what, "give a folder that can be written")
	}
	a := &Archive{options: o, opened: o.Now(), write: connect(dir, false), read: connect(dir, true)}
	if err := a.create(ctx); err != nil {
		return nil, errors.Join(fault.Wrap(fault.Invalid, err, what, "give an empty folder, or one that an archive made"), a.Close())
	}
	return a, nil
}

// Close closes the files. Requests under way end with errors.
func (a *Archive) Close() error {
	if err := errors.Join(a.read.Close(), a.write.Close()); err != nil {
		return fmt.Errorf("close the archive in %q: %w", a.options.Dir, err)
	}
	return nil
}

// Requests counts the HTTP requests that were begun, of every kind.
func (a *Archive) Requests() int64 { return a.requests.Load() }

// Queries counts those of them that went to /sync.
func (a *Archive) Queries() int64 { return a.queries.Load() }

// Handler serves /tap/sync (GET and POST), /tap/availability, /tap/capabilities and /tap/tables.
func (a *Archive) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, method := range []string{"GET", "POST"} {
		mux.HandleFunc(method+" /tap/sync", a.serveSync)
	}
	mux.HandleFunc("GET /tap/availability", a.serveAvailability)
	mux.HandleFunc("GET /tap/capabilities", a.serveCapabilities)
	mux.HandleFunc("GET /tap/tables", a.serveTables)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.requests.Add(1)
		if err := a.linger(r.Context()); err != nil {
			return // the client has gone
		}
		mux.ServeHTTP(w, r)
	})
}

// linger waits for Options.Latency.
func (a *Archive) linger(ctx context.Context) error {
	if a.options.Latency == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(a.options.Latency)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
