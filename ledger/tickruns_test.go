package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

// tick records a tick and gives the id of its row, 0 for none.
func (f *fixture) tick(t TickRun) (id int64) {
	f.Helper()
	f.write(func(tx *Tx) (err error) { id, err = tx.RecordTickRun(t); return err })
	return id
}

func TestTicksThatDidSomethingAreKept(t *testing.T) {
	f := newFixture(t)
	worked := []TickSource{{Identifier: "A", Outcome: OutcomeChanged, Text: "2 datasets"}, {Identifier: "B", Outcome: OutcomeError}}
	began := f.Now()
	for i, tt := range []struct {
		run  TickRun
		kept bool
	}{
		{TickRun{Reason: "no_sources_due"}, true}, // its reason is new
		{TickRun{Reason: "no_sources_due", Counters: map[string]int{"claimed": 0}}, false},
		{TickRun{Reason: "no_sources_due", Sources: worked, Counters: map[string]int{"claimed": 2}, BeganAt: began, Note: "by hand"}, true},
		{TickRun{Reason: "queue_full"}, true},
		{TickRun{Reason: "queue_full"}, false},
	} {
		f.clock.forward(time.Minute)
		tt.run.Project, tt.run.Kind = project, TickDiscovery
		if id := f.tick(tt.run); (id != 0) != tt.kept {
			t.Errorf("tick %d: row %d, want one: %v", i, id, tt.kept)
		}
	}
	f.tick(TickRun{Project: project, Kind: TickExecution, Reason: "admitted"})
	f.tick(TickRun{Kind: TickPoll, Reason: "polled"})

	for name, tt := range map[string]struct {
		filter TickFilter
		want   string
	}{
		"all":              {TickFilter{}, "5 poll polled, 4 execution admitted, 3 discovery queue_full, 2 discovery no_sources_due, 1 discovery no_sources_due"},
		"a project's":      {TickFilter{Project: project}, "4 execution admitted, 3 discovery queue_full, 2 discovery no_sources_due, 1 discovery no_sources_due"},
		"of one kind":      {TickFilter{Project: project, Kind: TickExecution}, "4 execution admitted"},
		"a page":           {TickFilter{Project: project, Before: 4, Limit: 2}, "3 discovery queue_full, 2 discovery no_sources_due"},
		"of nobody":        {TickFilter{Project: "none"}, ""},
		"a page of all":    {TickFilter{Before: 2}, "1 discovery no_sources_due"},
		"a kind of nobody": {TickFilter{Kind: "x"}, ""},
	} {
		list, err := f.view().TickRuns(tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range list {
			got = append(got, fmt.Sprintf("%d %s %s", r.ID, r.Kind, r.Reason))
			if r.Sources != nil {
				t.Errorf("%s: a list has sources", name)
			}
		}
		if text := strings.Join(got, ", "); text != tt.want {
			t.Errorf("%s: %s, want %s", name, text, tt.want)
		}
	}
	got, err := f.view().TickRun(2)
	want := TickRun{
		ID: 2, Project: project, Kind: TickDiscovery, Reason: "no_sources_due", BeganAt: began, EndedAt: began.Add(3 * time.Minute),
		Counters: map[string]int{"claimed": 2}, Sources: worked, Note: "by hand",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	_, err = f.view().TickRun(99)
	wantKind(t, err, fault.NotFound, "there is no tick 99")
	// The row that is updated in place is there as well.
	ticks, err := f.view().Schedules()
	if err != nil || len(ticks) != 3 || ticks[1].Reason != "queue_full" {
		t.Errorf("%+v %v", ticks, err)
	}
}

func TestTheHistoryOfTicksIsBounded(t *testing.T) {
	f := newFixture(t)
	many := make([]TickSource, MaxTickSources+3)
	for i := range many {
		many[i] = TickSource{Identifier: fmt.Sprintf("S%04d", i), Text: strings.Repeat("x", MaxTickText+1)}
	}
	id := f.tick(TickRun{Project: project, Kind: TickDiscovery, Sources: many, Note: "slow"})
	got, err := f.view().TickRun(id)
	if err != nil || len(got.Sources) != MaxTickSources || len(got.Sources[0].Text) != MaxTickText || got.Note != "slow; 3 more sources are not listed" {
		t.Errorf("%d sources, %q, %v", len(got.Sources), got.Note, err)
	}
	if len(many[0].Text) != MaxTickText+1 {
		t.Error("the caller's list was changed")
	}
	// Another project's rows are its own.
	other := f.tick(TickRun{Project: "other", Kind: TickDiscovery, Reason: "x"})
	if _, err := f.raw().Exec(`WITH RECURSIVE tick (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM tick WHERE n < ?)
		INSERT INTO tick_runs (project, number, kind, began_at, ended_at, reason, counters, note, sources)
		SELECT ?, n, 'discovery', '2026-11-20T04:00:00.000Z', '2026-11-20T04:00:00.000Z', n, '{}', '', x'' FROM tick`, MaxTickRuns, project); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		f.tick(TickRun{Project: project, Kind: TickDiscovery, Reason: fmt.Sprint("new ", i)})
	}
	list, err := f.view().TickRuns(TickFilter{Project: project, Limit: 2 * MaxTickRuns})
	if err != nil || len(list) != MaxTickRuns || list[0].Reason != "new 9" || list[len(list)-1].Reason != "11" {
		t.Errorf("%d rows, %v", len(list), err)
	}
	if _, err := f.view().TickRun(other); err != nil {
		t.Error(err)
	}
	if next := f.tick(TickRun{Project: project, Kind: TickDiscovery, Reason: "next"}); next != list[0].ID+1 {
		t.Errorf("id %d after %d: an id is used once", next, list[0].ID)
	}
}
