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
	"sync/atomic"
	"time"

	"beampipe/fault"
	"beampipe/vo/votable"
)

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

func soundsBusy(words string) bool {
	words = strings.ToLower(words)
	for _, phrase := range busyPhrases {
		if strings.Contains(words, phrase) {
			return true
		}
	}
	return false
}

// notAnswered judges a request that got no response.
func (c *Client) notAnswered(ctx context.Context, err error) *failure {
	var moved *redirectError
	if errors.As(err, &moved) {
		return &failure{err: fault.Wrap(fault.Invalid, moved, c.doing()+": not followed", "give the archive's present address in the project's adapters, or with --archive "+c.Name()+"=URL")}
	}
	return c.interrupted(ctx, err)
}

// interrupted judges an error of the connection, before or in the body.
func (c *Client) interrupted(ctx context.Context, err error) *failure {
	what := c.doing()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		what += fmt.Sprintf(": no complete answer within %s", c.options.Timeout)
	}
	return &failure{err: fault.Wrap(fault.Unavailable, err, what, "nothing is known; it is asked again later"), transient: true}
}

// maxRefusalBytes bounds what is read of the body of a refusal.
const maxRefusalBytes = 1 << 20

// refused judges a response whose HTTP status is not 2xx.
func (c *Client) refused(ctx context.Context, resp *http.Response, body *answer) *failure {
	raw, err := io.ReadAll(io.LimitReader(body, maxRefusalBytes))
	if err != nil && len(raw) == 0 && ctx.Err() != nil {
		return c.interrupted(ctx, err)
	}
	words := errorWords(raw)
	busy := resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout || soundsBusy(words)
	what := fmt.Sprintf("%s: HTTP %d: %s", c.doing(), resp.StatusCode, firstWords([]byte(words)))
	if busy {
		return &failure{
			err:       fault.New(fault.Unavailable, what, "the archive cannot answer now; it is asked again later"),
			transient: true,
			after:     c.retryAfter(resp.Header.Get("Retry-After")),
		}
	}
	return &failure{err: fault.New(fault.Invalid, what, "correct the query, or the archive's address")}
}

// errorWords gives the message of an ERROR document, else the text itself.
func errorWords(raw []byte) string {
	rd, err := votable.NewReader(bytes.NewReader(raw), votable.Limits{})
	for err == nil {
		err = rd.Next(nil)
	}
	var status *votable.StatusError
	if errors.As(err, &status) {
		return status.Message
	}
	return string(raw)
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

// badAnswer judges an error of reading a 2xx answer.
func (c *Client) badAnswer(ctx context.Context, err error, body *answer) *failure {
	var (
		status   *votable.StatusError
		syntax   *votable.SyntaxError
		tooLarge *limitError
	)
	switch {
	case errors.As(err, &status):
		what := c.doing() + ": the archive refused it: " + firstWords([]byte(status.Message))
		if soundsBusy(status.Message) {
			return &failure{err: fault.New(fault.Unavailable, what, "the archive cannot answer now; it is asked again later"), transient: true}
		}
		return &failure{err: fault.New(fault.Invalid, what, "correct the query")}
	case errors.Is(err, votable.ErrOverflow):
		return &failure{err: fault.Wrap(fault.Invalid, err, fmt.Sprintf("%s, MAXREC %d", c.doing(), c.options.MaxRec), "raise the row limit (MaxRec), or narrow the query until its answer fits")}
	case errors.As(err, &tooLarge):
		return &failure{err: fault.Wrap(fault.Invalid, err, c.doing(), "raise MaxBody, or narrow the query")}
	case errors.Is(err, fault.Invalid): // another serialization
		return &failure{err: fault.Wrap(fault.Invalid, err, c.doing(), "")}
	case !errors.As(err, &syntax):
		return c.interrupted(ctx, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{err: fault.Wrap(fault.Unavailable, err, c.doing()+": the answer is cut", "nothing is known; it is asked again later"), transient: true}
	case !body.looksLikeVOTable():
		return &failure{err: fault.New(fault.Unavailable, fmt.Sprintf("%s: not a VOTable; the answer begins: %s", c.doing(), firstWords(body.head)), c.tryAddress())}
	}
	return &failure{err: fault.Wrap(fault.Unavailable, err, c.doing()+": a broken answer", "report it to the archive: its VOTable is malformed")}
}

// wordBytes bounds an archive's own words in an error.
const wordBytes = 512

// firstWords gives the first 512 bytes of a text on one line, as valid UTF-8.
func firstWords(raw []byte) string {
	cut := len(raw) > wordBytes
	if cut {
		raw = raw[:wordBytes]
	}
	text := strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(raw), ""))
	text = strings.Join(strings.Fields(text), " ")
	switch {
	case text == "":
		return "(no text)"
	case cut:
		return text + " …"
	}
	return text
}

// answer reads a body up to a limit, counts it, and keeps how it begins.
type answer struct {
	src   io.Reader
	limit int64
	used  int64
	read  *atomic.Int64
	head  []byte
}

// limitError says that an answer is past Options.MaxBody.
type limitError struct{ limit int64 }

func (e *limitError) Error() string {
	return fmt.Sprintf("the answer is longer than %d bytes (MaxBody)", e.limit)
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.src.Read(p)
	a.read.Add(int64(n))
	if room := wordBytes + 1 - len(a.head); room > 0 {
		a.head = append(a.head, p[:min(n, room)]...)
	}
	if a.used += int64(n); a.used > a.limit {
		return 0, &limitError{a.limit}
	}
	return n, err
}

// looksLikeVOTable holds when the root element of a VOTable is near the beginning.
func (a *answer) looksLikeVOTable() bool {
	return bytes.Contains(a.head, []byte("VOTABLE")) || bytes.Contains(a.head, []byte("V\x00O\x00T\x00A\x00B\x00L\x00E"))
}
