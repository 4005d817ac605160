package archive_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"beampipe/vo/archive"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
)

// jobs is a client of /async.
type jobClient struct {
	t testing.TB
	c *http.Client
}

func (j jobClient) get(address string) reply { return j.send("GET", address, nil) }

func (j jobClient) post(address string, pairs ...string) reply { return j.send("POST", address, pairs) }

func (j jobClient) send(method, address string, pairs []string) reply {
	j.t.Helper()
	form := url.Values{}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		form.Add(name, value)
	}
	req, err := http.NewRequestWithContext(j.t.Context(), method, address, strings.NewReader(form.Encode()))
	must(j.t, err)
	if method == "POST" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return do(j.t, j.c, req)
}

// create makes a job and gives its address.
func (j jobClient) create(base, adql string, pairs ...string) string {
	j.t.Helper()
	got := j.post(base+"/async", append(pairs, "LANG=ADQL", "QUERY="+adql)...)
	if got.code != 303 || got.header.Get("Location") == "" {
		j.t.Fatalf("create: HTTP %d %s", got.code, got.body)
	}
	return got.header.Get("Location")
}

// run tells a job to run.
func (j jobClient) run(job string) {
	j.t.Helper()
	if got := j.post(job+"/phase", "PHASE=RUN"); got.code != 303 || got.header.Get("Location") != job {
		j.t.Fatalf("run: HTTP %d %v %s", got.code, got.header, got.body)
	}
}

// await waits until a job is in a phase that is not active.
func (j jobClient) await(job string) jobState {
	j.t.Helper()
	for {
		state := j.state(job + "?WAIT=60")
		if state.Phase != "PENDING" && state.Phase != "QUEUED" && state.Phase != "EXECUTING" {
			return state
		}
	}
}

// jobState is what a job's document says.
type jobState struct {
	XMLName    xml.Name  `xml:"http://www.ivoa.net/xml/UWS/v1.0 job"`
	ID         string    `xml:"jobId"`
	RunID      string    `xml:"runId"`
	Phase      string    `xml:"phase"`
	Created    time.Time `xml:"creationTime"`
	Started    string    `xml:"startTime"`
	Ended      string    `xml:"endTime"`
	Duration   int       `xml:"executionDuration"`
	Destroyed  time.Time `xml:"destruction"`
	Parameters []struct {
		ID   string `xml:"id,attr"`
		Text string `xml:",chardata"`
	} `xml:"parameters>parameter"`
	Results []struct {
		ID   string `xml:"id,attr"`
		Link string `xml:"http://www.w3.org/1999/xlink href,attr"`
	} `xml:"results>result"`
	Error string `xml:"errorSummary>message"`
}

func (j jobClient) state(address string) (s jobState) {
	j.t.Helper()
	got := j.get(address)
	if got.code != 200 {
		j.t.Fatalf("%s: HTTP %d %s", address, got.code, got.body)
	}
	must(j.t, xml.Unmarshal([]byte(got.body), &s))
	return s
}

func (j jobClient) list(address string) (ids []string) {
	j.t.Helper()
	var doc struct {
		Refs []struct {
			ID    string `xml:"id,attr"`
			Phase string `xml:"phase"`
		} `xml:"jobref"`
	}
	got := j.get(address)
	must(j.t, xml.Unmarshal([]byte(got.body), &doc))
	for _, ref := range doc.Refs {
		ids = append(ids, ref.ID+" "+ref.Phase)
	}
	return ids
}

// moved is a clock that a test moves, and names in order.
type moved struct {
	now time.Time
	ids atomic.Int64
}

func (m *moved) options() archive.Options {
	m.now = time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	return archive.Options{Now: func() time.Time { return m.now }, NewID: func() string { return fmt.Sprint("job-", m.ids.Add(1)) }}
}

const countAll = "SELECT COUNT(*) AS n FROM ivoa.obscore"

func TestAJobRunsToItsResult(t *testing.T) {
	var clock moved
	a := open(t, clock.options())
	fill(t, a)
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	for name, base := range map[string]string{"over HTTP": server.URL + "/tap", "in this process": "https://vo.example/some/tap"} {
		j := jobClient{t, client(a)}
		if name == "over HTTP" {
			j.c = server.Client()
			j.c.CheckRedirect = client(a).CheckRedirect
		}
		job := j.create(base, countAll, "PHASE=RUN", "RUNID=mine", "MAXREC=7", "RESPONSEFORMAT=csv")
		if root, _, _ := strings.Cut(base, "/tap"); !strings.HasPrefix(job, strings.TrimSuffix(root, "/some")+"/tap/async/job-") {
			t.Errorf("%s: %s", name, job)
		}
		before := j.state(job)
		if before.Phase != "PENDING" || before.RunID != "mine" || before.Started != "" || !before.Created.Equal(clock.now) || !before.Destroyed.Equal(clock.now.Add(24*time.Hour)) || before.Duration != 600 {
			t.Errorf("%s: PHASE=RUN in the POST that makes it is ignored: %+v", name, before)
		}
		if got := j.get(job + "/results/result"); got.code != 404 || !strings.Contains(got.body, "is PENDING and has no result") {
			t.Errorf("%s: too early: HTTP %d %s", name, got.code, got.body)
		}
		j.run(job)
		after := j.await(job)
		if after.Phase != "COMPLETED" || len(after.Results) != 1 || after.Results[0].ID != "result" || after.Results[0].Link != job+"/results/result" || after.Ended == "" {
			t.Errorf("%s: %+v", name, after)
		}
		if got := j.get(after.Results[0].Link); got.body != "n\n4\n" || got.header.Get("Content-Type") != "text/csv;header=present" {
			t.Errorf("%s: %q", name, got.body)
		}
		for part, want := range map[string]string{"/phase": "COMPLETED", "/executionduration": "600", "/destruction": "2026-11-21T04:00:00.000Z", "/quote": "", "/owner": "", "/error": ""} {
			if got := j.get(job + part); got.body != want || got.code != 200 {
				t.Errorf("%s: %s: HTTP %d %q", name, part, got.code, got.body)
			}
		}
		for part, want := range map[string]string{"/results": `id="result"`, "/parameters": `<uws:parameter id="query">` + countAll} {
			if got := j.get(job + part); !strings.Contains(got.body, want) {
				t.Errorf("%s: %s: %s", name, part, got.body)
			}
		}
		j.run(job) // nothing happens to a job that has run
		if got := j.post(job+"/phase", "PHASE=ABORT"); got.code != 303 || j.state(job).Phase != "COMPLETED" {
			t.Errorf("%s: abort afterwards: HTTP %d", name, got.code)
		}
		if got := j.send("DELETE", job, nil); got.code != 303 || !strings.HasSuffix(got.header.Get("Location"), "/tap/async") {
			t.Errorf("%s: delete: HTTP %d %v", name, got.code, got.header)
		}
		if got := j.get(job); got.code != 404 || !strings.Contains(got.body, "there is no job") {
			t.Errorf("%s: afterwards: HTTP %d %s", name, got.code, got.body)
		}
		j.c.CloseIdleConnections()
	}
	if a.Jobs() != 2 || a.Queries() != 0 {
		t.Errorf("%d jobs, %d queries", a.Jobs(), a.Queries())
	}
}

func TestAJobKeepsItsUploads(t *testing.T) {
	a := open(t, archive.Options{RunAtCreate: true, Limits: archive.Limits{SyncUploadBytes: 10, UploadBytes: 1000}})
	fill(t, a)
	const adql = "SELECT o.filename FROM TAP_UPLOAD.s u JOIN ivoa.obscore o ON o.target_name = u.source_identifier"
	tables := map[string]string{"s": sources(t, "HIPASSJ0324-21b")}
	if got := askWith(t, a, "/sync", adql, tables); got.code != 413 {
		t.Errorf("sync takes less: HTTP %d", got.code)
	}
	j := jobClient{t, client(a)}
	made := askWith(t, a, "/async", adql, tables)
	job := made.header.Get("Location")
	j.run(job)
	if state := j.await(job); state.Phase != "COMPLETED" {
		t.Fatalf("%+v", state)
	}
	if rows, err := rowsOf(j.get(job + "/results/result").body); len(rows) != 2 || err != nil {
		t.Errorf("%v, %v", rows, err)
	}
	job = j.create(archive.URL, countAll, "PHASE=RUN")
	if state := j.await(job); state.Phase != "COMPLETED" {
		t.Errorf("told to run at once: %+v", state)
	}
	if got := askWith(t, a, "/async", adql, map[string]string{"s": sources(t, strings.Repeat("x", 1000))}); got.code != 413 {
		t.Errorf("HTTP %d", got.code)
	}
}

func TestAJobThatFailsSaysWhy(t *testing.T) {
	a := open(t, archive.Options{})
	j := jobClient{t, client(a)}
	for adql, want := range map[string]string{
		"SELECT nope FROM ivoa.obscore": "no such column: nope",
		"DELETE FROM ivoa.obscore":      "only SELECT",
		"":                              "QUERY is missing",
	} {
		job := j.create(archive.URL, adql)
		j.run(job)
		if state := j.await(job); state.Phase != "ERROR" || !strings.Contains(state.Error, want) || len(state.Results) != 0 {
			t.Errorf("%+v", state)
		}
		got := j.get(job + "/error")
		if _, err := rowsOf(got.body); err == nil || !strings.Contains(err.Error(), want) || got.code != 200 {
			t.Errorf("error: HTTP %d, %v", got.code, err)
		}
		if got := j.get(job + "/results/result"); got.code != 404 {
			t.Errorf("result: HTTP %d", got.code)
		}
	}
}

func TestAPollBlocksUntilThePhaseChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := archive.Open(t.Context(), archive.Options{Dir: t.TempDir()})
		must(t, err)
		j := jobClient{t, client(a)}
		a.Misbehave(archive.Misbehaviour{Kind: archive.Slow, Delay: 25 * time.Second})
		job := j.create(archive.URL, countAll)
		for _, tt := range []struct {
			ask   string
			phase string
			took  time.Duration
		}{
			{"?WAIT=7", "PENDING", 7 * time.Second},
			{"?PHASE=PENDING&WAIT=1", "PENDING", time.Second},
			{"?PHASE=QUEUED&WAIT=10", "PENDING", 0},
			{"?WAIT=0", "PENDING", 0},
			{"/phase?WAIT=2", "PENDING", 2 * time.Second},
			{"?WAIT=-1", "PENDING", time.Minute},
			{"?WAIT=99999", "PENDING", time.Minute},
		} {
			begin := time.Now()
			if got := j.get(job + tt.ask); !strings.Contains(got.body, tt.phase) || time.Since(begin) != tt.took {
				t.Errorf("%s: %s after %s", tt.ask, got.body, time.Since(begin))
			}
		}
		j.run(job)
		synctest.Wait()
		begin := time.Now()
		if state := j.state(job + "?WAIT=60&PHASE=EXECUTING"); state.Phase != "COMPLETED" || time.Since(begin) != 25*time.Second {
			t.Errorf("%s after %s", state.Phase, time.Since(begin))
		}
		begin = time.Now()
		if state := j.state(job + "?WAIT=60"); state.Phase != "COMPLETED" || time.Since(begin) != 0 {
			t.Errorf("a job that has ended: %s after %s", state.Phase, time.Since(begin))
		}
		for _, bad := range []string{"x", "-2", "1.5"} {
			if got := j.get(job + "?WAIT=" + bad); got.code != 400 {
				t.Errorf("WAIT=%s: HTTP %d", bad, got.code)
			}
		}
		must(t, a.Close())
	})
}

func TestAJobStopsWhenItIsToldToOrTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := archive.Open(t.Context(), archive.Options{Dir: t.TempDir()})
		must(t, err)
		j := jobClient{t, client(a)}
		a.Misbehave(archive.Misbehaviour{Kind: archive.Slow, Delay: time.Hour})

		aborted := j.create(archive.URL, countAll)
		j.run(aborted)
		synctest.Wait()
		if got := j.post(aborted+"/phase", "PHASE=ABORT"); got.code != 303 || j.state(aborted).Phase != "ABORTED" {
			t.Errorf("abort: HTTP %d", got.code)
		}
		long := j.create(archive.URL, countAll)
		if got := j.post(long+"/executionduration", "EXECUTIONDURATION=30"); got.code != 303 {
			t.Errorf("duration: HTTP %d", got.code)
		}
		begin := time.Now()
		j.run(long)
		if state := j.await(long); state.Phase != "ABORTED" || !strings.Contains(state.Error, "execution duration of 30s") || time.Since(begin) != 30*time.Second {
			t.Errorf("%+v after %s", state, time.Since(begin))
		}
		// Four run, the fifth waits; one is deleted, and the archive closes under the others.
		var running []string
		for range 5 {
			running = append(running, j.create(archive.URL, countAll))
			j.run(running[len(running)-1])
			synctest.Wait()
		}
		if got := j.get(running[3]+"/phase").body + j.get(running[4]+"/phase").body; got != "EXECUTINGQUEUED" {
			t.Error(got)
		}
		j.post(running[0], "ACTION=DELETE")
		synctest.Wait()
		if got := j.get(running[4] + "/phase").body; got != "EXECUTING" {
			t.Error(got)
		}
		must(t, a.Close())
		if got := j.get(running[4] + "/phase").body; got != "ABORTED" {
			t.Errorf("after Close: %s", got)
		}
	})
}

func TestJobsAreListed(t *testing.T) {
	var clock moved
	a := open(t, clock.options())
	j := jobClient{t, client(a)}
	a.Misbehave(archive.Misbehaviour{Kind: archive.JobArchived, Match: "archive me"})
	for i, adql := range []string{countAll, "SELECT 'archive me'", countAll, countAll} {
		clock.now = clock.now.Add(time.Minute)
		job := j.create(archive.URL, adql)
		if i > 0 {
			j.run(job)
		}
		if i > 1 {
			j.await(job)
		}
	}
	for query, want := range map[string][]string{
		"":                                   {"job-1 PENDING", "job-3 COMPLETED", "job-4 COMPLETED"},
		"?PHASE=COMPLETED":                   {"job-3 COMPLETED", "job-4 COMPLETED"},
		"?PHASE=ARCHIVED&PHASE=PENDING":      {"job-1 PENDING", "job-2 ARCHIVED"},
		"?LAST=2":                            {"job-3 COMPLETED", "job-4 COMPLETED"},
		"?LAST=1&PHASE=PENDING":              {"job-1 PENDING"},
		"?AFTER=2026-11-20T04:03:00Z":        {"job-4 COMPLETED"},
		"?AFTER=2026-11-20T04:04:00Z":        nil,
		"?LAST=9&AFTER=2026-11-20T04:00:59Z": {"job-1 PENDING", "job-3 COMPLETED", "job-4 COMPLETED"},
	} {
		if diff := cmp.Diff(want, j.list(archive.URL+"/async"+query)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	for _, bad := range []string{"LAST=0", "LAST=x", "AFTER=yesterday"} {
		if got := j.get(archive.URL + "/async?" + bad); got.code != 400 {
			t.Errorf("%s: HTTP %d", bad, got.code)
		}
	}
}

func TestJobsAreDestroyedAfterATimeAndBoundedInNumber(t *testing.T) {
	var clock moved
	o := clock.options()
	o.Limits = archive.Limits{Jobs: 2, Retention: time.Hour, ExecutionDuration: time.Minute}
	a := open(t, o)
	j := jobClient{t, client(a)}
	first, second := j.create(archive.URL, countAll), j.create(archive.URL, countAll)
	if got := j.post(archive.URL+"/async", "LANG=ADQL", "QUERY="+countAll); got.code != 503 || !strings.Contains(got.body, "2 jobs are here") {
		t.Errorf("a third: HTTP %d %s", got.code, got.body)
	}
	for pair, want := range map[string]string{
		"destruction?DESTRUCTION=2026-11-20T04:10:00Z": "303",
		"destruction?DESTRUCTION=tomorrow":             "400",
		"executionduration?EXECUTIONDURATION=-1":       "400",
		"executionduration?EXECUTIONDURATION=7200":     "303",
		"phase?PHASE=HELD":                             "400",
		"parameters?MAXREC=5":                          "303",
		"nothing?X=1":                                  "404",
	} {
		part, field, _ := strings.Cut(pair, "?")
		if got := j.post(first+"/"+part, field); fmt.Sprint(got.code) != want {
			t.Errorf("%s: HTTP %d %s", pair, got.code, got.body)
		}
	}
	state := j.state(first)
	if !state.Destroyed.Equal(clock.now.Add(10*time.Minute)) || state.Duration != 60 || state.Parameters[1].Text != "5" {
		t.Errorf("%+v", state)
	}
	j.run(first)
	j.await(first)
	if got := j.post(first+"/parameters", "MAXREC=5"); got.code != 400 {
		t.Errorf("parameters of a job that runs: HTTP %d", got.code)
	}
	clock.now = clock.now.Add(10 * time.Minute)
	if got := j.get(first); got.code != 404 {
		t.Errorf("past its destruction: HTTP %d", got.code)
	}
	j.create(archive.URL, countAll)
	clock.now = clock.now.Add(50 * time.Minute)
	if got := j.get(second); got.code != 404 {
		t.Errorf("past its retention: HTTP %d", got.code)
	}
	for _, address := range []string{"/async/nobody", "/async/nobody/phase", "/async/nobody/results/result", "/files/nobody"} {
		if got := j.get(archive.URL + address); got.code != 404 {
			t.Errorf("%s: HTTP %d", address, got.code)
		}
	}
	if got := j.post(second, "ACTION=RUN"); got.code != 400 {
		t.Errorf("ACTION=RUN: HTTP %d", got.code)
	}
	if a.Jobs() != 3 {
		t.Errorf("%d jobs", a.Jobs())
	}
}

func TestJobsMayBeElsewhere(t *testing.T) {
	a := open(t, archive.Options{Elsewhere: true})
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	for base, c := range map[string]*http.Client{server.URL + "/tap": server.Client(), "https://vo.example/tap": client(a)} {
		c.CheckRedirect = client(a).CheckRedirect
		j := jobClient{t, c}
		root := strings.TrimSuffix(base, "/tap")
		job := j.create(base, countAll)
		if !strings.HasPrefix(job, root+"/run/async/") {
			t.Errorf("job at %s", job)
		}
		j.run(job)
		state := j.await(job)
		got := j.get(state.Results[0].Link)
		if got.code != 303 || !strings.HasPrefix(got.header.Get("Location"), root+"/files/") {
			t.Errorf("result: HTTP %d %v", got.code, got.header)
		}
		if rows, err := rowsOf(j.get(got.header.Get("Location")).body); len(rows) != 1 || err != nil {
			t.Errorf("%v, %v", rows, err)
		}
		if got := j.send("DELETE", job, nil); got.header.Get("Location") != root+"/run/async" {
			t.Errorf("delete: %v", got.header)
		}
		c.CloseIdleConnections()
	}
}

func TestAResultPastTheRowLimitSaysSo(t *testing.T) {
	a := open(t, archive.Options{MaxRec: 3})
	fill(t, a)
	j := jobClient{t, client(a)}
	job := j.create(archive.URL, "SELECT filename FROM ivoa.obscore", "MAXREC=1000")
	j.run(job)
	j.await(job)
	if rows, err := rowsOf(j.get(job + "/results/result").body); len(rows) != 3 || err != votable.ErrOverflow { //nolint:errorlint // it must be the same
		t.Errorf("%v, %v", rows, err)
	}
}
