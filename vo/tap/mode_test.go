package tap_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/votable"
)

// after answers well after some time.
func after(d time.Duration) reply {
	return reply{body: good, header: map[string]string{took: d.String()}}
}

// modes asks so many times, and gives the modes of the answers.
func modes(t *testing.T, c *tap.Client, times int, r tap.Request) string {
	t.Helper()
	var got []string
	for range times {
		table, err := c.Run(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, table.Mode)
	}
	return strings.Join(got, " ")
}

func TestSlowAnswersMakeTheNextQuestionsAsynchronousUntilOneIsQuick(t *testing.T) {
	f := newFake(t)
	f.capabilities = capabilities()
	f.sync = func(int, query) reply { return after(11 * time.Second) }
	jobs := 0
	f.phases = func(int) []string {
		if jobs++; jobs <= 3 {
			f.now = f.now.Add(15 * time.Second) // the job takes long, too
		}
		return []string{"COMPLETED"}
	}
	c := f.client(tap.Options{Timeout: 30 * time.Second})
	if got := modes(t, c, 8, tap.Request{ADQL: "q"}); got != "sync sync sync async async async async sync" {
		t.Error(got)
	}
	if f.count("GET /tap/capabilities") != 1 {
		t.Errorf("%q", f.asked)
	}
}

func TestWithoutJobsASlowArchiveIsAskedAsBefore(t *testing.T) {
	for name, caps := range map[string]string{
		"its capabilities cannot be read": "",
		"it lists synchronous ones alone": `<capabilities xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><capability standardID="ivo://ivoa.net/std/TAP"><interface xsi:type="uws:Sync"/></capability></capabilities>`,
	} {
		f := newFake(t)
		f.capabilities = caps
		f.sync = func(int, query) reply { return after(20 * time.Second) }
		if got := modes(t, f.client(tap.Options{}), 5, tap.Request{ADQL: "q"}); got != "sync sync sync sync sync" || f.creates != 0 {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAnArchiveWhoseJobsAreMissingIsAskedSynchronouslyAfterAll(t *testing.T) {
	for _, code := range []int{404, 405, 501} {
		f := newFake(t)
		f.capabilities = capabilities()
		f.sync = func(int, query) reply { return after(20 * time.Second) }
		f.create = func(int, query) reply { return reply{code: code} }
		if got := modes(t, f.client(tap.Options{}), 6, tap.Request{ADQL: "q"}); got != "sync sync sync sync sync sync" || f.creates != 1 {
			t.Errorf("%d: %s, %d jobs tried", code, got, f.creates)
		}
		_, err := f.client(tap.Options{Mode: tap.Async}).Query(t.Context(), "q")
		if !errors.Is(err, fault.Invalid) && !errors.Is(err, fault.Unavailable) {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestAnUploadPastTheSynchronousLimitIsAsynchronous(t *testing.T) {
	r := tap.Request{ADQL: "q", Uploads: []tap.Upload{ids("a", "b", "c")}}
	done := func(int) []string { return []string{"COMPLETED"} }

	f := newFake(t)
	f.phases = done
	f.capabilities = capabilities(inline, `<uploadLimit forMode="sync"><hard unit="row">2</hard></uploadLimit><uploadLimit><hard unit="row">2000</hard></uploadLimit>`)
	if got := modes(t, f.client(tap.Options{}), 2, r); got != "async async" || f.syncs != 0 {
		t.Errorf("as advertised: %s, %d synchronous", got, f.syncs)
	}
	if _, err := f.client(tap.Options{Mode: tap.Sync}).Run(t.Context(), r); !errors.Is(err, tap.ErrTooLarge) || f.syncs != 0 {
		t.Errorf("as advertised, but asked for sync: %v", err)
	}

	f = newFake(t)
	f.phases = done
	f.capabilities = capabilities(inline, `<uploadLimit><hard unit="byte">20000000</hard></uploadLimit>`)
	f.sync = func(_ int, q query) reply {
		if len(q.uploads["ids"]) > 560 {
			return reply{code: http.StatusRequestEntityTooLarge, body: failedDoc("Would only accept 0 bytes of upload here.")}
		}
		return reply{body: good}
	}
	c := f.client(tap.Options{})
	many := tap.Request{ADQL: "q", Uploads: []tap.Upload{ids(strings.Split(strings.Repeat("x", 50), "")...)}}
	if got := modes(t, c, 2, many); got != "async async" || f.syncs != 1 {
		t.Errorf("learnt from 413: %s, %d synchronous", got, f.syncs)
	}
	if got := modes(t, c, 1, tap.Request{ADQL: "q", Uploads: []tap.Upload{ids("a")}}); got != "sync" {
		t.Errorf("a small one: %s", got)
	}
	if _, err := f.client(tap.Options{Mode: tap.Sync}).Run(t.Context(), many); !errors.Is(err, tap.ErrTooLarge) {
		t.Error(err)
	}
}

func TestASerializationIsAskedForByTheNameThatServicesTake(t *testing.T) {
	for s, want := range map[votable.Serialization]string{
		votable.TableData: "application/x-votable+xml;serialization=TABLEDATA",
		votable.Binary:    "application/x-votable+xml",
		votable.Binary2:   "application/x-votable+xml;serialization=BINARY2",
	} {
		f := newFake(t)
		f.sync = func(_ int, q query) reply {
			if q.one("RESPONSEFORMAT") != want || q.one("FORMAT") != want {
				t.Errorf("%s: %v", s, q.form)
			}
			var b strings.Builder
			w := votable.NewBinaryWriter(&b, []votable.Field{{Name: "n", Datatype: "int"}, {Name: "s", Datatype: "char", Arraysize: "*"}}, s)
			if err := errors.Join(w.WriteText([]string{"7", "x"}), w.Close(votable.StatusOK, "")); err != nil {
				t.Error(err)
			}
			return reply{body: b.String()}
		}
		table, err := f.client(tap.Options{Serialization: s}).Query(t.Context(), "q")
		if err != nil || table.Rows[0][0] != "7" || table.Rows[0][1] != "x" {
			t.Errorf("%s: %+v, %v", s, table, err)
		}
	}
}

// late is a service whose first synchronous answer never comes.
type late struct {
	*fake
	silent int
}

func (l *late) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/tap/sync" && l.silent > 0 {
		l.silent--
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return l.fake.RoundTrip(r)
}

func TestAQueryThatTimesOutIsTriedAgainAsAJob(t *testing.T) {
	f := newFake(t)
	f.capabilities = capabilities()
	f.phases = func(int) []string { return []string{"COMPLETED"} }
	c, err := tap.New(tap.Options{URL: "http://archive.example/tap", Transport: &late{f, 1}, Timeout: 20 * time.Millisecond, Retries: 1, Jitter: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	table, err := c.Run(t.Context(), tap.Request{ADQL: "q"})
	if err != nil || table.Mode != "async" || table.Attempts != 2 || f.creates != 1 {
		t.Errorf("%+v, %v", table, err)
	}
}
