package ledger

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"

	"beampipe/fault"
)

// rival is another process on the fixture's file, of a machine of its own.
func (f *fixture) rival(t *testing.T, host string) *Ledger {
	t.Helper()
	o := f.options()
	o.HostID = host
	l, err := Open(context.Background(), f.Path(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestALeaderThatWasReplacedWritesNothingMore(t *testing.T) {
	f := newFixture(t)
	other := f.rival(t, "beta")
	first, err := f.Lead(t.Context(), "first", LeaseTTL)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	candidate := other.NewCandidate("second", LeaseTTL)
	if lease, leader, err := candidate.Try(t.Context()); lease != nil || err != nil || leader.Owner != "first" {
		t.Fatalf("a second leader beside the first: %v %v %v", lease, leader, err)
	}
	f.clock.forward(LeaseTTL)
	second, _, err := candidate.Try(t.Context())
	if err != nil || second == nil {
		t.Fatalf("an expired lease was not taken: %v", err)
	}
	if second.Epoch() <= first.Epoch() {
		t.Errorf("epoch %d after %d", second.Epoch(), first.Epoch())
	}
	register := func(l *Ledger, name string) error {
		return l.Write(t.Context(), func(tx *Tx) error {
			_, err := tx.RegisterSource(project, name, person)
			return err
		})
	}
	wantKind(t, register(f.Ledger, "late"), fault.Conflict, "another leader")
	select {
	case <-first.Lost():
	default:
		t.Error("the first does not know that it lost")
	}
	wantKind(t, first.Renew(t.Context()), fault.Conflict, "another leader")
	if err := first.Release(t.Context()); err != nil {
		t.Error(err)
	}
	wantKind(t, register(f.Ledger, "late"), fault.Conflict) // giving back what was lost opens nothing
	if err := register(other, "new"); err != nil {
		t.Error(err)
	}
	if _, err := other.View(t.Context()).Source(project, "late"); !errors.Is(err, fault.NotFound) {
		t.Errorf("what was written too late is there: %v", err)
	}
	if h, err := other.View(t.Context()).Leader(); err != nil || h.Owner != "second" || h.HostID != "beta" {
		t.Errorf("leader %+v, %v", h, err)
	}
}

func TestALeaseThatWasGivenBackIsFreeAtOnce(t *testing.T) {
	f := newFixture(t)
	lease, err := f.Lead(t.Context(), "first", LeaseTTL)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.NewCandidate("again", LeaseTTL).Try(t.Context()); !errors.Is(err, fault.Conflict) {
		t.Errorf("one process leads twice: %v", err)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.write(func(tx *Tx) error { _, err := tx.RegisterSource(project, "B", person); return err })
	if _, err := f.rival(t, "beta").Lead(t.Context(), "second", LeaseTTL); err != nil {
		t.Error(err)
	}
}

func TestALeaderOfThisMachineThatHasEndedIsNotWaitedFor(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Skip("there is no program to run: ", err)
	}
	name := process(child.Process.Pid)
	if name == "" {
		t.Skip("/proc does not tell about processes")
	}
	f := newFixture(t)
	lead := func() *Lease {
		t.Helper()
		lease, _, err := f.NewCandidate("second", LeaseTTL).Try(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return lease
	}
	f.write(func(tx *Tx) error {
		return tx.execOne("lead", "UPDATE daemon_lease SET epoch = 1, owner = 'first', host = ?, pid = ?, process = ?, taken_at = ?, expires_at = ?",
			f.hostID, child.Process.Pid, name, Stamp(tx.now), Stamp(tx.now.Add(LeaseTTL)))
	})
	if lead() != nil {
		t.Error("the lease of a living process was taken")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // how it ended is known
	if lead() == nil {
		t.Error("the lease of a process that is gone was not taken")
	}
}

// Clocks of two machines differ: one that is not renewed for its whole length has ended by any clock.
func TestALeaseIsWaitedForNoLongerThanItsLengthWhateverTheClocksSay(t *testing.T) {
	f := newFixture(t)
	for _, ahead := range []time.Duration{LeaseTTL, 4 * time.Minute, 24 * time.Hour} {
		f.write(func(tx *Tx) error {
			return tx.execOne("lead", "UPDATE daemon_lease SET epoch = epoch + 1, owner = 'first', host = 'beta', expires_at = ?", Stamp(tx.now.Add(ahead)))
		})
		h, err := f.View(t.Context()).Leader()
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			c := &Candidate{ledger: f.Ledger, owner: "second", ttl: LeaseTTL}
			start, now := time.Now(), f.Now() // the ledger's clock stands still
			for c.inTheWay(h, now) {
				time.Sleep(time.Second)
			}
			if took := time.Since(start); took > LeaseTTL || (ahead < maxLeaseTTL) != (took == LeaseTTL) {
				t.Errorf("%v ahead: waited for %v", ahead, took)
			}
		})
	}
}

func TestPlainSQLCannotTakeALeaseWithoutANewEpochNorRemoveIt(t *testing.T) {
	f := newFixture(t)
	for _, statement := range []string{
		"UPDATE daemon_lease SET owner = 'eve'", "UPDATE daemon_lease SET epoch = epoch - 1", "DELETE FROM daemon_lease",
		"REPLACE INTO daemon_lease SELECT * FROM daemon_lease",
	} {
		err := f.Write(t.Context(), func(tx *Tx) error { _, err := tx.exec("tamper", statement); return err })
		if err == nil {
			t.Errorf("passed: %s", statement)
		}
	}
}

func TestWaitingToLeadEndsWithItsContext(t *testing.T) {
	f := newFixture(t)
	if _, err := f.Lead(t.Context(), "first", LeaseTTL); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.rival(t, "beta").Lead(ctx, "second", LeaseTTL)
	if err == nil {
		t.Error("a second leader")
	}
}
