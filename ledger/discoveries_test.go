package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

// told says of a source what a discovery may change.
func told(s Source) string {
	text := fmt.Sprintf("%s %s %s", s.LastOutcome, s.Signature, s.SignatureRule)
	if s.Pending {
		text += " pending since " + s.PendingAt.Format("15:04")
	}
	if s.LastExecutedSignature != "" {
		text += " executed " + s.LastExecutedSignature
	}
	if s.MissingSince != nil {
		text += " missing since " + s.MissingSince.Format("15:04")
	}
	if s.Failures > 0 {
		text += fmt.Sprintf(" failures %d: %s", s.Failures, s.LastError)
	}
	return text
}

// visit is one discovery; the clock moves on by an hour after it.
type visit struct {
	outcome, signature string
	edit               func(*Discovery)
	want, events       string
}

func failing(text string) func(*Discovery) { return func(d *Discovery) { d.Error = text } }

func gone(sbids ...string) func(*Discovery) {
	return func(d *Discovery) {
		for _, sbid := range sbids {
			d.Changes = append(d.Changes, Change{Kind: "sbid_gone", SBID: sbid})
		}
	}
}

func shows(sbids ...string) func(*Discovery) {
	return func(d *Discovery) {
		d.Metadata = nil
		for _, sbid := range sbids {
			d.Metadata = append(d.Metadata, shown(sbid))
		}
	}
}

func underRule(rule string) func(*Discovery) { return func(d *Discovery) { d.Rule = rule } }

func TestDiscoveriesOfOneSource(t *testing.T) {
	first := visit{OutcomeChanged, "s1", nil, "changed s1 r1 pending since 04:00", "discovery.changed"}
	for name, visits := range map[string][]visit{
		"unchanged keeps the wish for a run and writes no event": {
			first, {OutcomeUnchanged, "s1", nil, "unchanged s1 r1 pending since 04:00", ""},
		},
		"changed again waits since the first change": {
			first, {OutcomeChanged, "s2", nil, "changed s2 r1 pending since 04:00", "discovery.changed"},
		},
		"no data is told once and keeps nothing waiting": {
			{OutcomeNoData, "none", nil, "no_data none r1", "discovery.no_data"},
			{OutcomeNoData, "none", nil, "no_data none r1", ""},
			{OutcomeChanged, "s1", nil, "changed s1 r1 pending since 06:00", "discovery.changed"},
		},
		"the same failure again is no second event": {
			first,
			{OutcomeError, "", failing("timeout"), "error s1 r1 pending since 04:00 failures 1: timeout", "discovery.error"},
			{OutcomeError, "", failing("timeout"), "error s1 r1 pending since 04:00 failures 2: timeout", ""},
			{OutcomeError, "", failing("status 500"), "error s1 r1 pending since 04:00 failures 3: status 500", "discovery.error"},
			{OutcomeAmbiguous, "", failing("rows of Ab"), "ambiguous s1 r1 pending since 04:00 failures 4: rows of Ab", "discovery.ambiguous"},
			{OutcomeUnchanged, "s1", nil, "unchanged s1 r1 pending since 04:00", "discovery.unchanged"},
		},
		"an answer that cannot be used is told like a failure": {
			first,
			{OutcomeRefused, "", failing("no such column"), "refused s1 r1 pending since 04:00 failures 1: no such column", "discovery.refused"},
			{OutcomeRefused, "", failing("no such column"), "refused s1 r1 pending since 04:00 failures 2: no such column", ""},
			{OutcomeError, "", failing("timeout"), "error s1 r1 pending since 04:00 failures 3: timeout", "discovery.error"},
			{OutcomeUnchanged, "s1", nil, "unchanged s1 r1 pending since 04:00", "discovery.unchanged"},
		},
		"missing keeps the signature and is told again only when more is gone": {
			first,
			{OutcomeMissing, "", gone("100"), "missing s1 r1 pending since 04:00 missing since 05:00", "discovery.missing"},
			{OutcomeMissing, "", gone("100"), "missing s1 r1 pending since 04:00 missing since 05:00", ""},
			{OutcomeMissing, "", nil, "missing s1 r1 pending since 04:00 missing since 05:00", ""},
			{OutcomeMissing, "", gone("100", "200"), "missing s1 r1 pending since 04:00 missing since 05:00", "discovery.missing"},
			{OutcomeUnchanged, "s1", nil, "unchanged s1 r1 pending since 04:00", "discovery.unchanged"},
		},
		"under a new rule the same data is signed again and no run is asked for": {
			{OutcomeNoData, "none", nil, "no_data none r1", "discovery.no_data"},
			{OutcomeUnchanged, "none2", underRule("r2"), "unchanged none2 r2", "discovery.resigned"},
		},
		"a column that appears is told": {
			{OutcomeChanged, "s1", func(d *Discovery) { d.Columns = []string{"obs_title"} }, "changed s1 r1 pending since 04:00", "discovery.changed discovery.new_columns"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.source("A")
			for i, v := range visits {
				before := f.head()
				edit := v.edit
				if edit == nil {
					edit = func(*Discovery) {}
				}
				s := f.discover("A", v.outcome, v.signature, edit)
				if got := told(s); got != v.want {
					t.Errorf("visit %d: %s, want %s", i, got, v.want)
				}
				if got := f.eventTypes(before); got != v.events {
					t.Errorf("visit %d: events %q, want %q", i, got, v.events)
				}
				f.clock.forward(time.Hour)
			}
			verify(t, f.Ledger)
		})
	}
}

// marks tells what is known of a source: per SBID its records, and since when it is missing.
func marks(f *fixture, name string) string {
	f.Helper()
	list, err := f.view().Metadata(f.source(name).ID)
	if err != nil {
		f.Fatal(err)
	}
	var parts []string
	for _, m := range list {
		part := fmt.Sprintf("%s:%d", m.SBID, len(m.Records))
		if m.MissingSince != nil {
			part += " missing since " + m.MissingSince.Format("15:04")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func TestWhatAnArchiveNoLongerShowsIsKeptAndMarked(t *testing.T) {
	f := newFixture(t)
	for i, tt := range []struct {
		outcome, signature string
		edit               func(*Discovery)
		want               string
	}{
		{OutcomeChanged, "s1", shows("100", "200"), "100:1, 200:1"},
		{OutcomeMissing, "", gone("100"), "100:1 missing since 05:00, 200:1"},
		{OutcomeMissing, "", gone("100", "200"), "100:1 missing since 05:00, 200:1 missing since 06:00"},
		{OutcomeError, "", failing("x"), "100:1 missing since 05:00, 200:1 missing since 06:00"},
		{OutcomeUnchanged, "s1", shows("100", "200"), "100:1, 200:1"},
		{OutcomeChanged, "s2", shows("200", "300"), "100:1 missing since 09:00, 200:1, 300:1"},
		{OutcomeUnchanged, "s2", func(d *Discovery) { d.Metadata = nil }, "100:1 missing since 09:00, 200:1, 300:1"},
		{OutcomeChanged, "s3", func(d *Discovery) { d.Metadata = nil }, "100:1 missing since 09:00, 200:1, 300:1"},
	} {
		f.discover("A", tt.outcome, tt.signature, tt.edit)
		if got := marks(f, "A"); got != tt.want {
			t.Errorf("visit %d (%s): %s, want %s", i, tt.outcome, got, tt.want)
		}
		f.clock.forward(time.Hour)
	}
}

func TestMetadataAnswersAndChangesComeBackAsTheyWereStored(t *testing.T) {
	f := newFixture(t)
	changes := []Change{{Kind: "dataset_added", SBID: "100", Dataset: "a.tar"}, {Kind: "flag_changed", Field: "complete", Before: false, After: true}}
	s := f.discover("A", OutcomeChanged, "s1", func(d *Discovery) {
		d.Changes, d.Answer, d.Report = changes, []byte(`{"rows":[["<&>"]]}`), map[string]any{"took": "1s"}
	})
	answer, digest, err := f.view().Answer(s.ID)
	if err != nil || string(answer) != `{"rows":[["<&>"]]}` || len(digest) != 64 {
		t.Errorf("answer %s %s %v", answer, digest, err)
	}
	list, err := f.view().Changes(s.ID, 10)
	want := []ChangeSet{{At: f.Now(), Outcome: OutcomeChanged, After: "s1", Changes: changes}}
	if diff := cmp.Diff(want, list); diff != "" || err != nil {
		t.Errorf("changes (-want +got): %v\n%s", err, diff)
	}
	meta, err := f.view().Metadata(s.ID)
	wantMeta := []Metadata{{SBID: "100", Records: shown("100").Records, Flags: shown("100").Flags, FirstSeenAt: f.Now(), ChangedAt: f.Now()}}
	if diff := cmp.Diff(wantMeta, meta); diff != "" || err != nil {
		t.Errorf("metadata (-want +got): %v\n%s", err, diff)
	}
	if s.Report != `{"took":"1s"}` {
		t.Errorf("report %s", s.Report)
	}
	if answer, _, err := f.view().Answer(4711); answer != nil || err != nil {
		t.Errorf("an answer that is not there: %q %v", answer, err)
	}
}

func TestChangedBackToWhatWasExecutedNeedsNoRun(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	f.walk(f.admit("A"), pathTo(Completed)...)
	if s := f.discover("A", OutcomeChanged, "s2"); !s.Pending {
		t.Error("new data, but no run is asked for")
	}
	if s := f.discover("A", OutcomeChanged, "s1"); s.Pending {
		t.Error("the data that was executed is back, and a run is asked for")
	}
	// The same while an execution of the other data is not yet submitted: it is cancelled, nothing waits.
	f.discover("A", OutcomeChanged, "s2")
	e := f.walk(f.admit("A"), EventPrepare)
	s := f.discover("A", OutcomeChanged, "s1")
	if e = f.reread(e); e.State != Cancelled || s.Pending {
		t.Errorf("the execution is %s, the source pending %v", e.State, s.Pending)
	}
}

func TestNewDataSupersedesAnExecutionThatIsNotSubmitted(t *testing.T) {
	for _, state := range allStates {
		t.Run(string(state), func(t *testing.T) {
			f := newFixture(t)
			f.discover("A", OutcomeChanged, "s1")
			f.discover("B", OutcomeChanged, "t1")
			e := f.walk(f.admit("A", "B"), pathTo(state)...)
			s := f.discover("A", OutcomeChanged, "s2")
			got := f.reread(e)
			if !s.Pending {
				t.Error("the source does not wait for a run of its new data")
			}
			if state.Terminal() || state.Submitted() {
				if got.State != state || got.Version != e.Version {
					t.Errorf("it is %s", got.State)
				}
				return
			}
			if got.State != Cancelled || !f.source("B").Pending {
				t.Errorf("it is %s, the other source is pending: %v", got.State, f.source("B").Pending)
			}
			events, err := f.view().Events(EventFilter{Execution: e.ID, Newest: true, Limit: 1})
			if err != nil || !strings.Contains(string(events[0].Payload), "superseded") {
				t.Errorf("%s %v", events[0].Payload, err)
			}
			if next := f.admit("A", "B"); next.State != Pending || next.Sources[0].Signature != "s2" {
				t.Errorf("the next execution: %+v", next)
			}
		})
	}
}

func TestDataThatIsBackToWhatTheExecutionWasMadeFromIsNotAskedForAgain(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.walk(f.admit("A"), pathTo(Uncertain)...)
	if s := f.discover("A", OutcomeChanged, "s2"); !s.Pending {
		t.Error("new data, but no run is asked for")
	}
	e = f.walk(e, EventAbsent) // ready again, so it could be superseded
	if s := f.discover("A", OutcomeChanged, "s1"); s.Pending {
		t.Error("the execution is made from this data, and another run is asked for")
	}
	if got := f.reread(e); got.State != Ready {
		t.Errorf("it is %s", got.State)
	}
}

func TestANewRuleCarriesWhatWasExecutedAlong(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	f.walk(f.admit("A"), pathTo(Completed)...)
	if got := told(f.discover("A", OutcomeUnchanged, "s1-r2", underRule("r2"))); got != "unchanged s1-r2 r2 executed s1-r2" {
		t.Error(got)
	}
	f.discover("A", OutcomeChanged, "s2-r2", underRule("r2"))
	if got := told(f.discover("A", OutcomeUnchanged, "s2-r3", underRule("r3"))); got != "unchanged s2-r3 r3 pending since 04:00 executed s1-r2" {
		t.Error(got)
	}
}

func TestALostClaimStoresNothing(t *testing.T) {
	f := newFixture(t)
	s := f.source("A")
	var lost Claim
	f.write(func(tx *Tx) (err error) {
		lost, _, err = tx.TryClaim(ClaimDiscovery, SourceSubject(s.ID), "slow", "b", time.Minute)
		return err
	})
	f.clock.forward(time.Hour)
	f.discover("A", OutcomeChanged, "s1") // another one took it over
	before, want := f.head(), told(f.source("A"))
	for _, outcome := range []string{OutcomeChanged, OutcomeUnchanged, OutcomeNoData, OutcomeMissing, OutcomeGone, OutcomeError, OutcomeAmbiguous, OutcomeRefused} {
		err := f.try(func(tx *Tx) error {
			return tx.StoreDiscovery(Discovery{Source: s, Claim: lost, Outcome: outcome, Signature: "old", NextDue: tx.Now()})
		})
		wantKind(t, err, fault.Conflict, "was lost")
	}
	if got := told(f.source("A")); got != want || f.head() != before {
		t.Errorf("%s, %d events more", got, f.head()-before)
	}
}

func TestADiscoveryThatMakesNoSenseStoresNothing(t *testing.T) {
	f := newFixture(t)
	a, b := f.source("A"), f.source("B")
	before := f.head()
	for name, edit := range map[string]func(*Discovery){
		"unknown outcome":        func(d *Discovery) { d.Outcome = "fine" },
		"claim of another":       func(d *Discovery) { d.Source = b },
		"report that is no JSON": func(d *Discovery) { d.Report = func() {} },
	} {
		err := f.try(func(tx *Tx) error {
			c, _, err := tx.TryClaim(ClaimDiscovery, SourceSubject(a.ID), "w", "b", time.Hour)
			if err != nil {
				return err
			}
			d := Discovery{Source: a, Claim: c, Outcome: OutcomeChanged, Signature: "s1"}
			edit(&d)
			return tx.StoreDiscovery(d)
		})
		if err == nil || f.head() != before || told(f.source("A")) != "  " {
			t.Errorf("%s: %v, source %q", name, err, told(f.source("A")))
		}
	}
}

func TestTheFirstRuleOfARevisionStands(t *testing.T) {
	f := newFixture(t)
	if _, ok, err := f.view().SignatureRule(project, 1); ok || err != nil {
		t.Errorf("a rule before the first discovery: %v %v", ok, err)
	}
	for i, want := range []string{"first", "first"} {
		f.write(func(tx *Tx) error {
			got, err := tx.SetSignatureRule(Rule{ID: []string{"first", "second"}[i], Project: project, Revision: 1, Content: []byte(`{}`)})
			if got.ID != want {
				t.Errorf("rule %q, want %q", got.ID, want)
			}
			return err
		})
	}
}

// reread reads an execution again.
func (f *fixture) reread(e Execution) Execution {
	f.Helper()
	got, err := f.view().Execution(e.ID)
	if err != nil {
		f.Fatal(err)
	}
	return got
}

func quarantineAfter(n int) func(*Discovery) { return func(d *Discovery) { d.QuarantineAfter = n } }
