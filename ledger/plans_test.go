package ledger

import (
	"context"
	"database/sql"
	"regexp"
	"strings"
	"testing"
	"time"
)

// watcher keeps the statements that go through a view or a transaction, with their arguments.
type watcher struct {
	querier
	queries []string
	args    [][]any
}

func (w *watcher) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	w.queries, w.args = append(w.queries, query), append(w.args, args)
	return w.querier.ExecContext(ctx, query, args...)
}

func (w *watcher) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	w.queries, w.args = append(w.queries, query), append(w.args, args)
	return w.querier.QueryContext(ctx, query, args...)
}

func (w *watcher) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	w.queries, w.args = append(w.queries, query), append(w.args, args)
	return w.querier.QueryRowContext(ctx, query, args...)
}

// scan matches a walk over a whole table, or over a whole index.
var scan = regexp.MustCompile(`SCAN (\w+).*`)

// few matches a walk over what is few: projects, the groups that are counted, the queue and the values of a
// merge, a list that was given, what is held.
var few = regexp.MustCompile(`^SCAN (projects|execution_counts|source_groups|g|page|found|j(son_each)? VIRTUAL TABLE.*|\(.*|CONSTANT ROW|\w+ USING (COVERING )?INDEX executions_held)`)

func TestWhatATickAsksCostsWhatIsDueAndNotWhatIsRegistered(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.admit("A")
	f.tick(TickRun{Project: project, Kind: TickDiscovery, Reason: "no_sources_due"})
	for name, ask := range map[string]func(v View) error{
		"due sources": func(v View) error { _, err := v.CountDueSources(project, 10); return err },
		"claiming due sources": func(v View) error {
			_, _, err := (&Tx{View: v}).ClaimDueSources(project, 10, "o", "b", time.Hour)
			return err
		},
		"refused sources":     func(v View) error { _, err := v.CountRefused(project); return err },
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
		"oldest live":      func(v View) error { _, err := v.OldestLive(); return err },
		"an id by its end": func(v View) error { _, err := v.ResolveExecution(e.ID[30:]); return err },
		"orphans of submission": func(v View) error {
			_, err := v.Executions(ExecutionFilter{States: []State{Submitting}, Unclaim: true, Oldest: true, Limit: 10})
			return err
		},
		"retries due":        func(v View) error { _, err := v.RetriesDue(10); return err },
		"next retry":         func(v View) error { _, err := v.NextRetryAt(); return err },
		"one execution":      func(v View) error { _, err := v.Execution(e.ID); return err },
		"active execution":   func(v View) error { _, err := v.ActiveExecution(1); return err },
		"one source":         func(v View) error { _, err := v.Source(project, "A"); return err },
		"longer identifiers": func(v View) error { _, err := v.LongerIdentifiers(project, []string{"A", "B"}); return err },
		"live batches":       func(v View) error { _, err := v.LiveBatches(ClaimDiscovery, project); return err },
		"enabled sources":    func(v View) error { _, err := v.CountEnabled(project); return err },
		"quarantined":        func(v View) error { _, err := v.CountQuarantined(project); return err },
		"list of quarantined": func(v View) error {
			yes := true
			_, err := v.Sources(SourceFilter{Project: project, Quarantined: &yes, Limit: 5})
			return err
		},
		"list of missing": func(v View) error {
			yes := true
			_, err := v.Sources(SourceFilter{Project: project, Missing: &yes, Limit: 5})
			return err
		},
		"a page of sources": func(v View) error {
			_, err := v.Sources(SourceFilter{Project: project, Prefix: "A", After: "A", Limit: 5})
			return err
		},
		"metadata":           func(v View) error { _, err := v.Metadata(1); return err },
		"exclusions":         func(v View) error { _, err := v.Exclusions(ExclusionFilter{Project: project}); return err },
		"ticks of a project": func(v View) error { _, err := v.TickRuns(TickFilter{Project: project}); return err },
		"one tick":           func(v View) error { _, err := v.TickRun(1); return err },
		"an archive job":     func(v View) error { _, _, err := v.ArchiveJob("k"); return err },
		"first live event":   func(v View) error { _, _, err := v.firstLiveEvent(); return err },
		"last retention":     func(v View) error { _, _, err := v.LastRetention(); return err },
		"head":               func(v View) error { _, _, err := v.Head(); return err },
		"events of one":      func(v View) error { _, err := v.Events(EventFilter{Execution: e.ID}); return err },
		"events of a source": func(v View) error { _, err := v.Events(EventFilter{Project: project, Source: "A"}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			db := f.raw()
			w := &watcher{querier: db}
			v := f.view()
			v.q = w
			if err := ask(v); err != nil && name != "claiming due sources" { // which has asked before it cannot write
				t.Fatal(err)
			}
			if len(w.queries) == 0 {
				t.Fatal("it asked nothing")
			}
			if index := indexes[name]; !strings.Contains(explain(t, db, w.queries[0], w.args[0]), index) {
				t.Errorf("it does not use %s", index)
			}
			for i, query := range w.queries {
				plan := explain(t, db, query, w.args[i])
				for _, step := range scan.FindAllString(plan, -1) {
					if name == "head" || few.MatchString(step) {
						continue // the head is read backwards along the key and ends at the first row
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
	"executions by state": "executions_listed", "in flight": "execution_counts", "executions to poll": "executions_listed",
	"a project's running": "executions_listed", "executions of a name": "execution_sources_source",
	"retries due": "executions_retry", "next retry": "executions_retry", "live batches": "claims_live", "owners of claims": "claims_live",
	"live executions": "execution_counts", "a project's live": "execution_counts", "oldest live": "executions_listed",
	"orphans of submission": "executions_listed", "work for a worker": "executions_listed",
	"quarantined": "source_groups", "list of quarantined": "sources_listed", "list of missing": "sources_listed",
	"a page of sources": "sources_listed", "an id by its end": "executions_tail",
	"ticks of a project": "tick_runs_kind",
	"events of one":      "provenance_execution", "events of a source": "provenance_source",
}

// TestWhatATickWritesCostsWhatIsDueAndNotWhatIsRegistered looks at every statement of ticks that meet every
// outcome, and of what operators do about them.
func TestWhatATickWritesCostsWhatIsDueAndNotWhatIsRegistered(t *testing.T) {
	f := newFixture(t)
	w := &watcher{}
	watched := func(fn func(tx *Tx) error) {
		t.Helper()
		f.write(func(tx *Tx) error {
			w.querier = tx.q
			tx.q = w
			return fn(tx)
		})
	}
	outcomes := []string{
		OutcomeNoData, OutcomeChanged, OutcomeUnchanged, OutcomeMissing, OutcomeGone, OutcomeChanged, OutcomeError, OutcomeAmbiguous, OutcomeRefused, OutcomeUnchanged,
	}
	for i, outcome := range outcomes {
		if i == 2 { // in time to be superseded
			f.admit("A")
		}
		f.clock.forward(2 * time.Hour)
		watched(func(tx *Tx) error {
			if _, err := tx.RegisterSource(project, "A", person); err != nil {
				return err
			}
			sources, claims, err := tx.ClaimDueSources(project, 10, "o", tx.NewBatch(project), time.Hour)
			if err != nil {
				return err
			}
			d := Discovery{Source: sources[0], Claim: claims[0], Outcome: outcome, Signature: "s" + outcome, Rule: "r1", NextDue: tx.Now().Add(time.Hour)}
			d.Metadata, d.Answer, d.Changes, d.QuarantineAfter = []Metadata{shown("100")}, []byte("[]"), []Change{{Kind: "sbid_gone", SBID: "100"}}, 10
			if err := tx.StoreDiscovery(d); err != nil {
				return err
			}
			_, err = tx.RecordTickRun(TickRun{Project: project, Kind: TickDiscovery, Reason: "no_sources_due", Sources: []TickSource{{Identifier: "A"}}})
			return err
		})
	}
	watched(func(tx *Tx) error {
		if _, err := tx.Brake(project, "too much"); err != nil {
			return err
		}
		if _, err := tx.ReleaseBrake(project, "fine", person); err != nil {
			return err
		}
		if _, err := tx.ReleaseSource(project, "A", "again", person); err != nil {
			return err
		}
		if err := tx.releaseRefused(project, 2, person); err != nil {
			return err
		}
		if err := tx.KeepArchiveJob(ArchiveJob{Key: "k", URL: "u"}); err != nil {
			return err
		}
		if err := tx.ForgetArchiveJob("k"); err != nil {
			return err
		}
		if _, err := tx.ExcludeDatasets(project, []Exclusion{{SBID: "100", Dataset: "a"}}, "bad", person); err != nil {
			return err
		}
		_, err := tx.IncludeDatasets(project, []Exclusion{{SBID: "100", Dataset: "a"}}, "good", person)
		return err
	})
	db, seen := f.raw(), map[string]bool{}
	for i, query := range w.queries {
		if seen[query] || strings.Contains(query, "ORDER BY seq DESC LIMIT 1") { // the head of the log is at the end of its key
			continue
		}
		seen[query] = true
		plan := explain(t, db, query, w.args[i])
		for _, step := range scan.FindAllString(plan, -1) {
			if !few.MatchString(step) {
				t.Errorf("%s\nfor %s", plan, query)
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d statements were looked at", len(seen))
	}
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
