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
