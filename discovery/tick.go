package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
)

// Why a tick stopped, or did nothing.
const (
	ReasonDisabled     = "disabled"       // automation.discovery.enabled is false
	ReasonNoneDue      = "no_sources_due" // every source that is due was claimed
	ReasonQueueFull    = "queue_full"     // queue_max_depth batches are claimed
	ReasonInFlight     = "in_flight_cap"  // of the process
	ReasonProjectCap   = "project_in_flight_cap"
	ReasonMaxBatches   = "max_batches_per_tick"
	ReasonMaxSources   = "tick_discovery_source_limit"
	ReasonClaimed      = "claimed_elsewhere"   // the named sources are being discovered already
	ReasonStopped      = "stopped"             // the tick was finished before it came to an end
	ReasonUnavailable  = "archive_unavailable" // of the primary query: what is left stays due
	ReasonConfigFailed = "config_refused"
)

// TickOptions narrow a tick.
type TickOptions struct {
	// Sources are the only ones to be claimed, due or not; the limits of a tick do not bind them, those
	// of what is in flight do. A name that is not registered or not enabled is refused by Begin.
	Sources []string
}

// Tick is one discovery tick of one project, under the config that was active when it began. Its
// methods may be called from several goroutines.
type Tick struct {
	engine   *Engine
	id       string
	revision int
	project  *configs.Project
	began    time.Time
	forms    formLog // which ways to ask were refused
	shapes   shapes

	ruleMu sync.Mutex
	rule   *rule // nil until it is known

	storing sync.Mutex // one batch is stored at a time
	mass    mass       // under storing

	mu      sync.Mutex
	named   []ledger.Source // still to be claimed; only with TickOptions.Sources
	byName  bool
	closed  string          // why nothing more is claimed; "" while it is
	waits   map[*batch]bool // handed out and not begun
	result  Result
	history history
}

// Begin reads the project's active config and refuses (fault.Invalid) one that cannot discover, by
// name of what is wrong with it.
func (e *Engine) Begin(ctx context.Context, project string, o TickOptions) (*Tick, error) {
	var t *Tick
	err := e.ledger.Snapshot(ctx, func(v ledger.View) error {
		var err error
		if t, err = e.newTick(v, project); err != nil {
			return err
		}
		if t.named, err = named(v, project, o.Sources); err != nil {
			return err
		}
		t.byName = len(t.named) > 0
		t.mass = mass{since: t.began}
		if !t.byName {
			t.mass = e.masses.resume(project, t.began, t.stale(ledger.Source{}))
		}
		return e.forget(v, project)
	})
	if err != nil {
		return nil, err
	}
	if err := e.refuse(t.project); err != nil {
		return nil, firstOf(err, e.recordRefusal(ctx, project, err))
	}
	e.clear(ProblemRefused, project)
	return t, nil
}

// newTick reads what a tick of a project is bound by.
func (e *Engine) newTick(v ledger.View, project string) (*Tick, error) {
	t := &Tick{engine: e, id: project, began: e.ledger.Now(), waits: map[*batch]bool{}}
	t.result = Result{Project: project, Began: t.began, Reason: ReasonStopped}
	var err error
	if t.project, t.revision, err = activeConfig(v, project); err != nil {
		return nil, err
	}
	stored, ok, err := v.SignatureRule(project, t.revision)
	if err == nil && ok {
		t.rule, err = readRule(stored)
	}
	return t, err
}

// activeConfig reads the config that a project runs under.
func activeConfig(v ledger.View, project string) (*configs.Project, int, error) {
	p, err := v.Project(project)
	if err != nil {
		return nil, 0, err
	}
	stored, err := v.Config(project, p.Revision)
	if err != nil {
		return nil, 0, err
	}
	config, err := configs.FromCanonical(stored.Spec)
	return config, p.Revision, err
}

// named reads the sources of TickOptions, each once.
func named(v ledger.View, project string, identifiers []string) ([]ledger.Source, error) {
	var list []ledger.Source
	seen := map[string]bool{}
	for _, identifier := range identifiers {
		if seen[identifier] {
			continue
		}
		seen[identifier] = true
		s, err := v.Source(project, identifier)
		if err != nil {
			return nil, err
		}
		if s.RemovedAt != nil {
			return nil, fault.New(fault.Conflict, fmt.Sprintf("discover source %s: it was removed from project %s", identifier, project), "register it again: beampipe source add --project "+project+" "+identifier)
		}
		if !s.Enabled {
			return nil, fault.New(fault.Conflict, fmt.Sprintf("discover source %s: it is disabled", identifier), "beampipe source enable --project "+project+" "+identifier)
		}
		list = append(list, s)
	}
	return list, nil
}

// maxRefusals bounds the findings in one error.
const maxRefusals = 5

// refuse says why a project cannot discover. Whether an archive is known is decided by Archives,
// which may know more of them than the config does.
func (e *Engine) refuse(p *configs.Project) error {
	var found, hints []string
	for _, d := range p.RefuseDiscovery() {
		if d.Code == configs.CodeUnknownAdapter || len(found) == maxRefusals {
			continue
		}
		found = append(found, fmt.Sprintf("%s at %s: %s", d.Code, d.Path, d.Message))
		if d.Hint != "" {
			hints = append(hints, d.Hint)
		}
	}
	if len(found) > 0 {
		return fault.New(fault.Invalid, fmt.Sprintf("discover project %s: its config cannot run: %s", p.Metadata.ID, strings.Join(found, "; ")), strings.Join(hints, "; "))
	}
	for _, list := range [][]configs.Query{p.Discovery.Queries, p.Discovery.Enrichments} {
		for _, q := range list {
			if _, err := e.archives.Client(p, q.Adapter); err != nil {
				return fault.Wrap(fault.Invalid, err, fmt.Sprintf("discover project %s: query %q", p.Metadata.ID, q.Name), "")
			}
		}
	}
	return nil
}

// recordRefusal keeps the refusal where an operator looks.
func (e *Engine) recordRefusal(ctx context.Context, project string, refusal error) error {
	e.log.Error("a project cannot discover", "project", project, "error", refusal)
	e.problem(ledger.Problem{
		Code: ProblemRefused, Subject: project, Severity: "error", Title: "Project " + project + " cannot discover",
		Text: ledger.Excerpt(refusal.Error(), maxErrorText), Todo: strings.Join(fault.Hints(refusal), "; "),
	})
	return e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		_, err := tx.RecordTickRun(ledger.TickRun{
			Project: project, Kind: ledger.TickDiscovery, Reason: ReasonConfigFailed, Counters: Result{}.counters(),
			Note: ledger.Excerpt(refusal.Error(), maxErrorText),
		})
		return err
	})
}

// Next claims one batch within all limits and gives its work, which must be run once (what is not
// run is released by Finish). ok is false when there is nothing more to claim now; that can change
// when a batch that is running ends. run returns an error only when the conclusions cannot be
// stored: a source that fails is stored as a failure.
func (t *Tick) Next(ctx context.Context) (run func(ctx context.Context) error, ok bool, err error) {
	if err := t.pace(ctx); err != nil {
		return nil, false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	size, reason := t.room()
	if reason != "" {
		t.result.Reason = reason
		return nil, false, nil
	}
	var b *batch
	passed := 0
	err = t.engine.ledger.Write(ctx, func(tx *ledger.Tx) error {
		var err error
		b, reason = &batch{tick: t}, ""
		if reason, err = t.inFlight(tx.View); err != nil || reason != "" {
			return err
		}
		name := tx.NewBatch(t.id)
		ttl := t.claimTTL()
		if t.byName {
			passed, err = t.claimNamed(tx, b, size, name, ttl)
			return err
		}
		b.sources, b.claims, err = tx.ClaimDueSources(t.id, size, t.engine.owner, name, ttl)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if t.byName && reason == "" {
		t.named = t.named[passed:]
	}
	if reason == "" && len(b.sources) == 0 {
		reason = ReasonNoneDue
		if t.byName {
			reason = ReasonClaimed
		}
	}
	if reason != "" {
		t.result.Reason = reason
		return nil, false, nil
	}
	t.result.Claimed += len(b.sources)
	t.result.Batches++
	t.waits[b] = true
	return b.run, true, nil
}

// claimNamed claims up to size of the named sources. Those that another holds, or that were switched
// off meanwhile, are passed over; passed counts them too.
func (t *Tick) claimNamed(tx *ledger.Tx, b *batch, size int, name string, ttl time.Duration) (passed int, err error) {
	for _, s := range t.named {
		if len(b.sources) == size {
			break
		}
		passed++
		if s, err = tx.SourceByID(s.ID); err != nil {
			return 0, err
		}
		if !s.Enabled || s.RemovedAt != nil {
			continue
		}
		c, ok, err := tx.TryClaim(ledger.ClaimDiscovery, ledger.SourceSubject(s.ID), t.engine.owner, name, ttl)
		if err != nil {
			return 0, err
		}
		if ok {
			b.sources, b.claims = append(b.sources, s), append(b.claims, c)
		}
	}
	return passed, nil
}

// pace waits between two claims as Limits.Pacing says.
func (t *Tick) pace(ctx context.Context) error {
	t.mu.Lock()
	first := t.result.Batches == 0
	t.mu.Unlock()
	if first || t.engine.limits.Pacing == 0 {
		return nil
	}
	return t.engine.wait(ctx, t.engine.limits.Pacing)
}

// room gives how many sources the next batch may have, or the reason why there is no next one.
func (t *Tick) room() (size int, reason string) {
	a := t.project.Automation.Discovery
	if t.closed != "" {
		return 0, t.closed
	}
	if t.byName {
		if len(t.named) == 0 {
			return 0, ReasonNoneDue
		}
		return a.BatchSize, ""
	}
	batches := *cmp.Or(a.TickDiscoveryBatchLimit, &t.engine.limits.MaxBatchesPerTick)
	left := a.TickDiscoverySourceLimit - t.result.Claimed
	switch {
	case !a.Enabled:
		return 0, ReasonDisabled
	case t.engine.closedArchive(t.project) != "":
		return 0, ReasonUnavailable
	case t.result.Batches >= batches:
		return 0, ReasonMaxBatches
	case left <= 0:
		return 0, ReasonMaxSources
	}
	return min(a.BatchSize, left), ""
}

// inFlight compares the batches that are claimed now, this tick's own included, with the limits. A
// claimed batch is all that discovery has as a queue.
func (t *Tick) inFlight(v ledger.View) (reason string, err error) {
	a := t.project.Automation.Discovery
	all, err := v.LiveBatches(ledger.ClaimDiscovery, "")
	if err != nil {
		return "", err
	}
	own, err := v.LiveBatches(ledger.ClaimDiscovery, t.id)
	if err != nil {
		return "", err
	}
	depth := *cmp.Or(a.QueueMaxDepth, &t.engine.limits.QueueMaxDepth)
	switch {
	case own == 0: // one batch is always allowed: what other projects hold, a slow archive perhaps, starves nobody
		return "", nil
	case all >= depth:
		return ReasonQueueFull, nil
	case all >= t.engine.limits.MaxInFlightBatches:
		return ReasonInFlight, nil
	case a.ConcurrentDiscoveryBatchLimit != nil && own >= *a.ConcurrentDiscoveryBatchLimit:
		return ReasonProjectCap, nil
	}
	return "", nil
}

// stop ends claiming for this tick, if nothing has yet.
func (t *Tick) stop(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed == "" {
		t.closed = reason
	}
}

// Finish stores what the tick did and gives it. Batches that were handed out and not begun are
// released; the caller has waited for those that run.
func (t *Tick) Finish(ctx context.Context) (Result, error) {
	ctx = context.WithoutCancel(ctx)
	t.stop(ReasonStopped)
	t.mu.Lock()
	var left []*batch
	for b := range t.waits {
		left = append(left, b)
	}
	t.waits = map[*batch]bool{}
	t.mu.Unlock()
	var failures []error
	for _, b := range left {
		failures = append(failures, b.store(ctx, nil, b.claims))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.byName {
		t.engine.masses.keep(t.id, t.result.Reason, t.mass)
	}
	ended := t.engine.ledger.Now()
	t.result.Took = ended.Sub(t.began)
	sources, note := t.history.run()
	failures = append(failures, t.engine.ledger.Write(ctx, func(tx *ledger.Tx) error {
		_, err := tx.RecordTickRun(ledger.TickRun{
			Project: t.id, Kind: ledger.TickDiscovery, Reason: t.result.Reason, BeganAt: t.began, EndedAt: ended,
			Counters: t.result.counters(), Sources: sources, Note: note,
		})
		return err
	}), t.engine.reportProject(t.engine.ledger.View(ctx), t.id))
	return t.result, firstOf(failures...)
}

// firstOf gives the only error of a list as it is, with its kind and hints, and several joined.
func firstOf(list ...error) error {
	list = slices.DeleteFunc(list, func(err error) bool { return err == nil })
	if len(list) == 1 {
		return list[0]
	}
	return errors.Join(list...)
}
