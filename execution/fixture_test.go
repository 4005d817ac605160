package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beampipe/backends"
	"beampipe/backends/local"
	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/profiles"
)

// TestMain makes the test binary the local backend's shim, as cmd does for the real one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == local.ShimCommand {
		os.Exit(local.Main(context.Background(), os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

// clock is a clock that only tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// board keeps the health problems as the daemon would.
type board struct {
	mu       sync.Mutex
	problems map[string]ledger.Problem
}

func (b *board) Problem(p ledger.Problem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems[p.Code+"/"+p.Subject] = p
}

func (b *board) Clear(code, subject string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.problems, code+"/"+subject)
}

func (b *board) has(code, subject string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.problems[code+"/"+subject]
	return ok
}

// rig is an engine on a real ledger with a place whose answers the test gives.
type rig struct {
	*Engine
	t      testing.TB
	path   string
	clock  *clock
	place  *place
	health *board
	limits Limits
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{
		t: t, path: filepath.Join(t.TempDir(), "beampipe.db"),
		clock:  &clock{at: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)},
		place:  newPlace(),
		health: &board{problems: map[string]ledger.Problem{}},
		limits: Limits{MaxInFlightRuns: 100, QueueMaxDepth: 1000},
	}
	l, err := ledger.Create(context.Background(), r.path, ledger.Options{Now: r.clock.now, Rebuild: Rebuild})
	r.must(err)
	t.Cleanup(func() { r.must(l.Close()) })
	r.Engine = r.engine(l, "first")
	return r
}

// engine makes an engine of another process on the same ledger.
func (r *rig) engine(l *ledger.Ledger, owner string) *Engine {
	return New(Options{
		Ledger: l, Owner: owner, Limits: r.limits, Health: r.health,
		Backend: func(*profiles.Profile) (backends.Backend, error) { return r.place, nil },
		Ready:   ready,
	})
}

// ready is a simple readiness: enabled, discovered, every flag true.
func ready(s ledger.Source, meta []ledger.Metadata, _ []string) []string {
	var reasons []string
	if !s.Enabled {
		reasons = append(reasons, "disabled")
	}
	if s.Signature == "" {
		reasons = append(reasons, "never discovered")
	}
	for _, m := range meta {
		for name, value := range m.Flags {
			if !configs.Truthy(value) {
				reasons = append(reasons, "flag "+name+" does not hold")
			}
		}
	}
	return reasons
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) write(fn func(tx *ledger.Tx) error) {
	r.t.Helper()
	r.must(r.ledger.Write(context.Background(), fn))
}

func (r *rig) view() ledger.View { return r.ledger.View(context.Background()) }

// survey is the config of the tests; %s takes more keys of automation.execution.
const survey = `
apiVersion: beampipe.dev/v2
kind: ProjectConfig
metadata: {id: demo}
adapters: {required: [casda]}
graph: {path: demo.graph, sha256: "%s"}
discovery:
  queries:
    - {name: visibility, adapter: casda, template: "SELECT * FROM ivoa.obscore WHERE filename LIKE '{source_identifier}%%'"}
  prepare_metadata:
    field_map:
      sbid: {from: obs_id}
      dataset_id: {from: filename}
manifest:
  group_by: [source_identifier, sbid]
  source_template: {source_identifier: "{source_identifier}", ra: "{ra_string}", complete: "{flags.complete}"}
graph_patches:
  - match: {kind: node_name, equals: scatter}
    set: {num_of_copies: "$count(sbids[].datasets[])"}
automation:
  execution:
    enabled: true
    archive_name: none
    settle_hours: 0
%s
`

func loadSurvey(t testing.TB, graphSHA string, more ...string) *configs.Project {
	t.Helper()
	var lines strings.Builder
	for _, line := range more {
		lines.WriteString("    " + line + "\n")
	}
	return load(t, fmt.Sprintf(survey, graphSHA, lines.String()))
}

func load(t testing.TB, text string) *configs.Project {
	t.Helper()
	cfg, report := configs.Load([]byte(text), "demo.yaml")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// addProject stores a survey with its graph; more are lines of automation.execution.
func (r *rig) addProject(more ...string) {
	r.t.Helper()
	raw := testGraph("echo {count}")
	r.addConfig(loadSurvey(r.t, digest(raw), more...), raw)
}

func (r *rig) addConfig(cfg *configs.Project, graph []byte) {
	r.t.Helper()
	packed, err := ledger.Pack(mediaJSON, graph)
	r.must(err)
	r.write(func(tx *ledger.Tx) error {
		_, _, err := tx.AddConfig(ledger.NewConfig{
			Project: cfg.Metadata.ID, Digest: cfg.Digest(), Spec: cfg.Canonical(), File: []byte("-"), FileName: "demo.yaml", Graph: &packed,
		}, "user:test")
		return err
	})
}

// start opens admission.
func (r *rig) start() {
	r.t.Helper()
	r.write(func(tx *ledger.Tx) error {
		_, err := tx.SetAdmission("demo", true, "test", "user:test")
		return err
	})
}

// addProfile stores a local profile; edit changes its JSON.
func (r *rig) addProfile(name string, edit ...func(doc map[string]any)) {
	r.t.Helper()
	doc := map[string]any{"name": name, "is_default": true, "deployment": map[string]any{"kind": "local", "work_dir": "runs"}}
	for _, fn := range edit {
		fn(doc)
	}
	raw, err := json.Marshal(doc)
	r.must(err)
	p, err := profiles.Load(raw, name+".json")
	r.must(err)
	project := ""
	if p.ProjectModule != nil {
		project = *p.ProjectModule
	}
	r.write(func(tx *ledger.Tx) error {
		_, _, err := tx.AddProfile(ledger.Profile{
			Name: p.Name, Digest: p.Digest(), Spec: p.Canonical(), Project: project, IsDefault: p.IsDefault,
		}, "user:test")
		return err
	})
}

// dataset is one record of the archive.
func dataset(source, sbid, name string) map[string]any {
	return map[string]any{"source_identifier": source, "sbid": sbid, "dataset_id": name, "ra_string": "1h2m3s"}
}

// block is what an archive shows under an SBID.
func block(source, sbid string, names ...string) ledger.Metadata {
	m := ledger.Metadata{SBID: sbid, Flags: map[string]any{"complete": true}}
	for _, name := range names {
		m.Records = append(m.Records, dataset(source, sbid, name))
	}
	return m
}

// discovered registers a source and stores that an archive shows these blocks, as new data.
func (r *rig) discovered(source, signature string, blocks ...ledger.Metadata) {
	r.t.Helper()
	r.outcome(source, ledger.OutcomeChanged, func(d *ledger.Discovery) { d.Signature, d.Metadata = signature, blocks })
}

func (r *rig) outcome(source, outcome string, edit func(d *ledger.Discovery)) {
	r.t.Helper()
	r.write(func(tx *ledger.Tx) error {
		if _, err := tx.RegisterSource("demo", source, "user:test"); err != nil {
			return err
		}
		s, err := tx.Source("demo", source)
		if err != nil {
			return err
		}
		claim, ok, err := tx.TryClaim(ledger.ClaimDiscovery, ledger.SourceSubject(s.ID), "test", "b", time.Minute)
		if err != nil || !ok {
			return fmt.Errorf("claim: %v %w", ok, err)
		}
		d := ledger.Discovery{Source: s, Claim: claim, Outcome: outcome, Rule: "r1", NextDue: tx.Now().Add(time.Hour)}
		edit(&d)
		return tx.StoreDiscovery(d)
	})
}

// standard is a started project with a profile and n sources with one dataset each.
func (r *rig) standard(n int, more ...string) {
	r.t.Helper()
	r.addProject(append([]string{"max_sources_per_execution: 1"}, more...)...)
	r.addProfile("here")
	r.start()
	for i := range n {
		name := fmt.Sprintf("S%03d", i)
		r.discovered(name, "sig-"+name, block(name, "1", name+"-a"))
		r.clock.forward(time.Second)
	}
}

func (r *rig) admit() Admission {
	r.t.Helper()
	a, err := r.Admit(context.Background(), "demo", AdmitOptions{})
	r.must(err)
	return a
}

// one admits one source and gives its execution.
func (r *rig) one() string {
	r.t.Helper()
	r.standard(1)
	a := r.admit()
	if len(a.Executions) != 1 {
		r.t.Fatalf("admitted %v, %s, %v", a.Executions, a.Reason, a.Skipped)
	}
	return a.Executions[0]
}

// work runs units until there is none, and gives their errors.
func (r *rig) work() []error {
	r.t.Helper()
	var errs []error
	for range 10_000 {
		run, ok, err := r.Next(context.Background())
		r.must(err)
		if !ok {
			return errs
		}
		if err := run(context.Background()); err != nil {
			errs = append(errs, err)
		}
	}
	r.t.Fatal("work does not end")
	return nil
}

// step runs exactly one unit.
func (r *rig) step() error {
	r.t.Helper()
	run, ok, err := r.Next(context.Background())
	r.must(err)
	if !ok {
		r.t.Fatal("there is no work")
	}
	return run(context.Background())
}

func (r *rig) poll() PollResult {
	r.t.Helper()
	result, err := r.Poll(context.Background())
	r.must(err)
	return result
}

func (r *rig) get(id string) ledger.Execution {
	r.t.Helper()
	x, err := r.view().Execution(id)
	r.must(err)
	return x
}

func (r *rig) source(name string) ledger.Source {
	r.t.Helper()
	s, err := r.view().Source("demo", name)
	r.must(err)
	return s
}

func (r *rig) record(id string) RunRecord {
	r.t.Helper()
	raw, err := r.view().RunRecord(id)
	r.must(err)
	record, err := ReadRunRecord(raw)
	r.must(err)
	return record
}

// wantState fails unless the execution is in the state.
func (r *rig) wantState(id string, want ledger.State) ledger.Execution {
	r.t.Helper()
	x := r.get(id)
	if x.State != want {
		r.t.Fatalf("execution is %s (%s), expected %s\n%s", x.State, x.Error, want, strings.Join(r.events(id), "\n"))
	}
	return x
}

// events gives the types of an execution's events in order.
func (r *rig) events(id string) []string {
	r.t.Helper()
	list, err := r.view().Events(ledger.EventFilter{Execution: id})
	r.must(err)
	types := make([]string, len(list))
	for i, e := range list {
		types[i] = strings.TrimPrefix(e.Type, "execution.")
	}
	return types
}

// standardWith is a started project with one source, its config edited as text (old, new pairs).
func (r *rig) standardWith(edits ...string) {
	r.t.Helper()
	raw := testGraph("true")
	r.addConfig(load(r.t, strings.NewReplacer(edits...).Replace(fmt.Sprintf(survey, digest(raw), "    max_sources_per_execution: 1"))), raw)
	r.start()
	r.discovered("S000", "sig-S000", block("S000", "1", "S000-a"))
}
