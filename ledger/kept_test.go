package ledger

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/provenance"
)

// A ledger of every released schema is kept in testdata, so that each later migration is tried on what
// that release wrote. Before a release that adds a migration, with the schema as it will be released:
//
//	go test ./ledger -run TestKeepALedgerOfThisSchema -keep
//
// writes ledger-v<N>.db.gz. demo-v2.db.gz is the ledger of `beampipe demo`: real records, graphs and runs.
var keep = flag.Bool("keep", false, "write testdata/ledger-v<N>.db.gz with the present schema")

func TestKeepALedgerOfThisSchema(t *testing.T) {
	f := newFixture(t)
	fillKept(f)
	fillKeptMore(f)
	if _, err := f.Vacuum(context.Background()); err != nil { // free pages still say where it was made
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	if !*keep {
		return // that it can be made is tried each time
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fmt.Sprintf("testdata/ledger-v%d.db.gz", present), packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fillKept puts something into every table: sources after each outcome, an execution in each state.
func fillKept(f *fixture) {
	f.Helper()
	fillSources(f)
	for _, state := range allStates {
		name := "in " + string(state)
		f.discover(name, OutcomeChanged, "s-"+string(state), func(d *Discovery) {
			d.Answer = []byte(`{"form":"single","tables":{"main":[{"filename":"100.tar"}]}}`)
			d.Report = map[string]any{"queries": []string{"main"}}
			d.Changes = []Change{{Kind: "sbid_added", SBID: "100"}}
		})
		e := f.admit(name)
		fillExecution(f, e)
		f.clock.forward(time.Minute)
		f.walk(e, pathTo(state)...)
	}
	e, err := f.view().Executions(ExecutionFilter{States: []State{Ready}})
	if err != nil {
		f.Fatal(err)
	}
	f.write(func(tx *Tx) error { _, err := tx.Hold(e[0], "wait for the reviewer", person); return err })
	f.tick(TickRun{Project: project, Kind: TickDiscovery, Reason: "drained", Counters: map[string]int{"claimed": 12}, Sources: []TickSource{{Identifier: "answer changed", Outcome: OutcomeChanged}}})
	f.tick(TickRun{Project: project, Kind: TickExecution, Reason: "nothing_pending"})
	f.write(func(tx *Tx) error {
		if _, err := tx.ExcludeDatasets(project, []Exclusion{{SBID: "900"}, {SBID: "901", Dataset: "cube-1"}}, "bad beams", person); err != nil {
			return err
		}
		if err := tx.KeepArchiveJob(ArchiveJob{Key: "job", Archive: "casda", URL: "http://archive.invalid/tap/async/1", Project: project}); err != nil {
			return err
		}
		if _, err := tx.SetSignatureRule(Rule{ID: "r1", Project: project, Revision: 1, Content: []byte(`{"columns":["filename"]}`)}); err != nil {
			return err
		}
		return tx.SetProblems([]Problem{{Code: "tick_failed", Subject: project, Title: "A tick did not go well", Text: "no answer", Severity: "warning", Todo: "wait", Since: tx.Now(), SeenAt: tx.Now()}})
	})
}

// fillKeptMore puts something into the tables of schema version 7, and takes something out: the log begins
// behind what was pruned.
func fillKeptMore(f *fixture) {
	f.Helper()
	e, err := f.view().Executions(ExecutionFilter{States: []State{Completed}})
	if err != nil {
		f.Fatal(err)
	}
	f.write(func(tx *Tx) error {
		recipe, err := f.baked(tx, "gra", "ph")
		if err != nil {
			return err
		}
		if err := tx.AttachRecipe(e[0].ID, 1, "joined_graph", recipe); err != nil {
			return err
		}
		products := []Product{
			{Path: "cube.fits", SHA256: strings.Repeat("a", 64), Bytes: 5, URI: "file:///runs/cube.fits"},
			{Path: "bad.fits", SHA256: strings.Repeat("b", 64), Bytes: 7},
		}
		if err := tx.AddProducts(e[0].ID, 1, products); err != nil {
			return err
		}
		if _, err := tx.SetPolicy(Policy{Kind: KeepEvents, MaxAge: 365 * day, Archive: "/archive"}, person, "a year in the file"); err != nil {
			return err
		}
		unused, err := Pack("text/plain", []byte("nobody refers to this"))
		if err != nil {
			return err
		}
		if err := tx.PutPacked(unused); err != nil {
			return err
		}
		if err := tx.setHome(Home{HostID: "machine", HostName: "observatory", Path: "/var/lib/beampipe/beampipe.db"}); err != nil {
			return err
		}
		return tx.NoteRetention(map[string]int{KeepClaims: 3})
	})
	withdrawn, err := f.view().Products(ProductFilter{Path: "bad.fits"})
	if err != nil {
		f.Fatal(err)
	}
	f.write(func(tx *Tx) error {
		_, err := tx.WithdrawProducts(withdrawn, nil, "bad calibration", person)
		return err
	})
	f.clock.forward(10 * day)
	f.prune(Policy{Kind: KeepArtifacts, MaxAge: 7 * day})
	f.prune(Policy{Kind: KeepEvents, MaxAge: 2 * day})
}

func fillSources(f *fixture) {
	f.Helper()
	f.write(func(tx *Tx) error {
		graph, err := Pack("application/json", []byte(`{"nodeDataArray":[],"linkDataArray":[]}`))
		if err != nil {
			return err
		}
		if _, _, err := tx.AddConfig(NewConfig{Project: "second", Digest: "c2", Spec: []byte("{}"), File: []byte("x"), FileName: "second.yaml", Graph: &graph, GraphOrigin: "second.graph"}, person); err != nil {
			return err
		}
		_, err = tx.SetAdmission(project, true, "begin", person)
		return err
	})
	for _, outcome := range []string{OutcomeChanged, OutcomeNoData, OutcomeAmbiguous, OutcomeRefused, OutcomeError} {
		f.discover("answer "+outcome, outcome, "s0", failing("the archive said <no> & \"why\""), quarantineAfter(3))
	}
	f.discover("missing", OutcomeChanged, "s1")
	f.discover("missing", OutcomeMissing, "", func(d *Discovery) {
		d.Metadata, d.Changes, d.GoneDigest = nil, []Change{{Kind: "sbid_gone", SBID: "100"}}, "nothing"
	})
	f.source("never asked")
	f.source("disabled")
	f.source("removed")
	f.write(func(tx *Tx) error {
		if _, err := tx.SetEnabled(project, "disabled", false, "too faint", person); err != nil {
			return err
		}
		return tx.RemoveSource(project, "removed", "a star", person)
	})
}

// fillExecution gives an execution what hangs on one.
func fillExecution(f *fixture, e Execution) {
	f.Helper()
	manifest, err := Pack("application/json", []byte(`{"execution_id":"`+e.ID+`","sources":[]}`))
	if err != nil {
		f.Fatal(err)
	}
	shared, err := Pack("application/json", []byte(`{"nodeDataArray":[{"key":1}],"linkDataArray":[]}`))
	if err != nil {
		f.Fatal(err)
	}
	f.write(func(tx *Tx) error {
		if err := tx.AttachArtifact(e.ID, 1, ArtifactManifest, manifest); err != nil {
			return err
		}
		if err := tx.AttachArtifact(e.ID, 1, ArtifactPatchedGraph, shared); err != nil {
			return err
		}
		if err := tx.SetRunRecord(e.ID, map[string]any{"scheduler": "local", "attempts": []any{map[string]any{"exit": 0}}}); err != nil {
			return err
		}
		if _, err := tx.Observe(Observation{Execution: e.ID, Attempt: 1, Kind: "session", State: "running", Raw: "{}"}); err != nil {
			return err
		}
		_, err := tx.Observe(Observation{Execution: e.ID, Attempt: 1, Kind: "session", State: "ended", Reason: "exit 0", Raw: "{}"})
		return err
	})
}

// keptLedgers lists the ledgers in testdata.
func keptLedgers(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.db.gz")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d ledgers are kept, %v", len(names), err)
	}
	return names
}

// unpack puts a kept ledger into a folder of its own.
func unpack(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(name), ".gz"))
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// content gives every row of the tables, by table, as text. columns says which columns of a table are
// read; nil reads those that there are and gives them back.
func content(t *testing.T, path string, columns map[string][]string) (rows map[string][]string, read map[string][]string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if columns == nil {
		columns = map[string][]string{}
		for _, pair := range queryTexts(t, db, `SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
			WHERE m.type = 'table' AND m.name <> 'goose_db_version' AND m.name NOT LIKE 'sqlite_%'`) {
			table, column, _ := strings.Cut(pair, ".")
			columns[table] = append(columns[table], column)
		}
	}
	rows = map[string][]string{}
	for table, names := range columns {
		var quoted []string
		for _, name := range names {
			quoted = append(quoted, "quote("+name+")")
		}
		rows[table] = queryTexts(t, db, "SELECT "+strings.Join(quoted, " || ', ' || ")+" FROM "+table)
		slices.Sort(rows[table])
	}
	return rows, columns
}

func queryTexts(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	list := []string{}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestEveryKeptLedgerIsUpgradedWithAllThatIsInItAndWorks(t *testing.T) {
	for _, name := range keptLedgers(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			path := unpack(t, name)
			before, columns := content(t, path, nil)
			f := &fixture{TB: t, clock: &clock{t: time.Date(2027, 3, 1, 4, 0, 0, 0, time.UTC)}, ids: newIDs()}
			f.ids.Store(1_000_000)
			o := f.options()
			o.Rebuild = joined
			l, err := Open(context.Background(), path, o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			after, _ := content(t, path, columns)
			for _, table := range []string{"ledger_info", "provenance_events"} { // these may grow by the upgrade
				after[table] = slices.DeleteFunc(after[table], func(row string) bool { return !slices.Contains(before[table], row) })
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("what the tables held is not what they hold (-before +after)\n%.4000s", diff)
			}
			if _, version := rowsOf(t, path); version != present {
				t.Errorf("its schema is version %d, want %d", version, present)
			}
			f.Ledger = l
			sound(f)
			useKept(f)
			sound(f)
		})
	}
}

// sound fails the test unless a check of the whole ledger finds nothing.
func sound(f *fixture) {
	f.Helper()
	report, err := f.Check(context.Background(), CheckOptions{})
	if err != nil {
		f.Fatal(err)
	}
	for _, step := range report.Steps {
		for _, finding := range step.Findings {
			f.Errorf("%s: %s", step.Name, finding)
		}
	}
}

// useKept goes on with a ledger of an earlier schema: what was running ends, what failed is retried, and
// new data of every project's first source is run.
func useKept(f *fixture) {
	f.Helper()
	list, err := f.view().Executions(ExecutionFilter{States: []State{Pending, Running, Failed}})
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range list {
		switch e.State {
		case Pending:
			f.walk(e, pathTo(Completed)...)
		case Running:
			f.walk(e, EventFinished, EventVerified)
		case Failed:
			f.walk(e, append([]Event{EventRetry}, pathTo(Completed)...)...)
		}
	}
	projects, err := f.view().Projects()
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range projects {
		f.write(func(tx *Tx) error { _, err := tx.RegisterSource(p.ID, "new here", person); return err })
		s, err := f.view().Source(p.ID, "new here")
		if err != nil {
			f.Fatal(err)
		}
		f.write(func(tx *Tx) error {
			c, ok, err := tx.TryClaim(ClaimDiscovery, SourceSubject(s.ID), "worker", tx.NewBatch(p.ID), time.Hour)
			if err != nil || !ok {
				return fmt.Errorf("claimed %v: %w", ok, err)
			}
			return tx.StoreDiscovery(Discovery{Source: s, Claim: c, Outcome: OutcomeChanged, Signature: "new", Rule: "r1", Metadata: []Metadata{shown("100")}, NextDue: tx.Now().Add(time.Hour)})
		})
		if n, _, err := f.view().CountPending(p.ID); n == 0 || err != nil {
			f.Errorf("%s: %d sources wait for a run, %v", p.ID, n, err)
		}
		last, err := f.view().Events(EventFilter{Newest: true, Limit: 1})
		if err != nil || last[0].Type != provenance.DiscoveryChanged {
			f.Errorf("last event %+v, %v", last, err)
		}
	}
}
