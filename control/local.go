package control

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"beampipe/backends"
	"beampipe/backends/local"
	"beampipe/configs"
	"beampipe/discovery"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/profiles"
)

// HealthReporter is told of problems and of their end.
type HealthReporter interface {
	Problem(p ledger.Problem)
	Clear(code, subject string)
}

// LocalOptions are what a Local is given. The zero value of each has a meaning.
type LocalOptions struct {
	Ledger    *ledger.Ledger                     // nil: only what works on files
	Actor     string                             // who acts: "user:name"
	Archives  map[string]string                  // --archive NAME=URL, over what configs say
	Transport func(url string) http.RoundTripper // nil = Go's own
	// Tape is put around what asks archives, to record or to replay; nil = none.
	Tape       func(next http.RoundTripper) (http.RoundTripper, error)
	Offline    bool                  // Tape gives the answers: no archive is asked
	Getenv     func(string) string   // nil = os.Getenv
	Executable string                // our own binary, for runs on this machine; "" = os.Executable
	Owner      string                // of claims; "" = host, process and a new id
	Software   map[string]string     // recorded with each submission; nil = that of this binary
	Workers    int                   // units of work at once in one tick; 0 = 2
	Limits     *Limits               // nil = from the environment
	Registerer prometheus.Registerer // nil = no metrics
	Health     HealthReporter        // nil = nobody is told
	Log        *slog.Logger          // nil = silent
	Now        func() time.Time      // for answers without a ledger; nil = time.Now
}

// Limits are the process-wide limits of BEAMPIPE_SHAPING_* (docs/operations.md).
type Limits struct {
	Discovery discovery.Limits
	Execution execution.Limits
}

// LimitsFromEnv reads the process-wide limits.
func LimitsFromEnv(getenv func(string) string) (Limits, error) {
	d, err := discovery.LimitsFromEnv(getenv)
	if err != nil {
		return Limits{}, err
	}
	e, err := execution.LimitsFromEnv(getenv)
	return Limits{Discovery: d, Execution: e}, err
}

// Local implements Control on a ledger file in this process. It is safe for concurrent use.
type Local struct {
	o         LocalOptions
	ledger    *ledger.Ledger
	archives  *discovery.ArchiveSet
	discovery *discovery.Engine
	execution *execution.Engine

	mu    sync.Mutex
	local map[string]backends.Backend // by work folder and profile digest
}

// NewLocal makes a Local. Without a ledger only the calls that work on files are possible.
func NewLocal(o LocalOptions) (*Local, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Actor == "" {
		o.Actor = "user:unknown"
	}
	if o.Software == nil {
		o.Software = software()
	}
	if o.Workers <= 0 {
		o.Workers = 2
	}
	limits := o.Limits
	if limits == nil {
		l, err := LimitsFromEnv(o.Getenv)
		if err != nil {
			return nil, err
		}
		limits = &l
	}
	c := &Local{o: o, ledger: o.Ledger, local: map[string]backends.Backend{}}
	reached := discovery.ArchiveOptions{Overrides: o.Archives, Transport: o.Transport, Tape: o.Tape}
	if c.ledger != nil {
		reached.Jobs, reached.Now = discovery.NewJobs(c.ledger), c.ledger.Now
	}
	c.archives = discovery.NewArchives(reached)
	if c.ledger == nil {
		return c, nil
	}
	if o.Owner == "" {
		host, _ := os.Hostname() // an unnamed host is still told apart by the id
		c.o.Owner = fmt.Sprintf("%s:%d:%s", host, os.Getpid(), c.ledger.NewID())
	}
	c.discovery = discovery.New(discovery.Options{
		Ledger: c.ledger, Archives: c.archives, Limits: limits.Discovery, Owner: c.o.Owner,
		Registerer: o.Registerer, Health: o.Health, Log: o.Log,
	})
	c.execution = execution.New(execution.Options{
		Ledger: c.ledger, Backend: c.backend, Ready: discovery.Ready, Limits: limits.Execution, Owner: c.o.Owner, Software: o.Software,
		Registerer: o.Registerer, Health: o.Health, Log: o.Log,
	})
	return c, nil
}

// Execution is the engine, for the daemon's work loop.
func (c *Local) Execution() *execution.Engine { return c.execution }

// needLedger refuses calls that need a ledger when there is none.
func (c *Local) needLedger() error {
	if c.ledger == nil {
		return fault.New(fault.Invalid, "this needs a ledger", "name one with --ledger FILE or BEAMPIPE_LEDGER")
	}
	return nil
}

func (c *Local) now() time.Time {
	if c.ledger != nil {
		return c.ledger.Now()
	}
	return c.o.Now().UTC().Truncate(time.Millisecond)
}

// backend gives the place that a profile names. Kinds that are not built yet are refused by name.
func (c *Local) backend(p *profiles.Profile) (backends.Backend, error) {
	if err := p.Built(); err != nil {
		return nil, err
	}
	root := c.workFolder(p)
	key := root + "\x00" + p.Digest()
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.local[key]; ok {
		return b, nil
	}
	executable := c.o.Executable
	if executable == "" {
		var err error
		if executable, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find our own program, which carries out local runs: %w", err)
		}
	}
	b, err := local.New(local.Options{Root: root, Profile: p.Deployment.Local, Executable: executable, Now: c.now})
	if err != nil {
		return nil, err
	}
	c.local[key] = b
	return b, nil
}

// workFolder is where a local profile's runs live: as it says, relative to the ledger's folder.
func (c *Local) workFolder(p *profiles.Profile) string {
	folder := p.Deployment.Local.WorkDir
	if folder == "" {
		folder = "runs"
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(filepath.Dir(c.ledger.Path()), folder)
	}
	return folder
}

// config reads a project's active config.
func (c *Local) config(v ledger.View, project string) (*configs.Project, ledger.Config, error) {
	p, err := v.Project(project)
	if err != nil {
		return nil, ledger.Config{}, err
	}
	stored, err := v.Config(project, p.Revision)
	if err != nil {
		return nil, ledger.Config{}, err
	}
	cfg, err := configs.FromCanonical(stored.Spec)
	return cfg, stored, err
}
