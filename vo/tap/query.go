package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"beampipe/fault"
	"beampipe/vo/votable"
)

// Table is a whole answer: its columns, and for each row one text per column, null as "".
type Table struct {
	Fields []votable.Field
	Rows   [][]string
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

// Query runs an ADQL query and gives its whole answer, at most Options.MaxRec rows. A failure that
// may pass is retried as Options.Retries says, also in the middle of the rows.
//
// Errors: fault.Unavailable for timeouts, broken connections, HTTP 408, 429 and 5xx, answers that
// are cut or are no VOTable, and refusals for a busy archive; fault.Invalid, with the archive's own
// words, for every other refusal, and wrapping votable.ErrOverflow for an answer that is not whole.
// When ctx ends, its error is in the chain.
func (c *Client) Query(ctx context.Context, adql string) (*Table, error) {
	table := &Table{}
	begin := func(fields []votable.Field) { table.Fields, table.Rows = fields, nil }
	row := func(_ []votable.Field, cells []string) error {
		table.Rows = append(table.Rows, cells)
		return nil
	}
	if err := c.ask(ctx, adql, begin, row, true); err != nil {
		return nil, err
	}
	return table, nil
}

// Each runs an ADQL query and hands over its rows as they arrive; cells is the callee's to keep.
// An error of row stops the query and is returned as it is. Errors are those of Query, and one can
// come after rows were given: then the rows were not the whole answer. Nothing is retried after the
// first row. Options.Timeout includes the time that row takes.
func (c *Client) Each(ctx context.Context, adql string, row func(fields []votable.Field, cells []string) error) error {
	return c.ask(ctx, adql, func([]votable.Field) {}, row, false)
}

// failure is why an attempt did not give an answer.
type failure struct {
	err       error
	transient bool          // worth another attempt
	after     time.Duration // the archive asks to wait this long; 0: it does not say
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// ask runs attempts until one succeeds. begin is called before the rows of each attempt; again says
// that rows may be given twice, after another begin.
func (c *Client) ask(ctx context.Context, adql string, begin func([]votable.Field), row func([]votable.Field, []string) error, again bool) error {
	for attempt := 0; ; attempt++ {
		given, err := c.attempt(ctx, adql, begin, row)
		var failed *failure
		if !errors.As(err, &failed) {
			return err
		}
		if !failed.transient || attempt == c.options.Retries || (given && !again) || errors.Is(failed.err, ctx.Err()) {
			return c.explain(failed, attempt+1)
		}
		if err := c.options.Wait(ctx, c.delay(attempt, failed.after)); err != nil {
			return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("wait to try again after: %s", failed.err), "")
		}
		c.stats.retries.Add(1)
	}
}

// explain adds to a failure how often it was tried.
func (c *Client) explain(failed *failure, attempts int) error {
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

// attempt asks once. given says whether rows were handed over. An error that is not a *failure is
// the caller's own, from row.
func (c *Client) attempt(ctx context.Context, adql string, begin func([]votable.Field), row func([]votable.Field, []string) error) (given bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	req, err := c.request(ctx, adql)
	if err != nil {
		return false, &failure{err: err}
	}
	c.stats.requests.Add(1)
	resp, err := c.http.Do(req)
	if err != nil {
		return false, c.notAnswered(ctx, err)
	}
	defer resp.Body.Close()
	body := &answer{src: resp.Body, limit: c.options.MaxBody, read: &c.stats.bytes}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return false, c.refused(ctx, resp, body)
	}
	rd, err := votable.NewReader(body, votable.Limits{})
	if err != nil {
		return false, c.badAnswer(ctx, err, body)
	}
	begin(rd.Fields())
	for {
		if err := rd.Next(nil); err != nil {
			return given, c.ended(ctx, err, rd, body)
		}
		given = true
		if err := row(rd.Fields(), rd.Text()); err != nil {
			return given, err
		}
	}
}

// ended judges how the rows ended; nil is the good end.
func (c *Client) ended(ctx context.Context, err error, rd *votable.Reader, body *answer) error {
	if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return c.badAnswer(ctx, err, body)
	}
	if len(rd.Fields()) == 0 {
		return &failure{err: fault.New(fault.Unavailable, c.doing()+": the answer is a VOTable without a table", c.tryAddress())}
	}
	return nil
}

const (
	tableData   = "application/x-votable+xml;serialization=TABLEDATA"
	formContent = "application/x-www-form-urlencoded"
)

// request makes the POST of a synchronous query.
func (c *Client) request(ctx context.Context, adql string) (*http.Request, error) {
	form := url.Values{
		"REQUEST":        {"doQuery"},
		"LANG":           {"ADQL"},
		"FORMAT":         {tableData}, // TAP 1.0
		"RESPONSEFORMAT": {tableData}, // TAP 1.1
		"MAXREC":         {strconv.Itoa(c.options.MaxRec)},
		"QUERY":          {adql},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/sync", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, c.doing(), c.tryAddress())
	}
	req.Header.Set("Content-Type", formContent)
	req.Header.Set("Accept", "application/x-votable+xml, text/xml;q=0.9, application/xml;q=0.8, */*;q=0.1")
	req.Header.Set("User-Agent", c.options.UserAgent)
	return req, nil
}

func (c *Client) doing() string { return fmt.Sprintf("query %s (%s/sync)", c.Name(), c.base) }

func (c *Client) tryAddress() string {
	return fmt.Sprintf("check that %s is the address of archive %s's TAP service, and that the service is up", c.base, c.Name())
}
