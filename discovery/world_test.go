package discovery

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/vo/archive"
	"beampipe/vo/votable"
)

// plainSurvey asks for what a name begins with, and nothing decides about other rows.
const plainSurvey = `
apiVersion: beampipe.dev/v2
kind: ProjectConfig
metadata: {id: survey}
definitions:
  transforms:
    short: {kind: strip_prefix, prefix: HIPASS}
    digits: {kind: extract_digits}
    has_rows: {kind: is_present}
source_identity:
  template_vars:
    source_identifier: {from: canonical}
    source_name: {transform: short}
adapters: {required: [casda, vizier]}
discovery:
  queries:
    - name: visibility
      adapter: casda
      template: SELECT o.* FROM ivoa.obscore o WHERE o.filename LIKE '{source_identifier}%'
    - name: ra_dec_vsys
      adapter: vizier
      template: SELECT * FROM "VIII/73/hicat" WHERE HIPASS = '{source_name}'
  enrichments:
    - name: sbid_to_eval_file
      adapter: casda
      template: SELECT * FROM casda.observation_evaluation_file WHERE sbid = '{sbid}' AND format = 'calibration'
  prepare_metadata:
    field_map:
      source_identifier: {from: source_identifier}
      dataset_id: {from: filename}
      sbid: {from: obs_id, transform: digits}
    discovery_flags:
      catalogued: {from: enrichments.ra_dec_vsys, transform: has_rows}
    signature: {exclude_fields: [access_url, evaluation_file_access_url, filesize, t_max, t_min]}
automation:
  discovery: {enabled: true, batch_size: 2, tick_discovery_source_limit: 1000, tick_discovery_batch_limit: 1000}
`

// latestSurvey asks for the latest observation of a name, as WALLABY does: a name that another
// begins with can hide behind it.
var latestSurvey = strings.Replace(plainSurvey, "SELECT o.* FROM ivoa.obscore o WHERE o.filename LIKE '{source_identifier}%'",
	`SELECT o.* FROM ivoa.obscore o INNER JOIN (SELECT MAX(t_max) AS mx FROM ivoa.obscore WHERE filename LIKE '{source_identifier}%') AS latest ON o.t_max = latest.mx WHERE o.filename LIKE '{source_identifier}%'`, 1)

// clock is a time that tests move.
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

// world is a ledger, an archive and an engine between them.
type world struct {
	t       testing.TB
	clock   *clock
	ledger  *ledger.Ledger
	archive *archive.Archive
	line    *line
	limits  Limits
	health  health
	set     *ArchiveSet
	engine  *Engine
}

func newWorld(t testing.TB, survey string) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{now: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)}, health: health{}}
	var err error
	w.ledger, err = ledger.Create(t.Context(), filepath.Join(t.TempDir(), "beampipe.db"), ledger.Options{Now: w.clock.Now})
	must(t, err)
	t.Cleanup(func() { must(t, w.ledger.Close()) })
	w.archive, err = archive.Open(t.Context(), archive.Options{Dir: t.TempDir(), Now: w.clock.Now})
	must(t, err)
	t.Cleanup(func() { must(t, w.archive.Close()) })
	w.line = &line{next: w.archive.Transport()}
	w.restart(Limits{})
	w.configure(survey)
	return w
}

// restart makes a new engine, as a new process would.
func (w *world) restart(limits Limits) {
	w.limits = limits
	w.set = NewArchives(ArchiveOptions{
		Transport: func(string) http.RoundTripper { return w.line }, Now: w.clock.Now,
		Wait: func(context.Context, time.Duration) error { return nil },
	})
	w.engine = New(Options{Ledger: w.ledger, Archives: w.set, Limits: limits, Owner: "test", Health: w.health})
}

// configure makes a survey the project's active revision.
func (w *world) configure(survey string) {
	w.t.Helper()
	p, report := configs.Load([]byte(survey), "survey.yaml")
	must(w.t, report.Err())
	must(w.t, w.ledger.Write(context.Background(), func(tx *ledger.Tx) error {
		_, _, err := tx.AddConfig(ledger.NewConfig{Project: p.Metadata.ID, Digest: p.Digest(), Spec: p.Canonical(), File: []byte(survey), FileName: "survey.yaml"}, "user:test")
		return err
	}))
}

func (w *world) register(identifiers ...string) {
	w.t.Helper()
	must(w.t, w.ledger.Write(context.Background(), func(tx *ledger.Tx) error {
		for _, identifier := range identifiers {
			if _, err := tx.RegisterSource("survey", identifier, "user:test"); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (w *world) observe(filename, sbid string, tmax float64) {
	w.t.Helper()
	must(w.t, w.archive.AddObservations(context.Background(), []archive.Observation{{
		Filename: filename, ObsID: "ASKAP-" + sbid, PublisherDID: "did:" + filename, Collection: "WALLABY",
		AccessURL: "https://archive.invalid/links?ID=" + filename, TMin: tmax - 0.5, TMax: tmax, Filesize: 1000,
	}}))
}

func (w *world) evaluate(sbid string) {
	w.t.Helper()
	must(w.t, w.archive.AddEvaluations(context.Background(), []archive.Evaluation{{
		SBID: sbid, Filename: "calibration-metadata-processing-logs-SB" + sbid + "_2021-12-31-011733.tar", Format: "calibration",
		AccessURL: "https://archive.invalid/eval/" + sbid, Filesize: 10,
	}}))
}

func (w *world) catalogue(name string, ra, dec float64) {
	w.t.Helper()
	v := 2505.3
	must(w.t, w.archive.AddCatalogue(context.Background(), []archive.CatalogueEntry{{HIPASS: name, RAJ2000: &ra, DEJ2000: &dec, RVmom: &v}}))
}

// stock puts one complete source into the archive: two beams in one SBID.
func (w *world) stock(identifier, sbid string) {
	w.t.Helper()
	w.observe(identifier+"_A_beam01.ms.tar", sbid, 59000)
	w.observe(identifier+"_A_beam02.ms.tar", sbid, 59000)
	w.evaluate(sbid)
	w.catalogue(strings.TrimPrefix(identifier, "HIPASS"), 198.392, -15.459)
}

// tick makes a discovery tick and wants it to work.
func (w *world) tick() Result {
	w.t.Helper()
	r, err := w.engine.Tick(context.Background(), "survey")
	must(w.t, err)
	return r
}

// later makes the next tick when every source is due again.
func (w *world) later() Result {
	w.t.Helper()
	w.clock.advance(25 * time.Hour)
	return w.tick()
}

func (w *world) source(identifier string) ledger.Source {
	w.t.Helper()
	s, err := w.ledger.View(context.Background()).Source("survey", identifier)
	must(w.t, err)
	return s
}

func (w *world) metadata(identifier string) []ledger.Metadata {
	w.t.Helper()
	list, err := w.ledger.View(context.Background()).Metadata(w.source(identifier).ID)
	must(w.t, err)
	return list
}

func (w *world) report(identifier string) Report {
	w.t.Helper()
	var r Report
	must(w.t, json.Unmarshal([]byte(w.source(identifier).Report), &r))
	return r
}

// changes gives the newest change set as short texts.
func (w *world) changes(identifier string) []string {
	w.t.Helper()
	sets, err := w.ledger.View(context.Background()).Changes(w.source(identifier).ID, 1)
	must(w.t, err)
	if len(sets) == 0 {
		return nil
	}
	var list []string
	for _, c := range sets[0].Changes {
		text := c.Kind
		for _, part := range []string{c.SBID, c.Dataset, c.Field} {
			if part != "" {
				text += " " + part
			}
		}
		if c.Kind == ChangeDatasetChanged || c.Kind == ChangeFlagChanged {
			text += fmt.Sprintf(": %v -> %v", c.Before, c.After)
		}
		list = append(list, text)
	}
	return list
}

// executed records the source's signature as executed, so that nothing is pending.
func (w *world) executed(identifier string) {
	w.t.Helper()
	must(w.t, w.ledger.Write(context.Background(), func(tx *ledger.Tx) error {
		return tx.Baseline(w.source(identifier), "done elsewhere", "user:test")
	}))
}

func (w *world) wantOutcome(identifier, outcome string, pending bool) ledger.Source {
	w.t.Helper()
	s := w.source(identifier)
	if s.LastOutcome != outcome || s.Pending != pending {
		w.t.Fatalf("%s: outcome %s, pending %v (error %q); want %s, %v", identifier, s.LastOutcome, s.Pending, s.LastError, outcome, pending)
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// health collects problems by code and subject.
type health map[string]ledger.Problem

func (h health) Problem(p ledger.Problem)   { h[p.Code+" "+p.Subject] = p }
func (h health) Clear(code, subject string) { delete(h, code+" "+subject) }

// line lies between the client and the archive: it can break, hold and rearrange answers.
type line struct {
	next http.RoundTripper

	mu      sync.Mutex
	queries []string
	breaks  map[string]string                      // part of a query: the words of an ERROR answer, or one of the words of broken
	before  func(query string)                     // runs before a query is answered
	shape   func(columns, rows int) ([]int, []int) // order of columns and rows in an answer
	drop    func(column string) bool               // columns that are not in the answer
	respell func(cell string) string               // of every cell
	extra   map[string]string                      // columns that are added to each answer, with their text
}

func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return l.next.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req.Body.Close()
	query, err := queryOf(req, body)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.queries = append(l.queries, query)
	words := ""
	for part, answer := range l.breaks {
		if strings.Contains(query, part) {
			words = answer
		}
	}
	before := l.before
	l.mu.Unlock()
	if before != nil {
		before(query)
	}
	if words != "" {
		return l.broken(req, words), nil
	}
	again := req.Clone(req.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := l.next.RoundTrip(again)
	if err != nil || resp.StatusCode != http.StatusOK || (l.shape == nil && l.drop == nil && l.extra == nil && l.respell == nil) {
		return resp, err
	}
	return l.rearranged(resp)
}

// queryOf gives the QUERY of a request, "" where it has none.
func queryOf(req *http.Request, body []byte) (string, error) {
	again := req.Clone(req.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	if strings.HasPrefix(req.Header.Get("Content-Type"), "multipart/") {
		err := again.ParseMultipartForm(1 << 20)
		return again.FormValue("QUERY"), err
	}
	err := again.ParseForm()
	return again.Form.Get("QUERY"), err
}

func (l *line) broken(req *http.Request, words string) *http.Response {
	var doc bytes.Buffer
	code := http.StatusOK
	switch words {
	case "busy":
		code = http.StatusServiceUnavailable
	case "overflow":
		w := votable.NewWriter(&doc, []votable.Field{{Name: "filename", Datatype: "char", Arraysize: "*"}})
		_ = w.WriteText([]string{"a"})
		_ = w.Close(votable.StatusOverflow, "")
	case "truncated", "late error":
		w := votable.NewWriter(&doc, []votable.Field{{Name: "filename", Datatype: "char", Arraysize: "*"}})
		_ = w.WriteText([]string{"a"})
		_ = w.Close(votable.StatusFailed, "the disk broke")
		if words == "truncated" {
			doc.Truncate(strings.Index(doc.String(), "</TR>") + len("</TR>"))
		}
	case "empty": // a complete answer without rows
		w := votable.NewWriter(&doc, []votable.Field{{Name: "filename", Datatype: "char", Arraysize: "*"}})
		_ = w.Close(votable.StatusOK, "")
	case "page not found":
		code = http.StatusNotFound
		doc.WriteString("<html><body>not found</body></html>")
	case "html":
		doc.WriteString("<html><body>moved</body></html>")
	default:
		_ = votable.WriteError(&doc, words)
	}
	return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/x-votable+xml"}}, Body: io.NopCloser(&doc), Request: req}
}

// rearranged reads an answer and writes it with other columns and in another order.
func (l *line) rearranged(resp *http.Response) (*http.Response, error) {
	defer resp.Body.Close()
	rd, err := votable.NewReader(resp.Body, votable.Limits{})
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for {
		if err := rd.Next(nil); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		rows = append(rows, append([]string{}, rd.Text()...))
	}
	var fields []votable.Field
	var from []int
	for i, f := range rd.Fields() {
		if l.drop == nil || !l.drop(f.Name) {
			fields, from = append(fields, votable.Field{Name: f.Name, Datatype: "char", Arraysize: "*"}), append(from, i)
		}
	}
	for i, row := range rows {
		var kept []string
		for _, at := range from {
			cell := row[at]
			if l.respell != nil {
				cell = l.respell(cell)
			}
			kept = append(kept, cell)
		}
		rows[i] = kept
	}
	for _, name := range sortedKeys(l.extra) {
		fields = append(fields, votable.Field{Name: name, Datatype: "char", Arraysize: "*"})
		for i := range rows {
			rows[i] = append(rows[i], l.extra[name])
		}
	}
	var doc bytes.Buffer
	if err := l.write(&doc, fields, rows); err != nil {
		return nil, err
	}
	resp.Body, resp.ContentLength = io.NopCloser(&doc), int64(doc.Len())
	return resp, nil
}

func (l *line) write(doc io.Writer, fields []votable.Field, rows [][]string) error {
	columnOrder, rowOrder := inOrder(len(fields)), inOrder(len(rows))
	if l.shape != nil {
		l.mu.Lock()
		columnOrder, rowOrder = l.shape(len(fields), len(rows))
		l.mu.Unlock()
	}
	var shuffled []votable.Field
	for _, at := range columnOrder {
		shuffled = append(shuffled, fields[at])
	}
	w := votable.NewWriter(doc, shuffled)
	for _, r := range rowOrder {
		var cells []string
		for _, at := range columnOrder {
			cells = append(cells, rows[r][at])
		}
		if err := w.WriteText(cells); err != nil {
			return err
		}
	}
	return w.Close(votable.StatusOK, "")
}

func inOrder(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// shuffled gives a line's shape that puts everything in an order by chance.
func shuffled(seed uint64) func(columns, rows int) ([]int, []int) {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(columns, rows int) ([]int, []int) { return r.Perm(columns), r.Perm(rows) }
}

// shared gives a file of the shared folder, or skips the test.
func shared(t testing.TB, path ...string) []byte {
	t.Helper()
	root := os.Getenv("BEAMPIPE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	raw, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Skipf("the shared data is not here: %v", err)
	}
	return raw
}
