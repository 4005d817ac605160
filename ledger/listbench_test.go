package ledger

import "testing"

// BenchmarkLists is a page of fifty by one filter of each kind, on a small ledger: what it costs besides
// what is stored.
func BenchmarkLists(b *testing.B) {
	f := crowd(b)
	for _, tt := range []struct {
		name string
		ask  func(v View) error
	}{
		{"one", func(v View) error { _, err := v.Execution("01930000-0000-7000-8000-000000000050"); return err }},
		{"all", func(v View) error { _, err := v.Executions(ExecutionFilter{Limit: 50}); return err }},
		{"state", func(v View) error {
			_, err := v.Executions(ExecutionFilter{States: []State{Completed}, Limit: 50})
			return err
		}},
		{"project", func(v View) error { _, err := v.Executions(ExecutionFilter{Project: project, Limit: 50}); return err }},
		{"nothing", func(v View) error { _, err := v.Executions(ExecutionFilter{Project: "none", Limit: 50}); return err }},
		{"sources", func(v View) error { _, err := v.Sources(SourceFilter{Project: project, Limit: 50}); return err }},
		{"events", func(v View) error { _, err := v.Events(EventFilter{Project: project, Limit: 50}); return err }},
		{"counts", func(v View) error { _, err := v.CountExecutions(""); return err }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			v := f.view()
			for b.Loop() {
				if err := tt.ask(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWhatListsCostATransition is a transition as it is, and without what lists and counts need of it.
func BenchmarkWhatListsCostATransition(b *testing.B) {
	const countsOff = "DROP TRIGGER execution_counted_in; DROP TRIGGER execution_counted_again; DROP TRIGGER execution_counted_out;"
	for _, tt := range []struct{ name, sql string }{
		{"as it is", "SELECT 1"},
		{"without counts", countsOff},
		{"without index and counts", countsOff + "DROP INDEX executions_listed"},
		{"without either, as before", countsOff + `DROP INDEX executions_listed; DROP INDEX executions_held; DROP INDEX executions_rerun; DROP INDEX executions_tail;
			CREATE INDEX executions_status ON batch_execution_record (status, project, uuid); CREATE INDEX executions_project ON batch_execution_record (project, uuid);
			CREATE INDEX executions_target ON batch_execution_record (target, status, uuid); DROP INDEX provenance_type; CREATE INDEX provenance_type ON provenance_events (event_type, seq)`},
	} {
		b.Run(tt.name, func(b *testing.B) {
			f := newFixture(b)
			if _, err := f.raw().Exec(tt.sql); err != nil {
				b.Fatal(err)
			}
			f.discover("A", OutcomeChanged, "s1")
			e := f.walk(f.admit("A"), EventPrepare, EventPrepared, EventSubmit, EventAccepted)
			next := map[State]Event{Queued: EventStarted, Running: EventRequeued}
			f.write(func(tx *Tx) (err error) {
				for b.Loop() && err == nil {
					e, err = tx.Move(e, next[e.State], Step{Actor: person, Why: "bench"})
				}
				return err
			})
		})
	}
}
