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
	f := ledger.EventFilter{Project: q.Project, Source: q.Source, Limit: q.Limit}
	if f.Limit <= 0 || f.Limit > maxTimelineEvents {
		f.Limit = maxTimelineEvents
	}
	v := c.ledger.View(ctx)
	t := Timeline{At: v.Now(), Title: q.Project}
	switch {
	case q.Execution != "":
		e, _, err := c.find(ctx, q.Execution)
		if err != nil {
			return t, err
		}
		f = ledger.EventFilter{Execution: e.ID, Limit: f.Limit}
		t.Title = "execution " + e.ID
	case q.Source != "":
		if _, err := v.Source(q.Project, q.Source); err != nil {
			return t, err
		}
		t.Title = fmt.Sprintf("source %s (%s)", q.Source, q.Project)
	}
	var err error
	t.Events, err = lastEvents(v, f)
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

// Health implements Control.
func (c *Local) Health(ctx context.Context) (Health, error) {
	if err := c.needLedger(); err != nil {
		return Health{}, err
	}
	v := c.ledger.View(ctx)
	h := Health{At: v.Now(), Ledger: c.ledger.Path(), Problems: []ledger.Problem{}}
	h.Bytes, h.WALBytes = c.ledger.Size()
	var err error
	if h.Events, err = v.CountEvents(); err != nil {
		return h, err
	}
	if h.Ticks, err = v.Schedules(); err != nil {
		return h, err
	}
	holder, runs := ledger.DaemonRuns(c.ledger.Path())
	if runs {
		h.Daemon = "running (process " + holder + ")"
	} else {
		h.Daemon = "not running" + lastTick(h.Ticks)
	}
	problems, err := v.Problems()
	if err != nil {
		return h, err
	}
	h.Problems = append(h.Problems, problems...)
	return h, nil
}

func lastTick(ticks []ledger.Schedule) string {
	last := ""
	for _, t := range ticks {
		if t.LastRunAt != nil && ledger.Stamp(*t.LastRunAt) > last {
			last = ledger.Stamp(*t.LastRunAt)
		}
	}
	if last == "" {
		return ", and no tick was ever run"
	}
	return ", last tick " + last
}
