package discovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/ledger"
)

// crowd registers n stocked sources and discovers them.
func crowd(t *testing.T, settings string, n int) (w *world, names []string) {
	t.Helper()
	w = newWorld(t, automated(settings))
	for i := range n {
		names = append(names, fmt.Sprintf("HIPASSJ%04d-00", i))
		w.stock(names[i], fmt.Sprint(30000+i))
	}
	w.register(names...)
	w.tick()
	return w, names
}

func (w *world) braked() ledger.Project {
	w.t.Helper()
	p, err := w.ledger.View(context.Background()).Project("survey")
	must(w.t, err)
	return p
}

func (w *world) problem(code, subject string) (ledger.Problem, bool) {
	p, ok := w.health[code+" "+subject]
	return p, ok
}

func TestATickInWhichTooMuchChangesStopsAdmission(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings string
		change   int // of 12 sources
		braked   bool
	}{
		{name: "as many as allowed", settings: "mass_change: {sources: 3, percent: 10}", change: 3},
		{name: "one more", settings: "mass_change: {sources: 3, percent: 10}", change: 4, braked: true},
		{name: "many, and yet a small part", settings: "mass_change: {sources: 3, percent: 50}", change: 6},
		{name: "many, and more than that part", settings: "mass_change: {sources: 3, percent: 50}", change: 7, braked: true},
		{name: "few sources, by default", settings: "", change: 12},
		{name: "the brake is off", settings: "mass_change: {sources: 0}", change: 12},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.settings == "" {
				tt.settings = "stale_after_hours: 24"
			}
			w, names := crowd(t, tt.settings, 12)
			if p := w.braked(); p.BrakeAt != nil {
				t.Fatalf("the first discovery braked: %s", p.BrakeReason)
			}
			for _, name := range names[:tt.change] {
				w.observe(name+"_B.ms.tar", "39999", 59001)
			}
			w.evaluate("39999")
			r := w.later()
			p := w.braked()
			problem, told := w.problem(ProblemMassChange, "survey")
			if r.Changed != tt.change || (p.BrakeAt != nil) != tt.braked || told != tt.braked {
				t.Fatalf("result %+v, brake %q, problem %+v", r, p.BrakeReason, problem)
			}
			if !tt.braked {
				return
			}
			for _, part := range []string{fmt.Sprintf("%d of 12 enabled sources", 4), "2026-11-21 05:00 UTC"} {
				if tt.change == 4 && !strings.Contains(p.BrakeReason, part) {
					t.Errorf("reason %q does not say %q", p.BrakeReason, part)
				}
			}
			if w.later(); w.braked().BrakeReason != p.BrakeReason {
				t.Errorf("reason %q became %q", p.BrakeReason, w.braked().BrakeReason)
			}
			must(t, w.ledger.Write(t.Context(), func(tx *ledger.Tx) error {
				_, err := tx.ReleaseBrake("survey", "a new data release", "user:test")
				return err
			}))
			w.tick()
			if _, told := w.problem(ProblemMassChange, "survey"); told || w.braked().BrakeAt != nil {
				t.Errorf("released, and still braked: %v", sortedKeys(w.health))
			}
		})
	}
}

func TestFirstDataAfterNoneDoesNotCountAsAMassChange(t *testing.T) {
	w := newWorld(t, automated("mass_change: {sources: 2, percent: 0}"))
	names := []string{"HIPASSJ0001-01", "HIPASSJ0002-02", "HIPASSJ0003-03", "HIPASSJ0004-04"}
	w.register(names...)
	w.tick()
	for i, name := range names {
		w.stock(name, fmt.Sprint(30000+i))
	}
	if r := w.later(); r.Changed != 4 || w.braked().BrakeAt != nil {
		t.Errorf("result %+v, brake %q", r, w.braked().BrakeReason)
	}
}

func TestSourcesThatLoseTheirDataTogetherAreAnArchiveFault(t *testing.T) {
	for _, batch := range []int{2, 500} {
		t.Run(fmt.Sprintf("batches of %d", batch), func(t *testing.T) {
			w, names := crowd(t, "mass_change: {sources: 3, percent: 10}", 12)
			w.configure(strings.Replace(automated("mass_change: {sources: 3, percent: 10}"), "batch_size: 2", fmt.Sprintf("batch_size: %d", batch), 1))
			before := map[string]int{}
			for _, name := range names {
				w.executed(name)
				for _, m := range w.metadata(name) {
					before[name] += len(m.Records)
				}
			}
			w.line.breaks = map[string]string{"obscore": "empty"}
			r := w.later()
			if r.Missing > 3 || r.Failed != 12-r.Missing || (batch == 500 && r.Missing != 0) {
				t.Fatalf("result %+v", r)
			}
			problem, told := w.problem(ProblemMassMissing, "survey")
			if !told || !strings.Contains(problem.Title, "12 sources") {
				t.Errorf("problem %+v", problem)
			}
			for _, name := range names {
				s := w.source(name)
				if s.Signature == NoDataSignature || s.Pending || (s.LastOutcome == ledger.OutcomeError) != strings.Contains(s.LastError, "archive fault suspected") {
					t.Errorf("source %+v", s)
				}
			}
			for range 5 { // for days, as each source's back-off says: nothing is ever accepted as gone
				r := w.later()
				if r.Gone != 0 || r.NoData != 0 || r.Missing != 0 {
					t.Fatalf("result %+v", r)
				}
			}
			w.line.breaks = nil
			w.later()
			for _, name := range names {
				s, records := w.wantOutcome(name, ledger.OutcomeUnchanged, false), 0
				for _, m := range w.metadata(name) {
					records += len(m.Records)
				}
				if s.MissingSince != nil || records != before[name] {
					t.Errorf("%s has %d records, had %d; missing since %v", name, records, before[name], s.MissingSince)
				}
			}
			if len(w.health) != 0 {
				t.Errorf("problems left: %v", sortedKeys(w.health))
			}
		})
	}
}

func TestAFewSourcesThatLoseTheirDataAreMissing(t *testing.T) {
	w, names := crowd(t, "mass_change: {sources: 3, percent: 10}", 12)
	for _, name := range names[:3] {
		w.remove(name+"_A_beam01.ms.tar", name+"_A_beam02.ms.tar")
	}
	if r := w.later(); r.Missing != 3 || r.Unchanged != 9 || len(w.health) != 0 {
		t.Errorf("result %+v, problems %v", r, sortedKeys(w.health))
	}
	if r := w.later(); r.Missing != 3 || len(w.health) != 0 { // they do not count again
		t.Errorf("result %+v, problems %v", r, sortedKeys(w.health))
	}
}

func TestWhileManySourcesAreMissingNoneIsTakenForGone(t *testing.T) {
	w, names := crowd(t, "mass_change: {sources: 3, percent: 10}, stale_after_hours: 8", 6)
	for i, name := range names { // one after the other, so that no tick sees many of them go
		w.remove(name+"_A_beam01.ms.tar", name+"_A_beam02.ms.tar")
		if r := w.after(time.Hour); i == 0 && r.Claimed != 0 {
			t.Fatalf("result %+v", r)
		}
		must(t, w.ledger.Write(t.Context(), func(tx *ledger.Tx) error { return tx.RequestDiscovery(w.source(name), "user:test") }))
		w.tick()
	}
	for range 20 {
		if r := w.after(9 * time.Hour); r.Gone != 0 {
			t.Fatalf("result %+v", r)
		}
	}
	for _, name := range names {
		w.wantOutcome(name, ledger.OutcomeMissing, true)
	}
	must(t, w.ledger.Write(t.Context(), func(tx *ledger.Tx) error {
		for _, name := range names[:3] {
			if err := tx.AcceptMissing(w.source(name), "withdrawn", "user:test"); err != nil {
				return err
			}
		}
		return nil
	}))
	if r := w.tick(); r.Gone != 3 {
		t.Errorf("accepted: %+v", r)
	}
	if r := w.after(9 * time.Hour); r.Gone != 3 { // only three are missing now
		t.Errorf("result %+v", r)
	}
}

func TestASourceThatIsRefusedAgainAndAgainIsQuarantined(t *testing.T) {
	w := newWorld(t, automated("quarantine_after: 3"))
	w.stock("HIPASSJ0001-01", "30001")
	w.stock("HIPASSJ0002-02", "30002")
	w.catalogue("J0002-02", 10, 100) // an impossible declination
	w.register("HIPASSJ0001-01", "HIPASSJ0002-02")
	var quarantined []int
	for range 4 {
		quarantined = append(quarantined, w.tick().Quarantined)
		w.clock.advance(25 * time.Hour)
	}
	if !slices.Equal(quarantined, []int{0, 0, 1, 0}) {
		t.Errorf("quarantined %v", quarantined)
	}
	s := w.source("HIPASSJ0002-02")
	if s.QuarantinedAt == nil || s.Refusals != 3 || !strings.Contains(s.LastError, "DEJ2000") {
		t.Errorf("source %+v", s)
	}
	problem, _ := w.problem(ProblemQuarantine, "survey")
	if !strings.Contains(problem.Text, "HIPASSJ0002-02") || !strings.Contains(problem.Title, "1 source in quarantine") {
		t.Errorf("problem %+v", problem)
	}
	w.catalogue("J0002-02", 10, 10)
	must(t, w.ledger.Write(t.Context(), func(tx *ledger.Tx) error {
		_, err := tx.ReleaseSource("survey", "HIPASSJ0002-02", "the catalogue was corrected", "user:test")
		return err
	}))
	w.tick()
	w.wantOutcome("HIPASSJ0002-02", ledger.OutcomeChanged, true)
	if len(w.health) != 0 {
		t.Errorf("problems left: %v", sortedKeys(w.health))
	}
}

func TestWhatCannotBeAskedIsNeverQuarantined(t *testing.T) {
	w := newWorld(t, automated("quarantine_after: 2"))
	w.stock(watched, sbidOne)
	w.register(watched)
	w.line.breaks = map[string]string{"obscore": "busy"}
	for range 5 {
		w.later()
	}
	if s := w.source(watched); s.QuarantinedAt != nil || s.Failures != 5 || s.LastOutcome != ledger.OutcomeError {
		t.Errorf("source %+v", s)
	}
}

func TestAQueryThatIsRefusedForAllQuarantinesNone(t *testing.T) {
	w, _ := crowd(t, "quarantine_after: 2, mass_change: {sources: 3, percent: 10}", 6)
	w.line.breaks = map[string]string{"obscore": "the table is gone"}
	for range 4 {
		w.later()
	}
	n, err := w.ledger.View(t.Context()).CountQuarantined("survey")
	must(t, err)
	if n > 0 {
		t.Errorf("%d sources in quarantine because of one query", n)
	}
}

func TestAnOutageQuarantinesNoSource(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int
		away func(w *world)
	}{
		{"the web server has another page there", 1, func(w *world) { w.line.breaks = map[string]string{"obscore": "page not found"} }},
		{"the archive's database is down, and few sources are asked", 3, func(w *world) { w.line.breaks = map[string]string{"obscore": "the database is down"} }},
		{"it is down, and we are started again each day", 12, func(w *world) {
			w.line.breaks = map[string]string{"obscore": "the database is down"}
			w.restart(Limits{})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, names := crowd(t, "quarantine_after: 2, mass_change: {sources: 3, percent: 40}", tt.n)
			for range 4 {
				tt.away(w)
				w.later()
			}
			n, err := w.ledger.View(t.Context()).CountQuarantined("survey")
			must(t, err)
			if n > 0 {
				t.Errorf("%d sources in quarantine: %s", n, w.source(names[0]).LastError)
			}
			w.line.breaks = nil
			for range 2 {
				w.later()
			}
			for _, name := range names {
				w.wantOutcome(name, ledger.OutcomeUnchanged, true)
			}
		})
	}
}

func TestADeadArchiveEndsTheTickAndLeavesTheRestDue(t *testing.T) {
	w := newWorld(t, automated("stale_after_hours: 24"))
	for i := range 8 {
		w.register(fmt.Sprintf("S%d", i))
	}
	w.line.breaks = map[string]string{"obscore": "busy"}
	r := w.tick()
	if r.Reason != ReasonUnavailable || r.Claimed != 2 || r.Failed != 2 {
		t.Errorf("result %+v", r)
	}
	n, err := w.ledger.View(t.Context()).CountDueSources("survey", 100)
	must(t, err)
	if n != 6 {
		t.Errorf("%d sources are due, want 6", n)
	}
}

func TestAProjectIsNotStarvedByTheBatchesOfAnother(t *testing.T) {
	w := newWorld(t, automated("stale_after_hours: 24"))
	w.restart(Limits{MaxInFlightBatches: 1, QueueMaxDepth: 1})
	w.register("S1", "S2", "S3", "S4")
	slow, err := w.engine.Begin(t.Context(), "survey", TickOptions{})
	must(t, err)
	if _, ok, err := slow.Next(t.Context()); err != nil || !ok {
		t.Fatal(ok, err)
	}
	w.configure(strings.Replace(automated("stale_after_hours: 24"), "id: survey", "id: other", 1))
	must(t, w.ledger.Write(t.Context(), func(tx *ledger.Tx) error {
		for _, name := range []string{"T1", "T2", "T3"} {
			if _, err := tx.RegisterSource("other", name, "user:test"); err != nil {
				return err
			}
		}
		return nil
	}))
	other, err := w.engine.Begin(t.Context(), "other", TickOptions{})
	must(t, err)
	run, ok, err := other.Next(t.Context())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, ok, _ := other.Next(t.Context()); ok {
		t.Error("a second batch past the limit of the process")
	}
	must(t, run(t.Context()))
	for _, tick := range []*Tick{slow, other} {
		_, err := tick.Finish(t.Context())
		must(t, err)
	}
}

func TestATickIsKeptWithWhatItDid(t *testing.T) {
	w := newWorld(t, automated("stale_after_hours: 24"))
	w.stock("HIPASSJ0001-01", "30001")
	w.stock("HIPASSJ0002-02", "30002")
	w.catalogue("J0002-02", 10, 100)
	w.register("HIPASSJ0001-01", "HIPASSJ0002-02", "HIPASSJ0003-03")
	r := w.tick()
	w.tick() // nothing is due: its reason is the same
	list, err := w.ledger.View(t.Context()).TickRuns(ledger.TickFilter{Project: "survey"})
	must(t, err)
	if len(list) != 1 {
		t.Fatalf("%d ticks are kept: %+v", len(list), list)
	}
	run, err := w.ledger.View(t.Context()).TickRun(list[0].ID)
	must(t, err)
	if !run.BeganAt.Equal(r.Began) || run.Counters["changed"] != 1 || run.Counters["refused"] != 1 || run.Counters["no_data"] != 1 || run.Counters["requests"] != r.Requests {
		t.Errorf("tick %+v", run)
	}
	want := []string{"HIPASSJ0001-01 changed +1 SBID, +2 datasets", "HIPASSJ0002-02 refused read column", "HIPASSJ0003-03 no_data "}
	if len(run.Sources) != len(want) {
		t.Fatalf("sources %+v", run.Sources)
	}
	for i, s := range run.Sources {
		if got := s.Identifier + " " + s.Outcome + " " + s.Text; !strings.HasPrefix(got, want[i]) {
			t.Errorf("got %q, want %q", got, want[i])
		}
	}
}

func TestAFailureIsJudgedByWhetherItWasAnAnswer(t *testing.T) {
	for _, tt := range []struct {
		err     error
		outcome string
	}{
		{fault.New(fault.Unavailable, "no answer", ""), ledger.OutcomeError},
		{fmt.Errorf("the disk broke"), ledger.OutcomeError},
		{fault.New(fault.Invalid, "a row without SBID", ""), ledger.OutcomeRefused},
		{defect{fmt.Errorf("defect: x")}, ledger.OutcomeRefused},
		{ambiguous{fault.New(fault.Invalid, "two sources", "")}, ledger.OutcomeAmbiguous},
		{fmt.Errorf("query: %w", ambiguous{fault.New(fault.Invalid, "two sources", "")}), ledger.OutcomeAmbiguous},
	} {
		if outcome, text := failed(tt.err); outcome != tt.outcome || text == "" {
			t.Errorf("%v is %s (%s), want %s", tt.err, outcome, text, tt.outcome)
		}
	}
}

// fewAtATime is a survey whose ticks ask few sources at a time.
const fewAtATime = "mass_change: {sources: 3, percent: 10}, tick_discovery_batch_limit: 1"

func smallTicks(settings string) string {
	return strings.Replace(automated(settings), "tick_discovery_batch_limit: 1000, ", "", 1)
}

func TestTicksThatLimitsCutShortAreJudgedTogether(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(w *world, names []string)
		want func(w *world, sum Result) bool
	}{
		{
			name: "other data for many",
			do: func(w *world, names []string) {
				for _, name := range names {
					w.observe(name+"_B.ms.tar", "39999", 59001)
				}
				w.evaluate("39999")
			},
			want: func(w *world, sum Result) bool { return w.braked().BrakeAt != nil && sum.Changed == 12 },
		},
		{
			name: "no data for many",
			do:   func(w *world, _ []string) { w.line.breaks = map[string]string{"obscore": "empty"} },
			want: func(w *world, sum Result) bool {
				_, told := w.problem(ProblemMassMissing, "survey")
				return told && sum.Missing <= 3 && sum.Failed == 12-sum.Missing
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, names := crowd(t, "mass_change: {sources: 3, percent: 10}", 12)
			w.configure(smallTicks(fewAtATime))
			w.clock.advance(25 * time.Hour)
			tt.do(w, names)
			var sum Result
			for range 7 {
				r := w.tick()
				sum.Changed, sum.Missing, sum.Failed = sum.Changed+r.Changed, sum.Missing+r.Missing, sum.Failed+r.Failed
			}
			if !tt.want(w, sum) {
				t.Errorf("together %+v, brake %q, problems %v", sum, w.braked().BrakeReason, sortedKeys(w.health))
			}
		})
	}
}

func TestTicksThatAskedAllThatWasDueAreJudgedApart(t *testing.T) {
	w, names := crowd(t, "mass_change: {sources: 3, percent: 10}", 12)
	w.evaluate("39999")
	for i, name := range names {
		w.observe(name+"_B.ms.tar", "39999", 59001)
		if i%3 == 2 {
			w.later()
		}
	}
	if w.braked().BrakeAt != nil {
		t.Errorf("three a day braked: %s", w.braked().BrakeReason)
	}
}

func TestReleasedIsReleasedForTheWholeWave(t *testing.T) {
	w, names := crowd(t, "mass_change: {sources: 3, percent: 10}", 12)
	w.configure(smallTicks(fewAtATime))
	w.clock.advance(25 * time.Hour)
	w.evaluate("39999")
	for _, name := range names {
		w.observe(name+"_B.ms.tar", "39999", 59001)
	}
	for range 2 {
		w.tick()
	}
	must(t, w.ledger.Write(t.Context(), func(tx *ledger.Tx) error {
		released, err := tx.ReleaseBrake("survey", "a new data release", "user:test")
		if !released {
			t.Error("it was not braked after two ticks")
		}
		return err
	}))
	for range 6 {
		w.tick()
	}
	if w.braked().BrakeAt != nil {
		t.Errorf("braked again by the same wave: %s", w.braked().BrakeReason)
	}
	w.clock.advance(25 * time.Hour)
	for _, name := range names {
		w.observe(name+"_C.ms.tar", "39999", 59002)
	}
	for range 2 {
		w.tick()
	}
	if w.braked().BrakeAt == nil {
		t.Error("the next wave is not braked")
	}
}
