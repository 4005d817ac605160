package test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/configs"
	"beampipe/control"
	"beampipe/execution"
	"beampipe/ledger"
	"beampipe/provenance"
)

const source = "HIPASSJ1313-15"

func TestADatasetThatComesLaterMakesExactlyOneRerun(t *testing.T) {
	w := started(t, graphOf("echo done > {result}"), source, "HIPASSJ1303+07")
	w.observe(70001, 2, source, "HIPASSJ1303+07")
	for range 3 { // a second and a third look find nothing new
		w.discover()
		w.admit(false)
		w.finish()
	}
	if n := len(w.executions()); n != 2 {
		t.Fatalf("%d executions at first, want 2", n)
	}
	w.observe(79001, 1, source)
	for range 3 {
		w.discover()
		w.admit(false)
		w.finish()
	}
	list := w.executions()
	if len(list) != 3 || list[2].Sources[0].Identifier != source {
		t.Fatalf("executions after new data for %s: %+v", source, list)
	}
	for _, e := range list {
		if e.State != ledger.Completed || e.Attempt != 1 {
			t.Errorf("%s is %s, attempt %d: %s", e.ID, e.State, e.Attempt, e.Error)
		}
	}
	why, err := w.WhySource(t.Context(), project, source)
	must(t, err)
	if why.State != "up to date" || why.Datasets != 3 || len(why.SBIDs) != 2 || why.LastChange == nil || why.LastChange.Outcome != ledger.OutcomeChanged {
		t.Errorf("why: %+v", why)
	}
}

func TestStoredMetadataIsTheFullRecordOfEverySBID(t *testing.T) {
	w := started(t, graphOf("true"), source)
	w.observe(70001, 2, source)
	w.observe(70002, 1, source)
	w.discover()
	d := w.source(source)
	if len(d.Metadata) != 2 || len(d.Metadata[0].Records) != 2 || len(d.Metadata[1].Records) != 1 {
		t.Fatalf("metadata: %+v", d.Metadata)
	}
	for _, m := range d.Metadata {
		for _, record := range m.Records {
			for _, field := range []string{"access_url", "evaluation_file_access_url", "evaluation_file", "filesize", "vsys"} {
				if record[field] == nil || record[field] == "" {
					t.Errorf("SBID %s: a record without %s", m.SBID, field)
				}
			}
			// The catalogue says −0.5°: its sign is not lost between −1° and 0°.
			if dec := fmt.Sprint(record["dec_string"]); !strings.HasPrefix(dec, "-0") {
				t.Errorf("dec_string %s", dec)
			}
		}
	}
}

func TestAFailureOfAnApplicationDoesNotLoop(t *testing.T) {
	w := started(t, graphOf("echo the disk is on fire >&2; exit 3"), source)
	w.observe(70001, 1, source)
	for range 20 {
		w.discover()
		w.admit(false)
		w.finish()
	}
	list := w.executions()
	if len(list) != 1 || list[0].State != ledger.Failed || list[0].Attempt != 1 || list[0].Class != ledger.ClassScience || list[0].NextRetryAt != nil {
		t.Fatalf("after 20 ticks: %+v", list)
	}
	why, err := w.WhyExecution(t.Context(), list[0].ID)
	must(t, err)
	if len(why.Failed) != 1 || !strings.Contains(why.Failed[0].Log, "the disk is on fire") || !strings.Contains(why.Sentence, "it waits for a person") {
		t.Errorf("why: %q, %+v", why.Sentence, why.Failed)
	}
	if why, err := w.WhySource(t.Context(), project, source); err != nil || why.State != "failed" {
		t.Errorf("why the source: %+v, %v", why, err)
	}
}

func TestAPlaceThatIsNotBuiltIsRefusedOnceAndByName(t *testing.T) {
	w := newWorld(t)
	w.add(edited(t, "deployment_profile_name: here", "deployment_profile_name: far"), graphOf("true"))
	_, err := w.AddProfile(t.Context(), control.ProfileFile{Name: "far.json", Content: []byte(`{"name": "far",
		"translation": {"tm_url": "http://tm.invalid"}, "deployment": {"kind": "rest_remote", "dim_host_for_tm": "dim.invalid", "deploy_host": "dim.invalid"}}`)})
	must(t, err)
	w.register(source)
	w.start()
	w.observe(70001, 1, source)
	for range 20 {
		w.discover()
		w.admit(false)
		w.finish()
	}
	list := w.executions()
	if len(list) != 1 || list[0].State != ledger.Failed || list[0].Attempt != 1 || !strings.Contains(list[0].Error, "unsupported: ") {
		t.Fatalf("after 20 ticks: %+v", list)
	}
}

func TestAProjectThatWasNotStartedDiscoversAndDoesNotAdmit(t *testing.T) {
	w := newWorld(t)
	w.add(surveyText, graphOf("true"))
	w.register(source)
	w.observe(70001, 1, source)
	if r := w.discover(); r.Changed != 1 {
		t.Errorf("discovery: %+v", r)
	}
	if r := w.admit(true); len(r.Executions) != 0 || !strings.Contains(r.Reason, "beampipe project start "+project) {
		t.Errorf("not started: %+v", r)
	}
	w.start()
	_, err := w.PauseProject(t.Context(), project, "the disk is full")
	must(t, err)
	if r := w.admit(true); len(r.Executions) != 0 || !strings.HasPrefix(r.Reason, "paused") {
		t.Errorf("paused: %+v", r)
	}
	why, err := w.WhySource(t.Context(), project, source)
	must(t, err)
	if why.State != "pending" || !strings.Contains(why.Sentence, "the disk is full") || len(why.Next) == 0 {
		t.Errorf("why: %+v", why)
	}
	w.start()
	if r := w.admit(true); len(r.Executions) != 1 {
		t.Errorf("started again: %+v", r)
	}
}

func TestDataThatIsNotShownAnyMoreIsMissingAndKeptAndNotAdmitted(t *testing.T) {
	w := started(t, graphOf("true"), source)
	w.observe(70001, 2, source)
	w.discover()
	before := w.source(source)
	for _, record := range before.Metadata[0].Records {
		_, err := w.archive.RemoveObservations(t.Context(), record["filename"].(string))
		must(t, err)
	}
	if r := w.discover(); r.Missing != 1 || r.NoData != 0 {
		t.Errorf("discovery: %+v", r)
	}
	after := w.source(source)
	if after.Source.LastOutcome != ledger.OutcomeMissing || after.Source.MissingSince == nil || len(after.Metadata) != 1 || len(after.Metadata[0].Records) != 2 {
		t.Errorf("known data was not kept: %+v", after)
	}
	if r := w.admit(true); len(r.Executions) != 0 {
		t.Errorf("admitted: %+v", r)
	}
	if why, err := w.WhySource(t.Context(), project, source); err != nil || why.State != "missing" {
		t.Errorf("why: %+v, %v", why, err)
	}
	w.observe(70001, 2, source) // the same data is shown again
	w.discover()
	if s := w.source(source).Source; s.MissingSince != nil || s.Signature != before.Source.Signature {
		t.Errorf("shown again: %+v", s)
	}
	if r := w.admit(true); len(r.Executions) != 1 {
		t.Errorf("shown again: %+v", r)
	}
}

// TestAnExecutionAndItsPendingFlagAreOneTransaction stands for a crash between both: the process ends
// before the transaction does.
func TestAnExecutionAndItsPendingFlagAreOneTransaction(t *testing.T) {
	w := started(t, graphOf("true"), source)
	w.observe(70001, 1, source)
	w.discover()
	s := w.source(source).Source
	p, err := w.ledger.View(t.Context()).Profile("here")
	must(t, err)
	before := w.events()
	crash := errors.New("the process ends here")
	err = w.ledger.Write(t.Context(), func(tx *ledger.Tx) error {
		pinned := []ledger.ExecutionSource{{SourceID: s.ID, Identifier: s.Identifier, SBIDs: []string{"70001"}, Signature: s.Signature}}
		_, err := tx.CreateExecution(ledger.NewExecution{
			Project: project, ConfigRevision: 1, Profile: p.Name, ProfileRevision: p.Revision, Target: "local",
			Sources: pinned, Signature: execution.CombinedSignature(pinned), Actor: provenance.ActorAdmission,
		})
		if err != nil {
			return err
		}
		if now, err := tx.Source(project, source); err != nil || now.Pending {
			t.Errorf("the flag is not cleared with the execution: %+v, %v", now, err)
		}
		return crash
	})
	if !errors.Is(err, crash) {
		t.Fatal(err)
	}
	w.reopen()
	if s := w.source(source).Source; !s.Pending || len(w.executions()) != 0 || w.events() != before {
		t.Errorf("something of it is left: pending %v, executions %v, %d events, want %d", s.Pending, w.executions(), w.events(), before)
	}
	if r := w.admit(true); len(r.Executions) != 1 || w.source(source).Source.Pending {
		t.Errorf("after the crash: %+v", r)
	}
}

func TestIdleTicksWriteNoEventsAndDoNotGrowTheFile(t *testing.T) {
	w := started(t, graphOf("echo done > {result}"), source)
	w.observe(70001, 1, source)
	w.discover()
	w.admit(false)
	w.finish()
	idle := func(n int) {
		for range n {
			w.clock.advance(time.Minute)
			_, err := w.TickDiscovery(t.Context(), project)
			must(t, err)
			_, err = w.TickExecution(t.Context(), project, false)
			must(t, err)
			_, err = w.TickPoll(t.Context())
			must(t, err)
		}
	}
	idle(2) // the reasons of idle ticks become events once
	w.reopen()
	events := w.events()
	before, _ := w.ledger.Size()
	idle(200)
	w.reopen()
	after, _ := w.ledger.Size()
	if got := w.events(); got != events {
		t.Errorf("200 idle ticks wrote %d events", got-events)
	}
	if grown := after - before; grown > 8<<10 {
		t.Errorf("200 idle ticks grew the file by %d bytes", grown)
	}
}

func TestAGraphWithoutTheIngestNodeIsAnErrorUnlessTheProjectSaysSo(t *testing.T) {
	w := newWorld(t)
	w.add(edited(t, ", manifest: none", ""), graphOf("true"))
	w.register(source)
	w.start()
	w.observe(70001, 1, source)
	w.discover()
	w.admit(true)
	list := w.executions()
	if len(list) != 1 || list[0].State != ledger.Failed || !strings.Contains(list[0].Error, "beampipe-ingest") {
		t.Fatalf("%+v", list)
	}
}

func TestATransformThatUsesItselfIsWarnedOfAndRefusedWhenItWouldRun(t *testing.T) {
	w := newWorld(t)
	text := edited(t, "sbid_digits: {kind: extract_digits}", "sbid_digits: {kind: chain, steps: [again]}\n    again: {kind: chain, steps: [sbid_digits]}")
	report, err := w.ValidateProject(t.Context(), control.ProjectFile{Name: "survey.yaml", Content: pinned(text, graphOf("true"))})
	must(t, err)
	if !slices.ContainsFunc(report.Report.Warnings, func(d control.Diagnostic) bool {
		return d.Code == configs.CodeTransformCycle && d.Line > 0 && strings.Contains(d.Message, "again → sbid_digits → again")
	}) {
		t.Errorf("warnings: %+v", report.Report.Warnings)
	}
	w.add(text, graphOf("true"))
	w.register(source)
	w.observe(70001, 1, source)
	answer, err := w.TickDiscovery(t.Context(), project)
	must(t, err)
	if r := answer.Ticks[0]; r.Claimed != 0 || !strings.Contains(r.Error, "cycle") || w.archive.Requests() != 0 {
		t.Errorf("discovery: %+v", r)
	}
}
