package control

import (
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
	if more := len(events) - limit; more > 0 {
		events, t.More = events[more:], true
	}
	t.Events = events
	return t, err
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
