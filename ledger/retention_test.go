package ledger

import (
	"strings"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

func TestAPolicyIsSetShownAndCleared(t *testing.T) {
	f := newFixture(t)
	list, err := f.view().Policies()
	if err != nil || len(list) != len(RetentionKinds()) {
		t.Fatalf("%d policies, %v", len(list), err)
	}
	for _, p := range list {
		if forEver := p.Kind == KeepEvents || p.Kind == KeepExecutions; p.unlimited() != forEver || p.Set != nil || CheckPolicy(p) != nil {
			t.Errorf("built in: %+v", p)
		}
	}
	want := Policy{Kind: KeepEvents, MaxAge: 365 * day, MaxRows: 5, MaxBytes: 6, Archive: "/archive"}
	before := f.head()
	for range 2 { // the same again is no news
		f.write(func(tx *Tx) error { _, err := tx.SetPolicy(want, person, "DR2 is out"); return err })
	}
	if got := f.eventTypes(before); got != provenance.RetentionSet {
		t.Errorf("events %s", got)
	}
	p, err := f.view().Policy(KeepEvents)
	if err != nil || !p.sameLimits(want) || p.Set == nil || p.Set.By != person || p.Set.Reason != "DR2 is out" || !p.Set.At.Equal(f.Now()) {
		t.Errorf("%+v %v", p, err)
	}
	f.write(func(tx *Tx) error {
		_, err := tx.SetPolicy(Policy{Kind: KeepObservations}, person, "for ever")
		return err
	})
	if p, err := f.view().Policy(KeepObservations); err != nil || !p.unlimited() {
		t.Errorf("%+v %v", p, err)
	}
	for _, want := range []bool{true, false} {
		f.write(func(tx *Tx) error {
			changed, err := tx.ClearPolicy(KeepEvents, person, "enough")
			if changed != want {
				t.Errorf("changed %v, want %v", changed, want)
			}
			return err
		})
	}
	if p, err := f.view().Policy(KeepEvents); err != nil || !p.unlimited() || p.Set != nil {
		t.Errorf("%+v %v", p, err)
	}
}

func TestAPolicyThatMeansNothingIsRefused(t *testing.T) {
	f := newFixture(t)
	for want, p := range map[string]Policy{
		`there is no kind "planets"`:   {Kind: "planets", MaxAge: day},
		"below 0":                      {Kind: KeepEvents, MaxRows: -1},
		"everything is kept for 24h":   {Kind: KeepEvents, MaxAge: time.Hour},
		"only its age":                 {Kind: KeepClaims, MaxRows: 5},
		"only executions and events":   {Kind: KeepTickRuns, MaxAge: day, Archive: "/a"},
		"a/b is not an absolute path":  {Kind: KeepEvents, MaxAge: day, Archive: "a/b"},
		"only its age can be limited":  {Kind: KeepArtifacts, MaxBytes: 5},
		"retention of discovery_chang": {Kind: KeepChanges, MaxBytes: -5},
	} {
		err := f.try(func(tx *Tx) error { _, err := tx.SetPolicy(p, person, "x"); return err })
		wantKind(t, err, fault.Invalid)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
	if n := f.rows("retention_policies"); n != 0 {
		t.Errorf("%d are set", n)
	}
}
