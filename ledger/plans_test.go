package ledger

import (
	"context"
	"database/sql"
	"regexp"
	"strings"
	"testing"
	"time"
)

// watcher keeps the queries that go through a view, with their arguments.
type watcher struct {
	*sql.DB
	queries []string
	args    [][]any
}

func (w *watcher) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	w.queries, w.args = append(w.queries, query), append(w.args, args)
	return w.DB.QueryContext(ctx, query, args...)
}

func (w *watcher) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	w.queries, w.args = append(w.queries, query), append(w.args, args)
	return w.DB.QueryRowContext(ctx, query, args...)
}

// scan matches a walk over a whole table, or over a whole index.
var scan = regexp.MustCompile(`SCAN (\w+).*`)

func TestWhatATickAsksCostsWhatIsDueAndNotWhatIsRegistered(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.admit("A")
	for name, ask := range map[string]func(v View) error{
		"due sources": func(v View) error { _, err := v.CountDueSources(project, 10); return err },
		"claiming due sources": func(v View) error {
			_, _, err := (&Tx{View: v}).ClaimDueSources(project, 10, "o", "b", time.Hour)
			return err
		},
		"pending sources":     func(v View) error { _, err := v.PendingSources(project, 10); return err },
		"count of pending":    func(v View) error { _, _, err := v.CountPending(project); return err },
		"executions by state": func(v View) error { _, err := v.Executions(ExecutionFilter{States: []State{Pending}}); return err },
		"work for a worker": func(v View) error {
			no := false
			_, err := v.Executions(ExecutionFilter{States: []State{Pending, Preparing, Ready}, Held: &no, Due: true, Unclaim: true, Oldest: true, Limit: 1})
			return err
		},
		"executions to poll": func(v View) error {
			_, err := v.Executions(ExecutionFilter{Target: "local", States: []State{Queued, Running, Cancelling, Uncertain}})
			return err
		},
		"a project's running": func(v View) error {
			_, err := v.Executions(ExecutionFilter{Project: project, States: []State{Running}})
			return err
		},
		"executions of a name": func(v View) error {
			_, err := v.Executions(ExecutionFilter{Project: project, Source: "A"})
			return err
		},
		"in flight":        func(v View) error { _, err := v.CountInFlight(project, profile); return err },
		"owners of claims": func(v View) error { _, err := v.ClaimOwners(); return err },
		"live executions":  func(v View) error { _, err := v.CountLive(""); return err },
		"a project's live": func(v View) error { _, err := v.CountLive(project); return err },
		"orphans of submission": func(v View) error {
			_, err := v.Executions(ExecutionFilter{States: []State{Submitting}, Unclaim: true, Oldest: true, Limit: 10})
			return err
		},
		"retries due":        func(v View) error { _, err := v.RetriesDue(10); return err },
		"next retry":         func(v View) error { _, err := v.NextRetryAt(); return err },
		"one execution":      func(v View) error { _, err := v.Execution(e.ID); return err },
		"active execution":   func(v View) error { _, err := v.ActiveExecution(1); return err },
		"one source":         func(v View) error { _, err := v.Source(project, "A"); return err },
		"longer identifiers": func(v View) error { _, err := v.IdentifiersBeginning(project, "A"); return err },
		"live batches":       func(v View) error { _, err := v.LiveBatches(ClaimDiscovery, project); return err },
		"head":               func(v View) error { _, _, err := v.Head(); return err },
		"events of one":      func(v View) error { _, err := v.Events(EventFilter{Execution: e.ID}); return err },
		"events of a source": func(v View) error { _, err := v.Events(EventFilter{Project: project, Source: "A"}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			w := &watcher{DB: f.raw()}
			v := f.view()
			v.q = w
			if err := ask(v); err != nil && name != "claiming due sources" { // which has asked before it cannot write
				t.Fatal(err)
			}
			if len(w.queries) == 0 {
				t.Fatal("it asked nothing")
			}
			if index := indexes[name]; !strings.Contains(explain(t, w.DB, w.queries[0], w.args[0]), index) {
				t.Errorf("it does not use %s", index)
			}
			for i, query := range w.queries {
				plan := explain(t, w.DB, query, w.args[i])
				for _, step := range scan.FindAllString(plan, -1) {
					if name == "head" || strings.HasPrefix(step, "SCAN projects") || strings.HasPrefix(step, "SCAN (") {
						continue // the head is read backwards along the key and ends at the first row; projects are few
					}
					t.Errorf("%s\nfor %s", plan, query)
				}
			}
		})
	}
}

// indexes names the one that a question was given.
var indexes = map[string]string{
	"due sources": "sources_due", "claiming due sources": "sources_due", "pending sources": "sources_pending", "count of pending": "sources_pending",
	"executions by state": "executions_status", "in flight": "executions_status", "executions to poll": "executions_target",
	"retries due": "executions_retry", "next retry": "executions_retry", "live batches": "claims_live", "owners of claims": "claims_live",
	"live executions": "executions_status", "a project's live": "executions_status",
	"orphans of submission": "executions_status", "work for a worker": "executions_status",
	"events of one": "provenance_execution", "events of a source": "provenance_source",
}

func explain(t *testing.T, db *sql.DB, query string, args []any) string {
	t.Helper()
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "\n")
}
