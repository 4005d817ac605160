package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"beampipe/provenance"
)

// Every field of a filter has a value here and names the index that a list uses which is narrowed by it
// alone. A field that is missing here fails the test, and so does one that has no index.
var executionFields = map[string]field[ExecutionFilter]{
	"Project": {func(f *ExecutionFilter) { f.Project = project }, "executions_listed"},
	"Source":  {func(f *ExecutionFilter) { f.Source = "A" }, "execution_sources_source"},
	"States":  {func(f *ExecutionFilter) { f.States = []State{Completed, Failed} }, "executions_listed"},
	"Target":  {func(f *ExecutionFilter) { f.Target = "local" }, "executions_listed"},
	"Profile": {func(f *ExecutionFilter) { f.Profile = profile }, "executions_listed"},
	"Class":   {func(f *ExecutionFilter) { f.Class = ClassScience }, "executions_listed"},
	"Held":    {func(f *ExecutionFilter) { f.Held = ptr(true) }, "executions_held"},
	"RerunOf": {func(f *ExecutionFilter) { f.RerunOf = "id" }, "executions_rerun"},
	"Input":   {func(f *ExecutionFilter) { f.Input = &Input{InputSBID, "100"} }, "PRIMARY KEY (kind=? AND value=?"},
	"Since":   {func(f *ExecutionFilter) { f.Since = time.Unix(1, 0) }, "PRIMARY KEY"},
	"Until":   {func(f *ExecutionFilter) { f.Until = time.Unix(2, 0) }, "PRIMARY KEY"},
	"Due":     {func(f *ExecutionFilter) { f.Due = true }, "PRIMARY KEY"},     // for workers, with states of few
	"Unclaim": {func(f *ExecutionFilter) { f.Unclaim = true }, "PRIMARY KEY"}, // likewise
	"Before":  {func(f *ExecutionFilter) { f.Before = "id" }, "PRIMARY KEY"},
	"After":   {func(f *ExecutionFilter) { f.After = "id" }, "PRIMARY KEY"},
	"Oldest":  {func(f *ExecutionFilter) { f.Oldest = true }, "PRIMARY KEY"},
	"Limit":   {func(f *ExecutionFilter) { f.Limit = 5 }, "PRIMARY KEY"},
}

var sourceFields = map[string]field[SourceFilter]{
	"Project":      {func(f *SourceFilter) { f.Project = project }, "sources_listed"},
	"Prefix":       {func(f *SourceFilter) { f.Prefix = "A" }, "sources_listed"},
	"Outcome":      {func(f *SourceFilter) { f.Outcome = OutcomeChanged }, "sources_listed"},
	"Pending":      {func(f *SourceFilter) { f.Pending = ptr(true) }, "sources_listed"},
	"Enabled":      {func(f *SourceFilter) { f.Enabled = ptr(false) }, "sources_listed"},
	"Quarantined":  {func(f *SourceFilter) { f.Quarantined = ptr(true) }, "sources_listed"},
	"Missing":      {func(f *SourceFilter) { f.Missing = ptr(true) }, "sources_listed"},
	"Removed":      {func(f *SourceFilter) { f.Removed = true }, "sources_listed"},
	"After":        {func(f *SourceFilter) { f.After = "A" }, "sources_listed"},
	"AfterProject": {func(f *SourceFilter) { f.AfterProject = project }, "sources_listed"},
	"Limit":        {func(f *SourceFilter) { f.Limit = 5 }, "sources_listed"},
}

var eventFields = map[string]field[EventFilter]{
	"Project":   {func(f *EventFilter) { f.Project = project }, "provenance_type"},
	"Source":    {func(f *EventFilter) { f.Project, f.Source = project, "A" }, "provenance_source"},
	"Execution": {func(f *EventFilter) { f.Execution = "id" }, "provenance_execution"},
	"Type":      {func(f *EventFilter) { f.Type = provenance.DiscoveryChanged }, "provenance_type"},
	"After":     {func(f *EventFilter) { f.After = 5 }, "PRIMARY KEY"},
	"Before":    {func(f *EventFilter) { f.Before = 5 }, "PRIMARY KEY"},
	"Limit":     {func(f *EventFilter) { f.Limit = 5 }, "PRIMARY KEY"},
	"Newest":    {func(f *EventFilter) { f.Newest = true }, "PRIMARY KEY"},
}

var tickFields = map[string]field[TickFilter]{
	"Project": {func(f *TickFilter) { f.Project = project }, "tick_runs_kind"},
	"Kind":    {func(f *TickFilter) { f.Kind = TickPoll }, "tick_runs_kind"},
	"Before":  {func(f *TickFilter) { f.Before = 5 }, "PRIMARY KEY"},
	"Limit":   {func(f *TickFilter) { f.Limit = 5 }, "PRIMARY KEY"},
}

var productFields = map[string]field[ProductFilter]{
	"Execution": {func(f *ProductFilter) { f.Execution = "id" }, "PRIMARY KEY (execution=?"},
	"SHA256":    {func(f *ProductFilter) { f.SHA256 = "beef" }, "products_sha256 (sha256=?"},
	"URI":       {func(f *ProductFilter) { f.URI = "file:///a" }, "products_uri (uri=?"},
	"Path":      {func(f *ProductFilter) { f.Path = "a" }, "products_path (path=?"},
	"Withdrawn": {func(f *ProductFilter) { f.Withdrawn = true }, "products_withdrawn"},
	"After":     {func(f *ProductFilter) { f.After = &Product{Execution: "id", Attempt: 1, Path: "a"} }, "PRIMARY KEY ((execution,attempt,path)"},
	"Newest":    {func(f *ProductFilter) { f.Newest = true }, "products"},
	"Limit":     {func(f *ProductFilter) { f.Limit = 5 }, "products"},
}

// field sets one field of a filter.
type field[F any] struct {
	set   func(f *F)
	index string
}

// statistics are what ANALYZE would write of a ledger that misleads: an index that leaves few rows said to
// leave many, and the other way round.
const statistics = `ANALYZE; DELETE FROM sqlite_stat1; INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('batch_execution_record', 'executions_listed', '1000000 900000 900000 900000 900000 900000 1'), ('batch_execution_record', 'batch_execution_record', '1000000 1'),
	('execution_counts', 'execution_counts', '500 100 50 20 10 1'), ('sources', 'sources_listed', '100000 90000 90000 90000 1'), ('source_groups', 'source_groups', '50 20 5 1'),
	('provenance_events', 'provenance_type', '10000000 9000000 9000000 1'), ('provenance_events', 'provenance_source', '10000000 9000000 9000000 1'),
	('provenance_events', 'provenance_execution', '10000000 9000000 1'), ('tick_runs', 'tick_runs_kind', '50000 40000 40000 1'), ('tick_runs', 'tick_runs_project', '50000 5000 1'); ANALYZE sqlite_schema`

// TestEveryListUsesAnIndexWhateverItIsNarrowedBy asks for the plan of every query that a filter can make,
// with up to three of its fields set, with and without statistics. A plan that walks over a table, or sorts
// what it found, fails: it would cost what is stored.
func TestEveryListUsesAnIndexWhateverItIsNarrowedBy(t *testing.T) {
	f := crowd(t)
	for i := range 50 {
		f.tick(TickRun{Project: project, Kind: TickDiscovery, Reason: fmt.Sprintf("reason %d", i)})
	}
	path := f.Path()
	for _, tt := range []struct{ name, sql string }{{"without statistics", "SELECT 1"}, {"with statistics", statistics}, {"with true statistics", "ANALYZE"}} {
		t.Run(tt.name, func(t *testing.T) {
			writer := f.raw()
			if _, err := writer.Exec(tt.sql); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("sqlite", dsn(path, true)) // statistics are read when a file is opened
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			c := planCheck{t: t, db: db, seen: map[string]string{}}
			combine(c, executionFields, func(f ExecutionFilter) error { _, err := c.view().Executions(f); return err }, func(f ExecutionFilter) (string, []any) {
				query, args, err := f.query(time.Unix(0, 0))
				if err != nil {
					t.Fatal(err)
				}
				return query, args
			})
			combine(c, sourceFields, func(f SourceFilter) error { _, err := c.view().Sources(f); return err }, SourceFilter.query)
			combine(c, eventFields, func(f EventFilter) error { _, err := c.view().Events(f); return err }, EventFilter.query)
			combine(c, productFields, func(f ProductFilter) error { _, err := c.view().Products(f); return err }, ProductFilter.query)
			combine(c, tickFields, func(f TickFilter) error { _, err := c.view().TickRuns(f); return err }, TickFilter.query)
			if len(c.seen) < 200 && !raced {
				t.Errorf("only %d queries were looked at", len(c.seen))
			}
		})
	}
}

type planCheck struct {
	t    *testing.T
	db   *sql.DB
	seen map[string]string // plans by query
}

func (c planCheck) view() View { return View{ctx: context.Background(), q: c.db} }

// combine looks at filters with every one to three fields set, under the race detector with every one and two.
func combine[F any](c planCheck, fields map[string]field[F], ask func(F) error, query func(F) (string, []any)) {
	c.t.Helper()
	kind := reflect.TypeFor[F]()
	names := make([]string, kind.NumField())
	for i := range names {
		names[i] = kind.Field(i).Name
		if fields[names[i]].set == nil {
			c.t.Fatalf("%s.%s: a new field of a filter needs an index, and a line in this test", kind.Name(), names[i])
		}
	}
	for i, one := range names {
		for j := i; j < len(names); j++ {
			for k := j; k < len(names); k++ {
				if raced && k > j {
					break
				}
				var f F
				for _, name := range []string{one, names[j], names[k]} {
					fields[name].set(&f)
				}
				text, args := query(f)
				if _, known := c.seen[text]; !known {
					if err := ask(f); err != nil {
						c.t.Fatalf("%+v: %v", f, err)
					}
				}
				plan := c.plan(text, args)
				if index := fields[one].index; i == k && !strings.Contains(plan, index) {
					c.t.Errorf("%s.%s: its list does not use %s:\n%s", kind.Name(), one, index, plan)
				}
			}
		}
	}
}

// walks are the steps of plans that cost what is stored: a walk over a table or an index, a search that is
// narrowed by less than a group, and a sort.
var walks = regexp.MustCompile(`(?m)^(SCAN .*|USE TEMP B-TREE.*)$`)

func (c planCheck) plan(query string, args []any) string {
	if plan, ok := c.seen[query]; ok {
		return plan
	}
	plan := explain(c.t, c.db, query, args)
	c.seen[query] = plan
	for _, step := range walks.FindAllString(plan, -1) {
		if !few.MatchString(step) {
			c.t.Errorf("%s\n%s\nfor %s", step, plan, query)
		}
	}
	for _, step := range regexp.MustCompile(`(?m)^SEARCH (i|n|batch_execution_record|sources|provenance_events|tick_runs) .*`).FindAllString(plan, -1) {
		if !narrow.MatchString(step) {
			c.t.Errorf("%s: is not narrowed by a whole group\n%s\nfor %s", step, plan, query)
		}
	}
	return plan
}

// narrow matches a search for one row, or along the key of one group, or of the whole table.
var narrow = regexp.MustCompile(`INDEX executions_listed \(status=\? AND project=\? AND profile=\? AND target=\? AND failure_class=\? AND uuid|` +
	`INDEX execution_sources_source \(source_id=\? AND execution|PRIMARY KEY \(kind=\? AND value=\? AND execution|INDEX execution_inputs_execution \(execution=|INDEX executions_rerun \(rerun_of=\? AND uuid|INDEX executions_held \(uuid|` +
	`INDEX sources_listed \(project=\? AND last_outcome=\? AND marks=\? AND identifier|INDEX sqlite_autoindex_sources_1 \(project=\? AND identifier=\?\)|` +
	`INDEX provenance_execution \(execution_id=\? AND |INDEX provenance_source \(project_module=\? AND source_identifier=\? AND |` +
	`INDEX provenance_type \(event_type=\? AND project_module=\? AND |INDEX tick_runs_kind \(kind=\? AND project=\? AND |` +
	`PRIMARY KEY \((uuid|rowid|seq|id)|COVERING INDEX (provenance_type|tick_runs_kind)`)
