package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/control"
	"beampipe/demo"
	"beampipe/ledger"
	"beampipe/vo/votable"
)

// document answers with a body under a status code.
func document(code int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body) // the client sees what arrived
	}
}

// closing makes a VOTable without rows, closed with a status.
func closing(status, message string) string {
	var doc bytes.Buffer
	w := votable.NewWriter(&doc, []votable.Field{{Name: "filename", Datatype: "char", Arraysize: "*"}})
	if err := w.Close(status, message); err != nil {
		panic(err) // into memory
	}
	return doc.String()
}

func TestAnArchiveThatMisbehavesIsNeverTakenForOneThatHasNoData(t *testing.T) {
	const xml, html = "application/x-votable+xml", "text/html"
	const fresh = "HIPASSJ1303+07" // nothing is known of it yet
	w := started(t, graphOf("true"), source)
	w.observe(70001, 2, source)
	w.discover()
	w.admit(true)
	w.register(fresh)
	known := w.source(source)
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // in the source's error
	}{
		{"an ERROR document with HTTP 200", document(200, xml, closing(votable.StatusFailed, "no connection to the catalogue")), "no connection to the catalogue"},
		{"an OVERFLOW document without rows", document(200, xml, closing(votable.StatusOverflow, "")), "OVERFLOW"},
		{"a page that says it moved", document(200, html, "<html><body>we have moved</body></html>"), "we have moved"},
		{"garbage", document(200, xml, "\x00\x01garbage"), ""},
		{"a document that is cut off", document(200, xml, closing(votable.StatusOK, "")[:200]), ""},
		{"nothing at all", document(200, xml, ""), ""},
		{"503", document(503, "text/plain", "closed for maintenance"), "503"},
		{"404", document(404, "text/plain", "not here"), "404"},
		{"a connection that breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.reopen() // a breaker that an earlier answer opened would keep this one from being asked
			w.front.answer(tt.answer)
			r := w.discover()
			w.front.answer(nil)
			if r.Failed+r.Refused != 2 || r.Claimed != 2 {
				t.Fatalf("discovery: %+v", r)
			}
			for _, name := range []string{source, fresh} {
				d := w.source(name)
				if !failed(d.Source) || d.Source.LastError == "" || !strings.Contains(d.Source.LastError, tt.want) {
					t.Errorf("%s: %s, %q", name, d.Source.LastOutcome, d.Source.LastError)
				}
			}
			if diff := cmp.Diff(known.Metadata, w.source(source).Metadata); diff != "" {
				t.Errorf("what was known has changed: %s", diff)
			}
			if s := w.source(fresh).Source; s.Signature != "" || s.LastCheckedAt != nil {
				t.Errorf("something is known of %s: %+v", fresh, s)
			}
			why, err := w.WhySource(t.Context(), project, fresh)
			must(t, err)
			if why.State != why.Source.LastOutcome || !strings.Contains(why.Sentence, w.source(fresh).Source.LastError) {
				t.Errorf("why: %+v", why)
			}
		})
	}
	if r := w.discover(); r.Unchanged != 1 || r.NoData != 1 {
		t.Errorf("when it answers again: %+v", r)
	}
	if r := w.admit(true); len(r.Executions) != 0 {
		t.Errorf("something runs again: %+v", r)
	}
}

func TestAnIdentifierIsRefusedOrHandledAndNeverExecuted(t *testing.T) {
	// Where the query cannot ask for a name, a query that compares the whole name can.
	exact := edited(t, "LIKE '{source_identifier}%'\n", "LIKE '{source_identifier}%'\n      key_column: target_name\n")
	for _, tt := range []struct {
		name, identifier string
		unregistered     string // why it cannot be registered
		unasked          string // why it cannot be asked with LIKE
	}{
		{name: "a quote", identifier: "O'Brien's"},
		{name: "a query inside", identifier: "X' OR '1'='1"},
		{name: "a placeholder", identifier: "{sbid}"},
		{name: "its own placeholder", identifier: "{source_identifier}", unasked: "_"},
		{name: "an underscore", identifier: "NGC_253", unasked: "_"},
		{name: "a percent sign", identifier: "NGC%253", unasked: "%"},
		{name: "a newline", identifier: "NGC\n253", unregistered: "control characters"},
		{name: "a null byte", identifier: "NGC\x00253", unregistered: "control characters"},
		{name: "10 kB", identifier: strings.Repeat("N", 10_000), unregistered: "10000 bytes"},
		{name: "nothing", identifier: " ", unregistered: "blank"},
		{name: "broken UTF-8", identifier: "NGC\xff253", unregistered: "UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.add(surveyText, graphOf("true"))
			report, err := w.AddSources(t.Context(), project, []string{"HIPASSJ1303+07", tt.identifier})
			must(t, err)
			if tt.unregistered != "" {
				if report.Added != 1 || len(report.Refused) != 1 || report.Refused[0].Line != 2 || !strings.Contains(report.Refused[0].Reason, tt.unregistered) {
					t.Errorf("%+v", report)
				}
				return
			}
			w.observe(70001, 1, "HIPASSJ1303+07", "X", tt.identifier, "NGCx253")
			w.discover()
			if s := w.source(tt.identifier).Source; tt.unasked != "" {
				if s.LastOutcome != ledger.OutcomeRefused || !strings.Contains(s.LastError, "key_column") || len(w.source(tt.identifier).Metadata) != 0 {
					t.Errorf("%s: %s", s.LastOutcome, s.LastError)
				}
				w.add(exact, graphOf("true"))
				w.discover()
			}
			d := w.source(tt.identifier)
			if d.Source.LastOutcome != ledger.OutcomeChanged || len(d.Metadata) != 1 || d.Metadata[0].SBID != "70003" || len(d.Metadata[0].Records) != 1 {
				t.Errorf("%s: %s %+v", d.Source.LastOutcome, d.Source.LastError, d.Metadata)
			}
			if other := w.source("HIPASSJ1303+07"); len(other.Metadata) != 1 || other.Metadata[0].SBID != "70001" {
				t.Errorf("the other one: %+v", other.Metadata)
			}
		})
	}
}

func TestAPoisonedSourceBlocksNeitherItsBatchNorTheHeadOfTheQueue(t *testing.T) {
	w := newWorld(t)
	w.add(edited(t, "batch_size: 10, tick_discovery_source_limit: 1000", "batch_size: 3, tick_discovery_source_limit: 3"), graphOf("true"))
	poisoned := []string{"HIPASSJ0001-01", "HIPASSJ0002-02"}
	sound := []string{"HIPASSJ0003-03", "HIPASSJ0004-04", "HIPASSJ0005-05", "HIPASSJ0006-06"}
	w.register(append(poisoned, sound...)...)
	w.start()
	w.observe(70001, 1, append(poisoned, sound...)...)
	for _, name := range poisoned { // a record that names no observation
		must(t, w.archive.UpdateObservation(t.Context(), fileOf(w, name), "obs_id", nil))
	}
	tick := func() control.DiscoveryTick {
		answer, err := w.TickDiscovery(t.Context(), project)
		must(t, err)
		return answer.Ticks[0]
	}
	if r := tick(); r.Claimed != 3 || r.Refused != 2 || r.Changed != 1 {
		t.Errorf("the batch of the poisoned ones: %+v", r)
	}
	if r := tick(); r.Claimed != 3 || r.Failed+r.Refused != 0 || r.Changed != 3 {
		t.Errorf("the batch behind it: %+v", r)
	}
	if r := tick(); r.Claimed != 0 || r.Reason != "no_sources_due" {
		t.Errorf("they are asked again at once: %+v", r)
	}
	if r := w.admit(true); len(r.Executions) != len(sound) {
		t.Errorf("admitted: %+v", r)
	}
	for _, name := range poisoned {
		if s := w.source(name).Source; s.LastOutcome != ledger.OutcomeRefused || s.Failures != 1 || s.LastError == "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// failed tells whether a source could not be asked, or its answer could not be used.
func failed(s ledger.Source) bool {
	return s.LastOutcome == ledger.OutcomeError || s.LastOutcome == ledger.OutcomeRefused
}

// fileOf gives the file of a source that was observed once with one beam.
func fileOf(w *world, name string) string {
	w.t.Helper()
	for i := 70001; i < 70010; i++ {
		file := fmt.Sprintf("%s_SB%d_beam00_10arc_split.ms.tar", name, i)
		if err := w.archive.UpdateObservation(context.Background(), file, "target_name", name); err == nil {
			return file
		}
	}
	w.t.Fatalf("no file of %s", name)
	return ""
}

func TestAThousandSourcesCostQueriesPlusEnrichmentsTimesSBIDsAndNothingMore(t *testing.T) {
	const n = 1000
	w := newWorld(t)
	w.wire = func(string) http.RoundTripper { return w.archive.Transport() } // the requests count, not the network
	w.reopen()
	w.add(edited(t, "batch_size: 10", "batch_size: 50"), graphOf("true"))
	var names []string
	var d demo.Data
	want := 0
	for i := range n {
		o := demo.Object{Identifier: fmt.Sprintf("SRC%04d", i), RA: 10, Dec: -30, Velocity: 1000}
		names = append(names, o.Identifier)
		d.List(o)
		d.Observe(o, 10_000+2*i, 1)
		want += 2 + 1
		if i%10 == 0 {
			d.Observe(o, 10_001+2*i, 1)
			want++
		}
	}
	w.store(d)
	w.register(names...)
	asked := func(what string, want int, r control.DiscoveryTick) {
		t.Helper()
		if got := w.archive.Queries(); got != int64(want) || w.archive.Requests() != got || r.Failed != 0 || r.Error != "" {
			t.Errorf("%s: the archive heard %d requests, %d of them queries, want %d: %+v", what, w.archive.Requests(), got, want, r)
		}
	}
	r := w.discover()
	asked("all", want, r)
	if r.Requests != want || r.Changed != n {
		t.Errorf("the tick counts %+v, want %d requests", r, want)
	}
	again, err := w.TickDiscovery(t.Context(), project)
	must(t, err)
	asked("nothing is due", want, again.Ticks[0])
	chosen, err := w.DiscoverSources(t.Context(), control.SourceSelection{Project: project, Identifiers: names[:20]})
	must(t, err)
	asked("20 that are unchanged", want+20*3+2, chosen.Tick)
}

// shuffled answers like the archive with rows and columns in an order by chance.
func shuffled(archive http.Handler, chance *rand.Rand) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		archive.ServeHTTP(rec, r)
		doc, err := rearranged(rec.Body.Bytes(), chance)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		_, _ = w.Write(doc) // the client sees what arrived
	}
}

func rearranged(doc []byte, chance *rand.Rand) ([]byte, error) {
	r, err := votable.NewReader(bytes.NewReader(doc), votable.Limits{})
	if err != nil {
		return nil, err
	}
	columns := chance.Perm(len(r.Fields()))
	var rows [][]string
	for err = r.Next(nil); err == nil; err = r.Next(nil) {
		row := make([]string, len(columns))
		for i, from := range columns {
			row[i] = r.Text()[from]
		}
		rows = append(rows, row)
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	fields := make([]votable.Field, len(columns))
	for i, from := range columns {
		fields[i] = r.Fields()[from]
	}
	var out bytes.Buffer
	w := votable.NewWriter(&out, fields)
	for _, i := range chance.Perm(len(rows)) {
		if err := w.WriteText(rows[i]); err != nil {
			return nil, err
		}
	}
	err = w.Close(votable.StatusOK, "")
	return out.Bytes(), err
}

func TestTheSameContentGivesTheSameSignaturesHoweverItIsServedAndAsked(t *testing.T) {
	t.Parallel()
	names := []string{"HIPASSJ0324-21", "HIPASSJ0324-21b", "HIPASSJ0001-01", "HIPASSJ0002-02", "HIPASSJ0003-03", "HIPASSJ0004-04"}
	signatures := func(seed uint64, batch, concurrency int) map[string]string {
		chance := rand.New(rand.NewPCG(seed, 1))
		w := openWorld(t)
		w.limits.Discovery.SourceConcurrency = concurrency
		w.reopen()
		w.add(edited(t, "batch_size: 10", fmt.Sprintf("batch_size: %d", batch)), graphOf("true"))
		w.observe(70001, 3, names...)
		w.observe(71001, 2, names[:2]...)
		if seed > 0 {
			handler := shuffled(w.archive.Handler(), chance)
			turn := make(chan struct{}, 1) // the chance is shared by all requests
			w.front.answer(func(rw http.ResponseWriter, r *http.Request) {
				turn <- struct{}{}
				defer func() { <-turn }()
				handler(rw, r)
			})
		}
		for _, i := range chance.Perm(len(names)) {
			w.register(names[i])
		}
		w.discover()
		found := map[string]string{}
		for _, name := range names {
			s := w.source(name).Source
			found[name] = s.LastOutcome + " " + s.Signature
		}
		return found
	}
	want := signatures(0, 10, 1)
	for name, s := range want {
		if !strings.HasPrefix(s, ledger.OutcomeChanged+" ") {
			t.Fatalf("%s: %s", name, s)
		}
	}
	for seed, tt := range []struct{ batch, concurrency int }{{1, 1}, {2, 5}, {5, 2}, {100, 8}} {
		if diff := cmp.Diff(want, signatures(uint64(seed+1), tt.batch, tt.concurrency)); diff != "" {
			t.Errorf("batches of %d, %d at a time: %s", tt.batch, tt.concurrency, diff)
		}
	}
}
