package ledger

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/provenance"
)

// crowd is a ledger with executions in every state, of two projects, profiles and targets, and with sources
// of every kind.
func crowd(t testing.TB) *fixture {
	f := newFixture(t)
	chance := rand.New(rand.NewPCG(1, 2))
	f.write(func(tx *Tx) error {
		if _, _, err := tx.AddConfig(NewConfig{Project: "other", Digest: "c1", Spec: []byte("{}"), File: []byte("x"), FileName: "other.yaml"}, person); err != nil {
			return err
		}
		_, _, err := tx.AddProfile(Profile{Name: "there", Digest: "p1", Spec: []byte("{}")}, person)
		return err
	})
	var all []Execution
	for i := range 150 {
		f.clock.forward(time.Second)
		n := NewExecution{
			Project: pick(chance, project, "other"), ConfigRevision: 1, Profile: pick(chance, profile, "there"), ProfileRevision: 1,
			Target: pick(chance, "local", "cluster"), Signature: "c", Actor: person, Why: "test",
		}
		if i > 10 && i%5 == 0 {
			n.RerunOf = all[chance.IntN(5)].ID
		}
		f.write(func(tx *Tx) error {
			for j := range 1 + i%2 {
				name := fmt.Sprintf("S%02d", (i+j)%20)
				if _, err := tx.RegisterSource(n.Project, name, person); err != nil {
					return err
				}
				s, err := tx.Source(n.Project, name)
				if err != nil {
					return err
				}
				if busy, err := tx.ActiveExecution(s.ID); err != nil || busy != "" {
					continue
				}
				n.Sources = append(n.Sources, ExecutionSource{SourceID: s.ID, Identifier: name, SBIDs: []string{fmt.Sprint(100 + i%7)}, Signature: "s"})
			}
			e, err := tx.CreateExecution(n)
			if err != nil {
				return err
			}
			for _, event := range pathTo(allStates[chance.IntN(len(allStates))]) {
				step := Step{Actor: person, Why: "test"}
				if event == EventFail {
					step.Class = pick(chance, ClassPlumbing, ClassScience)
				}
				if e, err = tx.Move(e, event, step); err != nil {
					return err
				}
			}
			if (e.State == Pending || e.State == Ready) && i%3 == 0 {
				if e, err = tx.Hold(e, "test", person); err != nil {
					return err
				}
			}
			all = append(all, e)
			return nil
		})
	}
	return f
}

func pick[T any](chance *rand.Rand, list ...T) T { return list[chance.IntN(len(list))] }

func TestAListOfExecutionsHoldsWhatTheFilterSays(t *testing.T) {
	f := crowd(t)
	chance := rand.New(rand.NewPCG(3, 4))
	all, err := f.view().Executions(ExecutionFilter{})
	if err != nil || len(all) != 150 {
		t.Fatalf("%d, %v", len(all), err)
	}
	found := 0
	for range 500 {
		filter := ExecutionFilter{}
		some := func(set func()) {
			if chance.IntN(4) == 0 {
				set()
			}
		}
		some(func() { filter.Project = pick(chance, project, "other", "none") })
		some(func() { filter.Source = pick(chance, "S01", "S02", "none") })
		some(func() { filter.States = allStates[chance.IntN(5) : 5+chance.IntN(8)] })
		some(func() { filter.Target = pick(chance, "local", "cluster", "none") })
		some(func() { filter.Profile = pick(chance, profile, "there", "none") })
		some(func() { filter.Class = pick(chance, ClassPlumbing, ClassScience) })
		some(func() { filter.Held = pick(chance, new(bool), ptr(true)) })
		some(func() { filter.Input = &Input{InputSBID, pick(chance, "100", "103", "none")} })
		some(func() { filter.RerunOf = all[chance.IntN(len(all))].RerunOf })
		some(func() { filter.Before = all[chance.IntN(len(all))].ID })
		some(func() { filter.After = all[chance.IntN(len(all))].ID })
		some(func() { filter.Oldest = true })
		some(func() { filter.Limit = 1 + chance.IntN(20) })
		var want []string
		for _, e := range all {
			if matches(filter, e) {
				want = append(want, e.ID)
			}
		}
		if filter.Oldest {
			slices.Reverse(want)
		}
		if filter.Limit > 0 {
			want = want[:min(len(want), filter.Limit)]
		}
		list, err := f.view().Executions(filter)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			got = append(got, e.ID)
			if have := find(all, e.ID); !slices.EqualFunc(e.Sources, have.Sources, func(a, b ExecutionSource) bool { return a.Identifier == b.Identifier }) {
				t.Errorf("%s has sources %v, and %v in another list", e.ID, have.Sources, e.Sources)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v (-want +got)\n%s", filter, diff)
		}
		found += len(got)
	}
	if found < 1000 {
		t.Errorf("only %d executions were found by all filters", found)
	}
}

func find(all []Execution, id string) Execution {
	return all[slices.IndexFunc(all, func(e Execution) bool { return e.ID == id })]
}

func ptr[T any](v T) *T { return &v }

// matches says the same as the filter in plain words.
func matches(f ExecutionFilter, e Execution) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return is(f.Project, e.Project) && is(f.Target, e.Target) && is(f.Profile, e.Profile) && is(string(f.Class), string(e.Class)) && is(f.RerunOf, e.RerunOf) &&
		(f.Source == "" || slices.ContainsFunc(e.Sources, func(s ExecutionSource) bool { return s.Identifier == f.Source })) &&
		(f.Input == nil || slices.ContainsFunc(e.Sources, func(s ExecutionSource) bool { return slices.Contains(s.SBIDs, f.Input.Value) })) &&
		(len(f.States) == 0 || slices.Contains(f.States, e.State)) && (f.Held == nil || *f.Held == (e.Held != nil)) &&
		(f.Before == "" || e.ID < f.Before) && (f.After == "" || e.ID > f.After)
}

func TestExecutionsAreListedByTheTimeInTheirIDs(t *testing.T) {
	f := newFixture(t)
	at := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	ids := []string{idAt(at.Add(-time.Millisecond)) + "-7fff-bfff-ffffffffffff", idAt(at) + "-7000-8000-000000000000", idAt(at.Add(time.Millisecond)) + "-7000-8000-000000000000"}
	for _, id := range ids {
		f.write(func(tx *Tx) error {
			tx.newID = func() string { return id }
			_, err := tx.CreateExecution(f.order())
			return err
		})
	}
	for _, tt := range []struct {
		name string
		f    ExecutionFilter
		want []string
	}{
		{"since is the time itself and later", ExecutionFilter{Since: at}, []string{ids[2], ids[1]}},
		{"until is before the time", ExecutionFilter{Until: at}, ids[:1]},
		{"both", ExecutionFilter{Since: at, Until: at.Add(time.Millisecond)}, ids[1:2]},
		{"with a state", ExecutionFilter{Since: at, States: []State{Pending}, Oldest: true}, ids[1:]},
		{"with a page that began earlier", ExecutionFilter{Since: at, Before: ids[2]}, ids[1:2]},
		{"before 1970", ExecutionFilter{Since: time.Unix(-5, 0), Limit: 1}, ids[2:]},
	} {
		list, err := f.view().Executions(tt.f)
		var got []string
		for _, e := range list {
			got = append(got, e.ID)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}

// markSources gives the sources of a ledger outcomes and marks of every kind, by plain SQL.
func markSources(f *fixture) []Source {
	f.Helper()
	chance := rand.New(rand.NewPCG(5, 6))
	for _, p := range []string{project, "other"} {
		f.write(func(tx *Tx) error {
			for i := range 200 {
				name := fmt.Sprintf("%c%03d", 'A'+rune(i%3), i)
				if _, err := tx.RegisterSource(p, name, person); err != nil {
					return err
				}
				stamp := func() any { return pick(chance, nil, any(Stamp(tx.now))) }
				if _, err := tx.exec("mark", `UPDATE sources SET last_outcome = ?, enabled = ?, workflow_run_pending = ?, workflow_run_pending_at = registered_at, quarantined_at = ?, missing_since = ?, removed_at = ?
					WHERE project = ? AND identifier = ?`, pick(chance, "", OutcomeChanged, OutcomeUnchanged, OutcomeError), chance.IntN(3) > 0, chance.IntN(2), stamp(), stamp(), stamp(), p, name); err != nil {
					return err
				}
			}
			return nil
		})
	}
	all, err := f.view().Sources(SourceFilter{Removed: true})
	if err != nil {
		f.Fatal(err)
	}
	return all
}

func TestAListOfSourcesHoldsWhatTheFilterSays(t *testing.T) {
	f := crowd(t)
	all := markSources(f)
	chance := rand.New(rand.NewPCG(7, 8))
	found := 0
	for range 500 {
		filter := SourceFilter{Removed: chance.IntN(2) == 0}
		some := func(set func()) {
			if chance.IntN(3) == 0 {
				set()
			}
		}
		some(func() { filter.Project = pick(chance, project, "other", "none") })
		some(func() { filter.Prefix = pick(chance, "A", "A0", "B1", "none") })
		some(func() { filter.Outcome = pick(chance, OutcomeChanged, OutcomeError, OutcomeGone) })
		some(func() { filter.Pending = pick(chance, new(bool), ptr(true)) })
		some(func() { filter.Enabled = pick(chance, new(bool), ptr(true)) })
		some(func() { filter.Quarantined = pick(chance, new(bool), ptr(true)) })
		some(func() { filter.Missing = pick(chance, new(bool), ptr(true)) })
		some(func() { filter.After = all[chance.IntN(len(all))].Identifier })
		some(func() { filter.AfterProject = pick(chance, project, "other") })
		some(func() { filter.Limit = 1 + chance.IntN(20) })
		var want []string
		for _, s := range all {
			if matchesSource(filter, s) {
				want = append(want, s.Project+"/"+s.Identifier)
			}
		}
		if filter.Limit > 0 {
			want = want[:min(len(want), filter.Limit)]
		}
		list, err := f.view().Sources(filter)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range list {
			got = append(got, s.Project+"/"+s.Identifier)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v (-want +got)\n%s", filter, diff)
		}
		found += len(got)
	}
	if found < 1000 {
		t.Errorf("only %d sources were found by all filters", found)
	}
}

func matchesSource(f SourceFilter, s Source) bool {
	is := func(want *bool, have bool) bool { return want == nil || *want == have }
	behind := s.Identifier > f.After
	if f.After != "" && f.AfterProject != "" {
		behind = s.Project > f.AfterProject || s.Project == f.AfterProject && behind
	}
	return behind && (f.Project == "" || s.Project == f.Project) && strings.HasPrefix(s.Identifier, f.Prefix) && (f.Outcome == "" || s.LastOutcome == f.Outcome) &&
		is(f.Pending, s.Pending) && is(f.Enabled, s.Enabled) && is(f.Quarantined, s.QuarantinedAt != nil) && is(f.Missing, s.MissingSince != nil) && (f.Removed || s.RemovedAt == nil)
}

func TestEventsAndTicksAreListedByPages(t *testing.T) {
	f := crowd(t)
	var all []string
	if err := f.view().EachEvent(func(e provenance.Event) error {
		all = append(all, fmt.Sprintf("%s %s %d", e.Project, e.Type, e.Seq))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, filter := range []EventFilter{{}, {Project: project}, {Type: "execution.created"}, {Project: "other", Type: "execution.fail"}, {Project: "none"}, {Type: "none"}} {
		for _, filter.Newest = range []bool{false, true} {
			var want, got []string
			for _, e := range all {
				if part := strings.Fields(e); (filter.Project == "" || filter.Project == part[0]) && (filter.Type == "" || filter.Type == part[len(part)-2]) {
					want = append(want, e)
				}
			}
			if filter.Newest {
				slices.Reverse(want)
			}
			page := filter
			page.Limit = 7
			for {
				list, err := f.view().Events(page)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range list {
					got = append(got, fmt.Sprintf("%s %s %d", e.Project, e.Type, e.Seq))
					page.After, page.Before = e.Seq, 0
					if filter.Newest {
						page.After, page.Before = 0, e.Seq
					}
				}
				if len(list) < page.Limit {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%+v (-want +got)\n%s", filter, diff)
			}
		}
	}
	if _, err := f.view().Events(EventFilter{Source: "A"}); err == nil {
		t.Error("the events of a source are given without its project")
	}
}

func TestCountsAreThoseOfTheRows(t *testing.T) {
	f := crowd(t)
	markSources(f)
	all, err := f.view().Executions(ExecutionFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []string{"", project, "none"} {
		counts, live, flying := map[State]int{}, map[State]int{}, 0
		for _, e := range all {
			if of != "" && e.Project != of {
				continue
			}
			counts[e.State]++
			if !e.State.Terminal() {
				live[e.State]++
				if e.Held == nil && e.State != Verifying {
					flying++
				}
			}
		}
		if got, err := f.view().CountExecutions(of); err != nil || !cmp.Equal(got, counts) {
			t.Errorf("%q: %v, want %v, %v", of, got, counts, err)
		}
		if got, err := f.view().CountLive(of); err != nil || !cmp.Equal(got, live) {
			t.Errorf("%q: %v, want %v, %v", of, got, live, err)
		}
		if got, err := f.view().CountInFlight(of, ""); err != nil || got != flying {
			t.Errorf("%q: %d, want %d, %v", of, got, flying, err)
		}
	}
	oldest, err := f.view().OldestLive()
	if err != nil || len(oldest) == 0 {
		t.Error(err)
	}
	for state, at := range oldest {
		for _, e := range all {
			if e.State == state && e.CreatedAt.Before(at) {
				t.Errorf("%s: %s is older than %s", state, e.ID, at)
			}
		}
	}
	pending, err := f.view().PendingSources(project, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if n, oldest, err := f.view().CountPending(project); err != nil || n != len(pending) || len(pending) == 0 || !cmp.Equal(oldest, pending[0].PendingAt) {
		t.Errorf("%d since %v, want %d, %v", n, oldest, len(pending), err)
	}
}
