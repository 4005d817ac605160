package tap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"beampipe/fault"
	"beampipe/vo/uws"
	"beampipe/vo/votable"
)

// What a request can be refused for beside its query. Errors that wrap them are fault.Invalid.
var (
	// ErrUploadRefused says that the archive takes no uploaded tables.
	ErrUploadRefused = errors.New("the archive takes no uploaded tables")
	// ErrTooLarge says that the request is too large for the archive.
	ErrTooLarge = errors.New("the request is too large")
	// ErrNoService says that the query came to no service: what answers at the archive's address is
	// something else, has moved, or lets us not in. Of the query it says nothing.
	ErrNoService = errors.New("the query came to no service")
)

// failure is why an attempt did not give an answer.
type failure struct {
	err       error
	transient bool          // worth another attempt
	after     time.Duration // the archive asks to wait this long; 0: it does not say
	health    verdict       // what it says about the archive
	timedOut  bool          // the time of one request was over
	noAsync   bool          // the archive has no jobs
	rows      int           // given before an OVERFLOW
	code      int           // HTTP status of a refusal
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// astray is an error that is ErrNoService beside what it says.
type astray struct{ error }

func noService(err error) error { return astray{err} }

func (e astray) Unwrap() error        { return e.error }
func (e astray) Is(target error) bool { return target == ErrNoService } //nolint:errorlint // it is asked by errors.Is

const nothingKnown = "nothing is known; it is asked again later"

// notAnswered judges a request that got no response. x is nil when it was not sent.
func (c *Client) notAnswered(x *exchange, err error, what string) *failure {
	if x == nil {
		return &failure{err: err}
	}
	var moved *redirectError
	if errors.As(err, &moved) {
		return &failure{err: fault.Wrap(fault.Invalid, noService(moved), what+": not followed", "give the archive's present address in the project's adapters, or with --archive "+c.Name()+"=URL")}
	}
	var credential *credentialError
	if errors.As(err, &credential) {
		kind := fault.KindOf(credential)
		if kind == "" {
			kind = fault.Invalid
		}
		return &failure{err: fault.Wrap(kind, noService(credential.error), what+": credentials", "")}
	}
	return c.interrupted(x, err, what)
}

// interrupted judges an error of the connection, before or in the body.
func (c *Client) interrupted(x *exchange, err error, what string) *failure {
	timedOut := x.timedOut()
	if timedOut {
		what += fmt.Sprintf(": no complete answer within %s", x.timeout)
	}
	return &failure{err: fault.Wrap(fault.Unavailable, err, what, nothingKnown), transient: true, health: down, timedOut: timedOut}
}

// maxRefusalBytes bounds what is read of the body of a refusal.
const maxRefusalBytes = 1 << 20

// refused judges a response whose HTTP status is not 2xx.
func (c *Client) refused(x *exchange, q *question, what string) *failure {
	raw, err := io.ReadAll(io.LimitReader(x.body, maxRefusalBytes))
	if err != nil && len(raw) == 0 && x.ctx.Err() != nil {
		return c.interrupted(x, err, what)
	}
	return c.judge(x.resp.StatusCode, x.resp.Header, raw, q, what)
}

// judge says what a refusal with an HTTP status means.
func (c *Client) judge(code int, header http.Header, raw []byte, q *question, what string) *failure {
	f := c.judgeStatus(code, header, raw, q, what)
	f.code = code
	return f
}

func (c *Client) judgeStatus(code int, header http.Header, raw []byte, q *question, what string) *failure {
	words := uws.Words(raw)
	what = fmt.Sprintf("%s: HTTP %d: %s", what, code, words)
	switch {
	case code == http.StatusRequestEntityTooLarge:
		return tooLarge(what)
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || soundsBusy(words):
		f := &failure{err: fault.New(fault.Unavailable, what, "the archive cannot answer now; it is asked again later"), transient: true, health: down, after: c.retryAfter(header.Get("Retry-After"))}
		switch {
		case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable || soundsBusy(words):
			f.health = busy
		case code == http.StatusInternalServerError && uws.Message(raw) != "":
			f.health = answered // the service works; it may be the query
		}
		return f
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return &failure{err: noService(fault.New(fault.Invalid, what, "check the credentials for the archive"))}
	case (code == http.StatusNotFound || code == http.StatusGone || code == http.StatusMethodNotAllowed) && uws.Message(raw) == "":
		return &failure{err: noService(fault.New(fault.Invalid, what, "correct the archive's address, or wait until its service is there again"))}
	}
	if f := q.refusedForSize(words, what); f != nil {
		return f
	}
	return &failure{err: fault.New(fault.Invalid, what, "correct the query, or the archive's address")}
}

// badAnswer judges an error of reading a 2xx answer.
func (c *Client) badAnswer(x *exchange, err error, q *question, what string) *failure {
	var (
		status *votable.StatusError
		syntax *votable.SyntaxError
		long   *limitError
	)
	switch {
	case errors.As(err, &status):
		return c.refusedInWords(uws.Words([]byte(status.Message)), q, what)
	case errors.Is(err, votable.ErrOverflow):
		return &failure{err: fault.Wrap(fault.Invalid, err, fmt.Sprintf("%s, MAXREC %d", what, q.maxRec), "raise the row limit (MaxRec), or narrow the query until its answer fits")}
	case errors.As(err, &long):
		return &failure{err: fault.Wrap(fault.Invalid, err, what, "raise MaxBody, or narrow the query")}
	case errors.Is(err, fault.Invalid): // another serialization
		return &failure{err: fault.Wrap(fault.Invalid, err, what, "")}
	case !errors.As(err, &syntax):
		return c.interrupted(x, err, what)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{err: fault.Wrap(fault.Unavailable, err, what+": the answer is cut", nothingKnown), transient: true, health: down}
	case !x.body.looksLikeVOTable():
		return c.notVOTable(x, q, what)
	}
	return &failure{err: fault.Wrap(fault.Unavailable, err, what+": a broken answer", "report it to the archive: its VOTable is malformed")}
}

// refusedInWords judges an ERROR document.
func (c *Client) refusedInWords(words string, q *question, what string) *failure {
	what += ": the archive refused it: " + words
	if soundsBusy(words) {
		return &failure{err: fault.New(fault.Unavailable, what, "the archive cannot answer now; it is asked again later"), transient: true, health: busy}
	}
	if f := q.refusedForSize(words, what); f != nil {
		return f
	}
	return &failure{err: fault.New(fault.Invalid, what, "correct the query")}
}

// notVOTable judges a 2xx answer that is something else: a login or maintenance page, or the plain
// words of a service that knows no better.
func (c *Client) notVOTable(x *exchange, q *question, what string) *failure {
	words := firstWords(x.body.head)
	what += ": not a VOTable; the answer begins: " + words
	if f := q.refusedForSize(words, what); f != nil {
		return f
	}
	if soundsBusy(words) {
		return &failure{err: fault.New(fault.Unavailable, what, "the archive cannot answer now; it is asked again later"), transient: true, health: busy}
	}
	return &failure{err: fault.New(fault.Unavailable, what, c.tryAddress()), health: down}
}

// busyPhrases are the words by which archives say, in a refusal, that the same query may work
// later. CASDA sends the first four with HTTP 400.
var busyPhrases = []string{
	"tap service too busy",
	"no connection available",
	"unable to check the adql query",
	"temporarily unavailable",
	"too busy",
	"too many requests",
	"try again later",
}

func soundsBusy(words string) bool { return mentions(words, busyPhrases...) }

// mentions holds when one of the phrases, in lower case, is in a text of any case.
func mentions(text string, phrases ...string) bool {
	text = strings.ToLower(text)
	for _, phrase := range phrases {
		if strings.Contains(text, phrase) {
			return true
		}
	}
	return false
}

func tooLarge(what string) *failure {
	return &failure{err: fault.Wrap(fault.Invalid, ErrTooLarge, what, "ask for less at a time")}
}

// refusedForSize recognizes refusals of uploads and of long requests by their words; nil for others.
// Words about a column, or about time, are about the query.
func (q *question) refusedForSize(words, what string) *failure {
	about := mentions(words, "upload", "request", "entity", "payload", "post ", "body")
	big := mentions(words, "too large", "too big", "too long", "too many rows", "exceeds the maximum", "exceeds the limit", "size limit", "limit exceeded", "would only accept")
	switch {
	case about && big && !mentions(words, "time", "column"):
		return tooLarge(what)
	case len(q.uploads) == 0 || !q.blamesUpload(words):
		return nil
	}
	return &failure{err: fault.Wrap(fault.Invalid, ErrUploadRefused, what, "ask with lists or one by one")}
}

// blamesUpload holds for words that say that uploads are not taken, among them that the uploaded
// table is not there: some services pass over UPLOAD.
func (q *question) blamesUpload(words string) bool {
	if !mentions(words, "upload") || mentions(words, "column") {
		return false
	}
	if mentions(words, "field upload", "parameter upload", "ingesting upload") {
		return true
	}
	return mentions(words, "not support", "unsupported", "not allow", "not permit", "not accept", "disabled", "not enabled", "not available", "not implemented",
		"not offer", "refuse", "forbidden", "no upload", "unknown parameter", "unexpected parameter",
		"not found", "does not exist", "doesn't exist", "no such table", "unknown table", "not locate", "not be located", "not resolve", "cannot find")
}

// retryAfter reads the header of that name: seconds, or a date.
func (c *Client) retryAfter(header string) time.Duration {
	header = strings.TrimSpace(header)
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(c.options.Now()), 0)
	}
	return 0
}

// firstWords gives what the beginning of a text says.
func firstWords(raw []byte) string { return uws.Words(raw[:min(len(raw), headBytes)]) }

// limitError says that an answer is past Options.MaxBody.
type limitError struct{ limit int64 }

func (e *limitError) Error() string {
	return fmt.Sprintf("the answer is longer than %d bytes (MaxBody)", e.limit)
}

// looksLikeVOTable holds when the root element of a VOTable is near the beginning.
func (a *answer) looksLikeVOTable() bool {
	return bytes.Contains(a.head, []byte("VOTABLE")) || bytes.Contains(a.head, []byte("V\x00O\x00T\x00A\x00B\x00L\x00E"))
}

// stopped holds when err comes from the end of ctx.
func stopped(ctx context.Context, err error) bool { return err != nil && ctx.Err() != nil }
