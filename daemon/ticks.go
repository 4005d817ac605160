package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"beampipe/configs"
	"beampipe/control"
	"beampipe/ledger"
)

// tickKey names a tick: a project's discovery or execution tick, or (project "") the poll and the work.
type tickKey struct{ project, kind string }

// kindWork is not a scheduled tick: it prepares, submits and retries what is due.
const kindWork = "work"

// maxMissed bounds how many missed times are stepped over one by one; past it the watermark jumps.
const maxMissed = 10_000

// dueTime gives the latest scheduled time that has come since the watermark, and the next one after
// now. Missed times are caught up once: however many there were, the tick runs once.
func dueTime(s cron.Schedule, watermark, now time.Time) (due, next time.Time) {
	next = s.Next(watermark)
	for range maxMissed {
		if next.IsZero() || next.After(now) {
			return due, next
		}
		due = next
		next = s.Next(due)
	}
	return now, s.Next(now)
}

// startDue starts every tick whose time has come and gives the earliest time at which another will be.
func (d *Daemon) startDue(ctx context.Context) (time.Time, error) {
	v := d.ledger.View(ctx)
	projects, err := v.Projects()
	if err != nil {
		return time.Time{}, err
	}
	schedules, err := v.Schedules()
	if err != nil {
		return time.Time{}, err
	}
	if schedules, err = d.afterClockStep(ctx, v, schedules); err != nil {
		return time.Time{}, err
	}
	marks := map[tickKey]time.Time{}
	for _, s := range schedules {
		marks[tickKey{s.Project, s.Kind}] = s.Watermark
	}
	var earliest time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (earliest.IsZero() || t.Before(earliest)) {
			earliest = t
		}
	}
	failures := []error{d.releaseDeadSometimes(ctx, v)}
	for _, p := range projects {
		next, err := d.startProject(ctx, v, p, marks)
		sooner(next)
		failures = append(failures, err)
	}
	next, err := d.startWork(ctx, v)
	sooner(next)
	return earliest, errors.Join(append(failures, err)...)
}

// clockSlack is how far a watermark may lie ahead of the clock: clocks are set back a little now and then.
const clockSlack = 5 * time.Minute

// afterClockStep mends what was planned while the clock was far ahead: its ticks, sources and retries
// would not be due again before that time comes round, which can take years.
func (d *Daemon) afterClockStep(ctx context.Context, v ledger.View, schedules []ledger.Schedule) ([]ledger.Schedule, error) {
	limit := d.ledger.Now().Add(clockSlack)
	if !slices.ContainsFunc(schedules, func(s ledger.Schedule) bool { return s.Watermark.After(limit) }) {
		return schedules, nil
	}
	d.log.Warn("the clock was set back: what was planned by the time before is due by the time now")
	if err := d.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.ForgetFuture() }); err != nil {
		return nil, err
	}
	return v.Schedules()
}

// startProject starts a project's ticks that are due.
func (d *Daemon) startProject(ctx context.Context, v ledger.View, p ledger.Project, marks map[tickKey]time.Time) (time.Time, error) {
	stored, err := v.Config(p.ID, p.Revision)
	if err != nil {
		return time.Time{}, err
	}
	cfg, err := configs.FromCanonical(stored.Spec)
	if err != nil { // the other projects go on
		d.health.Problem(configProblem(p, err))
		return time.Time{}, nil
	}
	d.health.Clear(codeConfig, p.ID)
	var earliest time.Time
	for _, t := range []struct {
		kind       string
		enabled    bool
		expression *string
		run        func(context.Context) error
	}{
		{ledger.TickDiscovery, cfg.Automation.Discovery.Enabled, cfg.Automation.Discovery.Schedule, func(ctx context.Context) error { return d.discover(ctx, p.ID) }},
		{ledger.TickExecution, cfg.Automation.Execution.Enabled, cfg.Automation.Execution.Schedule, func(ctx context.Context) error { return d.admit(ctx, p.ID) }},
	} {
		if !t.enabled {
			continue
		}
		key := tickKey{p.ID, t.kind}
		next, err := d.startTick(ctx, key, t.expression, marks[key], t.run)
		if err != nil {
			return time.Time{}, err
		}
		if earliest.IsZero() || (!next.IsZero() && next.Before(earliest)) {
			earliest = next
		}
	}
	return earliest, nil
}

// startTick starts one tick when it is due and gives its next time. The watermark is stored before the
// tick runs: what a tick does is found by a query, so a tick that was cut short loses nothing.
func (d *Daemon) startTick(ctx context.Context, key tickKey, expression *string, mark time.Time, run func(context.Context) error) (time.Time, error) {
	now := d.ledger.Now()
	schedule := cron.Schedule(cron.Every(d.o.Interval))
	if expression != nil {
		var err error
		if schedule, err = configs.ParseSchedule(*expression); err != nil {
			d.health.Problem(scheduleProblem(key, err))
			return time.Time{}, nil
		}
		d.health.Clear(codeSchedule, key.String())
	}
	due, next := dueTime(schedule, mark, now)
	if mark.IsZero() {
		due, next = now, schedule.Next(now) // a new project is served at once
	}
	if due.IsZero() || d.jobs.running(key) {
		return next, nil
	}
	if err := d.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.SetWatermark(key.project, key.kind, due) }); err != nil {
		return next, err
	}
	d.start(key, run)
	return next, nil
}

// startWork starts the poll and the work loop when there is something for them.
func (d *Daemon) startWork(ctx context.Context, v ledger.View) (time.Time, error) {
	now := d.ledger.Now()
	counts, err := v.CountLive("")
	if err != nil {
		return time.Time{}, err
	}
	outside, inside := 0, counts[ledger.Pending]+counts[ledger.Preparing]+counts[ledger.Ready]
	for _, s := range []ledger.State{ledger.Submitting, ledger.Uncertain, ledger.Queued, ledger.Running, ledger.Cancelling} {
		outside += counts[s]
	}
	var earliest time.Time
	if outside > 0 {
		earliest = d.every(tickKey{"", ledger.TickPoll}, d.o.PollInterval, now, d.poll)
	}
	retry, err := v.NextRetryAt()
	if err != nil {
		return earliest, err
	}
	if inside > 0 || (retry != nil && !retry.After(now)) {
		if next := d.every(tickKey{"", kindWork}, d.o.PollInterval, now, d.work); earliest.IsZero() || next.Before(earliest) {
			earliest = next
		}
	}
	if retry != nil && retry.After(now) && (earliest.IsZero() || retry.Before(earliest)) {
		earliest = *retry
	}
	return earliest, nil
}

// every starts a job that has no schedule of its own, at most once per interval, and gives its next time.
func (d *Daemon) every(key tickKey, interval time.Duration, now time.Time, run func(context.Context) error) time.Time {
	if d.jobs.running(key) {
		return now.Add(interval) // its end wakes the loop
	}
	next := d.nextAt[key]
	if waiting := next.After(now) && next.Sub(now) <= interval; waiting && !d.jobs.nudged(key) {
		return next
	}
	d.nextAt[key] = now.Add(interval)
	d.start(key, run)
	return d.nextAt[key]
}

// start runs a job and reports how it ended.
func (d *Daemon) start(key tickKey, run func(context.Context) error) {
	d.jobs.start(key, func(ctx context.Context) {
		begun := time.Now()
		err := safely(ctx, run)
		d.metrics.tick(key.kind, time.Since(begun))
		switch {
		case ctx.Err() != nil: // stopping: what was cut short is found again
		case err != nil:
			d.log.Error("tick failed", "tick", key.kind, "project", key.project, "error", err)
			if ledger.TroubleOf(err) == "" { // else it is the ledger's problem, which the loop meets as well
				d.health.Problem(tickProblem(key, err))
			}
		default:
			d.health.Clear(codeTick, key.String())
		}
	})
}

// safely turns a panic into an error: a defect that one tick meets ends neither the others nor the daemon,
// which would only meet it again after its restart.
func safely(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("defect: %v\n%s", p, debug.Stack())
		}
	}()
	return run(ctx)
}

func (d *Daemon) discover(ctx context.Context, project string) error {
	answer, err := d.control.TickDiscovery(ctx, project)
	for _, t := range answer.Ticks {
		d.log.Log(ctx, loud(t.Claimed > 0 || t.Error != ""), "discovery tick", discoveryLine(t)...)
		if t.Error != "" {
			err = errors.Join(err, fmt.Errorf("discovery tick of %s: %s", t.Project, t.Error))
		}
	}
	return err
}

// discoveryLine tells in the log what a discovery tick found. What is seldom is named only where it is there.
func discoveryLine(t control.DiscoveryTick) []any {
	line := []any{"project", t.Project, "reason", t.Reason, "claimed", t.Claimed, "changed", t.Changed, "unchanged", t.Unchanged, "no_data", t.NoData}
	for _, seldom := range []struct {
		name string
		n    int
	}{{"missing", t.Missing}, {"gone", t.Gone}, {"ambiguous", t.Ambiguous}, {"refused", t.Refused}} {
		if seldom.n > 0 {
			line = append(line, seldom.name, seldom.n)
		}
	}
	return append(line, "failed", t.Failed, "requests", t.Requests)
}

// loud gives the level of a tick in the log: one that found nothing to do is for who looks closely.
func loud(work bool) slog.Level {
	if work {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func (d *Daemon) admit(ctx context.Context, project string) error {
	t := d.control.Admit(ctx, project, false)
	if ctx.Err() != nil && len(t.Executions) == 0 { // stopping: it said nothing about the project
		return ctx.Err()
	}
	d.log.Log(ctx, loud(len(t.Executions) > 0 || t.Error != ""), "execution tick", "project", t.Project, "reason", t.Reason, "admitted", len(t.Executions), "skipped", len(t.Skipped))
	if len(t.Executions) > 0 {
		d.nudge(kindWork)
	}
	if t.Error != "" {
		return fmt.Errorf("execution tick of %s: %s", project, t.Error)
	}
	return nil
}

func (d *Daemon) work(ctx context.Context) error {
	n, err := d.control.Work(ctx)
	if n > 0 {
		d.log.Info("executions advanced", "steps", n)
		d.nudge(ledger.TickPoll)
	}
	return err
}

func (d *Daemon) poll(ctx context.Context) error {
	answer, err := d.control.TickPoll(ctx)
	if answer.Moved > 0 {
		d.log.Info("poll", "asked", answer.Asked, "moved", answer.Moved)
		d.nudge(kindWork)
	}
	return err
}

// nudge makes a job due at once, whatever its interval. The loop is woken when the job that calls ends.
func (d *Daemon) nudge(kind string) { d.jobs.nudge(tickKey{"", kind}) }

func (k tickKey) String() string {
	if k.project == "" {
		return k.kind
	}
	return k.project + "/" + k.kind
}
