package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"beampipe/configs"
	"beampipe/discovery"
	"beampipe/ledger"
	"beampipe/vo/archive"
)

// Settings of the tick bench.
const (
	tickDue   = 100
	tickTimes = 15 // of a kind at each size
	tickGoal  = 20.0

	tickGap = 49 * time.Hour // between two ticks: everything that was asked about is due again
)

// tickSizes are how many sources are registered when the ticks are timed.
var tickSizes = []struct {
	name string
	n    int
}{{"1k", 1_000}, {"10k", 10_000}, {"100k", 100_000}, {"1m", 1_000_000}}

// tickBench is one ledger that grows, with a hundred sources that are due whenever its clock is moved.
type tickBench struct {
	ledger *ledger.Ledger
	cfg    *configs.Project
	engine *discovery.Engine
	canned *canned
	now    time.Time
	ticks  int // of a kind at each size
}

// tick times a discovery tick by which 100 of 1 k to 1 M registered sources are asked, set-based: begin,
// claim, ask, deal the rows, map, sign, compare, store with the events, finish; four durable writes. The
// archive's answers come from memory, at once and byte for byte those of the embedded archive; reading
// them is part of the figure. tick_ms is a tick that finds nothing new, tick_changed_ms one that finds
// new data for all 100. Each is the median of 15.
//
// The other sources are registered and due later; nothing was discovered for them. Flags: "sources" stops at
// that many registered; "ticks" of each kind at each size instead of 15.
func tick(ctx context.Context, o Options) ([]Row, error) {
	most, err := positive(o, "sources", tickSizes[len(tickSizes)-1].n)
	if err != nil {
		return nil, err
	}
	ticks, err := positive(o, "ticks", tickTimes)
	if err != nil {
		return nil, err
	}
	b, done, err := newTickBench(ctx, o)
	if err != nil {
		return nil, err
	}
	defer done()
	b.ticks = ticks
	var rows, changed []Row
	registered := tickDue
	for _, size := range tickSizes {
		if size.n > most {
			rows = append(rows, Row{Name: "tick_ms_" + size.name, Unit: "ms", Skipped: fmt.Sprintf("told to stop at %d sources", most)})
			continue
		}
		if err := b.grow(ctx, registered, size.n); err != nil {
			return nil, err
		}
		registered = size.n
		same, other, err := b.times(ctx)
		if err != nil {
			return nil, err
		}
		rows = append(rows, under("tick_ms_"+size.name, same, "ms", tickGoal, "", 0).against(rows))
		changed = append(changed, Row{Name: "tick_changed_ms_" + size.name, Value: other, Unit: "ms"}.against(changed))
		o.Log.Info("bench tick", "registered", size.n, "ms", same, "changed_ms", other)
	}
	return append(rows, changed...), nil
}

// against sets the first row of a list as the reference.
func (r Row) against(list []Row) Row {
	if len(list) > 0 && list[0].Value > 0 {
		r.Reference, r.ReferenceValue, r.Ratio = list[0].Name, list[0].Value, r.Value/list[0].Value
	}
	return r
}

func newTickBench(ctx context.Context, o Options) (b *tickBench, done func(), err error) {
	objects, err := objectsOf(tickDue)
	if err != nil {
		return nil, nil, err
	}
	a, err := archive.Open(ctx, archive.Options{Dir: filepath.Join(o.Dir, "archive")})
	if err != nil {
		return nil, nil, err
	}
	if err := fillArchive(ctx, a, objects); err != nil {
		a.Close()
		return nil, nil, err
	}
	b = &tickBench{now: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC), canned: &canned{next: a.Transport(), answers: map[string]answer{}}}
	if b.ledger, err = ledger.Create(ctx, filepath.Join(o.Dir, "beampipe.db"), ledger.Options{Now: func() time.Time { return b.now }}); err != nil {
		a.Close()
		return nil, nil, err
	}
	done = func() {
		b.ledger.Close()
		a.Close()
	}
	if err := b.setUp(ctx, identifiers(objects)); err != nil {
		done()
		return nil, nil, err
	}
	return b, done, nil
}

// setUp registers the sources that are to be due, and discovers them once.
func (b *tickBench) setUp(ctx context.Context, names []string) (err error) {
	if b.cfg, err = wallabySurvey(true, "tick", tickDue, discoveryConcurrency); err != nil {
		return err
	}
	overrides := map[string]string{}
	for _, name := range b.cfg.Adapters.Required {
		overrides[name] = archive.URL
	}
	b.engine = discovery.New(discovery.Options{
		Ledger: b.ledger, Owner: "bench",
		Archives: discovery.NewArchives(discovery.ArchiveOptions{Overrides: overrides, Transport: func(string) http.RoundTripper { return b.canned }}),
	})
	if err := addSurvey(ctx, b.ledger, b.cfg); err != nil {
		return err
	}
	if err := register(ctx, b.ledger, b.cfg.Metadata.ID, tickDue, func(i int) string { return names[i] }); err != nil {
		return err
	}
	_, err = b.once(ctx, func(r discovery.Result) int { return r.Changed })
	return err
}

// grow registers more sources, which are due in the far future only.
func (b *tickBench) grow(ctx context.Context, from, to int) error {
	now := b.now
	b.now = now.AddDate(10, 0, 0)
	defer func() { b.now = now }()
	return register(ctx, b.ledger, b.cfg.Metadata.ID, to-from, func(i int) string { return fmt.Sprintf("HIPASSJ8%07d", from+i) })
}

// times gives the median time of a tick that finds nothing new, and of one that finds new data for all.
func (b *tickBench) times(ctx context.Context) (same, changed float64, err error) {
	var unchanged, changes []float64
	for range b.ticks {
		ms, err := b.again(ctx, func(r discovery.Result) int { return r.Unchanged })
		if err != nil {
			return 0, 0, err
		}
		unchanged = append(unchanged, ms)
	}
	for range b.ticks {
		b.canned.change()
		ms, err := b.again(ctx, func(r discovery.Result) int { return r.Changed })
		if err != nil {
			return 0, 0, err
		}
		changes = append(changes, ms)
	}
	return median(unchanged), median(changes), nil
}

// again makes a tick when the hundred are due once more.
func (b *tickBench) again(ctx context.Context, outcome func(discovery.Result) int) (ms float64, err error) {
	b.now = b.now.Add(tickGap)
	return b.once(ctx, outcome)
}

// once times a tick, which must come to the same outcome for all that are due.
func (b *tickBench) once(ctx context.Context, outcome func(discovery.Result) int) (ms float64, err error) {
	begun := time.Now()
	r, err := b.engine.Tick(ctx, b.cfg.Metadata.ID)
	ms = seconds(begun) * 1e3
	if err == nil && (r.Claimed != tickDue || outcome(r) != tickDue) {
		err = fmt.Errorf("bench tick: not %d sources as expected: %+v", tickDue, r)
	}
	return ms, err
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// canned gives the answers that next gave to the same requests, from memory.
type canned struct {
	next http.RoundTripper

	mu      sync.Mutex
	answers map[string]answer
	level   int
}

type answer struct {
	status int
	header http.Header
	body   []byte // as next gave it
	now    []byte // as it is given now
}

// quality is a value of every observation of the embedded archive that a signature holds.
const quality = "NOT_VALIDATED"

// change makes every observation in the answers another one than before.
func (c *canned) change() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.level++
	for key, a := range c.answers {
		a.now = bytes.ReplaceAll(a.body, []byte(quality), fmt.Appendf(nil, "LEVEL_%d", c.level))
		c.answers[key] = a
	}
}

func (c *canned) RoundTrip(req *http.Request) (*http.Response, error) {
	key := req.Method + " " + req.URL.String()
	var sent []byte
	if req.Body != nil {
		var err error
		if sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
	}
	key += string(sent)
	c.mu.Lock()
	a, ok := c.answers[key]
	c.mu.Unlock()
	if !ok {
		var err error
		if a, err = c.ask(req, sent); err != nil {
			return nil, err
		}
		c.mu.Lock()
		c.answers[key] = a
		c.mu.Unlock()
	}
	return &http.Response{
		StatusCode: a.status, Header: a.header.Clone(), Body: io.NopCloser(bytes.NewReader(a.now)), ContentLength: int64(len(a.now)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
	}, nil
}

func (c *canned) ask(req *http.Request, sent []byte) (answer, error) {
	again := req.Clone(req.Context())
	if req.Body != nil {
		again.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := c.next.RoundTrip(again)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: body, now: body}, err
}
