package discovery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/vo/archive"
	"beampipe/vo/votable"
)

// The forms of plainSurvey's queries. A source's observations are those that begin with its name, and
// only an upload can ask for that.
const (
	uploadVisibility = `
        - upload: sources
          key: source_identifier
          template: SELECT u.source_identifier, o.* FROM TAP_UPLOAD.sources AS u JOIN ivoa.obscore AS o ON o.filename LIKE u.source_identifier || '%'`
	uploadCatalogue = `
        - upload: targets
          key: source_name
          template: SELECT h.*, u.source_name FROM TAP_UPLOAD.targets AS u JOIN "VIII/73/hicat" AS h ON h.HIPASS = u.source_name`
	listCatalogue = `
        - in_list: true
          key: HIPASS
          template: SELECT * FROM "VIII/73/hicat" WHERE HIPASS IN ({source_name:list})`
	uploadEvaluation = `
        - upload: sbids
          key: sbid
          keep_key: true
          template: SELECT e.* FROM TAP_UPLOAD.sbids AS u JOIN casda.observation_evaluation_file AS e ON e.sbid = u.sbid WHERE e.format = 'calibration'`
	listEvaluation = `
        - in_list: true
          key: sbid
          template: SELECT * FROM casda.observation_evaluation_file WHERE sbid IN ({sbid:list}) AND format = 'calibration'`
)

// inSets gives plainSurvey's queries forms, in batches of 50 sources.
func inSets(visibility, catalogue, evaluation string) string {
	survey := strings.Replace(plainSurvey, "batch_size: 2", "batch_size: 50", 1)
	for before, forms := range map[string]string{
		"o.filename LIKE '{source_identifier}%'": visibility,
		"HIPASS = '{source_name}'":               catalogue,
		"format = 'calibration'":                 evaluation,
	} {
		if forms != "" {
			survey = strings.Replace(survey, before, before+"\n      batch:"+forms, 1)
		}
	}
	return survey
}

var setSurvey = inSets(uploadVisibility, uploadCatalogue+listCatalogue, uploadEvaluation+listEvaluation)

// crowd stocks sources, each with an SBID of its own, and registers them.
func (w *world) crowd(n int) []string {
	w.t.Helper()
	var names []string
	for i := range n {
		name := fmt.Sprintf("HIPASSJ%04d-%02d", i, i%90)
		w.stock(name, fmt.Sprint(30000+i))
		names = append(names, name)
	}
	w.register(names...)
	return names
}

// answers gives the stored answers, byte for byte, and the failures in place of those.
func (w *world) answers(names []string) map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, name := range names {
		s := w.source(name)
		b, _, err := w.ledger.View(context.Background()).Answer(s.ID)
		must(w.t, err)
		all[name] = s.LastOutcome + " " + s.Signature + "\n" + string(b)
	}
	return all
}

func TestASetOfSourcesIsAskedForAtOnceAndGivesWhatEachWouldHaveGivenAlone(t *testing.T) {
	for _, tt := range []struct {
		name, survey string
		requests     int
		forms        []string
	}{
		{name: "one by one", survey: strings.Replace(plainSurvey, "batch_size: 2", "batch_size: 50", 1), requests: 1 + 3*12, forms: []string{"single 0", "single 0", "single 0"}},
		{name: "uploads", survey: setSurvey, requests: 3, forms: []string{"upload 13", "upload 12", "upload 12"}},
		{name: "lists where they can", survey: inSets("", listCatalogue, listEvaluation), requests: 13 + 2, forms: []string{"single 0", "list 12", "list 12"}},
		{name: "five values at a time", survey: strings.ReplaceAll(setSurvey, "keep_key: true", "keep_key: true\n          max_rows: 5"), requests: 2 + 3, forms: []string{"upload 13", "upload 12", "upload 5"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.survey)
			names := w.crowd(12)
			w.register("HIPASSJ9999-99") // without data
			before := w.archive.Queries()
			r := w.tick()
			if sent := int(w.archive.Queries() - before); r.Requests != tt.requests || sent != tt.requests {
				t.Errorf("%d requests counted, %d sent; want %d", r.Requests, sent, tt.requests)
			}
			if r.Changed != 12 || r.NoData != 1 {
				t.Errorf("result %+v", r)
			}
			var forms []string
			for _, q := range w.report(names[0]).Queries {
				forms = append(forms, fmt.Sprintf("%s %d", q.Form, q.Shared))
			}
			if diff := cmp.Diff(tt.forms, forms); diff != "" {
				t.Error(diff)
			}
			alone := newWorld(t, plainSurvey)
			alone.line.next = w.archive.Transport()
			alone.register(names...)
			alone.register("HIPASSJ9999-99")
			alone.tick()
			all := append(slices.Clone(names), "HIPASSJ9999-99")
			if diff := cmp.Diff(alone.answers(all), w.answers(all)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatAnArchiveRefusesIsAskedForInTheNextForm(t *testing.T) {
	const n = 8
	for _, tt := range []struct {
		name     string
		survey   string
		trouble  []archive.Misbehaviour
		requests int
		failed   int
		problem  bool
	}{
		{
			name: "no uploads", survey: setSurvey, trouble: []archive.Misbehaviour{{Kind: archive.RefuseUpload}},
			requests: 1 + n + 2 + 1, problem: true, // casda's and vizier's first
		},
		{
			name: "one upload of the catalogue", survey: setSurvey, trouble: []archive.Misbehaviour{{Kind: archive.Error400, Match: "hicat", Times: 1}},
			requests: 1 + 2 + 1,
		},
		{
			name: "whatever has more than one value", survey: setSurvey,
			trouble:  []archive.Misbehaviour{{Kind: archive.Error400, Match: "TAP_UPLOAD"}, {Kind: archive.Error400, Match: "IN ("}},
			requests: 1 + n + 2 + n + 2 + n,
		},
		{
			name: "an upload that is too large", survey: strings.Replace(setSurvey, "vizier]}", "vizier], tap: {mode: sync}}", 1), trouble: []archive.Misbehaviour{{Kind: archive.TooLarge, Match: "LIKE u.", Times: 3}},
			requests: 3 + 4 + 1 + 1, // 8; 4 and 4; 2, 2, 2, 2
		},
		{
			name: "it is busy", survey: setSurvey, trouble: []archive.Misbehaviour{{Kind: archive.Busy503, Match: "hicat"}},
			requests: 2, failed: n,
		},
		{
			name: "its answer is cut", survey: setSurvey, trouble: []archive.Misbehaviour{{Kind: archive.Cut, Match: "evaluation"}},
			requests: 3, failed: n,
		},
		{
			name: "its answer has no key", survey: strings.Replace(setSurvey, "SELECT h.*, u.source_name", "SELECT h.*", 1),
			requests: 1 + 2 + 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.survey)
			names := w.crowd(n)
			for _, m := range tt.trouble {
				w.archive.Misbehave(m)
			}
			r := w.tick()
			if r.Requests != tt.requests || r.Failed != tt.failed || r.Changed != n-tt.failed {
				t.Errorf("%d requests, result %+v; want %d requests, %d failures", r.Requests, r, tt.requests, tt.failed)
				t.Logf("%+v", w.report(names[0]).Queries)
				t.Log(w.source(names[0]).LastError)
			}
			if _, ok := w.health[ProblemNoUpload+" casda"]; ok != tt.problem {
				t.Errorf("problems %v", sortedKeys(w.health))
			}
		})
	}
}

func TestAnArchiveThatTakesNoUploadsIsToldOnceAndAskedAgainAnHourLater(t *testing.T) {
	w := newWorld(t, setSurvey)
	w.crowd(3)
	w.archive.Misbehave(archive.Misbehaviour{Kind: archive.RefuseUpload})
	uploads := func(want int) {
		t.Helper()
		n := 0
		for _, q := range w.line.queries {
			if strings.Contains(q, "TAP_UPLOAD") {
				n++
			}
		}
		if n != want {
			t.Errorf("%d uploads were tried, want %d", n, want)
		}
		w.line.queries = nil
	}
	again := func(wait time.Duration) {
		t.Helper()
		w.clock.advance(wait)
		tick, err := w.engine.Begin(t.Context(), "survey", TickOptions{Sources: []string{"HIPASSJ0000-00", "HIPASSJ0001-01"}})
		must(t, err)
		run, ok, err := tick.Next(t.Context())
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		must(t, run(t.Context()))
		_, err = tick.Finish(t.Context())
		must(t, err)
	}
	w.tick()
	uploads(2) // one to casda and one to vizier
	if _, ok := w.health[ProblemNoUpload+" casda"]; !ok {
		t.Errorf("problems %v", sortedKeys(w.health))
	}
	again(30 * time.Minute)
	uploads(0)
	w.archive.Behave()
	again(20 * time.Minute)
	uploads(0)
	again(time.Hour)
	uploads(3)
	if len(w.health) != 0 {
		t.Errorf("problems left: %v", sortedKeys(w.health))
	}
}

func TestAFormThatIsRefusedAgainAndAgainIsLeftForTheTick(t *testing.T) {
	w := newWorld(t, strings.Replace(setSurvey, "batch_size: 50", "batch_size: 2", 1))
	w.crowd(12)
	w.archive.Misbehave(archive.Misbehaviour{Kind: archive.Error400, Match: "h.HIPASS = u."})
	r := w.tick()
	if want := 6*3 + maxFormRefusals; r.Requests != want || r.Changed != 12 {
		t.Errorf("%d requests, want %d: %+v", r.Requests, want, r)
	}
	w.archive.Behave()
	w.line.queries = nil
	if r := w.later(); r.Requests != 6*3 || strings.Contains(strings.Join(w.line.queries, "\n"), "IN (") {
		t.Errorf("the next tick does not try the upload again: %+v", r)
	}
}

func TestSourcesThatShareANameOrAnSBIDAreAskedForOnce(t *testing.T) {
	w := newWorld(t, setSurvey)
	names := []string{"HIPASSJ0001-01", "HIPASSJ0001-01b", "HIPASSJ0002-02"}
	for _, name := range names {
		w.observe(name+"_A.ms.tar", "30001", 59000)
	}
	w.evaluate("30001")
	w.register(names...)
	if r := w.tick(); r.Requests != 3 || r.Changed != 3 {
		t.Errorf("result %+v", r)
	}
	for _, name := range names {
		m := w.metadata(name)
		if len(m) != 1 || len(m[0].Records) != 1 || m[0].Records[0]["filename"] != name+"_A.ms.tar" {
			t.Errorf("%s: %+v", name, m)
		}
	}
	r := w.report(names[0])
	if q := r.Queries[0]; q.Rows != 2 || q.Foreign != 1 {
		t.Errorf("the rows of the longer name were not taken away: %+v", q)
	}
}

// rewritten is an archive whose answers to some queries are rewritten row by row: row gives the cells of
// row i as they are sent, nil to leave the row out without a word.
type rewritten struct {
	next  http.RoundTripper
	match string
	row   func(i int, fields []votable.Field, cells []string) []string
}

func (r rewritten) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return r.next.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	query, err := queryOf(req, body)
	if err != nil {
		return nil, err
	}
	again := req.Clone(req.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := r.next.RoundTrip(again)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(query, r.match) {
		return resp, err
	}
	defer resp.Body.Close()
	rd, err := votable.NewReader(resp.Body, votable.Limits{})
	if err != nil {
		return nil, err
	}
	var doc bytes.Buffer
	w := votable.NewWriter(&doc, rd.Fields())
	i := 0
	for err = rd.Next(nil); err == nil; err = rd.Next(nil) {
		if cells := r.row(i, rd.Fields(), slices.Clone(rd.Text())); cells != nil {
			if err := w.WriteText(cells); err != nil {
				return nil, err
			}
		}
		i++
	}
	if err := w.Close(votable.StatusOK, ""); err != nil {
		return nil, err
	}
	resp.Body, resp.ContentLength = io.NopCloser(&doc), int64(doc.Len())
	return resp, nil
}

// spoiled changes the cells of one column in the answers to some queries, as archives do that keep text
// in their own way.
type spoiled struct {
	next          http.RoundTripper
	match, column string
	change        func(text string) string
}

func (s spoiled) RoundTrip(req *http.Request) (*http.Response, error) {
	return rewritten{next: s.next, match: s.match, row: func(_ int, fields []votable.Field, cells []string) []string {
		at := slices.IndexFunc(fields, func(f votable.Field) bool { return f.Name == s.column })
		cells[at] = s.change(cells[at])
		return cells
	}}.RoundTrip(req)
}

func TestNoDataIsNeverConcludedFromRowsThatCannotBeDealt(t *testing.T) {
	ascii := func(text string) string { return strings.ReplaceAll(text, "é", "?") }
	for _, tt := range []struct {
		name     string
		survey   string
		spoiled  spoiled
		names    []string // the last has no data
		requests int
	}{
		{
			name: "the key loses its characters beyond ASCII", survey: setSurvey,
			spoiled: spoiled{match: "LIKE u.", column: "source_identifier", change: ascii},
			names:   []string{"HIPASSJ1", "HIPASSé2", "HIPASSJ9"}, requests: 1 + 2 + 2,
		},
		{
			name: "every key is in another case", survey: setSurvey,
			spoiled: spoiled{match: "LIKE u.", column: "source_identifier", change: strings.ToLower},
			names:   []string{"HIPASSJ1", "HIPASSJ2", "HIPASSJ9"}, requests: 1 + 3 + 2,
		},
		{
			name: "the next form is a list", survey: setSurvey,
			spoiled: spoiled{match: "JOIN \"VIII", column: "source_name", change: func(string) string { return "" }},
			names:   []string{"HIPASSJ1", "HIPASSJ2", "HIPASSJ9"}, requests: 1 + 2 + 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.survey)
			for i, name := range tt.names[:len(tt.names)-1] {
				w.stock(name, fmt.Sprint(30000+i))
			}
			tt.spoiled.next = w.archive.Transport()
			w.line.next = tt.spoiled
			w.register(tt.names...)
			r := w.tick()
			if r.Requests != tt.requests || r.Changed != len(tt.names)-1 || r.NoData != 1 {
				t.Errorf("result %+v, want %d requests", r, tt.requests)
			}
			if q := w.report(tt.names[1]).Queries; !strings.Contains(fmt.Sprintf("%+v", q), "is no value that was asked for") {
				t.Errorf("the report does not say why it was asked again: %+v", q)
			}
		})
	}
}

func TestAValueThatTheTemplateRefusesFailsItsSourceAlone(t *testing.T) {
	w := newWorld(t, setSurvey)
	w.crowd(3)
	w.register("HIPASSJ_1") // _ matches anything in LIKE, and there is no key_column
	r := w.tick()
	if r.Changed != 3 || r.Refused != 1 || r.Requests != 3 {
		t.Errorf("result %+v", r)
	}
	if s := w.source("HIPASSJ_1"); s.LastOutcome != ledger.OutcomeRefused || !strings.Contains(s.LastError, "key_column") {
		t.Errorf("source %+v", s)
	}
}

func TestOnlyTheLatestRowsOfASourceCount(t *testing.T) {
	column := func(name string) *string { return &name }
	rows := func(cells ...string) table {
		out := table{Columns: []string{"filename", "t_max"}, Rows: [][]string{}}
		for i, c := range cells {
			out.Rows = append(out.Rows, []string{fmt.Sprint("f", i), c})
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		by     *string
		cells  []string
		keep   []string
		refuse string
	}{
		{name: "no latest_by", cells: []string{"1", "2"}, keep: []string{"f0", "f1"}},
		{name: "the largest", by: column("t_max"), cells: []string{"59000.5", "59001", "59000"}, keep: []string{"f1"}},
		{name: "several of it, however it is written", by: column("T_MAX"), cells: []string{"59001.0", "59001", "5.9001e4", "9"}, keep: []string{"f0", "f1", "f2"}},
		{name: "whole numbers to the last digit", by: column("t_max"), cells: []string{"9007199254740992", "9007199254740993"}, keep: []string{"f1"}},
		{name: "negative numbers", by: column("t_max"), cells: []string{"-2", "-1"}, keep: []string{"f1"}},
		{name: "rows without a number do not count", by: column("t_max"), cells: []string{"", "NaN", "Inf", "soon", "7"}, keep: []string{"f4"}},
		{name: "no rows", by: column("t_max"), keep: []string{}},
		{name: "no number at all", by: column("t_max"), cells: []string{"", "soon"}, refuse: "is a number"},
		{name: "no such column", by: column("when"), cells: []string{"1"}, refuse: `no column "when"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := latest(configs.Query{Name: "q", LatestBy: tt.by}, rows(tt.cells...))
			if tt.refuse != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refuse) {
					t.Fatalf("error %v, want %q", err, tt.refuse)
				}
				return
			}
			must(t, err)
			keep := []string{}
			for _, row := range got.Rows {
				keep = append(keep, row[0])
			}
			if diff := cmp.Diff(tt.keep, keep); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheLatestObservationOfAnotherNameDoesNotDecide(t *testing.T) {
	for _, survey := range []string{plainSurvey, setSurvey} {
		w := newWorld(t, strings.Replace(survey, "- name: visibility", "- name: visibility\n      latest_by: t_max", 1))
		w.stock(short, "30001")
		w.stock(long, "30002")
		w.observe(short+"_C.ms.tar", "30001", 59900)
		w.observe(long+"_C.ms.tar", "30002", 59950)
		w.register(short, long)
		w.tick()
		for _, name := range []string{short, long} {
			w.wantOutcome(name, ledger.OutcomeChanged, true)
			if m := w.metadata(name); len(m) != 1 || len(m[0].Records) != 1 || m[0].Records[0]["filename"] != name+"_C.ms.tar" {
				t.Errorf("%s: %+v", name, m)
			}
		}
		if q := w.report(short).Queries[0]; q.Older != 2 {
			t.Errorf("report %+v", q)
		}
	}
}

// refusing answers HTTP 400 to each request that holds a text.
type refusing struct {
	next        http.RoundTripper
	text, words string
}

func (r refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return r.next.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(body, []byte(r.text)) {
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
		return r.next.RoundTrip(req)
	}
	return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(r.words)), Request: req}, nil
}
