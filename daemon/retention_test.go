package daemon_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"beampipe/daemon"
	"beampipe/ledger"
	"beampipe/provenance"
)

// comesTo asks again and again, and fails the test when the answer does not become true.
func comesTo(t *testing.T, what string, ask func(v ledger.View) (bool, error), d *daemon.Daemon) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		if ok, err := ask(d.Control().Ledger().View(ctx)); err != nil {
			t.Fatal(err)
		} else if ok {
			return
		}
		select {
		case <-look.C:
			d.Wake()
		case <-ctx.Done():
			t.Fatal("it never came to this: " + what)
		}
	}
}

func TestTheLedgerIsPrunedOnceADayAndAFailureIsAHealthProblem(t *testing.T) {
	var clock atomic.Int64
	clock.Store(time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC).UnixNano())
	o := options(t)
	o.Now = func() time.Time { return time.Unix(0, clock.Load()).UTC() }
	d := start(t, o)
	l := d.Control().Ledger()
	write := func(fn func(tx *ledger.Tx) error) {
		t.Helper()
		if err := l.Write(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	ranSince := func(at time.Time) func(ledger.View) (bool, error) {
		return func(v ledger.View) (bool, error) {
			last, _, err := v.LastRetention()
			return last != nil && !last.Before(at), err
		}
	}
	comesTo(t, "a first pruning", ranSince(o.Now()), d)
	write(func(tx *ledger.Tx) error {
		c, _, err := tx.TryClaim(ledger.ClaimDiscovery, "source:1", "owner", "batch", time.Minute)
		if err != nil {
			return err
		}
		return tx.ReleaseClaim(c)
	})
	write(func(tx *ledger.Tx) error {
		return tx.Append(provenance.Event{Type: "x.old", Actor: "user:ada"}, nil)
	})
	clock.Add(int64(40 * 24 * time.Hour))
	comesTo(t, "the free claim is gone", func(v ledger.View) (bool, error) {
		_, pruned, err := v.LastRetention()
		return pruned[ledger.KeepClaims] == 1, err
	}, d)

	write(func(tx *ledger.Tx) error {
		_, err := tx.SetPolicy(ledger.Policy{Kind: ledger.KeepEvents, MaxAge: 24 * time.Hour, Archive: filepath.Join(o.LedgerPath, "no", "folder")}, "user:ada", "test")
		return err
	})
	clock.Add(int64(25 * time.Hour))
	problem := func(want bool) func(ledger.View) (bool, error) {
		return func(v ledger.View) (bool, error) {
			problems, err := v.Problems()
			found := false
			for _, p := range problems {
				found = found || p.Code == "tick_failed" && p.Subject == "retention" && strings.Contains(p.Text, "archive")
			}
			return found == want, err
		}
	}
	comesTo(t, "a health problem", problem(true), d)
	write(func(tx *ledger.Tx) error { _, err := tx.ClearPolicy(ledger.KeepEvents, "user:ada", "test"); return err })
	clock.Add(int64(2 * time.Hour))
	comesTo(t, "the end of the problem", problem(false), d)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
}
