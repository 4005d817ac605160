package test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"beampipe/backends/backendtest"
	"beampipe/control"
	"beampipe/demo"
	"beampipe/discovery"
	"beampipe/execution"
	"beampipe/graph"
	"beampipe/ledger"
	"beampipe/vo/archive"
)

// project is the survey of these tests. Nothing is tried twice, so that no test waits for a retry.
const project = "survey"

const surveyText = `
apiVersion: beampipe.dev/v2
kind: ProjectConfig
metadata: {id: survey}
definitions:
  transforms:
    catalogue_name: {kind: strip_prefix, prefix: HIPASS}
    sbid_digits: {kind: extract_digits}
    has_rows: {kind: is_present}
source_identity:
  template_vars:
    source_identifier: {from: canonical}
    source_name: {transform: catalogue_name}
adapters:
  required: [demo]
  tap: {retries: 0}
graph: {path: survey.graph, manifest: none}
discovery:
  queries:
    - name: visibility
      adapter: demo
      template: SELECT o.* FROM ivoa.obscore o WHERE o.filename LIKE '{source_identifier}%'
    - name: ra_dec_vsys
      adapter: demo
      template: SELECT * FROM "VIII/73/hicat" WHERE HIPASS = '{source_name}'
  enrichments:
    - name: sbid_to_eval_file
      adapter: demo
      template: SELECT * FROM casda.observation_evaluation_file WHERE sbid = '{sbid}' AND format = 'calibration'
  prepare_metadata:
    field_map:
      source_identifier: {from: source_identifier}
      dataset_id: {from: filename}
      visibility_filename: {from: filename}
      sbid: {from: obs_id, transform: sbid_digits}
    discovery_flags:
      ra_dec_vsys_complete: {from: enrichments.ra_dec_vsys, transform: has_rows}
    signature:
      exclude_fields: [access_url, evaluation_file_access_url, filesize]
      include_discovery_flags: true
automation:
  discovery: {enabled: true, batch_size: 10, tick_discovery_source_limit: 1000, tick_discovery_batch_limit: 1000, stale_after_hours: 24}
  execution:
    enabled: true
    settle_hours: 0
    archive_name: demo
    max_sources_per_execution: 1
    tick_execution_source_limit: 1000
    tick_execution_run_limit: 1000
    deployment_profile_name: here
`

const profileText = `{"name": "here", "deployment": {"kind": "local", "work_dir": "runs", "parallelism": 2}}`

// graphOf makes a graph with one application, whose only product is result.txt.
func graphOf(command string) []byte {
	var g backendtest.Graph
	g.Bash("work", command)
	g.File("result", "result.txt")
	g.Link("work", "result", "result")
	return g.Bytes()
}

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// front stands in front of the archive and answers instead of it when it is told to.
type front struct {
	next http.Handler

	mu      sync.Mutex
	instead http.HandlerFunc
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	answer := f.instead
	f.mu.Unlock()
	if answer == nil {
		answer = f.next.ServeHTTP
	}
	answer(w, r)
}

// answer lets something else answer; nil is the archive again.
func (f *front) answer(instead http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instead = instead
}

// world is a ledger, an archive behind HTTP, and a control between them on a clock of its own.
type world struct {
	t       *testing.T
	dir     string
	clock   *clock
	archive *archive.Archive
	front   *front
	url     string
	wire    func(url string) http.RoundTripper // nil = real HTTP
	limits  control.Limits
	ledger  *ledger.Ledger
	*control.Local
}

// newWorld makes the world of a test, which runs beside others.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return openWorld(t)
}

func openWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: &clock{now: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)}}
	a, err := archive.Open(t.Context(), archive.Options{Dir: filepath.Join(w.dir, "archive")})
	must(t, err)
	t.Cleanup(func() { must(t, a.Close()) })
	w.archive, w.front = a, &front{next: a.Handler()}
	server := httptest.NewServer(w.front)
	t.Cleanup(server.Close)
	w.url = server.URL + "/tap"
	w.limits = control.Limits{
		Discovery: discovery.Limits{MaxInFlightBatches: 8, MaxBatchesPerTick: 1000, QueueMaxDepth: 1000},
		Execution: execution.Limits{MaxInFlightRuns: 1000, QueueMaxDepth: 1000},
	}
	w.open()
	t.Cleanup(func() { must(t, w.ledger.Close()) })
	return w
}

// open opens the ledger and a control on it, as a new process would.
func (w *world) open() {
	w.t.Helper()
	var err error
	w.ledger, err = ledger.Create(w.t.Context(), filepath.Join(w.dir, "beampipe.db"), ledger.Options{Now: w.clock.Now, Rebuild: execution.Rebuild})
	must(w.t, err)
	w.Local, err = control.NewLocal(control.LocalOptions{
		Ledger: w.ledger, Actor: "user:test", Archives: map[string]string{"demo": w.url}, Transport: w.wire, Limits: &w.limits,
	})
	must(w.t, err)
}

// reopen closes the ledger, which folds its write-ahead log into the file, and opens it again.
func (w *world) reopen() {
	w.t.Helper()
	must(w.t, w.ledger.Close())
	w.open()
}

// edited gives the survey's text with pairs of old and new text replaced; each old one must be there.
func edited(t testing.TB, pairs ...string) string {
	t.Helper()
	text := surveyText
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the survey does not hold %q", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// add adds the profile and a survey with a graph.
func (w *world) add(survey string, raw []byte) {
	w.t.Helper()
	_, err := w.AddProfile(context.Background(), control.ProfileFile{Name: "profile.json", Content: []byte(profileText)})
	must(w.t, err)
	_, err = w.AddProject(context.Background(), control.ProjectFile{Name: "survey.yaml", Content: pinned(survey, raw), GraphName: "survey.graph", Graph: raw})
	must(w.t, err)
}

// pinned writes the graph's digest into a survey.
func pinned(survey string, raw []byte) []byte {
	return []byte(strings.Replace(survey, "path: survey.graph", "path: survey.graph, sha256: "+graph.Digest(raw), 1))
}

// started is a world with the plain survey, admitting, in which these sources are registered.
func started(t *testing.T, raw []byte, identifiers ...string) *world {
	t.Helper()
	w := newWorld(t)
	w.add(surveyText, raw)
	w.register(identifiers...)
	w.start()
	return w
}

func (w *world) start() {
	w.t.Helper()
	_, err := w.StartProject(context.Background(), project, "a test begins")
	must(w.t, err)
}

func (w *world) register(identifiers ...string) {
	w.t.Helper()
	report, err := w.AddSources(context.Background(), project, identifiers)
	must(w.t, err)
	if len(report.Refused) > 0 {
		w.t.Fatalf("refused: %+v", report.Refused)
	}
}

// store puts data into the archive.
func (w *world) store(d demo.Data) {
	w.t.Helper()
	must(w.t, w.archive.AddObservations(context.Background(), d.Observations))
	must(w.t, w.archive.AddEvaluations(context.Background(), d.Evaluations))
	must(w.t, w.archive.AddCatalogue(context.Background(), d.Catalogue))
}

// observe puts an observation of each name under an SBID of its own into the archive, and lists it.
func (w *world) observe(sbid, beams int, names ...string) {
	w.t.Helper()
	var d demo.Data
	for i, name := range names {
		o := demo.Object{Identifier: name, RA: 201.2, Dec: -0.5, Velocity: 1500}
		d.List(o)
		d.Observe(o, sbid+i, beams)
	}
	w.store(d)
}

// discover runs a discovery tick after the time for which an answer counts.
func (w *world) discover() control.DiscoveryTick {
	w.t.Helper()
	w.clock.advance(25 * time.Hour)
	answer, err := w.TickDiscovery(context.Background(), project)
	must(w.t, err)
	if len(answer.Ticks) != 1 || answer.Ticks[0].Error != "" {
		w.t.Fatalf("discovery tick: %+v", answer.Ticks)
	}
	return answer.Ticks[0]
}

// admit runs an execution tick.
func (w *world) admit(hold bool) control.ExecutionTick {
	w.t.Helper()
	answer, err := w.TickExecution(context.Background(), project, hold)
	if err != nil {
		w.t.Logf("work after admission: %v", err)
	}
	if len(answer.Ticks) != 1 || answer.Ticks[0].Error != "" {
		w.t.Fatalf("execution tick: %+v", answer.Ticks)
	}
	return answer.Ticks[0]
}

// finish polls until no execution is under way any more.
func (w *world) finish() {
	w.t.Helper()
	await(w.t, "runs on this machine", func() bool {
		_, err := w.TickPoll(context.Background())
		must(w.t, err)
		for _, e := range w.executions() {
			if !e.State.Terminal() && e.Held == nil {
				return false
			}
		}
		return true
	}, func() string { return fmt.Sprint(w.executions()) })
}

// executions lists all of them, the oldest first.
func (w *world) executions() []ledger.Execution {
	w.t.Helper()
	list, err := w.ledger.View(context.Background()).Executions(ledger.ExecutionFilter{Oldest: true})
	must(w.t, err)
	return list
}

func (w *world) source(name string) control.SourceDetail {
	w.t.Helper()
	d, err := w.ShowSource(context.Background(), project, name)
	must(w.t, err)
	return d
}

func (w *world) events() int64 {
	w.t.Helper()
	n, err := w.ledger.View(context.Background()).CountEvents()
	must(w.t, err)
	return n
}
