package provenance

import (
	"bytes"
	"encoding/json"
	"testing"
)

func provOf(t *testing.T, b Bundle) map[string]map[string]map[string]any {
	t.Helper()
	var out bytes.Buffer
	if err := WriteProvJSON(&out, b); err != nil {
		t.Fatal(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(out.Bytes(), &raw); err != nil {
		t.Fatal(err)
	}
	doc := map[string]map[string]map[string]any{}
	for kind, records := range raw {
		if kind == "prefix" {
			continue
		}
		var m map[string]map[string]any
		if err := json.Unmarshal(records, &m); err != nil {
			t.Fatal(kind, err)
		}
		doc[kind] = m
	}
	return doc
}

func TestALineageBecomesThePROVThatItsRelationsMean(t *testing.T) {
	doc := provOf(t, testBundle())
	for kind, want := range map[string]int{
		"entity":   6, // manifest, answer, config, 2 products, the note on what was redacted
		"activity": 2, "agent": 3,
		"used": 1, "wasDerivedFrom": 1, "wasAssociatedWith": 2, "wasAttributedTo": 1, "wasGeneratedBy": 3,
		"wasInfluencedBy": 1, // an execution is not derived from a config
	} {
		if len(doc[kind]) != want {
			t.Errorf("%d of %s, want %d: %v", len(doc[kind]), kind, want, doc[kind])
		}
	}
	run := doc["activity"]["execution:"+testExecution]
	if run["prov:startTime"] != "2026-11-21T03:08:02.010Z" || run["prov:endTime"] != "2026-11-21T03:08:09.010Z" || run["bp:status"] != "failed" {
		t.Errorf("the execution is %v", run)
	}
	if query := doc["activity"]["query:cd34"]; query["prov:startTime"] != "2026-11-21T03:00:00.000Z" {
		t.Errorf("the query is %v", query)
	}
	product := doc["entity"]["product:"+testExecution+"/2/data/image%202.fits"]
	if product["bp:withdrawn"] != true || product["bp:withdrawn_because"] != "SB70039 is bad" {
		t.Errorf("the withdrawn product is %v", product)
	}
	if note := doc["entity"]["bp:redaction"]; note["bp:original_sha256"] == "" || note["bp:values"] != 2.0 {
		t.Errorf("the note on what was redacted is %v", note)
	}
}

func TestNamesInPROVAreQualifiedNames(t *testing.T) {
	for id, want := range map[string]string{
		"execution:0193-a":               "execution:0193-a",
		"archive:https://h.example/tap?": "archive:https%3A//h.example/tap%3F",
		"source:survey/HIPASS J1+2":      "source:survey/HIPASS%20J1+2",
		"product:x/1/.hidden.":           "product:x/1/.hidden%2E",
		"field:-x":                       "field:%2Dx",
		"sha256:ab#a.b":                  "sha256:ab%23a.b",
		"software:é":                     "software:%C3%A9",
		"no kind":                        "node:no%20kind",
		"A:x":                            "node:A%3Ax",
	} {
		d := newProvDocument()
		if got := d.name(id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}
