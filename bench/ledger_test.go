package bench

import (
	"path/filepath"
	"testing"

	"beampipe/ledger"
	"beampipe/provenance"
)

func TestTheLedgerBenchMeasuresEveryRowAndItsReference(t *testing.T) {
	report, err := Run(t.Context(), "ledger", Options{Dir: t.TempDir(), Flags: map[string]string{"rounds": "1", "ms": "20", "events": "2000"}})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]Row{}
	for _, r := range report.Rows {
		rows[r.Name] = r
	}
	for _, name := range []string{"transitions_s_1", "transitions_s_8", "transitions_s_64", "transitions_s_512", "vs_one_commit_loop_64", "vs_batched_loop_64", "p99_ms_at_1000_s", "verify_events_s"} {
		if r, there := rows[name]; !there || r.Value <= 0 || r.Reference == "" || r.ReferenceValue <= 0 || r.Ratio <= 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r, there := rows["verify_growth_mb"]; !there || r.Skipped == "" && r.Reference == "" {
		t.Errorf("%+v", r)
	}
}

// A reference that writes less than what it is compared with would be no reference.
func TestTheLoopWritesARowAndAnEventThatVerifyForEachTransition(t *testing.T) {
	b, err := newLedgerBench(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	for i := range 3 {
		if err := b.step(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.loop.transaction(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	ours, theirs := lastEvents(t, b.ledger.Path()), lastEvents(t, b.loop.path)
	for i := range ours {
		if ours[i].payload != theirs[i].payload || ours[i].kind != theirs[i].kind || ours[i].state != theirs[i].state || ours[i].version != theirs[i].version {
			t.Errorf("the ledger wrote %+v, the loop %+v", ours[i], theirs[i])
		}
	}
}

// written is what a transition left behind.
type written struct {
	kind, payload string
	state         ledger.State
	version       int
}

// lastEvents reads the newest three transitions of a ledger whose chain verifies.
func lastEvents(t *testing.T, path string) []written {
	t.Helper()
	l, err := ledger.Open(t.Context(), path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v := l.View(t.Context())
	var chain provenance.Verifier
	if err := v.EachEvent(chain.Next); err != nil {
		t.Fatalf("%s: %v", filepath.Base(path), err)
	}
	events, err := v.Events(ledger.EventFilter{Newest: true, Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	var list []written
	for _, e := range events {
		x, err := v.Execution(e.Execution)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, written{e.Type, string(e.Payload), x.State, x.Version})
	}
	return list
}
