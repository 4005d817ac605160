package tap_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/uws"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
)

func TestAJobIsMadeKeptRunReadAndDeleted(t *testing.T) {
	f, m := newFake(t), newMemory()
	f.create = func(_ int, q query) reply {
		if len(m.log) != 0 {
			t.Error("kept before it was made")
		}
		if q.one("QUERY") != "SELECT 1" || q.one("REQUEST") != "doQuery" || q.one("MAXREC") != "100000" {
			t.Errorf("%v", q.form)
		}
		return reply{}
	}
	f.other = func(r *http.Request) (reply, bool) {
		if strings.HasSuffix(r.URL.Path, "/phase") && len(m.log) != 1 {
			t.Error("run before it was kept")
		}
		return reply{}, false
	}
	c := f.client(tap.Options{Mode: tap.Async, Jobs: m})
	table, err := c.Run(t.Context(), tap.Request{ADQL: "SELECT 1", Key: "k"})
	if err != nil || len(table.Rows) != 1 || table.Mode != "async" || table.Attempts != 1 {
		t.Fatalf("%+v, %v", table, err)
	}
	want := []string{
		"POST /tap/async", "POST /run/1/phase", "GET /run/1", "POST /run/1/phase", "GET /run/1", "GET /run/1",
		"GET /run/1/results/result", "DELETE /run/1",
	}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"keep casda http://archive.example/run/1", "forget"}, m.log); diff != "" {
		t.Error(diff)
	}
}

func TestEveryEndOfAJobHasItsFault(t *testing.T) {
	for _, tt := range []struct {
		name   string
		phases []string
		kind   fault.Kind
		words  string
		jobs   int
		kept   bool
	}{
		{"completed at once", []string{"COMPLETED"}, "", "", 1, false},
		{"held, then runs", []string{"HELD", "EXECUTING", "COMPLETED"}, "", "", 1, false},
		{"suspended for a while", []string{"SUSPENDED", "SUSPENDED", "EXECUTING", "COMPLETED"}, "", "", 1, false},
		{"unknown for a while", []string{"EXECUTING", "UNKNOWN", "COMPLETED"}, "", "", 1, false},
		{"held for ever", []string{"HELD"}, fault.Unavailable, "HELD after 10 times PHASE=RUN", 1, false},
		{"suspended for ever", []string{"SUSPENDED"}, fault.Unavailable, "is SUSPENDED after 30m0s", 1, false},
		{"executing for ever", []string{"EXECUTING"}, fault.Unavailable, "is EXECUTING after 30m0s", 1, false},
		{"failed", []string{"EXECUTING", "ERROR"}, fault.Invalid, "job http://archive.example/run/1 is ERROR: the archive refused it: no such column", 1, false},
		{"aborted", []string{"ABORTED"}, fault.Unavailable, "ABORTED, stopped by the archive or by another client: no such column", 1, false},
		{"archived", []string{"ARCHIVED"}, fault.Unavailable, "ARCHIVED: its result is deleted", 1, false},
	} {
		f, m := newFake(t), newMemory()
		f.phases = func(int) []string { return tt.phases }
		f.other = func(r *http.Request) (reply, bool) {
			return reply{body: failedDoc("no such column")}, strings.HasSuffix(r.URL.Path, "/error")
		}
		c := f.client(tap.Options{Mode: tap.Async, Jobs: m, Retries: 3})
		_, err := c.Run(t.Context(), tap.Request{ADQL: "q"})
		t.Run(tt.name, func(t *testing.T) { wantKind(t, err, tt.kind, tt.words) })
		if f.creates != tt.jobs || len(m.urls) != 0 || len(f.left()) > 0 && tt.phases[0] != "ARCHIVED" {
			t.Errorf("%s: %d jobs, kept %v, left %v", tt.name, f.creates, m.urls, f.left())
		}
		if tt.words != "" && strings.Contains(tt.words, "after 30m") && (len(f.aborted) != 1 || !errors.Is(err, uws.ErrTooLong)) {
			t.Errorf("%s: aborted %v, %v", tt.name, f.aborted, err)
		}
	}
}

func TestAStoppedProcessLeavesItsJobAndTheNextOneGoesOnWithIt(t *testing.T) {
	for _, tt := range []struct {
		name  string
		later []string // phases that the next process sees
		anew  bool
		kind  fault.Kind
	}{
		{"still executing", []string{"EXECUTING", "EXECUTING", "COMPLETED"}, false, ""},
		{"completed meanwhile", []string{"COMPLETED"}, false, ""},
		{"never run", []string{"PENDING", "EXECUTING", "COMPLETED"}, false, ""},
		{"failed meanwhile", []string{"ERROR"}, false, fault.Invalid},
		{"archived meanwhile", []string{"ARCHIVED"}, true, ""},
		{"aborted meanwhile", []string{"ABORTED"}, true, ""},
		{"gone", nil, true, ""},
	} {
		f, m := newFake(t), newMemory()
		ctx, stop := context.WithCancel(t.Context())
		f.phases = func(int) []string { return []string{"EXECUTING"} }
		f.other = func(r *http.Request) (reply, bool) {
			if strings.Contains(r.URL.RawQuery, "WAIT") {
				stop()
			}
			return reply{}, false
		}
		r := tap.Request{ADQL: "q", Uploads: []tap.Upload{ids("a")}}
		_, err := f.client(tap.Options{Mode: tap.Async, Jobs: m, Retries: 3}).Run(ctx, r)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, fault.Unavailable) || len(m.urls) != 1 || len(f.left()) != 1 || len(f.deleted)+len(f.aborted) != 0 {
			t.Fatalf("%s: %v, kept %v, left %v", tt.name, err, m.urls, f.left())
		}
		f.other = nil
		f.jobs["1"].seen, f.jobs["1"].gone = 0, tt.later == nil
		f.phases = func(int) []string { return tt.later }
		// Auto looks for a job too, though it would ask synchronously; so it does where the old job is of no use.
		_, err = f.client(tap.Options{Jobs: m}).Run(t.Context(), r)
		if fault.KindOf(err) != tt.kind || f.creates != 1 || (f.syncs == 1) != tt.anew || len(m.urls) != 0 {
			t.Errorf("%s: %v, %d jobs, %d synchronous queries, kept %v", tt.name, err, f.creates, f.syncs, m.urls)
		}
	}
}

func TestAJobOfAnotherQueryUnderTheSameKeyIsNotTaken(t *testing.T) {
	f, m := newFake(t), newMemory()
	f.jobs["9"] = &fakeJob{n: 9, query: query{form: map[string][]string{"QUERY": {"SELECT other"}}}}
	m.urls["k"] = "http://archive.example/run/9"
	c := f.client(tap.Options{Mode: tap.Async, Jobs: m})
	if _, err := c.Run(t.Context(), tap.Request{ADQL: "SELECT  mine", Key: "k"}); err != nil || f.creates != 1 || !f.jobs["9"].gone {
		t.Errorf("%v, %d jobs", err, f.creates)
	}
}

func TestWithoutMemoryAStoppedCallTakesItsJobAway(t *testing.T) {
	f := newFake(t)
	ctx, stop := context.WithCancel(t.Context())
	f.phases = func(int) []string { stop(); return []string{"EXECUTING"} }
	_, err := f.client(tap.Options{Mode: tap.Async}).Run(ctx, tap.Request{ADQL: "q"})
	if !errors.Is(err, context.Canceled) || len(f.left()) != 0 || len(f.aborted) != 1 {
		t.Errorf("%v, left %v, aborted %v", err, f.left(), f.aborted)
	}
}

func TestFailuresWhileAJobRunsMakeNoSecondOne(t *testing.T) {
	for name, trouble := range map[string]func(f *fake, n *int, r *http.Request) (reply, bool){
		"polls fail": func(_ *fake, n *int, r *http.Request) (reply, bool) {
			if r.URL.Path != "/run/1" || r.Method != http.MethodGet {
				return reply{}, false
			}
			*n++
			return reply{code: 502, body: "bad gateway"}, *n%4 != 0
		},
		"the wish to run is lost": func(_ *fake, n *int, r *http.Request) (reply, bool) {
			if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/phase") {
				return reply{}, false
			}
			*n++
			return reply{header: map[string]string{fail: "connection reset"}}, *n == 1
		},
		"the result is cut at first": func(_ *fake, n *int, r *http.Request) (reply, bool) {
			if !strings.HasSuffix(r.URL.Path, "/result") {
				return reply{}, false
			}
			*n++
			return reply{body: head + oneTR}, *n <= 2
		},
		"deletion fails": func(_ *fake, _ *int, r *http.Request) (reply, bool) {
			return reply{code: 500}, r.Method == http.MethodDelete
		},
		"the result is elsewhere": func(_ *fake, _ *int, r *http.Request) (reply, bool) {
			if strings.HasSuffix(r.URL.Path, "/result") {
				return reply{code: 303, header: map[string]string{"Location": "http://files.example/7.vot"}}, true
			}
			return reply{body: good}, r.URL.Host == "files.example"
		},
	} {
		f, m, n := newFake(t), newMemory(), 0
		f.other = func(r *http.Request) (reply, bool) { return trouble(f, &n, r) }
		c := f.client(tap.Options{Mode: tap.Async, Jobs: m, Retries: 2})
		table, err := c.Run(t.Context(), tap.Request{ADQL: "q"})
		if err != nil || len(table.Rows) != 1 || f.creates != 1 || len(m.urls) != 0 {
			t.Errorf("%s: %v, %d jobs, kept %v", name, err, f.creates, m.urls)
		}
	}
}

func TestAResultThatCannotBeReadNowIsReadLater(t *testing.T) {
	f, m := newFake(t), newMemory()
	f.result = func(int, query) reply { return reply{code: 503} }
	c := f.client(tap.Options{Mode: tap.Async, Jobs: m, Retries: 1})
	_, err := c.Run(t.Context(), tap.Request{ADQL: "q"})
	wantKind(t, err, fault.Unavailable, "HTTP 503")
	if len(m.urls) != 1 || len(f.left()) != 1 {
		t.Fatalf("kept %v, left %v", m.urls, f.left())
	}
	f.result = func(int, query) reply { return reply{body: good} }
	if table, err := c.Run(t.Context(), tap.Request{ADQL: "q"}); err != nil || len(table.Rows) != 1 || f.creates != 1 || len(f.left()) != 0 {
		t.Errorf("%v, %d jobs, left %v", err, f.creates, f.left())
	}
}

func TestTheResultIsFoundHoweverTheJobNamesIt(t *testing.T) {
	for name, results := range map[string]string{
		"by its name":           `<result id="log" href="/log"/><result id="result" href="/run/1/results/result"/>`,
		"the only one":          `<result id="table.xml" href="/run/1/results/result"/>`,
		"none listed":           ``,
		"none of several":       `<result id="log" href="/log"/><result id="plot" href="/plot"/>`,
		"without its address":   `<result id="result"/>`,
		"relative to the job's": `<result id="result" href="1/results/result"/>`,
	} {
		f := newFake(t)
		f.other = func(r *http.Request) (reply, bool) {
			return reply{body: `<job><phase>COMPLETED</phase><results>` + results + `</results></job>`}, r.Method == http.MethodGet && r.URL.Path == "/run/1"
		}
		table, err := f.client(tap.Options{Mode: tap.Async}).Run(t.Context(), tap.Request{ADQL: "q"})
		if err != nil || len(table.Rows) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAJobThatTheArchiveLosesIsMadeAgain(t *testing.T) {
	f, m := newFake(t), newMemory()
	f.phases = func(n int) []string {
		if n == 1 {
			f.jobs["1"].gone = true
		}
		return []string{"EXECUTING", "COMPLETED"}
	}
	if _, err := f.client(tap.Options{Mode: tap.Async, Jobs: m, Retries: 1}).Run(t.Context(), tap.Request{ADQL: "q"}); err != nil || f.creates != 2 {
		t.Errorf("%v, %d jobs", err, f.creates)
	}
	f, m = newFake(t), newMemory()
	f.result = func(n int, _ query) reply {
		if n == 1 {
			return reply{code: 404}
		}
		return reply{body: good}
	}
	if _, err := f.client(tap.Options{Mode: tap.Async, Jobs: m, Retries: 1}).Run(t.Context(), tap.Request{ADQL: "q"}); err != nil || f.creates != 2 || len(m.urls) != 0 {
		t.Errorf("the result is gone: %v, %d jobs", err, f.creates)
	}
}

func TestAJobThatCannotBeMade(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply reply
		kind  fault.Kind
		words string
		is    error
		tries int
	}{
		{"refused with 200", reply{body: failedDoc("bad LANG")}, fault.Invalid, "refused it: bad LANG", nil, 1},
		{"refused with 400", reply{code: 400, body: failedDoc("bad LANG")}, fault.Invalid, "HTTP 400: bad LANG", nil, 1},
		{"busy with 200", reply{body: failedDoc("Too busy")}, fault.Unavailable, "Too busy", nil, 3},
		{"503", reply{code: 503, body: "down"}, fault.Unavailable, "HTTP 503: down", nil, 3},
		{"too large", reply{code: 413, body: failedDoc("Would only accept 0 bytes of upload here.")}, fault.Invalid, "HTTP 413", tap.ErrTooLarge, 1},
		{"the line breaks", reply{header: map[string]string{fail: "connection reset"}}, fault.Unavailable, "connection reset", nil, 3},
		{"no jobs here", reply{code: 404}, fault.Invalid, "HTTP 404", nil, 1},
		{"its address cannot be used", reply{code: 303, header: map[string]string{"Location": "ftp://x/1"}}, fault.Invalid, "not http or https", nil, 1},
	} {
		f := newFake(t)
		f.create = func(int, query) reply { return tt.reply }
		_, err := f.client(tap.Options{Mode: tap.Async, Jobs: newMemory(), Retries: 2}).Run(t.Context(), tap.Request{ADQL: "q", Uploads: []tap.Upload{ids("a")}})
		t.Run(tt.name, func(t *testing.T) { wantKind(t, err, tt.kind, tt.words) })
		if f.creates != tt.tries || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: tried %d times, %v", tt.name, f.creates, err)
		}
	}
}

func TestAJobThatCannotBeKeptIsNotRun(t *testing.T) {
	f, m := newFake(t), newMemory()
	m.fail["Keep"] = errors.New("disk full")
	_, err := f.client(tap.Options{Mode: tap.Async, Jobs: m}).Run(t.Context(), tap.Request{ADQL: "q"})
	wantKind(t, err, fault.Unavailable, "disk full")
	if len(f.left()) != 0 || f.jobs["1"].runs != 0 {
		t.Errorf("left %v, run %d times", f.left(), f.jobs["1"].runs)
	}
	f, m = newFake(t), newMemory()
	m.fail["Job"] = fault.New(fault.Conflict, "locked", "")
	_, err = f.client(tap.Options{Jobs: m}).Run(t.Context(), tap.Request{ADQL: "q"})
	wantKind(t, err, fault.Conflict, "locked")
	if len(f.asked) != 0 {
		t.Errorf("asked %q", f.asked)
	}
}

func TestAResultIsJudgedLikeAnyAnswer(t *testing.T) {
	for _, tt := range []struct {
		body  string
		kind  fault.Kind
		words string
	}{
		{failedDoc("File not found"), fault.Invalid, "File not found"},
		{"<html><title>Login</title></html>", fault.Unavailable, "not a VOTable"},
		{head + oneTR + `</TABLEDATA></DATA></TABLE><INFO name="QUERY_STATUS" value="ERROR">lost the database</INFO></RESOURCE></VOTABLE>`, fault.Invalid, "lost the database"},
	} {
		f, m := newFake(t), newMemory()
		f.result = func(int, query) reply { return reply{body: tt.body} }
		_, err := f.client(tap.Options{Mode: tap.Async, Jobs: m}).Run(t.Context(), tap.Request{ADQL: "q"})
		wantKind(t, err, tt.kind, tt.words)
		if len(m.urls) != 0 || len(f.left()) != 0 {
			t.Errorf("%s: kept %v, left %v", tt.words, m.urls, f.left())
		}
	}
}

func TestAnOverflowOfAJobMakesALargerOneAfterIt(t *testing.T) {
	f, m := newFake(t), newMemory()
	f.result = func(_ int, q query) reply { return upTo(q, 25) }
	table, err := f.client(tap.Options{Mode: tap.Async, Jobs: m}).Run(t.Context(), tap.Request{ADQL: "q", MaxRec: 10})
	if err != nil || len(table.Rows) != 25 || f.creates != 2 || len(f.left()) != 0 || table.Attempts != 2 {
		t.Errorf("%+v, %v, %d jobs, left %v", table, err, f.creates, f.left())
	}
}

// upTo answers with the first MAXREC of so many rows, and OVERFLOW from MAXREC rows on, as DaCHS does.
func upTo(q query, have int) reply {
	var limit int
	_, _ = fmt.Sscan(q.one("MAXREC"), &limit)
	body := head + strings.Repeat(oneTR, min(have, limit)) + `</TABLEDATA></DATA></TABLE>`
	if have >= limit {
		body += `<INFO name="QUERY_STATUS" value="OVERFLOW"/>`
	}
	return reply{body: body + `</RESOURCE></VOTABLE>`}
}

func TestAnAnswerOfExactlyMAXRECRowsIsNotTakenForTheWhole(t *testing.T) {
	for _, tt := range []struct {
		name  string
		have  int
		want  string // the MAXRECs sent
		whole bool
	}{
		{"fewer", 9, "10", true},
		{"exactly as many", 10, "10 100", true},
		{"more", 25, "10 100", true},
		{"more than our limit", 5000, "10 100 300", false},
	} {
		for _, mode := range []tap.Mode{tap.Sync, tap.Async} {
			f := newFake(t)
			var sent []string
			cut := func(_ int, q query) reply { // says nothing of what it leaves out
				sent = append(sent, q.one("MAXREC"))
				return reply{body: strings.Replace(upTo(q, tt.have).body, `<INFO name="QUERY_STATUS" value="OVERFLOW"/>`, "", 1)}
			}
			f.sync, f.result = cut, cut
			table, err := f.client(tap.Options{MaxRecLimit: 300, Mode: mode}).Run(t.Context(), tap.Request{ADQL: "q", MaxRec: 10})
			if got := strings.Join(sent, " "); got != tt.want || (err == nil) != tt.whole || tt.whole && len(table.Rows) != tt.have {
				t.Errorf("%s, %s: sent %s, %v", tt.name, mode, got, err)
			}
			if !tt.whole && (!errors.Is(err, votable.ErrOverflow) || len(f.left()) != 0) {
				t.Errorf("%s, %s: %v, left %v", tt.name, mode, err, f.left())
			}
		}
	}
}

func TestTheResultOfAJobThatEndedLongAgoIsNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		ended time.Duration // ago
		anew  bool
	}{{29 * time.Minute, false}, {20 * time.Hour, true}} {
		f, m := newFake(t), newMemory()
		f.jobs["9"] = &fakeJob{n: 9, query: query{form: map[string][]string{"QUERY": {"q"}}}, ended: f.now.Add(-tt.ended)}
		m.urls["k"] = "http://archive.example/run/9"
		f.phases = func(int) []string { return []string{"COMPLETED"} }
		c := f.client(tap.Options{Mode: tap.Async, Jobs: m})
		if _, err := c.Run(t.Context(), tap.Request{ADQL: "q", Key: "k"}); err != nil || (f.creates == 1) != tt.anew || !f.jobs["9"].gone || len(m.urls) != 0 {
			t.Errorf("ended %s ago: %v, %d jobs, kept %v", tt.ended, err, f.creates, m.urls)
		}
	}
}

func TestAnOverflowRaisesTheLimitUpToThoseOfTheArchiveAndOurs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		have  int
		o     tap.Options
		caps  string
		want  string // the MAXRECs sent
		whole bool
	}{
		{"fits", 5, tap.Options{}, "", "10", true},
		{"exactly MAXREC rows are there", 10, tap.Options{}, "", "10 100", true},
		{"twice", 150, tap.Options{}, "", "10 100 1000", true},
		{"past our limit", 5000, tap.Options{MaxRecLimit: 300}, "", "10 100 300", false},
		{"past the archive's", 5000, tap.Options{}, capabilities(`<outputLimit><default unit="row">5</default><hard unit="row">200</hard></outputLimit>`), "10 100 200", false},
		{"no limit known", 5000, tap.Options{}, capabilities(), "10 100 1000 10000", true},
		{"a limit in bytes says nothing of rows", 50, tap.Options{}, capabilities(`<outputLimit><hard unit="byte">20</hard></outputLimit>`), "10 100", true},
	} {
		f := newFake(t)
		var sent []string
		f.capabilities = tt.caps
		f.sync = func(_ int, q query) reply {
			sent = append(sent, q.one("MAXREC"))
			return upTo(q, tt.have)
		}
		table, err := f.client(tt.o).Run(t.Context(), tap.Request{ADQL: "q", MaxRec: 10})
		if got := strings.Join(sent, " "); got != tt.want || (err == nil) != tt.whole {
			t.Errorf("%s: sent %s, %v", tt.name, got, err)
		}
		if tt.whole && (len(table.Rows) != tt.have || table.Attempts != len(sent)) {
			t.Errorf("%s: %d rows, %d attempts", tt.name, len(table.Rows), table.Attempts)
		}
		if !tt.whole && (!errors.Is(err, votable.ErrOverflow) || !errors.Is(err, fault.Invalid)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestAnOverflowBelowMAXRECIsTheArchivesOwnLimit(t *testing.T) {
	f := newFake(t)
	f.sync = func(int, query) reply { return upTo(query{form: map[string][]string{"MAXREC": {"3"}}}, 9) }
	if _, err := f.client(tap.Options{}).Run(t.Context(), tap.Request{ADQL: "q", MaxRec: 10}); !errors.Is(err, votable.ErrOverflow) || f.syncs != 1 {
		t.Errorf("%v, asked %d times", err, f.syncs)
	}
	err := f.client(tap.Options{}).RunEach(t.Context(), tap.Request{ADQL: "q", MaxRec: 3}, func([]votable.Field, []string) error { return nil })
	if !errors.Is(err, votable.ErrOverflow) || f.syncs != 2 {
		t.Errorf("rows that were given are not asked for again: %v, asked %d times", err, f.syncs)
	}
}

func TestTheJobsOfAnArchiveAreListedAbortedAndDeleted(t *testing.T) {
	f := newFake(t)
	f.jobs["1"] = &fakeJob{n: 1}
	f.other = func(r *http.Request) (reply, bool) {
		return reply{body: `<jobs><jobref id="1" href="/run/1"><phase>EXECUTING</phase></jobref></jobs>`}, r.Method == http.MethodGet && r.URL.Path == "/tap/async"
	}
	c := f.client(tap.Options{})
	refs, err := c.ListJobs(t.Context())
	if err != nil || len(refs) != 1 || refs[0].URL != "http://archive.example/run/1" || refs[0].Phase != uws.Executing {
		t.Fatalf("%v, %v", refs, err)
	}
	if err := c.AbortJob(t.Context(), refs[0].URL); err != nil || len(f.aborted) != 1 {
		t.Error(err)
	}
	if err := c.DeleteJob(t.Context(), refs[0].URL); err != nil || len(f.deleted) != 1 {
		t.Error(err)
	}
	if err := c.DeleteJob(t.Context(), refs[0].URL); !errors.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if s := c.Stats(); s.Requests != 4 {
		t.Errorf("%+v", s)
	}
}

func TestTheTimeOfAJobIsBounded(t *testing.T) {
	f, m := newFake(t), newMemory()
	f.phases = func(int) []string { return []string{"QUEUED"} }
	begun := f.now
	_, err := f.client(tap.Options{Mode: tap.Async, Jobs: m, MaxWait: 5 * time.Minute, Retries: 5}).Run(t.Context(), tap.Request{ADQL: "q"})
	wantKind(t, err, fault.Unavailable, "is QUEUED after 5m0s")
	if f.now.Sub(begun) != 5*time.Minute || len(f.left()) != 0 || len(m.urls) != 0 || len(f.asked) > 40 {
		t.Errorf("after %s, left %v, kept %v, asked %d times", f.now.Sub(begun), f.left(), m.urls, len(f.asked))
	}
}
