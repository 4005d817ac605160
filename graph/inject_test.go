package graph

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var injection = Injection{
	ConfigID: "0193a000-0000-7000-8000-000000000001",
	Manifest: []byte(`{"inputs":{},"sources":[{"source_identifier":"HIPASSJ1313-15","note":"<&>"}]}`),
	At:       time.Unix(1795208400, 999).UTC(),
	Name:     "HIPASSJ1313-15",
}

func ingest(id string) obj {
	return withField(app(id, "", "bytes", obj{"name": IngestNode}), field(id+".m", IngestField, "String", "InputPort", ""))
}

func TestInjectMakesTheManifestTheActiveConfiguration(t *testing.T) {
	doc := document(nodes(ingest("i")))
	doc["graphConfigurations"] = obj{"old": obj{"id": "old"}}
	g := parsed(t, doc)
	if !g.HasIngest() {
		t.Fatal("the ingest node was not found")
	}
	if err := g.Inject(injection); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Active  string `json:"activeGraphConfigId"`
		Configs map[string]struct {
			ID    string `json:"id"`
			Model struct {
				Name, Type, SchemaVersion, GeneratorName string
				Readonly                                 bool
				LastModifiedDatetime, NumLGNodes         int64
			} `json:"modelData"`
			Nodes map[string]struct {
				Fields map[string]map[string]string `json:"fields"`
			} `json:"nodes"`
		} `json:"graphConfigurations"`
	}
	if err := json.Unmarshal(g.Encode(), &got); err != nil {
		t.Fatal(err)
	}
	c := got.Configs[injection.ConfigID]
	if got.Active != injection.ConfigID || c.ID != injection.ConfigID || len(got.Configs) != 2 {
		t.Errorf("active %q, configurations %v", got.Active, got.Configs)
	}
	if f := c.Nodes["i"].Fields["i.m"]; f["value"] != string(injection.Manifest) || f["comment"] != "" || len(f) != 2 {
		t.Errorf("manifest embedded as %v", f)
	}
	m := c.Model
	if m.Name != "HIPASSJ1313-15" || m.Type != "GraphConfig" || m.SchemaVersion != "1.0" || !m.Readonly ||
		m.GeneratorName != "beampipe" || m.LastModifiedDatetime != 1795208400 || m.NumLGNodes != 1 {
		t.Errorf("model data %+v", m)
	}
	if problems := g.Validate(); len(problems) != 0 {
		t.Errorf("the injected graph has problems: %v", problems)
	}
	p, err := g.Unroll("x", 0)
	if err != nil {
		t.Fatal(err)
	}
	if v := p.Drops[0].Fields[IngestField].Text(); v != string(injection.Manifest) {
		t.Errorf("the unrolled ingest node gets %q", v)
	}
}

func TestAGraphWithoutIngestNodeIsAnErrorThatSaysWhatToDo(t *testing.T) {
	for name, g := range map[string]*Graph{
		"no node":  drawn(t, nodes(app("a", "", ""))),
		"no field": drawn(t, nodes(app("a", "", "", obj{"name": IngestNode}))),
	} {
		t.Run(name, func(t *testing.T) {
			if g.HasIngest() {
				t.Error("HasIngest says yes")
			}
			before := g.Encode()
			err := g.Inject(injection)
			wantInvalid(t, err, `no node named "beampipe-ingest" with a field "manifest_path"`)
			if hint := hints(err); !strings.Contains(hint, "`graph.manifest: none`") {
				t.Errorf("hint %q does not name graph.manifest: none", hint)
			}
			if !bytes.Equal(g.Encode(), before) {
				t.Error("the graph changed")
			}
		})
	}
}

func TestInjectRefusesWhatTheGraphCouldNotRead(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   Injection
		want string
	}{
		{"no id", Injection{Manifest: injection.Manifest}, "no id for the graph configuration"},
		{"not JSON", Injection{ConfigID: "c", Manifest: []byte(`{"a":`)}, "not JSON"},
		{"not an object", Injection{ConfigID: "c", Manifest: []byte(`["a"]`)}, "found a list"},
		{"with overrides", Injection{ConfigID: "c", Manifest: []byte(`{"graph_overrides":{}}`)}, "graph_overrides"},
		{"too long", Injection{ConfigID: "c", Manifest: make([]byte, MaxBytes+1)}, "MaxBytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantInvalid(t, drawn(t, nodes(ingest("i"))).Inject(tt.in), tt.want)
		})
	}
	noID := ingest("i")
	delete(noID["fields"].([]any)[1].(obj), "id")
	wantInvalid(t, drawn(t, nodes(noID)).Inject(injection), "has no id")
	odd := document(nodes(ingest("i")))
	odd["graphConfigurations"] = []any{}
	wantInvalid(t, parsed(t, odd).Inject(injection), "graphConfigurations is a list, expected an object")
}

func TestThePreparedProductionGraphIsTheSameBytesTwice(t *testing.T) {
	prepare := func() []byte {
		g := productionGraph(t)
		if _, err := g.Patch([]Patch{{Match: "Scatter/GenericScatterApp/Beam", Fields: []FieldValue{{"num_of_copies", 12}}}}); err != nil {
			t.Fatal(err)
		}
		if err := g.Inject(injection); err != nil {
			t.Fatal(err)
		}
		if problems := g.Validate(); len(problems) != 0 {
			t.Fatalf("problems: %v", problems)
		}
		return g.Encode()
	}
	first := prepare()
	if !bytes.Equal(first, prepare()) {
		t.Error("the same inputs gave other bytes")
	}
	g, err := Parse(first, "prepared")
	if err != nil {
		t.Fatal(err)
	}
	p, err := g.Unroll("x", 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := 29 + 18*12; len(p.Drops) != want {
		t.Errorf("%d drops, want %d", len(p.Drops), want)
	}
}
