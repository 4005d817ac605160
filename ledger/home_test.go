package ledger

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"beampipe/fault"
	"beampipe/provenance"
)

// openAs opens a ledger file as a machine would.
func openAs(t *testing.T, path, host string) *Ledger {
	t.Helper()
	l, err := Create(t.Context(), path, Options{HostID: host})
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

func pauseOf(t *testing.T, l *Ledger) Pause {
	t.Helper()
	p, err := l.Paused(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestALedgerIsAtHomeWhereItWasMadeAndPausedAnywhereElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "beampipe.db")
	made, err := Create(t.Context(), path, Options{HostID: "alpha"})
	if err != nil {
		t.Fatal(err)
	}
	home, err := made.View(t.Context()).Home()
	if err != nil || home.HostID != "alpha" || home.Path != path || home.Since.IsZero() {
		t.Fatalf("home %+v, %v", home, err)
	}
	if p := pauseOf(t, made); p != (Pause{}) {
		t.Fatalf("a new ledger is paused: %+v", p)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(dir, "moved.db")
	copyFile(t, path, moved)
	for _, tt := range []struct{ name, path, host, code string }{
		{"opened again", path, "alpha", ""},
		{"through a symbolic link", link, "alpha", ""},
		{"on another machine", path, "beta", PausedOtherHost},
		{"a copy", moved, "alpha", PausedOtherPath},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := openAs(t, tt.path, tt.host)
			p := pauseOf(t, l)
			if p.Code != tt.code || (p.Reason == "") != (tt.code == "") {
				t.Errorf("pause %+v", p)
			}
			if tt.code == "" {
				return
			}
			wantKind(t, p.Err("tick"), fault.Conflict, p.Reason)
			adopt(t, l, p)
			if p := pauseOf(t, l); p != (Pause{}) {
				t.Errorf("still paused: %+v", p)
			}
		})
	}
}

// adopt takes a ledger over without looking at what runs.
func adopt(t *testing.T, l *Ledger, p Pause) {
	t.Helper()
	err := l.Write(t.Context(), func(tx *Tx) error {
		return tx.Adopt(Adoption{Here: l.Here(), Pause: p, Reason: "moved", Actor: person, Counts: map[string]int{"asked": 2}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestARestoredLedgerIsPausedUntilItIsAdopted(t *testing.T) {
	f := newFixture(t)
	adopt(t, f.Ledger, Pause{}) // the fixture is a copy
	f.write(func(tx *Tx) error {
		if _, _, err := tx.TryClaim(ClaimExecution, "execution:x", "gone", "", 1e15); err != nil {
			return err
		}
		return tx.MarkRestored("/backups/monday.db", "the disk died", person)
	})
	p := pauseOf(t, f.Ledger)
	if p.Code != PausedRestored || !strings.Contains(p.Reason, "/backups/monday.db on 2026-11-20") {
		t.Fatalf("pause %+v", p)
	}
	adopt(t, f.Ledger, p)
	if p := pauseOf(t, f.Ledger); p != (Pause{}) {
		t.Errorf("still paused: %+v", p)
	}
	v := f.View(context.Background())
	if owners, err := v.ClaimOwners(); err != nil || len(owners) != 0 {
		t.Errorf("claims of %v, %v", owners, err)
	}
	events, err := v.Events(EventFilter{Type: provenance.LedgerAdopted, Newest: true, Limit: 1})
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	for _, want := range []string{`"pause":"restored"`, `"reason":"moved"`, `"claims_released":1`, `"asked":2`} {
		if !strings.Contains(string(events[0].Payload), want) {
			t.Errorf("the event does not say %s: %s", want, events[0].Payload)
		}
	}
}

func TestAMachineHasAnIDThatDoesNotShowItsOwn(t *testing.T) {
	id := MachineID()
	raw, err := os.ReadFile("/etc/machine-id")
	if id == "" || id != MachineID() || (err == nil && len(raw) > 30 && strings.Contains(id, strings.TrimSpace(string(raw)))) {
		t.Errorf("id %q", id)
	}
}
