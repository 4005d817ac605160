package uws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"beampipe/fault"
)

// Options says how a Client talks to services. The zero value is right for most.
type Options struct {
	// Do sends one request, follows no redirect, and gives up after timeout, the reading of the body
	// included. nil: Transport does it. Closing the body ends what Do began.
	Do        func(r *http.Request, timeout time.Duration) (*http.Response, error)
	Transport http.RoundTripper                          // nil: a copy of http.DefaultTransport of the Client's own
	Authorize func(r *http.Request) error                // adds credentials; asked for each request, also to other hosts: look at its URL. nil: none
	Timeout   time.Duration                              // for one request, beside what it asks the service to WAIT; default 30 s
	MaxPoll   time.Duration                              // the longest WAIT; default 50 s, at most 60 s; below 1 s: none is sent
	UserAgent string                                     // default "beampipe"
	Wait      func(context.Context, time.Duration) error // between polls; nil: a timer
	Now       func() time.Time                           // nil: time.Now
	Jitter    func() float64                             // in [0,1); nil: math/rand
}

// The defaults and the bounds of Options. A proxy commonly gives up after 60 s.
const (
	DefaultTimeout = 30 * time.Second
	DefaultMaxPoll = 50 * time.Second
	LongestPoll    = 60 * time.Second
)

// Client talks to UWS services. It is safe for concurrent use.
type Client struct {
	options Options
	http    *http.Client // nil where Options.Do is given
}

// New makes a Client.
func New(o Options) *Client {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxPoll == 0 {
		o.MaxPoll = DefaultMaxPoll
	}
	o.MaxPoll = min(o.MaxPoll, LongestPoll)
	if o.UserAgent == "" {
		o.UserAgent = "beampipe"
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	c := &Client{options: o}
	if o.Do == nil {
		if t, ok := http.DefaultTransport.(*http.Transport); ok && o.Transport == nil {
			o.Transport = t.Clone()
		}
		c.http = &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		c.options.Do = c.do
	}
	return c
}

// Close closes the connections that wait for another request. The Client can still be used.
func (c *Client) Close() {
	if c.http != nil {
		c.http.CloseIdleConnections()
	}
}

// do is Options.Do over the Client's own connections.
func (c *Client) do(r *http.Request, timeout time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	resp, err := c.http.Do(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &endingBody{resp.Body, cancel}
	return resp, nil
}

// endingBody ends its request's time when it is closed.
type endingBody struct {
	io.ReadCloser
	end context.CancelFunc
}

func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// AnswerError is an answer with which a service refused a request.
type AnswerError struct {
	Code   int // HTTP status
	Header http.Header
	Body   []byte // at most 1 MiB of it
}

// Error gives the status and the service's words.
func (e *AnswerError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.Code, Words(e.Body)) }

// maxRefusalBytes bounds what is kept of an answer that is not a document of ours.
const maxRefusalBytes = 1 << 20

// maxRedirects bounds the redirects of one request.
const maxRedirects = 5

// reply is an answer that was read.
type reply struct {
	url    *url.URL // what answered
	code   int
	header http.Header
	body   []byte
}

func (a *reply) refusal() *AnswerError {
	return &AnswerError{Code: a.code, Header: a.header, Body: a.body[:min(len(a.body), maxRefusalBytes)]}
}

// refused says that an answer is not what was hoped for.
func (a *reply) refused(what string) error {
	const again = "nothing is known; ask again later"
	err := a.refusal()
	switch code := a.code; {
	case code == http.StatusNotFound || code == http.StatusGone:
		return fault.Wrap(fault.NotFound, err, what, "the service does not know it (any more)")
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return fault.Wrap(fault.Unavailable, err, what, again)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fault.Wrap(fault.Invalid, err, what, "check the credentials for the service")
	}
	return fault.Wrap(fault.Invalid, err, what, "the service refuses it: its words say why")
}

// question is one request.
type question struct {
	what        string // for errors
	method, url string
	contentType string
	body        []byte
	timeout     time.Duration // 0: Options.Timeout
	limit       int64         // of the answer's body; 0: maxRefusalBytes
}

// send asks once, follows no redirect, and reads the answer.
func (c *Client) send(ctx context.Context, q question) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, q.what, "give an absolute http or https address")
	}
	if q.contentType != "" {
		req.Header.Set("Content-Type", q.contentType)
	}
	req.Header.Set("Accept", "text/xml, application/xml;q=0.9, */*;q=0.1")
	req.Header.Set("User-Agent", c.options.UserAgent)
	if c.options.Authorize != nil {
		if err := c.options.Authorize(req); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, q.what+": credentials", "")
		}
	}
	timeout := q.timeout
	if timeout == 0 {
		timeout = c.options.Timeout
	}
	resp, err := c.options.Do(req, timeout)
	if err != nil {
		return nil, unanswered(ctx, err, q.what, timeout)
	}
	defer resp.Body.Close()
	limit := max(q.limit, maxRefusalBytes)
	raw, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil && resp.StatusCode < 300 {
		return nil, unanswered(ctx, err, q.what, timeout)
	}
	return &reply{url: req.URL, code: resp.StatusCode, header: resp.Header, body: raw}, nil
}

// unanswered keeps the kind of a fault that Do gave, and makes any other error Unavailable.
func unanswered(ctx context.Context, err error, what string, timeout time.Duration) error {
	if kind := fault.KindOf(err); kind != "" {
		return fault.Wrap(kind, err, what, "")
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		what += fmt.Sprintf(": no complete answer within %s", timeout)
	}
	// url.Error repeats method and address.
	var long *url.Error
	if errors.As(err, &long) {
		err = long.Err
	}
	return fault.Wrap(fault.Unavailable, err, what, "nothing is known; ask again later")
}

// get asks and follows redirects.
func (c *Client) get(ctx context.Context, q question) (*reply, error) {
	q.method = http.MethodGet
	for range maxRedirects + 1 {
		a, err := c.send(ctx, q)
		if err != nil {
			return nil, err
		}
		switch {
		case a.code >= 200 && a.code < 300:
			return a, nil
		case a.code < 300 || a.code > 399:
			return nil, a.refused(q.what)
		}
		to, err := location(a)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, q.what, "the service sends requests somewhere else: check its address")
		}
		q.url = to.String()
	}
	return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: more than %d redirects", q.what, maxRedirects), "check the service's address")
}

// location gives where an answer points to.
func location(a *reply) (*url.URL, error) {
	header := a.header.Get("Location")
	if header == "" {
		return nil, fmt.Errorf("HTTP %d without a Location", a.code)
	}
	return resolve(a.url, header)
}

// resolve makes an address that a service gave absolute. It may be on another host, but not on a
// connection that others can read where the first was not.
func resolve(base *url.URL, ref string) (*url.URL, error) {
	to, err := base.Parse(ref)
	if err != nil {
		return nil, errors.New("an address of the service cannot be read")
	}
	switch {
	case to.User != nil:
		return nil, fmt.Errorf("an address on %q that holds a user or password", to.Host)
	case to.Scheme != "http" && to.Scheme != "https", to.Host == "":
		return nil, fmt.Errorf("an address that is not http or https: %s", to.Redacted())
	case base.Scheme == "https" && to.Scheme != "https":
		return nil, fmt.Errorf("a redirect from https to %s", to.Redacted())
	}
	to.Fragment = ""
	return to, nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
