package control_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beampipe/control"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

const (
	project = "survey"
	text    = `
apiVersion: beampipe.dev/v2
kind: ProjectConfig
metadata: {id: survey}
adapters: {required: [casda]}
discovery:
  queries:
    - {name: visibility, adapter: casda, template: "SELECT * FROM ivoa.obscore WHERE filename LIKE '{source_identifier}%'"}
  prepare_metadata:
    field_map:
      sbid: {from: obs_id}
      dataset_id: {from: filename}
automation: {execution: {settle_hours: 0}}
`
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newControl makes a control on a ledger with one project and one profile.
func newControl(t *testing.T) *control.Local { return newControlOf(t, text) }

// newControlOf is newControl with another config.
func newControlOf(t *testing.T, config string) *control.Local {
	t.Helper()
	l, err := ledger.Create(t.Context(), filepath.Join(t.TempDir(), "beampipe.db"), ledger.Options{Rebuild: execution.Rebuild})
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	c, err := control.NewLocal(control.LocalOptions{Ledger: l, Actor: "user:test"})
	must(t, err)
	_, err = c.AddProject(t.Context(), control.ProjectFile{Name: "survey.yaml", Content: []byte(config)})
	must(t, err)
	_, err = c.AddProfile(t.Context(), control.ProfileFile{Name: "here.json", Content: []byte(`{"name": "here", "deployment": {"kind": "local"}}`)})
	must(t, err)
	return c
}

func identifiers(t *testing.T, c *control.Local) []string {
	t.Helper()
	names, err := c.Ledger().View(t.Context()).Identifiers(project)
	must(t, err)
	return names
}

// story moves one source through what can happen to it.
type story struct {
	t *testing.T
	c *control.Local
}

func (s story) write(fn func(tx *ledger.Tx, source ledger.Source) error) {
	s.t.Helper()
	must(s.t, s.c.Ledger().Write(context.Background(), func(tx *ledger.Tx) error {
		source, err := tx.Source(project, "A")
		if err != nil {
			return err
		}
		return fn(tx, source)
	}))
}

// discovered stores a discovery that ended so.
func (s story) discovered(outcome, signature, failure string) {
	s.t.Helper()
	s.write(func(tx *ledger.Tx, source ledger.Source) error {
		batch := tx.NewBatch(project)
		claim, ok, err := tx.TryClaim(ledger.ClaimDiscovery, ledger.SourceSubject(source.ID), "test", batch, time.Minute)
		if err != nil || !ok {
			return errors.Join(err, errors.New("no claim"))
		}
		d := ledger.Discovery{
			Source: source, Claim: claim, Outcome: outcome, Signature: signature, Error: failure, NextDue: tx.Now().Add(time.Hour), QuarantineAfter: 2, GoneDigest: "what is left",
		}
		if outcome == ledger.OutcomeChanged {
			d.Rule = s.rule(tx)
			d.Metadata = []ledger.Metadata{{SBID: "1", Records: []map[string]any{{"source_identifier": "A", "sbid": "1", "dataset_id": "a"}}}}
		}
		return tx.StoreDiscovery(d)
	})
}

// brake puts the mass-change brake of the project on.
func (s story) brake(reason string) {
	s.t.Helper()
	must(s.t, s.c.Ledger().Write(context.Background(), func(tx *ledger.Tx) error {
		_, err := tx.Brake(project, reason)
		return err
	}))
}

func (s story) rule(tx *ledger.Tx) string {
	s.t.Helper()
	r, err := tx.SetSignatureRule(ledger.Rule{ID: "rule", Project: project, Revision: 1, Content: []byte(`{}`)})
	must(s.t, err)
	return r.ID
}

// executed makes an execution of the source and takes it through these events.
func (s story) executed(events ...ledger.Event) {
	s.t.Helper()
	s.write(func(tx *ledger.Tx, source ledger.Source) error {
		e, err := tx.CreateExecution(ledger.NewExecution{
			Project: project, ConfigRevision: 1, Profile: "here", ProfileRevision: 1, Target: "local:runs", Actor: provenance.ActorAdmission,
			Sources: []ledger.ExecutionSource{{SourceID: source.ID, Identifier: "A", SBIDs: []string{"1"}, Signature: source.Signature}}, Signature: "all",
		})
		for _, event := range events {
			if err == nil {
				e, err = tx.Move(e, event, ledger.Step{Actor: "user:test", Why: "the reactor is cold", Class: ledger.ClassScience})
			}
		}
		return err
	})
}

func (s story) change(do func(context.Context, control.SourceSelection) (control.SourceChanges, error)) {
	s.t.Helper()
	r, err := do(context.Background(), control.SourceSelection{Project: project, Identifiers: []string{"A"}, Reason: "a test"})
	must(s.t, err)
	if len(r.Changed) != 1 {
		s.t.Fatalf("%+v", r)
	}
}

func TestWhyTellsWhereASourceStandsAndWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		name     string
		so       func(s story)
		state    string
		sentence string
		next     string // part of the commands to try; "" = none
	}{
		{"nobody asked", func(story) {}, "never asked", "no archive has been asked", "source discover A"},
		{"disabled", func(s story) { s.change(s.c.DisableSources) }, "disabled", "nothing new starts", "source enable A"},
		{"removed", func(s story) { s.change(s.c.RemoveSources) }, "removed", "its history is kept", ""},
		{"no data", func(s story) { s.discovered(ledger.OutcomeNoData, "none", "") }, "no data", "knows nothing of it", ""},
		{"never answered", func(s story) { s.discovered(ledger.OutcomeError, "", "HTTP 503") }, "error", "(1 in a row), what is known is kept: HTTP 503", "source discover A"},
		{"new data, not started", func(s story) { s.discovered(ledger.OutcomeChanged, "s1", "") }, "pending", "it was not started yet", "project start survey"},
		{"new data, started", func(s story) {
			s.discovered(ledger.OutcomeChanged, "s1", "")
			_, err := s.c.StartProject(context.Background(), project, "go")
			must(s.t, err)
		}, "pending", "the last execution tick said: nothing yet", "tick execution --project survey"},
		{"an error over known data", func(s story) {
			s.discovered(ledger.OutcomeChanged, "s1", "")
			s.discovered(ledger.OutcomeAmbiguous, "", "rows of B")
		}, "ambiguous", "rows of B", "source discover A"},
		{"missing", func(s story) {
			s.discovered(ledger.OutcomeChanged, "s1", "")
			s.discovered(ledger.OutcomeMissing, "", "")
		}, "missing", "it is kept and not run; 1 of 3 complete answers agree", "source accept-missing A --reason TEXT"},
		{"missing, accepted as gone", func(s story) {
			s.discovered(ledger.OutcomeChanged, "s1", "")
			s.discovered(ledger.OutcomeMissing, "", "")
			s.change(s.c.AcceptMissing)
		}, "missing", "it was accepted as gone, and the next complete answer decides", "timeline source A"},
		{"refused again and again", func(s story) {
			s.discovered(ledger.OutcomeRefused, "", "no such column")
			s.discovered(ledger.OutcomeRefused, "", "no such column")
		}, "quarantined", "could not be used 2 times in a row", "source release A --reason TEXT"},
		{"released", func(s story) {
			s.discovered(ledger.OutcomeRefused, "", "no such column")
			s.discovered(ledger.OutcomeRefused, "", "no such column")
			s.change(s.c.ReleaseSources)
		}, "released", "with the next discovery tick; before, its answer could not be used: no such column", "source discover A"},
		{"new data, and the brake is on", func(s story) {
			s.discovered(ledger.OutcomeChanged, "s1", "")
			_, err := s.c.StartProject(context.Background(), project, "go")
			must(s.t, err)
			s.brake("40 sources at once")
		}, "pending", "the mass-change brake of its project is on: 40 sources at once", "project release survey --reason TEXT"},
		{"all its data is excluded", func(s story) {
			s.discovered(ledger.OutcomeChanged, "s1", "")
			_, err := s.c.ExcludeDatasets(context.Background(), control.DatasetSelection{Project: project, Items: []control.Dataset{{SBID: "1"}}, Reason: "bad"})
			must(s.t, err)
		}, "pending", "every dataset is excluded", ""},
		{"an execution works on it", func(s story) {
			s.discovered(ledger.OutcomeChanged, "s1", "")
			s.executed(ledger.EventPrepare)
		}, "preparing", "works on it", "execution why "},
		{"its execution failed", func(s story) {
			s.discovered(ledger.OutcomeChanged, "s1", "")
			s.executed(ledger.EventPrepare, ledger.EventFail)
		}, "failed", "failed: the reactor is cold", "execution why "},
		{"its execution was cancelled", func(s story) {
			s.discovered(ledger.OutcomeChanged, "s1", "")
			s.executed(ledger.EventCancel)
		}, "idle", "the next change makes one", ""},
		{"executed elsewhere", func(s story) {
			s.discovered(ledger.OutcomeChanged, "s1", "")
			s.change(s.c.BaselineSources)
		}, "up to date", "was executed already", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newControl(t)
			_, err := c.AddSources(t.Context(), project, []string{"A"})
			must(t, err)
			tt.so(story{t, c})
			w, err := c.WhySource(t.Context(), project, "A")
			must(t, err)
			if next := strings.Join(w.Next, "\n"); w.State != tt.state || !strings.Contains(w.Sentence, tt.sentence) || !strings.Contains(next, tt.next) || (tt.next == "") != (next == "") {
				t.Errorf("%s: %s; next: %q", w.State, w.Sentence, w.Next)
			}
		})
	}
}

func TestAnActionOnSourcesNamesWhatItRefusedAndWhatWasSoAlready(t *testing.T) {
	c := newControl(t)
	_, err := c.AddSources(t.Context(), project, []string{"A", "B"})
	must(t, err)
	s := story{t, c}
	s.discovered(ledger.OutcomeChanged, "s1", "")
	s.executed(ledger.EventPrepare)
	all := control.SourceSelection{Project: project, All: true, Reason: "done elsewhere"}
	r, err := c.BaselineSources(t.Context(), all)
	must(t, err)
	if len(r.Changed) != 0 || len(r.Refused) != 2 || !strings.Contains(r.Refused[0].Reason, "works on it") {
		t.Errorf("baseline: %+v", r)
	}
	if r, err = c.RemoveSources(t.Context(), all); err != nil || len(r.Changed) != 1 || len(r.Refused) != 1 || r.Refused[0].Identifier != "A" {
		t.Errorf("remove: %+v, %v", r, err)
	}
	for _, q := range []control.SourceSelection{{Project: project}, {Project: project, Identifiers: []string{"C"}}} {
		if _, err := c.DisableSources(t.Context(), q); fault.KindOf(err) == "" || len(fault.Hints(err)) == 0 {
			t.Errorf("%+v: %v", q, err)
		}
	}
	all.Reason = " "
	if _, err := c.BaselineSources(t.Context(), all); !errors.Is(err, fault.Invalid) {
		t.Errorf("a baseline without a reason: %v", err)
	}
}

func TestWithoutALedgerOnlyFilesCanBeWorkedOn(t *testing.T) {
	c, err := control.NewLocal(control.LocalOptions{})
	must(t, err)
	if r, err := c.ValidateProject(t.Context(), control.ProjectFile{Name: "survey.yaml", Content: []byte(text)}); err != nil || r.Report.Err() != nil {
		t.Errorf("validate: %v, %v", err, r.Report.Err())
	}
	for name, call := range map[string]func() error{
		"list projects": func() error { _, err := c.ListProjects(t.Context()); return err },
		"add sources":   func() error { _, err := c.AddSources(t.Context(), project, []string{"A"}); return err },
		"why":           func() error { _, err := c.WhySource(t.Context(), project, "A"); return err },
		"executions":    func() error { _, err := c.ListExecutions(t.Context(), control.ExecutionQuery{}); return err },
		"tick":          func() error { _, err := c.TickDiscovery(t.Context(), ""); return err },
		"poll":          func() error { _, err := c.TickPoll(t.Context()); return err },
		"health":        func() error { _, err := c.Health(t.Context()); return err },
		"plan":          func() error { _, err := c.Plan(t.Context(), ""); return err },
		"review":        func() error { _, err := c.ReviewSources(t.Context(), project); return err },
		"list ticks":    func() error { _, err := c.ListTicks(t.Context(), control.TickQuery{}); return err },
		"show tick":     func() error { _, err := c.ShowTick(t.Context(), 1); return err },
		"exclusions": func() error {
			_, err := c.ListExclusions(t.Context(), control.ExclusionQuery{Project: project})
			return err
		},
		"release": func() error { _, err := c.ReleaseProject(t.Context(), project, "a test"); return err },
		"exclude": func() error {
			_, err := c.ExcludeDatasets(t.Context(), control.DatasetSelection{Project: project, Items: []control.Dataset{{SBID: "1"}}, Reason: "a test"})
			return err
		},
		"release sources": func() error {
			_, err := c.ReleaseSources(t.Context(), control.SourceSelection{Project: project, All: true, Reason: "a test"})
			return err
		},
		"an archive of a project": func() error {
			_, err := c.ArchiveJobs(t.Context(), control.ArchiveRef{Archive: "casda", Project: project})
			return err
		},
		"timeline": func() error { _, err := c.Timeline(t.Context(), control.TimelineRequest{}); return err },
	} {
		if err := call(); !errors.Is(err, fault.Invalid) || !strings.Contains(strings.Join(fault.Hints(err), ""), "--ledger") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
