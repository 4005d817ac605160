package control_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/control"
	"beampipe/discovery"
	"beampipe/fault"
	"beampipe/ledger"
)

// registered makes a control with the sources A and B.
func registered(t *testing.T) (*control.Local, story) {
	t.Helper()
	c := newControl(t)
	_, err := c.AddSources(t.Context(), project, []string{"A", "B"})
	must(t, err)
	return c, story{t, c}
}

func TestWhatNeedsAReasonIsRefusedWithoutOne(t *testing.T) {
	c, s := registered(t)
	s.discovered(ledger.OutcomeChanged, "s1", "")
	s.discovered(ledger.OutcomeMissing, "", "")
	s.brake("too much")
	events := func() int64 {
		n, err := c.Ledger().View(t.Context()).CountEvents()
		must(t, err)
		return n
	}
	before := events()
	q := control.SourceSelection{Project: project, All: true, Reason: " \t"}
	data := control.DatasetSelection{Project: project, Items: []control.Dataset{{SBID: "1"}}}
	for name, call := range map[string]func() error{
		"release sources":  func() error { _, err := c.ReleaseSources(t.Context(), q); return err },
		"accept missing":   func() error { _, err := c.AcceptMissing(t.Context(), q); return err },
		"release project":  func() error { _, err := c.ReleaseProject(t.Context(), project, ""); return err },
		"exclude datasets": func() error { _, err := c.ExcludeDatasets(t.Context(), data); return err },
		"include datasets": func() error { _, err := c.IncludeDatasets(t.Context(), data); return err },
	} {
		if err := call(); !errors.Is(err, fault.Invalid) || !strings.Contains(strings.Join(fault.Hints(err), ""), "--reason") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := events(); after != before {
		t.Errorf("%d events were written", after-before)
	}
}

func TestAReasonIsAsLongAsSomebodyWouldRead(t *testing.T) {
	c, _ := registered(t)
	long := strings.Repeat("x", 1001)
	q := control.SourceSelection{Project: project, All: true, Reason: long}
	for name, call := range map[string]func() error{
		"disable sources":  func() error { _, err := c.DisableSources(t.Context(), q); return err },
		"release sources":  func() error { _, err := c.ReleaseSources(t.Context(), q); return err },
		"start a project":  func() error { _, err := c.StartProject(t.Context(), project, long); return err },
		"hold a run":       func() error { _, err := c.HoldExecution(t.Context(), "0193", long); return err },
		"not UTF-8 at all": func() error { _, err := c.StartProject(t.Context(), project, "\xff"); return err },
	} {
		if err := call(); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "the reason") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.StartProject(t.Context(), project, long[1:]); err != nil {
		t.Error(err)
	}
}

func TestQuarantinedAndMissingSourcesAreListedUntilSomebodyCaresForThem(t *testing.T) {
	c, s := registered(t)
	s.discovered(ledger.OutcomeChanged, "s1", "")
	s.discovered(ledger.OutcomeMissing, "", "")
	yes := true
	list := func(q control.SourceQuery) []string {
		t.Helper()
		q.Project = project
		answer, err := c.ListSources(t.Context(), q)
		must(t, err)
		var names []string
		for _, s := range answer.Sources {
			names = append(names, s.Identifier)
		}
		return names
	}
	if got := list(control.SourceQuery{Missing: &yes}); !slices.Equal(got, []string{"A"}) {
		t.Errorf("missing: %v", got)
	}
	all := control.SourceSelection{Project: project, All: true, Reason: "withdrawn"}
	for i, want := range []int{1, 0} {
		r, err := c.AcceptMissing(t.Context(), all)
		if err != nil || len(r.Changed) != want || len(r.Same) != 2-want || len(r.Refused) != 0 {
			t.Errorf("accept all, time %d: %+v, %v", i+1, r, err)
		}
	}
	r, err := c.AcceptMissing(t.Context(), control.SourceSelection{Project: project, Identifiers: []string{"B"}, Reason: "a slip"})
	if err != nil || len(r.Refused) != 1 || !strings.Contains(r.Refused[0].Reason, "nothing of it is missing") {
		t.Errorf("accept what misses nothing: %+v, %v", r, err)
	}
	s.discovered(ledger.OutcomeAmbiguous, "", "rows of B")
	s.discovered(ledger.OutcomeRefused, "", "no such column")
	if got := list(control.SourceQuery{Quarantined: &yes}); !slices.Equal(got, []string{"A"}) {
		t.Errorf("quarantined: %v", got)
	}
	for i, want := range []int{1, 0} {
		r, err := c.ReleaseSources(t.Context(), all)
		if err != nil || len(r.Changed) != want || len(r.Same) != 2-want {
			t.Errorf("release all, time %d: %+v, %v", i+1, r, err)
		}
	}
	if got := list(control.SourceQuery{Quarantined: &yes}); len(got) != 0 {
		t.Errorf("quarantined after the release: %v", got)
	}
}

func TestHowOftenASourceIsAskedIsSetWithinBounds(t *testing.T) {
	c, _ := registered(t)
	set := func(hours *int) (control.SourceChanges, error) {
		return c.SetCadence(t.Context(), control.CadenceRequest{SourceSelection: control.SourceSelection{Project: project, Identifiers: []string{"A"}}, StaleAfterHours: hours})
	}
	six, none := 6, 0
	for i, want := range []int{1, 0} {
		if r, err := set(&six); err != nil || len(r.Changed) != want {
			t.Errorf("6 hours, time %d: %+v, %v", i+1, r, err)
		}
	}
	d, err := c.ShowSource(t.Context(), project, "A")
	if err != nil || d.Source.StaleAfterHours == nil || *d.Source.StaleAfterHours != six {
		t.Errorf("%+v, %v", d.Source, err)
	}
	if r, err := set(nil); err != nil || len(r.Changed) != 1 {
		t.Errorf("as the project says: %+v, %v", r, err)
	}
	if r, err := set(&none); !errors.Is(err, fault.Invalid) {
		t.Errorf("0 hours: %+v, %v", r, err)
	}
}

func TestDatasetsAreKeptOutOfRunsAndLetInAgain(t *testing.T) {
	c, s := registered(t)
	s.discovered(ledger.OutcomeChanged, "s1", "")
	bad := control.DatasetSelection{
		Project: project, Reason: "bad", FileName: "bad.txt", Items: []control.Dataset{{SBID: "1"}},
		File: []byte("# a bad night\n\n1\n1, a\r\n77\ta\t# not seen yet\n"),
	}
	r, err := c.ExcludeDatasets(t.Context(), bad)
	if err != nil || r.Named != 3 || r.Changed != 3 || !slices.Equal(r.Unknown, []string{"77"}) {
		t.Errorf("exclude: %+v, %v", r, err)
	}
	if r, err = c.ExcludeDatasets(t.Context(), bad); err != nil || r.Changed != 0 {
		t.Errorf("exclude again: %+v, %v", r, err)
	}
	list, err := c.ListExclusions(t.Context(), control.ExclusionQuery{Project: project})
	if err != nil || len(list.Exclusions) != 3 || list.Exclusions[0].Actor != "user:test" || list.Exclusions[0].Reason != "bad" {
		t.Errorf("list: %+v, %v", list, err)
	}
	w, err := c.WhySource(t.Context(), project, "A")
	if err != nil || !slices.Equal(w.Excluded, []string{"1 a"}) {
		t.Errorf("why: %q, %v", w.Excluded, err)
	}
	review, err := c.ReviewSources(t.Context(), project)
	if err != nil || review.Sources != 2 || review.Ready != 0 || len(review.Rows) != 2 || review.Rows[0].Excluded != 1 {
		t.Errorf("review: %+v, %v", review, err)
	}
	if r, err = c.IncludeDatasets(t.Context(), bad); err != nil || r.Changed != 3 {
		t.Errorf("include: %+v, %v", r, err)
	}
	if review, err = c.ReviewSources(t.Context(), project); err != nil || review.Ready != 1 {
		t.Errorf("review after it: %+v, %v", review, err)
	}
}

func TestAListOfDatasetsThatCannotBeReadChangesNothing(t *testing.T) {
	c, _ := registered(t)
	for _, tt := range []struct {
		name, file, want string
		items            []control.Dataset
	}{
		{name: "nothing", want: "none is named"},
		{name: "comments alone", file: "# 1\n\n", want: "none is named"},
		{name: "three words", file: "1\n2 a b\n", want: "bad.txt line 2"},
		{name: "a name that is too long", file: "1 " + strings.Repeat("x", 501), want: "bad.txt line 1"},
		{name: "no text", file: "1\n\xff\n", want: "bad.txt line 2"},
		{name: "a blank SBID", items: []control.Dataset{{SBID: "1"}, {SBID: " "}}, want: "item 2"},
	} {
		_, err := c.ExcludeDatasets(t.Context(), control.DatasetSelection{Project: project, Reason: "bad", FileName: "bad.txt", File: []byte(tt.file), Items: tt.items})
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if list, err := c.ListExclusions(t.Context(), control.ExclusionQuery{Project: project}); err != nil || len(list.Exclusions) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAProjectThatIsNotThereIsNotFoundWhateverIsAsked(t *testing.T) {
	c, _ := registered(t)
	data := control.DatasetSelection{Project: "other", Items: []control.Dataset{{SBID: "1"}}, Reason: "bad"}
	for name, call := range map[string]func() error{
		"exclude": func() error { _, err := c.ExcludeDatasets(t.Context(), data); return err },
		"include": func() error { _, err := c.IncludeDatasets(t.Context(), data); return err },
		"exclusions": func() error {
			_, err := c.ListExclusions(t.Context(), control.ExclusionQuery{Project: "other"})
			return err
		},
		"review":  func() error { _, err := c.ReviewSources(t.Context(), "other"); return err },
		"release": func() error { _, err := c.ReleaseProject(t.Context(), "other", "go"); return err },
		"plan":    func() error { _, err := c.Plan(t.Context(), "other"); return err },
		"ticks":   func() error { _, err := c.ListTicks(t.Context(), control.TickQuery{Project: "other"}); return err },
		"tick":    func() error { _, err := c.ShowTick(t.Context(), 1); return err },
		"why":     func() error { _, err := c.WhySource(t.Context(), "other", "A"); return err },
	} {
		if err := call(); !errors.Is(err, fault.NotFound) || len(fault.Hints(err)) == 0 {
			t.Errorf("%s: %v, to do: %q", name, err, fault.Hints(err))
		}
	}
}

func TestTheBrakeOfAProjectIsAProblemUntilItIsReleased(t *testing.T) {
	c, s := registered(t)
	s.discovered(ledger.OutcomeChanged, "s1", "")
	s.brake("40 sources at once")
	// What a daemon stored counts no more than the ledger itself.
	stored := []ledger.Problem{{Code: discovery.ProblemQuarantine, Subject: project, Severity: "warning"}, {Code: "metrics_port", Severity: "warning"}}
	must(t, c.Ledger().Write(t.Context(), func(tx *ledger.Tx) error { return tx.SetProblems(stored) }))
	codes := func() []string {
		t.Helper()
		h, err := c.Health(t.Context())
		must(t, err)
		var list []string
		for _, p := range h.Problems {
			list = append(list, p.Code)
		}
		return list
	}
	if got := codes(); !slices.Equal(got, []string{"metrics_port", discovery.ProblemMassChange}) {
		t.Errorf("problems: %v", got)
	}
	plan, err := c.Plan(t.Context(), project)
	if err != nil || len(plan.Projects) != 1 || plan.Projects[0].Discovery.Brake == "" {
		t.Errorf("plan: %+v, %v", plan, err)
	}
	status, err := c.ReleaseProject(t.Context(), project, "they reprocessed")
	if err != nil || status.BrakeAt != nil {
		t.Errorf("release: %+v, %v", status, err)
	}
	if _, err := c.ReleaseProject(t.Context(), project, "again"); !errors.Is(err, fault.Conflict) {
		t.Errorf("release again: %v", err)
	}
	s.discovered(ledger.OutcomeRefused, "", "no such column")
	s.discovered(ledger.OutcomeRefused, "", "no such column")
	if got := codes(); !slices.Equal(got, []string{"metrics_port", discovery.ProblemQuarantine}) {
		t.Errorf("problems: %v", got)
	}
}

func TestTicksAreListedNewestFirstAPageAtATime(t *testing.T) {
	c, _ := registered(t)
	began := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	must(t, c.Ledger().Write(t.Context(), func(tx *ledger.Tx) error {
		for i, kind := range []string{ledger.TickDiscovery, ledger.TickExecution, ledger.TickDiscovery} {
			_, err := tx.RecordTickRun(ledger.TickRun{
				Project: project, Kind: kind, Reason: "no_sources_due", BeganAt: began.Add(time.Duration(i) * time.Minute), EndedAt: began,
				Counters: map[string]int{"changed": i}, Sources: []ledger.TickSource{{Identifier: "A", Outcome: "changed", Text: "+1 SBID"}},
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	page, err := c.ListTicks(t.Context(), control.TickQuery{Project: project, Limit: 2})
	if err != nil || len(page.Ticks) != 2 || !page.More || page.Ticks[0].ID <= page.Ticks[1].ID || len(page.Now) != 2 {
		t.Fatalf("the first page: %+v, %v", page, err)
	}
	rest, err := c.ListTicks(t.Context(), control.TickQuery{Project: project, Limit: 2, Before: page.Ticks[1].ID})
	if err != nil || len(rest.Ticks) != 1 || rest.More {
		t.Errorf("the second page: %+v, %v", rest, err)
	}
	one, err := c.ListTicks(t.Context(), control.TickQuery{Kind: ledger.TickExecution})
	if err != nil || len(one.Ticks) != 1 || len(one.Now) != 1 {
		t.Errorf("of one kind: %+v, %v", one, err)
	}
	shown, err := c.ShowTick(t.Context(), page.Ticks[0].ID)
	if err != nil || shown.Tick.Counters["changed"] != 2 || len(shown.Tick.Sources) != 1 || shown.Tick.Sources[0].Text != "+1 SBID" {
		t.Errorf("one: %+v, %v", shown, err)
	}
	if _, err := c.ListTicks(t.Context(), control.TickQuery{Kind: "nightly"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("an unknown kind: %v", err)
	}
}

func TestAPlanSaysWhatTheNextTicksWouldDoAndWritesNothing(t *testing.T) {
	c, s := registered(t)
	_, err := c.StartProject(t.Context(), project, "go")
	must(t, err)
	s.discovered(ledger.OutcomeChanged, "s1", "")
	before, err := c.Ledger().View(t.Context()).CountEvents()
	must(t, err)
	plan, err := c.Plan(t.Context(), "")
	must(t, err)
	p := plan.Projects[0]
	if p.Discovery.Due != 1 || !slices.Equal(p.Discovery.First, []string{"B"}) || p.Execution.Pending != 1 || len(p.Executions) != 0 || plan.Poll.Executions != 0 {
		t.Errorf("%+v", plan)
	}
	after, err := c.Ledger().View(t.Context()).CountEvents()
	if err != nil || after != before {
		t.Errorf("%d events were written, %v", after-before, err)
	}
	if ticks, err := c.ListTicks(t.Context(), control.TickQuery{}); err != nil || len(ticks.Ticks) != 0 {
		t.Errorf("ticks were recorded: %+v, %v", ticks, err)
	}
}

func TestAPlanNamesTheArchivesThatTheDaemonCouldNotAsk(t *testing.T) {
	c, _ := registered(t)
	must(t, c.Ledger().Write(t.Context(), func(tx *ledger.Tx) error {
		return tx.SetProblems([]ledger.Problem{
			{Code: discovery.ProblemArchive, Subject: "casda", Severity: "warning"},
			{Code: discovery.ProblemArchive, Subject: "vizier", Severity: "warning"}, // the project does not ask it
			{Code: "tick_failed", Subject: "casda", Severity: "error"},
		})
	}))
	plan, err := c.Plan(t.Context(), project)
	must(t, err)
	if p := plan.Projects[0].Archives; len(p) != 1 || p[0].Subject != "casda" || p[0].Code != discovery.ProblemArchive {
		t.Errorf("%+v", p)
	}
}

func TestNewDataSettlesBeforeItIsRun(t *testing.T) {
	c := newControlOf(t, strings.Replace(text, "settle_hours: 0", "settle_hours: 2", 1))
	_, err := c.AddSources(t.Context(), project, []string{"A"})
	must(t, err)
	story{t, c}.discovered(ledger.OutcomeChanged, "s1", "")
	w, err := c.WhySource(t.Context(), project, "A")
	must(t, err)
	if w.State != "settling" || w.SettledAt == nil || w.SettledAt.Sub(*w.Source.SignatureSince) != 2*time.Hour || !strings.Contains(w.Sentence, "automation.execution.settle_hours") {
		t.Errorf("%s: %s, settled at %v", w.State, w.Sentence, w.SettledAt)
	}
	if !slices.Equal(w.Next, []string{"beampipe project start survey"}) {
		t.Errorf("to do: %q", w.Next)
	}
}
