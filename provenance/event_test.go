package provenance

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// chain makes n events that follow each other.
func chain(n int) []Event {
	var events []Event
	hash := ""
	for i := range n {
		e := Event{
			Seq: int64(i + 1), OccurredAt: time.Date(2026, 11, 20, 4, 0, i, 7_000_000, time.UTC), Type: "source.registered",
			Project: "survey", Source: "A", Actor: "user:ada", Payload: json.RawMessage(`{"n":1}`), PrevHash: hash,
		}
		e.Hash = e.ChainHash()
		hash = e.Hash
		events = append(events, e)
	}
	return events
}

func check(events []Event) error {
	var v Verifier
	for _, e := range events {
		if err := v.Next(e); err != nil {
			return err
		}
	}
	return nil
}

func TestAnIntactChainVerifiesAndTellsItsHead(t *testing.T) {
	var v Verifier
	if seq, hash := v.Head(); seq != 0 || hash != "" {
		t.Errorf("an empty chain has the head %d %q", seq, hash)
	}
	events := chain(5)
	for _, e := range events {
		if err := v.Next(e); err != nil {
			t.Fatal(err)
		}
	}
	if seq, hash := v.Head(); seq != 5 || hash != events[4].Hash {
		t.Errorf("head %d %s", seq, hash)
	}
}

func TestTheVerifierNamesTheEventThatIsWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		tamper func(e []Event) []Event
		want   string
	}{
		"changed content":           {func(e []Event) []Event { e[2].Actor = "user:eve"; return e }, "event 3 (source.registered): its content"},
		"changed and hashed again":  {func(e []Event) []Event { e[2].Actor = "user:eve"; e[2].Hash = e[2].ChainHash(); return e }, "event 4 (source.registered): its prev_hash"},
		"removed":                   {func(e []Event) []Event { return append(e[:2], e[3:]...) }, "event 4 (source.registered): follows event 2, so 1 before it are missing"},
		"the first removed":         {func(e []Event) []Event { return e[1:] }, "event 2 (source.registered): follows event 0"},
		"twice":                     {func(e []Event) []Event { return append(e[:3], e[2:]...) }, "event 3 (source.registered): follows event 3, so it is out of order or there twice"},
		"swapped":                   {func(e []Event) []Event { e[1], e[2] = e[2], e[1]; return e }, "event 3 (source.registered): follows event 1"},
		"swapped with their number": {func(e []Event) []Event { e[1], e[2] = e[2], e[1]; e[1].Seq, e[2].Seq = 2, 3; return e }, "event 2 (source.registered): its prev_hash"},
		"a first with a past":       {func(e []Event) []Event { e[0].PrevHash = "x"; e[0].Hash = e[0].ChainHash(); return e }, "event 1 (source.registered): its prev_hash"},
	} {
		err := check(tt.tamper(chain(5)))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestEveryFieldIsPartOfTheHashAndNoTwoFieldsRunTogether(t *testing.T) {
	base := chain(1)[0]
	seen := map[string]string{base.ChainHash(): "the event itself"}
	for name, edit := range map[string]func(*Event){
		"seq": func(e *Event) { e.Seq = 2 }, "time": func(e *Event) { e.OccurredAt = e.OccurredAt.Add(time.Millisecond) },
		"type": func(e *Event) { e.Type = "x" }, "project": func(e *Event) { e.Project = "x" }, "source": func(e *Event) { e.Source = "x" },
		"execution": func(e *Event) { e.Execution = "x" }, "actor": func(e *Event) { e.Actor = "x" }, "correlation": func(e *Event) { e.Correlation = "x" },
		"payload": func(e *Event) { e.Payload = nil }, "prev": func(e *Event) { e.PrevHash = "x" },
		"moved border": func(e *Event) { e.Project, e.Source = "surveyA", "" },
	} {
		e := base
		edit(&e)
		if other, same := seen[e.ChainHash()]; same {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[e.ChainHash()] = name
	}
}

func TestTheHashIsOfTheStoredTimeWhateverItsZone(t *testing.T) {
	e := chain(1)[0]
	want := e.ChainHash()
	e.OccurredAt = e.OccurredAt.In(time.FixedZone("AWST", 8*3600)).Add(300 * time.Microsecond)
	if got := e.ChainHash(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The chain of ledgers that exist must verify with every later program.
func TestTheHashOfAnEventNeverChanges(t *testing.T) {
	const want = "bedf8e4e27a15ae2b177b2c340e6cad15902a509b0ae314fd581f779f8b74c34"
	if got := chain(1)[0].ChainHash(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
