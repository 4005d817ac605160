package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beampipe/control"
	"beampipe/fault"
	"beampipe/ledger"
)

var adoptedSources = []string{"HIPASSJ0001-01", "HIPASSJ0002-02", "HIPASSJ0003-03"}

// tallied is a survey whose applications note each of their runs, and then wait for a gate.
func tallied(t *testing.T) (w *world, tally, gate string) {
	t.Helper()
	dir := t.TempDir()
	tally, gate = filepath.Join(dir, "tally"), filepath.Join(dir, "gate")
	must(t, os.Mkdir(tally, 0o755))
	w = started(t, graphOf(fmt.Sprintf(`echo begun >> '%s'/"$DLG_SESSION_ID"; until [ -e '%s' ]; do sleep 0.02; done; echo done > {result}`, tally, gate)), adoptedSources...)
	t.Cleanup(func() { must(t, os.WriteFile(gate, nil, 0o600)) })
	w.observe(70001, 1, adoptedSources...)
	w.discover()
	return w, tally, gate
}

// keep gives the ledger's file as it is now.
func (w *world) keep() []byte {
	w.t.Helper()
	w.reopen()
	raw, err := os.ReadFile(w.ledger.Path())
	must(w.t, err)
	return raw
}

// putBack puts a file in the place of the ledger's, as a restore does.
func (w *world) putBack(raw []byte, marked bool) {
	w.t.Helper()
	path := w.ledger.Path()
	must(w.t, w.ledger.Close())
	for _, beside := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + beside); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.t.Fatal(err)
		}
	}
	must(w.t, os.WriteFile(path, raw, 0o600))
	w.open()
	if marked {
		must(w.t, w.ledger.Write(context.Background(), func(tx *ledger.Tx) error { return tx.MarkRestored("an older copy", "test", "user:test") }))
	}
}

// runAll lets every execution run to its end.
func (w *world) runAll(gate string) {
	w.t.Helper()
	must(w.t, os.WriteFile(gate, nil, 0o600))
	for _, x := range w.executions() {
		if x.Held != nil {
			_, err := w.ReleaseExecution(context.Background(), x.ID, "go on")
			must(w.t, err)
		}
	}
	_, err := w.Work(context.Background())
	must(w.t, err)
	w.finish()
}

// begun counts how often work began, and fails for an attempt that began twice.
func begun(t *testing.T, tally string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(tally, "*"))
	must(t, err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		must(t, err)
		if string(raw) != "begun\n" {
			t.Errorf("%s worked more than once: %q", filepath.Base(file), raw)
		}
	}
	return len(files)
}

// refusedEverywhere checks that nothing that acts outside is done on a paused ledger, and that reading works.
func (w *world) refusedEverywhere() {
	w.t.Helper()
	ctx := context.Background()
	before := w.events()
	for what, do := range map[string]func() error{
		"discovery tick": func() error { _, err := w.TickDiscovery(ctx, project); return err },
		"execution tick": func() error { _, err := w.TickExecution(ctx, project, false); return err },
		"poll tick":      func() error { _, err := w.TickPoll(ctx); return err },
		"work":           func() error { _, err := w.Work(ctx); return err },
		"discover": func() error {
			_, err := w.DiscoverSources(ctx, control.SourceSelection{Project: project, Identifiers: adoptedSources[:1]})
			return err
		},
		"create": func() error {
			_, err := w.CreateExecution(ctx, control.CreateRequest{Project: project, Sources: []control.SelectedSource{{Identifier: adoptedSources[0]}}, Reason: "test"})
			return err
		},
		"admit": func() error {
			if tick := w.Admit(ctx, project, false); !strings.Contains(tick.Error, "paused") {
				return errors.New("admitted: " + tick.Error)
			}
			return fault.Conflict
		},
	} {
		if err := do(); !errors.Is(err, fault.Conflict) {
			w.t.Errorf("%s on a paused ledger: %v", what, err)
		}
	}
	for _, x := range w.executions() {
		if _, err := w.CancelExecution(ctx, x.ID, "test", false); !errors.Is(err, fault.Conflict) {
			w.t.Errorf("cancel on a paused ledger: %v", err)
		}
		if _, err := w.RetryExecution(ctx, x.ID, "test"); !errors.Is(err, fault.Conflict) {
			w.t.Errorf("retry on a paused ledger: %v", err)
		}
	}
	if now := w.events(); now != before {
		w.t.Errorf("%d events were written", now-before)
	}
	h, err := w.Health(ctx)
	must(w.t, err)
	if len(h.Problems) == 0 || h.Problems[0].Code != "ledger_paused" {
		w.t.Errorf("health: %+v", h.Problems)
	}
	plan, err := w.Plan(ctx, project)
	must(w.t, err)
	if plan.Paused == nil {
		w.t.Error("the plan does not say that the ledger is paused")
	}
}

func TestAnOldCopyThatIsPutBackLosesAndDoublesNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		kept   func(w *world) // what happens before the copy is made
		marked bool           // by a restore; else the witness tells
		code   string
		behind int
	}{
		{name: "made when they were prepared", kept: func(w *world) { w.admit(true) }, marked: true, code: ledger.PausedRestored, behind: len(adoptedSources)},
		{name: "made when they were prepared, put back by hand", kept: func(w *world) { w.admit(true) }, code: ledger.PausedWentBack, behind: len(adoptedSources)},
		{name: "made while they ran", kept: func(w *world) { w.admit(false) }, marked: true, code: ledger.PausedRestored},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, tally, gate := tallied(t)
			tt.kept(w)
			old := w.keep()
			w.runAll(gate)
			w.putBack(old, tt.marked)
			w.refusedEverywhere()

			dry, err := w.AdoptLedger(context.Background(), control.AdoptRequest{DryRun: true})
			must(t, err)
			if dry.Adopted || dry.Paused.Code != tt.code || len(dry.Found.Behind) != tt.behind {
				t.Errorf("%+v", dry)
			}
			if _, err := w.AdoptLedger(context.Background(), control.AdoptRequest{}); !errors.Is(err, fault.Invalid) {
				t.Errorf("adopted without a reason: %v", err)
			}
			a, err := w.AdoptLedger(context.Background(), control.AdoptRequest{Reason: "the disk failed"})
			must(t, err)
			if !a.Adopted || len(a.Found.Places) != 1 || a.Found.Places[0].Attempts != len(adoptedSources) {
				t.Errorf("%+v", a)
			}
			w.finish()
			w.discover()
			w.admit(false)
			w.finish()
			list := w.executions()
			if len(list) != len(adoptedSources) || begun(t, tally) != len(adoptedSources) {
				t.Errorf("%d executions, %d runs of %d sources", len(list), begun(t, tally), len(adoptedSources))
			}
			for _, x := range list {
				if x.State != ledger.Completed || x.Attempt != 1 {
					t.Errorf("%s: %s, attempt %d: %s", x.ID, x.State, x.Attempt, x.Error)
				}
			}
			again, err := w.AdoptLedger(context.Background(), control.AdoptRequest{Reason: "once more"})
			if err != nil || again.Adopted || again.Paused.Reason != "" {
				t.Errorf("a second adoption: %+v, %v", again, err)
			}
		})
	}
}

func TestRunsThatAnOldCopyNeverKnewStopItsAdoptionUntilTheyAreForgotten(t *testing.T) {
	w, tally, gate := tallied(t)
	old := w.keep()
	w.admit(false)
	w.runAll(gate)
	folders := map[string]bool{}
	for _, x := range w.executions() {
		folders[x.Folder] = true
	}
	w.putBack(old, true)
	a, err := w.AdoptLedger(context.Background(), control.AdoptRequest{Reason: "the disk failed"})
	if !errors.Is(err, fault.Conflict) || a.Adopted || len(a.Found.Strangers) != len(adoptedSources) {
		t.Fatalf("%+v, %v", a, err)
	}
	for _, s := range a.Found.Strangers {
		if !folders[s.Folder] || !strings.Contains(err.Error(), s.ID) || !strings.Contains(err.Error(), s.Folder) {
			t.Errorf("stranger %+v is not named: %v", s, err)
		}
	}
	w.refusedEverywhere()
	if a, err = w.AdoptLedger(context.Background(), control.AdoptRequest{Reason: "run them again", ForgetStrangers: true}); err != nil || !a.Adopted {
		t.Fatalf("%+v, %v", a, err)
	}
	w.admit(false)
	w.finish()
	if n := begun(t, tally); n != 2*len(adoptedSources) {
		t.Errorf("%d runs", n)
	}
}

func TestACopyIsNotAdoptedWhileADaemonWorksOnTheOriginal(t *testing.T) {
	w, _, gate := tallied(t)
	w.admit(false)
	w.runAll(gate)
	copied := w.keep()
	lock, err := ledger.LockDaemon(w.ledger.Path())
	must(t, err)
	dir := filepath.Join(w.dir, "elsewhere")
	must(t, os.Mkdir(dir, 0o755))
	w.dir = dir
	must(t, w.ledger.Close())
	must(t, os.WriteFile(filepath.Join(dir, "beampipe.db"), copied, 0o600))
	w.open()
	w.refusedEverywhere()
	adopt := func() error {
		_, err := w.AdoptLedger(context.Background(), control.AdoptRequest{Reason: "a second survey"})
		return err
	}
	if err := adopt(); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "of which this is a copy") {
		t.Errorf("adopted beside a daemon: %v", err)
	}
	must(t, lock.Release())
	// Its runs are in the work folder beside the original.
	if err := adopt(); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "none of the runs") {
		t.Errorf("adopted without its runs: %v", err)
	}
	must(t, os.Remove(filepath.Join(dir, "runs"))) // asking made an empty one
	must(t, os.Rename(filepath.Join(w.dir, "..", "runs"), filepath.Join(dir, "runs")))
	must(t, adopt())
}

func TestALedgerThatIsLedElsewhereIsNotAdopted(t *testing.T) {
	w, _, _ := tallied(t)
	path := w.ledger.Path()
	there, err := ledger.Open(t.Context(), path, ledger.Options{Now: w.clock.Now, HostID: "beta"})
	must(t, err)
	defer there.Close()
	must(t, there.Write(t.Context(), func(tx *ledger.Tx) error {
		return tx.Adopt(ledger.Adoption{Here: there.Here(), Reason: "test", Actor: "user:test"})
	}))
	lease, err := there.Lead(t.Context(), "beta:1:x", ledger.LeaseTTL)
	must(t, err)
	w.refusedEverywhere()
	_, err = w.AdoptLedger(t.Context(), control.AdoptRequest{Reason: "test"})
	if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "may lead it until") {
		t.Errorf("adopted beside a leader: %v", err)
	}
	w.clock.advance(time.Minute)
	a, err := w.AdoptLedger(t.Context(), control.AdoptRequest{Reason: "that machine is gone"})
	if err != nil || !a.Adopted {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := lease.Renew(t.Context()); !errors.Is(err, fault.Conflict) {
		t.Errorf("the leader before still writes: %v", err)
	}
}
