package ledger

import (
	"testing"
	"time"

	"beampipe/fault"
)

func TestASourceMayHaveACadenceOfItsOwn(t *testing.T) {
	hours := func(n int) *int { return &n }
	for name, tt := range map[string]struct {
		was, set *int
		edit     func(*Discovery)
		outcome  string
		changed  bool
		due      time.Duration // after the discovery, which says 24 h
	}{
		"shorter":                      {nil, hours(2), nil, OutcomeChanged, true, 2 * time.Hour},
		"longer":                       {nil, hours(100), nil, OutcomeChanged, true, 24 * time.Hour},
		"the same":                     {hours(2), hours(2), nil, OutcomeChanged, false, 24 * time.Hour},
		"the project's again":          {hours(2), nil, nil, OutcomeChanged, true, 24 * time.Hour},
		"it has none":                  {nil, nil, nil, OutcomeChanged, false, 24 * time.Hour},
		"a failing one keeps its wait": {nil, hours(2), nil, OutcomeError, true, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.source("A")
			set := func(n *int) (changed bool) {
				f.write(func(tx *Tx) (err error) {
					changed, err = tx.SetCadence(project, "A", n, "variable", person)
					return err
				})
				return changed
			}
			set(tt.was)
			at := f.Now()
			f.discover("A", tt.outcome, "s1", func(d *Discovery) { d.NextDue = at.Add(24 * time.Hour) })
			f.clock.forward(time.Hour)
			before := f.head()
			if got := set(tt.set); got != tt.changed || (f.eventTypes(before) == "source.cadence") != tt.changed {
				t.Errorf("changed %v, events %s", got, f.eventTypes(before))
			}
			s := f.source("A")
			if (s.StaleAfterHours == nil) != (tt.set == nil) || (tt.set != nil && *s.StaleAfterHours != *tt.set) {
				t.Errorf("it is %v", s.StaleAfterHours)
			}
			if got := s.NextDueAt.Sub(at); got != tt.due {
				t.Errorf("due after %v, want %v", got, tt.due)
			}
		})
	}
	f := newFixture(t)
	for _, bad := range []int{0, -1, MaxStaleHours + 1} {
		err := f.try(func(tx *Tx) error { _, err := tx.SetCadence(project, "A", &bad, "", person); return err })
		wantKind(t, err, fault.Invalid, "expected 1 to 8760")
	}
	err := f.try(func(tx *Tx) error { _, err := tx.SetCadence(project, "none", hours(1), "", person); return err })
	wantKind(t, err, fault.NotFound)
}

func TestWhatWasAskedForWhileADiscoveryWentOnIsDueAfterIt(t *testing.T) {
	for name, ask := range map[string]func(f *fixture, tx *Tx, s Source) error{
		"a request": func(_ *fixture, tx *Tx, s Source) error { return tx.RequestDiscovery(s, person) },
		"a new config": func(_ *fixture, tx *Tx, _ Source) error {
			_, _, err := tx.AddConfig(NewConfig{Project: project, Digest: "c2", Spec: []byte("{}"), File: []byte("x")}, person)
			return err
		},
	} {
		for _, outcome := range []string{OutcomeChanged, OutcomeUnchanged, OutcomeNoData, OutcomeMissing, OutcomeGone, OutcomeRefused, OutcomeError} {
			t.Run(name+", "+outcome, func(t *testing.T) {
				f := newFixture(t)
				f.discover("A", OutcomeRefused, "", failing("x"))
				f.clock.forward(2 * time.Hour)
				f.write(func(tx *Tx) error {
					sources, claims, err := tx.ClaimDueSources(project, 1, "o", "b", time.Hour)
					if err != nil {
						return err
					}
					if err := ask(f, tx, sources[0]); err != nil {
						return err
					}
					return tx.StoreDiscovery(Discovery{Source: sources[0], Claim: claims[0], Outcome: outcome, Signature: "s1", Rule: "r1", NextDue: tx.Now().Add(time.Hour)})
				})
				if s := f.source("A"); !s.NextDueAt.Equal(f.Now()) {
					t.Errorf("due at %v, it is %v", s.NextDueAt, f.Now())
				}
				s := f.discover("A", outcome, "s1")
				if want := f.Now().Add(time.Hour); !s.NextDueAt.Equal(want) {
					t.Errorf("the next time it is due at %v, want %v", s.NextDueAt, want)
				}
			})
		}
	}
}

func TestDataIsSettledWhenItWasShownUnchangedForLongEnough(t *testing.T) {
	at := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	times := func(since, checked time.Duration) Source {
		a, b := at.Add(since), at.Add(checked)
		return Source{SignatureSince: &a, LastCheckedAt: &b}
	}
	for name, tt := range map[string]struct {
		s      Source
		settle time.Duration
		want   bool
	}{
		"just seen":              {times(0, 0), time.Hour, false},
		"seen again too soon":    {times(0, time.Hour-time.Millisecond), time.Hour, false},
		"seen again in time":     {times(0, time.Hour), time.Hour, true},
		"nothing to wait for":    {times(0, 0), 0, true},
		"a negative wait":        {Source{}, -time.Hour, true},
		"never seen":             {Source{}, time.Hour, false},
		"no answer since":        {Source{SignatureSince: &at}, time.Hour, false},
		"a clock that went back": {times(time.Hour, 0), time.Hour, false},
	} {
		if got := tt.s.Settled(tt.settle); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestASignatureIsAsOldAsItsData(t *testing.T) {
	f := newFixture(t)
	since := func(s Source) string { return s.SignatureSince.Format("15:04") }
	for i, v := range []struct{ outcome, signature, want string }{
		{OutcomeNoData, "none", "04:00"},
		{OutcomeNoData, "none", "04:00"},
		{OutcomeChanged, "s1", "06:00"},
		{OutcomeUnchanged, "s1", "06:00"},
		{OutcomeUnchanged, "s1-r2", "06:00"}, // signed again under another rule
		{OutcomeError, "", "06:00"},
		{OutcomeMissing, "", "06:00"},
		{OutcomeChanged, "s2", "11:00"},
	} {
		if got := since(f.discover("A", v.outcome, v.signature)); got != v.want {
			t.Errorf("visit %d (%s): since %s, want %s", i, v.outcome, got, v.want)
		}
		f.clock.forward(time.Hour)
	}
}
