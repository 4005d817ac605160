package execution

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/ledger"
)

// unchanged stores that the archive still shows what it showed.
func (r *rig) unchanged(source string) {
	r.t.Helper()
	signature := r.source(source).Signature
	r.outcome(source, ledger.OutcomeUnchanged, func(d *ledger.Discovery) { d.Signature = signature })
}

func (r *rig) preview() Admission {
	r.t.Helper()
	a, err := r.Preview(context.Background(), "demo")
	r.must(err)
	return a
}

func TestASourceRunsOnceItsDataHasSettled(t *testing.T) {
	const settling = "settling: data still changes, its signature is "
	for _, tt := range []struct {
		name   string
		settle string // what the config says
		then   func(r *rig)
		want   string // why it is skipped; "" when it runs
	}{
		{"just seen", "settle_hours: 6", func(*rig) {}, settling + "0 h old, of 6 h (automation.execution.settle_hours)"},
		{"seen again too soon", "settle_hours: 6", func(r *rig) { r.clock.forward(90 * time.Minute); r.unchanged("S000") }, settling + "1.5 h old, of 6 h (automation.execution.settle_hours)"},
		{
			"old, and not looked at since", "settle_hours: 6", func(r *rig) { r.clock.forward(7 * time.Hour) },
			settling + "7 h old, of 6 h (automation.execution.settle_hours); the next discovery that finds it unchanged settles it",
		},
		{"seen again in time", "settle_hours: 6", func(r *rig) { r.clock.forward(6 * time.Hour); r.unchanged("S000") }, ""},
		{"changed again", "settle_hours: 6", func(r *rig) {
			r.clock.forward(6 * time.Hour)
			r.discovered("S000", "sig-2", block("S000", "1", "S000-a", "S000-b"))
			r.clock.forward(time.Hour)
			r.unchanged("S000")
		}, settling + "1 h old, of 6 h (automation.execution.settle_hours)"},
		{"signed again under a new rule", "settle_hours: 6", func(r *rig) {
			r.clock.forward(6 * time.Hour)
			r.outcome("S000", ledger.OutcomeUnchanged, func(d *ledger.Discovery) { d.Signature, d.Rule = "sig-r2", "r2" })
		}, ""},
		{"no settling is asked for", "settle_hours: 0", func(*rig) {}, ""},
		{"without the key it is 6 hours", "", func(r *rig) { r.clock.forward(5 * time.Hour); r.unchanged("S000") }, settling + "5 h old, of 6 h (automation.execution.settle_hours)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.addProfile("here")
			r.standardWith("settle_hours: 0", tt.settle)
			tt.then(r)
			want := []Skip{{Source: "S000", Reason: tt.want}}
			if tt.want == "" {
				want = nil
			}
			for what, a := range map[string]Admission{"preview": r.preview(), "admission": r.admit()} {
				if diff := cmp.Diff(want, a.Skipped); diff != "" {
					t.Errorf("%s (-want +got)\n%s", what, diff)
				}
				if !r.source("S000").Pending && tt.want != "" {
					t.Errorf("%s: it no longer waits", what)
				}
			}
		})
	}
}

func TestTheBrakeStopsAdmissionUntilItIsReleased(t *testing.T) {
	r := newRig(t)
	r.standard(2)
	r.write(func(tx *ledger.Tx) error {
		_, err := tx.Brake("demo", "40 of 100 sources changed in one tick")
		return err
	})
	want := "mass_change_brake: 40 of 100 sources changed in one tick; beampipe project release demo --reason TEXT"
	for what, a := range map[string]Admission{"preview": r.preview(), "admission": r.admit()} {
		if a.Reason != want || len(a.Executions) != 0 || len(a.Planned) != 0 {
			t.Errorf("%s: %+v", what, a)
		}
	}
	r.write(func(tx *ledger.Tx) error {
		_, err := tx.ReleaseBrake("demo", "it is a re-reduction", "user:a")
		return err
	})
	if a := r.admit(); len(a.Executions) != 2 {
		t.Errorf("%+v", a)
	}
}

func TestTheBrakeThatComesWhileExecutionsAreMadeStopsThem(t *testing.T) {
	r := newRig(t)
	r.standard(1)
	a := r.admission("demo")
	r.must(r.ledger.Snapshot(context.Background(), a.plan))
	r.write(func(tx *ledger.Tx) error { _, err := tx.Brake("demo", "too much"); return err })
	r.must(a.create(context.Background()))
	if len(a.Executions) != 0 || !strings.HasPrefix(a.Reason, "mass_change_brake: too much") {
		t.Errorf("%+v", a.Admission)
	}
}

func TestDataThatGoesWhileExecutionsAreMadeIsNotRun(t *testing.T) {
	for name, tt := range map[string]struct {
		happens func(r *rig)
		why     string
	}{
		"one SBID is missing": {func(r *rig) {
			r.outcome("S", ledger.OutcomeMissing, func(d *ledger.Discovery) { d.Changes = []ledger.Change{{Kind: "sbid_gone", SBID: "1"}} })
		}, changedMeanwhile},
		"one is excluded":  {func(r *rig) { r.exclude(ledger.Exclusion{SBID: "1"}) }, changedMeanwhile},
		"all are excluded": {func(r *rig) { r.exclude(ledger.Exclusion{SBID: "1"}, ledger.Exclusion{SBID: "2"}) }, "no dataset"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.standard(0)
			r.discovered("S", "sig", block("S", "1", "a"), block("S", "2", "b"))
			a := r.admission("demo")
			r.must(r.ledger.Snapshot(t.Context(), a.plan))
			tt.happens(r)
			r.must(a.create(t.Context()))
			if len(a.Executions) != 0 || len(a.Skipped) != 1 || !strings.Contains(a.Skipped[0].Reason, tt.why) || !r.source("S").Pending {
				t.Errorf("%+v", a.Admission)
			}
		})
	}
}

func TestAPreviewSaysWhatAdmissionDoesAndWritesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(r *rig)
		want [][]string
	}{
		{"everything fits", func(r *rig) { r.standard(3) }, [][]string{{"S000"}, {"S001"}, {"S002"}}},
		{"a limit binds", func(r *rig) { r.standard(3, "concurrent_execution_run_limit: 2") }, [][]string{{"S000"}, {"S001"}}},
		{"one cannot run", func(r *rig) {
			bad := block("A", "1", "a")
			bad.Flags["complete"] = false
			r.standard(0)
			r.discovered("A", "sig", bad)
			r.discovered("B", "sig", block("B", "1", "b"))
		}, [][]string{{"B"}}},
		{"a refusal", func(r *rig) { r.standard(1, "deployment_profile_name: other") }, nil},
		{"nothing pending", func(r *rig) { r.standard(0) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			tt.make(r)
			before, err := r.view().CountEvents()
			r.must(err)
			a := r.preview()
			after, err := r.view().CountEvents()
			r.must(err)
			ticks, err := r.view().Schedules()
			if before != after || len(ticks) != 0 || err != nil || len(r.health.problems) != 0 {
				t.Errorf("%d events, ticks %v, problems %v, %v", after-before, ticks, r.health.problems, err)
			}
			if diff := cmp.Diff(tt.want, a.Planned); diff != "" {
				t.Error(diff)
			}
			b := r.admit()
			var got [][]string
			for _, id := range b.Executions {
				var names []string
				for _, s := range r.get(id).Sources {
					names = append(names, s.Identifier)
				}
				got = append(got, names)
			}
			if diff := cmp.Diff(a.Planned, got); diff != "" {
				t.Errorf("admission did something else (-preview +admission)\n%s", diff)
			}
			if a.Reason != b.Reason || a.Sources != b.Sources || a.Examined != b.Examined || a.Pending != b.Pending {
				t.Errorf("preview %+v, admission %+v", a, b)
			}
		})
	}
}

func (r *rig) exclude(list ...ledger.Exclusion) {
	r.t.Helper()
	r.write(func(tx *ledger.Tx) error {
		_, err := tx.ExcludeDatasets("demo", list, "bad flux", "user:a")
		return err
	})
}

func TestWhatIsExcludedEntersNoManifest(t *testing.T) {
	for _, tt := range []struct {
		name    string
		exclude []ledger.Exclusion
		sbids   []string // pinned; nil when it is not admitted
		out     []string // datasets that are not in the graph
	}{
		{"a dataset", []ledger.Exclusion{{SBID: "1", Dataset: "a"}}, []string{"1", "2"}, []string{"a"}},
		{"every dataset of an SBID", []ledger.Exclusion{{SBID: "1", Dataset: "a"}, {SBID: "1", Dataset: "b"}}, []string{"2"}, []string{"a", "b"}},
		{"a whole SBID", []ledger.Exclusion{{SBID: "2"}}, []string{"1"}, []string{"c"}},
		{"one of another SBID", []ledger.Exclusion{{SBID: "2", Dataset: "a"}}, []string{"1", "2"}, nil},
		{"everything", []ledger.Exclusion{{SBID: "1"}, {SBID: "2", Dataset: "c"}}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.standard(0)
			r.discovered("S", "sig", block("S", "1", "a", "b"), block("S", "2", "c"))
			r.exclude(tt.exclude...)
			a := r.admit()
			if tt.sbids == nil {
				if len(a.Executions) != 0 || len(a.Skipped) != 1 || !strings.Contains(a.Skipped[0].Reason, "not excluded") {
					t.Errorf("%+v", a)
				}
				return
			}
			if len(a.Executions) != 1 {
				t.Fatalf("%+v", a)
			}
			if got := r.get(a.Executions[0]).Sources[0].SBIDs; !slices.Equal(got, tt.sbids) {
				t.Errorf("pinned %v, expected %v", got, tt.sbids)
			}
			r.work()
			for _, name := range []string{"a", "b", "c"} {
				in := strings.Contains(string(r.place.graph), `\"dataset_id\":\"`+name+`\"`)
				if want := !slices.Contains(tt.out, name); in != want {
					t.Errorf("dataset %s in the graph: %v, expected %v", name, in, want)
				}
			}
			// It is the whole of what can be run: the source is done with.
			r.place.says(sub(a.Executions[0], 1), finished)
			r.poll()
			if s := r.source("S"); s.Pending || s.LastExecutedSignature != "sig" {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestAnExcludedSBIDCannotBeSelectedByHand(t *testing.T) {
	r := newRig(t)
	r.standard(0)
	r.discovered("S", "sig", block("S", "1", "a"), block("S", "2", "b"))
	r.exclude(ledger.Exclusion{SBID: "2"})
	plan, err := r.Plan(context.Background(), CreateRequest{Project: "demo", Sources: []SourceSelection{{Identifier: "S", SBIDs: []string{"2"}}}})
	r.must(err)
	if problems := plan.AllProblems(); len(problems) != 1 || !strings.Contains(problems[0], "SBID 2 is selected, but every dataset of it is excluded") {
		t.Errorf("%q", problems)
	}
	plan, err = r.Plan(context.Background(), CreateRequest{Project: "demo", Sources: []SourceSelection{{Identifier: "S"}}})
	r.must(err)
	if problems := plan.AllProblems(); len(problems) != 0 || plan.TotalDatasets != 1 || plan.ManifestSHA256 == "" {
		t.Errorf("%q %+v", problems, plan)
	}
}

func TestWhatIsExcludedAfterAdmissionIsNotSubmitted(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.must(r.step()) // ready, with a manifest
	r.exclude(ledger.Exclusion{SBID: "1", Dataset: "S000-a"})
	r.wantState(id, ledger.Cancelled)
	r.work()
	if len(r.place.told) != 0 {
		t.Error("what was superseded was submitted")
	}
	if a := r.admit(); len(a.Executions) != 0 || !r.source("S000").Pending {
		t.Errorf("%+v", a)
	}
	r.write(func(tx *ledger.Tx) error {
		_, err := tx.IncludeDatasets("demo", []ledger.Exclusion{{SBID: "1", Dataset: "S000-a"}}, "it was right", "user:a")
		return err
	})
	if a := r.admit(); len(a.Executions) != 1 {
		t.Errorf("%+v", a)
	}
}

func TestAdmissionKeepsAHistoryOfTicksThatDidSomething(t *testing.T) {
	r := newRig(t)
	r.standard(1)
	bad := block("BAD", "1", "a")
	bad.Flags["complete"] = false
	r.discovered("BAD", "sig", bad)
	a := r.admit()
	for range 3 {
		r.clock.forward(time.Minute)
		r.admit() // the reason changes once, to skipped ones only
	}
	list, err := r.view().TickRuns(ledger.TickFilter{Project: "demo", Kind: ledger.TickExecution})
	r.must(err)
	if len(list) != 2 {
		t.Fatalf("%d ticks: %+v", len(list), list)
	}
	idle, busy := list[0], list[1]
	if idle.Reason != "sources_skipped_not_ready" || idle.Note != "BAD: flag complete does not hold" || idle.Counters["skipped"] != 1 {
		t.Errorf("%+v", idle)
	}
	busy, err = r.view().TickRun(busy.ID)
	r.must(err)
	want := []ledger.TickSource{
		{Identifier: "S000", Outcome: "admitted", Text: "execution " + a.Executions[0]},
		{Identifier: "BAD", Outcome: "skipped", Text: "flag complete does not hold"},
	}
	if diff := cmp.Diff(want, busy.Sources); diff != "" || busy.Reason != "admitted" {
		t.Errorf("%s\n%s", busy.Reason, diff)
	}
}
