package ledger

import (
	"strings"
	"testing"
	"time"

	"beampipe/fault"
)

// left says of a missing discovery that what is shown now has this digest.
func left(digest string) func(*Discovery) {
	return func(d *Discovery) {
		d.Changes, d.GoneDigest = []Change{{Kind: "sbid_gone", SBID: "100"}}, digest
	}
}

func TestAnswersThatAgreeOnWhatIsLeftAreCounted(t *testing.T) {
	for name, tt := range map[string]struct {
		visits []func(f *fixture)
		want   int // answers
		since  string
	}{
		"the same three times":          {[]func(f *fixture){missing("d1"), missing("d1"), missing("d1")}, 3, "05:00"},
		"other data is left":            {[]func(f *fixture){missing("d1"), missing("d1"), missing("d2")}, 1, "07:00"},
		"back to the first":             {[]func(f *fixture){missing("d1"), missing("d2"), missing("d1")}, 1, "07:00"},
		"nothing is left":               {[]func(f *fixture){missing(""), missing("")}, 2, "05:00"},
		"a failure in between":          {[]func(f *fixture){missing("d1"), visitOf(OutcomeError, ""), missing("d1")}, 2, "05:00"},
		"an unusable answer in between": {[]func(f *fixture){missing("d1"), visitOf(OutcomeRefused, ""), missing("d1")}, 2, "05:00"},
		"it was back in between":        {[]func(f *fixture){missing("d1"), visitOf(OutcomeUnchanged, "s1"), missing("d1")}, 1, "07:00"},
		"it is back":                    {[]func(f *fixture){missing("d1"), visitOf(OutcomeUnchanged, "s1")}, 0, ""},
		"it has changed":                {[]func(f *fixture){missing("d1"), visitOf(OutcomeChanged, "s2")}, 0, ""},
		"it is accepted as gone":        {[]func(f *fixture){missing("d1"), visitOf(OutcomeGone, "s2")}, 0, ""},
		"there is no data":              {[]func(f *fixture){missing("d1"), visitOf(OutcomeNoData, "none")}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.discover("A", OutcomeChanged, "s1")
			for _, visit := range tt.visits {
				f.clock.forward(time.Hour)
				visit(f)
			}
			s := f.source("A")
			since := ""
			if s.GoneSince != nil {
				since = s.GoneSince.Format("15:04")
			}
			if s.GoneAnswers != tt.want || since != tt.since || (s.GoneDigest != "" && tt.want == 0) {
				t.Errorf("%d answers since %q of %q, want %d since %q", s.GoneAnswers, since, s.GoneDigest, tt.want, tt.since)
			}
		})
	}
}

func missing(digest string) func(f *fixture) {
	return func(f *fixture) { f.discover("A", OutcomeMissing, "", left(digest)) }
}

func visitOf(outcome, signature string) func(f *fixture) {
	return func(f *fixture) { f.discover("A", outcome, signature) }
}

func TestGoneAsksForNoRun(t *testing.T) {
	const kept = "100:1, 200:1 missing since 05:00"
	for name, tt := range map[string]struct {
		before func(f *fixture) // what happened to s1, of SBIDs 100 and 200
		shown  []string         // what is left
		want   string           // of the source
		events string
	}{
		"it was executed": {
			func(f *fixture) { f.walk(f.admit("A"), pathTo(Completed)...) },
			[]string{"100"},
			"gone s2 r1 executed s2", "discovery.gone",
		},
		"it was executed, and nothing is left": {
			func(f *fixture) { f.walk(f.admit("A"), pathTo(Completed)...) },
			nil, "gone s2 r1 executed s2", "discovery.gone",
		},
		"it waits for its first run": {
			func(*fixture) {}, []string{"100"}, "gone s2 r1 pending since 04:00", "discovery.gone",
		},
		"it waits, and nothing is left": {
			func(*fixture) {}, nil, "gone s2 r1", "discovery.gone",
		},
		"its run was cancelled": {
			func(f *fixture) { f.walk(f.admit("A"), EventCancel) },
			[]string{"100"},
			"gone s2 r1", "discovery.gone",
		},
		"its execution is not submitted: it waits again, for what is left": {
			func(f *fixture) { f.walk(f.admit("A"), EventPrepare) },
			[]string{"100"},
			"gone s2 r1 pending since 06:00", "discovery.gone execution.cancel",
		},
		"its execution is not submitted, and nothing is left": {
			func(f *fixture) { f.walk(f.admit("A"), EventPrepare) },
			nil, "gone s2 r1", "discovery.gone execution.cancel",
		},
		"its execution runs": {
			func(f *fixture) { f.walk(f.admit("A"), pathTo(Running)...) },
			[]string{"100"},
			"gone s2 r1", "discovery.gone",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.discover("A", OutcomeChanged, "s1", shows("100", "200"))
			tt.before(f)
			f.clock.forward(time.Hour)
			f.discover("A", OutcomeMissing, "", gone("200"), func(d *Discovery) { d.GoneDigest = "d" })
			f.clock.forward(time.Hour)
			before := f.head()
			s := f.discover("A", OutcomeGone, "s2", shows(tt.shown...))
			if got := told(s); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if got := f.eventTypes(before); got != tt.events {
				t.Errorf("events %q, want %q", got, tt.events)
			}
			if s.SignatureSince == nil || s.SignatureSince.Format("15:04") != "05:00" {
				t.Errorf("what is left was shown since 05:00, not %v", s.SignatureSince)
			}
			if got := marks(f, "A"); tt.shown != nil && got != kept {
				t.Errorf("known: %s, want %s", got, kept)
			} else if tt.shown == nil && strings.Count(got, "missing since") != 2 {
				t.Errorf("known: %s, want both missing and kept", got)
			}
			verify(t, f.Ledger)
		})
	}
}

func TestDataThatComesBackAfterItWasTakenAsGoneIsNotRunAgain(t *testing.T) {
	run := func(f *fixture) { f.walk(f.admit("A"), pathTo(Completed)...) }
	for name, tt := range map[string]struct {
		then func(f *fixture)
		want string // once s1 is back
	}{
		"all of it":                       {func(*fixture) {}, "changed s1 r1 executed s1"},
		"after still more of it had gone": {visitOf(OutcomeGone, "s3"), "changed s1 r1 executed s1"},
		"after new data had been run":     {func(f *fixture) { f.discover("A", OutcomeChanged, "s3"); run(f) }, "changed s1 r1 pending since 04:00 executed s3"},
		"while new data waited":           {func(f *fixture) { f.discover("A", OutcomeChanged, "s3") }, "changed s1 r1 executed s1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.discover("A", OutcomeChanged, "s1")
			run(f)
			f.discover("A", OutcomeMissing, "", left("d"))
			f.discover("A", OutcomeGone, "s2", shows())
			tt.then(f)
			if got := told(f.discover("A", OutcomeChanged, "s1")); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestMissingDataIsAcceptedByAPerson(t *testing.T) {
	f := newFixture(t)
	accept := func() error {
		return f.try(func(tx *Tx) error { return tx.AcceptMissing(f.stale("A"), "withdrawn by the team", person) })
	}
	f.discover("A", OutcomeChanged, "s1")
	wantKind(t, accept(), fault.Invalid, "nothing of it is missing")
	f.discover("A", OutcomeMissing, "", left("d"))
	f.clock.forward(time.Minute)
	before := f.head()
	for range 2 { // a second wish is no change
		if err := accept(); err != nil {
			t.Fatal(err)
		}
	}
	s := f.source("A")
	if got := f.eventTypes(before); got != "source.missing_accepted" || s.AcceptMissingAt == nil || !s.NextDueAt.Equal(f.Now()) || s.MissingSince == nil {
		t.Errorf("events %s, %+v", got, s)
	}
	for _, tt := range []struct {
		outcome, digest string
		kept            bool
	}{{OutcomeError, "", true}, {OutcomeMissing, "d", true}, {OutcomeMissing, "less", false}, {OutcomeGone, "", false}} {
		t.Run(tt.outcome+" "+tt.digest, func(t *testing.T) {
			g := newFixture(t)
			g.discover("A", OutcomeChanged, "s1")
			g.discover("A", OutcomeMissing, "", left("d"))
			g.write(func(tx *Tx) error { return tx.AcceptMissing(g.stale("A"), "gone", person) })
			if s := g.discover("A", tt.outcome, "s2", left(tt.digest)); (s.AcceptMissingAt != nil) != tt.kept {
				t.Errorf("the wish is kept: %v", s.AcceptMissingAt)
			}
		})
	}
}

// stale is a source as somebody saw it before, with its id alone.
func (f *fixture) stale(name string) Source {
	f.Helper()
	return Source{ID: f.source(name).ID}
}
