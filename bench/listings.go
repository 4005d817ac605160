package bench

import (
	"context"
	"errors"
	"slices"
	"sort"
	"strings"
	"time"

	"beampipe/control"
	"beampipe/fault"
	"beampipe/ledger"
)

// What the lists bench asks: every list by every filter alone and by every two of them.

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
