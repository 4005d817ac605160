package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"beampipe/bench/grown"
	"beampipe/control"
	"beampipe/fault"
	"beampipe/ledger"
)

// Settings of the lists bench.
const (
	listSamples = 200  // of each combination of filters
	listPage    = 50   // rows of a page, as the command line asks for
	listKnown   = 2000 // executions and sources of the ledger that filters name
	listGoal    = 10.0 // ms
)

// listing is one list with one combination of filters.
type listing struct {
	list, filters string
	ask           func(ctx context.Context) error
	ms            []float64
	cold          float64
}

// listBench is a grown ledger that is asked.
type listBench struct {
	ledger  *ledger.Ledger
	control *control.Local
	path    string
	chance  *rand.Rand

	executions []ledger.Execution // some, from all years
	sources    []ledger.Source
	projects   []string
	lookups    []float64 // ms of the reference
}

// lists measures how long a page of a list takes, through control as the command line asks: executions,
// sources, events, ticks and products, narrowed by every filter alone and by every two of them, with values
// that match much, little or nothing, on the first page and deep ones; and an id that is found by its end,
// and the counts of a project. Each figure is the worst p99 of all combinations of one list; those of each
// stand below it. The reference in the same run, asked between them, is one execution by its id.
//
// Warm means that the operating system has read the whole file before, and keeps what its memory holds;
// cold_ms is the slowest page with the file dropped from memory before each.
//
// Flags: "size" is small (the default) or full; "dir" keeps the ledger in a folder, where the next run finds
// it; "samples" of each combination instead of 200.
func lists(ctx context.Context, o Options) ([]Row, error) {
	samples, err := positive(o, "samples", listSamples)
	if err != nil {
		return nil, err
	}
	name := o.Flags["size"]
	if name == "" {
		name = "small"
	}
	size, ok := grown.Sizes[name]
	if !ok {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("bench lists: there is no size %.40q", name), "choose small or full")
	}
	dir := o.Flags["dir"]
	if dir == "" {
		dir = o.Dir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "bench lists", "choose a folder that can be written to")
	}
	path := filepath.Join(dir, "grown-"+name+".db")
	made, err := grown.Make(ctx, path, size, func(what string) { o.Log.Info("bench lists", "making", what) })
	if err != nil {
		return nil, err
	}
	if err := warm(path); err != nil {
		return nil, err
	}
	b := &listBench{path: path, chance: rand.New(rand.NewPCG(7, 7))}
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	defer func() { b.ledger.Close() }()
	if err := b.know(ctx); err != nil {
		return nil, err
	}
	all := b.listings()
	if err := b.measure(ctx, all, samples); err != nil {
		return nil, err
	}
	cold, err := b.coldly(ctx, all)
	if err != nil {
		return nil, err
	}
	return b.rows(o, made, all, cold), nil
}

func (b *listBench) open(ctx context.Context) (err error) {
	if b.ledger, err = ledger.Open(ctx, b.path, ledger.Options{}); err != nil {
		return err
	}
	b.control, err = control.NewLocal(control.LocalOptions{Ledger: b.ledger, Actor: grown.Actor})
	return err
}

// know reads what filters will name.
func (b *listBench) know(ctx context.Context) error {
	v := b.ledger.View(ctx)
	projects, err := v.Projects()
	if err != nil {
		return err
	}
	for _, p := range projects {
		b.projects = append(b.projects, p.ID)
	}
	oldest, err := v.Executions(ledger.ExecutionFilter{Oldest: true, Limit: 1})
	if err != nil || len(oldest) == 0 {
		return errors.Join(err, fault.New(fault.Invalid, "bench lists: the ledger holds no execution", ""))
	}
	newest, err := v.Executions(ledger.ExecutionFilter{Limit: listKnown / 2})
	if err != nil {
		return err
	}
	b.executions = newest
	first, last := oldest[0].CreatedAt, newest[0].CreatedAt
	for range listKnown / 2 {
		at := first.Add(time.Duration(b.chance.Int64N(int64(last.Sub(first)))))
		some, err := v.Executions(ledger.ExecutionFilter{Until: at, Limit: 1})
		if err != nil {
			return err
		}
		b.executions = append(b.executions, some...)
	}
	for _, p := range b.projects {
		for range listKnown / len(b.projects) {
			prefix := fmt.Sprintf("HIPASSJ%04d", b.chance.IntN(2400))
			some, err := v.Sources(ledger.SourceFilter{Project: p, Prefix: prefix, Limit: 3})
			if err != nil {
				return err
			}
			b.sources = append(b.sources, some...)
		}
	}
	return nil
}

// measure asks each in turn, once with all others before the next time, so that no listing has a time of
// its own; and one execution by its id between two of them.
func (b *listBench) measure(ctx context.Context, all []*listing, samples int) error {
	for i := range samples + 1 {
		for _, l := range all {
			if err := ctx.Err(); err != nil {
				return err
			}
			ms, err := timed(ctx, l.ask)
			if err != nil {
				return fmt.Errorf("bench lists: %s by %s: %w", l.list, l.filters, err)
			}
			lookup, err := timed(ctx, func(ctx context.Context) error {
				_, err := b.ledger.View(ctx).Execution(b.some().ID)
				return err
			})
			if err != nil {
				return err
			}
			if i > 0 { // the first round reads the file
				l.ms, b.lookups = append(l.ms, ms), append(b.lookups, lookup)
			}
		}
	}
	return nil
}

// coldly asks each once after the file has been dropped from the operating system's memory; false where
// that is not possible.
func (b *listBench) coldly(ctx context.Context, all []*listing) (bool, error) {
	for _, l := range all {
		if err := b.ledger.Close(); err != nil {
			return false, err
		}
		dropped, err := drop(b.path)
		if err := errors.Join(err, b.open(ctx)); err != nil || !dropped {
			return false, err
		}
		if l.cold, err = timed(ctx, l.ask); err != nil {
			return false, err
		}
	}
	return true, nil
}

// warm reads the file once, while nothing else of this process has it open.
func warm(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

func timed(ctx context.Context, do func(ctx context.Context) error) (ms float64, err error) {
	begun := time.Now()
	err = do(ctx)
	return seconds(begun) * 1e3, err
}

// p99 is the value that 99 of 100 are not above.
func p99(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[max(0, int(math.Ceil(0.99*float64(len(sorted))))-1)]
}

func (b *listBench) rows(o Options, made grown.Made, all []*listing, cold bool) []Row {
	const reference = "one execution by its id, p99"
	lookup := p99(b.lookups)
	var rows, details []Row
	for _, list := range []string{"executions", "sources", "timeline", "ticks", "products", "resolve", "counts"} {
		worst, slowest := 0.0, 0.0
		for _, l := range all {
			if l.list != list {
				continue
			}
			ms := p99(l.ms)
			worst, slowest = max(worst, ms), max(slowest, l.cold)
			filters := l.filters
			if filters == "" {
				filters = "all"
			}
			o.Log.Info("bench lists", "list", list, "filters", filters, "median_ms", median(l.ms), "p99_ms", ms, "cold_ms", l.cold)
			details = append(details, under(list+"_p99_ms "+filters, ms, "ms", listGoal, reference, lookup))
		}
		rows = append(rows, under(list+"_p99_ms", worst, "ms", listGoal, reference, lookup))
		row := Row{Name: list + "_cold_ms", Value: slowest, Unit: "ms"}
		if !cold {
			row = Row{Name: list + "_cold_ms", Unit: "ms", Skipped: "a file cannot be dropped from memory on this system"}
		}
		details = append(details, row)
	}
	rows = append(rows,
		Row{Name: "grown_executions", Value: float64(made.Executions)}, Row{Name: "grown_sources", Value: float64(made.Sources)},
		Row{Name: "grown_events", Value: float64(made.Events)}, Row{Name: "grown_mb", Value: float64(made.Bytes) / 1e6, Unit: "MB"})
	if made.Seconds > 0 {
		rows = append(rows, Row{Name: "grown_s", Value: made.Seconds, Unit: "s"})
	}
	return append(rows, details...)
}
