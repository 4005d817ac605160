package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"beampipe/ledger"
	"beampipe/provenance"
)

// maxTimelineEvents bounds one timeline.
const maxTimelineEvents = 10_000

// Timeline implements Control.
func (c *Local) Timeline(ctx context.Context, q TimelineRequest) (Timeline, error) {
	if err := c.needLedger(); err != nil {
		return Timeline{}, err
	}
	limit := q.Limit
	if limit <= 0 || limit > maxTimelineEvents {
		limit = maxTimelineEvents
	}
	f := ledger.EventFilter{Project: q.Project, Source: q.Source, Type: q.Type, Before: q.Before, Limit: limit + 1}
	v := c.ledger.View(ctx)
	t := Timeline{At: v.Now(), Title: "all projects"}
	switch {
	case q.Ledger:
		t.Title = "ledger " + c.ledger.Path()
		err := t.ofLedger(v, f, limit)
		return t, err
	case q.Execution != "":
		e, _, err := c.find(ctx, q.Execution)
		if err != nil {
			return t, err
		}
		f.Project, f.Source, f.Execution = "", "", e.ID
		t.Title = "execution " + e.ID
	case q.Source != "":
		if _, err := v.Source(q.Project, q.Source); err != nil {
			return t, err
		}
		t.Title = fmt.Sprintf("source %s (%s)", q.Source, q.Project)
	case q.Project != "":
		if err := knownProject(v, q.Project); err != nil {
			return t, err
		}
		t.Title = "project " + q.Project
	}
	events, err := lastEvents(v, f)
	t.keep(events, limit)
	return t, err
}

// ledgerTypes are the events that concern the ledger as a whole: who led it, moved it, and deleted from it.
var ledgerTypes = []string{
	provenance.DaemonLeads, provenance.DaemonEnded, provenance.LedgerAdopted, provenance.LedgerRestored, provenance.LedgerPruned, provenance.RetentionSet,
}

// ofLedger takes the last events of these types that a filter lets through.
func (t *Timeline) ofLedger(v ledger.View, f ledger.EventFilter, limit int) error {
	var all []provenance.Event
	types := ledgerTypes
	if f.Type != "" {
		types = []string{f.Type}
	}
	for _, f.Type = range types {
		events, err := lastEvents(v, f)
		if err != nil {
			return err
		}
		all = append(all, events...)
	}
	slices.SortFunc(all, func(a, b provenance.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	t.keep(all, limit)
	return nil
}

// keep takes the last events of a list.
func (t *Timeline) keep(events []provenance.Event, limit int) {
	if more := len(events) - limit; more > 0 {
		events, t.More = events[more:], true
	}
	t.Events = events
	if events == nil {
		t.Events = []provenance.Event{}
	}
}

// lastEvents gives the last events that a filter lets through, oldest first.
func lastEvents(v ledger.View, f ledger.EventFilter) ([]provenance.Event, error) {
	f.Newest = true
	events, err := v.Events(f)
	slices.Reverse(events)
	if events == nil {
		events = []provenance.Event{}
	}
	return events, err
}
