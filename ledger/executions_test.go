package ledger

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

func TestOneExecutionWorksOnASourceAtATime(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	f.discover("B", OutcomeChanged, "t1")
	e := f.admit("A")
	before := f.head()
	err := f.try(func(tx *Tx) error { _, err := tx.CreateExecution(f.order("B", "A")); return err })
	wantKind(t, err, fault.Conflict, "A", e.ID)
	if !f.source("B").Pending || f.head() != before {
		t.Error("half of it was stored")
	}
	// The index holds it also where the check was passed by.
	other := f.admit("B")
	_, err = f.raw().Exec(`INSERT INTO execution_sources (execution, source_id, project, identifier, sbids, signature)
		SELECT ?, source_id, project, identifier, sbids, signature FROM execution_sources WHERE execution = ?`, other.ID, e.ID)
	if err == nil || !strings.Contains(err.Error(), "UNIQUE") {
		t.Errorf("a second active execution by plain SQL: %v", err)
	}
	f.walk(e, EventFail)
	if again := f.admit("A"); again.State != Pending {
		t.Errorf("%s", flat(again))
	}
}

func TestAnExecutionOfOlderDataLeavesTheSourcePending(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	order := f.order("A")
	f.discover("A", OutcomeChanged, "s2")
	f.write(func(tx *Tx) error { _, err := tx.CreateExecution(order); return err })
	if !f.source("A").Pending {
		t.Error("the newer data is forgotten")
	}
}

func TestAnExecutionIsMadeFromWhatIsThere(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	before := f.head()
	for name, edit := range map[string]func(*NewExecution){
		"no such project":  func(n *NewExecution) { n.Project = "none" },
		"no such config":   func(n *NewExecution) { n.ConfigRevision = 2 },
		"no such profile":  func(n *NewExecution) { n.Profile = "none" },
		"no such revision": func(n *NewExecution) { n.ProfileRevision = 7 },
		"no such source":   func(n *NewExecution) { n.Sources[0].SourceID = 4711 },
		"no actor":         func(n *NewExecution) { n.Actor = "" },
		"bad record":       func(n *NewExecution) { n.Record = func() {} },
	} {
		order := f.order("A")
		edit(&order)
		if err := f.try(func(tx *Tx) error { _, err := tx.CreateExecution(order); return err }); err == nil {
			t.Errorf("%s: it was created", name)
		}
	}
	if f.head() != before || !f.source("A").Pending {
		t.Error("something was stored")
	}
}

func TestExecutionsAreListedByFilter(t *testing.T) {
	f := newFixture(t)
	var ids []string
	for _, name := range []string{"A", "B", "C", "D"} {
		f.discover(name, OutcomeChanged, "s1")
		ids = append(ids, f.admit(name).ID)
	}
	a, b, c := f.reread(Execution{ID: ids[0]}), f.reread(Execution{ID: ids[1]}), f.reread(Execution{ID: ids[2]})
	f.walk(a, pathTo(Running)...)
	f.write(func(tx *Tx) error { _, err := tx.Hold(b, "x", person); return err })
	f.walk(c, EventFail)
	f.claim(ExecutionSubject(ids[3]), "worker")
	yes, no := true, false
	for name, tt := range map[string]struct {
		filter ExecutionFilter
		want   string
	}{
		"all, the newest first": {ExecutionFilter{}, "D C B A"},
		"page":                  {ExecutionFilter{Before: ids[3], Limit: 2}, "C B"},
		"oldest first":          {ExecutionFilter{Oldest: true, Limit: 2}, "A B"},
		"states":                {ExecutionFilter{States: []State{Running, Failed}}, "C A"},
		"source":                {ExecutionFilter{Project: project, Source: "B"}, "B"},
		"held":                  {ExecutionFilter{Held: &yes}, "B"},
		"not held, not claimed": {ExecutionFilter{Held: &no, Unclaim: true, States: []State{Pending}}, ""},
		"not claimed":           {ExecutionFilter{Unclaim: true}, "C B A"},
		"target":                {ExecutionFilter{Target: "else"}, ""},
		"other project":         {ExecutionFilter{Project: "none"}, ""},
	} {
		list, err := f.view().Executions(tt.filter)
		var names []string
		for _, e := range list {
			names = append(names, e.Sources[0].Identifier)
		}
		if got := strings.Join(names, " "); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
	}
	counts, err := f.view().CountExecutions(project)
	if diff := cmp.Diff(map[State]int{Pending: 2, Running: 1, Failed: 1}, counts); diff != "" || err != nil {
		t.Errorf("counts: %v %s", err, diff)
	}
	for _, tt := range []struct {
		project, profile string
		want             int
	}{{"", "", 2}, {project, profile, 2}, {"none", "", 0}, {"", "none", 0}} {
		if n, err := f.view().CountInFlight(tt.project, tt.profile); n != tt.want || err != nil {
			t.Errorf("in flight of %q, %q: %d, %v; want %d", tt.project, tt.profile, n, err, tt.want)
		}
	}
}

func TestAPartOfAnIDStandsForOneExecution(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	f.discover("B", OutcomeChanged, "s1")
	a, b := f.admit("A"), f.admit("B")
	for _, tt := range []struct {
		part, want string
		kind       fault.Kind
	}{
		{a.ID, a.ID, ""},
		{b.ID[len(b.ID)-6:], b.ID, ""},
		{"01930000", "", fault.Invalid},
		{a.ID[len(a.ID)-3:], "", fault.NotFound}, // too short
		{"nothing", "", fault.NotFound},
		{"____", "", fault.NotFound},
	} {
		if got, err := f.view().ResolveExecution(tt.part); got != tt.want || fault.KindOf(err) != tt.kind {
			t.Errorf("%q: %q, %v; want %q, kind %q", tt.part, got, err, tt.want, tt.kind)
		}
	}
	if _, err := f.view().Execution("01930000-0000-7000-8000-00000000none"); !errors.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
}

func TestObservationsAndTheRunRecordAreKeptOnceUntilTheyChange(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	order := f.order("A")
	order.Record = map[string]any{"policy": "<first>"}
	var e Execution
	f.write(func(tx *Tx) (err error) { e, err = tx.CreateExecution(order); return err })
	observe := func(state, reason string, attempt int) (changed bool) {
		f.write(func(tx *Tx) (err error) {
			changed, err = tx.Observe(Observation{Execution: e.ID, Attempt: attempt, Kind: "scheduler", State: state, Reason: reason, Raw: strings.Repeat("ü", MaxRawBytes)})
			return err
		})
		return changed
	}
	if !observe("PENDING", "Priority", 1) || observe("PENDING", "Priority", 1) || !observe("PENDING", "Resources", 1) || !observe("PENDING", "Resources", 2) {
		t.Error("an observation was not kept exactly when it changed")
	}
	list, err := f.view().Observations(e.ID)
	if err != nil || len(list) != 3 || len(list[0].Raw) != MaxRawBytes || list[2].Attempt != 2 {
		t.Errorf("%d observations, %v", len(list), err)
	}
	if got := Excerpt("aü", 2); got != "a" {
		t.Errorf("excerpt %q splits a character", got)
	}
	record, err := f.view().RunRecord(e.ID)
	if string(record) != `{"policy":"<first>"}` || err != nil {
		t.Errorf("%s %v", record, err)
	}
	f.write(func(tx *Tx) error { return tx.SetRunRecord(e.ID, map[string]any{"b": 1, "a": 2}) })
	if record, err := f.view().RunRecord(e.ID); string(record) != `{"a":2,"b":1}` || err != nil {
		t.Errorf("%s %v", record, err)
	}
	if record, err := f.view().RunRecord("none"); record != nil || err != nil {
		t.Errorf("%s %v", record, err)
	}
}
