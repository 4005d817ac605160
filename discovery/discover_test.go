package discovery

import (
	stdcmp "cmp"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/ledger"
)

const sbidOne, sbidTwo = "72962", "73011"

func TestAFirstDiscoveryKeepsTheFullRecordsAndSignsAProjection(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock("HIPASSJ1313-15", sbidOne)
	w.register("HIPASSJ1313-15")
	r := w.tick()
	if r.Changed != 1 || r.Claimed != 1 || r.Requests != 3 || r.Reason != ReasonNoneDue {
		t.Errorf("result %+v", r)
	}
	s := w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeChanged, true)
	m := w.metadata("HIPASSJ1313-15")
	if len(m) != 1 || m[0].SBID != sbidOne || len(m[0].Records) != 2 || m[0].Flags["catalogued"] != true {
		t.Fatalf("metadata %+v", m)
	}
	record := m[0].Records[0]
	for field, want := range map[string]any{
		"source_identifier": "HIPASSJ1313-15", "sbid": sbidOne, "dataset_id": "HIPASSJ1313-15_A_beam01.ms.tar", "obs_id": "ASKAP-" + sbidOne,
		"access_url": "https://archive.invalid/links?ID=HIPASSJ1313-15_A_beam01.ms.tar", "filesize": "1000", "t_max": "59000.0",
		"ra_string": "13h13m34.08s", "dec_string": "-15.27.32.4", "vsys": "2505.3",
		"evaluation_file":            "calibration-metadata-processing-logs-SB72962_2021-12-31-011733.tar",
		"evaluation_file_access_url": "https://archive.invalid/eval/72962",
	} {
		got := record[field]
		if field == "t_max" && got == "59000" {
			continue // how a real is written is the archive's business
		}
		if got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	if Ready(s, m, nil) != nil {
		t.Errorf("not ready: %v", Ready(s, m, nil))
	}
	want := []string{"sbid_added 72962", "dataset_added 72962 HIPASSJ1313-15_A_beam01.ms.tar", "dataset_added 72962 HIPASSJ1313-15_A_beam02.ms.tar"}
	if diff := cmp.Diff(want, w.changes("HIPASSJ1313-15")); diff != "" {
		t.Error(diff)
	}
	report := w.report("HIPASSJ1313-15")
	if len(report.Queries) != 3 || report.Datasets != 2 || !slices.Equal(report.SBIDs, []string{sbidOne}) || len(report.NotInSignature) != 5 {
		t.Errorf("report %+v", report)
	}
}

func TestOnlyDifferentDataMakesASourcePending(t *testing.T) {
	const name, beam1, beam2 = "HIPASSJ1313-15", "HIPASSJ1313-15_A_beam01.ms.tar", "HIPASSJ1313-15_A_beam02.ms.tar"
	ctx := context.Background()
	for _, tt := range []struct {
		name    string
		happens func(w *world)
		outcome string
		pending bool
		changes []string // nil: the changes of the first discovery are still the newest
		then    func(t *testing.T, w *world)
	}{
		{name: "nothing", happens: func(*world) {}, outcome: ledger.OutcomeUnchanged},
		{
			name: "a dataset comes", happens: func(w *world) { w.observe(name+"_B.ms.tar", sbidOne, 59001) },
			outcome: ledger.OutcomeChanged, pending: true, changes: []string{"dataset_added 72962 HIPASSJ1313-15_B.ms.tar"},
		},
		{
			name: "an SBID comes", happens: func(w *world) { w.observe(name+"_B.ms.tar", sbidTwo, 59001); w.evaluate(sbidTwo) },
			outcome: ledger.OutcomeChanged, pending: true, changes: []string{"sbid_added 73011", "dataset_added 73011 HIPASSJ1313-15_B.ms.tar"},
		},
		{
			name: "a signed field changes", happens: func(w *world) {
				must(w.t, w.archive.UpdateObservation(ctx, beam1, "quality_level", "GOOD"))
			},
			outcome: ledger.OutcomeChanged, pending: true, changes: []string{"dataset_changed 72962 " + beam1 + " quality_level: NOT_VALIDATED -> GOOD"},
		},
		{
			name: "an excluded field changes", happens: func(w *world) {
				must(w.t, w.archive.UpdateObservation(ctx, beam1, "access_url", "https://elsewhere.invalid/"))
			},
			outcome: ledger.OutcomeUnchanged,
			then: func(t *testing.T, w *world) {
				if got := w.metadata(name)[0].Records[0]["access_url"]; got != "https://elsewhere.invalid/" {
					t.Errorf("the stored access_url is %v", got)
				}
			},
		},
		{
			name: "a dataset goes", happens: func(w *world) { _, err := w.archive.RemoveObservations(ctx, beam2); must(w.t, err) },
			outcome: ledger.OutcomeMissing, changes: []string{"dataset_gone 72962 " + beam2},
			then: func(t *testing.T, w *world) {
				if len(w.metadata(name)[0].Records) != 2 || w.source(name).MissingSince == nil {
					t.Error("what is missing was not kept and marked")
				}
				if len(Ready(w.source(name), w.metadata(name), nil)) == 0 {
					t.Error("a source with missing data is ready")
				}
				w.observe(beam2, sbidOne, 59000)
				w.later()
				if s := w.wantOutcome(name, ledger.OutcomeUnchanged, false); s.MissingSince != nil {
					t.Error("it is shown again and still missing")
				}
			},
		},
		{
			name: "all of it goes", happens: func(w *world) {
				for _, f := range []string{beam1, beam2} {
					_, err := w.archive.RemoveObservations(ctx, f)
					must(w.t, err)
				}
			},
			outcome: ledger.OutcomeMissing, changes: []string{"sbid_gone 72962", "dataset_gone 72962 " + beam1, "dataset_gone 72962 " + beam2},
			then: func(t *testing.T, w *world) {
				if m := w.metadata(name); m[0].MissingSince == nil || len(m[0].Records) != 2 {
					t.Errorf("the SBID is not kept as missing: %+v", m)
				}
				w.later()
				w.wantOutcome(name, ledger.OutcomeMissing, false)
				w.observe(beam1, sbidOne, 59000)
				w.observe(beam2, sbidOne, 59000)
				w.later()
				w.wantOutcome(name, ledger.OutcomeUnchanged, false)
				if m := w.metadata(name); m[0].MissingSince != nil {
					t.Error("it is shown again and still missing")
				}
			},
		},
		{
			name: "one goes and another comes", happens: func(w *world) {
				_, err := w.archive.RemoveObservations(ctx, beam2)
				must(w.t, err)
				w.observe(name+"_C.ms.tar", sbidOne, 59001)
			},
			outcome: ledger.OutcomeChanged, pending: true,
			changes: []string{"dataset_added 72962 HIPASSJ1313-15_C.ms.tar", "dataset_gone 72962 " + beam2},
		},
		{
			name: "one SBID goes and another comes", happens: func(w *world) {
				for _, f := range []string{beam1, beam2} {
					_, err := w.archive.RemoveObservations(ctx, f)
					must(w.t, err)
				}
				w.observe(name+"_C.ms.tar", sbidTwo, 59001)
				w.evaluate(sbidTwo)
			},
			outcome: ledger.OutcomeChanged, pending: true,
			changes: []string{"sbid_gone 72962", "sbid_added 73011", "dataset_added 73011 HIPASSJ1313-15_C.ms.tar", "dataset_gone 72962 " + beam1, "dataset_gone 72962 " + beam2},
			then: func(t *testing.T, w *world) {
				m := w.metadata(name)
				if len(m) != 2 || m[0].MissingSince == nil || m[1].MissingSince != nil {
					t.Errorf("metadata %+v", m)
				}
				if reasons := Ready(w.source(name), m, nil); reasons != nil {
					t.Errorf("not ready for what is shown: %v", reasons)
				}
				w.later()
				w.wantOutcome(name, ledger.OutcomeUnchanged, true)
			},
		},
		{
			name: "the catalogue row moves", happens: func(w *world) { w.catalogue("J1313-15", 198.392, -0.5) },
			outcome: ledger.OutcomeChanged, pending: true,
			changes: []string{"dataset_changed 72962 " + beam1 + " dec_string: -15.27.32.4 -> -0.30.0", "dataset_changed 72962 " + beam2 + " dec_string: -15.27.32.4 -> -0.30.0"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, plainSurvey)
			w.stock(name, sbidOne)
			w.register(name)
			w.tick()
			w.executed(name)
			before := w.source(name)
			tt.happens(w)
			w.later()
			s := w.wantOutcome(name, tt.outcome, tt.pending)
			if (s.Signature != before.Signature) != (tt.outcome == ledger.OutcomeChanged) {
				t.Errorf("signature %s -> %s", before.Signature, s.Signature)
			}
			if tt.changes != nil {
				if diff := cmp.Diff(tt.changes, w.changes(name)); diff != "" {
					t.Error(diff)
				}
			}
			if tt.then != nil {
				tt.then(t, w)
			}
		})
	}
}

func TestACatalogueRowThatVanishesIsMissingAndNoNewData(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock("HIPASSJ1313-15", sbidOne)
	w.register("HIPASSJ1313-15")
	w.tick()
	w.executed("HIPASSJ1313-15")
	w.configure(strings.Replace(plainSurvey, "WHERE HIPASS = '{source_name}'", "WHERE HIPASS = '{source_name}' AND RVmom < 0", 1))
	w.later()
	w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeMissing, false)
}

func TestNoDataIsOnlySaidWhenNothingIsKnownAndNothingShown(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.register("HIPASSJ1313-15")
	r := w.tick()
	if s := w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeNoData, false); s.Signature != NoDataSignature || r.NoData != 1 || r.Requests != 1 {
		t.Errorf("source %+v, result %+v", s, r)
	}
	if len(Ready(w.source("HIPASSJ1313-15"), nil, nil)) == 0 {
		t.Error("a source without data is ready")
	}
	w.stock("HIPASSJ1313-15", sbidOne)
	w.later()
	w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeChanged, true)
}

func TestAFailedQueryFailsTheSourceAndNothingElse(t *testing.T) {
	for _, query := range []struct{ name, part string }{
		{"the primary query", "ivoa.obscore"}, {"another query", "hicat"}, {"an enrichment", "observation_evaluation_file"},
	} {
		for words, outcome := range map[string]string{
			"busy": ledger.OutcomeError, "html": ledger.OutcomeError, "truncated": ledger.OutcomeError,
			"overflow": ledger.OutcomeRefused, "late error": ledger.OutcomeRefused, "the table is being rebuilt": ledger.OutcomeRefused,
		} {
			t.Run(query.name+" answers "+words, func(t *testing.T) {
				w := newWorld(t, plainSurvey)
				w.stock("HIPASSJ1313-15", sbidOne)
				w.register("HIPASSJ1313-15")
				w.tick()
				w.executed("HIPASSJ1313-15")
				before, metadata := w.source("HIPASSJ1313-15"), w.metadata("HIPASSJ1313-15")
				w.line.breaks = map[string]string{query.part: words}
				w.later()
				s := w.wantOutcome("HIPASSJ1313-15", outcome, false)
				if s.Signature != before.Signature || s.Failures != 1 || s.MissingSince != nil || s.LastError == "" {
					t.Errorf("source %+v", s)
				}
				if diff := cmp.Diff(metadata, w.metadata("HIPASSJ1313-15")); diff != "" {
					t.Error(diff)
				}
				if wait := s.NextDueAt.Sub(w.clock.Now()); wait > firstDelay || wait < firstDelay*9/10 {
					t.Errorf("asked again after %v", wait)
				}
				w.line.breaks = nil
				w.clock.advance(firstDelay)
				w.tick()
				if s := w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeUnchanged, false); s.Failures != 0 {
					t.Errorf("%d failures left", s.Failures)
				}
			})
		}
	}
}

func TestAnArchiveThatDoesNotAnswerIsAHealthProblemUntilItDoes(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.register("HIPASSJ1313-15")
	w.line.breaks = map[string]string{"obscore": "busy"}
	for range patience {
		w.later()
	}
	for _, problem := range []string{ProblemArchive + " casda", ProblemSource + " survey"} {
		if _, ok := w.health[problem]; !ok {
			t.Errorf("no problem %q among %v", problem, sortedKeys(w.health))
		}
	}
	if s := w.source("HIPASSJ1313-15"); s.NextDueAt.Sub(w.clock.Now()) > 24*time.Hour {
		t.Errorf("it is not asked again before %v", s.NextDueAt)
	}
	w.line.breaks = nil
	w.later()
	if len(w.health) != 0 {
		t.Errorf("problems left: %v", sortedKeys(w.health))
	}
}

func TestOnePoisonedSourceHarmsNeitherItsBatchNorTheNext(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name    string
		poison  func(w *world)
		want    string
		outcome string // "": refused
	}{
		{name: "no SBID", poison: func(w *world) {
			must(w.t, w.archive.UpdateObservation(ctx, "HIPASSJ0002-02_A_beam02.ms.tar", "obs_id", "ASKAP"))
		}, want: `row 2 (filename HIPASSJ0002-02_A_beam02.ms.tar) of query "visibility" for HIPASSJ0002-02: field "sbid"`},
		{name: "two datasets of one name", poison: func(w *world) {
			w.observe("HIPASSJ0002-02_A_beam03.ms.tar", "30002", 59000)
			must(w.t, w.archive.UpdateObservation(ctx, "HIPASSJ0002-02_A_beam03.ms.tar", "filename", "HIPASSJ0002-02_A_beam01.ms.tar"))
		}, want: `a second record of SBID 30002 is named "HIPASSJ0002-02_A_beam01.ms.tar"`},
		{name: "no evaluation file yet", outcome: ledger.OutcomeError, poison: func(w *world) {
			w.observe("HIPASSJ0002-02_B.ms.tar", "30099", 59000)
		}, want: `evaluation file of HIPASSJ0002-02 SBID 30099`},
		{name: "an impossible declination", poison: func(w *world) { w.catalogue("J0002-02", 10, 100) }, want: `read column "DEJ2000"`},
		{name: "a defect of ours", poison: func(w *world) {
			w.line.before = func(query string) {
				if strings.Contains(query, "HIPASSJ0002-02%") {
					panic("poisoned")
				}
			}
		}, want: "defect: poisoned"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, plainSurvey)
			names := []string{"HIPASSJ0001-01", "HIPASSJ0002-02", "HIPASSJ0003-03", "HIPASSJ0004-04"}
			for i, name := range names {
				w.stock(name, []string{"30001", "30002", "30003", "30004"}[i])
			}
			tt.poison(w)
			w.register(names...)
			r := w.tick()
			if r.Changed != 3 || r.Failed+r.Refused != 1 {
				t.Fatalf("result %+v", r)
			}
			s := w.wantOutcome("HIPASSJ0002-02", stdcmp.Or(tt.outcome, ledger.OutcomeRefused), false)
			if !strings.Contains(s.LastError, tt.want) {
				t.Errorf("error %q does not say %q", s.LastError, tt.want)
			}
			if again := w.tick(); again.Claimed != 0 {
				t.Errorf("it is at the head of the queue again: %+v", again)
			}
		})
	}
}

func TestASourceWithTwoSBIDsIsEnrichedForEach(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock("HIPASSJ1313-15", sbidOne)
	w.observe("HIPASSJ1313-15_B_beam01.ms.tar", sbidTwo, 59100)
	w.evaluate(sbidTwo)
	w.register("HIPASSJ1313-15")
	if r := w.tick(); r.Requests != 4 || w.archive.Queries() != 4 {
		t.Errorf("%d requests, the archive counts %d; want 4", r.Requests, w.archive.Queries())
	}
	m := w.metadata("HIPASSJ1313-15")
	if len(m) != 2 {
		t.Fatalf("metadata %+v", m)
	}
	for _, group := range m {
		for _, record := range group.Records {
			if file, _ := record["evaluation_file"].(string); !strings.Contains(file, "SB"+group.SBID+"_") {
				t.Errorf("SBID %s has evaluation file %s", group.SBID, file)
			}
		}
	}
}

func TestAnIdleTickWritesNoEvent(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock("HIPASSJ1313-15", sbidOne)
	w.register("HIPASSJ1313-15")
	w.tick()
	before, err := w.ledger.View(context.Background()).CountEvents()
	must(t, err)
	w.later() // unchanged
	w.tick()  // nothing due
	after, err := w.ledger.View(context.Background()).CountEvents()
	must(t, err)
	if after != before {
		t.Errorf("%d events for an unchanged source and an idle tick", after-before)
	}
}
