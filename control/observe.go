package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"beampipe/ledger"
	"beampipe/provenance"
)

// maxTimelineEvents bounds one timeline.
const maxTimelineEvents = 10_000

// unattendedAfter is how long a started project may be without any tick before that is a problem. Whoever
// ticks by cron, without a daemon, does so more often.
const unattendedAfter = 15 * time.Minute

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
	problems, err := v.Problems()
	if err != nil {
		return h, err
	}
	h.Problems = append(h.Problems, problems...)
	var holder string
	if holder, h.Running = ledger.DaemonRuns(c.ledger.Path()); h.Running {
		h.Daemon = "running (process " + holder + ")"
		return h, nil
	}
	last := lastTick(h.Ticks)
	h.Daemon = "not running, and no tick was ever run"
	if !last.IsZero() {
		h.Daemon = "not running, last tick " + last.Format(minuteFormat)
	}
	projects, err := v.Projects()
	if err != nil {
		return h, err
	}
	if problem, unattended := unattended(projects, last, h.At); unattended {
		h.Problems = append(h.Problems, problem)
	}
	return h, nil
}

// minuteFormat shows a time in a sentence.
const minuteFormat = "2006-01-02 15:04 UTC"

// unattended tells whether started projects wait for a daemon that does not run.
func unattended(projects []ledger.Project, last, now time.Time) (ledger.Problem, bool) {
	var started []string
	since := last
	for _, p := range projects {
		if !p.Admitting {
			continue
		}
		started = append(started, p.ID)
		if p.AdmitAt != nil && p.AdmitAt.After(since) {
			since = *p.AdmitAt
		}
	}
	if len(started) == 0 || now.Sub(since) < unattendedAfter {
		return ledger.Problem{}, false
	}
	return ledger.Problem{
		Code: "not_attended", Title: "Nothing advances this ledger", Severity: "error", Since: since, SeenAt: now,
		Text: fmt.Sprintf("no daemon runs and no tick was run for %s; started: %s", now.Sub(since).Truncate(time.Minute), strings.Join(started, ", ")),
		Todo: "start it with: beampipe serve (or its service); or pause what shall rest: beampipe project pause PROJECT",
	}, true
}

// lastTick gives when any tick last ran; zero: never.
func lastTick(ticks []ledger.Schedule) time.Time {
	var last time.Time
	for _, t := range ticks {
		if t.LastRunAt != nil && t.LastRunAt.After(last) {
			last = *t.LastRunAt
		}
	}
	return last
}
