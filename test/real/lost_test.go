package real

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
	"beampipe/discovery"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/vo/tap"
)

// visibility reports whether a request asks the primary query.
func visibility(body string) bool { return strings.Contains(body, "obscore") }

func catalogue(body string) bool { return strings.Contains(body, "hicat") }

func syncWith(part func(body string) bool) func(kind, body string) bool {
	return func(kind, body string) bool { return kind == kindSync && part(body) }
}

// says answers with a document in the service's place.
func says(status int, contentType, document string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, document) // an error: the client is gone
	}
}

// errorDocument is what DaCHS says when its database is gone, in its own form.
const errorDocument = `<?xml-stylesheet href='/static/xsl/dalierror-to-html.xsl' type='text/xsl'?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">terminating connection due to administrator command</INFO></RESOURCE></VOTABLE>`

// TestWhateverGoesWrongNothingThatWasKnownIsLost breaks the service in every way, each time for a ledger
// that knows its sources: what was known stays, and no source is marked as one without data.
func TestWhateverGoesWrongNothingThatWasKnownIsLost(t *testing.T) {
	r := theRig(t)
	f := newFront(t, r)
	for _, form := range []string{formShipped, configs.FormSingle} {
		sources := r.mixed(60)
		if form == configs.FormSingle {
			sources = append(r.sources[:3:3], r.sources[49])
		}
		s := newSurvey(t, sources)
		s.add(way{form: form}.project(t, "survey"))
		f.set(spoil{})
		s.tick(client(t, tap.Options{URL: f.url}), "survey")
		before := s.learnt("survey")
		if diff := cmp.Diff(r.expected(sources), withoutSignatures(before)); diff != "" {
			t.Fatalf("%s: %s", form, diff)
		}
		for _, tt := range []struct {
			name  string
			spoil spoil
			tap   tap.Options
		}{
			{name: "an error with HTTP 200", spoil: spoil{match: syncWith(visibility), instead: says(200, "text/xml", errorDocument)}},
			{name: "an error with HTTP 400", spoil: spoil{match: syncWith(visibility), instead: says(400, "text/xml", errorDocument)}},
			{name: "an error of the catalogue", spoil: spoil{match: syncWith(catalogue), instead: says(200, "text/xml", errorDocument)}},
			{name: "HTTP 500 in HTML", spoil: spoil{instead: says(500, "text/html", "<html><body>Traceback</body></html>")}},
			{name: "a login page with HTTP 200", spoil: spoil{instead: says(200, "text/html", "<html><body>Sign in</body></html>")}},
			{name: "nothing with HTTP 200", spoil: spoil{instead: says(200, "application/x-votable+xml", "")}},
			{name: "cut in the head", spoil: spoil{match: syncWith(visibility), cut: 300}},
			{name: "cut in the rows", spoil: spoil{match: syncWith(visibility), cut: 11_000}},
			{name: "the catalogue is cut", spoil: spoil{match: syncWith(catalogue), cut: 1_500}},
			{name: "more rows than may be asked for", spoil: spoil{}, tap: tap.Options{MaxRec: 1, MaxRecLimit: 1}},
		} {
			t.Run(form+", "+tt.name, func(t *testing.T) {
				s.t = t
				f.set(tt.spoil)
				tt.tap.URL = f.url
				result := s.tick(client(t, tt.tap), "survey")
				s.unharmed(before, result)
				if result.Failed+result.Refused == 0 {
					t.Errorf("nothing failed: %+v", result)
				}
			})
		}
		t.Run(form+", and all is well again", func(t *testing.T) {
			s.t = t
			f.set(spoil{})
			s.release()
			result := s.tick(client(t, tap.Options{URL: f.url}), "survey")
			s.wellAgain(before, result.Changed)
		})
	}
}

// onJob matches requests about a job that is there already.
func onJob(kind, _ string) bool { return kind == kindOther }

// jobDocument is a job in a phase, in the form of UWS 1.1.
func jobDocument(phase string) string {
	return `<uws:job version="1.1" xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"><uws:jobId>x</uws:jobId><uws:phase>` + phase +
		`</uws:phase><uws:executionDuration>3600</uws:executionDuration></uws:job>`
}

func TestWhateverGoesWrongWithAJobNothingThatWasKnownIsLost(t *testing.T) {
	r := theRig(t)
	atFirst := jobs(t, r, nil)
	f := newFront(t, r)
	s := newSurvey(t, append(r.sources[:5:5], r.sources[49]))
	s.add(way{form: formShipped}.project(t, "survey"))
	s.tick(client(t, tap.Options{URL: f.url}), "survey")
	before := s.learnt("survey")
	for _, tt := range []struct {
		name  string
		spoil spoil
	}{
		{"no job can be made", spoil{match: func(kind, _ string) bool { return kind == kindCreate }, instead: says(503, "text/plain", "busy")}},
		{"it is gone", spoil{match: onJob, instead: says(404, "text/html", "<html><body>no such job</body></html>")}},
		{"it fails", spoil{match: onJob, instead: says(200, "text/xml", jobDocument("ERROR"))}},
		{"somebody aborts it", spoil{match: onJob, instead: says(200, "text/xml", jobDocument("ABORTED"))}},
		{"it is archived without a result", spoil{match: onJob, instead: says(200, "text/xml", jobDocument("ARCHIVED"))}},
		{"its result is an error with HTTP 200", spoil{match: func(kind, _ string) bool { return kind == kindResult }, instead: says(200, "text/xml", errorDocument)}},
		{"its result is cut", spoil{match: func(kind, _ string) bool { return kind == kindResult }, cut: 700}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.t = t
			f.set(tt.spoil)
			result := s.tick(client(t, tap.Options{URL: f.url, Mode: tap.Async}), "survey")
			s.unharmed(before, result)
			if result.Failed+result.Refused != result.Claimed {
				t.Errorf("not all failed: %+v", result)
			}
		})
	}
	f.set(spoil{})
	s.t = t
	s.release()
	result := s.tick(client(t, tap.Options{URL: f.url, Mode: tap.Async}), "survey")
	s.wellAgain(before, result.Changed)
	tidy(t, r, atFirst)
}

// unharmed checks that each source has all that it had after a tick, and that none with data became one
// without. A source that never had data may be asked in vain once more.
func (s *survey) unharmed(before map[string]learnt, r discovery.Result) {
	s.t.Helper()
	empty := 0
	for name, is := range s.learnt("survey") {
		was := before[name]
		if diff := cmp.Diff(was.Files, is.Files); diff != "" || was.Signature != is.Signature {
			s.t.Errorf("%s lost something: %s", name, diff)
		}
		switch {
		case len(was.Files) == 0:
			empty++
		case is.Outcome == ledger.OutcomeNoData || is.Outcome == ledger.OutcomeMissing || is.Outcome == ledger.OutcomeGone:
			s.t.Errorf("%s has data and is %s", name, is.Outcome)
		}
	}
	if r.NoData > empty || r.Missing+r.Gone > 0 {
		s.t.Errorf("the tick took sources for ones without data: %+v", r)
	}
}

// release lifts the quarantine that failing on purpose brings.
func (s *survey) release() {
	s.t.Helper()
	must(s.t, s.ledger.Write(context.Background(), func(tx *ledger.Tx) error {
		for _, name := range s.sources {
			if _, err := tx.ReleaseSource("survey", name, "the service is well again", "user:test"); err != nil {
				return err
			}
		}
		return nil
	}))
}

// wellAgain checks that a tick over a service that is well finds what was known, and nothing new.
func (s *survey) wellAgain(before map[string]learnt, changed int) {
	s.t.Helper()
	if changed != 0 {
		s.t.Errorf("%d sources changed", changed)
	}
	want := map[string]learnt{}
	for name, one := range before {
		if one.Outcome == ledger.OutcomeChanged {
			one.Outcome = ledger.OutcomeUnchanged
		}
		want[name] = one
	}
	if diff := cmp.Diff(want, s.learnt("survey")); diff != "" {
		s.t.Error(diff)
	}
}

// everything is an answer of so many megabytes that most of it is still in the service when it is killed.
const everything = "SELECT a.*, b.filename AS other FROM ivoa.obscore AS a, (SELECT TOP 2 filename FROM ivoa.obscore) AS b"

// killing is a front's spoil that kills the service in the middle of the first answer that matches.
func killing(t *testing.T, match func(kind, body string) bool) (s spoil, killed func() bool) {
	var once sync.Once
	var done atomic.Bool
	s = spoil{match: match, midway: func() {
		once.Do(func() {
			if err := service("kill"); err != nil {
				t.Error(err)
			}
			done.Store(true)
		})
	}}
	return s, done.Load
}

func TestAServiceThatIsKilledInTheMiddleOfAnAnswerHasGivenNone(t *testing.T) {
	r := theRig(t)
	ours(t)
	f := newFront(t, r)
	t.Cleanup(func() { must(t, service("start")) })
	s, killed := killing(t, syncWith(visibility))
	f.set(s)
	table, err := client(t, tap.Options{URL: f.url}).Query(t.Context(), everything)
	if fault.KindOf(err) != fault.Unavailable || !killed() {
		t.Errorf("%v, killed: %v", err, killed())
	}
	if table != nil {
		t.Errorf("%d rows", len(table.Rows))
	}
	must(t, service("start"))
	f.set(spoil{})
	table, err = client(t, tap.Options{URL: f.url}).Query(t.Context(), everything)
	must(t, err)
	if len(table.Rows) != 2*r.truth.Rows {
		t.Errorf("%d rows", len(table.Rows))
	}
}

func TestATickThatTheServiceDiesUnderLosesNothing(t *testing.T) {
	r := theRig(t)
	ours(t)
	f := newFront(t, r)
	t.Cleanup(func() { must(t, service("start")) })
	survey := newSurvey(t, r.sources[:1000])
	survey.add(way{form: formShipped}.project(t, "survey"))
	survey.tick(client(t, tap.Options{URL: f.url}), "survey")
	before := survey.learnt("survey")

	s, killed := killing(t, syncWith(visibility))
	f.set(s)
	result := survey.tickAny(client(t, tap.Options{URL: f.url}), "survey")
	if !killed() || result.Failed == 0 {
		t.Errorf("killed: %v, %+v", killed(), result)
	}
	survey.unharmed(before, result)

	result = survey.tickAny(client(t, tap.Options{URL: f.url}), "survey")
	if result.Failed == 0 || result.NoData+result.Missing+result.Changed > 0 {
		t.Errorf("while the service is down: %+v", result)
	}
	survey.unharmed(before, result)

	must(t, service("start"))
	f.set(spoil{})
	result = survey.tick(client(t, tap.Options{URL: f.url}), "survey")
	survey.wellAgain(before, result.Changed)
}
