package execution

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/ledger"
)

// The rows of DESIGN.md, "Sources and executions".

func TestNewDataBeforeSubmissionMakesTheExecutionAnew(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.must(r.step()) // ready
	r.discovered("S000", "sig-2", block("S000", "1", "S000-a", "S000-b"))
	x := r.wantState(id, ledger.Cancelled)
	if !r.source("S000").Pending {
		t.Fatal("the source does not wait for a run")
	}
	r.work()
	if len(r.place.told) != 0 {
		t.Error("what was superseded was submitted")
	}
	a := r.admit()
	if len(a.Executions) != 1 || a.Executions[0] == x.ID {
		t.Fatalf("%+v", a)
	}
	r.work()
	if !strings.Contains(string(r.place.graph), "S000-b") {
		t.Error("the new data is not in it")
	}
}

func TestNewDataWhileAUnitRunsIsLeftToTheNextExecution(t *testing.T) {
	r := newRig(t)
	id := r.one()
	run, ok, err := r.Next(context.Background())
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	r.discovered("S000", "sig-2", block("S000", "1", "S000-b"))
	r.must(run(context.Background())) // preparing what was superseded meanwhile is no error
	r.wantState(id, ledger.Cancelled)
}

func TestNewDataAfterSubmissionRunsOnAndThenPendsAgain(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.work()
	r.discovered("S000", "sig-2", block("S000", "1", "S000-b"))
	r.wantState(id, ledger.Queued)
	if a := r.admit(); len(a.Executions) != 0 {
		t.Fatalf("two executions of one source: %+v", a)
	}
	r.place.says(sub(id, 1), finished)
	r.poll()
	s := r.source("S000")
	if r.wantState(id, ledger.Completed); !s.Pending || s.LastExecutedSignature != "sig-S000" {
		t.Errorf("%+v", s)
	}
	if a := r.admit(); len(a.Executions) != 1 {
		t.Errorf("%+v", a)
	}
}

func TestNewDataAfterAFailureMakesANewExecution(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	id := r.one()
	r.work()
	r.place.says(sub(id, 1), broken)
	r.poll()
	r.wantState(id, ledger.Failed)
	r.discovered("S000", "sig-2", block("S000", "1", "S000-b"))
	a := r.admit()
	if len(a.Executions) != 1 {
		t.Fatalf("%+v", a)
	}
	if _, err := r.Retry(ctx, id, "again", "user:a"); !errors.Is(err, fault.Conflict) {
		t.Errorf("the old execution was retried beside the new one: %v", err)
	}
}

func TestACancelledSourceWaitsForNewData(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	id := r.one()
	_, err := r.Cancel(ctx, id, "not this one", "user:a", false)
	r.must(err)
	if a := r.admit(); a.Reason != "no_pending_sources" {
		t.Errorf("%+v", a)
	}
}

func TestADisabledSourceStartsNothingNewAndRunsOn(t *testing.T) {
	r := newRig(t)
	r.standard(2)
	set := func(name string) {
		r.write(func(tx *ledger.Tx) error {
			_, err := tx.SetEnabled("demo", name, false, "test", "user:a")
			return err
		})
	}
	set("S001")
	a := r.admit()
	if len(a.Executions) != 1 {
		t.Fatalf("%+v", a)
	}
	r.work()
	set("S000")
	r.place.says(sub(a.Executions[0], 1), finished)
	r.poll()
	r.wantState(a.Executions[0], ledger.Completed)
}

func TestAPlanSaysWhatWouldBeAndWhatStandsInItsWay(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name string
		q    CreateRequest
		want []string
		kind fault.Kind // of Create's error; "" = Invalid
	}{
		{"fine", CreateRequest{Sources: []SourceSelection{{Identifier: "S000"}}}, nil, ""},
		{"no source", CreateRequest{}, []string{"0 sources are named, expected 1 to 1 (automation.execution.max_sources_per_execution)"}, ""},
		{"too many sources", CreateRequest{Sources: []SourceSelection{{Identifier: "S000"}, {Identifier: "S001"}}}, []string{"2 sources are named"}, ""},
		{"not registered", CreateRequest{Sources: []SourceSelection{{Identifier: "NONE"}}}, []string{"NONE: not registered in project demo"}, fault.NotFound},
		{"unknown SBID", CreateRequest{Sources: []SourceSelection{{Identifier: "S000", SBIDs: []string{"9"}}}}, []string{"SBIDs 9 are selected, but no dataset is known under them"}, ""},
		{"unknown profile", CreateRequest{Profile: "x", Sources: []SourceSelection{{Identifier: "S000"}}}, []string{`profile "x" does not exist`}, ""},
		{"being worked on", CreateRequest{Sources: []SourceSelection{{Identifier: "BUSY"}}}, []string{"works on it already"}, fault.Conflict},
		{"not ready", CreateRequest{Sources: []SourceSelection{{Identifier: "BAD"}}}, []string{"flag complete does not hold"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.standard(0)
			r.discovered("BUSY", "sig", block("BUSY", "1", "a"))
			r.admit()
			bad := block("BAD", "1", "a")
			bad.Flags["complete"] = 0
			r.discovered("BAD", "sig", bad)
			r.discovered("S000", "sig", block("S000", "1", "a"), block("S000", "2", "b", "c"))
			r.discovered("S001", "sig", block("S001", "1", "a"))
			tt.q.Project, tt.q.Actor = "demo", "user:a"
			plan, err := r.Plan(ctx, tt.q)
			r.must(err)
			problems := plan.AllProblems()
			if len(problems) != len(tt.want) {
				t.Fatalf("%q, expected %q", problems, tt.want)
			}
			for i := range problems {
				if !strings.Contains(problems[i], tt.want[i]) {
					t.Errorf("%q, expected %q", problems[i], tt.want[i])
				}
			}
			x, _, err := r.Create(ctx, tt.q)
			if (err == nil) != (len(tt.want) == 0) {
				t.Fatal(err)
			}
			if err != nil {
				if kind := fault.KindOf(err); kind != tt.kind && (tt.kind != "" || kind != fault.Invalid) {
					t.Errorf("%s: %v", kind, err)
				}
				return
			}
			if plan.TotalDatasets != 3 || plan.ManifestSHA256 == "" || plan.GraphSHA256 == "" || len(plan.Asks) != 1 || plan.Profile != "here" {
				t.Errorf("%+v", plan)
			}
			r.work()
			manifest, sha, err := r.view().ArtifactOf(x.ID, ledger.ArtifactManifest)
			if err != nil || sha != plan.ManifestSHA256 {
				t.Errorf("the manifest is not the planned one: %v %s", err, manifest)
			}
		})
	}
}

func TestThePlanNamesWhatIsRefusedLater(t *testing.T) {
	r := newRig(t)
	r.addProfile("here")
	r.standardWith("archive_name: none", "archive_name: casda")
	plan, err := r.Plan(context.Background(), CreateRequest{Project: "demo", Sources: []SourceSelection{{Identifier: "S000"}}})
	r.must(err)
	want := []string{
		"archive casda: stage 1 datasets", "this machine (local:runs): run the patched graph in a folder of its own",
		`refused at submission: unsupported: staging for archive "casda" is not built`,
	}
	if !slices.Equal(plan.Asks, want) || len(plan.AllProblems()) != 0 {
		t.Errorf("%q %q", plan.Asks, plan.AllProblems())
	}
}

func TestARunOfSomeSBIDsDoesNotMarkTheSourceAsExecuted(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	r.standard(0)
	r.discovered("S", "sig", block("S", "1", "a"), block("S", "2", "b"))
	x, _, err := r.Create(ctx, CreateRequest{Project: "demo", Actor: "user:a", Hold: true, Sources: []SourceSelection{{Identifier: "S", SBIDs: []string{"2"}}}})
	r.must(err)
	r.work()
	if x = r.wantState(x.ID, ledger.Ready); x.Held == nil {
		t.Error("not held")
	}
	_, err = r.Release(ctx, x.ID, "", "user:a")
	r.must(err)
	r.work()
	if strings.Contains(string(r.place.graph), `\"dataset_id\":\"a\"`) {
		t.Error("the other SBID is in it")
	}
	r.place.says(sub(x.ID, 1), finished)
	r.poll()
	if s := r.source("S"); !s.Pending || s.LastExecutedSignature == s.Signature {
		t.Errorf("%+v", s)
	}
	a := r.admit()
	if len(a.Executions) != 1 || len(r.get(a.Executions[0]).Sources[0].SBIDs) != 2 {
		t.Errorf("%+v", a)
	}
}

func TestARunOfSomeSBIDsLeavesWhatTheWholeHasDoneAndWaitsFor(t *testing.T) {
	ctx := context.Background()
	part := CreateRequest{Project: "demo", Actor: "user:a", Sources: []SourceSelection{{Identifier: "S", SBIDs: []string{"2"}}}}
	both := []ledger.Metadata{block("S", "1", "a"), block("S", "2", "b")}
	run := func(r *rig, id string, o backends.Observation) {
		r.work()
		r.place.says(sub(id, r.get(id).Attempt), o)
		r.poll()
	}
	t.Run("it was executed: data that comes back is not run again", func(t *testing.T) {
		r := newRig(t)
		r.standard(0)
		r.discovered("S", "sig", both...)
		run(r, r.admit().Executions[0], finished)
		x, _, err := r.Create(ctx, part)
		r.must(err)
		run(r, x.ID, finished)
		if s := r.source("S"); s.LastExecutedSignature != "sig" || s.LastExecution != x.ID {
			t.Errorf("%+v", s)
		}
		r.discovered("S", "other", both...)
		r.discovered("S", "sig", both...)
		if s := r.source("S"); s.Pending {
			t.Error("it waits for a run of what was run")
		}
	})
	t.Run("it failed for want of plumbing: it is still retried by itself", func(t *testing.T) {
		r := newRig(t)
		r.standard(0)
		r.discovered("S", "sig", both...)
		whole := r.admit().Executions[0]
		run(r, whole, backends.Observation{Phase: backends.PhaseFailed, Class: backends.ClassPlumbing})
		x, _, err := r.Create(ctx, part)
		r.must(err)
		run(r, x.ID, finished)
		r.clock.forward(time.Hour)
		r.work()
		if e := r.wantState(whole, ledger.Queued); e.Attempt != 2 {
			t.Errorf("%+v", e)
		}
	})
}

func TestARerunThatIsCancelledToBeRunAgainIsRunAgain(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	id := r.one()
	r.work()
	r.place.says(sub(id, 1), finished)
	r.poll()
	x, _, err := r.Create(ctx, CreateRequest{Project: "demo", Actor: "user:a", RerunOf: id, Sources: []SourceSelection{{Identifier: "S000"}}})
	r.must(err)
	_, err = r.Cancel(ctx, x.ID, "with another profile", "user:a", true)
	r.must(err)
	if a := r.admit(); len(a.Executions) != 1 || r.source("S000").Pending {
		t.Errorf("what was asked for waits for ever: %+v", a)
	}
}

func TestARerunTakesTheCurrentMetadata(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	id := r.one()
	r.work()
	q := CreateRequest{Project: "demo", Actor: "user:a", Reason: "again", RerunOf: id, Sources: []SourceSelection{{Identifier: "S000"}}}
	if _, _, err := r.Create(ctx, q); err == nil {
		t.Error("rerun while the first one is active")
	}
	r.place.says(sub(id, 1), backends.Observation{Phase: backends.PhaseFinished})
	r.poll()
	x, _, err := r.Create(ctx, q)
	r.must(err)
	if x.RerunOf != id || x.ID == id {
		t.Errorf("%+v", x)
	}
}
