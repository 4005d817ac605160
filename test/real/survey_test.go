package real

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
	"beampipe/demo"
	"beampipe/discovery"
	"beampipe/execution"
	"beampipe/ledger"
	"beampipe/vo/tap"
	"beampipe/vo/votable"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)} }

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

// survey is a ledger with the survey that ships in the WALLABY form, asked of a real service.
type survey struct {
	t       testing.TB
	clock   *clock
	ledger  *ledger.Ledger
	sources []string
}

func newSurvey(t testing.TB, sources []string) *survey {
	t.Helper()
	s := &survey{t: t, clock: newClock(), sources: sources}
	l, err := ledger.Create(t.Context(), filepath.Join(t.TempDir(), "beampipe.db"), ledger.Options{Now: s.clock.Now, Rebuild: execution.Rebuild})
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	s.ledger = l
	return s
}

// Ways to ask, apart from the forms of configs.
const (
	formShipped = "shipped" // each query as the shipped set-based survey has it
	formExact   = "exact_"  // in front of a form: observations by target_name, which a list can ask for
)

// way is one way to ask for the same sources.
type way struct {
	form          string // formShipped; or the only one that is left: configs.FormSingle, FormList, FormUpload
	mode          tap.Mode
	serialization votable.Serialization
}

// project gives the survey that ships, asking in one way, under a name of its own. A query that has no
// such form is asked source by source.
func (w way) project(t testing.TB, id string) *configs.Project {
	t.Helper()
	cfg, report := configs.Load(demo.WallabyForm(true), "wallaby-form-set.yaml")
	must(t, report.Err())
	cfg.Metadata.ID = id
	cfg.Adapters.Tap.Retries = 0
	cfg.Automation.Discovery.TickDiscoverySourceLimit = 5000
	off := configs.MassChange{} // much fails here at once, on purpose
	cfg.Automation.Discovery.MassChange = &off
	form, exact := strings.CutPrefix(w.form, formExact)
	if exact {
		byTarget(&cfg.Discovery.Queries[0])
	}
	if form == formShipped {
		return cfg
	}
	for _, list := range [][]configs.Query{cfg.Discovery.Queries, cfg.Discovery.Enrichments} {
		for i := range list {
			list[i].Batch = slices.DeleteFunc(list[i].Batch, func(f configs.BatchForm) bool { return f.Form() != form })
		}
	}
	return cfg
}

// byTarget makes the primary query one that compares a column exactly.
func byTarget(q *configs.Query) {
	const what = "SELECT %s FROM %s WHERE %s"
	list := fmt.Sprintf(what, "*", "ivoa.obscore", "target_name IN ({source_identifier:list})")
	upload := fmt.Sprintf("SELECT u.source_identifier, o.* FROM %s ON %s", "TAP_UPLOAD.sources u JOIN ivoa.obscore o", "o.target_name = u.source_identifier")
	q.Template = fmt.Sprintf(what, "*", "ivoa.obscore", "target_name = '{source_identifier}'")
	target := "target_name"
	q.Key = &target
	q.Batch = []configs.BatchForm{
		{Upload: "sources", Key: "source_identifier", Template: &upload},
		{InList: true, Key: "target_name", Template: &list},
	}
}

// add adds a project with all sources.
func (s *survey) add(cfg *configs.Project) {
	s.t.Helper()
	graph, err := ledger.Pack("application/json", demo.Graph())
	must(s.t, err)
	must(s.t, s.ledger.Write(context.Background(), func(tx *ledger.Tx) error {
		_, _, err := tx.AddConfig(ledger.NewConfig{
			Project: cfg.Metadata.ID, Digest: cfg.Digest(), Spec: cfg.Canonical(), File: cfg.Canonical(), FileName: "wallaby-form.yaml",
			Graph: &graph, GraphOrigin: "demo",
		}, "user:test")
		for _, source := range s.sources {
			if err == nil {
				_, err = tx.RegisterSource(cfg.Metadata.ID, source, "user:test")
			}
		}
		return err
	}))
}

// asker gives one client for every archive that a project names.
type asker struct{ client *tap.Client }

func (a asker) Client(*configs.Project, string) (*tap.Client, error) { return a.client, nil }

// engine makes an engine that asks one client, as a new process would.
func (s *survey) engine(c *tap.Client) *discovery.Engine {
	return discovery.New(discovery.Options{
		Ledger: s.ledger, Archives: asker{c}, Owner: s.ledger.NewID(),
		Limits: discovery.Limits{SourceConcurrency: 8, MaxBatchesPerTick: 1000},
	})
}

// tick makes a discovery tick, when everything is due again, and wants it to come to an end.
func (s *survey) tick(c *tap.Client, project string) discovery.Result {
	s.t.Helper()
	r := s.tickAny(c, project)
	if r.Claimed != len(s.sources) {
		s.t.Fatalf("%s: %d sources of %d were claimed: %+v", project, r.Claimed, len(s.sources), r)
	}
	return r
}

// tickAny makes a discovery tick, which may leave what is due for a later one.
func (s *survey) tickAny(c *tap.Client, project string) discovery.Result {
	s.t.Helper()
	s.clock.advance(49 * time.Hour)
	r, err := s.engine(c).Tick(context.Background(), project)
	must(s.t, err)
	return r
}

// learnt is what a ledger knows of a source that a later answer must not take away.
type learnt struct {
	Outcome, Signature string
	Files              []string
}

// learnt gives what is known of each source of a project, missing data included.
func (s *survey) learnt(project string) map[string]learnt {
	s.t.Helper()
	all := map[string]learnt{}
	v := s.ledger.View(context.Background())
	list, err := v.Sources(ledger.SourceFilter{Project: project})
	must(s.t, err)
	for _, source := range list {
		meta, err := v.Metadata(source.ID)
		must(s.t, err)
		one := learnt{Outcome: source.LastOutcome, Signature: source.Signature}
		if source.LastOutcome == ledger.OutcomeError && !strings.Contains(source.LastError, "find the evaluation file") {
			one.Outcome += ": " + source.LastError
		}
		for _, m := range meta {
			for _, record := range m.Records {
				name := fmt.Sprint(record["visibility_filename"])
				if m.MissingSince != nil {
					name = "missing: " + name
				}
				one.Files = append(one.Files, name)
			}
		}
		slices.Sort(one.Files)
		all[source.Identifier] = one
	}
	return all
}

// expected gives what a first discovery must learn of each source, but for the signatures.
func (r rig) expected(sources []string) map[string]learnt {
	all := map[string]learnt{}
	for _, source := range sources {
		rows, dated := r.of(source)
		switch {
		case len(rows) == 0:
			all[source] = learnt{Outcome: ledger.OutcomeNoData}
		case dated == 0: // rows, and none of them says which is the latest
			all[source] = learnt{Outcome: ledger.OutcomeRefused}
		case !r.evaluated(source): // the survey needs each SBID's evaluation file, and asks again until it is there
			all[source] = learnt{Outcome: ledger.OutcomeError}
		default:
			all[source] = learnt{Outcome: ledger.OutcomeChanged, Files: filesOf(r.latest(source))}
		}
	}
	return all
}

func filesOf(rows []observation) (files []string) {
	for _, o := range rows {
		files = append(files, o.Filename)
	}
	slices.Sort(files)
	return files
}

func withoutSignatures(all map[string]learnt) map[string]learnt {
	out := map[string]learnt{}
	for name, one := range all {
		one.Signature = ""
		out[name] = one
	}
	return out
}

// mixed gives n sources of every kind that the rig has: with data, without (each 50th), with rows that have
// no date (each 101st), with awkward text, and a name that another one begins with.
func (r rig) mixed(n int) []string {
	list := slices.Clone(r.sources[:n-1])
	for _, name := range r.sources[n-1:] {
		if strings.HasPrefix(name, r.sources[0]) {
			return append(list, name)
		}
	}
	panic("the rig has no name that begins with " + r.sources[0])
}

// sameSignatures asks for the same sources in several ways and wants what the archive holds from each.
func sameSignatures(t *testing.T, r rig, sources []string, ways []way) {
	s := newSurvey(t, sources)
	var first map[string]learnt
	for _, w := range ways {
		id := fmt.Sprintf("%s_%s_%s", w.form, w.mode, strings.ToLower(w.serialization.String()))
		t.Run(id, func(t *testing.T) {
			s.t = t
			s.add(w.project(t, id))
			began := time.Now()
			result := s.tick(client(t, tap.Options{URL: r.url, Mode: w.mode, Serialization: w.serialization}), id)
			t.Logf("%s: %d requests for %d sources: %d with data, %d without, %d refused", time.Since(began).Round(time.Millisecond),
				result.Requests, result.Claimed, result.Changed, result.NoData, result.Refused)
			got := s.learnt(id)
			if diff := cmp.Diff(r.expected(sources), withoutSignatures(got)); diff != "" {
				t.Errorf("not what the archive holds: %s", diff)
			}
			if first == nil {
				first = got
			}
			if diff := cmp.Diff(first, got); diff != "" {
				t.Errorf("not what the first way gave: %s", diff)
			}
		})
	}
}

func TestEveryWayToAskGivesTheSameSignatures(t *testing.T) {
	r := theRig(t)
	sameSignatures(t, r, r.mixed(60), []way{
		{form: configs.FormSingle, mode: tap.Sync},
		{form: configs.FormList, mode: tap.Sync},
		{form: configs.FormUpload, mode: tap.Sync},
		{form: formShipped, mode: tap.Sync},
		{form: formShipped, mode: tap.Async},
		{form: configs.FormSingle, mode: tap.Sync, serialization: votable.Binary2},
		{form: formShipped, mode: tap.Sync, serialization: votable.Binary2},
		{form: formShipped, mode: tap.Async, serialization: votable.Binary2},
	})
}

func TestEveryWayToAskForExactNamesGivesTheSameSignatures(t *testing.T) {
	r := theRig(t)
	// from the 21st on: those before hold awkward names of targets
	sameSignatures(t, r, r.sources[20:60], []way{
		{form: formExact + configs.FormSingle, mode: tap.Sync},
		{form: formExact + configs.FormList, mode: tap.Sync},
		{form: formExact + configs.FormUpload, mode: tap.Sync},
		{form: formExact + configs.FormList, mode: tap.Async},
		{form: formExact + formShipped, mode: tap.Async},
		{form: formExact + configs.FormList, mode: tap.Sync, serialization: votable.Binary2},
	})
}
