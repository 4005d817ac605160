package ledger

import (
	"testing"
	"time"

	"beampipe/fault"
)

// claim tries to take a subject.
func (f *fixture) claim(subject, owner string) (c Claim, ok bool) {
	f.Helper()
	f.write(func(tx *Tx) (err error) {
		c, ok, err = tx.TryClaim(ClaimExecution, subject, owner, tx.NewBatch(project), time.Minute)
		return err
	})
	return c, ok
}

func TestAClaimIsTakenOnceUntilItIsGivenBackOrExpires(t *testing.T) {
	f := newFixture(t)
	const subject = "execution:x"
	first, ok := f.claim(subject, "one")
	if !ok || first.Fence != 1 {
		t.Fatalf("%+v %v", first, ok)
	}
	if _, ok := f.claim(subject, "two"); ok {
		t.Error("a held claim was taken")
	}
	if _, ok := f.claim(subject, "one"); ok {
		t.Error("its own holder took it twice")
	}
	f.write(func(tx *Tx) error { return tx.ReleaseClaim(first) })
	wantKind(t, f.try(func(tx *Tx) error { return tx.CheckClaim(first) }), fault.Conflict, subject)
	second, ok := f.claim(subject, "two")
	if !ok || second.Fence != 2 {
		t.Errorf("after the release: %+v %v; the fence only grows", second, ok)
	}
	f.clock.forward(time.Minute)
	third, ok := f.claim(subject, "three")
	if !ok || third.Fence != 3 {
		t.Errorf("after it expired: %+v %v", third, ok)
	}
	f.write(func(tx *Tx) error { return tx.ReleaseClaim(second) }) // too late, and without effect
	if got, err := f.view().ClaimOf(subject); err != nil || got.Owner != "three" || got.Fence != 3 || !got.ExpiresAt.Equal(third.ExpiresAt) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestALostClaimIsRefusedEverywhere(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.admit("A")
	lost, _ := f.claim(ExecutionSubject(e.ID), "slow")
	f.clock.forward(time.Hour)
	held, _ := f.claim(ExecutionSubject(e.ID), "fast")
	before := f.head()
	for name, write := range map[string]func(tx *Tx) error{
		"check":      func(tx *Tx) error { return tx.CheckClaim(lost) },
		"renew":      func(tx *Tx) error { c := lost; return tx.RenewClaim(&c, time.Hour) },
		"checkpoint": func(tx *Tx) error { return tx.SaveCheckpoint(e, lost, []byte("{}")) },
		"move":       func(tx *Tx) error { _, err := tx.Move(e, EventPrepare, Step{Claim: &lost, Actor: "x"}); return err },
	} {
		if err := f.try(write); fault.KindOf(err) != fault.Conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := f.reread(e); got.State != Pending || got.Checkpoint != "" || f.head() != before {
		t.Errorf("it is %s with checkpoint %q", got.State, got.Checkpoint)
	}
	f.write(func(tx *Tx) error { return tx.SaveCheckpoint(e, held, []byte(`{"at":1}`)) })
	e = f.step(e, EventPrepare, Step{Claim: &held})
	if got := f.reread(e); got.Checkpoint != `{"at":1}` {
		t.Errorf("checkpoint %q", got.Checkpoint)
	}
	if e = f.walk(e, EventCancel); f.reread(e).Checkpoint != "" {
		t.Error("an ended execution keeps its checkpoint")
	}
}

func TestARenewedClaimLivesOn(t *testing.T) {
	f := newFixture(t)
	c, _ := f.claim("execution:x", "one")
	f.clock.forward(50 * time.Second)
	f.write(func(tx *Tx) error { return tx.RenewClaim(&c, time.Minute) })
	f.clock.forward(50 * time.Second)
	if _, ok := f.claim("execution:x", "two"); ok {
		t.Error("a renewed claim was taken")
	}
	if !c.ExpiresAt.Equal(f.Now().Add(10 * time.Second)) {
		t.Errorf("expires at %v", c.ExpiresAt)
	}
}

func TestAClaimNeedsAnOwner(t *testing.T) {
	f := newFixture(t)
	err := f.try(func(tx *Tx) error { _, _, err := tx.TryClaim(ClaimExecution, "x", "", "b", time.Hour); return err })
	if err == nil {
		t.Error("a claim without an owner looks like a free one")
	}
	wantKind(t, f.try(func(tx *Tx) error { return tx.CheckClaim(Claim{}) }), fault.Conflict)
}

func TestDueSourcesAreClaimedOnceTheLongestDueFirst(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"C", "A", "B"} {
		f.source(name)
		f.clock.forward(time.Minute)
	}
	claimBatch := func(limit int) (names string) {
		f.write(func(tx *Tx) error {
			names = ""
			sources, claims, err := tx.ClaimDueSources(project, limit, "worker", tx.NewBatch(project), time.Hour)
			for i, s := range sources {
				names += s.Identifier
				if claims[i].Subject != SourceSubject(s.ID) {
					t.Errorf("claim %s of source %d", claims[i].Subject, s.ID)
				}
			}
			return err
		})
		return names
	}
	if n, err := f.view().CountDueSources(project, 10); n != 3 || err != nil {
		t.Errorf("%d due, %v", n, err)
	}
	if first, second, third := claimBatch(2), claimBatch(2), claimBatch(2); first != "CA" || second != "B" || third != "" {
		t.Errorf("batches %q %q %q", first, second, third)
	}
	live := func(kind, project string) int {
		n, err := f.view().LiveBatches(kind, project)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if live(ClaimDiscovery, "") != 2 || live(ClaimDiscovery, project) != 2 || live(ClaimDiscovery, "sur") != 0 || live(ClaimExecution, "") != 0 {
		t.Error("the live batches are miscounted")
	}
	f.clock.forward(2 * time.Hour)
	if live(ClaimDiscovery, "") != 0 || claimBatch(10) != "CAB" {
		t.Error("expired claims are not free")
	}
}

func TestClaimsOfOwnersThatAreGoneAreGivenBack(t *testing.T) {
	f := newFixture(t)
	dead, _ := f.claim("source:1", "dead")
	f.claim("source:2", "dead")
	f.claim("source:3", "alive")
	f.write(func(tx *Tx) error {
		n, err := tx.ReleaseDead(func(owner string) bool { return owner == "dead" })
		if n != 2 {
			t.Errorf("%d claims were given back, want 2", n)
		}
		return err
	})
	if c, ok := f.claim("source:1", "next"); !ok || c.Fence != dead.Fence+1 {
		t.Errorf("claimed %v with fence %d after %d", ok, c.Fence, dead.Fence)
	}
	if _, ok := f.claim("source:3", "next"); ok {
		t.Error("a live owner lost its claim")
	}
}
