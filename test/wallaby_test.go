package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/control"
	"beampipe/demo"
	"beampipe/execution"
	"beampipe/graph"
	"beampipe/ledger"
	"beampipe/profiles"
	"beampipe/vo/archive"
)

const (
	wallaby         = "wallaby_hires"
	productionGraph = "graphs/wallaby-hires_deploy-setonix-beampipe.graph"
	scatter         = "Scatter/GenericScatterApp/Beam"

	// The two prefix pairs of the real list.
	shortFirst, longFirst = "HIPASSJ0324-21", "HIPASSJ0324-21b"
	shortLast, longLast   = "HIPASSJ1300-13", "HIPASSJ1300-13B"
)

func TestTheRealConfigsAndProfilesLoad(t *testing.T) {
	raw := shared(t, productionGraph)
	for _, name := range []string{"wallaby_hires.v1.yaml", "wallaby_hires.v2.yaml", "minimal_survey.v2.yaml"} {
		w := filesOnly(t)
		f := control.ProjectFile{Name: name, Content: shared(t, "configs/"+name)}
		report, err := w.ValidateProject(t.Context(), f)
		must(t, err)
		if err := report.Report.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(name, ".v1.") {
			continue
		}
		f.Graph = raw
		up, err := w.UpgradeProject(t.Context(), f)
		must(t, err)
		again, err := w.ValidateProject(t.Context(), control.ProjectFile{Name: "v2.yaml", Content: []byte(up.Content)})
		must(t, err)
		if err := again.Report.Err(); err != nil || !strings.Contains(up.Content, "beampipe.dev/v2") {
			t.Errorf("upgraded: %v", err)
		}
	}
	for _, name := range []string{"slurm-remote.json", "dlg-dim.json"} {
		p, err := profiles.Load(shared(t, "profiles/"+name), name)
		must(t, err)
		if p.Name+".json" != name {
			t.Errorf("%s is called %s", name, p.Name)
		}
	}
}

// filesOnly gives a control that works on files alone.
func filesOnly(t *testing.T) *control.Local {
	t.Helper()
	c, err := control.NewLocal(control.LocalOptions{})
	must(t, err)
	return c
}

// realSurvey is the real survey on a ledger of its own.
type realSurvey struct{ *world }

func newRealSurvey(t *testing.T, a *archive.Archive) realSurvey {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: &clock{now: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)}, archive: a}
	w.limits.Discovery.MaxInFlightBatches, w.limits.Discovery.QueueMaxDepth = 100, 1000
	var err error
	w.ledger, err = ledger.Create(t.Context(), filepath.Join(w.dir, "beampipe.db"), ledger.Options{Now: w.clock.Now, Rebuild: execution.Rebuild})
	must(t, err)
	t.Cleanup(func() { must(t, w.ledger.Close()) })
	w.Local, err = control.NewLocal(control.LocalOptions{
		Ledger: w.ledger, Actor: "user:test", Limits: &w.limits,
		Archives:  map[string]string{"casda": archive.URL, "vizier": archive.URL},
		Transport: func(string) http.RoundTripper { return a.Transport() },
	})
	must(t, err)
	for _, name := range []string{"slurm-remote.json", "dlg-dim.json"} {
		_, err := w.AddProfile(t.Context(), control.ProfileFile{Name: name, Content: shared(t, "profiles/"+name)})
		must(t, err)
	}
	_, err = w.AddProfile(t.Context(), control.ProfileFile{Name: "profile.json", Content: []byte(profileText)})
	must(t, err)
	added, err := w.AddProject(t.Context(), control.ProjectFile{
		Name: "wallaby_hires.v2.yaml", Content: shared(t, "configs/wallaby_hires.v2.yaml"), GraphName: filepath.Base(productionGraph), Graph: shared(t, productionGraph),
	})
	must(t, err)
	if !added.GraphPinned || added.GraphNodes != 47 || added.Admitting {
		t.Errorf("added: %+v", added)
	}
	return realSurvey{w}
}

// realArchive holds all 801 sources: every ninth with an older second SBID, one with two SBIDs that end
// at the same time, and the prefix pairs, of which the first one's shorter name was observed later than
// its longer one, and the second one's earlier.
func realArchive(t *testing.T, names []string) (a *archive.Archive, twoSBIDs string) {
	t.Helper()
	a, err := archive.Open(t.Context(), archive.Options{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { must(t, a.Close()) })
	objects, err := demo.Objects()
	must(t, err)
	known := map[string]demo.Object{}
	for _, o := range objects {
		known[o.Identifier] = o
	}
	var d demo.Data
	observe := func(o demo.Object, sbid, beams int, end float64) {
		from := len(d.Observations)
		d.Observe(o, sbid, beams)
		for i := range d.Observations[from:] {
			d.Observations[from+i].TMin, d.Observations[from+i].TMax = end-0.3, end
		}
	}
	ends := map[string]float64{shortFirst: 59900, longLast: 59900}
	for i, name := range names {
		o, ok := known[name]
		if !ok {
			t.Fatalf("%s does not ship", name)
		}
		end := 59500.0
		if later, ok := ends[name]; ok {
			end = later
		}
		d.List(o)
		observe(o, 20000+2*i, 1+i%4, end)
		switch {
		case i == 100:
			twoSBIDs = name
			observe(o, 20001+2*i, 3, end)
		case i%9 == 0:
			observe(o, 20001+2*i, 2, end-100)
		}
	}
	must(t, a.AddObservations(t.Context(), d.Observations))
	must(t, a.AddEvaluations(t.Context(), d.Evaluations))
	must(t, a.AddCatalogue(t.Context(), d.Catalogue))
	return a, twoSBIDs
}

// prepared makes an execution of a source by hand, prepares it and gives it as it then is.
func (w realSurvey) prepared(name, profile string, hold bool) ledger.Execution {
	w.t.Helper()
	created, err := w.CreateExecution(context.Background(), control.CreateRequest{
		Project: wallaby, Sources: []control.SelectedSource{{Identifier: name}}, Profile: profile, Hold: hold, Reason: "a test",
	})
	must(w.t, err)
	w.work()
	d, err := w.ShowExecution(context.Background(), created.Execution.ID)
	must(w.t, err)
	return d.Execution
}

// work does what is due. What fails leaves its reason in the ledger, where the tests look.
func (w realSurvey) work() {
	w.t.Helper()
	if _, err := w.Work(context.Background()); err != nil {
		w.t.Logf("work: %v", err)
	}
}

func (w realSurvey) artifact(id, kind string) []byte {
	w.t.Helper()
	var b bytes.Buffer
	must(w.t, w.Artifact(context.Background(), id, kind, &b))
	return b.Bytes()
}

func (w realSurvey) preview(name string) control.PreparedGraph {
	w.t.Helper()
	p, err := w.PrepareGraph(context.Background(), control.GraphRequest{Project: wallaby, Sources: []control.SelectedSource{{Identifier: name}}})
	must(w.t, err)
	return p
}

func TestTheRealSurveyIsDiscoveredAndPreparedAndRefusedByNameWhenItWouldBeSubmitted(t *testing.T) {
	names := strings.Fields(string(shared(t, "sources.txt")))
	t.Parallel()
	a, twoSBIDs := realArchive(t, names)
	w := newRealSurvey(t, a)
	w.importAll(names)
	w.discoverAll(len(names))
	manifest := w.prepareTwoSBIDs(twoSBIDs)
	w.refuseByName(names[10:13])

	fresh := newRealSurvey(t, a)
	_, err := fresh.AddSources(t.Context(), wallaby, []string{twoSBIDs})
	must(t, err)
	_, err = fresh.DiscoverSources(t.Context(), control.SourceSelection{Project: wallaby, All: true})
	must(t, err)
	again := fresh.prepared(twoSBIDs, "", true)
	if !bytes.Equal(manifest, fresh.artifact(again.ID, ledger.ArtifactManifest)) {
		t.Error("another ledger makes another manifest of the same data")
	}
	if fresh.preview(twoSBIDs).SHA256 != w.preview(twoSBIDs).SHA256 {
		t.Error("another ledger makes another graph of the same data")
	}
}

// importAll registers the list as it came.
func (w realSurvey) importAll(names []string) {
	w.t.Helper()
	report, err := w.ImportSources(context.Background(), control.ImportRequest{Project: wallaby, Name: "sources.txt", Content: shared(w.t, "sources.txt")})
	must(w.t, err)
	pairs := []control.PrefixPair{{Short: shortFirst, Long: longFirst}, {Short: shortLast, Long: longLast}}
	if report.Added != 801 || report.Added != len(names) || !slices.Equal(report.Prefixes, pairs) {
		w.t.Errorf("import: %d added, pairs %v", report.Added, report.Prefixes)
	}
}

// discoverAll asks about all of them once. The survey takes the latest observation of what a name begins
// with: where that is the longer name's, nobody can say from the answer what the shorter one has.
func (w realSurvey) discoverAll(n int) {
	w.t.Helper()
	answer, err := w.TickDiscovery(context.Background(), wallaby)
	must(w.t, err)
	r := answer.Ticks[0]
	if r.Error != "" || r.Claimed != n || r.Changed != n-1 || r.Ambiguous != 1 {
		w.t.Fatalf("discovery: %+v", r)
	}
	// Primary, catalogue and one evaluation file each; a second SBID costs one more, an answer that
	// cannot be used nothing more.
	if want := 3*(n-1) + 1 + 1; r.Requests != want || w.archive.Queries() != int64(want) {
		w.t.Errorf("%d requests, the archive heard %d, want %d", r.Requests, w.archive.Queries(), want)
	}
	s, err := w.WhySource(context.Background(), wallaby, shortLast)
	must(w.t, err)
	if s.State != ledger.OutcomeAmbiguous || !strings.Contains(s.Source.LastError, "belong to "+longLast) || !strings.Contains(s.Source.LastError, "key_column") {
		w.t.Errorf("%s: %s: %s", shortLast, s.State, s.Sentence)
	}
	for _, name := range []string{shortFirst, longFirst, longLast} {
		d, err := w.ShowSource(context.Background(), wallaby, name)
		must(w.t, err)
		for _, m := range d.Metadata {
			for _, record := range m.Records {
				if !strings.HasPrefix(fmt.Sprint(record["filename"]), name+"_") {
					w.t.Errorf("%s has %v", name, record["filename"])
				}
			}
		}
	}
}

// prepareTwoSBIDs prepares the source with two SBIDs, held at ready, and gives its manifest.
func (w realSurvey) prepareTwoSBIDs(name string) []byte {
	w.t.Helper()
	x := w.prepared(name, "", true)
	if x.State != ledger.Ready || x.Held == nil || len(x.Sources[0].SBIDs) != 2 || x.Profile != "slurm-remote" {
		w.t.Fatalf("%+v", x)
	}
	manifest, patched := w.artifact(x.ID, ledger.ArtifactManifest), w.artifact(x.ID, ledger.ArtifactPatchedGraph)
	first, second := w.preview(name), w.preview(name)
	if !bytes.Equal(first.Graph, second.Graph) || first.ManifestSHA != second.ManifestSHA {
		w.t.Error("two preparations differ")
	}
	if first.ManifestSHA != graph.Digest(manifest) {
		w.t.Error("the stored manifest is not the one that a preview makes")
	}
	datasets := datasetsOf(w.t, manifest)
	if copies := copiesOf(w.t, patched); datasets != first.Datasets || copies != fmt.Sprint(datasets) || datasets != 1+3 {
		w.t.Errorf("%d datasets, %d in the preview, %s copies of %s", datasets, first.Datasets, copies, scatter)
	}
	return manifest
}

func datasetsOf(t *testing.T, manifest []byte) int {
	t.Helper()
	var m struct {
		Sources []struct {
			SBIDs []struct {
				Datasets []json.RawMessage `json:"datasets"`
			} `json:"sbids"`
		} `json:"sources"`
	}
	must(t, json.Unmarshal(manifest, &m))
	n := 0
	if len(m.Sources) != 1 {
		t.Errorf("%d entries of one source", len(m.Sources))
	}
	for _, s := range m.Sources {
		for _, sbid := range s.SBIDs {
			n += len(sbid.Datasets)
		}
	}
	return n
}

// copiesOf reads how many copies of the beam scatter a graph makes.
func copiesOf(t *testing.T, raw []byte) string {
	t.Helper()
	g, err := graph.Parse(raw, "patched graph")
	must(t, err)
	for _, n := range g.Nodes() {
		if n.Name != scatter {
			continue
		}
		for _, f := range n.Fields {
			if f.Name == "num_of_copies" {
				return fmt.Sprint(f.Value)
			}
		}
	}
	t.Fatalf("there is no %s", scatter)
	return ""
}

// refuseByName releases what was held, and makes runs in other places: each is refused by the name of
// what is not built, once.
func (w realSurvey) refuseByName(names []string) {
	w.t.Helper()
	for i, tt := range []struct{ profile, want string }{
		{"slurm-remote", `unsupported: deployment.kind slurm_remote is not built yet (profile "slurm-remote")`},
		{"dlg-dim", `unsupported: deployment.kind rest_remote is not built yet (profile "dlg-dim")`},
		{"here", `unsupported: staging for archive "casda" is not built`},
	} {
		x := w.prepared(names[i], tt.profile, true)
		if x.State != ledger.Ready {
			w.t.Fatalf("%s: %+v", tt.profile, x)
		}
		_, err := w.ReleaseExecution(context.Background(), x.ID, "try it")
		must(w.t, err)
		for range 3 {
			w.work()
			_, err := w.TickPoll(context.Background())
			must(w.t, err)
			w.clock.advance(24 * time.Hour)
		}
		d, err := w.ShowExecution(context.Background(), x.ID)
		must(w.t, err)
		if e := d.Execution; e.State != ledger.Failed || e.Attempt != 1 || e.NextRetryAt != nil || e.AutoRetries != 0 || !strings.Contains(e.Error, tt.want) {
			w.t.Errorf("%s: %s, attempt %d: %s", tt.profile, e.State, e.Attempt, e.Error)
		}
	}
}
