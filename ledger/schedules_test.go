package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnIdleTickUpdatesOneRowAndWritesNoEvent(t *testing.T) {
	f := newFixture(t)
	before := f.head()
	for _, reason := range []string{"no_sources_due", "no_sources_due", "no_sources_due", "queue_full", ""} {
		f.write(func(tx *Tx) error {
			return tx.RecordTick(project, TickDiscovery, reason, map[string]int{"claimed": 0})
		})
		f.clock.forward(time.Minute)
	}
	if got := f.eventTypes(before); got != "schedule.reason schedule.reason schedule.reason" {
		t.Errorf("events %s; a reason is one when it changes", got)
	}
	before = f.head()
	f.write(func(tx *Tx) error { return tx.RecordTick(project, TickDiscovery, "", nil) })
	list, err := f.view().Schedules()
	if err != nil || len(list) != 1 || f.head() != before || !list[0].LastRunAt.Equal(f.Now()) || !list[0].ReasonAt.Equal(f.Now().Add(-time.Minute)) {
		t.Errorf("%+v %v", list, err)
	}
}

func TestAWatermarkOnlyMovesForward(t *testing.T) {
	f := newFixture(t)
	for _, minutes := range []int{10, 20, 15} {
		f.write(func(tx *Tx) error {
			return tx.SetWatermark("", TickPoll, f.Now().Add(time.Duration(minutes)*time.Minute))
		})
	}
	list, err := f.view().Schedules()
	if err != nil || !list[0].Watermark.Equal(f.Now().Add(20*time.Minute)) {
		t.Errorf("%+v %v", list, err)
	}
}

func TestAProblemThatStaysKeepsItsBeginning(t *testing.T) {
	f := newFixture(t)
	begin := f.Now()
	report := func(codes ...string) {
		f.write(func(tx *Tx) error {
			var list []Problem
			for _, code := range codes {
				list = append(list, Problem{Code: code, Severity: "error", Since: tx.Now()})
			}
			return tx.SetProblems(list)
		})
		f.clock.forward(time.Hour)
	}
	report("a", "b")
	report("b", "c")
	list, err := f.view().Problems()
	got := map[string]time.Duration{}
	for _, p := range list {
		got[p.Code] = p.Since.Sub(begin)
	}
	if diff := cmp.Diff(map[string]time.Duration{"b": 0, "c": time.Hour}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
