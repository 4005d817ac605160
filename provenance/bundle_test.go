package provenance

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	testExecution = "01a1fc13-b76f-7c9c-a775-8c1b0a7e0352"
	testManifest  = `{"graph_overrides":{"patches":[]},"inputs":{},"sources":[{"access_url":"https://archive.example.org/data?ID=7&X-Amz-Signature=5ecre7"}]}`
	testGraph     = `{"linkDataArray":[],"modelData":{},"nodeDataArray":[]}`
	testPatched   = `{"linkDataArray":[],"modelData":{},"nodeDataArray":[{"id":"beams"}]}`
)

// testBundle is a small execution with one of everything: an answer, a signed URL, a withdrawn product, a failed step.
func testBundle() Bundle {
	at := func(s int) *time.Time {
		t := time.Date(2026, 11, 21, 3, 8, s, 10_000_000, time.UTC)
		return &t
	}
	l := &Lineage{}
	execution, manifest := "execution:"+testExecution, "sha256:"+hexDigest([]byte(testManifest))
	for _, n := range []Node{
		{ID: execution, Kind: NodeExecution, Label: "an execution"},
		{ID: manifest, Kind: NodeManifest, Label: "manifest", Attributes: map[string]any{"bytes": 120, "sources": []string{"HIPASS J0317-41"}}},
		{ID: "answer:ab12", Kind: NodeAnswer, Label: "visibility of HIPASS J0317-41", Attributes: map[string]any{"rows": 5}},
		{ID: "query:cd34", Kind: NodeQuery, Label: "visibility", Attributes: map[string]any{"adql": "SELECT * FROM ivoa.obscore WHERE filename LIKE 'HIPASS J0317-41%'", "asked_at": "2026-11-21T03:00:00.000Z"}},
		{ID: "archive:https://ada:5ecre7@archive.example.org/tap", Kind: NodeArchive, Label: "demo"},
		{ID: "actor:user:ada", Kind: NodeActor, Label: "ada"},
		{ID: "software:beampipe@1.2.3", Kind: NodeSoftware},
		{ID: "config:survey/3", Kind: NodeConfig},
	} {
		l.Add(n)
	}
	l.Link(execution, Used, manifest)
	l.Link(manifest, DerivedFrom, "answer:ab12")
	l.Link("answer:ab12", GeneratedBy, "query:cd34")
	l.Link("query:cd34", AssociatedWith, "archive:https://ada:5ecre7@archive.example.org/tap")
	l.Link(execution, AssociatedWith, "software:beampipe@1.2.3")
	l.Link("config:survey/3", AttributedTo, "actor:user:ada")
	l.Link(execution, DerivedFrom, "config:survey/3") // not what PROV asks of a derivation
	b := Bundle{
		Execution: testExecution, Attempt: 2, Project: "survey", Title: "survey: HIPASS J0317-41", Description: "Sources & beams <of> a survey.",
		Status: "failed", Outcome: OutcomeFailed, Error: "mosaic failed: exit code 3", Place: "local:runs",
		Created: *at(1), Started: at(2), Ended: at(9), Creator: "system:admission", Person: "user:ada", Actors: []string{"system:admission", "user:ada"},
		Software: map[string]string{"beampipe": "1.2.3", "go": "go1.26.0"}, Lineage: l, Head: "7:" + strings.Repeat("ab", 32),
		Steps: []BundleStep{
			{ID: "image", Name: "image-beam", Category: "BashShellApp"},
			{ID: "mosaic one", Name: "mosaic", Category: "PyFuncApp", Description: "Puts beams together", Outcome: OutcomeFailed, Error: "exit code 3"},
		},
		Parameters: []BundleParameter{{Node: "Scatter/Beam", Field: "num_of_copies", Value: json.Number("5"), Rule: "$count(sbids[].datasets[])"}},
		Products: []BundleProduct{
			{Path: "data/image 1.fits", Attempt: 2, SHA256: strings.Repeat("0", 64), Bytes: 89, Drop: "x_image_0-0", URI: "https://store.example.org/i1?sig=5ecre7"},
			{Path: "data/image 2.fits", Attempt: 2, SHA256: strings.Repeat("1", 64), Bytes: 90, Withdrawn: true, Why: "SB70039 is bad", MediaType: "application/fits"},
		},
		Missing: []string{"The physical graph is not kept."},
	}
	for _, f := range []BundleFile{
		{Path: "manifest.json", Name: "Manifest", Content: []byte(testManifest), Kind: NodeManifest, MediaType: mediaJSON},
		{Path: "graph/source.graph", Name: "Logical graph", Content: []byte(testGraph), Kind: NodeSourceGraph, MediaType: mediaJSON, Origin: "https://graphs.example.org/survey.graph"},
		{Path: "graph/patched.graph", Name: "Patched graph", Content: []byte(testPatched), Kind: NodePatchedGraph, MediaType: mediaJSON},
		{Path: "config/survey.yaml", Name: "Survey config", Content: []byte("a: 1\ntoken: 5ecre7\n"), Kind: NodeConfig, MediaType: "application/yaml"},
	} {
		f.SHA256 = hexDigest(f.Content)
		b.Files = append(b.Files, f)
	}
	hash := ""
	for i, kind := range []string{"execution.created", "execution.prepared", "execution.fail"} {
		e := Event{
			Seq: int64(i*2 + 1), OccurredAt: *at(i + 1), Type: kind, Project: "survey", Execution: testExecution, Actor: "system:execution",
			Payload: json.RawMessage(`{"n":1,"x":"a<b&c"}`), PrevHash: hash,
		}
		if i == 2 {
			e.Payload = json.RawMessage(`{"why":"GET https://store.example.org/i1?sig=5ecre7 said 403"}`)
		}
		e.Hash = e.ChainHash()
		hash = e.Hash
		b.Events = append(b.Events, e)
	}
	return b
}

// crateOf writes a bundle and gives the zip and what is in it.
func crateOf(t *testing.T, b Bundle) ([]byte, map[string]string) {
	t.Helper()
	var out bytes.Buffer
	if err := WriteROCrate(&out, b); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(content)
	}
	return out.Bytes(), files
}

func TestACrateHoldsWhatItsGoldenFilesHold(t *testing.T) {
	const dir = "testdata/crate"
	_, files := crateOf(t, testBundle())
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		for name, content := range files {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	golden := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		golden[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(golden, files); diff != "" {
		t.Errorf("other than the golden files (go test ./provenance -update writes them anew):\n%s", diff)
	}
}

func TestTheSameBundleGivesTheSameBytes(t *testing.T) {
	first, _ := crateOf(t, testBundle())
	for range 3 {
		again, _ := crateOf(t, testBundle())
		if !bytes.Equal(first, again) {
			t.Fatal("two crates of one bundle differ")
		}
	}
	var a, b bytes.Buffer
	if err := WriteProvJSON(&a, testBundle()); err != nil {
		t.Fatal(err)
	}
	if err := WriteProvJSON(&b, testBundle()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two PROV documents of one bundle differ")
	}
}

func TestNoSecretGetsIntoACrate(t *testing.T) {
	b := testBundle()
	const signed = "https://h.example.org/k?X-Amz-Signature=5ecre7"
	b.Title, b.Description, b.Error, b.Place, b.License = signed, signed, signed, signed, signed
	b.Missing, b.Products[0].Path, b.Products[1].Why = []string{signed}, signed, signed
	b.Steps[0].Name, b.Steps[0].Error, b.Steps[0].Outcome = signed, signed, OutcomeFailed
	b.Parameters = append(b.Parameters, BundleParameter{Node: "n", Field: "api-key", Value: "5ecre7", Rule: "5ecre7"},
		BundleParameter{Node: "m", Field: "url", Value: signed, Rule: signed}, BundleParameter{Node: "o", Field: "list", Value: []any{signed}})
	b.Lineage.Nodes[2].Attributes["url"] = []any{signed}
	zipped, files := crateOf(t, b)
	if bytes.Contains(zipped, []byte("5ecre7")) {
		t.Error("in the zip")
	}
	for name, content := range files {
		if strings.Contains(content, "5ecre7") {
			t.Errorf("%s: the secret is in it", name)
		}
	}
	var prov bytes.Buffer
	if err := WriteProvJSON(&prov, b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(prov.String(), "5ecre7") {
		t.Error("in the PROV document")
	}
	if got := testBundle(); !strings.Contains(string(got.Files[0].Content), "5ecre7") {
		t.Error("the bundle that was given changed")
	}
}

func TestAReaderCanCheckEachEventOfTheExcerpt(t *testing.T) {
	_, files := crateOf(t, testBundle())
	lines := strings.Split(strings.TrimSpace(files[fileEvents]), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines {
		var e struct {
			Event
			Redacted *Redaction `json:"beampipe_redacted"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		whole := e.ChainHash() == e.Hash
		if whole != (e.Redacted == nil) || whole != (i < 2) {
			t.Errorf("line %d: its content matches its hash: %v; redacted: %+v", i+1, whole, e.Redacted)
		}
	}
}

func TestACrateWithoutAGraphClaimsNoWorkflow(t *testing.T) {
	b := testBundle()
	b.Files, b.Steps, b.Lineage, b.Products, b.Events = b.Files[:1], nil, nil, nil, nil
	b.Status, b.Outcome, b.Error, b.Started, b.Ended, b.Person = "pending", OutcomePlanned, "", nil, nil, ""
	_, files := crateOf(t, b)
	metadata := files[fileMetadata]
	for _, not := range []string{profileRun, profileWorkflow, profileHub, "ComputationalWorkflow\"", "OrganizeAction", "null"} {
		if strings.Contains(metadata, not) {
			t.Errorf("it says %s", not)
		}
	}
	for _, want := range []string{profileProcess, `"instrument"`, "PotentialActionStatus", "No licence is given"} {
		if !strings.Contains(metadata, want) {
			t.Errorf("it does not say %s", want)
		}
	}
	if _, ok := files[fileLineage]; ok {
		t.Error("there is a lineage")
	}
}

func TestABundleThatCannotBeUnpackedSafelyOrIsTooLargeIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(b *Bundle)
		want  string
	}{
		"outside":            {func(b *Bundle) { b.Files[0].Path = "../x" }, `file "../x"`},
		"absolute":           {func(b *Bundle) { b.Files[0].Path = "/x" }, `file "/x"`},
		"another system's":   {func(b *Bundle) { b.Files[0].Path = `a\b` }, `file "a\\b"`},
		"twice":              {func(b *Bundle) { b.Files[0].Path = "Graph/source.graph" }, "there once"},
		"no name":            {func(b *Bundle) { b.Files[0].Path = "" }, `file ""`},
		"no media type":      {func(b *Bundle) { b.Files[0].MediaType = "" }, "media type"},
		"too many products":  {func(b *Bundle) { b.Products = make([]BundleProduct, MaxBundleProducts+1) }, "MaxBundleProducts"},
		"too many events":    {func(b *Bundle) { b.Events = make([]Event, MaxBundleEvents+1) }, "MaxBundleEvents"},
		"too many steps":     {func(b *Bundle) { b.Steps = make([]BundleStep, MaxBundleSteps+1) }, "MaxBundleSteps"},
		"a name of our file": {func(b *Bundle) { b.Files[0].Path = "Prov.json" }, "Prov.json"},
	} {
		b := testBundle()
		tt.spoil(&b)
		var out bytes.Buffer
		if err := WriteROCrate(&out, b); err == nil || !strings.Contains(err.Error(), tt.want) || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes written", name, err, out.Len())
		}
	}
}
