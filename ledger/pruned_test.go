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

// pruneByHand takes the events up to seq away, as a pruning does, and gives the head with which it ended.
func (f *fixture) pruneByHand(seq int64) Head {
	f.Helper()
	end := Head{Seq: seq}
	f.write(func(tx *Tx) error {
		if err := tx.get("event", "SELECT hash FROM provenance_events WHERE seq = ?", []any{seq}, &end.Hash); err != nil {
			return err
		}
		if err := tx.Append(provenance.Event{Type: "ledger.pruned", Actor: person}, map[string]any{"kind": "events", "upto_seq": seq, "hash": end.Hash, "count": seq}); err != nil {
			return err
		}
		for _, statement := range []string{
			"INSERT INTO prunings (at, kind, event, upto_seq, hash, count, archive, archive_sha256, actor, reason, open) SELECT '', 'events', max(seq), ?1, ?2, ?1, '', '', '', '', 1 FROM provenance_events",
			"DELETE FROM provenance_events WHERE seq <= ?1 AND ?2 <> ''",
			"UPDATE prunings SET open = 0 WHERE open = 1 AND ?1 <> ?2",
		} {
			if _, err := tx.exec("prune", statement, seq, end.Hash); err != nil {
				return err
			}
		}
		return nil
	})
	return end
}

func TestAPrunedLogVerifiesFromWhereItBegins(t *testing.T) {
	f := lived(t)
	f.event(5)
	early := Head{Seq: 3}
	events, err := f.view().Events(EventFilter{After: 2, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	early.Hash = events[0].Hash
	f.pruneByHand(10)
	end := f.pruneByHand(40)
	got, err := f.Verify(t.Context(), VerifyOptions{Contains: &end})
	if err != nil || !got.Intact() || got.First != 41 || got.Head.Seq != f.head() || got.Events != f.head()-40 || !*got.Contains {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = f.Verify(t.Context(), VerifyOptions{Contains: &early})
	wantKind(t, err, fault.NotFound, "event 3", "pruned up to event 40")
	report, err := f.Check(t.Context(), CheckOptions{})
	if err != nil || !report.OK {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestWhatIsDoneToThePrunedEndOfALogIsFound(t *testing.T) {
	for name, tt := range map[string]struct {
		sql  string
		seq  int64
		want provenance.Problem
	}{
		"more taken away":             {"DELETE FROM provenance_events WHERE seq = 41", 41, provenance.Removed},
		"much more taken away":        {"DELETE FROM provenance_events WHERE seq <= 43", 41, provenance.Removed},
		"the pruning moved":           {"DELETE FROM provenance_events WHERE seq = 41; UPDATE prunings SET upto_seq = 41, hash = (SELECT prev_hash FROM provenance_events WHERE seq = 42)", 42, provenance.Pruning},
		"the pruning forgotten":       {"DELETE FROM prunings", 1, provenance.Removed},
		"the pruning's hash changed":  {"UPDATE prunings SET hash = 'x'", 41, provenance.Pruning},
		"the event of it changed":     {"UPDATE provenance_events SET payload = '{}' WHERE event_type = 'ledger.pruned'", 85 + 4, provenance.Changed},
		"something put where it was":  {"INSERT INTO provenance_events SELECT 7, occurred_at, event_type, project_module, source_identifier, execution_id, actor, correlation_id, payload, prev_hash, hash FROM provenance_events WHERE seq = 50", 7, provenance.Inserted},
		"the first one changed":       {"UPDATE provenance_events SET actor = 'user:eve' WHERE seq = 41", 41, provenance.Changed},
		"the first one's link broken": {"UPDATE provenance_events SET prev_hash = 'x' WHERE seq = 41", 41, provenance.Changed},
	} {
		t.Run(name, func(t *testing.T) {
			f := lived(t)
			f.event(3)
			f.pruneByHand(40)
			f.tamper(tt.sql)
			got, err := f.Verify(t.Context(), VerifyOptions{})
			if err != nil || got.Finding == nil || got.Finding.Seq != tt.seq || got.Finding.Problem != tt.want {
				t.Errorf("%+v, %v, want event %d to be %s", got.Finding, err, tt.seq, tt.want)
			}
		})
	}
}

func TestALogThatIsPrunedWhileItIsVerifiedIsIntact(t *testing.T) {
	f := lived(t)
	pruned := false
	got, err := f.Verify(t.Context(), VerifyOptions{Progress: func(done, _ int64) {
		if !pruned {
			pruned = true
			f.pruneByHand(40)
		}
	}})
	if err != nil || !got.Intact() || got.First != 41 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAReaderVerifiesAndChecksACopy(t *testing.T) {
	f := lived(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, content, 0o444); err != nil {
		t.Fatal(err)
	}
	l, err := OpenReader(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got, err := l.Verify(t.Context(), VerifyOptions{})
	if err != nil || !got.Intact() || got.Witness.State != WitnessMissing {
		t.Errorf("%+v, %v", got, err)
	}
	report, err := l.Check(t.Context(), CheckOptions{})
	if err != nil || !report.OK {
		t.Errorf("%+v, %v", report, err)
	}
	wantKind(t, l.RenewWitness(), fault.Invalid)
}

func TestALedgerOfTheFirstSchemaIsCheckedByItsOwnSchema(t *testing.T) {
	l, err := OpenReader(context.Background(), firstLedger(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	report, err := l.Check(t.Context(), CheckOptions{})
	if err != nil || report.SchemaVersion != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	for _, s := range report.Steps {
		switch s.Name {
		case "executions": // the rows of that ledger were not made by a program
			if len(s.Findings) != 1 || !strings.Contains(s.Findings[0], "no event tells of it") {
				t.Errorf("%+v", s)
			}
		default:
			if !s.OK {
				t.Errorf("%+v", s)
			}
		}
	}
}
