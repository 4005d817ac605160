package ledger

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

func TestASourceIsRegisteredOnceAndComesBackWithItsHistory(t *testing.T) {
	f := newFixture(t)
	register := func() (added bool) {
		f.write(func(tx *Tx) (err error) { added, err = tx.RegisterSource(project, "A", person); return err })
		return added
	}
	before := f.head()
	if !register() || register() {
		t.Error("it was not added exactly once")
	}
	f.discover("A", OutcomeChanged, "s1")
	f.write(func(tx *Tx) error { return tx.RemoveSource(project, "A", "wrong name", person) })
	f.write(func(tx *Tx) error { return tx.RemoveSource(project, "A", "again", person) })
	if s := f.source("A"); s.RemovedAt == nil || s.Pending || s.Signature != "s1" {
		t.Errorf("removed: %s", told(s))
	}
	if list, err := f.view().Sources(SourceFilter{Project: project}); len(list) != 0 || err != nil {
		t.Errorf("%d sources are listed, %v", len(list), err)
	}
	if !register() {
		t.Error("a removed one was not brought back")
	}
	if s := f.source("A"); s.RemovedAt != nil || !s.Enabled || s.Signature != "s1" || s.NextDueAt.After(f.Now()) {
		t.Errorf("back: %s", told(s))
	}
	if got := f.eventTypes(before); got != "source.registered discovery.changed source.removed source.registered" {
		t.Errorf("events %s", got)
	}
	if _, err := f.view().Source(project, "none"); !errors.Is(err, fault.NotFound) || len(fault.Hints(err)) == 0 {
		t.Errorf("%v", err)
	}
	if err := f.try(func(tx *Tx) error { _, err := tx.RegisterSource("none", "A", person); return err }); err == nil {
		t.Error("a source of no project was registered")
	}
}

func TestNamesThatLookLikeSQLAreNames(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"'; DROP TABLE sources; --", "100%", "a_b", "{sbid}", "two\nlines", strings.Repeat("x", 10_000), "ü\x00"} {
		f.discover(name, OutcomeChanged, "s1")
		if s, err := f.view().Source(project, name); err != nil || s.Identifier != name {
			t.Errorf("%q came back as %q, %v", name, s.Identifier, err)
		}
	}
	if list, err := f.view().Sources(SourceFilter{Project: project, Prefix: "1"}); len(list) != 1 || err != nil {
		t.Errorf("%d sources, %v", len(list), err)
	}
	verify(t, f.Ledger)
}

func TestWhileAnExecutionWorksOnASourceItIsNotRemovedNorBaselined(t *testing.T) {
	f := newFixture(t)
	s := f.discover("A", OutcomeChanged, "s1")
	e := f.admit("A")
	wantKind(t, f.try(func(tx *Tx) error { return tx.RemoveSource(project, "A", "x", person) }), fault.Conflict, "A", e.ID)
	wantKind(t, f.try(func(tx *Tx) error { return tx.Baseline(s, "x", person) }), fault.Conflict, "A", e.ID)
	f.walk(e, EventCancel)
	f.write(func(tx *Tx) error { return tx.RemoveSource(project, "A", "x", person) })
}

func TestABaselineSaysThatTheCurrentDataWasExecuted(t *testing.T) {
	f := newFixture(t)
	s := f.source("A")
	wantKind(t, f.try(func(tx *Tx) error { return tx.Baseline(s, "x", person) }), fault.Invalid, "no signature yet")
	stale := f.discover("A", OutcomeChanged, "s1")
	s = f.discover("A", OutcomeChanged, "s2")
	wantKind(t, f.try(func(tx *Tx) error { return tx.Baseline(stale, "x", person) }), fault.Conflict, "A")
	f.write(func(tx *Tx) error { return tx.Baseline(s, "done elsewhere", person) })
	if got := told(f.source("A")); got != "changed s2 r1 executed s2" {
		t.Error(got)
	}
}

func TestADisabledSourceIsNeitherAskedForNorAdmitted(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1", func(d *Discovery) { d.NextDue = f.Now() })
	set := func(on bool) (changed bool) {
		f.write(func(tx *Tx) (err error) { changed, err = tx.SetEnabled(project, "A", on, "why", person); return err })
		return changed
	}
	counts := func() [2]int {
		due, err := f.view().CountDueSources(project, 10)
		pending, _, err2 := f.view().CountPending(project)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		return [2]int{due, pending}
	}
	if got := counts(); got != [2]int{1, 1} {
		t.Errorf("due, pending: %v", got)
	}
	if !set(false) || set(false) || counts() != [2]int{0, 0} {
		t.Errorf("disabled: due, pending %v", counts())
	}
	if !set(true) || counts() != [2]int{1, 1} {
		t.Errorf("enabled: due, pending %v", counts())
	}
}

func TestPendingSourcesAreThoseThatWaitLongestAndThatNoExecutionHas(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"C", "A", "B"} {
		f.discover(name, OutcomeChanged, "s1")
		f.clock.forward(time.Minute)
	}
	f.walk(f.admit("A"), EventPrepare, EventPrepared, EventSubmit)
	f.discover("A", OutcomeChanged, "s2") // pending, but its execution is under way
	names := func() string {
		list, err := f.view().PendingSources(project, 10)
		if err != nil {
			t.Fatal(err)
		}
		var text []string
		for _, s := range list {
			text = append(text, s.Identifier)
		}
		return strings.Join(text, " ")
	}
	n, oldest, err := f.view().CountPending(project)
	if names() != "C B" || n != 2 || err != nil || !oldest.Equal(f.Now().Add(-3*time.Minute)) {
		t.Errorf("pending %s; %d since %v, %v", names(), n, oldest, err)
	}
}

func TestSourcesAreListedByPageAndFilter(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"J0324-21b", "J0324-21", "J0324-22", "K"} {
		f.source(name)
	}
	f.discover("K", OutcomeNoData, "none")
	yes, no := true, false
	for name, tt := range map[string]struct {
		filter SourceFilter
		want   string
	}{
		"all":        {SourceFilter{}, "J0324-21 J0324-21b J0324-22 K"},
		"page":       {SourceFilter{Project: project, After: "J0324-21", Limit: 2}, "J0324-21b J0324-22"},
		"prefix":     {SourceFilter{Prefix: "J0324-21"}, "J0324-21 J0324-21b"},
		"outcome":    {SourceFilter{Outcome: OutcomeNoData}, "K"},
		"pending":    {SourceFilter{Pending: &yes}, ""},
		"enabled":    {SourceFilter{Enabled: &no}, ""},
		"no project": {SourceFilter{Project: "none"}, ""},
	} {
		list, err := f.view().Sources(tt.filter)
		var names []string
		for _, s := range list {
			names = append(names, s.Identifier)
		}
		if got := strings.Join(names, " "); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
	}
	longer, err := f.view().LongerIdentifiers(project, []string{"J0324-21", "J0324-21b", "none"})
	if diff := cmp.Diff(map[string][]string{"J0324-21": {"J0324-21b"}}, longer); diff != "" || err != nil {
		t.Errorf("identifiers that begin with another: %v %s", err, diff)
	}
	if all, err := f.view().Identifiers(project); len(all) != 4 || err != nil {
		t.Errorf("%q %v", all, err)
	}
	counts, err := f.view().CountOutcomes(project)
	if diff := cmp.Diff(map[string]int{"": 3, OutcomeNoData: 1}, counts); diff != "" || err != nil {
		t.Errorf("outcomes: %v %s", err, diff)
	}
}

func TestARequestedDiscoveryIsDueAtOnce(t *testing.T) {
	f := newFixture(t)
	s := f.discover("A", OutcomeError, "", failing("x"))
	f.write(func(tx *Tx) error { return tx.RequestDiscovery(s, person) })
	if n, err := f.view().CountDueSources(project, 10); n != 1 || err != nil {
		t.Errorf("%d due, %v", n, err)
	}
	if byID, err := f.view().SourceByID(s.ID); err != nil || byID.Identifier != "A" {
		t.Errorf("%+v %v", byID, err)
	}
	if _, err := f.view().SourceByID(4711); !errors.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
}
