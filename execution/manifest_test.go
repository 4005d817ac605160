package execution

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/ledger"
)

var missingSince = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func missing(m ledger.Metadata) ledger.Metadata {
	m.MissingSince = &missingSince
	return m
}

func without(m ledger.Metadata, key string) ledger.Metadata {
	for _, r := range m.Records {
		delete(r, key)
	}
	return m
}

func TestAManifestHasOneEntryPerSourceWhateverGroupBySays(t *testing.T) {
	cfg := loadSurvey(t, strings.Repeat("0", 64)) // group_by: [source_identifier, sbid]
	m, err := BuildManifest(cfg, []ManifestSource{
		{Identifier: "S<2>&", Metadata: []ledger.Metadata{block("S<2>&", "7", "x")}},
		{Identifier: "S1", Metadata: []ledger.Metadata{
			block("S1", "9", "b", "a"), block("S1", "10", "c"), missing(block("S1", "11", "d")), block("S1", "0", "none"),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"graph_overrides":{"patches":[{"fields":[{"name":"num_of_copies","value":4}],"match":{"equals":"scatter"}}]},"inputs":{},"sources":[` +
		`{"complete":true,"ra":"1h2m3s","sbids":[{"datasets":[{"dataset_id":"c","ra_string":"1h2m3s","sbid":"10","source_identifier":"S1"}],"sbid":"10"},` +
		`{"datasets":[{"dataset_id":"a","ra_string":"1h2m3s","sbid":"9","source_identifier":"S1"},{"dataset_id":"b","ra_string":"1h2m3s","sbid":"9","source_identifier":"S1"}],"sbid":"9"}],"source_identifier":"S1"},` +
		`{"complete":true,"ra":"1h2m3s","sbids":[{"datasets":[{"dataset_id":"x","ra_string":"1h2m3s","sbid":"7","source_identifier":"S<2>&"}],"sbid":"7"}],"source_identifier":"S<2>&"}]}`
	if diff := cmp.Diff(want, string(m.Bytes)); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(string(m.Embedded), "graph_overrides") || m.Datasets != 4 {
		t.Errorf("%d datasets, embedded %s", m.Datasets, m.Embedded)
	}
	if diff := cmp.Diff(map[string][]string{"S1": {"10", "9"}, "S<2>&": {"7"}}, m.Scope); diff != "" {
		t.Error(diff)
	}
	back, err := ReadManifest(m.Bytes)
	if err != nil || !bytes.Equal(back.Bytes, m.Bytes) || !bytes.Equal(back.Embedded, m.Embedded) || back.Datasets != 4 {
		t.Errorf("read back: %v\n%s", err, back.Bytes)
	}
	if diff := cmp.Diff(m.Patches, back.Patches); diff != "" {
		t.Error(diff)
	}
}

func TestTheOrderOfMetadataDoesNotChangeAManifest(t *testing.T) {
	cfg := loadSurvey(t, strings.Repeat("0", 64))
	blocks := []ledger.Metadata{block("S", "3", "c", "a", "b"), block("S", "1", "z", "y"), block("S", "2", "q")}
	var first []byte
	for range 20 {
		rand.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
		for _, b := range blocks {
			rand.Shuffle(len(b.Records), func(i, j int) { b.Records[i], b.Records[j] = b.Records[j], b.Records[i] })
		}
		m, err := BuildManifest(cfg, []ManifestSource{{Identifier: "S", Metadata: blocks}})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = m.Bytes
		}
		if !bytes.Equal(first, m.Bytes) {
			t.Fatalf("%s\n%s", first, m.Bytes)
		}
	}
}

func TestAManifestThatCannotBeMadeSaysWhy(t *testing.T) {
	text := fmt.Sprintf(survey, strings.Repeat("0", 64), "")
	withTemplate := func(s string) string {
		return strings.Replace(text, "  source_template:", "  expand_from: metadata\n  dataset_template: "+s+"\n  source_template:", 1)
	}
	good := block("S", "1", "a")
	for _, tt := range []struct {
		name   string
		config string
		source ManifestSource
		want   string
	}{
		{"a placeholder that nothing fills", text, ManifestSource{Metadata: []ledger.Metadata{without(block("S", "1", "a"), "ra_string")}}, "source S: manifest.source_template: nothing fills {ra_string}"},
		{"a placeholder of staging", strings.Replace(text, "{ra_string}", "{staging.data_url_by_scan_id.x}", 1), ManifestSource{Metadata: []ledger.Metadata{good}}, "staging is not built"},
		{"a dataset placeholder that nothing fills", withTemplate(`{dataset_id: "{dataset_id}", url: "{staged_url}"}`), ManifestSource{Metadata: []ledger.Metadata{good}}, "dataset a of SBID 1: manifest.dataset_template: nothing fills {staged_url}"},
		{"a dataset template without identity", withTemplate(`{sbid: "{sbid}"}`), ManifestSource{Metadata: []ledger.Metadata{good}}, `gives "" as dataset_id`},
		{"nothing known", text, ManifestSource{}, "no usable dataset"},
		{"all missing", text, ManifestSource{Metadata: []ledger.Metadata{missing(block("S", "1", "a"))}}, "no usable dataset"},
		{"the selected SBID is missing", text, ManifestSource{SBIDs: []string{"1"}, Metadata: []ledger.Metadata{missing(block("S", "1", "a"))}}, "SBID 1 is selected, but the archive no longer shows it (missing since 2026-11-01"},
		{"an unknown SBID is selected", text, ManifestSource{SBIDs: []string{"1", "5"}, Metadata: []ledger.Metadata{good}}, "SBIDs 5 are selected"},
		{"an SBID is selected twice", text, ManifestSource{SBIDs: []string{"1", "1"}, Metadata: []ledger.Metadata{good}}, "SBID 1 is selected twice"},
		{"the placeholder SBID is selected", text, ManifestSource{SBIDs: []string{"0"}, Metadata: []ledger.Metadata{block("S", "0", "a")}}, "SBIDs 0 are selected"},
		{"a record without identity", text, ManifestSource{Metadata: []ledger.Metadata{without(block("S", "1", "a"), "dataset_id")}}, "record 0: neither dataset_id nor visibility_filename"},
		{"an identity twice", text, ManifestSource{Metadata: []ledger.Metadata{block("S", "1", "a", "a")}}, `dataset "a" is there twice`},
		{"another source's record", text, ManifestSource{Metadata: []ledger.Metadata{block("T", "1", "a")}}, `source_identifier is T, expected "S"`},
		{"another SBID's record", text, ManifestSource{Metadata: []ledger.Metadata{{SBID: "1", Records: block("S", "2", "a").Records}}}, `sbid is 2, expected "1"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.source.Identifier = "S"
			_, err := BuildManifest(load(t, tt.config), []ManifestSource{tt.source})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !definite(err) {
				t.Errorf("%v, expected …%s…", err, tt.want)
			}
		})
	}
	cfg := load(t, text)
	if _, err := BuildManifest(cfg, nil); err == nil {
		t.Error("no source: no error")
	}
	if _, err := BuildManifest(cfg, []ManifestSource{{Identifier: "S", Metadata: []ledger.Metadata{good}}, {Identifier: "S", Metadata: []ledger.Metadata{good}}}); err == nil {
		t.Error("a source twice: no error")
	}
}

func TestADatasetTemplateIsFilledPerDataset(t *testing.T) {
	text := strings.Replace(fmt.Sprintf(survey, strings.Repeat("0", 64), ""), "  source_template:",
		`  expand_from: metadata
  dataset_template: {dataset_id: "{dataset_id}", ok: "{flags.complete}", where: {ra: "{ra_string}"}, fixed: "x{sbid}"}
  source_template:`, 1)
	m, err := BuildManifest(load(t, text), []ManifestSource{{Identifier: "S", Metadata: []ledger.Metadata{block("S", "1", "a")}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `"datasets":[{"dataset_id":"a","fixed":"x{sbid}","ok":true,"where":{"ra":"1h2m3s"}}]`; !strings.Contains(string(m.Bytes), want) {
		t.Errorf("%s", m.Bytes)
	}
}

func TestWithoutAManifestSectionTheTemplateHoldsWhatIsThere(t *testing.T) {
	text := fmt.Sprintf(survey, strings.Repeat("0", 64), "")
	from, to := strings.Index(text, "manifest:\n"), strings.Index(text, "graph_patches:")
	m, err := BuildManifest(load(t, text[:from]+text[to:]), []ManifestSource{{Identifier: "S", Metadata: []ledger.Metadata{block("S", "1", "a")}}})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Sources []map[string]any `json:"sources"`
	}
	if err := json.Unmarshal(m.Bytes, &doc); err != nil {
		t.Fatal(err)
	}
	entry := doc.Sources[0]
	delete(entry, "sbids")
	if diff := cmp.Diff(map[string]any{"source_identifier": "S", "ra_string": "1h2m3s"}, entry); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutPatchesTheGraphIsLeftAsItIs(t *testing.T) {
	text := fmt.Sprintf(survey, strings.Repeat("0", 64), "")
	from, to := strings.Index(text, "graph_patches:"), strings.Index(text, "automation:")
	m, err := BuildManifest(load(t, text[:from]+text[to:]), []ManifestSource{{Identifier: "S", Metadata: []ledger.Metadata{block("S", "1", "a")}}})
	if err != nil || !strings.Contains(string(m.Bytes), `"graph_overrides":{"patches":[]}`) {
		t.Errorf("%v %s", err, m.Bytes)
	}
}

func TestAPreparedGraphIsTheSameTwice(t *testing.T) {
	raw := testGraph("true")
	cfg := loadSurvey(t, digest(raw))
	m, err := BuildManifest(cfg, []ManifestSource{{Identifier: "S", Metadata: []ledger.Metadata{block("S", "1", "a", "b")}}})
	if err != nil {
		t.Fatal(err)
	}
	id, at := "01934f2e-8c1a-7b3e-9d2f-0a1b2c3d4e5f", time.Unix(1700000000, 0)
	one, changes, err := PrepareGraph(cfg, raw, m, id, at)
	if err != nil {
		t.Fatal(err)
	}
	two, _, err := PrepareGraph(cfg, raw, m, id, at)
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("%v: not the same twice", err)
	}
	if len(changes) != 1 || changes[0].Field != "num_of_copies" {
		t.Errorf("%+v", changes)
	}
	var doc map[string]any
	if err := json.Unmarshal(one, &doc); err != nil || doc["activeGraphConfigId"] != ConfigID(id) {
		t.Errorf("%v %v", err, doc["activeGraphConfigId"])
	}
	if _, _, err := PrepareGraph(loadSurvey(t, strings.Repeat("0", 64)), raw, m, id, at); err == nil || !strings.Contains(err.Error(), "SHA-256 mismatch") {
		t.Errorf("another graph than pinned: %v", err)
	}
}

func TestAGraphWithoutIngestNodeIsRefusedUnlessItNeedsNoManifest(t *testing.T) {
	raw := bytes.ReplaceAll(testGraph("true"), []byte("beampipe-ingest"), []byte("something-else"))
	text := fmt.Sprintf(survey, digest(raw), "")
	m, err := BuildManifest(load(t, text), []ManifestSource{{Identifier: "S", Metadata: []ledger.Metadata{block("S", "1", "a")}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := PrepareGraph(load(t, text), raw, m, "x", time.Unix(0, 0)); err == nil || !definite(err) {
		t.Errorf("no ingest node: %v", err)
	}
	none := strings.Replace(text, "graph: {", "graph: {manifest: none, ", 1)
	out, _, err := PrepareGraph(load(t, none), raw, m, "x", time.Unix(0, 0))
	if err != nil || bytes.Contains(out, []byte("dataset_id")) {
		t.Errorf("graph.manifest: none: %v", err)
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add([]byte(`{"inputs":{},"sources":[{"source_identifier":"S","sbids":[{"sbid":"1","datasets":[{"dataset_id":"a"}]}]}],"graph_overrides":{"patches":[{"match":{"equals":"n"},"fields":[{"name":"f","value":1}]}]}}`))
	f.Add([]byte(`{"sources":[1]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := ReadManifest(raw)
		if err != nil {
			return
		}
		again, err := ReadManifest(m.Bytes)
		if err != nil || !bytes.Equal(again.Bytes, m.Bytes) {
			t.Errorf("what was written is not what is read: %v", err)
		}
	})
}
