package discovery

import (
	"context"
	"strings"
	"sync"
	"testing"

	"beampipe/ledger"
)

// meanwhile runs fn once, while the first query of the next tick waits for its answer.
func (w *world) meanwhile(fn func()) {
	var once sync.Once
	w.line.before = func(string) { once.Do(fn) }
}

// admissible gives the names of the sources that wait for a run and may have one.
func (w *world) admissible() string {
	w.t.Helper()
	list, err := w.ledger.View(context.Background()).PendingSources("survey", 10)
	must(w.t, err)
	var names []string
	for _, s := range list {
		names = append(names, s.Identifier)
	}
	return strings.Join(names, " ")
}

const watched = "HIPASSJ1313-15"

func TestWhatHappensToASourceWhileItIsDiscoveredIsNotLost(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name  string
		do    func(w *world)
		waits string
		after func(t *testing.T, w *world)
	}{
		{
			name:  "another revision of the config becomes active",
			do:    func(w *world) { w.configure(strings.Replace(plainSurvey, "filesize, ", "filesize, s_region, ", 1)) },
			waits: watched,
			after: func(t *testing.T, w *world) {
				w.executed(watched)
				w.later()
				w.wantOutcome(watched, ledger.OutcomeUnchanged, false)
				w.observe(watched+"_C.ms.tar", sbidOne, 59100)
				w.later()
				w.wantOutcome(watched, ledger.OutcomeChanged, true)
			},
		},
		{
			name: "it is disabled",
			do: func(w *world) {
				must(w.t, w.ledger.Write(ctx, func(tx *ledger.Tx) error {
					_, err := tx.SetEnabled("survey", watched, false, "test", "user:test")
					return err
				}))
			},
			after: func(t *testing.T, w *world) {
				must(t, w.ledger.Write(ctx, func(tx *ledger.Tx) error {
					_, err := tx.SetEnabled("survey", watched, true, "test", "user:test")
					return err
				}))
				if got := w.admissible(); got != watched {
					t.Errorf("enabled again, %q waits for a run", got)
				}
			},
		},
		{
			name: "it is removed",
			do: func(w *world) {
				must(w.t, w.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.RemoveSource("survey", watched, "test", "user:test") }))
			},
			after: func(t *testing.T, w *world) {
				w.register(watched)
				if got := w.admissible(); got != watched {
					t.Errorf("registered again, %q waits for a run", got)
				}
			},
		},
		{
			name: "another process ticks",
			do: func(w *world) {
				other := New(Options{Ledger: w.ledger, Archives: w.set, Owner: "other"})
				if r, err := other.Tick(ctx, "survey"); err != nil || r.Claimed != 0 {
					w.t.Errorf("the second tick: %+v, %v", r, err)
				}
			},
			waits: watched,
			after: func(t *testing.T, w *world) {
				if n := len(w.line.queries); n != 3 {
					t.Errorf("%d queries were asked, want 3: %q", n, w.line.queries)
				}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, plainSurvey)
			w.stock(watched, sbidOne)
			w.register(watched)
			w.meanwhile(func() { tt.do(w) })
			if r := w.tick(); r.Changed != 1 {
				t.Fatalf("tick %+v", r)
			}
			if got := w.admissible(); got != tt.waits {
				t.Errorf("%q waits for a run, want %q", got, tt.waits)
			}
			tt.after(t, w)
		})
	}
}
