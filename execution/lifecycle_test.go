package execution

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/flow"
	"beampipe/ledger"
)

func sub(id string, attempt int) string { return ledger.SubmissionID(id, attempt) }

var (
	startedAt = time.Date(2026, 11, 20, 5, 0, 0, 0, time.UTC)
	finished  = backends.Observation{Phase: backends.PhaseFinished, StartedAt: &startedAt, EndedAt: &startedAt, Products: []backends.Product{{Path: "b", Bytes: 1, SHA256: "y"}, {Path: "a", Bytes: 1, SHA256: "x"}}}
	broken    = backends.Observation{Phase: backends.PhaseFailed, Class: backends.ClassPlumbing, Reason: "node down", StartedAt: &startedAt}
)

func TestAnExecutionGoesFromPendingToCompleted(t *testing.T) {
	r := newRig(t)
	id := r.one()
	if errs := r.work(); errs != nil {
		t.Fatal(errs)
	}
	x := r.wantState(id, ledger.Queued)
	if x.SubmissionID != sub(id, 1) || x.ExternalID != "job-1" || x.Folder == "" {
		t.Errorf("%+v", x)
	}
	r.place.says(sub(id, 1), backends.Observation{Phase: backends.PhaseRunning})
	r.poll()
	r.wantState(id, ledger.Running)
	r.place.says(sub(id, 1), finished)
	if got := r.poll(); got.Moved != 1 || got.Asked != 1 || got.Targets != 1 {
		t.Errorf("%+v", got)
	}
	r.wantState(id, ledger.Completed)
	want := []string{"created", "prepare", "prepared", "submit", "accepted", "started", "finished", "verified"}
	if got := r.events(id); !slices.Equal(got, want) {
		t.Errorf("%v\nexpected %v", got, want)
	}
	s := r.source("S000")
	if s.Pending || s.LastExecutedSignature != s.Signature || s.LastExecution != id {
		t.Errorf("%+v", s)
	}
	raw, _, err := r.view().ArtifactOf(id, ledger.ArtifactProducts)
	r.must(err)
	var list productList
	r.must(json.Unmarshal(raw, &list))
	if len(list.Products) != 2 || list.Products[0].Path != "a" || list.Folder != x.Folder {
		t.Errorf("%s", raw)
	}
	run := r.record(id).Current()
	if run.Terminal == nil || run.Terminal.LedgerStatus != "completed" || run.Deploy.ExternalID != "job-1" || run.SessionID != sub(id, 1) {
		t.Errorf("%+v", run)
	}
	if strings.Contains(string(r.place.manifest), "graph_overrides") || !strings.Contains(string(r.place.graph), "S000-a") {
		t.Error("the submission carries the manifest without overrides, in the graph too")
	}
}

func TestPollsOfAnUnchangedRunWriteNothing(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.work()
	r.place.says(sub(id, 1), backends.Observation{Phase: backends.PhaseRunning})
	r.poll()
	before, err := r.view().CountEvents()
	r.must(err)
	version := r.get(id).Version
	for range 5 {
		r.clock.forward(time.Minute)
		r.poll()
	}
	after, err := r.view().CountEvents()
	r.must(err)
	if after != before || r.get(id).Version != version {
		t.Errorf("%d events, version %d then %d", after-before, version, r.get(id).Version)
	}
}

func TestOneQuestionPerTarget(t *testing.T) {
	r := newRig(t)
	r.standard(5)
	r.admit()
	r.work()
	if got := r.poll(); got.Targets != 1 || got.Asked != 5 || r.place.polls != 1 {
		t.Errorf("%+v, %d questions", got, r.place.polls)
	}
}

func TestTheIntentIsDurableBeforeThePlaceHears(t *testing.T) {
	r := newRig(t)
	id := r.one()
	var seen ledger.State
	r.place.submit = func(backends.Submission) error {
		seen = r.get(id).State
		return fault.New(fault.Unavailable, "busy", "")
	}
	r.work()
	if seen != ledger.Submitting {
		t.Errorf("the place heard of it in state %s", seen)
	}
}

func TestWhatASubmissionAnswersIsWrittenDownAsWhatItIs(t *testing.T) {
	for _, tt := range []struct {
		name    string
		make    func(r *rig)
		state   ledger.State
		problem string
		retry   bool
	}{
		{"refused for now", func(r *rig) {
			r.place.submit = func(backends.Submission) error { return fault.New(fault.Unavailable, "queue limit", "") }
		}, ledger.Ready, "queue limit", false},
		{"cannot be checked now", func(r *rig) { r.place.check = fault.New(fault.Unavailable, "manager down", "") }, ledger.Ready, "manager down", false},
		{"refused for good", func(r *rig) {
			r.place.submit = func(backends.Submission) error { return fault.New(fault.Invalid, "invalid account", "") }
		}, ledger.Failed, "invalid account", false},
		{"cannot run there", func(r *rig) { r.place.check = fault.New(fault.Invalid, `node "x": Loop`, "") }, ledger.Failed, `node "x": Loop`, false},
		{"nobody knows", func(r *rig) {
			r.place.submit = func(backends.Submission) error { return fault.New(fault.Uncertain, "connection reset", "") }
		}, ledger.Uncertain, "", false},
		{"an error of no kind", func(r *rig) {
			r.place.submit = func(backends.Submission) error { return errors.New("EOF") }
		}, ledger.Uncertain, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			id := r.one()
			tt.make(r)
			if errs := r.work(); len(errs) != 1 {
				t.Errorf("errors: %v", errs)
			}
			x := r.wantState(id, tt.state)
			if tt.problem != "" && !strings.Contains(x.Error, tt.problem) {
				t.Errorf("error %q", x.Error)
			}
			if x.NextRetryAt != nil {
				t.Error("it is retried by itself")
			}
			if claim, err := r.view().ClaimOf(ledger.ExecutionSubject(id)); err != nil || claim.Owner != "" {
				t.Errorf("claim %+v %v", claim, err)
			}
			if r.place.told[sub(id, 1)] > 1 {
				t.Error("submitted twice")
			}
		})
	}
}

func TestARefusedSubmissionWaitsTwiceAsLongEachTime(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.place.submit = func(backends.Submission) error { return fault.New(fault.Unavailable, "busy", "") }
	r.work()
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		x := r.wantState(id, ledger.Ready)
		if got := x.NotBefore.Sub(r.clock.now()); got != want*time.Minute || x.Refusals != n+1 {
			t.Fatalf("refusal %d waits %s, expected %d minutes", x.Refusals, got, want)
		}
		if !r.health.has(ProblemSubmissionRefused, x.Target) {
			t.Error("no health problem")
		}
		r.clock.forward(want*time.Minute - time.Second)
		if _, ok, err := r.Next(context.Background()); ok || err != nil {
			t.Fatalf("taken too early: %v", err)
		}
		r.clock.forward(time.Second)
		r.work()
	}
	r.place.submit = nil
	r.clock.forward(time.Hour)
	r.work()
	if x := r.wantState(id, ledger.Queued); x.Refusals != 0 || x.Error != "" || r.health.has(ProblemSubmissionRefused, x.Target) {
		t.Errorf("%+v", x)
	}
}

func TestWhatIsNotBuiltIsRefusedByNameAtSubmission(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(r *rig)
		want string
	}{
		{"another kind of place", func(r *rig) {
			r.addProfile("far", func(d map[string]any) {
				d["deployment"] = map[string]any{"kind": "rest_remote", "deploy_host": "dim"}
			})
			r.standardWith()
		}, "unsupported: deployment.kind rest_remote"},
		{"staging", func(r *rig) {
			r.addProfile("here")
			r.standardWith("archive_name: none", "archive_name: casda")
		}, `unsupported: staging for archive "casda" is not built`},
		{"output verification", func(r *rig) {
			r.addProfile("here")
			r.standardWith("automation:", "output_verification: {required: true}\nautomation:")
		}, "unsupported: output verification is not built"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			tt.make(r)
			id := r.admit().Executions[0]
			r.work()
			x := r.wantState(id, ledger.Failed)
			if !strings.HasPrefix(x.Error, tt.want) || x.NextRetryAt != nil || x.Class != ledger.ClassPlumbing {
				t.Errorf("%q %v", x.Error, x.NextRetryAt)
			}
			if len(r.place.told) != 0 {
				t.Error("something was submitted")
			}
			if tt.name == "staging" {
				if r.record(id).Staging != "not built" || !slices.Contains(r.events(id), "staging") {
					t.Errorf("%+v %v", r.record(id), r.events(id))
				}
			}
			// A permanent failure does not loop: neither by itself nor as a new execution.
			for range 5 {
				r.clock.forward(24 * time.Hour)
				r.poll()
				if a := r.admit(); len(a.Executions) != 0 {
					t.Fatalf("admitted again: %+v", a)
				}
				r.work()
			}
			if x := r.get(id); x.Attempt != 1 {
				t.Errorf("attempt %d", x.Attempt)
			}
		})
	}
}

func TestAPreparationThatCannotSucceedFailsOnce(t *testing.T) {
	r := newRig(t)
	r.standard(0)
	r.discovered("S", "sig", without(block("S", "1", "a"), "ra_string"))
	id := r.admit().Executions[0]
	r.work()
	x := r.wantState(id, ledger.Failed)
	if !strings.Contains(x.Error, "nothing fills {ra_string}") || x.NextRetryAt != nil {
		t.Errorf("%q", x.Error)
	}
}

func TestABrokenOffPreparationGoesOnFromItsCheckpoint(t *testing.T) {
	r := newRig(t)
	id := r.one()
	// The first worker's context ends as soon as its checkpoint is there.
	ctx, cancel := context.WithCancel(context.Background())
	run, ok, err := r.Next(ctx)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	u := &unit{execution: r.get(id)}
	u.claim, err = r.view().ClaimOf(ledger.ExecutionSubject(id))
	r.must(err)
	p := &preparation{engine: r.Engine, unit: u, view: r.view()}
	steps, err := p.steps()
	r.must(err)
	p.cfg, err = r.project(p.view, "demo", 1)
	r.must(err)
	config, err := r.view().Config("demo", 1)
	r.must(err)
	_, err = flow.Run(ctx, steps, flow.Options{
		Data: flow.Values{"execution": id, "scope": scopeOf(u.execution), "graph": config.GraphSHA256},
		Checkpoint: func(c context.Context, at flow.Checkpoint) error {
			err := p.checkpoint(c, at)
			if at.Ended == "manifest" {
				cancel()
			}
			return err
		},
	})
	if err == nil {
		t.Fatal("it was not broken off")
	}
	if x := r.wantState(id, ledger.Preparing); x.Checkpoint == "" {
		t.Fatal("no checkpoint")
	}
	if err := run(ctx); err == nil {
		t.Error("a unit whose context has ended says so")
	}
	// Data moves on under the same signature; the manifest that was made stays.
	r.outcome("S000", ledger.OutcomeUnchanged, func(d *ledger.Discovery) {
		d.Signature, d.Metadata = "sig-S000", []ledger.Metadata{block("S000", "1", "other")}
	})
	before, _, err := r.view().ArtifactOf(id, ledger.ArtifactManifest)
	r.must(err)
	if errs := r.work(); errs != nil {
		t.Fatal(errs)
	}
	r.wantState(id, ledger.Queued)
	after, _, err := r.view().ArtifactOf(id, ledger.ArtifactManifest)
	r.must(err)
	if string(before) != string(after) || !strings.Contains(string(r.place.graph), "S000-a") {
		t.Error("the manifest was made again")
	}
}

func TestAWorkerThatIsGoneIsFollowedByAnother(t *testing.T) {
	r := newRig(t)
	id := r.one()
	if _, ok, err := r.Next(context.Background()); !ok || err != nil { // claimed, never run
		t.Fatal(ok, err)
	}
	other := r.engine(r.ledger, "second")
	if _, ok, err := other.Next(context.Background()); ok || err != nil {
		t.Fatalf("taken twice: %v", err)
	}
	r.clock.forward(defaultLease + time.Second)
	run, ok, err := other.Next(context.Background())
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	r.must(run(context.Background()))
	r.wantState(id, ledger.Ready)
}

func TestAWorkerThatWasPausedPastItsLeaseChangesNothing(t *testing.T) {
	r := newRig(t)
	id := r.one()
	paused, ok, err := r.Next(context.Background())
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	r.clock.forward(defaultLease + time.Second)
	other := r.engine(r.ledger, "second")
	if _, ok, err = other.Next(context.Background()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	r.must(paused(context.Background()))
	if x := r.wantState(id, ledger.Preparing); x.Checkpoint != "" {
		t.Error("it wrote under a claim that it had lost")
	}
	claim, err := r.view().ClaimOf(ledger.ExecutionSubject(id))
	if err != nil || claim.Owner != "second" {
		t.Errorf("%+v %v", claim, err)
	}
}

func TestHeldExecutionsAreLeftAlone(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	id := r.one()
	_, err := r.Hold(ctx, id, "look first", "user:a")
	r.must(err)
	if r.work(); r.get(id).State != ledger.Pending {
		t.Error("a held execution was prepared")
	}
	if why, err := r.Waiting(ctx, r.get(id)); err != nil || why != "held by user:a: look first" {
		t.Errorf("%q %v", why, err)
	}
	_, err = r.Release(ctx, id, "fine", "user:a")
	r.must(err)
	r.must(r.step())
	_, err = r.Hold(ctx, id, "at ready", "user:a")
	r.must(err)
	r.work()
	r.wantState(id, ledger.Ready)
	_, err = r.Release(ctx, id, "", "user:a")
	r.must(err)
	r.work()
	r.wantState(id, ledger.Queued)
	if _, err := r.Hold(ctx, id, "late", "user:a"); !errors.Is(err, fault.Conflict) {
		t.Errorf("held when queued: %v", err)
	}
}

func TestSubmissionKeepsWithinTheLimitsOfWhatWasReleasedAtOnce(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	r.standard(4)
	a, err := r.Admit(ctx, "demo", AdmitOptions{Hold: true})
	r.must(err)
	r.work()
	r.o.Limits.MaxInFlightRuns = 2
	for _, id := range a.Executions {
		_, err := r.Release(ctx, id, "go", "user:a")
		r.must(err)
	}
	r.work()
	count := func() (n int) {
		for _, id := range a.Executions {
			if r.get(id).State == ledger.Queued {
				n++
			}
		}
		return n
	}
	if count() != 2 {
		t.Fatalf("%d submitted", count())
	}
	waiting := r.get(a.Executions[3])
	if why, err := r.Waiting(ctx, waiting); err != nil || !strings.HasPrefix(why, "in_flight_cap: 2 of 2") {
		t.Errorf("%q %v", why, err)
	}
	r.place.says(sub(a.Executions[0], 1), finished)
	r.poll()
	r.work()
	if count() != 2 {
		t.Errorf("%d submitted after one ended", count())
	}
}
