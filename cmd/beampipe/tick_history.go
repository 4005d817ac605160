package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/ledger"
)

func newTickListCmd(a *app) *cobra.Command {
	var q control.TickQuery
	var beforeGiven func() bool
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Ticks that did something, the newest first",
		Long:    "Ticks that worked on something, or whose reason to do nothing changed, the newest first. An idle tick leaves no line.",
		Example: "  beampipe tick list --kind discovery --limit 10",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, _ []string) error {
			if q.Limit < 1 {
				return usagef("tick list: --limit %d: expected a number above 0", q.Limit)
			}
			if beforeGiven() && q.Before < 1 {
				return usagef("tick list: --before %d: expected the number of a tick", q.Before)
			}
			narrowed := q.Project+q.Kind != "" || q.Before != 0
			return a.pages(all, &q.Limit, func() (bool, string, error) {
				answer, err := c.ListTicks(ctx, q)
				if err != nil {
					return false, "", err
				}
				if answer.More {
					q.Before = answer.Ticks[len(answer.Ticks)-1].ID
				}
				return answer.More, fmt.Sprintf("--before %d", q.Before), a.print(answer, func(p *page) { p.tickList(answer, narrowed, all && answer.More) })
			})
		}),
	}
	f := cmd.Flags()
	beforeGiven = func() bool { return f.Changed("before") }
	f.StringVar(&q.Project, "project", "", "only of this `PROJECT`")
	f.StringVar(&q.Kind, "kind", "", "only of this `KIND`: discovery, execution, poll")
	f.IntVar(&q.Limit, "limit", 50, "at most `N`")
	f.Int64Var(&q.Before, "before", 0, "only those before the tick with this `NUMBER`")
	allFlag(cmd, &all)
	return cmd
}

func newTickShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show NUMBER",
		Short:   "One tick: what it was given, what came of it, and why it stopped",
		Example: "  beampipe tick show 12",
		Args:    arguments(1, 1, "the number of a tick, from: beampipe tick list"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return usagef("tick show %.40q: expected the number of a tick, from: beampipe tick list", args[0])
			}
			answer, err := c.ShowTick(ctx, id)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.tickDetail(answer) })
		}),
	}
}

// tickList shows a page of ticks; where each kind stands comes at the end of the last.
func (p *page) tickList(l control.TickList, narrowed, goesOn bool) {
	switch {
	case len(l.Ticks) == 0 && narrowed:
		p.line("no tick is like that")
	case len(l.Ticks) == 0:
		p.line("no tick has done anything yet; one by hand: beampipe tick discovery")
	default:
		var rows [][]any
		for _, t := range l.Ticks {
			rows = append(rows, []any{t.ID, when(t.BeganAt), orElse(t.Project, "–"), t.Kind, took(t.EndedAt.Sub(t.BeganAt)), counters(did(t)), cut(t.Reason, 80)})
		}
		p.table("", []string{"TICK", "BEGAN", "PROJECT", "KIND", "TOOK", "DID", "ENDED"}, rows)
	}
	if goesOn {
		return
	}
	var rows [][]any
	for _, s := range l.Now {
		rows = append(rows, []any{orElse(s.Project, "all"), s.Kind, whenOrNever(s.LastRunAt), s.Reason})
	}
	p.titled("last of each kind", rows)
}

// did gives what a tick counted, without the time that stands beside it anyway.
func did(t ledger.TickRun) map[string]int {
	counters := maps.Clone(t.Counters)
	delete(counters, "took_ms")
	return counters
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func (p *page) tickDetail(d control.TickDetail) {
	t := d.Tick
	p.line("tick %d   %s of %s", t.ID, p.bold(t.Kind), orElse(t.Project, "all projects"))
	p.field("began", "%s, took %s", when(t.BeganAt), took(t.EndedAt.Sub(t.BeganAt)))
	p.field("ended", "%s", t.Reason)
	p.field("note", "%s", t.Note)
	var counters [][]any
	for _, name := range slices.Sorted(maps.Keys(did(t))) {
		counters = append(counters, []any{strings.ReplaceAll(name, "_", " "), t.Counters[name]})
	}
	p.titled("counters", counters)
	var rows [][]any
	for _, s := range t.Sources {
		rows = append(rows, []any{s.Identifier, strings.ReplaceAll(s.Outcome, "_", " "), cut(s.Text, 100)})
	}
	p.titled("sources", rows)
}
