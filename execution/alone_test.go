package execution

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"beampipe/backends"
	"beampipe/ledger"
	"beampipe/profiles"
)

// other adds a second project with one source that was just discovered, and gives an execution of it
// that waits for its preparation.
func (r *rig) other(more ...string) string {
	r.t.Helper()
	raw := testGraph("true")
	lines := ""
	for _, line := range more {
		lines += "    " + line + "\n"
	}
	r.addConfig(load(r.t, strings.Replace(fmt.Sprintf(survey, digest(raw), lines), "id: demo", "id: other", 1)), raw)
	return r.raw("other")
}

// raw makes an execution of a new source of a project, as admission does, whatever its config is.
func (r *rig) raw(project string) string {
	r.t.Helper()
	var id string
	r.write(func(tx *ledger.Tx) error {
		if _, err := tx.RegisterSource(project, "X", "user:test"); err != nil {
			return err
		}
		s, err := tx.Source(project, "X")
		if err != nil {
			return err
		}
		claim, _, err := tx.TryClaim(ledger.ClaimDiscovery, ledger.SourceSubject(s.ID), "test", "b", time.Minute)
		if err != nil {
			return err
		}
		if err := tx.StoreDiscovery(ledger.Discovery{
			Source: s, Claim: claim, Outcome: ledger.OutcomeChanged, Signature: "sig-X", Rule: "r1", NextDue: tx.Now().Add(time.Hour),
			Metadata: []ledger.Metadata{block("X", "1", "X-a")},
		}); err != nil {
			return err
		}
		pinned := []ledger.ExecutionSource{{SourceID: s.ID, Identifier: "X", SBIDs: []string{"1"}, Signature: "sig-X"}}
		x, err := tx.CreateExecution(ledger.NewExecution{
			Project: project, ConfigRevision: 1, Profile: "here", ProfileRevision: 1, Target: "local", Sources: pinned, Signature: "sig",
			Actor: "user:test", Record: newRunRecord(pinned, Scheduler{}),
		})
		id = x.ID
		return err
	})
	return id
}

func TestAnAnswerThatCannotBeWrittenHarmsItsExecutionAlone(t *testing.T) {
	r := newRig(t)
	r.standard(3)
	ids := r.admit().Executions
	r.work()
	sound := r.record(ids[0])
	r.write(func(tx *ledger.Tx) error { return tx.SetRunRecord(ids[0], "not a run record") })
	for _, id := range ids {
		r.place.says(sub(id, 1), finished)
	}
	got := r.poll()
	r.wantState(ids[0], ledger.Queued)
	r.wantState(ids[1], ledger.Completed)
	r.wantState(ids[2], ledger.Completed)
	if got.Moved != 2 || len(got.Errors) != 1 || !r.health.has(ProblemAnswerUnusable, ids[0]) {
		t.Errorf("%+v, problems %v", got, r.health.problems)
	}
	r.write(func(tx *ledger.Tx) error { return tx.SetRunRecord(ids[0], sound) })
	r.poll()
	r.wantState(ids[0], ledger.Completed)
	if r.health.has(ProblemAnswerUnusable, ids[0]) {
		t.Error("the problem is still shown")
	}
}

func TestAProjectWhoseConfigCannotBeReadHoldsUpNoOther(t *testing.T) {
	r := newRig(t)
	r.standard(0)
	r.write(func(tx *ledger.Tx) error {
		_, _, err := tx.AddConfig(ledger.NewConfig{Project: "spoilt", Digest: "d", Spec: []byte("{"), File: []byte("-"), FileName: "spoilt.yaml"}, "user:test")
		return err
	})
	spoilt := r.raw("spoilt")
	r.write(func(tx *ledger.Tx) error {
		x, err := tx.Execution(spoilt)
		for _, event := range []ledger.Event{ledger.EventPrepare, ledger.EventPrepared} {
			if err == nil {
				x, err = tx.Move(x, event, ledger.Step{Actor: "user:test"})
			}
		}
		return err
	})
	good := r.other()
	if errs := r.work(); len(errs) != 1 {
		t.Errorf("errors %v", errs)
	}
	r.wantState(spoilt, ledger.Failed)
	r.wantState(good, ledger.Queued)
	if n := len(r.place.told); n != 1 {
		t.Errorf("%d were submitted", n)
	}
}

func TestTheQueueOfAProjectWithoutRoomKeepsNoOtherWaiting(t *testing.T) {
	r := newRig(t)
	const queue = feedSize + 2
	r.standard(queue, "concurrent_execution_run_limit: 1")
	for i := range queue {
		_, _, err := r.Create(context.Background(), CreateRequest{Project: "demo", Actor: "user:a", Sources: []SourceSelection{{Identifier: fmt.Sprintf("S%03d", i)}}})
		r.must(err)
	}
	last := r.other()
	r.work()
	r.wantState(last, ledger.Queued)
	counts, err := r.view().CountLive("demo")
	r.must(err)
	if counts[ledger.Queued] != 1 || counts[ledger.Ready] != queue-1 {
		t.Errorf("%v", counts)
	}
}

func TestADefectStaysWithItsExecutionAndIsNotMetAgainAtOnce(t *testing.T) {
	r := newRig(t)
	r.standard(2)
	ids := r.admit().Executions
	met := 0
	r.o.Backend = func(*profiles.Profile) (backends.Backend, error) {
		if met++; met == 1 {
			panic("a defect")
		}
		return r.place, nil
	}
	if errs := r.work(); len(errs) != 1 || !strings.Contains(errs[0].Error(), "a defect") {
		t.Fatalf("errors %v", errs)
	}
	r.wantState(ids[0], ledger.Ready)
	r.wantState(ids[1], ledger.Queued)
	r.clock.forward(prepareWait)
	r.work()
	r.wantState(ids[0], ledger.Queued)
}

func TestAPreparationThatCannotBeDoneIsTriedLessAndLessAndThenFails(t *testing.T) {
	r := newRig(t)
	id := r.one()
	steps := r.templates
	r.templates = nil // a defect in a step, which is no fault of the input
	for n := range maxPrepareTries {
		if errs := r.work(); len(errs) != 1 {
			t.Fatalf("try %d: errors %v", n+1, errs)
		}
		if n+1 == maxPrepareTries {
			break
		}
		x := r.wantState(id, ledger.Preparing)
		if x.Refusals != n+1 || x.Error == "" || !x.NotBefore.Equal(r.clock.now().Add(refusalWait(n))) {
			t.Fatalf("try %d: %+v", n+1, x)
		}
		r.clock.forward(refusalWait(n))
	}
	x := r.wantState(id, ledger.Failed)
	if x.Class != ledger.ClassPlumbing || x.NextRetryAt == nil || !strings.Contains(x.Error, "10 tries") {
		t.Errorf("%+v", x)
	}
	r.templates = steps
	r.clock.forward(time.Hour)
	r.work()
	if x = r.wantState(id, ledger.Queued); x.Attempt != 2 || x.Error != "" || x.Refusals != 0 {
		t.Errorf("%+v", x)
	}
}
