package control_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"beampipe/control"
	"beampipe/fault"
	"beampipe/ledger"
)

// runs makes one execution per source of the survey; those of odd number fail.
func runs(t *testing.T, c *control.Local, names []string) {
	t.Helper()
	_, err := c.AddSources(t.Context(), project, names)
	must(t, err)
	for i, name := range names {
		must(t, c.Ledger().Write(t.Context(), func(tx *ledger.Tx) error {
			s, err := tx.Source(project, name)
			if err != nil {
				return err
			}
			e, err := tx.CreateExecution(ledger.NewExecution{
				Project: project, ConfigRevision: 1, Profile: "here", ProfileRevision: 1, Target: "local", Signature: "c", Actor: "user:test", Why: "test",
				Sources: []ledger.ExecutionSource{{SourceID: s.ID, Identifier: name, SBIDs: []string{"100"}, Signature: "s"}},
			})
			if err == nil && i%2 == 1 {
				_, err = tx.Move(e, ledger.EventFail, ledger.Step{Class: ledger.ClassScience, Actor: "user:test", Why: "test"})
			}
			return err
		}))
	}
}

func TestExecutionsAreFoundByWhatAPersonGives(t *testing.T) {
	c := newControl(t)
	runs(t, c, []string{"A", "B", "C", "D"})
	list := func(q control.ExecutionQuery) string {
		t.Helper()
		answer, err := c.ListExecutions(t.Context(), q)
		must(t, err)
		var names []string
		for _, e := range answer.Executions {
			names = append(names, e.Sources[0].Identifier)
		}
		if answer.Counts[ledger.Failed] != 2 || answer.Counts[ledger.Pending] != 2 {
			t.Errorf("%v", answer.Counts)
		}
		return fmt.Sprintf("%s %v", strings.Join(names, ""), answer.More)
	}
	all, err := c.ListExecutions(t.Context(), control.ExecutionQuery{})
	must(t, err)
	end := all.Executions[1].ID[24:]
	for _, tt := range []struct {
		q    control.ExecutionQuery
		want string
	}{
		{control.ExecutionQuery{}, "DCBA false"},
		{control.ExecutionQuery{Limit: 3}, "DCB true"},
		{control.ExecutionQuery{Before: end}, "BA false"},
		{control.ExecutionQuery{Class: ledger.ClassScience, Project: project}, "DB false"},
		{control.ExecutionQuery{Class: ledger.ClassPlumbing}, " false"},
		{control.ExecutionQuery{Profile: "here", States: []ledger.State{ledger.Pending}, Limit: 1}, "C true"},
		{control.ExecutionQuery{Target: "local", Source: "A"}, "A false"},
		{control.ExecutionQuery{Since: "1h"}, "DCBA false"},
		{control.ExecutionQuery{Until: "1h"}, " false"},
		{control.ExecutionQuery{Since: "2020-01-01", Until: "2020-01-02"}, " false"},
		{control.ExecutionQuery{RerunOf: end}, " false"},
	} {
		if got := list(tt.q); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.q, got, tt.want)
		}
	}
	for _, q := range []control.ExecutionQuery{{Since: "yesterday"}, {Until: "soon"}, {Since: "1h", Until: "2h"}} {
		if _, err := c.ListExecutions(t.Context(), q); !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := c.ListExecutions(t.Context(), control.ExecutionQuery{Before: "abcdef"}); !errors.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestSourcesOfSeveralProjectsAreListedPageByPage(t *testing.T) {
	c := newControl(t)
	_, err := c.AddProject(t.Context(), control.ProjectFile{Name: "other.yaml", Content: []byte(strings.Replace(text, "id: survey", "id: other", 1))})
	must(t, err)
	for _, p := range []string{project, "other"} {
		_, err := c.AddSources(t.Context(), p, []string{"A", "B", "C/1"})
		must(t, err)
	}
	var got []string
	q := control.SourceQuery{Limit: 2}
	for {
		answer, err := c.ListSources(t.Context(), q)
		must(t, err)
		for _, s := range answer.Sources {
			got = append(got, s.Project+":"+s.Identifier)
		}
		if q.After = answer.Next; !answer.More {
			break
		}
	}
	if want := "other:A other:B other:C/1 survey:A survey:B survey:C/1"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := c.ListSources(t.Context(), control.SourceQuery{After: "A"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a cursor without its project: %v", err)
	}
	if _, err := c.ListSources(t.Context(), control.SourceQuery{After: "none/A"}); !errors.Is(err, fault.NotFound) {
		t.Errorf("a cursor of no project: %v", err)
	}
	if answer, err := c.ListSources(t.Context(), control.SourceQuery{Project: project, After: "A", Limit: 1}); err != nil || answer.Next != "B" || !answer.More {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestExclusionsAndEventsAreListedPageByPage(t *testing.T) {
	c := newControl(t)
	runs(t, c, []string{"A", "B"})
	_, err := c.ExcludeDatasets(t.Context(), control.DatasetSelection{Project: project, Reason: "bad", Items: []control.Dataset{{SBID: "1"}, {SBID: "1", Dataset: "x"}, {SBID: "2", Dataset: "a/b"}}})
	must(t, err)
	var got []string
	q := control.ExclusionQuery{Project: project, Limit: 1}
	for {
		answer, err := c.ListExclusions(t.Context(), q)
		must(t, err)
		for _, x := range answer.Exclusions {
			got = append(got, x.SBID+" "+x.Dataset)
		}
		if q.After = answer.Next; !answer.More {
			break
		}
	}
	if strings.Join(got, ",") != "1 ,1 x,2 a/b" {
		t.Errorf("%q", got)
	}
	if answer, err := c.ListExclusions(t.Context(), control.ExclusionQuery{Project: project, SBID: "2"}); err != nil || len(answer.Exclusions) != 1 {
		t.Errorf("%+v, %v", answer, err)
	}

	var types []string
	events := control.TimelineRequest{Project: project, Limit: 2}
	for {
		answer, err := c.Timeline(t.Context(), events)
		must(t, err)
		for i := len(answer.Events) - 1; i >= 0; i-- {
			types = append(types, answer.Events[i].Type)
		}
		if !answer.More {
			break
		}
		events.Before = answer.Events[0].Seq
	}
	want := "dataset.excluded dataset.excluded execution.fail execution.created execution.created source.registered source.registered config.activated"
	if strings.Join(types, " ") != want {
		t.Errorf("%v", types)
	}
	if answer, err := c.Timeline(t.Context(), control.TimelineRequest{Project: project, Type: "execution.created"}); err != nil || len(answer.Events) != 2 || answer.More {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, err := c.Timeline(t.Context(), control.TimelineRequest{Project: "none"}); !errors.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestAPageIsBounded(t *testing.T) {
	c := newControl(t)
	for name, ask := range map[string]func(limit int) error{
		"executions": func(n int) error {
			_, err := c.ListExecutions(t.Context(), control.ExecutionQuery{Limit: n})
			return err
		},
		"sources": func(n int) error {
			_, err := c.ListSources(t.Context(), control.SourceQuery{Limit: n})
			return err
		},
		"ticks": func(n int) error {
			_, err := c.ListTicks(t.Context(), control.TickQuery{Limit: n})
			return err
		},
		"exclusions": func(n int) error {
			_, err := c.ListExclusions(t.Context(), control.ExclusionQuery{Project: project, Limit: n})
			return err
		},
	} {
		for limit, fits := range map[int]bool{-1: false, 0: true, 1: true, 10_000: true, 10_001: false} {
			if err := ask(limit); (err == nil) != fits || !fits && !errors.Is(err, fault.Invalid) {
				t.Errorf("%s of %d: %v", name, limit, err)
			}
		}
	}
}
