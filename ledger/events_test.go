package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"syscall"
	"testing"

	"beampipe/provenance"
)

func hashOf(content []byte) []byte { sum := sha256.Sum256(content); return sum[:4] }

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// verify checks the whole chain of a ledger and gives its head.
func verify(t testing.TB, l *Ledger) int64 {
	t.Helper()
	var v provenance.Verifier
	if err := l.View(context.Background()).EachEvent(v.Next); err != nil {
		t.Error(err)
	}
	seq, hash := v.Head()
	if wantSeq, wantHash, err := l.View(context.Background()).Head(); seq != wantSeq || hash != wantHash || err != nil {
		t.Errorf("verified up to %d %s, the head is %d %s (%v)", seq, hash, wantSeq, wantHash, err)
	}
	return seq
}

func TestTheChainOfAllEventsVerifiesFromTheFirstRow(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	f.walk(f.admit("A"), pathTo(Completed)...)
	f.write(func(tx *Tx) error {
		for range eventPage { // more than one page
			e := testEvent("odd")
			e.Source, e.Correlation = "it's <&> ü \u2028 \x00 {sbid}", "\"quoted\""
			if err := tx.Append(e, map[string]any{"b": 1, "a": "<&>", "n": nil}); err != nil {
				return err
			}
		}
		return nil
	})
	if n := verify(t, f.Ledger); n <= eventPage {
		t.Errorf("%d events", n)
	}
	events, err := f.view().Events(EventFilter{Type: "test.odd", Newest: true, Limit: 1})
	if err != nil || len(events) != 1 || string(events[0].Payload) != `{"a":"<&>","b":1,"n":null}` || events[0].Seq != f.head() {
		t.Errorf("%+v %v", events, err)
	}
}

func TestEachEventStopsWithTheErrorOfItsFunctionAndMayBeNested(t *testing.T) {
	f := newFixture(t)
	enough := errors.New("enough")
	f.write(func(tx *Tx) error {
		outer := 0
		err := tx.EachEvent(func(provenance.Event) error {
			outer++
			inner := 0
			if err := tx.EachEvent(func(provenance.Event) error { inner++; return nil }); err != nil {
				return err
			}
			if inner != 2 {
				t.Errorf("%d inner events, want 2", inner)
			}
			if outer == 2 {
				return enough
			}
			return nil
		})
		if err != enough { //nolint:errorlint // it must be the very one
			t.Errorf("%v", err)
		}
		return nil
	})
}

func TestATamperedChainNamesTheEvent(t *testing.T) {
	for name, tt := range map[string]struct{ sql, want string }{
		"changed":       {"UPDATE provenance_events SET actor = 'user:eve' WHERE seq = 3", "event 3 (test.e): its content does not match"},
		"changed time":  {"UPDATE provenance_events SET occurred_at = '2020-01-01T00:00:00.000Z' WHERE seq = 3", "event 3 (test.e)"},
		"payload":       {"UPDATE provenance_events SET payload = '{}' WHERE seq = 4", "event 4 (test.e)"},
		"its hash":      {"UPDATE provenance_events SET hash = 'x' WHERE seq = 4", "event 4 (test.e)"},
		"removed":       {"DELETE FROM provenance_events WHERE seq = 4", "event 5 (test.e): follows event 3, so 1 before it"},
		"removed first": {"DELETE FROM provenance_events WHERE seq = 1", "event 2"},
		"closed up":     {"DELETE FROM provenance_events WHERE seq = 4; UPDATE provenance_events SET seq = seq - 1 WHERE seq > 4", "event 4 (test.e): its prev_hash"},
		"inserted": {
			`UPDATE provenance_events SET seq = -seq - 1 WHERE seq > 3; UPDATE provenance_events SET seq = -seq WHERE seq < 0;
			INSERT INTO provenance_events SELECT 4, occurred_at, event_type, '', '', '', actor, '', payload, hash, 'x' FROM provenance_events WHERE seq = 3`,
			"event 4 (test.e): its content",
		},
		"swapped": {`UPDATE provenance_events SET seq = -1 WHERE seq = 3; UPDATE provenance_events SET seq = 3 WHERE seq = 4;
			UPDATE provenance_events SET seq = 4 WHERE seq = -1`, "event 3 (test.e): its prev_hash"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t) // two events
			f.write(func(tx *Tx) error {
				for i := range 4 {
					if err := tx.Append(testEvent("e"), map[string]any{"i": i}); err != nil {
						return err
					}
				}
				return nil
			})
			db := f.raw() // who may write the file may drop its triggers
			for _, query := range []string{"DROP TRIGGER event_chained", "DROP TRIGGER event_fixed", "DROP TRIGGER event_kept", tt.sql} {
				if _, err := db.Exec(query); err != nil {
					t.Fatal(err)
				}
			}
			var v provenance.Verifier
			err := f.view().EachEvent(v.Next)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestAnEventNeedsAnActorAndAPayloadThatIsJSON(t *testing.T) {
	f := newFixture(t)
	before := f.head()
	if err := f.try(func(tx *Tx) error { return tx.Append(provenance.Event{Type: "x"}, nil) }); err == nil {
		t.Error("an event without an actor was stored")
	}
	if err := f.try(func(tx *Tx) error { return tx.Append(testEvent("x"), func() {}) }); err == nil {
		t.Error("an event with a function as its payload was stored")
	}
	if f.head() != before {
		t.Error("something was stored")
	}
}
