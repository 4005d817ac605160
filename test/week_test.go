package test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"beampipe/control"
	"beampipe/demo"
	"beampipe/ledger"
	"beampipe/provenance"
	"beampipe/vo/archive"
)

// week is a survey whose week a test lets pass in steps of two hours.
type week struct {
	*world
	graph []byte
	names []string
	hour  int
	saw   map[string]bool // what happened in the week, so that the test is about something
}

// weekSurvey looks often, waits until data has settled, and takes a third of the sources at once for a fault.
func weekSurvey(t *testing.T) string {
	return edited(t, "stale_after_hours: 24", "stale_after_hours: 4, mass_change: {sources: 2, percent: 25}", "settle_hours: 0", "settle_hours: 6")
}

// beam puts one more file of a source into the archive; the first brings the evaluation and the catalogue.
func (w *week) beam(source, number int) {
	w.t.Helper()
	var d demo.Data
	o := demo.Object{Identifier: w.names[source], RA: 201.2, Dec: -0.5, Velocity: 1500}
	if number == 1 {
		d.List(o)
	}
	d.Observe(o, 70000+source, number)
	d.Observations = d.Observations[number-1:]
	if number > 1 {
		d.Evaluations = nil
	}
	w.store(d)
}

// configure gives the project another config, as an operator would.
func (w *week) configure(survey string) {
	w.t.Helper()
	_, err := w.AddProject(context.Background(), control.ProjectFile{Name: "survey.yaml", Content: pinned(survey, w.graph), GraphName: "survey.graph", Graph: w.graph})
	must(w.t, err)
}

// upgrade leaves the ledger as a program with an older algorithm would: other signatures of the same data.
func (w *week) upgrade() {
	w.t.Helper()
	must(w.t, w.ledger.Close())
	db, err := sql.Open("sqlite", w.ledger.Path())
	must(w.t, err)
	for _, statement := range []string{
		"UPDATE sources SET signature = 'old ' || signature WHERE signature <> ''",
		"UPDATE sources SET last_executed_signature = 'old ' || last_executed_signature WHERE last_executed_signature <> ''",
		"UPDATE sources SET signature_rule = 'old'",
		"UPDATE signature_rules SET rule = 'old', content = replace(content, '\"algorithm\":1', '\"algorithm\":0')",
	} {
		_, err := db.ExecContext(context.Background(), statement)
		must(w.t, err)
	}
	must(w.t, db.Close())
	w.open()
}

// pass lets two hours pass: it discovers, admits and runs. Nothing that was known may be lost in it.
func (w *week) pass() {
	w.t.Helper()
	w.hour += 2
	w.clock.advance(2 * time.Hour)
	answer, err := w.TickDiscovery(context.Background(), project)
	must(w.t, err)
	if answer.Ticks[0].Error != "" {
		w.t.Fatalf("hour %d: discovery: %s", w.hour, answer.Ticks[0].Error)
	}
	for _, skipped := range w.admit(false).Skipped {
		reason, _, _ := strings.Cut(skipped.Reason, ":")
		w.saw[reason] = true
	}
	w.finish()
	list, err := w.ledger.View(context.Background()).Sources(ledger.SourceFilter{Project: project})
	must(w.t, err)
	for _, s := range list {
		w.saw[s.LastOutcome] = true
		for _, part := range []string{"archive fault suspected", "HTTP 503", "not a VOTable"} {
			w.saw[part] = w.saw[part] || strings.Contains(s.LastError, part)
		}
		known, err := w.ledger.View(context.Background()).Metadata(s.ID)
		must(w.t, err)
		if len(known) > 0 && (s.LastOutcome == ledger.OutcomeNoData || s.LastOutcome == ledger.OutcomeGone || s.QuarantinedAt != nil) {
			w.t.Fatalf("hour %d: %s is %s, quarantined %v: %s", w.hour, s.Identifier, s.LastOutcome, s.QuarantinedAt, s.LastError)
		}
	}
}

// TestASurveyWeek lets much happen to an archive and a survey in a week, and counts: as many executions
// as sources got data, once each.
func TestASurveyWeek(t *testing.T) {
	t.Parallel()
	w := &week{world: openWorld(t), graph: graphOf("echo done > {result}"), saw: map[string]bool{}}
	for i := range 8 {
		w.names = append(w.names, fmt.Sprintf("HIPASSJ%04d-00", 1000+i))
	}
	good := weekSurvey(t)
	typo := strings.Replace(good, "WHERE HIPASS = '{source_name}'", "WHERE HIPAS = '{source_name}'", 1)
	w.add(good, w.graph)
	w.register(w.names...)
	w.start()
	misbehave := func(kind, match string) func() {
		return func() { w.archive.Behave(); w.archive.Misbehave(archive.Misbehaviour{Kind: kind, Match: match}) }
	}
	happens := map[int]func(){
		0: func() { // six sources have data, two have none
			for source := range 6 {
				w.beam(source, 1)
				w.beam(source, 2)
			}
		},
		24:  misbehave(archive.Drop, ""), // an outage, and then half an archive
		30:  misbehave(archive.Busy503, ""),
		36:  misbehave(archive.HTML200, ""),
		42:  w.archive.Behave,
		48:  misbehave(archive.Empty, "obscore"), // a re-index: complete answers without rows
		62:  w.archive.Behave,
		72:  misbehave(archive.NewColumn, ""),
		96:  misbehave(archive.InBinary2, ""), // another format, to the end
		98:  func() { w.beam(0, 3) },          // beams that arrive over hours
		100: func() { w.beam(0, 4); w.beam(1, 3) },
		104: func() { w.beam(0, 5); w.beam(1, 4) },
		106: func() { w.beam(0, 6) },
		110: func() { w.beam(6, 1); w.beam(6, 2) }, // first data
		122: func() { w.configure(typo) },
		128: func() { w.configure(good) },
		140: func() { w.upgrade(); w.beam(2, 3) },
	}
	for w.hour < 7*24 {
		if event := happens[w.hour]; event != nil {
			event()
		}
		w.pass()
	}
	for _, what := range []string{
		"HTTP 503", "not a VOTable", "archive fault suspected", "settling",
		ledger.OutcomeError, ledger.OutcomeRefused, ledger.OutcomeChanged, ledger.OutcomeUnchanged, ledger.OutcomeNoData,
	} {
		if !w.saw[what] {
			t.Errorf("the week passed without: %s", what)
		}
	}
	for _, event := range []string{provenance.DiscoveryResigned, provenance.DiscoveryColumns} {
		if list, err := w.ledger.View(t.Context()).Events(ledger.EventFilter{Type: event}); err != nil || len(list) == 0 {
			t.Errorf("the week passed without an event %s: %v", event, err)
		}
	}
	w.wantExecutions(map[int]int{0: 2, 1: 2, 2: 2, 3: 1, 4: 1, 5: 1, 6: 1, 7: 0})
}

// wantExecutions wants so many executions of each source, all of them completed, and nothing left to do.
func (w *week) wantExecutions(want map[int]int) {
	w.t.Helper()
	got := map[string]int{}
	for _, e := range w.executions() {
		got[e.Sources[0].Identifier]++
		if e.State != ledger.Completed || e.Attempt != 1 {
			w.t.Errorf("execution %s of %s is %s, attempt %d: %s", e.ID, e.Sources[0].Identifier, e.State, e.Attempt, e.Error)
		}
	}
	for i, name := range w.names {
		s := w.source(name).Source
		if got[name] != want[i] {
			w.t.Errorf("%s has %d executions, want %d; %+v", name, got[name], want[i], s)
		}
		if s.Pending || s.MissingSince != nil || s.Failures > 0 || (want[i] > 0 && s.LastExecutedSignature != s.Signature) {
			w.t.Errorf("at the end of the week: %+v", s)
		}
	}
	if p, err := w.ledger.View(context.Background()).Project(project); err != nil || p.BrakeAt != nil {
		w.t.Errorf("the project is braked: %s, %v", p.BrakeReason, err)
	}
}
