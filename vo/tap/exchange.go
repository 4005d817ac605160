package tap

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// exchange is one HTTP request within the archive's budget, and its answer.
type exchange struct {
	outer   context.Context // the caller's
	ctx     context.Context // ends with the timeout too
	cancel  context.CancelFunc
	timeout time.Duration
	resp    *http.Response
	raw     io.Closer // the body as it came
	body    *answer
	took    time.Duration // until the answer began
	tell    func(ending)
}

// send waits for the budget, which counts against ctx alone, and then asks; timeout is for the
// whole answer. Where err is not nil, x is nil only if nothing was sent. x must be closed.
func (c *Client) send(ctx context.Context, via *http.Client, req *http.Request, timeout time.Duration, limit int64) (x *exchange, err error) {
	tell, err := c.options.Budget.admit(ctx, c.options.Wait)
	if err != nil {
		return nil, err
	}
	x = &exchange{outer: ctx, timeout: timeout, tell: tell}
	x.ctx, x.cancel = context.WithTimeout(ctx, timeout)
	req = req.WithContext(x.ctx)
	req.Header.Set("User-Agent", c.options.UserAgent)
	c.stats.requests.Add(1)
	begun := c.options.Now()
	if x.resp, err = x.do(via, req); err != nil {
		return x, err
	}
	x.raw = x.resp.Body
	x.took = c.options.Now().Sub(begun)
	var src io.Reader = x.resp.Body
	if x.resp.Header.Get("Content-Encoding") == "gzip" && !x.resp.Uncompressed {
		src = &gunzip{src: src} // the transport left it to us
	}
	x.body = &answer{src: src, limit: limit, read: &c.stats.bytes}
	return x, nil
}

// do sends the request. A panic of the transport gives back what the budget allowed for it: a trial that
// is never ended would keep the breaker as it is for ever.
func (x *exchange) do(via *http.Client, req *http.Request) (*http.Response, error) {
	ended := false
	defer func() {
		if !ended {
			x.tell(ending{verdict: abandoned})
			x.cancel()
		}
	}()
	resp, err := via.Do(req)
	ended = true
	return resp, err
}

// close ends the exchange and tells the budget how it went.
func (x *exchange) close(err error) {
	e := ending{}
	var failed *failure
	switch {
	case errors.As(err, &failed):
		e = ending{verdict: failed.health, after: failed.after, why: failed.err.Error()}
	case err == nil && x.resp != nil:
		e.took = x.took
	}
	x.closeAs(e)
}

// byStatus is the ending of an exchange of which the status alone tells about the archive.
func byStatus(resp *http.Response, after time.Duration, what string) ending {
	e := ending{after: after, why: fmt.Sprintf("%s: HTTP %d", what, resp.StatusCode)}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		e.verdict = busy
	case code > http.StatusInternalServerError:
		e.verdict = down
	}
	return e
}

func (x *exchange) closeAs(e ending) {
	if x.outer.Err() != nil {
		e = ending{verdict: abandoned}
	}
	x.tell(e)
	if x.raw != nil {
		_ = x.raw.Close() // what mattered of it was read
	}
	x.cancel()
}

// timedOut holds when the time of this one request was over.
func (x *exchange) timedOut() bool {
	return errors.Is(x.ctx.Err(), context.DeadlineExceeded) && x.outer.Err() == nil
}

// answer reads a body up to a limit, counts it, and keeps how it begins.
type answer struct {
	src   io.Reader
	limit int64
	used  int64
	read  *atomic.Int64
	head  []byte
}

// headBytes is how much of an answer is kept to show it.
const headBytes = 4096

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.src.Read(p)
	a.read.Add(int64(n))
	if room := headBytes - len(a.head); room > 0 {
		a.head = append(a.head, p[:min(n, room)]...)
	}
	if a.used += int64(n); a.used > a.limit {
		return 0, &limitError{a.limit}
	}
	return n, err
}

// gunzip begins to decompress when it is first read.
type gunzip struct {
	src io.Reader
	gz  *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.gz == nil {
		gz, err := gzip.NewReader(g.src)
		if err != nil {
			return 0, err
		}
		g.gz = gz
	}
	return g.gz.Read(p)
}
