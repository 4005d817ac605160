package tap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"beampipe/fault"
	"beampipe/vo/votable"
)

const accept = "application/x-votable+xml, text/xml;q=0.9, application/xml;q=0.8, */*;q=0.1"

// attemptSync asks once and reads the answer of the same request.
func (c *Client) attemptSync(ctx context.Context, q *question, s sink) (given bool, err error) {
	what := c.doing(Sync)
	contentType, body, err := q.form(c.options.Serialization)
	if err != nil {
		return false, &failure{err: fault.Wrap(fault.Invalid, err, what, "")}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/sync", bytes.NewReader(body))
	if err != nil {
		return false, &failure{err: fault.Wrap(fault.Invalid, err, what, c.tryAddress())}
	}
	req.Header.Set("Content-Type", contentType)
	begun := c.options.Now()
	given, err = c.read(ctx, req, q, s, what)
	var failed *failure
	timedOut := errors.As(err, &failed) && failed.timedOut
	if err == nil || timedOut {
		c.lately.answered(c.options.Now().Sub(begun), c.options.Timeout, timedOut)
	}
	return given, err
}

// read sends a request whose answer is a VOTable, and hands over its rows.
func (c *Client) read(ctx context.Context, req *http.Request, q *question, s sink, what string) (given bool, err error) {
	req.Header.Set("Accept", accept)
	x, err := c.send(ctx, c.http, req, c.options.Timeout, c.options.MaxBody)
	if x != nil {
		defer func() { x.close(err) }()
	}
	if err != nil {
		return false, c.notAnswered(x, err, what)
	}
	if x.resp.StatusCode < 200 || x.resp.StatusCode > 299 {
		return false, c.refused(x, q, what)
	}
	rd, err := votable.NewReader(x.body, votable.Limits{})
	if err != nil {
		return false, c.badAnswer(x, err, q, what)
	}
	s.begin(rd.Fields())
	for rows := 0; ; rows++ {
		if err := rd.Next(nil); err != nil {
			if err = c.ended(x, err, rd, q, rows, what); err == nil && s.again && q.raise && rows == q.maxRec {
				err = c.full(q, what)
			}
			return rows > 0, err
		}
		if err := s.row(rd.Fields(), rd.Text()); err != nil {
			return true, err
		}
	}
}

// full is the failure of an answer that has as many rows as were asked for and no OVERFLOW: not every
// service says that it left rows out, and it costs one more question to know.
func (c *Client) full(q *question, what string) *failure {
	return &failure{
		err:  fault.Wrap(fault.Invalid, votable.ErrOverflow, fmt.Sprintf("%s: it has just as many rows as MAXREC allows, %d", what, q.maxRec), "raise the row limit (MaxRec), or narrow the query until its answer fits"),
		rows: q.maxRec,
	}
}

// ended judges how the rows ended; nil is the good end.
func (c *Client) ended(x *exchange, err error, rd *votable.Reader, q *question, rows int, what string) error {
	if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		f := c.badAnswer(x, err, q, what)
		f.rows = rows
		return f
	}
	if len(rd.Fields()) == 0 {
		return &failure{err: fault.New(fault.Unavailable, what+": the answer is a VOTable without a table", c.tryAddress()), health: down}
	}
	return nil
}
