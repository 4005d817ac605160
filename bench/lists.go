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
	"sort"
	"strings"
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

func (b *listBench) some() ledger.Execution    { return b.executions[b.chance.IntN(len(b.executions))] }
func (b *listBench) someSource() ledger.Source { return b.sources[b.chance.IntN(len(b.sources))] }

// filter sets one field of a question to some value.
type filter[Q any] struct {
	name string
	set  func(q *Q)
}

// pairs makes a listing of every filter alone, of every two, and of none.
func pairs[Q any](list string, filters []filter[Q], ask func(ctx context.Context, q Q) error) []*listing {
	combined := func(chosen ...filter[Q]) *listing {
		names := []string{}
		for _, f := range chosen {
			names = append(names, f.name)
		}
		return &listing{list: list, filters: strings.Join(names, "+"), ask: func(ctx context.Context) error {
			var q Q
			for _, f := range chosen {
				f.set(&q)
			}
			return ask(ctx, q)
		}}
	}
	all := []*listing{combined()}
	for i, one := range filters {
		all = append(all, combined(one))
		for _, other := range filters[i+1:] {
			all = append(all, combined(one, other))
		}
	}
	return all
}

var allStates = []ledger.State{
	ledger.Pending, ledger.Preparing, ledger.Ready, ledger.Submitting, ledger.Uncertain, ledger.Queued, ledger.Running,
	ledger.Cancelling, ledger.Verifying, ledger.Completed, ledger.Failed, ledger.Cancelled,
}

func (b *listBench) listings() []*listing {
	all := slices.Concat(b.executionLists(), b.sourceLists(), b.eventLists(), b.tickLists(), b.productLists())
	return append(all,
		&listing{list: "resolve", filters: "end of an id", ask: func(ctx context.Context) error {
			_, err := b.ledger.View(ctx).ResolveExecution(b.some().ID[26:])
			return err
		}},
		&listing{list: "counts", filters: "a project", ask: func(ctx context.Context) error {
			p, v := b.projects[b.chance.IntN(len(b.projects))], b.ledger.View(ctx)
			_, outcomesErr := v.CountOutcomes(p)
			_, statesErr := v.CountExecutions(p)
			_, _, pendingErr := v.CountPending(p)
			_, flightErr := v.CountInFlight(p, "")
			return errors.Join(outcomesErr, statesErr, pendingErr, flightErr)
		}})
}

func (b *listBench) executionLists() []*listing {
	type query = control.ExecutionQuery
	yes := true
	state := func() ledger.State { return allStates[b.chance.IntN(len(allStates))] }
	all := []filter[query]{
		{"project", func(q *query) { q.Project = b.projects[b.chance.IntN(len(b.projects))] }},
		{"state", func(q *query) { q.States = []ledger.State{state()} }},
		{"states", func(q *query) { q.States = []ledger.State{state(), state(), ledger.Failed} }},
		{"class", func(q *query) { q.Class = []ledger.Class{ledger.ClassPlumbing, ledger.ClassScience}[b.chance.IntN(2)] }},
		{"profile", func(q *query) { q.Profile = b.some().Profile }},
		{"target", func(q *query) { q.Target = b.some().Target }},
		{"source", func(q *query) { q.Source = b.some().Sources[0].Identifier }},
		{"held", func(q *query) { q.Held = &yes }},
		{"rerun_of", func(q *query) { q.RerunOf = b.some().ID }},
		{"sbid", func(q *query) { q.Input = &ledger.Input{Kind: ledger.InputSBID, Value: b.some().Sources[0].SBIDs[0]} }},
		{"since", func(q *query) { q.Since = b.some().CreatedAt.Format(time.RFC3339) }},
		{"until", func(q *query) { q.Until = b.some().CreatedAt.Format(time.RFC3339) }},
		{"before", func(q *query) { q.Before = b.some().ID }},
	}
	return pairs("executions", all, func(ctx context.Context, q query) error {
		q.Limit = listPage
		_, err := b.control.ListExecutions(ctx, q)
		if q.Since != "" && errors.Is(err, fault.Invalid) {
			return nil // nothing is both since and until
		}
		return err
	})
}

func (b *listBench) sourceLists() []*listing {
	type query = control.SourceQuery
	yes, no := true, false
	outcomes := []string{
		ledger.OutcomeChanged, ledger.OutcomeUnchanged, ledger.OutcomeNoData, ledger.OutcomeMissing, ledger.OutcomeGone,
		ledger.OutcomeAmbiguous, ledger.OutcomeRefused, ledger.OutcomeError,
	}
	return pairs("sources", []filter[query]{
		{"project", func(q *query) { q.Project = b.projects[b.chance.IntN(len(b.projects))] }},
		{"prefix", func(q *query) { q.Prefix = b.someSource().Identifier[:7+b.chance.IntN(5)] }},
		{"outcome", func(q *query) { q.Outcome = outcomes[b.chance.IntN(len(outcomes))] }},
		{"pending", func(q *query) { q.Pending = &yes }},
		{"enabled", func(q *query) { q.Enabled = &yes }},
		{"disabled", func(q *query) { q.Enabled = &no }},
		{"quarantined", func(q *query) { q.Quarantined = &yes }},
		{"missing", func(q *query) { q.Missing = &yes }},
		{"removed", func(q *query) { q.Removed = true }},
		{"after", func(q *query) { s := b.someSource(); q.After = s.Project + "/" + s.Identifier }},
	}, func(ctx context.Context, q query) error {
		if q.Project != "" {
			_, q.After, _ = strings.Cut(q.After, "/")
		}
		q.Limit = listPage
		_, err := b.control.ListSources(ctx, q)
		return err
	})
}

func (b *listBench) eventLists() []*listing {
	type query = control.TimelineRequest
	list := []*listing{}
	for name, set := range map[string]func(q *query){
		"execution":    func(q *query) { q.Execution = b.some().ID },
		"source":       func(q *query) { e := b.some(); q.Project, q.Source = e.Project, e.Sources[0].Identifier },
		"project":      func(q *query) { q.Project = b.some().Project },
		"project+type": func(q *query) { q.Project, q.Type = b.some().Project, b.someType() },
		"type":         func(q *query) { q.Type = b.someType() },
		"source+type": func(q *query) {
			e := b.some()
			q.Project, q.Source, q.Type = e.Project, e.Sources[0].Identifier, b.someType()
		},
		"execution+type": func(q *query) { q.Execution, q.Type = b.some().ID, b.someType() },
		"":               func(*query) {},
	} {
		for _, deep := range []bool{false, true} {
			filters := name
			if deep {
				filters = strings.TrimPrefix(name+"+before", "+")
			}
			list = append(list, &listing{list: "timeline", filters: filters, ask: func(ctx context.Context) error {
				q := query{Limit: listPage}
				set(&q)
				if deep {
					last, err := b.ledger.View(ctx).CountEvents()
					if err != nil {
						return err
					}
					q.Before = 1 + b.chance.Int64N(last)
				}
				_, err := b.control.Timeline(ctx, q)
				return err
			}})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].filters < list[j].filters })
	return list
}

// someType is a type of event that there are many of, few of, or none.
func (b *listBench) someType() string {
	types := []string{"execution.created", "execution.retry", "execution.held", "execution.fail", "discovery.changed", "discovery.no_data", "ledger.pruned"}
	return types[b.chance.IntN(len(types))]
}

func (b *listBench) tickLists() []*listing {
	type query = control.TickQuery
	return pairs("ticks", []filter[query]{
		{"project", func(q *query) { q.Project = b.projects[b.chance.IntN(len(b.projects))] }},
		{"kind", func(q *query) {
			q.Kind = []string{ledger.TickDiscovery, ledger.TickExecution, ledger.TickPoll}[b.chance.IntN(3)]
		}},
		{"before", func(q *query) { q.Before = 1 + b.chance.Int64N(30_000) }},
	}, func(ctx context.Context, q query) error {
		q.Limit = listPage
		_, err := b.control.ListTicks(ctx, q)
		return err
	})
}

func (b *listBench) productLists() []*listing {
	type query = ledger.ProductFilter
	return pairs("products", []filter[query]{
		{"execution", func(q *query) { q.Execution = b.some().ID }},
		{"path", func(q *query) { q.Path = "products/" + b.some().Sources[0].Identifier + ".fits" }},
		{"withdrawn", func(q *query) { q.Withdrawn = true }},
		{"newest", func(q *query) { q.Newest = true }},
		{"after", func(q *query) { q.After = &ledger.Product{Execution: b.some().ID, Attempt: 1} }},
	}, func(ctx context.Context, q query) error {
		q.Limit = listPage
		_, err := b.ledger.View(ctx).Products(q)
		return err
	})
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
