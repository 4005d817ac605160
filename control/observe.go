package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"beampipe/discovery"
	"beampipe/ledger"
)

// unattendedAfter is how long a started project may be without any tick before that is a problem. Whoever
// ticks by cron, without a daemon, does so more often.
const unattendedAfter = 15 * time.Minute

// Health implements Control.
func (c *Local) Health(ctx context.Context) (Health, error) {
	if err := c.needLedger(); err != nil {
		return Health{}, err
	}
	stored, err := c.ledger.View(ctx).Problems()
	if err != nil {
		return Health{}, err
	}
	return c.HealthNow(ctx, stored)
}

// HealthNow is Health with the problems that a daemon knows, in place of those that it last stored. With an
// error they, and what was found so far, are in the answer all the same.
func (c *Local) HealthNow(ctx context.Context, known []ledger.Problem) (Health, error) {
	v := c.ledger.View(ctx)
	h := Health{At: v.Now(), Ledger: c.ledger.Path(), Problems: []ledger.Problem{}, Ticks: []ledger.Schedule{}}
	h.Problems = append(h.Problems, slices.DeleteFunc(known, standsInLedger)...)
	h.Bytes, h.WALBytes = c.ledger.Size()
	var err error
	if h.Events, err = v.CountEvents(); err != nil {
		return h, err
	}
	if h.Ticks, err = v.Schedules(); err != nil {
		return h, err
	}
	projects, err := v.Projects()
	if err != nil {
		return h, err
	}
	pause, err := c.ledger.Paused(ctx)
	if err != nil {
		return h, err
	}
	if pause.Reason != "" {
		h.Problems = append(h.Problems, pausedProblem(pause, v))
	}
	standing, err := standing(v, projects)
	if err != nil {
		return h, err
	}
	h.Problems = append(h.Problems, standing...)
	witness, err := c.ledger.Witness()
	if err != nil {
		return h, err
	}
	if problem, found := witnessProblem(witness, h.At); found {
		h.Problems = append(h.Problems, problem)
	}
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
	if problem, unattended := unattended(projects, last, h.At); unattended {
		h.Problems = append(h.Problems, problem)
	}
	return h, nil
}

// standsInLedger tells of a problem that the ledger itself shows: what a daemon stored of it may be over.
func standsInLedger(p ledger.Problem) bool {
	return p.Code == discovery.ProblemMassChange || p.Code == discovery.ProblemQuarantine || p.Code == problemPaused
}

// standing gives the problems that the ledger itself shows, whether or not a daemon runs to report them: a
// brake that is on, sources in quarantine.
func standing(v ledger.View, projects []ledger.Project) ([]ledger.Problem, error) {
	var problems []ledger.Problem
	for _, p := range projects {
		if p.BrakeAt != nil {
			problems = append(problems, ledger.Problem{
				Code: discovery.ProblemMassChange, Subject: p.ID, Severity: "error", Since: *p.BrakeAt, SeenAt: v.Now(),
				Title: "Project " + p.ID + " admits nothing: too much changed at once", Text: p.BrakeReason,
				Todo: "look at: beampipe source list --outcome changed --project " + p.ID + "; if it is right: beampipe project release " + p.ID + " --reason TEXT",
			})
		}
		n, err := v.CountQuarantined(p.ID)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		problem, err := quarantineProblem(v, p.ID, n)
		if err != nil {
			return nil, err
		}
		problems = append(problems, problem)
	}
	return problems, nil
}

const (
	maxNamed  = 5    // sources that a problem names
	maxLooked = 1000 // sources among which the first of a problem is looked for
)

// quarantineProblem tells of a project's n sources in quarantine, and names the first of them.
func quarantineProblem(v ledger.View, project string, n int) (ledger.Problem, error) {
	yes := true
	list, err := v.Sources(ledger.SourceFilter{Project: project, Quarantined: &yes, Limit: maxLooked})
	since := v.Now()
	var names []string
	for _, s := range list {
		if s.QuarantinedAt != nil && s.QuarantinedAt.Before(since) {
			since = *s.QuarantinedAt
		}
		if len(names) < maxNamed {
			names = append(names, s.Identifier)
		}
	}
	if more := n - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	title := fmt.Sprintf("Project %s: %d sources in quarantine", project, n)
	if n == 1 {
		title = fmt.Sprintf("Project %s: 1 source in quarantine", project)
	}
	return ledger.Problem{
		Code: discovery.ProblemQuarantine, Subject: project, Severity: "warning", Since: since, SeenAt: v.Now(), Title: title,
		Text: "their answers cannot be used, and they are not asked any more: " + strings.Join(names, ", "),
		Todo: "see: beampipe source list --quarantined --project " + project + "; when it is corrected: beampipe source release NAME --reason TEXT",
	}, err
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
