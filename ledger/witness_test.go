package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// event appends n events in one write each.
func (f *fixture) event(n int) {
	f.Helper()
	for range n {
		f.write(func(tx *Tx) error { return tx.Append(provenance.Event{Type: "test.event", Actor: person}, nil) })
	}
}

func (f *fixture) wantWitness(state string, seq int64) WitnessState {
	f.Helper()
	s, err := f.Witness()
	if err != nil {
		f.Fatal(err)
	}
	if s.State != state || s.Head.Seq != seq {
		f.Fatalf("the witness says %+v, want %s at event %d", s, state, seq)
	}
	return s
}

func TestEveryCommitWithEventsIsWitnessed(t *testing.T) {
	f := newFixture(t)
	f.wantWitness(WitnessMissing, 0) // the fixture's file was copied without one
	f.event(1)
	f.wantWitness(WitnessAgrees, f.head())
	f.event(3 * witnessSlots)
	s := f.wantWitness(WitnessAgrees, f.head())
	if !s.At.Equal(f.clock.now()) || s.Lost() {
		t.Errorf("%+v", s)
	}
	f.write(func(tx *Tx) error { return nil })
	f.wantWitness(WitnessAgrees, f.head())
	if info, err := os.Stat(s.Path); err != nil || info.Size() > witnessSlots*slotBytes {
		t.Errorf("the file grows: %v, %v", info, err)
	}
	if err := f.try(func(tx *Tx) error {
		return errors.Join(tx.Append(provenance.Event{Type: "test.event", Actor: person}, nil), errors.New("no"))
	}); err == nil {
		t.Fatal("no error")
	}
	f.wantWitness(WitnessAgrees, f.head())
}

func TestSeveralProcessesShareOneWitness(t *testing.T) {
	f := newFixture(t)
	other := &fixture{TB: t, clock: f.clock, ids: f.ids}
	other.Ledger = f.create(f.Path())
	for range 10 {
		f.event(3)
		other.event(2)
	}
	f.wantWitness(WitnessAgrees, f.head())
	other.wantWitness(WitnessAgrees, f.head())
}

// goBack puts the ledger's file back to what it was, as someone does who copies an old one over it.
func goBack(t *testing.T) *fixture {
	f := newFixture(t)
	f.event(3)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	f.Ledger = f.create(f.Path())
	f.event(5)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Path(), old, 0o644); err != nil {
		t.Fatal(err)
	}
	f.Ledger = f.create(f.Path())
	return f
}

func TestALedgerThatWentBackIsFoundHoweverFarItGoesOn(t *testing.T) {
	f := goBack(t)
	once := f.head() + 5
	if s := f.wantWitness(WitnessBehind, once); !s.Lost() || !strings.Contains(s.Detail, "5 of them") {
		t.Errorf("%+v", s)
	}
	f.clock.forward(time.Minute)
	f.event(20) // overtakes what the witness holds, and must not wipe it out
	s := f.wantWitness(WitnessBehind, once)
	if got, err := f.Verify(t.Context(), VerifyOptions{}); err != nil || got.Finding == nil || got.Finding.Problem != provenance.Changed || got.Witness.State != s.State {
		t.Errorf("%+v, %v", got, err)
	}
	if err := f.RenewWitness(); err != nil {
		t.Fatal(err)
	}
	f.wantWitness(WitnessAgrees, f.head())
	f.event(1)
	f.wantWitness(WitnessAgrees, f.head())
}

func TestAProcessGoesOnToWitnessWhenAnotherHasRenewedTheFile(t *testing.T) {
	f := goBack(t)
	if err := f.create(f.Path()).RenewWitness(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.event(1)
		f.wantWitness(WitnessAgrees, f.head())
	}
}

func TestALedgerThatLosesItsTailWhileItIsOpenIsFound(t *testing.T) {
	f := newFixture(t)
	f.event(10)
	once := f.head()
	f.tamper("DELETE FROM provenance_events WHERE seq > 5")
	f.clock.forward(time.Minute)
	f.event(3)
	f.wantWitness(WitnessBehind, once)
	f.event(20)
	f.wantWitness(WitnessBehind, once)
}

func TestAWitnessOfAnotherLedgerIsToldAndLeftAlone(t *testing.T) {
	f := newFixture(t)
	f.event(1)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.tamper("UPDATE ledger_info SET value = 'another' WHERE key = 'ledger_id'")
	seq := int64(3)
	f.Ledger = f.create(f.Path())
	f.event(1)
	if s := f.wantWitness(WitnessOther, seq); !s.Lost() {
		t.Errorf("%+v", s)
	}
}

func TestAMissingWitnessBeginsAnewWithTheNextEvent(t *testing.T) {
	f := newFixture(t)
	f.event(2)
	if err := os.Remove(witnessPath(f.Path())); err != nil {
		t.Fatal(err)
	}
	if s := f.wantWitness(WitnessMissing, 0); s.Lost() || s.Detail == "" {
		t.Errorf("%+v", s)
	}
	f.event(1)
	f.wantWitness(WitnessAgrees, f.head())
}

func TestTornSlotsAreLeftOut(t *testing.T) {
	f := newFixture(t)
	f.event(4)
	path := witnessPath(f.Path())
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := f.head()
	for at := range slotBytes - 3 { // every byte of the slot's text, but for the spaces behind it
		torn := append([]byte(nil), content...)
		torn[last%witnessSlots*slotBytes+int64(at)] ^= 1
		if err := os.WriteFile(path, torn, 0o644); err != nil {
			t.Fatal(err)
		}
		f.wantWitness(WitnessAgrees, last-1)
	}
	if err := os.WriteFile(path, content[:last%witnessSlots*slotBytes+20], 0o644); err != nil {
		t.Fatal(err)
	}
	f.wantWitness(WitnessAgrees, last-1)
	if err := os.WriteFile(path, []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.wantWitness(WitnessUnreadable, 0)
}

func TestAWitnessThatCannotBeWrittenNeverFailsACommit(t *testing.T) {
	f := newFixture(t)
	f.event(1)
	path := witnessPath(f.Path())
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil { // a folder cannot be written to, not even by root
		t.Fatal(err)
	}
	f.event(2)
	if s := f.wantWitness(WitnessUnreadable, 0); s.Problem == "" || s.Detail == "" {
		t.Errorf("%+v", s)
	}
	wantKind(t, f.RenewWitness(), fault.Unavailable, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.event(1)
	if s := f.wantWitness(WitnessAgrees, f.head()); s.Problem != "" {
		t.Errorf("%+v", s)
	}
}

func TestTheIdOfALedgerIsItsOwnAndStays(t *testing.T) {
	var ids []string
	for range 2 {
		l, err := Create(context.Background(), filepath.Join(t.TempDir(), "l.db"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		id, err := l.View(t.Context()).LedgerID()
		if err := errors.Join(err, l.Close()); err != nil || len(id) != 32 {
			t.Fatalf("id %q, %v", id, err)
		}
		ids = append(ids, id)
	}
	if ids[0] == ids[1] {
		t.Errorf("two ledgers have the id %s", ids[0])
	}
	f := newFixture(t)
	db := f.raw()
	for _, query := range []string{
		"UPDATE ledger_info SET value = 'x' WHERE key = 'ledger_id'", "UPDATE OR REPLACE ledger_info SET key = 'other' WHERE key = 'ledger_id'",
		"DELETE FROM ledger_info WHERE key = 'ledger_id'", "DELETE FROM ledger_info",
		"REPLACE INTO ledger_info VALUES ('ledger_id', 'x')", "INSERT INTO ledger_info VALUES ('ledger_id', 'x') ON CONFLICT (key) DO UPDATE SET value = 'x'",
	} {
		if n, err := rolledBack(t, db, query); err == nil {
			t.Errorf("%s: %d rows, want an error", query, n)
		}
	}
}

func TestAHeadReadsAsItIsWritten(t *testing.T) {
	for _, h := range []Head{{}, {12, strings.Repeat("0a", 32)}} {
		if got, err := ParseHead(h.String()); err != nil || got != h {
			t.Errorf("%s: %v, %v", h, got, err)
		}
	}
	for _, text := range []string{
		"", "12", "x:" + strings.Repeat("0a", 32), "12:", "-1:" + strings.Repeat("0a", 32), "012:" + strings.Repeat("0a", 32),
		"12:" + strings.Repeat("0A", 32), "12:" + strings.Repeat("0x", 32), "0:" + strings.Repeat("0a", 32), "12:" + strings.Repeat("0a", 31),
	} {
		_, err := ParseHead(text)
		wantKind(t, err, fault.Invalid)
	}
}

func FuzzParseSlot(f *testing.F) {
	s := slot{ledger: strings.Repeat("0a", 16), head: Head{7, strings.Repeat("0b", 32)}, at: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)}
	f.Add(s.line())
	f.Add([]byte("bpw1 a b c d e"))
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, line []byte) {
		got, ok := parseSlot(line)
		if !ok {
			return
		}
		if again, ok := parseSlot(got.line()); !ok || again != got {
			t.Errorf("%q reads as %+v, which is written as %q", line, got, got.line())
		}
	})
}
