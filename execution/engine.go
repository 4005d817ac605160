package execution

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"beampipe/backends"
	"beampipe/configs"
	"beampipe/fault"
	"beampipe/graph"
	"beampipe/ledger"
	"beampipe/profiles"
)

// Bounds of what an Engine keeps in memory and of what it waits for.
const (
	defaultLease = 2 * time.Minute
	maxGraphs    = 8  // parsed source graphs
	maxTemplates = 16 // patched graphs
	maxRevisions = 64 // parsed config revisions, and as many profile revisions
	// writeGrace bounds a ledger write that must happen although the caller's context has ended.
	writeGrace = 30 * time.Second
)

// Health is told of problems that an operator should see, and of their end.
type Health interface {
	Problem(p ledger.Problem)
	Clear(code, subject string)
}

// Codes of the problems that this room reports.
const (
	ProblemBackendUnreachable = "backend_unreachable" // subject: the target
	ProblemSubmissionRefused  = "submission_refused"  // subject: the target
	ProblemAdmissionRefused   = "admission_refused"   // subject: the project
	ProblemFenceFailed        = "fence_failed"        // subject: the execution
	ProblemAnswerUnusable     = "answer_unusable"     // subject: the execution
)

// Options are what an Engine is given.
type Options struct {
	Ledger *ledger.Ledger

	// Backend gives the place that a profile leads to. It is asked only for profiles that this build
	// can submit to (Profile.Built), and may be asked often: keep what is costly.
	Backend func(p *profiles.Profile) (backends.Backend, error)

	// Ready gives the reasons why a source cannot run now (sbids nil = all that are known); none
	// means that it can.
	Ready func(s ledger.Source, meta []ledger.Metadata, sbids []string) []string

	// Software is what carries executions out, by name and version: recorded with each submission.
	Software map[string]string

	Limits     Limits
	Owner      string        // who claims; unique among the processes on one ledger
	Lease      time.Duration // of a claim, renewed every third of it; 0 = 2 minutes
	Registerer prometheus.Registerer
	Health     Health       // nil = nobody is told
	Log        *slog.Logger // nil = silent
}

// Engine carries executions from admission to their end. It is safe for concurrent use, also by
// several processes on one ledger.
type Engine struct {
	o       Options
	ledger  *ledger.Ledger
	metrics metrics

	graphs    *cache[string, *graph.Graph]        // by digest
	templates *cache[string, *graphTemplate]      // by graph and patches
	projects  *cache[revision, *configs.Project]  // parsed
	pins      *cache[revision, string]            // the digest of a revision's graph
	profiles  *cache[revision, *profiles.Profile] // parsed

	feedMu sync.Mutex
	feed   []string // ids that may have work, oldest first

	pollMu sync.Mutex
	seen   map[string]string // what was last observed of each polled execution
}

// revision names one immutable revision of a config or of a profile.
type revision struct {
	name   string
	number int
}

// New makes an Engine.
func New(o Options) *Engine {
	o.Limits = o.Limits.withDefaults()
	if o.Lease == 0 {
		o.Lease = defaultLease
	}
	if o.Health == nil {
		o.Health = silent{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{
		o: o, ledger: o.Ledger, metrics: newMetrics(o.Registerer, o.Log),
		graphs:    newCache[string, *graph.Graph](maxGraphs),
		templates: newCache[string, *graphTemplate](maxTemplates),
		pins:      newCache[revision, string](maxRevisions),
		projects:  newCache[revision, *configs.Project](maxRevisions),
		profiles:  newCache[revision, *profiles.Profile](maxRevisions),
		seen:      map[string]string{},
	}
}

type silent struct{}

func (silent) Problem(ledger.Problem) {}
func (silent) Clear(string, string)   {}

// project reads one revision of a config, parsed. The value is shared: nobody changes it.
func (e *Engine) project(v ledger.View, name string, number int) (*configs.Project, error) {
	return e.projects.get(revision{name, number}, func() (*configs.Project, error) {
		stored, err := v.Config(name, number)
		if err != nil {
			return nil, err
		}
		cfg, err := configs.FromCanonical(stored.Spec)
		return cfg, fault.Wrap(fault.Invalid, err, fmt.Sprintf("read config revision %d of project %s", number, name), "restore the ledger from a backup")
	})
}

// graphOf gives the digest of the graph that belongs to a config revision; "" for none.
func (e *Engine) graphOf(v ledger.View, name string, number int) (string, error) {
	return e.pins.get(revision{name, number}, func() (string, error) {
		stored, err := v.Config(name, number)
		return stored.GraphSHA256, err
	})
}

// profile reads one revision of a profile, parsed. The value is shared: nobody changes it.
func (e *Engine) profile(v ledger.View, name string, number int) (*profiles.Profile, error) {
	return e.profiles.get(revision{name, number}, func() (*profiles.Profile, error) {
		stored, err := v.ProfileRevision(name, number)
		if err != nil {
			return nil, err
		}
		return profiles.FromCanonical(stored.Spec)
	})
}

// sourceGraph reads a stored graph by its digest, parsed. The value is shared: clone it to change it.
func (e *Engine) sourceGraph(v ledger.View, digest string) (*graph.Graph, error) {
	return e.graphs.get(digest, func() (*graph.Graph, error) {
		raw, err := v.Content(digest) // checks the digest
		if err != nil {
			return nil, err
		}
		return graph.Parse(raw, "sha256:"+digest)
	})
}

// backend gives the place a profile leads to; what is not built is refused by name.
func (e *Engine) backend(p *profiles.Profile) (backends.Backend, error) {
	if err := p.Built(); err != nil {
		return nil, err
	}
	b, err := e.o.Backend(p)
	if err != nil && fault.KindOf(err) == "" {
		err = fault.Wrap(fault.Unavailable, err, "open "+p.Target(), "")
	}
	return b, err
}

// grace gives a context for a write that must happen although ctx may have ended.
func grace(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), writeGrace)
}

// problem reports a health problem.
func (e *Engine) problem(code, subject, title, text, severity, todo string) {
	now := e.ledger.Now()
	e.o.Health.Problem(ledger.Problem{
		Code: code, Subject: subject, Title: title, Text: text, Severity: severity, Todo: todo, Since: now, SeenAt: now,
	})
}
