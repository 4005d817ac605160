package archive_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"beampipe/vo/archive"

	"github.com/google/go-cmp/cmp"
)

const allFiles = "SELECT filename, filesize FROM ivoa.obscore ORDER BY filename"

// attempt sends a query and gives what came, also when the connection broke.
func attempt(t *testing.T, c *http.Client, base, adql string, more ...string) (reply, error) {
	t.Helper()
	resp, err := c.Do(askRequest(t, base+"/sync", adql, more...))
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(raw), err}, nil
}

// TestTheArchiveMisbehavesOnRequest asks once under each kind, and once more afterwards, through a
// listener and in this process.
func TestTheArchiveMisbehavesOnRequest(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	for _, tt := range []struct {
		kind  string
		code  int
		rows  int
		words string // in the error that ends the rows, or in the page
		check func(r reply) bool
	}{
		{kind: archive.Error400, code: 400, words: "could not be run"},
		{kind: archive.Error200, code: 200, words: "could not be run"},
		{kind: archive.TooLarge, code: 413, words: "upload limit"},
		{kind: archive.HTML500, code: 500, words: "VOTable", check: func(r reply) bool { return strings.HasPrefix(r.body, "<!DOCTYPE html>") }},
		{kind: archive.HTML200, code: 200, words: "VOTable", check: func(r reply) bool { return r.header.Get("Content-Type") == "text/html; charset=utf-8" }},
		{kind: archive.Busy503, code: 503, check: func(r reply) bool {
			return r.header.Get("Retry-After") == "1" && strings.Contains(r.body, "too busy")
		}},
		{kind: archive.Overflow, code: 200, rows: 4, words: "OVERFLOW"},
		{kind: archive.LateError, code: 200, rows: 4, words: "lost after these rows"},
		{kind: archive.Empty, code: 200, check: func(r reply) bool { return strings.Contains(r.body, `name="filesize"`) }},
		{kind: archive.NewColumn, code: 200, rows: 4, check: func(r reply) bool {
			rows, _ := rowsOf(r.body)
			return len(rows[0]) == 3 && rows[0][2] == "new" && strings.Contains(r.body, `name="added_column"`)
		}},
		{kind: archive.InBinary, code: 200, rows: 4, check: func(r reply) bool { return strings.Contains(r.body, "<BINARY>") }},
		{kind: archive.InBinary2, code: 200, rows: 4, check: func(r reply) bool { return strings.Contains(r.body, "<BINARY2>") }},
		{kind: "nonsense", code: 400, words: `no misbehaviour "nonsense"`},
	} {
		for base, c := range map[string]*http.Client{server.URL + "/tap": server.Client(), archive.URL: client(a)} {
			a.Misbehave(archive.Misbehaviour{Kind: tt.kind, Times: 1})
			got, err := attempt(t, c, base, allFiles)
			must(t, err)
			rows, err := rowsOf(got.body)
			if got.code != tt.code || len(rows) != tt.rows || tt.check != nil && !tt.check(got) {
				t.Errorf("%s: HTTP %d, %d rows, %v\n%s", tt.kind, got.code, len(rows), got.header, got.body)
			}
			if tt.words != "" && (err == nil || !strings.Contains(err.Error(), tt.words)) || tt.words == "" && err != nil && got.code == 200 {
				t.Errorf("%s: %v", tt.kind, err)
			}
			got, err = attempt(t, c, base, allFiles)
			must(t, err)
			if rows, err := rowsOf(got.body); len(rows) != 4 || len(rows[0]) != 2 || err != nil || got.code != 200 {
				t.Errorf("after %s: HTTP %d, %v, %v", tt.kind, got.code, rows, err)
			}
		}
	}
	server.Client().CloseIdleConnections()
}

func TestAConnectionBreaks(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	whole := ask(t, a, "/sync", allFiles).body
	for base, c := range map[string]*http.Client{server.URL + "/tap": server.Client(), archive.URL: client(a)} {
		for _, format := range []string{"votable/td", "votable/b2", "csv"} {
			a.Misbehave(archive.Misbehaviour{Kind: archive.Cut, Times: 1})
			got, err := attempt(t, c, base, allFiles, "FORMAT="+format)
			must(t, err)
			if !errors.Is(got.err, io.ErrUnexpectedEOF) || got.code != 200 || got.body == "" {
				t.Errorf("%s: cut: HTTP %d, %v, %q", format, got.code, got.err, got.body)
			}
			if format == "votable/td" && (!strings.HasPrefix(whole, got.body) || !strings.Contains(got.body, "</TR>")) {
				t.Errorf("cut in the rows: %s", got.body)
			}
		}
		a.Misbehave(archive.Misbehaviour{Kind: archive.Drop, Times: 1})
		if _, err := attempt(t, c, base, allFiles); !errors.Is(err, io.EOF) {
			t.Errorf("drop: %v", err)
		}
		if got, err := attempt(t, c, base, allFiles); err != nil || got.body != whole {
			t.Errorf("afterwards: %v", err)
		}
	}
	server.Client().CloseIdleConnections()
}

func TestASlowAnswerComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := archive.Open(t.Context(), archive.Options{Dir: t.TempDir()})
		must(t, err)
		for delay, want := range map[time.Duration]time.Duration{0: 10 * time.Second, 40 * time.Second: 40 * time.Second} {
			a.Misbehave(archive.Misbehaviour{Kind: archive.Slow, Delay: delay, Times: 1})
			begin := time.Now()
			got, err := attempt(t, client(a), archive.URL, countAll)
			if err != nil || got.code != 200 || time.Since(begin) != want {
				t.Errorf("%v, HTTP %d after %s", err, got.code, time.Since(begin))
			}
		}
		must(t, a.Close())
	})
}

func TestMisbehavioursAreCountedByMatchingQueries(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	codes := func(adqls ...string) (codes []int) {
		for _, adql := range adqls {
			codes = append(codes, ask(t, a, "/sync", adql).code)
			_, _ = capabilities(t, a) // not counted
		}
		return codes
	}
	const other = `SELECT HIPASS FROM "VIII/73/hicat"`
	a.Misbehave(archive.Misbehaviour{Kind: archive.Busy503, After: 1, Times: 2, Match: "hicat"})
	a.Misbehave(archive.Misbehaviour{Kind: archive.Error400, Mode: "async"})
	a.Misbehave(archive.Misbehaviour{Kind: archive.RefuseUpload, Message: "never"})
	a.Misbehave(archive.Misbehaviour{Kind: archive.TooLarge, Bytes: 500})
	if diff := cmp.Diff([]int{200, 200, 200, 503, 503, 200}, codes(allFiles, other, allFiles, other, other, other)); diff != "" {
		t.Error(diff)
	}
	if got := askWith(t, a, "/sync", allFiles, map[string]string{"s": sources(t, "a")}); got.code != 400 || !strings.Contains(got.body, "never") {
		t.Errorf("with an upload: HTTP %d %s", got.code, got.body)
	}
	if diff := cmp.Diff([]int{413, 200}, codes(allFiles+strings.Repeat(" ", 500), allFiles)); diff != "" {
		t.Error("a large one:", diff)
	}
	if got := ask(t, a, "/async", allFiles); got.code != 400 || a.Jobs() != 0 {
		t.Errorf("async: HTTP %d, %d jobs", got.code, a.Jobs())
	}
	a.Misbehave(archive.Misbehaviour{Kind: archive.Overflow, Rows: 2})
	got := ask(t, a, "/sync", allFiles)
	if rows, err := rowsOf(got.body); len(rows) != 2 || err == nil {
		t.Errorf("%v, %v", rows, err)
	}
	a.Behave()
	if diff := cmp.Diff([]int{200, 200, 200}, codes(allFiles, other, allFiles+strings.Repeat(" ", 500))); diff != "" {
		t.Error("behaves:", diff)
	}
	if got := askWith(t, a, "/sync", allFiles, map[string]string{"s": sources(t, "a")}); got.code != 200 {
		t.Errorf("behaves: HTTP %d", got.code)
	}
}

func TestJobsMisbehave(t *testing.T) {
	for _, tt := range []struct {
		kind   string
		reads  int
		phases string // as reads show them, beginning behind the first RUN
		result int    // HTTP status of the result afterwards
	}{
		{archive.JobHeld, 0, "HELD HELD RUN COMPLETED", 200},
		{archive.JobSuspended, 0, "SUSPENDED SUSPENDED COMPLETED", 200},
		{archive.JobSuspended, 3, "SUSPENDED SUSPENDED SUSPENDED COMPLETED", 200},
		{archive.JobUnknown, 0, "UNKNOWN UNKNOWN COMPLETED", 200},
		{archive.JobAborted, 0, "ABORTED ABORTED", 404},
		{archive.JobArchived, 0, "ARCHIVED ARCHIVED", 404},
		{archive.LostJob, 0, "404 404", 404},
		{archive.Error200, 0, "ERROR", 404},
	} {
		a := open(t, archive.Options{})
		fill(t, a)
		a.Misbehave(archive.Misbehaviour{Kind: tt.kind, Reads: tt.reads, Times: 1})
		if tt.kind != archive.Error200 {
			if got := ask(t, a, "/sync", allFiles); got.code != 200 {
				t.Errorf("%s reaches /sync: HTTP %d", tt.kind, got.code)
			}
		}
		j := jobClient{t, client(a)}
		job := j.create(archive.URL, allFiles)
		if got := j.get(job + "/phase").body; got != "PENDING" {
			t.Errorf("%s: before RUN: %s", tt.kind, got)
		}
		j.run(job)
		var seen []string
		for _, step := range strings.Fields(tt.phases) {
			if step == "RUN" {
				j.run(job)
				seen = append(seen, step)
				continue
			}
			seen = append(seen, phaseOf(j, job))
		}
		if got := strings.Join(seen, " "); got != tt.phases {
			t.Errorf("%s: %s, want %s", tt.kind, got, tt.phases)
		}
		if got := j.get(job + "/results/result"); got.code != tt.result {
			t.Errorf("%s: result: HTTP %d", tt.kind, got.code)
		}
		good := j.create(archive.URL, allFiles)
		j.run(good)
		if state := j.await(good); state.Phase != "COMPLETED" || a.Jobs() != 2 {
			t.Errorf("after %s: %s, %d jobs", tt.kind, state.Phase, a.Jobs())
		}
	}
}

// phaseOf waits while a job is active and gives its phase then, or the HTTP status where it is none.
func phaseOf(j jobClient, job string) string {
	for {
		got := j.get(job + "?WAIT=60")
		_, after, _ := strings.Cut(got.body, "<uws:phase>")
		phase, _, found := strings.Cut(after, "<")
		switch {
		case !found:
			return strconv.Itoa(got.code)
		case phase != "PENDING" && phase != "QUEUED" && phase != "EXECUTING":
			return phase
		}
	}
}

func TestTheAnswerOfAJobIsSpoilt(t *testing.T) {
	for _, tt := range []struct {
		kind  string
		rows  int
		words string
		has   string
	}{
		{archive.Overflow, 4, "OVERFLOW", "<TABLEDATA>"},
		{archive.LateError, 4, "lost after", "<TABLEDATA>"},
		{archive.Empty, 0, "", "<TABLEDATA>"},
		{archive.NewColumn, 4, "", "added_column"},
		{archive.InBinary, 4, "", "<BINARY>"},
		{archive.InBinary2, 4, "", "<BINARY2>"},
	} {
		a := open(t, archive.Options{})
		fill(t, a)
		a.Misbehave(archive.Misbehaviour{Kind: tt.kind})
		j := jobClient{t, client(a)}
		job := j.create(archive.URL, allFiles)
		j.run(job)
		if state := j.await(job); state.Phase != "COMPLETED" {
			t.Errorf("%s: %+v", tt.kind, state)
		}
		got := j.get(job + "/results/result")
		rows, err := rowsOf(got.body)
		if len(rows) != tt.rows || !strings.Contains(got.body, tt.has) || (tt.words == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %d rows, %v\n%s", tt.kind, len(rows), err, got.body)
		}
	}
}

func TestTheResultOfAJobBreaksOnce(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	a.Misbehave(archive.Misbehaviour{Kind: archive.Cut})
	j := jobClient{t, client(a)}
	job := j.create(archive.URL, allFiles)
	j.run(job)
	j.await(job)
	if got := j.get(job + "/results/result"); !errors.Is(got.err, io.ErrUnexpectedEOF) {
		t.Errorf("first: %v", got.err)
	}
	got := j.get(job + "/results/result")
	if rows, err := rowsOf(got.body); len(rows) != 4 || err != nil || got.err != nil {
		t.Errorf("then: %d rows, %v, %v", len(rows), err, got.err)
	}
}
