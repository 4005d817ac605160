package ledger

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"beampipe/provenance"
)

// tamper runs statements as someone with sqlite3 would who takes the triggers that refuse something away first,
// and puts them back afterwards.
func (f *fixture) tamper(statements ...string) {
	f.Helper()
	db := f.raw()
	defer db.Close()
	run := func(statement string) {
		if _, err := db.Exec(statement); err != nil {
			f.Fatalf("%s: %v", statement, err)
		}
	}
	rows, err := db.Query("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%RAISE(%'")
	if err != nil {
		f.Fatal(err)
	}
	guards := map[string]string{}
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			f.Fatal(err)
		}
		guards[name] = text
	}
	if err := rows.Close(); err != nil {
		f.Fatal(err)
	}
	for name := range guards {
		run("DROP TRIGGER " + name)
	}
	for _, statement := range statements {
		run(statement)
	}
	for name, text := range guards {
		var there bool
		if err := db.QueryRow("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?)", name).Scan(&there); err != nil {
			f.Fatal(err)
		}
		if !there {
			run(text)
		}
	}
}

// rewrite replaces the whole log by what edit makes of it.
func (f *fixture) rewrite(edit func(log []provenance.Event) []provenance.Event) {
	f.Helper()
	log, err := f.view().Events(EventFilter{Limit: 10_000})
	if err != nil {
		f.Fatal(err)
	}
	statements := []string{"DELETE FROM provenance_events"}
	for _, e := range edit(log) {
		row := fmt.Sprintf("%d", e.Seq)
		for _, value := range []string{Stamp(e.OccurredAt), e.Type, e.Project, e.Source, e.Execution, e.Actor, e.Correlation, string(e.Payload), e.PrevHash, e.Hash} {
			row += ", '" + strings.ReplaceAll(value, "'", "''") + "'"
		}
		statements = append(statements, "INSERT INTO provenance_events VALUES ("+row+")")
	}
	f.tamper(statements...)
}

// longLog gives a fixture whose log has exactly ten events.
func longLog(t *testing.T) *fixture {
	f := newFixture(t)
	f.write(func(tx *Tx) error {
		for seq := f.head() + 1; seq <= 10; seq++ {
			if err := tx.Append(provenance.Event{Type: "test.event", Actor: person}, map[string]any{"number": seq}); err != nil {
				return err
			}
		}
		return nil
	})
	return f
}

type log = []provenance.Event

// What someone who tampers does to the log afterwards to hide it.

func renumber(l log) log {
	for i := range l {
		l[i].Seq = int64(i + 1)
	}
	return l
}

// rehash makes the hashes of some events anew, numbered from 1.
func rehash(l log, which ...int64) log {
	for _, seq := range which {
		l[seq-1].Hash = l[seq-1].ChainHash()
	}
	return l
}

// relink makes the chain anew from event seq to event to.
func relink(l log, seq, to int64) log {
	for i := seq - 1; i < to; i++ {
		l[i].PrevHash = ""
		if i > 0 {
			l[i].PrevHash = l[i-1].Hash
		}
		l[i].Hash = l[i].ChainHash()
	}
	return l
}

func change(l log, seq int64) log { l[seq-1].Actor = "user:eve"; return l }
func cutOut(l log, seq int64) log { return slices.Delete(l, int(seq-1), int(seq)) }

func exchange(l log, a, b int64) log {
	l[a-1], l[b-1] = l[b-1], l[a-1]
	return l
}

// insert puts a forged event before event seq, with the number of it.
func putIn(l log, seq int64) log {
	e := provenance.Event{Seq: seq, OccurredAt: l[0].OccurredAt, Type: "forged", Actor: "user:eve", Payload: json.RawMessage(`{}`)}
	if seq > 1 {
		e.PrevHash = l[seq-2].Hash
	}
	e.Hash = e.ChainHash()
	return slices.Insert(l, int(seq-1), e)
}

func TestVerifyNamesTheFirstBrokenEventAndWhatIsWrong(t *testing.T) {
	const changed, removed, inserted, reordered = provenance.Changed, provenance.Removed, provenance.Inserted, provenance.Reordered
	for _, tt := range []struct {
		name string
		edit func(l log) log
		seq  int64
		want provenance.Problem
	}{
		{"changed", func(l log) log { return change(l, 5) }, 5, changed},
		{"the first changed", func(l log) log { return change(l, 1) }, 1, changed},
		{"the last changed", func(l log) log { return change(l, 10) }, 10, changed},
		{"its hash changed", func(l log) log { l[4].Hash = l[3].Hash; return l }, 5, changed},
		{"its prev_hash changed", func(l log) log { l[4].PrevHash = l[1].Hash; return l }, 5, changed},
		{"its prev_hash taken away", func(l log) log { l[4].PrevHash = ""; return rehash(l, 5) }, 5, changed},
		{"its time changed", func(l log) log { l[4].OccurredAt = l[4].OccurredAt.Add(1e9); return l }, 5, changed},
		{"changed and hashed anew", func(l log) log { return rehash(change(l, 5), 5) }, 5, changed},
		{"the first changed and hashed anew", func(l log) log { return rehash(change(l, 1), 1) }, 1, changed},
		{"the one before the last changed and hashed anew", func(l log) log { return rehash(change(l, 9), 9) }, 9, changed},
		{"changed, and the chain made anew for a while", func(l log) log { return relink(change(l, 3), 3, 6) }, 6, changed},
		{"prev_hash changed and hashed anew", func(l log) log { l[4].PrevHash = l[0].Hash[1:] + "0"; return rehash(l, 5) }, 5, changed},

		{"removed", func(l log) log { return cutOut(l, 5) }, 5, removed},
		{"the first removed", func(l log) log { return cutOut(l, 1) }, 1, removed},
		{"three removed", func(l log) log { return slices.Delete(l, 4, 7) }, 5, removed},
		{"removed and renumbered", func(l log) log { return renumber(cutOut(l, 5)) }, 5, removed},
		{"the first removed and renumbered", func(l log) log { return renumber(cutOut(l, 1)) }, 1, removed},
		{"three removed and renumbered", func(l log) log { return renumber(slices.Delete(l, 4, 7)) }, 5, removed},
		{"removed, renumbered and linked again for one event", func(l log) log { return relink(renumber(cutOut(l, 5)), 5, 5) }, 6, removed},
		{"removed, and the one behind it changed", func(l log) log { return cutOut(change(l, 6), 5) }, 5, removed},

		{"inserted and renumbered", func(l log) log { return renumber(putIn(l, 5)) }, 5, inserted},
		{"inserted before the first and renumbered", func(l log) log { return renumber(putIn(l, 1)) }, 1, inserted},
		{"inserted below the first", func(l log) log { l = putIn(l, 1); l[0].Seq = 0; return l }, 0, inserted},
		{"inserted with a hash of nothing", func(l log) log { l = renumber(putIn(l, 5)); l[4].Hash = "0"; return l }, 5, inserted},
		{"inserted, renumbered, and the next one hashed anew", func(l log) log { return rehash(renumber(putIn(l, 5)), 6) }, 5, inserted},
		{"inserted behind the last with a gap", func(l log) log { l = putIn(l, 11); l[10].Seq = 14; return rehash(l, 11) }, 14, inserted},

		{"swapped with their numbers", func(l log) log { return renumber(exchange(l, 5, 6)) }, 5, reordered},
		{"far ones swapped with their numbers", func(l log) log { return renumber(exchange(l, 3, 8)) }, 3, reordered},
		{"swapped with their numbers and hashed anew", func(l log) log { return rehash(renumber(exchange(l, 5, 6)), 5, 6) }, 5, reordered},
		{"one moved behind the last", func(l log) log { l[4].Seq = 40; return l }, 5, reordered},
		{"one moved to the front and renumbered", func(l log) log { return renumber(slices.Insert(cutOut(slices.Clone(l), 7), 2, l[6])) }, 3, reordered},
		{"what happened swapped, hashes left", func(l log) log { l[4].Payload, l[5].Payload = l[5].Payload, l[4].Payload; return l }, 5, changed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := longLog(t)
			f.rewrite(tt.edit)
			got, err := f.Verify(t.Context(), VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Finding == nil || got.Finding.Seq != tt.seq || got.Finding.Problem != tt.want {
				t.Fatalf("found %+v, want event %d to be %s", got.Finding, tt.seq, tt.want)
			}
			if got.Events >= tt.seq && tt.seq > 0 && got.Events != tt.seq && tt.want != inserted {
				t.Errorf("%d events are said to be in order", got.Events)
			}
			t.Log(got.Finding.Detail)
		})
	}
}

func TestACutTailIsFoundByTheWitnessAndByAHeadThatWasKept(t *testing.T) {
	f := longLog(t)
	seq, hash, err := f.view().Head()
	if err != nil {
		t.Fatal(err)
	}
	kept := Head{seq, hash}
	f.rewrite(func(l log) log { return l[:7] })
	want := provenance.Finding{Seq: 8, Problem: provenance.TailMissing}
	got, err := f.Verify(t.Context(), VerifyOptions{})
	if err != nil || got.Finding == nil || got.Finding.Seq != want.Seq || got.Finding.Problem != want.Problem || got.Witness.State != WitnessBehind {
		t.Errorf("with the witness: %+v, witness %+v, %v", got.Finding, got.Witness, err)
	}
	if err := os.Remove(witnessPath(f.Path())); err != nil {
		t.Fatal(err)
	}
	if got, err = f.Verify(t.Context(), VerifyOptions{}); err != nil || got.Finding != nil || got.Witness.State != WitnessMissing || got.Head.Seq != 7 {
		t.Errorf("without both nothing can be known: %+v, %v", got, err)
	}
	got, err = f.Verify(t.Context(), VerifyOptions{Contains: &kept})
	if err != nil || got.Finding == nil || got.Finding.Seq != 8 || got.Finding.Problem != provenance.TailMissing || got.Contains == nil || *got.Contains {
		t.Errorf("with the head: %+v, %v", got, err)
	}
}

func TestALogThatWasWrittenAnewIsFoundByTheWitnessAndByAHeadThatWasKept(t *testing.T) {
	f := longLog(t)
	seq, hash, err := f.view().Head()
	if err != nil {
		t.Fatal(err)
	}
	kept := Head{seq, hash}
	f.rewrite(func(l log) log { return relink(change(l, 3), 3, 10) })
	got, err := f.Verify(t.Context(), VerifyOptions{})
	if err != nil || got.Finding == nil || got.Finding.Seq != 10 || got.Finding.Problem != provenance.Changed || got.Events != 10 {
		t.Errorf("with the witness: %+v, %v", got, err)
	}
	if err := os.Remove(witnessPath(f.Path())); err != nil {
		t.Fatal(err)
	}
	got, err = f.Verify(t.Context(), VerifyOptions{Contains: &kept})
	if err != nil || got.Finding == nil || got.Finding.Seq != 10 || *got.Contains {
		t.Errorf("with the head: %+v, %v", got, err)
	}
	early := Head{Seq: 2}
	events, err := f.view().Events(EventFilter{After: 1, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	early.Hash = events[0].Hash
	if got, err = f.Verify(t.Context(), VerifyOptions{Contains: &early}); err != nil || got.Finding != nil || !*got.Contains {
		t.Errorf("a head from before the change: %+v, %v", got, err)
	}
}

func TestAnIntactLogVerifiesAcrossPagesAndSaysHowFarItIs(t *testing.T) {
	f := newFixture(t)
	const n = 2*verifyPage + 17
	f.write(func(tx *Tx) error {
		for range n {
			if err := tx.Append(provenance.Event{Type: "test.event", Actor: person}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	head := f.head()
	var steps []string
	got, err := f.Verify(t.Context(), VerifyOptions{Progress: func(done, total int64) { steps = append(steps, fmt.Sprint(done, "/", total)) }})
	if err != nil || got.Finding != nil || got.Events != head || got.First != 1 || got.Head.Seq != head || got.Witness.State != WitnessAgrees {
		t.Errorf("%+v, %v", got, err)
	}
	if last := fmt.Sprint(head, "/", head); len(steps) < 2 || steps[len(steps)-1] != last {
		t.Errorf("progress %v", steps)
	}
	for _, seq := range []int64{verifyPage, verifyPage + 1, 2 * verifyPage, head} {
		f.tamper(fmt.Sprintf("UPDATE provenance_events SET actor = actor || 'x' WHERE seq = %d", seq))
		if got, err := f.Verify(t.Context(), VerifyOptions{}); err != nil || got.Finding == nil || got.Finding.Seq != seq || got.Events != seq-1 {
			t.Errorf("event %d: %+v, %v", seq, got, err)
		}
		f.tamper(fmt.Sprintf("UPDATE provenance_events SET actor = '%s' WHERE seq = %d", person, seq))
	}
	f.tamper("UPDATE provenance_events SET actor = CAST(actor AS BLOB) WHERE seq = 3")
	if got, err := f.Verify(t.Context(), VerifyOptions{}); err != nil || got.Finding == nil || got.Finding.Seq != 3 {
		t.Errorf("a text that became a blob: %+v, %v", got, err)
	}
}

func TestAnEmptyLogVerifies(t *testing.T) {
	f := newFixture(t)
	f.rewrite(func(log) log { return nil })
	if err := os.RemoveAll(witnessPath(f.Path())); err != nil {
		t.Fatal(err)
	}
	got, err := f.Verify(t.Context(), VerifyOptions{Contains: &Head{}})
	if err != nil || got.Finding != nil || got.Events != 0 || got.First != 0 || !*got.Contains || got.Witness.State != WitnessAgrees {
		t.Errorf("%+v, %v", got, err)
	}
}
