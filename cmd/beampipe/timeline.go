package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/provenance"
)

func newTimelineCmd(a *app) *cobra.Command {
	return group("timeline", "What happened, in order, by whom and why", "  beampipe timeline source HIPASSJ1313-15",
		newTimelineExecutionCmd(a), newTimelineSourceCmd(a), newTimelineProjectCmd(a), newTimelineLedgerCmd(a))
}

func newTimelineExecutionCmd(a *app) *cobra.Command {
	var q control.TimelineRequest
	cmd := &cobra.Command{
		Use:     "execution ID",
		Short:   "The events of one execution",
		Example: "  beampipe timeline execution 0193a1c2",
		Args:    arguments(1, 1, "one execution id"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			q.Execution = args[0]
			return a.timeline(ctx, c, q)
		}),
	}
	timelineFlags(cmd, &q, 0)
	return cmd
}

func newTimelineSourceCmd(a *app) *cobra.Command {
	var q control.TimelineRequest
	cmd := &cobra.Command{
		Use:     "source IDENTIFIER",
		Short:   "The events of one source",
		Example: "  beampipe timeline source HIPASSJ1313-15",
		Args:    arguments(1, 1, "one identifier"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) (err error) {
			q.Source = args[0]
			if q.Project, err = a.project(ctx, c, q.Project); err != nil {
				return err
			}
			return a.timeline(ctx, c, q)
		}),
	}
	projectFlag(cmd, &q.Project)
	timelineFlags(cmd, &q, 0)
	return cmd
}

func newTimelineProjectCmd(a *app) *cobra.Command {
	var q control.TimelineRequest
	cmd := &cobra.Command{
		Use:     "project [PROJECT]",
		Short:   "The last events of a project",
		Example: "  beampipe timeline project wallaby_hires --type discovery.changed",
		Args:    arguments(0, 1, "at most one project"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) (err error) {
			if q.Project, err = a.oneProject(ctx, c, "timeline project", args, q.Project); err != nil {
				return err
			}
			return a.timeline(ctx, c, q)
		}),
	}
	projectFlag(cmd, &q.Project)
	timelineFlags(cmd, &q, 100)
	return cmd
}

func newTimelineLedgerCmd(a *app) *cobra.Command {
	q := control.TimelineRequest{Ledger: true}
	cmd := &cobra.Command{
		Use:     "ledger",
		Short:   "The last events of the ledger as a whole: who led, restored, adopted, pruned it",
		Example: "  beampipe timeline ledger --type ledger.pruned",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, _ []string) error {
			return a.timeline(ctx, c, q)
		}),
	}
	timelineFlags(cmd, &q, 100)
	return cmd
}

func timelineFlags(cmd *cobra.Command, q *control.TimelineRequest, limit int) {
	f := cmd.Flags()
	f.StringVar(&q.Type, "type", "", "only events of this `TYPE`, for example execution.fail")
	f.IntVar(&q.Limit, "limit", limit, "the last `N` events (0 = as many as one answer holds)")
	f.Int64Var(&q.Before, "before", 0, "only those before the event with this `NUMBER`")
}

func (a *app) timeline(ctx context.Context, c control.Control, q control.TimelineRequest) error {
	if q.Limit < 0 || q.Before < 0 {
		return usagef("timeline: --limit %d --before %d: expected numbers above 0", q.Limit, q.Before)
	}
	answer, err := c.Timeline(ctx, q)
	if err != nil {
		return err
	}
	if err := a.print(answer, func(p *page) {
		p.line("%s   %s, times in UTC", p.bold(answer.Title), count(len(answer.Events), "event"))
		p.events(answer.Events)
	}); err != nil || !answer.More {
		return err
	}
	a.note("there are earlier ones: --before %d", answer.Events[0].Seq)
	return nil
}

// events shows one event per line.
func (p *page) events(list []provenance.Event) {
	var rows [][]any
	for _, e := range list {
		rows = append(rows, []any{e.OccurredAt.UTC().Format(secondFormat), p.eventName(e.Type), p.faint(e.Actor), payload(e.Payload)})
	}
	if len(rows) > 0 {
		p.table("  ", nil, rows)
	}
}

func (p *page) eventName(kind string) ink {
	switch {
	case strings.HasSuffix(kind, ".fail"), strings.HasSuffix(kind, ".error"), strings.HasSuffix(kind, ".lost"):
		return p.red(kind)
	}
	return ink(clean(kind, false))
}

// maxPayload is how many characters of an event's payload a line shows.
const maxPayload = 160

// payload shows what an event carries: a transition with its reason, anything else as names and values.
func payload(raw json.RawMessage) string {
	var fields map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &fields) != nil {
		return cut(string(raw), maxPayload)
	}
	var parts []string
	from, isFrom := fields["from"].(string)
	to, isTo := fields["to"].(string)
	if isFrom && isTo {
		parts = append(parts, from+" → "+to)
		delete(fields, "from")
		delete(fields, "to")
	}
	for _, name := range []string{"why", "reason"} {
		if why, ok := fields[name].(string); ok && why != "" {
			parts = append(parts, why)
		}
		delete(fields, name)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if shown := shortDigest(value(fields[name])); shown != "" && shown != "–" {
			parts = append(parts, fmt.Sprintf("%s=%s", name, shown))
		}
	}
	return cut(strings.Join(parts, ", "), maxPayload)
}

// shortDigest shortens a sha256; any other text passes.
func shortDigest(text string) string {
	if len(text) != 64 || strings.Trim(text, "0123456789abcdef") != "" {
		return text
	}
	return short(text)
}
