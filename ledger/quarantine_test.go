package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
)

func TestASourceWhoseAnswersCannotBeUsedIsQuarantined(t *testing.T) {
	for name, tt := range map[string]struct {
		outcomes []string
		after    int
		refusals int
		at       int // the visit that quarantines it, from 1; 0 = none
	}{
		"refused":                    {[]string{OutcomeRefused, OutcomeRefused, OutcomeRefused}, 3, 3, 3},
		"ambiguous and refused":      {[]string{OutcomeAmbiguous, OutcomeRefused, OutcomeAmbiguous}, 3, 3, 3},
		"not often enough":           {[]string{OutcomeRefused, OutcomeRefused}, 3, 2, 0},
		"it could not be asked":      {[]string{OutcomeError, OutcomeError, OutcomeError, OutcomeError}, 3, 0, 0},
		"with failures in between":   {[]string{OutcomeRefused, OutcomeError, OutcomeRefused}, 2, 2, 3},
		"an answer in between":       {[]string{OutcomeRefused, OutcomeUnchanged, OutcomeRefused}, 2, 1, 0},
		"missing data is an answer":  {[]string{OutcomeRefused, OutcomeMissing, OutcomeRefused}, 2, 1, 0},
		"never":                      {[]string{OutcomeRefused, OutcomeRefused, OutcomeRefused}, 0, 3, 0},
		"it stays so while it fails": {[]string{OutcomeRefused, OutcomeRefused, OutcomeError}, 1, 2, 1},
		"an answer releases it":      {[]string{OutcomeRefused, OutcomeUnchanged}, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			begin := f.head()
			for _, outcome := range tt.outcomes {
				f.clock.forward(time.Hour)
				f.discover("A", outcome, "s1", failing("no such column"), quarantineAfter(tt.after))
			}
			s := f.source("A")
			at := 0
			if s.QuarantinedAt != nil {
				at = s.QuarantinedAt.Hour() - 4
			}
			if s.Refusals != tt.refusals || at != tt.at {
				t.Errorf("%d refusals, quarantined at visit %d; want %d and %d", s.Refusals, at, tt.refusals, tt.at)
			}
			events := f.eventTypes(begin)
			if n := strings.Count(events, "source.quarantined") - strings.Count(events, "source.released"); (n == 1) != (tt.at > 0) || n > 1 {
				t.Errorf("events %s", events)
			}
			verify(t, f.Ledger)
		})
	}
}

func TestAQuarantinedSourceIsNotClaimedUntilItIsReleased(t *testing.T) {
	f := newFixture(t)
	f.source("B")
	f.discover("A", OutcomeRefused, "", failing("no such column"), quarantineAfter(1))
	f.clock.forward(48 * time.Hour)
	due := func() (names []string) {
		f.write(func(tx *Tx) error {
			list, claims, err := tx.ClaimDueSources(project, 10, "o", "b", time.Hour)
			for i, s := range list {
				names = append(names, s.Identifier)
				if err == nil {
					err = tx.ReleaseClaim(claims[i])
				}
			}
			return err
		})
		if n, err := f.view().CountDueSources(project, 10); n != len(names) || err != nil {
			t.Errorf("%d are due, %d are claimed, %v", n, len(names), err)
		}
		return names
	}
	if got := fmt.Sprint(due()); got != "[B]" {
		t.Errorf("claimed %s", got)
	}
	yes, no := true, false
	for want, filter := range map[string]*bool{"A": &yes, "B": &no} {
		list, err := f.view().Sources(SourceFilter{Project: project, Quarantined: filter})
		if err != nil || len(list) != 1 || list[0].Identifier != want {
			t.Errorf("quarantined %v: %v %v", *filter, list, err)
		}
	}
	if n, err := f.view().CountQuarantined(project); n != 1 || err != nil {
		t.Errorf("%d in quarantine, %v", n, err)
	}
	release := func(name string) (released bool) {
		f.write(func(tx *Tx) (err error) {
			released, err = tx.ReleaseSource(project, name, "its name was corrected", person)
			return err
		})
		return released
	}
	before := f.head()
	if !release("A") || release("A") || release("B") || f.eventTypes(before) != "source.released" {
		t.Errorf("events %s", f.eventTypes(before))
	}
	if s := f.source("A"); s.QuarantinedAt != nil || s.Refusals != 0 || s.Failures != 0 || !s.NextDueAt.Equal(f.Now()) || s.LastError == "" {
		t.Errorf("%+v", s)
	}
	if got := fmt.Sprint(due()); got != "[B A]" {
		t.Errorf("claimed %s", got)
	}
	err := f.try(func(tx *Tx) error { _, err := tx.ReleaseSource(project, "none", "", person); return err })
	wantKind(t, err, fault.NotFound)
}

func TestASourceThatIsRegisteredAgainIsAskedAgain(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeRefused, "", failing("no such column"), quarantineAfter(1))
	f.write(func(tx *Tx) error {
		if err := tx.RemoveSource(project, "A", "a slip", person); err != nil {
			return err
		}
		_, err := tx.RegisterSource(project, "A", person)
		return err
	})
	if n, err := f.view().CountDueSources(project, 10); n != 1 || err != nil {
		t.Errorf("%d due, %v", n, err)
	}
}

func TestANewConfigGivesRefusedSourcesAnotherTry(t *testing.T) {
	f := newFixture(t)
	add := func(digest string) {
		f.write(func(tx *Tx) error {
			_, _, err := tx.AddConfig(NewConfig{Project: project, Digest: digest, Spec: []byte("{}"), File: []byte("x")}, person)
			return err
		})
	}
	later := func(d *Discovery) { d.NextDue = d.NextDue.Add(100 * time.Hour) }
	f.discover("quarantined", OutcomeRefused, "", failing("x"), later, quarantineAfter(1))
	f.discover("refused", OutcomeRefused, "", failing("x"), later)
	f.discover("ambiguous", OutcomeAmbiguous, "", failing("x"), later)
	f.discover("failed", OutcomeError, "", failing("x"), later)
	f.discover("well", OutcomeChanged, "s1", later)
	f.clock.forward(time.Hour)

	add("c1") // the config that is active: no change
	if s := f.source("quarantined"); s.QuarantinedAt == nil {
		t.Error("the same config again has released a source")
	}
	before := f.head()
	add("c2")
	if got := f.eventTypes(before); got != "config.activated source.released" {
		t.Errorf("events %s", got)
	}
	for name, due := range map[string]bool{"quarantined": true, "refused": true, "ambiguous": true, "failed": false, "well": false} {
		s := f.source(name)
		if got := !s.NextDueAt.After(f.Now()); got != due || s.QuarantinedAt != nil || s.Refusals != 0 {
			t.Errorf("%s: due %v, %+v", name, got, s)
		}
	}
}

func TestEnabledSourcesAreCountedWhateverChangesThem(t *testing.T) {
	f := newFixture(t)
	db := f.raw()
	steps := []struct {
		name string
		do   func()
		want int
	}{
		{"registered", func() { f.source("A"); f.source("B"); f.source("C") }, 3},
		{"registered again", func() { f.source("A") }, 3},
		{"disabled", func() {
			f.write(func(tx *Tx) error { _, err := tx.SetEnabled(project, "A", false, "", person); return err })
		}, 2},
		{"disabled and removed", func() { f.write(func(tx *Tx) error { return tx.RemoveSource(project, "A", "", person) }) }, 2},
		{"removed", func() { f.write(func(tx *Tx) error { return tx.RemoveSource(project, "B", "", person) }) }, 1},
		{"both back", func() {
			f.write(func(tx *Tx) error {
				for _, name := range []string{"A", "B"} {
					if _, err := tx.RegisterSource(project, name, person); err != nil {
						return err
					}
				}
				return nil
			})
		}, 3},
		{"plain SQL", func() {
			if _, err := db.Exec("UPDATE sources SET enabled = 0; DELETE FROM sources WHERE identifier = 'C'; UPDATE sources SET enabled = 1 WHERE identifier = 'A'"); err != nil {
				t.Fatal(err)
			}
		}, 1},
	}
	for _, s := range steps {
		s.do()
		if n, err := f.view().CountEnabled(project); n != s.want || err != nil {
			t.Errorf("%s: %d, %v; want %d", s.name, n, err, s.want)
		}
	}
	if n, err := f.view().CountEnabled("none"); n != 0 || err != nil {
		t.Errorf("a project that is not there: %d %v", n, err)
	}
}
