package grown

import (
	"path/filepath"
	"testing"

	"beampipe/ledger"
)

func TestAGrownLedgerIsOneThatTheProgramCouldHaveMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grown.db")
	size := Size{Sources: 300, Executions: 600, Events: 6000}
	made, err := Make(t.Context(), path, size, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if made.Bytes < 1<<20 || made.Seconds <= 0 || made.Size != size {
		t.Errorf("%+v", made)
	}
	l, err := ledger.Open(t.Context(), path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v := l.View(t.Context())
	if seq, _, err := v.Head(); err != nil || seq != 6000 {
		t.Errorf("%d events, %v", seq, err)
	}
	verified, err := l.Verify(t.Context(), ledger.VerifyOptions{})
	if err != nil || verified.Finding != nil || verified.Events != 6000 {
		t.Errorf("%+v, %v", verified, err)
	}
	report, err := l.Check(t.Context(), ledger.CheckOptions{})
	if err != nil || !report.OK {
		t.Errorf("%+v, %v", report, err)
	}
	counts, err := v.CountExecutions("")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, of := range counts {
		n += of
	}
	if n != 600 || counts[ledger.Completed] < 400 || counts[ledger.Failed] == 0 || counts[ledger.Running] == 0 {
		t.Errorf("%d: %v", n, counts)
	}
	all, err := v.Executions(ledger.ExecutionFilter{})
	if err != nil || len(all) != 600 {
		t.Fatalf("%d, %v", len(all), err)
	}
	for _, e := range all {
		events, err := v.Events(ledger.EventFilter{Execution: e.ID})
		if err != nil || len(events) != e.Version {
			t.Fatalf("%s is at version %d after %d events, %v", e.ID, e.Version, len(events), err)
		}
	}

	again, err := Make(t.Context(), path, size, func(string) {})
	if err != nil || again.Seconds != 0 || again.Bytes != made.Bytes {
		t.Errorf("it was not used again: %+v, %v", again, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := Make(t.Context(), path, Size{Sources: 60, Executions: 60, Events: 1000}, func(string) {})
	if err != nil || other.Seconds == 0 || other.Executions != 60 {
		t.Errorf("one of another size was not made: %+v, %v", other, err)
	}
}

func TestEventsThatAreTooFewAreRefused(t *testing.T) {
	if _, err := Make(t.Context(), filepath.Join(t.TempDir(), "grown.db"), Size{Sources: 60, Executions: 60, Events: 70}, func(string) {}); err == nil {
		t.Error("histories were cut")
	}
}
