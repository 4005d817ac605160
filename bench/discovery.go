package bench

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"beampipe/configs"
	"beampipe/control"
	"beampipe/discovery"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/vo/archive"
)

// Settings of the discovery bench, and the goals of its rows.
const (
	discoverySources     = 1000
	discoveryLatency     = 50 * time.Millisecond
	discoveryConcurrency = 8

	requestsPart = 50.0 // set-based needs under 1/50 of the requests
	wallPart     = 20.0 // and under 1/20 of the wall time
	wallPartReal = 50.0 // under 1/50 of it on a real service
	ofLimitGoal  = 0.8
)

// discoveryBench is what both modes ask: an archive, and names to ask it for.
type discoveryBench struct {
	dir         string
	url         string
	transport   http.RoundTripper
	names       []string
	latency     time.Duration // of each request, 0 where it is not ours
	concurrency int
	wallPart    float64
}

// modeFigures is what one mode took.
type modeFigures struct {
	requests    float64
	wall        float64 // s
	conclusions map[string]string
}

// discoveryModes asks the WALLABY queries for 1,000 sources in per-source and in set-based mode, each into a
// fresh ledger, 8 requests at a time, of the embedded archive that takes 50 ms longer for each request.
// Both modes must find the same. Requests are HTTP requests of every kind, as the archive hears them.
//
// Flags: "count" sources; "latency_ms"; "concurrency"; "url" and "sources" ask a TAP service at that address for
// the identifiers in that file (one per line) instead: then no limit is known, and the goal for the wall
// time is 1/50.
func discoveryModes(ctx context.Context, o Options) ([]Row, error) {
	b, done, err := newDiscoveryBench(ctx, o)
	if err != nil {
		return nil, err
	}
	defer done()
	single, err := b.mode(ctx, false)
	if err != nil {
		return nil, err
	}
	set, err := b.mode(ctx, true)
	if err != nil {
		return nil, err
	}
	if err := sameConclusions(single.conclusions, set.conclusions); err != nil {
		return nil, err
	}
	return []Row{
		share("requests_set_based", set.requests, "", requestsPart, "requests of the per-source mode", single.requests),
		share("wall_set_based", set.wall, "s", b.wallPart, "the per-source mode", single.wall),
		b.vsLimit(single),
	}, nil
}

// vsLimit compares the per-source mode with what latency and concurrency allow at best.
func (b *discoveryBench) vsLimit(single modeFigures) Row {
	r := Row{Name: "per_source_vs_limit", Unit: "", Goal: fmt.Sprintf("at least %g", ofLimitGoal)}
	if b.latency == 0 {
		r.Skipped = "the latency of a service is not known, so no limit is"
		return r
	}
	limit := b.latency.Seconds() * single.requests / float64(b.concurrency)
	r.Reference = fmt.Sprintf("the limit of %g requests of %s, %d at a time: %.2f s", single.requests, b.latency, b.concurrency, limit)
	r.ReferenceValue = 1
	r.Value = limit / single.wall
	r.Ratio = r.Value
	r.Met = r.Value >= ofLimitGoal
	return r
}

func newDiscoveryBench(ctx context.Context, o Options) (b *discoveryBench, done func(), err error) {
	b = &discoveryBench{dir: o.Dir, url: archive.URL, wallPart: wallPart}
	n, err := positive(o, "count", discoverySources)
	if err != nil {
		return nil, nil, err
	}
	if b.concurrency, err = positive(o, "concurrency", discoveryConcurrency); err != nil {
		return nil, nil, err
	}
	if url := o.Flags["url"]; url != "" {
		b.url, b.wallPart = url, wallPartReal
		if b.names, err = sourcesFile(o.Flags["sources"], n); err != nil {
			return nil, nil, err
		}
		own := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library says so
		own.MaxIdleConnsPerHost = b.concurrency
		b.transport = own
		return b, own.CloseIdleConnections, nil
	}
	latency, err := positive(o, "latency_ms", int(discoveryLatency/time.Millisecond))
	if err != nil {
		return nil, nil, err
	}
	b.latency = time.Duration(latency) * time.Millisecond
	objects, err := objectsOf(n)
	if err != nil {
		return nil, nil, err
	}
	b.names = identifiers(objects)
	a, err := archive.Open(ctx, archive.Options{Dir: filepath.Join(o.Dir, "archive"), Latency: b.latency})
	if err != nil {
		return nil, nil, err
	}
	if err := fillArchive(ctx, a, objects); err != nil {
		a.Close()
		return nil, nil, err
	}
	b.transport = a.Transport()
	return b, func() { a.Close() }, nil
}

// positive reads a whole number from a bench's settings.
func positive(o Options, name string, otherwise int) (int, error) {
	text := o.Flags[name]
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("bench setting %s=%q: expected a whole number from 1", name, text), "")
	}
	return n, nil
}

// sourcesFile reads the first n identifiers of a file.
func sourcesFile(path string, n int) ([]string, error) {
	if path == "" {
		return nil, fault.New(fault.Invalid, "bench discovery: url is set and sources is not", "name a file with one identifier per line: --set sources=FILE")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "bench discovery: sources", "")
	}
	names := strings.Fields(string(raw))
	if len(names) < n {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("bench discovery: %s has %d identifiers, not %d", path, len(names), n), "ask for fewer: --set count=N")
	}
	return names[:n], nil
}

// mode runs one discovery tick over all sources with a ledger of its own, and times it.
func (b *discoveryBench) mode(ctx context.Context, set bool) (f modeFigures, err error) {
	name := "per_source"
	if set {
		name = "set_based"
	}
	n := len(b.names)
	cfg, err := wallabySurvey(set, name, n, b.concurrency)
	if err != nil {
		return f, err
	}
	l, err := ledger.Create(ctx, filepath.Join(b.dir, name+".db"), ledger.Options{})
	if err != nil {
		return f, err
	}
	defer l.Close()
	if err := addSurvey(ctx, l, cfg); err != nil {
		return f, err
	}
	if err := register(ctx, l, name, n, func(i int) string { return b.names[i] }); err != nil {
		return f, err
	}
	wire := &counted{next: b.transport}
	c, err := b.control(l, cfg, wire)
	if err != nil {
		return f, err
	}
	begun := time.Now()
	ticks, err := c.TickDiscovery(ctx, name)
	f.wall, f.requests = seconds(begun), float64(wire.requests.Load())
	if err != nil {
		return f, err
	}
	t := ticks.Ticks[0]
	// a service of others may hold sources that the survey cannot use, in both modes the same ones
	asked, want := t.Changed+t.NoData, n
	if b.latency == 0 {
		want = n / 2
	}
	if t.Error != "" || asked < want {
		return f, fmt.Errorf("bench discovery: %s: of %d sources %d were answered, %d are ambiguous, %d failed: %s", name, n, asked, t.Ambiguous, t.Failed, t.Error)
	}
	f.conclusions, err = conclusions(ctx, l, name)
	return f, err
}

// control gives the control that an operator has, with concurrency as the only limit that binds.
func (b *discoveryBench) control(l *ledger.Ledger, cfg *configs.Project, wire http.RoundTripper) (*control.Local, error) {
	archives := map[string]string{}
	for _, name := range cfg.Adapters.Required {
		archives[name] = b.url
	}
	n := len(b.names)
	return control.NewLocal(control.LocalOptions{
		Ledger: l, Actor: benchActor, Archives: archives, Workers: b.concurrency,
		Transport: func(string) http.RoundTripper { return wire },
		Limits: &control.Limits{Discovery: discovery.Limits{
			MaxInFlightBatches: b.concurrency, MaxBatchesPerTick: n, SourceConcurrency: b.concurrency, QueueMaxDepth: n,
		}},
	})
}

// conclusions gives the outcome and the signature of each source of a project.
func conclusions(ctx context.Context, l *ledger.Ledger, project string) (map[string]string, error) {
	list, err := l.View(ctx).Sources(ledger.SourceFilter{Project: project})
	if err != nil {
		return nil, err
	}
	found := make(map[string]string, len(list))
	for _, s := range list {
		found[s.Identifier] = s.LastOutcome + " " + s.Signature
	}
	return found, nil
}

// sameConclusions refuses figures of two modes that found different things.
func sameConclusions(single, set map[string]string) error {
	if len(single) != len(set) {
		return fmt.Errorf("bench discovery: %d sources in one mode, %d in the other", len(single), len(set))
	}
	for name, conclusion := range single {
		if set[name] != conclusion {
			return fmt.Errorf("bench discovery: %s is %q per source and %q set-based", name, conclusion, set[name])
		}
	}
	return nil
}
