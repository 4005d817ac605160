package tap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"beampipe/fault"
)

// lately is what the last answers tell about how the next question should be asked. It is safe for
// concurrent use.
type lately struct {
	mu      sync.Mutex
	took    [slowAnswers]time.Duration
	n       int
	tooSlow bool  // one was given up, and none was quick since
	upload  int64 // uploads of so many bytes were refused synchronously; 0: none
	noAsync time.Time
}

// slowAnswers is how many slow answers in a row make the next question asynchronous.
const slowAnswers = 3

// answered notes how long an answer took, in either mode, of the time that one may take.
func (l *lately) answered(took, timeout time.Duration, timedOut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took[l.n%slowAnswers] = took
	l.n++
	l.tooSlow = timedOut || l.tooSlow && took > timeout/3
}

// slow holds when an answer was given up and none since took less than a third of what one may
// take, or when the last three all took more than that.
func (l *lately) slow(timeout time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tooSlow {
		return true
	}
	for _, took := range l.took {
		if took <= timeout/3 {
			return false
		}
	}
	return true
}

// tooLarge notes a synchronous upload that was refused for its size.
func (l *lately) tooLarge(size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if size > 0 && (l.upload == 0 || size < l.upload) {
		l.upload = size
	}
}

// refusesUpload holds for an upload as large as one that was refused.
func (l *lately) refusesUpload(size int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.upload > 0 && size >= l.upload
}

// withoutAsync notes that the archive has no jobs, whatever its capabilities say.
func (l *lately) withoutAsync(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noAsync = now
}

func (l *lately) hasNoAsync(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.noAsync.IsZero() && now.Sub(l.noAsync) < DocumentFresh
}

// choose says how the next attempt is made. Errors are those of a request that this archive cannot
// take, and of Options.Jobs.
func (c *Client) choose(ctx context.Context, q *question) (Mode, error) {
	if q.mode != Sync && !q.looked {
		if err := c.lookUp(ctx, q); err != nil {
			return "", err
		}
	}
	if q.job != "" {
		return Async, nil
	}
	limits, known := c.limitsFor(ctx, q)
	if err := c.checkUploads(q, limits, known); err != nil {
		return "", err
	}
	switch {
	case q.mode != Auto:
		return q.mode, nil
	case q.forced != Auto:
		return q.forced, nil
	case overUploads(q, limits.Sync.Uploads), c.lately.refusesUpload(q.size), c.lately.slow(c.options.Timeout):
		if c.offersAsync(ctx) {
			return Async, nil
		}
	}
	return Sync, nil
}

// limitsFor gives the archive's limits where a question has uploads. An archive that does not say
// is asked all the same.
func (c *Client) limitsFor(ctx context.Context, q *question) (limits Limits, known bool) {
	if len(q.uploads) == 0 {
		return Limits{}, false
	}
	limits, err := c.Limits(ctx)
	// Only a document with a word on what TAP can do here says by its silence that uploads cannot.
	known = err == nil && limits.TAP && (limits.Upload || len(limits.Languages) > 0 || len(limits.Formats) > 0)
	return limits, known
}

// checkUploads refuses what the archive says that it does not take in any mode left.
func (c *Client) checkUploads(q *question, limits Limits, known bool) error {
	if !known {
		return nil
	}
	what := c.doing(Sync)
	if !limits.Upload {
		return fault.Wrap(fault.Invalid, ErrUploadRefused, what+": its capabilities offer no inline upload", "ask with lists or one by one")
	}
	last := limits.Of(q.mode)
	if q.mode == Auto {
		last = limits.AsyncJobs
		if !limits.Async {
			last = limits.Sync
		}
	}
	if overUploads(q, last.Uploads) {
		return fault.Wrap(fault.Invalid, ErrTooLarge, fmt.Sprintf("%s: uploads of %d rows, %d bytes; its capabilities allow %d %ss", what, q.rows, q.size, last.Uploads.Hard, last.Uploads.Unit),
			"ask for less at a time")
	}
	return nil
}

// overUploads holds for uploads past an advertised limit.
func overUploads(q *question, l Limit) bool {
	size := q.size
	if l.Unit == "row" {
		size = q.rows
	}
	return l.Hard > 0 && size > l.Hard
}

// offersAsync says whether the archive has jobs. One that does not say what it has is not made to
// show it by a slow answer.
func (c *Client) offersAsync(ctx context.Context) bool {
	if c.lately.hasNoAsync(c.options.Now()) {
		return false
	}
	limits, err := c.Limits(ctx)
	return err == nil && limits.Async
}

// otherwise changes how a question is asked after a failure, where that can help: a higher MAXREC,
// or the other mode. Each change is made a bounded number of times.
func (c *Client) otherwise(ctx context.Context, q *question, f *failure) bool {
	switch {
	case isOverflow(f) && q.raise:
		return c.raise(ctx, q, f.rows)
	case q.mode != Auto || q.forced != Auto:
		return false
	case q.used == Sync && errors.Is(f.err, ErrTooLarge) && q.size > 0:
		c.lately.tooLarge(q.size)
		if !c.offersAsync(ctx) {
			return false
		}
		q.forced = Async
		return true
	case q.used == Async && f.noAsync:
		c.lately.withoutAsync(c.options.Now())
		q.forced = Sync
		return true
	}
	return false
}

// maxRecFactor is by how much an OVERFLOW raises MAXREC.
const maxRecFactor = 10

// raise gives a question a higher MAXREC after an answer with so many rows. Fewer than asked for
// means that the archive has a limit of its own, past which no MAXREC reaches.
func (c *Client) raise(ctx context.Context, q *question, rows int) bool {
	if rows < q.maxRec {
		return false
	}
	most := c.options.MaxRecLimit
	if limits, err := c.Limits(ctx); err == nil {
		if hard := limits.Of(q.used).Output; hard.Unit == "row" && hard.Hard > 0 {
			most = int(min(int64(most), hard.Hard))
		}
	}
	next := most
	if q.maxRec < most/maxRecFactor {
		next = max(q.maxRec, 1) * maxRecFactor
	}
	if next <= q.maxRec {
		return false
	}
	q.maxRec = next
	return true
}
