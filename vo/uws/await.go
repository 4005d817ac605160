package uws

import (
	"context"
	"errors"
	"fmt"
	"time"

	"beampipe/fault"
)

// ErrTooLong says that a job did not end in the time that it was given.
var ErrTooLong = errors.New("the job did not end in the time it was given")

const (
	maxRuns    = 10 // how often Await sends RUN to one job
	maxMoves   = 8
	gonePolls  = 2 // "there is no such job" is believed when it comes this often in a row: behind a proxy, one server may be late
	firstPause = time.Second
	maxPause   = 30 * time.Second // between two polls of a service that does not block
)

// Await watches a job until it ends, for at most budget, and gives its last document. seen, which
// may be nil, gets each document on the way.
//
// A job that is PENDING or HELD is run. A service that blocks is asked to WAIT; one that answers
// early is not asked again at once. Failures that may pass are waited out, whatever their number.
//
// The error is fault.NotFound when the job is gone, wraps ErrTooLong when the budget is over, and
// has ctx's own error in its chain when ctx ends. A job that failed is no error: look at its phase.
func (c *Client) Await(ctx context.Context, jobURL string, budget time.Duration, seen func(Job)) (Job, error) {
	w := watch{client: c, url: jobURL, budget: budget, begun: c.options.Now(), longest: c.options.MaxPoll, gap: firstPause}
	for {
		asked := c.options.Now()
		before := w.job.Phase
		err := w.ask(ctx)
		if err == nil && seen != nil {
			seen(w.job)
		}
		switch {
		case err == nil && w.job.Phase.Terminal():
			return w.job, nil
		case err == nil:
			err = w.nudge(ctx)
		case w.survives(ctx, err):
			err = nil
		}
		if err != nil {
			return w.job, err
		}
		if w.moved(before) {
			continue
		}
		if err := w.pause(ctx, c.options.Now().Sub(asked)); err != nil {
			return w.job, err
		}
	}
}

// watch is one Await.
type watch struct {
	client  *Client
	url     string
	budget  time.Duration
	begun   time.Time
	slept   time.Duration
	longest time.Duration // WAIT; shrinks where long answers get cut, 0 where the service refuses it
	gap     time.Duration // the next pause
	job     Job           // as seen last
	moves   int           // changes of the phase
	runs    int           // times RUN was sent
	gone    int           // answers in a row that there is no such job
	trouble error         // the last failure
}

// left gives the rest of the budget. It counts the pauses too, for a clock that does not move.
func (w *watch) left() time.Duration {
	return w.budget - max(w.client.options.Now().Sub(w.begun), w.slept)
}

// ask brings w.job up to date.
func (w *watch) ask(ctx context.Context) error {
	var block time.Duration
	if w.job.Phase.Active() {
		block = min(w.longest, w.left())
	}
	job, err := w.client.poll(ctx, w.url, w.job.Phase, block)
	if err != nil && block >= time.Second && ctx.Err() == nil {
		// Something between here and the service may have given up on a long answer, or the service
		// may not take WAIT.
		w.longest = block / 2
		if errors.Is(err, fault.Invalid) {
			w.longest = 0
			job, err = w.client.poll(ctx, w.url, w.job.Phase, 0)
		}
	}
	if err != nil {
		return err
	}
	w.job, w.gone = job, 0
	return nil
}

// nudge runs a job that waits for it: nobody did yet, the wish was lost, or the service holds it.
// Whether a wish that failed had an effect, the next document tells.
func (w *watch) nudge(ctx context.Context) error {
	if w.job.Phase != Pending && w.job.Phase != Held {
		return nil
	}
	if w.runs == maxRuns {
		return fault.New(fault.Unavailable, fmt.Sprintf("job %s is %s after %d times PHASE=RUN%s", w.url, w.job.Phase, w.runs, w.last()),
			"the service does not run it; try later, or ask its operator")
	}
	w.runs++
	if err := w.client.Run(ctx, w.url); err != nil {
		if w.trouble = err; ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// survives says whether to go on after a failure to ask.
func (w *watch) survives(ctx context.Context, err error) bool {
	w.trouble = err
	if errors.Is(err, fault.NotFound) {
		w.gone++
		return w.gone < gonePolls && ctx.Err() == nil
	}
	w.gone = 0
	return errors.Is(err, fault.Unavailable) && ctx.Err() == nil
}

// moved says that the job came into an active phase: the next question can WAIT, so it may follow
// at once. A service that changes its mind all the time has no such favour.
func (w *watch) moved(before Phase) bool {
	if w.job.Phase == before {
		return false
	}
	w.gap = firstPause
	w.moves++
	return w.moves <= maxMoves && w.job.Phase.Active() && w.longest >= time.Second && w.left() > 0
}

// pause waits before the next question, unless this one took as long.
func (w *watch) pause(ctx context.Context, took time.Duration) error {
	gap := w.gap + time.Duration(w.client.options.Jitter()*float64(w.gap)/2) - max(took, 0)
	w.gap = min(w.gap+w.gap/2, maxPause)
	left := w.left()
	if left <= 0 {
		phase := w.job.Phase
		if phase == "" {
			phase = Unknown
		}
		return fault.Wrap(fault.Unavailable, ErrTooLong, fmt.Sprintf("job %s is %s after %s%s", w.url, phase, w.budget, w.last()), "allow it more time, or ask for less")
	}
	if gap = min(gap, left); gap <= 0 {
		return nil
	}
	w.slept += gap
	if err := w.client.options.Wait(ctx, gap); err != nil {
		return fault.Wrap(fault.Unavailable, err, "wait for job "+w.url, "")
	}
	return nil
}

// last tells of the last failure.
func (w *watch) last() string {
	if w.trouble == nil {
		return ""
	}
	return fmt.Sprintf(" (the last failure: %s)", w.trouble)
}
