package discovery

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"beampipe/ledger"
)

// Options are what an Engine is given. Ledger and Archives are needed.
type Options struct {
	Ledger     *ledger.Ledger
	Archives   Archives
	Limits     Limits
	Owner      string                                           // of claims: this process; "" = "discovery"
	Registerer prometheus.Registerer                            // nil = no metrics
	Health     Health                                           // nil = problems are only logged
	Log        *slog.Logger                                     // nil = silent
	Wait       func(ctx context.Context, d time.Duration) error // for Limits.Pacing; nil = a timer
}

// Health takes problems that an operator should see. A problem is known by its code and subject.
type Health interface {
	Problem(p ledger.Problem)
	Clear(code, subject string)
}

// Engine discovers. It is safe for concurrent use; it starts nothing by itself.
type Engine struct {
	ledger   *ledger.Ledger
	archives Archives
	limits   Limits
	owner    string
	metrics  *metrics
	health   Health
	log      *slog.Logger
	wait     func(ctx context.Context, d time.Duration) error

	renewEvery time.Duration // of claims; 0 = a third of the time for which they hold

	failing  troubled // sources that failed again and again
	suspects troubled // sources that would have lost their data together with many others

	masses  masses
	uploads uploadLog

	mu   sync.Mutex
	down map[string]bool // archives that did not answer last time
}

// New makes an Engine.
func New(o Options) *Engine {
	e := &Engine{
		ledger: o.Ledger, archives: o.Archives, limits: o.Limits.withDefaults(), owner: o.Owner,
		health: o.Health, log: o.Log, wait: o.Wait, down: map[string]bool{},
	}
	if e.owner == "" {
		e.owner = "discovery"
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.wait == nil {
		e.wait = timer
	}
	e.metrics = newMetrics(o.Registerer, e.log)
	return e
}

// Tick runs one discovery tick of a project from begin to end, one batch after the other.
func (e *Engine) Tick(ctx context.Context, project string) (Result, error) {
	t, err := e.Begin(ctx, project, TickOptions{})
	if err != nil {
		return Result{Project: project}, err
	}
	for err == nil {
		var run func(context.Context) error
		var ok bool
		if run, ok, err = t.Next(ctx); err != nil || !ok {
			break
		}
		err = run(ctx)
	}
	result, finish := t.Finish(ctx)
	if err == nil {
		err = finish
	}
	return result, err
}

// asked counts a query and keeps the health of its archive. A query that our own end cut off says
// nothing about the archive.
func (e *Engine) asked(ctx context.Context, archive string, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	e.metrics.requests.WithLabelValues(archive, result).Inc()
	if ctx.Err() != nil {
		return
	}
	unavailable := silent(err)
	e.mu.Lock()
	was, seen := e.down[archive]
	e.down[archive] = unavailable
	e.mu.Unlock()
	switch {
	case unavailable:
		if !was {
			e.log.Warn("an archive does not answer", "archive", archive, "error", err)
		}
		e.problem(ledger.Problem{
			Code: ProblemArchive, Subject: archive, Severity: "warning", Title: "Archive " + archive + " does not answer",
			Text: ledger.Excerpt(err.Error(), maxErrorText), Todo: "nothing is lost: its sources are asked again later; check the archive's address and its status page",
		})
	case was || !seen:
		e.clear(ProblemArchive, archive)
	}
}

func (e *Engine) problem(p ledger.Problem) {
	if e.health != nil {
		p.SeenAt = e.ledger.Now()
		p.Since = p.SeenAt
		e.health.Problem(p)
	}
}

func (e *Engine) clear(code, subject string) {
	if e.health != nil {
		e.health.Clear(code, subject)
	}
}

func timer(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
