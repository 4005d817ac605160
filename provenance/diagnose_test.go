package provenance

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// logOf answers Diagnose from a list of events, whose numbers must grow.
func logOf(events []Event) Log {
	return Log{
		Last: events[len(events)-1].Seq,
		Next: func(seq int64) (Record, bool, error) {
			for _, e := range events {
				if e.Seq > seq {
					return e.record(), true, nil
				}
			}
			return Record{}, false, nil
		},
		ByHash: func(hash string) (int64, bool, error) {
			if hash == "" {
				return 0, true, nil
			}
			for _, e := range events {
				if e.Hash == hash {
					return e.Seq, true, nil
				}
			}
			return 0, false, nil
		},
	}
}

// verified walks over events as far as they are in order.
func verified(events []Event) (seq int64, hash string, whole bool) {
	var v Verifier
	for _, e := range events {
		if v.Next(e) != nil {
			seq, hash = v.Head()
			return seq, hash, false
		}
	}
	seq, hash = v.Head()
	return seq, hash, true
}

// Whatever is done to a chain, it either still verifies, or a finding names an event that is not behind the
// first one that the walk refuses, nor before the first one that was touched. Only who makes hashes anew can
// shift the blame to an earlier event: then two stories fit what is left.
func TestWhateverIsDoneToAChainTheFindingIsWhereItBegan(t *testing.T) {
	const n = 12
	rapid.Check(t, func(t *rapid.T) {
		original := chain(n)
		events := slices.Clone(original)
		hashed := false // by someone else than the ledger
		for range rapid.IntRange(1, 4).Draw(t, "deeds") {
			i := rapid.IntRange(0, len(events)-1).Draw(t, "event")
			j := rapid.IntRange(0, len(events)-1).Draw(t, "other")
			deed := rapid.IntRange(0, 6).Draw(t, "deed")
			hashed = hashed || deed == 4 || deed == 6
			switch deed {
			case 0:
				events[i].Actor = "user:eve"
			case 1:
				if len(events) > 1 {
					events = slices.Delete(events, i, i+1)
				}
			case 2:
				forged := events[i]
				forged.Type, forged.PrevHash = "forged", events[j].Hash
				events = slices.Insert(events, i, forged)
			case 3:
				events[i], events[j] = events[j], events[i]
			case 4:
				events[i].Hash = events[i].ChainHash()
			case 5:
				events[i].PrevHash = events[j].Hash
			case 6:
				if i > 0 {
					events[i].PrevHash = events[i-1].Hash
					events[i].Hash = events[i].ChainHash()
				}
			}
		}
		if rapid.Bool().Draw(t, "renumbered") {
			for i := range events {
				events[i].Seq = int64(i + 1)
			}
		}
		slices.SortStableFunc(events, func(a, b Event) int { return int(a.Seq - b.Seq) })
		events = slices.CompactFunc(events, func(a, b Event) bool { return a.Seq == b.Seq }) // numbers are a key
		seq, hash, whole := verified(events)
		if whole {
			return
		}
		f, err := Diagnose(seq, hash, logOf(events))
		if err != nil {
			t.Fatal(err)
		}
		untouched := int64(0)
		for i := 0; i < min(len(events), n) && fmt.Sprint(events[i]) == fmt.Sprint(original[i]); i++ {
			untouched++
		}
		next, _, _ := logOf(events).Next(seq)
		if f.Seq > next.Seq || f.Seq <= untouched && !hashed || f.Detail == "" || f.Problem == "" {
			t.Errorf("in order up to %d, untouched up to %d, next %d: %+v", seq, untouched, next.Seq, f)
		}
	})
}

func TestADiagnosisOfAPrunedLogKnowsWhereItBegins(t *testing.T) {
	events := chain(9)
	begin := events[3]
	log := logOf(events[4:])
	log.Begin = begin.Seq
	byHash := log.ByHash
	log.ByHash = func(hash string) (int64, bool, error) {
		if hash == begin.Hash {
			return begin.Seq, true, nil
		}
		return byHash(hash)
	}
	f, err := Diagnose(begin.Seq, "another hash", log)
	if err != nil || f.Seq != 5 || f.Problem != Pruning {
		t.Errorf("%+v, %v", f, err)
	}
	log.Next = logOf(events[6:]).Next
	if f, err = Diagnose(begin.Seq, begin.Hash, log); err != nil || f.Seq != 5 || f.Problem != Removed {
		t.Errorf("%+v, %v", f, err)
	}
}
