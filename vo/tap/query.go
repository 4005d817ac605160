package tap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"beampipe/fault"
	"beampipe/vo/votable"
)

// Table is a whole answer: its columns, and for each row one text per column, null as "".
type Table struct {
	Fields   []votable.Field
	Rows     [][]string
	Mode     string // "sync" or "async": how the answer was got
	Attempts int    // queries sent and jobs made or resumed for it, those that failed included
}

// Column gives the index of the column with this name, else of the first that differs in case
// alone, else -1.
func (t *Table) Column(name string) int {
	for i, f := range t.Fields {
		if f.Name == name {
			return i
		}
	}
	for i, f := range t.Fields {
		if strings.EqualFold(f.Name, name) {
			return i
		}
	}
	return -1
}

// Query runs an ADQL query and gives its whole answer, at most Options.MaxRec rows. It is Run of a
// Request with nothing but ADQL, but for an OVERFLOW, which is an error at once.
func (c *Client) Query(ctx context.Context, adql string) (*Table, error) {
	return c.whole(ctx, Request{ADQL: adql}, false)
}

// Run runs a query and gives its whole answer. A failure that may pass is retried as Options.Retries
// says, also in the middle of the rows. After an OVERFLOW, or exactly MAXREC rows without a word, it
// asks again with ten times the MAXREC, up to the archive's hard limit and Options.MaxRecLimit.
//
// Errors: fault.Unavailable for timeouts, broken connections, HTTP 408, 429 and 5xx, answers that
// are cut or are no VOTable, refusals for a busy archive, an open breaker (ErrCircuitOpen) and jobs
// that did not end in Options.MaxWait; fault.Invalid, with the archive's own words, for every other
// refusal, wrapping votable.ErrOverflow for an answer that is not whole, ErrTooLarge,
// ErrUploadRefused and ErrNoService. When ctx ends, its error is in the chain.
//
// When ctx ends while a job runs, the job stays where Options.Jobs keeps its address, and a Run of
// the same Key goes on with it, in this process or in a later one.
func (c *Client) Run(ctx context.Context, r Request) (*Table, error) { return c.whole(ctx, r, true) }

func (c *Client) whole(ctx context.Context, r Request, raise bool) (*Table, error) {
	q, err := c.question(r, raise)
	if err != nil {
		return nil, err
	}
	table := &Table{}
	err = c.ask(ctx, q, sink{
		begin: func(fields []votable.Field) { table.Fields, table.Rows = fields, nil },
		row: func(_ []votable.Field, cells []string) error {
			table.Rows = append(table.Rows, cells)
			return nil
		},
		again: true,
	})
	if err != nil {
		return nil, err
	}
	table.Mode, table.Attempts = string(q.used), q.attempts
	return table, nil
}

// Each runs an ADQL query and hands over its rows as they arrive. It is RunEach of a Request with
// nothing but ADQL.
func (c *Client) Each(ctx context.Context, adql string, row func(fields []votable.Field, cells []string) error) error {
	return c.RunEach(ctx, Request{ADQL: adql}, row)
}

// RunEach runs a query and hands over its rows as they arrive; cells is the callee's to keep. An
// error of row stops the query and is returned as it is. Errors are those of Run, and one can come
// after rows were given: then the rows were not the whole answer. Nothing is asked again after the
// first row, so an OVERFLOW is an error. Options.Timeout includes the time that row takes.
func (c *Client) RunEach(ctx context.Context, r Request, row func(fields []votable.Field, cells []string) error) error {
	q, err := c.question(r, true)
	if err != nil {
		return err
	}
	begin := r.Begin
	if begin == nil {
		begin = func([]votable.Field) {}
	}
	return c.ask(ctx, q, sink{begin: begin, row: row})
}

// sink takes an answer: begin before the rows of each attempt, row for each. again says that rows
// may be given twice, after another begin.
type sink struct {
	begin func([]votable.Field)
	row   func([]votable.Field, []string) error
	again bool
}

// ask runs attempts until one succeeds.
func (c *Client) ask(ctx context.Context, q *question, s sink) error {
	defer c.leave(ctx, q)
	c.options.Budget.asked()
	for retries := 0; ; {
		mode, err := c.choose(ctx, q)
		if err != nil {
			return err
		}
		q.used = mode
		q.attempts++
		given, err := c.attempt(ctx, q, s)
		var failed *failure
		if !errors.As(err, &failed) {
			return err
		}
		final := (given && !s.again) || ctx.Err() != nil
		if !final && c.otherwise(ctx, q, failed) {
			continue
		}
		if final || !failed.transient || retries == c.options.Retries {
			return explain(failed, retries+1)
		}
		if !c.options.Budget.retry() {
			return fault.Wrap(fault.Unavailable, explain(failed, retries+1), "not tried again, the archive had its share of retries", "")
		}
		if err := c.options.Wait(ctx, c.delay(retries, failed.after)); err != nil {
			return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("wait to try again after: %s", failed.err), "")
		}
		retries++
		c.stats.retries.Add(1)
	}
}

// attempt asks once, in the mode chosen. given says whether rows were handed over. An error that is
// not a *failure is the caller's own, from sink.row.
func (c *Client) attempt(ctx context.Context, q *question, s sink) (given bool, err error) {
	release, err := c.options.Budget.slot(ctx)
	if err != nil {
		return false, &failure{err: err}
	}
	defer release()
	if q.used == Async {
		return c.attemptAsync(ctx, q, s)
	}
	return c.attemptSync(ctx, q, s)
}

// explain adds to a failure how often it was tried.
func explain(failed *failure, attempts int) error {
	if !failed.transient || attempts == 1 {
		return failed.err
	}
	return fault.Wrap(fault.Unavailable, failed.err, fmt.Sprintf("after %d attempts", attempts), "")
}

const (
	firstDelay    = 500 * time.Millisecond
	longestDelay  = 4 * time.Second
	maxRetryAfter = 60 * time.Second // how long a Retry-After of the archive is honoured
)

// delay gives the time to wait after attempt (from 0): 0.5, 1, 2, 4, 4… s and up to half of that
// again, or as long as the archive asks.
func (c *Client) delay(attempt int, after time.Duration) time.Duration {
	base := min(firstDelay<<min(attempt, 10), longestDelay)
	base += time.Duration(c.options.Jitter() * float64(base) / 2)
	return max(base, min(after, maxRetryAfter))
}

func isOverflow(f *failure) bool { return errors.Is(f.err, votable.ErrOverflow) }

func (c *Client) doing(m Mode) string {
	if m == Auto {
		m = Sync
	}
	return fmt.Sprintf("query %s (%s/%s)", c.Name(), c.base, m)
}

func (c *Client) tryAddress() string {
	return fmt.Sprintf("check that %s is the address of archive %s's TAP service, and that the service is up", c.base, c.Name())
}
