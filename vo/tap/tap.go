// Package tap asks archives that speak the Table Access Protocol (IVOA Recommendation TAP 1.1, with
// DALI 1.1 for its parameters and errors, UWS 1.1 for its jobs and VOSI 1.1 for what it says about
// itself): ADQL queries, with tables uploaded along, answered as VOTables.
//
// An answer counts only when its document was read to the end without an ERROR or an OVERFLOW, so
// no rows means that the archive said so. That is why CSV is never asked for: it cannot tell that
// its rows were cut, or that the query failed in the middle of them. Every error is a fault:
// Unavailable where nothing is known and asking again may help, Invalid where the query or the
// settings must change.
//
// A query is asked synchronously or as a job. The address of a job can be kept (Jobs), so that a
// process that is started again goes on with it instead of beginning another. How much an archive
// is asked at a time, and whether it is asked at all while it fails, is up to a Budget that all its
// Clients share.
package tap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"beampipe/fault"
	"beampipe/vo/uws"
	"beampipe/vo/votable"
)

// Options says which archive a Client asks, and how. Only URL is needed.
type Options struct {
	Name      string            // adapter's name, for messages; default: the host
	URL       string            // the service's base, or its …/sync; http or https
	Transport http.RoundTripper // nil: a copy of http.DefaultTransport of the Client's own
	Timeout   time.Duration     // for one HTTP request, the body included; default 30 s
	Retries   int               // attempts after the first; 0 is none
	MaxRec    int               // sent as MAXREC; default 100000
	MaxBody   int64             // bytes of one answer, decompressed; default 256 MiB
	UserAgent string            // default "beampipe"

	Mode          Mode                  // how queries are asked; default Auto
	MaxWait       time.Duration         // for a whole job, from its beginning or from when it was found again; default 30 min
	MaxRecLimit   int                   // how far an OVERFLOW raises MAXREC; default 2,000,000
	Serialization votable.Serialization // of answers, where the archive does as it is asked; default TableData
	Budget        *Budget               // nil: no bounds
	Jobs          Jobs                  // nil: jobs are not kept, and end with the call that made them
	// Credentials is asked for each request to the archive's own host and port; nothing else gets them,
	// whatever redirects say. nil, or giving nil: none.
	Credentials func(ctx context.Context) (*Credential, error)

	Wait   func(ctx context.Context, d time.Duration) error // waits between attempts; nil: a timer
	Jitter func() float64                                   // in [0,1); nil: math/rand
	Now    func() time.Time                                 // for Retry-After as a date; nil: time.Now
}

// The defaults of Options.
const (
	DefaultTimeout = 30 * time.Second
	DefaultMaxRec  = 100_000
	DefaultMaxBody = 256 << 20
	DefaultMaxWait = 30 * time.Minute

	DefaultMaxRecLimit = 2_000_000
)

// MaxRetries bounds Options.Retries.
const MaxRetries = 20

// Client asks one archive. It keeps the archive's connections and is safe for concurrent use.
type Client struct {
	options Options
	base    string
	http    *http.Client // follows redirects
	direct  *http.Client // does not
	uws     *uws.Client
	stats   counters
	lately  lately
	limits  *cached[Limits]
	tables  *cached[[]SchemaTable]
}

// Stats counts what a Client did since it was made.
type Stats struct {
	Requests int64 // HTTP requests begun, retries included, redirects not
	Retries  int64 // requests that repeated a failed one
	Bytes    int64 // of answers read, decompressed
}

type counters struct{ requests, retries, bytes atomic.Int64 }

// New makes a Client. A URL that is not an http or https address without user, query or fragment,
// and a negative number, are fault.Invalid.
func New(o Options) (*Client, error) {
	base, err := baseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Name == "" {
		o.Name = base.Host
	}
	for what, n := range map[string]int64{"Timeout": int64(o.Timeout), "Retries": int64(o.Retries), "MaxRec": int64(o.MaxRec), "MaxBody": o.MaxBody, "MaxWait": int64(o.MaxWait), "MaxRecLimit": int64(o.MaxRecLimit)} {
		if n < 0 {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("archive %s: %s is %d", o.Name, what, n), "give a number of at least 0")
		}
	}
	if o.Retries > MaxRetries {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("archive %s: %d retries", o.Name, o.Retries), fmt.Sprintf("give at most %d", MaxRetries))
	}
	if err := checkMode(o.Mode); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "archive "+o.Name, "correct the mode")
	}
	c := &Client{options: o.withDefaults(), base: base.String(), limits: newCached[Limits](), tables: newCached[[]SchemaTable]()}
	transport := c.options.Transport
	if o.Credentials != nil {
		transport = &authorizer{next: transport, archive: base, credentials: o.Credentials}
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: checkRedirect}
	c.direct = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.uws = uws.New(uws.Options{
		Do: c.doJob, Timeout: c.options.Timeout, UserAgent: c.options.UserAgent,
		Wait: c.options.Wait, Now: c.options.Now, Jitter: c.options.Jitter,
	})
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.Transport == nil {
		if t, ok := http.DefaultTransport.(*http.Transport); ok {
			own := t.Clone()
			own.MaxIdleConnsPerHost = 16
			o.Transport = own
		}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxRec == 0 {
		o.MaxRec = DefaultMaxRec
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.MaxWait == 0 {
		o.MaxWait = DefaultMaxWait
	}
	if o.MaxRecLimit == 0 {
		o.MaxRecLimit = DefaultMaxRecLimit
	}
	if o.UserAgent == "" {
		o.UserAgent = "beampipe"
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// baseURL checks an address and takes a /sync off its end.
func baseURL(raw string) (*url.URL, error) {
	const try = "give the address of the archive's TAP service, such as https://archive.example/tap"
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		// The parser's error repeats the address, which may hold a password.
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return nil, fault.Wrap(fault.Invalid, err, "read the TAP address", try)
	}
	problem := ""
	switch {
	case u.User != nil:
		return nil, fault.New(fault.Invalid, fmt.Sprintf("TAP address of host %q: it holds a user or password", u.Host), try)
	case u.Scheme != "http" && u.Scheme != "https":
		problem = "it does not begin with http:// or https://"
	case u.Host == "":
		problem = "it names no host"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		problem = "it has a query or a fragment"
	}
	if problem != "" {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("TAP address %q: %s", raw, problem), try)
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	path = strings.TrimRight(strings.TrimSuffix(path, "/sync"), "/")
	u.RawPath = path
	if u.Path, err = url.PathUnescape(path); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, fmt.Sprintf("TAP address %q", raw), try)
	}
	return u, nil
}

// Name gives the adapter's name.
func (c *Client) Name() string { return c.options.Name }

// URL gives the service's base address, without /sync.
func (c *Client) URL() string { return c.base }

// Stats gives the counters.
func (c *Client) Stats() Stats {
	return Stats{Requests: c.stats.requests.Load(), Retries: c.stats.retries.Load(), Bytes: c.stats.bytes.Load()}
}

// Close closes the connections that wait for another request. The Client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// maxRedirects bounds the redirects of one request.
const maxRedirects = 5

// redirectError says why a redirect was not followed.
type redirectError struct{ why string }

func (e *redirectError) Error() string { return e.why }

// checkRedirect lets a request follow 302, 303 and 307 to the same scheme or from http to https.
func checkRedirect(next *http.Request, before []*http.Request) error {
	last := before[len(before)-1]
	code := 0
	if next.Response != nil {
		code = next.Response.StatusCode
	}
	switch {
	case len(before) > maxRedirects:
		return &redirectError{fmt.Sprintf("more than %d redirects", maxRedirects)}
	case code != http.StatusFound && code != http.StatusSeeOther && code != http.StatusTemporaryRedirect:
		return &redirectError{fmt.Sprintf("the service has moved to %s (HTTP %d)", next.URL.Redacted(), code)}
	case next.URL.Scheme != last.URL.Scheme && next.URL.Scheme != "https":
		return &redirectError{fmt.Sprintf("a redirect from %s to %s", last.URL.Scheme, next.URL.Redacted())}
	}
	return nil
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
