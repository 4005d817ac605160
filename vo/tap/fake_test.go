package tap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/votable"
)

// fake is a TAP service in this process, on a clock of its own. What it answers can be changed
// while nobody asks.
type fake struct {
	t  *testing.T
	mu sync.Mutex

	now   time.Time
	waits []time.Duration
	asked []string // "POST /tap/sync", in order

	sync         func(n int, q query) reply // n-th synchronous query, from 1
	create       func(n int, q query) reply // n-th job; a zero reply makes it
	phases       func(n int) []string       // of the n-th job, one each time it is asked for, the last again and again
	result       func(n int, q query) reply // of the n-th job
	capabilities string                     // "" is 404
	other        func(r *http.Request) (reply, bool)

	syncs, creates int
	jobs           map[string]*fakeJob
	aborted        []string
	deleted        []string
}

type fakeJob struct {
	n     int
	query query
	seen  int
	runs  int
	gone  bool
	ended time.Time // zero: not said
}

// query is what was asked.
type query struct {
	form    map[string][]string
	uploads map[string]string // part name to body
	size    int
}

func (q query) one(name string) string { return strings.Join(q.form[name], "|") }

// took, in a reply's header, is how long the answer takes on the fake's clock. fail breaks the line.
const (
	took = "X-Took"
	fail = "X-Fail"
)

func newFake(t *testing.T) *fake {
	return &fake{
		t: t, now: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC), jobs: map[string]*fakeJob{},
		sync:   func(int, query) reply { return reply{body: good} },
		create: func(int, query) reply { return reply{} },
		phases: func(int) []string { return []string{"PENDING", "EXECUTING", "COMPLETED"} },
		result: func(int, query) reply { return reply{body: good} },
	}
}

const capabilitiesHead = `<capabilities xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess"><language><name>ADQL</name><version>2.0</version></language>`

// capabilities with some limits.
func capabilities(parts ...string) string {
	return capabilitiesHead + strings.Join(parts, "") + `</capability></capabilities>`
}

const inline = `<uploadMethod ivo-id="ivo://ivoa.net/std/TAPRegExt#upload-inline"/>`

// client makes a Client of the fake.
func (f *fake) client(o tap.Options) *tap.Client {
	f.t.Helper()
	o.Name = "casda"
	if o.URL == "" {
		o.URL = "http://archive.example/tap"
	}
	o.Transport = f
	o.Now = func() time.Time { f.mu.Lock(); defer f.mu.Unlock(); return f.now }
	o.Jitter = func() float64 { return 0 }
	o.Wait = func(ctx context.Context, d time.Duration) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.waits = append(f.waits, d)
		f.now = f.now.Add(d)
		return ctx.Err()
	}
	c, err := tap.New(o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	return c
}

func (f *fake) budget(o tap.BudgetOptions) *tap.Budget {
	o.Name = "casda"
	o.Now = func() time.Time { f.mu.Lock(); defer f.mu.Unlock(); return f.now }
	return tap.NewBudget(o)
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	q, err := readQuery(r)
	if err != nil {
		f.t.Error(err)
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	a := f.answer(r, q)
	d, _ := time.ParseDuration(a.header[took])
	f.now = f.now.Add(d)
	if a.header[fail] != "" {
		return nil, errors.New(a.header[fail])
	}
	rec := httptest.NewRecorder()
	for name, value := range a.header {
		rec.Header().Set(name, value)
	}
	if a.code == 0 {
		a.code = 200
	}
	rec.WriteHeader(a.code)
	_, _ = rec.WriteString(a.body)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

func readQuery(r *http.Request) (query, error) {
	q := query{form: map[string][]string{}, uploads: map[string]string{}}
	if r.Body == nil {
		return q, nil
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return q, err
	}
	q.size = len(raw)
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		q.form, err = url.ParseQuery(string(raw))
		return q, err
	}
	parts := multipart.NewReader(strings.NewReader(string(raw)), params["boundary"])
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return q, nil
		}
		if err != nil {
			return q, err
		}
		body, err := io.ReadAll(part)
		if err != nil {
			return q, err
		}
		if part.FileName() != "" {
			q.uploads[part.FormName()] = string(body)
			continue
		}
		q.form[part.FormName()] = append(q.form[part.FormName()], string(body))
	}
}

func (f *fake) answer(r *http.Request, q query) reply {
	if f.other != nil {
		if a, ok := f.other(r); ok {
			return a
		}
	}
	path := r.URL.Path
	switch {
	case path == "/tap/sync":
		f.syncs++
		return f.sync(f.syncs, q)
	case path == "/tap/capabilities" && f.capabilities != "":
		return reply{body: f.capabilities}
	case path == "/tap/async" && r.Method == http.MethodPost:
		f.creates++
		if a := f.create(f.creates, q); a.code != 0 || a.body != "" || len(a.header) > 0 {
			return a
		}
		if q.one("PHASE") != "" {
			f.t.Error("PHASE in the creating POST")
		}
		id := fmt.Sprint(f.creates)
		f.jobs[id] = &fakeJob{n: f.creates, query: q}
		return reply{code: 303, header: map[string]string{"Location": "/run/" + id}}
	case strings.HasPrefix(path, "/run/"):
		return f.aboutJob(r, q)
	}
	return reply{code: 404, body: "<html><title>Not Found</title></html>"}
}

func (f *fake) aboutJob(r *http.Request, q query) reply {
	id, resource, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/run/"), "/")
	job := f.jobs[id]
	if job == nil || job.gone {
		return reply{code: 404, body: failedDoc("no such job")}
	}
	back := reply{code: 303, header: map[string]string{"Location": "/run/" + id}}
	switch {
	case r.Method == http.MethodDelete:
		job.gone = true
		f.deleted = append(f.deleted, id)
		return reply{code: 303, header: map[string]string{"Location": "/run"}}
	case resource == "phase" && q.one("PHASE") == "RUN":
		job.runs++
		return back
	case resource == "phase":
		f.aborted = append(f.aborted, id)
		return back
	case resource == "":
		phases := f.phases(job.n)
		phase := phases[min(job.seen, len(phases)-1)]
		job.seen++
		times := ""
		if !job.ended.IsZero() {
			times = "<uws:endTime>" + job.ended.Format(time.RFC3339) + "</uws:endTime>"
		}
		return reply{body: fmt.Sprintf(`<uws:job xmlns:uws="u" xmlns:xlink="x"><uws:jobId>%s</uws:jobId><uws:phase>%s</uws:phase>%s
<uws:parameters><uws:parameter id="query">%s</uws:parameter></uws:parameters>
<uws:results><uws:result id="result" xlink:href="/run/%s/results/result"/></uws:results></uws:job>`, id, phase, times, job.query.one("QUERY"), id)}
	case resource == "results/result":
		return f.result(job.n, job.query)
	}
	return reply{code: 404}
}

// count tells how often something was asked.
func (f *fake) count(what string) int {
	n := 0
	for _, a := range f.asked {
		if a == what {
			n++
		}
	}
	return n
}

// left gives the jobs that are still there.
func (f *fake) left() (ids []string) {
	for id, job := range f.jobs {
		if !job.gone {
			ids = append(ids, id)
		}
	}
	return ids
}

// memory is a tap.Jobs.
type memory struct {
	urls map[string]string
	log  []string
	fail map[string]error // by method
}

func newMemory() *memory { return &memory{urls: map[string]string{}, fail: map[string]error{}} }

func (m *memory) Job(_ context.Context, key string) (string, error) {
	return m.urls[key], m.fail["Job"]
}

func (m *memory) Keep(_ context.Context, key, archive, url string) error {
	m.log = append(m.log, "keep "+archive+" "+url)
	if m.fail["Keep"] == nil {
		m.urls[key] = url
	}
	return m.fail["Keep"]
}

func (m *memory) Forget(ctx context.Context, key string) error {
	m.log = append(m.log, "forget")
	delete(m.urls, key)
	return ctx.Err()
}

// ids is an upload of identifiers.
func ids(names ...string) tap.Upload {
	u := tap.Upload{Name: "ids", Fields: []votable.Field{{Name: "source", Datatype: "char", Arraysize: "*"}}}
	for _, name := range names {
		u.Rows = append(u.Rows, []string{name})
	}
	return u
}

// wantKind fails the test unless err is of a kind and says something.
func wantKind(t *testing.T, err error, kind fault.Kind, words string) {
	t.Helper()
	if fault.KindOf(err) != kind || err != nil && !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v; want %s with %q", fault.KindOf(err), err, kind, words)
	}
}
