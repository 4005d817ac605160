package ledger

import (
	"testing"
	"time"

	"beampipe/fault"
)

func TestWhatAnEndMeansForTheSource(t *testing.T) {
	for name, tt := range map[string]struct {
		from    State
		event   Event
		step    Step
		newData string // discovered while the execution was in that state
		want    string // of the source
	}{
		"completed":                        {Verifying, EventVerified, Step{}, "", "changed s1 r1 executed s1"},
		"completed, newer data came":       {Verifying, EventVerified, Step{}, "s2", "changed s2 r1 pending since 05:00 executed s1"},
		"cancelled":                        {Pending, EventCancel, Step{}, "", "changed s1 r1"},
		"cancelled to be run again":        {Pending, EventCancel, Step{Requeue: true}, "", "changed s1 r1 pending since 06:00"},
		"stopped outside":                  {Running, EventStopped, Step{}, "", "changed s1 r1"},
		"stopped, newer data came":         {Running, EventStopped, Step{}, "s2", "changed s2 r1 pending since 05:00"},
		"stopped to be run again":          {Cancelling, EventStopped, Step{Requeue: true}, "", "changed s1 r1 pending since 06:00"},
		"failed":                           {Running, EventFail, Step{Class: ClassScience}, "", "changed s1 r1"},
		"failed, newer data came":          {Running, EventFail, Step{Class: ClassScience}, "s2", "changed s2 r1 pending since 05:00"},
		"abandoned":                        {Uncertain, EventAbandoned, Step{}, "", "changed s1 r1"},
		"only gone on":                     {Queued, EventStarted, Step{}, "", "changed s1 r1"},
		"cancelled after it was completed": {Verifying, EventCancel, Step{}, "", "changed s1 r1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.discover("A", OutcomeChanged, "s1")
			e := f.walk(f.admit("A"), pathTo(tt.from)...)
			f.clock.forward(time.Hour)
			if tt.newData != "" {
				f.discover("A", OutcomeChanged, tt.newData)
			}
			f.clock.forward(time.Hour)
			e = f.step(e, tt.event, tt.step)
			s := f.source("A")
			if got := told(s); got != tt.want {
				t.Errorf("the source: %s, want %s", got, tt.want)
			}
			pending, err := f.view().PendingSources(project, 10)
			if err != nil || (len(pending) == 1) != (s.Pending && e.State.Terminal()) {
				t.Errorf("%d sources may be admitted, %v", len(pending), err)
			}
		})
	}
}

func TestARetryBeginsANewAttemptWithTheCurrentProfile(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	f.write(func(tx *Tx) error {
		_, _, err := tx.AddProfile(Profile{Name: profile, Digest: "p2", Spec: []byte("{}")}, person)
		return err
	})
	e := f.walk(f.admit("A"), pathTo(Running)...)
	at := f.Now().Add(time.Hour)
	e = f.step(e, EventFail, Step{Why: "node failure", Class: ClassPlumbing, NextRetry: &at})
	if e.Class != ClassPlumbing || e.Error != "node failure" || !e.NextRetryAt.Equal(at) || f.reread(e).Sources[0].Active {
		t.Errorf("failed as %s", flat(e))
	}
	e = f.step(e, EventRetry, Step{Automatic: true, Profile: profile, ProfileRevision: 2, Target: "there"})
	if e.State != Pending || e.Attempt != 2 || e.AutoRetries != 1 || e.ProfileRevision != 2 || e.Target != "there" || !e.Sources[0].Active ||
		e.Class != "" || e.Error != "" || e.NextRetryAt != nil || e.StartedAt != nil || e.CompletedAt != nil || e.SubmissionID != "" {
		t.Errorf("retried as %s", flat(e))
	}
	if e = f.walk(e, EventPrepare, EventPrepared, EventSubmit); e.SubmissionID != "bp-"+e.ID+"-2" {
		t.Errorf("submission id %s", e.SubmissionID)
	}
	e = f.step(e, EventFail, Step{Class: ClassPlumbing})
	if e = f.step(e, EventRetry, Step{}); e.AutoRetries != 0 || e.ProfileRevision != 2 || e.Attempt != 3 {
		t.Errorf("retried by a person as %s", flat(e))
	}
}

func TestARecheckForgetsWhyItHadFailed(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.walk(f.admit("A"), pathTo(Verifying)...)
	e = f.step(e, EventFail, Step{Why: "a product is missing", Class: ClassScience})
	if e = f.walk(e, EventRecheck); !e.Sources[0].Active || e.CompletedAt != nil {
		t.Errorf("rechecked as %s", flat(e))
	}
	if e = f.walk(e, EventVerified); e.State != Completed || e.Class != "" || e.Error != "" || e.Attempt != 1 {
		t.Errorf("completed as %s", flat(e))
	}
}

func TestARetryIsRefusedWhileAnotherExecutionWorksOnTheSource(t *testing.T) {
	for _, event := range []Event{EventRetry, EventRecheck} {
		f := newFixture(t)
		f.discover("A", OutcomeChanged, "s1")
		f.discover("B", OutcomeChanged, "t1")
		at := f.Now()
		old := f.step(f.admit("A", "B"), EventFail, Step{Class: ClassPlumbing, NextRetry: &at})
		if due, err := f.view().RetriesDue(10); len(due) != 1 || err != nil {
			t.Fatalf("%d retries due, %v", len(due), err)
		}
		f.discover("B", OutcomeChanged, "t2")
		other := f.admit("B")
		before := f.head()
		_, err := f.tryStep(old, event, Step{})
		wantKind(t, err, fault.Conflict, old.ID, other.ID, "B")
		if got := f.reread(old); got.State != Failed || got.Sources[0].Active || f.head() != before {
			t.Errorf("it is %s, its first source active: %v", got.State, got.Sources[0].Active)
		}
		if due, err := f.view().RetriesDue(10); len(due) != 0 || err != nil {
			t.Errorf("%d retries due while they would be refused, %v", len(due), err)
		}
		if next, err := f.view().NextRetryAt(); next != nil || err != nil {
			t.Errorf("next retry %v, %v", next, err)
		}
		f.walk(other, EventCancel)
		if due, err := f.view().RetriesDue(10); len(due) != 0 || err != nil {
			t.Errorf("%d retries due afterwards, %v: a newer execution ends those of the older", len(due), err)
		}
		f.step(f.reread(old), event, Step{})
	}
}

func TestRetriesAreDueInTheirOrderWhenTheirTimeHasCome(t *testing.T) {
	f := newFixture(t)
	fail := func(name string, in time.Duration) Execution {
		f.discover(name, OutcomeChanged, "s1")
		at := f.Now().Add(in)
		return f.step(f.admit(name), EventFail, Step{Class: ClassPlumbing, NextRetry: &at})
	}
	late, soon := fail("A", 2*time.Hour), fail("B", time.Hour)
	f.discover("C", OutcomeChanged, "s1")
	f.step(f.admit("C"), EventFail, Step{Class: ClassScience})
	dueIDs := func() (ids []string) {
		due, err := f.view().RetriesDue(10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range due {
			if len(e.Sources) != 1 {
				t.Errorf("%d sources", len(e.Sources))
			}
			ids = append(ids, e.ID)
		}
		return ids
	}
	if next, err := f.view().NextRetryAt(); err != nil || !next.Equal(f.Now().Add(time.Hour)) || len(dueIDs()) != 0 {
		t.Errorf("next %v, %v; due %v", next, err, dueIDs())
	}
	f.clock.forward(3 * time.Hour)
	if got := dueIDs(); len(got) != 2 || got[0] != soon.ID || got[1] != late.ID {
		t.Errorf("due %v, want %s, %s", got, soon.ID, late.ID)
	}
	f.step(soon, EventRetry, Step{Automatic: true})
	if got := dueIDs(); len(got) != 1 || got[0] != late.ID {
		t.Errorf("due %v after the first retry", got)
	}
}

func TestARefusedSubmissionIsLeftAloneForAWhile(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.walk(f.admit("A"), pathTo(Submitting)...)
	at := f.Now().Add(time.Hour)
	e = f.step(e, EventRefused, Step{Why: "limit reached", NotBefore: &at})
	if e.State != Ready || e.Refusals != 1 || e.Error != "limit reached" {
		t.Errorf("refused as %s", flat(e))
	}
	due := func() int {
		list, err := f.view().Executions(ExecutionFilter{States: []State{Ready}, Due: true})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if next, err := f.view().NextRetryAt(); err != nil || !next.Equal(at) || due() != 0 {
		t.Errorf("next %v, %v, due %d", next, err, due())
	}
	f.clock.forward(time.Hour)
	if due() != 1 {
		t.Error("it is not due when its time has come")
	}
	f.write(func(tx *Tx) error { return tx.Postpone(e, tx.Now().Add(time.Hour)) })
	if due() != 0 {
		t.Error("it is due after it was postponed")
	}
	if e = f.walk(e, EventSubmit, EventAccepted); e.Refusals != 0 || e.Error != "" || e.NotBefore != nil {
		t.Errorf("accepted as %s", flat(e))
	}
}

func TestAnAbsentSubmissionIsMadeAgainUnderANewName(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.walk(f.admit("A"), pathTo(Uncertain)...)
	if e = f.walk(e, EventAbsent); e.State != Ready || e.Attempt != 2 || e.SubmissionID != "" {
		t.Errorf("absent: %s", flat(e))
	}
	if e = f.walk(e, EventSubmit); e.SubmissionID != "bp-"+e.ID+"-2" {
		t.Errorf("submission id %s", e.SubmissionID)
	}
}

func TestAnOlderExecutionIsNotRetriedByItselfOverNewerDataOrForADisabledSource(t *testing.T) {
	for name, meanwhile := range map[string]func(f *fixture){
		"newer data waits": func(f *fixture) { f.discover("A", OutcomeChanged, "s2") },
		"the data is back to what was executed": func(f *fixture) {
			f.write(func(tx *Tx) error {
				_, err := tx.exec("", "UPDATE sources SET last_executed_signature = 's0'")
				return err
			})
			f.discover("A", OutcomeChanged, "s0")
		},
		"disabled": func(f *fixture) {
			f.write(func(tx *Tx) error {
				_, err := tx.SetEnabled(f.source("A").Project, "A", false, "", "user:test")
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.discover("A", OutcomeChanged, "s1")
			at := f.Now()
			f.step(f.admit("A"), EventFail, Step{Class: ClassPlumbing, NextRetry: &at})
			meanwhile(f)
			if due, err := f.view().RetriesDue(10); len(due) != 0 || err != nil {
				t.Errorf("%d retries due, %v", len(due), err)
			}
		})
	}
}

func TestDataSignedUnderANewRuleWhileItRunsCountsAsExecuted(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.walk(f.admit("A"), pathTo(Running)...)
	f.discover("A", OutcomeUnchanged, "s1 under r2", underRule("r2"))
	e = f.reread(e)
	if e.Sources[0].Signature != "s1" || e.Sources[0].Current() != "s1 under r2" {
		t.Errorf("pinned %q, current %q", e.Sources[0].Signature, e.Sources[0].Current())
	}
	f.walk(e, EventFinished, EventVerified)
	if s := f.source("A"); s.LastExecutedSignature != "s1 under r2" || s.Pending {
		t.Errorf("last executed %q, pending %v", s.LastExecutedSignature, s.Pending)
	}
}

func TestNewDataOfOneSourceDoesNotCostTheOthersTheirRetry(t *testing.T) {
	for _, tt := range []struct {
		name  string
		class Class
		retry bool // by itself

		admitted bool // the new data
		want     string
	}{
		{name: "the new data cannot run yet", class: ClassPlumbing, retry: true, want: "AB"},
		{name: "the new data runs", class: ClassPlumbing, retry: true, admitted: true, want: "B"},
		{name: "the execution waits for a person", class: ClassScience, admitted: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			for _, name := range []string{"A", "B", "C"} {
				f.discover(name, OutcomeChanged, "s1")
			}
			at := f.Now().Add(time.Minute)
			step := Step{Class: tt.class}
			if tt.retry {
				step.NextRetry = &at
			}
			f.step(f.admit("A", "B", "C"), EventFail, step)
			f.write(func(tx *Tx) error { return tx.Baseline(f.source("C"), "done elsewhere", person) })
			f.discover("A", OutcomeChanged, "s2")
			if tt.admitted {
				f.admit("A")
			}
			pending, err := f.view().PendingSources(project, 10)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, s := range pending {
				got += s.Identifier
			}
			f.clock.forward(time.Hour)
			if due, err := f.view().RetriesDue(10); got != tt.want || len(due) != 0 || err != nil {
				t.Errorf("%q waits, want %q; %d retries due, %v", got, tt.want, len(due), err)
			}
		})
	}
}
