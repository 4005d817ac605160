package uws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/vo/uws"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service answers requests in this process, and notes them.
type service struct {
	t       *testing.T
	now     time.Time
	asked   []string // "GET /a?b body"
	waits   []time.Duration
	answers func(n int, r *http.Request) reply // n from 1
}

// reply is one answer of the service.
type reply struct {
	code     int // 0 is 200
	location string
	body     string
	took     time.Duration
	err      error
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.asked = append(s.asked, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.URL, body)))
	a := s.answers(len(s.asked), r)
	s.now = s.now.Add(a.took)
	if a.err != nil {
		return nil, a.err
	}
	rec := httptest.NewRecorder()
	if a.location != "" {
		rec.Header().Set("Location", a.location)
	}
	if a.code == 0 {
		a.code = 200
	}
	rec.WriteHeader(a.code)
	rec.Body = bytes.NewBufferString(a.body)
	return rec.Result(), nil
}

func newService(t *testing.T, answers func(n int, r *http.Request) reply) (*service, *uws.Client) {
	t.Helper()
	s := &service{t: t, now: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC), answers: answers}
	c := uws.New(uws.Options{
		Transport: s, Now: func() time.Time { return s.now }, Jitter: func() float64 { return 0 },
		Wait: func(ctx context.Context, d time.Duration) error {
			s.waits = append(s.waits, d)
			s.now = s.now.Add(d)
			return ctx.Err()
		},
	})
	t.Cleanup(c.Close)
	return s, c
}

func job(phase string) reply {
	return reply{body: "<job><jobId>7</jobId><phase>" + phase + "</phase><results/></job>"}
}

// always answers every question alike.
func always(r reply) func(int, *http.Request) reply {
	return func(int, *http.Request) reply { return r }
}

// phases answers the questions for the job with these in turn, the last one again and again, and
// takes every wish.
func phases(list ...string) func(int, *http.Request) reply {
	n := 0
	return func(_ int, r *http.Request) reply {
		if r.Method == http.MethodPost {
			return reply{code: 303, location: "/jobs/7"}
		}
		n++
		return job(list[min(n, len(list))-1])
	}
}

func TestAJobIsMadeWhereverTheServiceSays(t *testing.T) {
	for _, tt := range []struct {
		name, endpoint string
		reply          reply
		want           string
		kind           fault.Kind
		words          string
	}{
		{name: "beside", endpoint: "https://a/tap/async", reply: reply{code: 303, location: "async/7"}, want: "https://a/tap/async/7"},
		{name: "another path", endpoint: "http://a:8080/tap/async", reply: reply{code: 303, location: "/__system__/run/7"}, want: "http://a:8080/__system__/run/7"},
		{name: "another host", endpoint: "http://a/tap/async", reply: reply{code: 303, location: "https://b/7?x=1#y"}, want: "https://b/7?x=1"},
		{name: "302", endpoint: "http://a/tap/async", reply: reply{code: 302, location: "/7"}, want: "http://a/7"},
		{name: "201", endpoint: "http://a/tap/async", reply: reply{code: 201, location: "/7"}, want: "http://a/7"},
		{name: "a big page goes with it", endpoint: "http://a/tap/async", reply: reply{code: 303, location: "/7", body: strings.Repeat("x", 2<<20)}, want: "http://a/7"},
		{name: "from https to http", endpoint: "https://a/tap/async", reply: reply{code: 303, location: "http://a/7"}, kind: fault.Invalid, words: "from https to http://a/7"},
		{name: "to a file", endpoint: "http://a/tap/async", reply: reply{code: 303, location: "file:///etc/passwd"}, kind: fault.Invalid, words: "not http or https"},
		{name: "with a password", endpoint: "http://a/tap/async", reply: reply{code: 303, location: "http://u:hidden@a/7"}, kind: fault.Invalid, words: "holds a user or password"},
		{name: "nowhere", endpoint: "http://a/tap/async", reply: reply{code: 303}, kind: fault.Invalid, words: "without a Location"},
		{name: "moved", endpoint: "http://a/tap/async", reply: reply{code: 301, location: "/new"}, kind: fault.Invalid, words: "HTTP 301"},
		{name: "an ERROR with 200", endpoint: "http://a/tap/async", reply: reply{body: `<VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">bad MAXREC</INFO></RESOURCE></VOTABLE>`}, kind: fault.Invalid, words: "bad MAXREC"},
		{name: "400", endpoint: "http://a/tap/async", reply: reply{code: 400, body: "no"}, kind: fault.Invalid, words: "HTTP 400: no"},
		{name: "401", endpoint: "http://a/tap/async", reply: reply{code: 401}, kind: fault.Invalid, words: "HTTP 401"},
		{name: "404", endpoint: "http://a/tap/async", reply: reply{code: 404}, kind: fault.NotFound, words: "HTTP 404"},
		{name: "413", endpoint: "http://a/tap/async", reply: reply{code: 413}, kind: fault.Invalid, words: "HTTP 413"},
		{name: "503", endpoint: "http://a/tap/async", reply: reply{code: 503, body: "<html><title>Down</title></html>"}, kind: fault.Unavailable, words: "HTTP 503: Down"},
		{name: "no answer", endpoint: "http://a/tap/async", reply: reply{err: errors.New("connection reset")}, kind: fault.Unavailable, words: "connection reset"},
		{name: "no address", endpoint: "://", kind: fault.Invalid, words: "missing protocol scheme"},
	} {
		s, c := newService(t, always(tt.reply))
		got, err := c.Create(t.Context(), tt.endpoint, "text/x", []byte("the form"))
		if got != tt.want || fault.KindOf(err) != tt.kind || err != nil && !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %q, %v; want %q, %s %q", tt.name, got, err, tt.want, tt.kind, tt.words)
		}
		if err != nil && (len(fault.Hints(err)) == 0 || strings.Contains(err.Error(), "hidden")) {
			t.Errorf("%s: %v, hints %q", tt.name, err, fault.Hints(err))
		}
		if len(s.asked) > 1 {
			t.Errorf("%s: asked %q", tt.name, s.asked)
		}
	}
}

func TestWishesAndDeletionsFollowNoRedirect(t *testing.T) {
	s, c := newService(t, always(reply{code: 303, location: "/jobs"}))
	for _, do := range []func(context.Context, string) error{c.Run, c.Abort, c.Delete} {
		if err := do(t.Context(), "http://a/jobs/7/"); err != nil {
			t.Error(err)
		}
	}
	want := []string{"POST http://a/jobs/7/phase PHASE=RUN", "POST http://a/jobs/7/phase PHASE=ABORT", "DELETE http://a/jobs/7/"}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Error(diff)
	}
	_, c = newService(t, always(reply{code: 404, body: "gone"}))
	if err := c.Delete(t.Context(), "http://a/jobs/7"); !errors.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestAQuestionFollowsRedirectsAndMakesAddressesWhole(t *testing.T) {
	s, c := newService(t, func(n int, r *http.Request) reply {
		if n == 1 {
			return reply{code: 303, location: "https://b/jobs/7"}
		}
		return reply{body: `<job><phase>COMPLETED</phase><results><result id="result" href="7/results/result"/><result id="none"/></results></job>`}
	})
	got, err := c.Get(t.Context(), "http://a/7")
	if err != nil || got.URL != "http://a/7" || got.Results[0].Href != "https://b/jobs/7/results/result" || got.Results[1].Href != "" {
		t.Errorf("%+v, %v, asked %q", got, err, s.asked)
	}
	for words, answer := range map[string]reply{
		"more than 5 redirects": {code: 302, location: "/7"},
		"from https to http":    {code: 302, location: "http://a/7"},
		"from https to":         {body: `<job><phase>COMPLETED</phase><results><result id="result" href="http://b/r"/></results></job>`},
	} {
		s, c := newService(t, always(answer))
		if _, err := c.Get(t.Context(), "https://a/7"); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), words) || len(s.asked) > 6 {
			t.Errorf("%v; want %q; asked %d times", err, words, len(s.asked))
		}
	}
}

func TestAListGivesEveryJobAnAddress(t *testing.T) {
	_, c := newService(t, always(reply{body: `<jobs><jobref id="1" href="/elsewhere/1"><phase>ERROR</phase></jobref><jobref id="a b"><phase>PENDING</phase></jobref></jobs>`}))
	got, err := c.List(t.Context(), "http://a/tap/async")
	want := []uws.JobRef{{ID: "1", URL: "http://a/elsewhere/1", Phase: uws.Error}, {ID: "a b", URL: "http://a/tap/async/a%20b", Phase: uws.Pending}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestAnEmptyErrorIsNone(t *testing.T) {
	for body, want := range map[string]string{
		"": "", " \n": "", "it broke": "it broke",
		`<VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">no such column</INFO></RESOURCE></VOTABLE>`: "no such column",
	} {
		s, c := newService(t, always(reply{body: body}))
		if got := c.ErrorText(t.Context(), "http://a/7"); got != want || s.asked[0] != "GET http://a/7/error" {
			t.Errorf("%q: %q, asked %q", body, got, s.asked)
		}
	}
	_, c := newService(t, always(reply{code: 500, body: "oops"}))
	if got := c.ErrorText(t.Context(), "http://a/7"); got != "" {
		t.Errorf("%q", got)
	}
}

func TestCredentialsAreAskedForEachRequest(t *testing.T) {
	var hosts []string
	s := &service{t: t, answers: func(n int, r *http.Request) reply {
		if n == 1 {
			return reply{code: 303, location: "http://b/7"}
		}
		return job("ERROR")
	}}
	c := uws.New(uws.Options{Transport: s, Authorize: func(r *http.Request) error {
		hosts = append(hosts, r.URL.Host)
		return nil
	}})
	if _, err := c.Get(t.Context(), "http://a/7"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, hosts); diff != "" {
		t.Error(diff)
	}
	c = uws.New(uws.Options{Transport: s, Authorize: func(*http.Request) error { return errors.New("no such secret") }})
	if _, err := c.Get(t.Context(), "http://a/7"); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "no such secret") {
		t.Error(err)
	}
}

func TestARealConnectionIsGivenUpAfterTheTimeout(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("<job>"))
		_ = http.NewResponseController(w).Flush()
		<-stop
	}))
	defer server.Close()
	defer close(stop)
	c := uws.New(uws.Options{Timeout: 20 * time.Millisecond})
	defer c.Close()
	if _, err := c.Get(t.Context(), server.URL); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "no complete answer within 20ms") {
		t.Error(err)
	}
}
