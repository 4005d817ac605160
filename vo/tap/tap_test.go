package tap_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	head  = `<VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/><TABLE><FIELD name="Name" datatype="char" arraysize="*"/><FIELD name="n" datatype="int"/><DATA><TABLEDATA>`
	foot  = `</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`
	oneTR = `<TR><TD>a</TD><TD>1</TD></TR>`
	good  = head + oneTR + foot
)

func failedDoc(message string) string {
	return `<VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">` + message + `</INFO></RESOURCE></VOTABLE>`
}

// reply is one answer of the fake archive.
type reply struct {
	code   int // 0 is 200
	body   string
	header map[string]string
	length int // Content-Length to claim, 0 is the true one
}

// archive answers the n-th request with the n-th reply, the last one again and again.
func archive(t *testing.T, replies ...reply) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(requests.Add(1))
		this := replies[min(n, len(replies))-1]
		for name, value := range this.header {
			w.Header().Set(name, value)
		}
		if this.length > 0 {
			w.Header().Set("Content-Length", fmt.Sprint(this.length))
		}
		if this.code != 0 {
			w.WriteHeader(this.code)
		}
		_, _ = w.Write([]byte(this.body))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/tap", requests
}

// client makes a Client that waits no time and notes how long it would have waited.
func client(t *testing.T, o tap.Options) (*tap.Client, *[]time.Duration) {
	t.Helper()
	waits := &[]time.Duration{}
	o.Name = "casda"
	o.Wait = func(ctx context.Context, d time.Duration) error {
		*waits = append(*waits, d)
		return ctx.Err()
	}
	if o.Jitter == nil {
		o.Jitter = func() float64 { return 0 }
	}
	c, err := tap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, waits
}

func TestAQuerySendsWhatTAPAsksFor(t *testing.T) {
	var got http.Request
	var form map[string][]string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		got, form = *r, r.PostForm
		_, _ = w.Write([]byte(good))
	}))
	defer server.Close()
	c, _ := client(t, tap.Options{URL: server.URL + "/tap/sync/", MaxRec: 7, UserAgent: "beampipe/test"})
	if _, err := c.Query(t.Context(), "SELECT 'a&b' FROM t"); err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.URL.String() != "/tap/sync" || got.UserAgent() != "beampipe/test" {
		t.Errorf("%s %s as %q", got.Method, got.URL, got.UserAgent())
	}
	const td = "application/x-votable+xml;serialization=TABLEDATA"
	want := map[string][]string{
		"REQUEST": {"doQuery"}, "LANG": {"ADQL"}, "QUERY": {"SELECT 'a&b' FROM t"},
		"MAXREC": {"7"}, "FORMAT": {td}, "RESPONSEFORMAT": {td},
	}
	if diff := cmp.Diff(want, form); diff != "" {
		t.Error(diff)
	}
	if c.URL() != server.URL+"/tap" || c.Name() != "casda" {
		t.Errorf("URL %s, name %s", c.URL(), c.Name())
	}
}

func TestAnAnswerIsRowsOfText(t *testing.T) {
	url, _ := archive(t, reply{body: head + `<TR><TD> a </TD><TD/></TR>` + oneTR + foot})
	c, _ := client(t, tap.Options{URL: url})
	table, err := c.Query(t.Context(), "q")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"a", ""}, {"a", "1"}}, table.Rows); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]int{"Name": 0, "NAME": 0, "n": 1, "x": -1} {
		if got := table.Column(name); got != want {
			t.Errorf("column %s: %d, want %d", name, got, want)
		}
	}
	if s := c.Stats(); s.Requests != 1 || s.Retries != 0 || s.Bytes == 0 {
		t.Errorf("%+v", s)
	}
}

func TestAnEmptyAnswerIsOnlyOneThatTheArchiveGaveInFull(t *testing.T) {
	url, _ := archive(t, reply{body: head + foot})
	c, _ := client(t, tap.Options{URL: url})
	if table, err := c.Query(t.Context(), "q"); err != nil || len(table.Rows) != 0 || len(table.Fields) != 2 {
		t.Errorf("%+v, %v", table, err)
	}
}

func TestEveryFailureHasItsKindAndIsRetriedOnlyWhereItMayPass(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply reply
		kind  fault.Kind
		retry bool
		words string
	}{
		{"503", reply{code: 503, body: "down for <b>maintenance</b>"}, fault.Unavailable, true, "HTTP 503: down for"},
		{"500 with an ERROR document", reply{code: 500, body: failedDoc("no such table")}, fault.Unavailable, true, "no such table"},
		{"429", reply{code: 429}, fault.Unavailable, true, "HTTP 429"},
		{"400 too busy", reply{code: 400, body: "TAP Service too busy"}, fault.Unavailable, true, "TAP Service too busy"},
		{"400 no connection", reply{code: 400, body: "No connection available"}, fault.Unavailable, true, ""},
		{"400 cannot check", reply{code: 400, body: failedDoc("Unable to check the ADQL query")}, fault.Unavailable, true, ""},
		{"400 temporarily", reply{code: 400, body: "temporarily unavailable"}, fault.Unavailable, true, ""},
		{"400 wrong query", reply{code: 400, body: failedDoc("Incorrect ADQL: x &lt; y")}, fault.Invalid, false, "HTTP 400: Incorrect ADQL: x < y"},
		{"404", reply{code: 404, body: "\n<html>\n no\x00thing"}, fault.Invalid, false, "HTTP 404: no thing"},
		{"200 with an ERROR document", reply{body: failedDoc("Field query: no such column")}, fault.Invalid, false, "Field query: no such column"},
		{"200 with a busy ERROR document", reply{body: failedDoc("Service temporarily unavailable")}, fault.Unavailable, true, "temporarily"},
		{"an ERROR behind rows", reply{body: head + oneTR + `</TABLEDATA></DATA></TABLE><INFO name="QUERY_STATUS" value="ERROR">lost the database</INFO></RESOURCE></VOTABLE>`}, fault.Invalid, false, "lost the database"},
		{"a web page", reply{body: "<!DOCTYPE html><html><title>Login</title>"}, fault.Unavailable, false, "not a VOTable; the answer begins: Login"},
		{"JSON", reply{body: `{"rows":[]}`}, fault.Unavailable, false, `not a VOTable; the answer begins: {"rows":[]}`},
		{"plain text", reply{body: "OK"}, fault.Unavailable, false, "not a VOTable; the answer begins: OK"},
		{"nothing", reply{}, fault.Unavailable, true, "the answer is cut"},
		{"a document without a table", reply{body: "<VOTABLE/>"}, fault.Unavailable, false, "without a table"},
		{"a cut document", reply{body: head + oneTR}, fault.Unavailable, true, "the answer is cut"},
		{"a cut connection", reply{body: head, length: 5000}, fault.Unavailable, true, "unexpected EOF"},
		{"a malformed document", reply{body: head + "<TR><TD></TR>" + foot}, fault.Unavailable, false, "a broken answer"},
		{"FITS", reply{body: `<VOTABLE><RESOURCE type="results"><TABLE><FIELD name="a" datatype="int"/><DATA><FITS/></DATA></TABLE></RESOURCE></VOTABLE>`}, fault.Invalid, false, "unsupported: FITS"},
		{"moved", reply{code: 301, header: map[string]string{"Location": "https://elsewhere.example/tap"}}, fault.Invalid, false, "moved to https://elsewhere.example/tap"},
		{"a loop", reply{code: 303, header: map[string]string{"Location": "/tap/sync"}}, fault.Invalid, false, "more than 5 redirects"},
		{"a redirect to a file", reply{code: 303, header: map[string]string{"Location": "file:///etc/passwd"}}, fault.Invalid, false, "redirect from http to file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url, requests := archive(t, tt.reply)
			c, waits := client(t, tap.Options{URL: url, Retries: 2})
			_, err := c.Query(t.Context(), "q")
			if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("%s: %v; want %s with %q", fault.KindOf(err), err, tt.kind, tt.words)
			}
			if len(fault.Hints(err)) == 0 {
				t.Error("no hint")
			}
			if retried := len(*waits) == 2; retried != tt.retry || (!retried && len(*waits) != 0) {
				t.Errorf("%d waits after %d requests", len(*waits), requests.Load())
			}
		})
	}
}

func TestAQueryThatCameToNoServiceIsToldFromOneThatWasRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply reply
		want  bool
	}{
		{"no such page", reply{code: 404, body: "<html>no such page</html>"}, true},
		{"gone", reply{code: 410, body: "gone"}, true},
		{"no POST there", reply{code: 405}, true},
		{"not let in", reply{code: 403, body: "<html>blocked</html>"}, true},
		{"who are you", reply{code: 401}, true},
		{"moved", reply{code: 301, header: map[string]string{"Location": "https://elsewhere.example/tap"}}, true},
		{"the service's own 404", reply{code: 404, body: failedDoc("no such table")}, false},
		{"a wrong query", reply{code: 400, body: failedDoc("no such table")}, false},
		{"an ERROR document", reply{body: failedDoc("no such table")}, false},
	} {
		url, _ := archive(t, tt.reply)
		c, _ := client(t, tap.Options{URL: url})
		_, err := c.Query(t.Context(), "q")
		if errors.Is(err, tap.ErrNoService) != tt.want || fault.KindOf(err) != fault.Invalid || len(fault.Hints(err)) == 0 {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestAnOverflowIsAnErrorThatNamesTheLimit(t *testing.T) {
	url, requests := archive(t, reply{body: head + oneTR + `</TABLEDATA></DATA></TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/></RESOURCE></VOTABLE>`})
	c, _ := client(t, tap.Options{URL: url, MaxRec: 1, Retries: 2})
	_, err := c.Query(t.Context(), "q")
	if !errors.Is(err, votable.ErrOverflow) || !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "MAXREC 1") || requests.Load() != 1 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

func TestAnAnswerPastTheBodyLimitIsAnError(t *testing.T) {
	url, _ := archive(t, reply{body: good})
	c, _ := client(t, tap.Options{URL: url, MaxBody: int64(len(good)) - 1})
	if _, err := c.Query(t.Context(), "q"); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "MaxBody") {
		t.Errorf("%v", err)
	}
	c, _ = client(t, tap.Options{URL: url, MaxBody: int64(len(good))})
	if _, err := c.Query(t.Context(), "q"); err != nil {
		t.Error(err)
	}
}

func TestAFailureThatPassesIsForgotten(t *testing.T) {
	url, requests := archive(t, reply{code: 503}, reply{body: head + oneTR}, reply{body: good})
	c, _ := client(t, tap.Options{URL: url, Retries: 2})
	table, err := c.Query(t.Context(), "q")
	if err != nil || len(table.Rows) != 1 || requests.Load() != 3 {
		t.Errorf("%+v, %v after %d requests", table, err, requests.Load())
	}
	if s := c.Stats(); s.Requests != 3 || s.Retries != 2 {
		t.Errorf("%+v", s)
	}
}

func TestDelaysGrowAndTheArchiveMayAskForMore(t *testing.T) {
	url, _ := archive(t, reply{code: 503})
	c, waits := client(t, tap.Options{URL: url, Retries: 5})
	_, err := c.Query(t.Context(), "q")
	if !strings.Contains(err.Error(), "after 6 attempts") {
		t.Error(err)
	}
	want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second}
	if diff := cmp.Diff(want, *waits); diff != "" {
		t.Error(diff)
	}
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, "3600": time.Minute, "nonsense": 750 * time.Millisecond, "-1": 750 * time.Millisecond,
		now.Add(9 * time.Second).Format(http.TimeFormat): 9 * time.Second,
	} {
		url, _ := archive(t, reply{code: 429, header: map[string]string{"Retry-After": header}})
		c, waits := client(t, tap.Options{URL: url, Retries: 1, Jitter: func() float64 { return 0.999999999 }, Now: func() time.Time { return now }})
		_, _ = c.Query(t.Context(), "q")
		if len(*waits) != 1 || (*waits)[0].Round(time.Millisecond) != want {
			t.Errorf("Retry-After %s: %v, want %s", header, *waits, want)
		}
	}
}

func TestEachGivesRowsOnceAndNeverRetriesAfterOne(t *testing.T) {
	rows := 0
	count := func([]votable.Field, []string) error { rows++; return nil }

	url, requests := archive(t, reply{body: head}, reply{body: head + oneTR})
	c, _ := client(t, tap.Options{URL: url, Retries: 5})
	err := c.Each(t.Context(), "q", count)
	if !errors.Is(err, fault.Unavailable) || rows != 1 || requests.Load() != 2 {
		t.Errorf("cut behind a row: %v, %d rows, %d requests", err, rows, requests.Load())
	}

	mine := errors.New("mine")
	url, requests = archive(t, reply{body: good})
	c, _ = client(t, tap.Options{URL: url, Retries: 5})
	if err := c.Each(t.Context(), "q", func([]votable.Field, []string) error { return mine }); err != mine || requests.Load() != 1 { //nolint:errorlint // it must be the same
		t.Errorf("error of row: %v, %d requests", err, requests.Load())
	}
}

func TestRedirectsAreFollowedToTheResult(t *testing.T) {
	for _, code := range []int{302, 303, 307} {
		url, _ := archive(t, reply{code: code, header: map[string]string{"Location": "/result"}}, reply{body: good})
		c, _ := client(t, tap.Options{URL: url})
		if _, err := c.Query(t.Context(), "q"); err != nil {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestASilentArchiveIsGivenUpAfterTheTimeout(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(head))
		_ = http.NewResponseController(w).Flush()
		<-stop
	}))
	defer server.Close()
	defer close(stop)
	c, waits := client(t, tap.Options{URL: server.URL, Timeout: 20 * time.Millisecond, Retries: 1})
	_, err := c.Query(t.Context(), "q")
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "no complete answer within 20ms") || len(*waits) != 1 {
		t.Errorf("%v, %d waits", err, len(*waits))
	}
}

func TestAnEndedContextEndsTheQuery(t *testing.T) {
	url, requests := archive(t, reply{code: 503})
	ctx, cancel := context.WithCancel(t.Context())
	c, err := tap.New(tap.Options{URL: url, Retries: 5, Wait: func(context.Context, time.Duration) error { cancel(); return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		if _, err := c.Query(ctx, "q"); !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Unavailable || requests.Load() != 1 {
			t.Errorf("%v after %d requests", err, requests.Load())
		}
	}
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c, waits := client(t, tap.Options{URL: server.URL, Retries: 1})
	if _, err := c.Query(t.Context(), "q"); !errors.Is(err, fault.Unavailable) || len(*waits) != 1 {
		t.Errorf("nobody listens: %v, %d waits", err, len(*waits))
	}
}

func TestABadAddressIsRefused(t *testing.T) {
	for _, url := range []string{"", "tap", "ftp://a/tap", "http://", "http://a/tap?x=1", "http://a/tap#x", "http://u:secret@a/tap", "http://a:b:c/", "http://u:secret@a/%zz"} {
		_, err := tap.New(tap.Options{URL: url})
		if !errors.Is(err, fault.Invalid) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := tap.New(tap.Options{URL: "http://a/tap", Retries: -1}); !errors.Is(err, fault.Invalid) {
		t.Errorf("negative retries: %v", err)
	}
}

func TestAvailability(t *testing.T) {
	const avail = `<?xml version="1.0"?><v:availability xmlns:v="http://www.ivoa.net/xml/VOSIAvailability/v1.0"><v:available>%s</v:available><v:note>back at noon</v:note></v:availability>`
	for _, tt := range []struct {
		name    string
		replies []reply
		want    string // "" is available
	}{
		{"up", []reply{{body: fmt.Sprintf(avail, "true")}}, ""},
		{"down", []reply{{body: fmt.Sprintf(avail, "false")}}, "back at noon"},
		{"no such resource, but capabilities", []reply{{code: 404}, {body: "<capabilities/>"}}, ""},
		{"no such resource, no capabilities", []reply{{code: 404}, {code: 404}}, "HTTP 404"},
		{"error", []reply{{code: 500, body: "oops"}}, "HTTP 500: oops"},
		{"a web page", []reply{{body: "<html>hello"}}, "not an availability document"},
	} {
		url, _ := archive(t, tt.replies...)
		c, _ := client(t, tap.Options{URL: url})
		err := c.Available(t.Context())
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// FuzzAnswer holds that a Client turns any body and status into rows or into a fault.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(good))
	f.Add(400, []byte(failedDoc("x")))
	f.Add(200, []byte("{}"))
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		c, err := tap.New(tap.Options{URL: "http://archive.invalid/tap", Transport: canned{code: code, body: body}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.Query(t.Context(), "q"); err != nil && fault.KindOf(err) == "" {
			t.Errorf("an error without a kind: %v", err)
		}
	})
}
