package execution

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"beampipe/configs"
	"beampipe/graph"
	"beampipe/ledger"
)

func TestATemplateGivesWhatPrepareGraphGives(t *testing.T) {
	plain := testGraph("echo <&>")
	var doc map[string]any
	if err := json.Unmarshal(plain, &doc); err != nil {
		t.Fatal(err)
	}
	doc["graphConfigurations"] = map[string]any{"a": map[string]any{"nodes": map[string]any{}}, "zz": map[string]any{"nodes": map[string]any{}}}
	configured, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{"plain": plain, "with other configurations": configured}
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) { sameAsPrepareGraph(t, loadSurvey(t, digest(raw)), raw) })
	}
	t.Run("without a manifest", func(t *testing.T) {
		cfg := loadSurvey(t, digest(plain))
		cfg.Graph.Manifest = configs.ManifestNone
		sameAsPrepareGraph(t, cfg, plain)
	})
	t.Run("the production graph", func(t *testing.T) {
		cfg, report := configs.Load(shared(t, "configs/wallaby_hires.v2.yaml"), "wallaby_hires.v2.yaml")
		if err := report.Err(); err != nil {
			t.Fatal(err)
		}
		sameAsPrepareGraph(t, cfg, shared(t, "graphs/wallaby-hires_deploy-setonix-beampipe.graph"))
	})
}

func sameAsPrepareGraph(t *testing.T, cfg *configs.Project, raw []byte) {
	t.Helper()
	source, err := graph.Parse(raw, "test")
	if err != nil {
		t.Fatal(err)
	}
	var template *graphTemplate
	for _, id := range []string{"01934f2e-8c1a-7b3e-9d2f-0a1b2c3d4e5f", "01934f2e-8c1a-7b3e-9d2f-0a1b2c3d4e60", "x"} {
		m, err := BuildManifest(cfg, []ManifestSource{{Identifier: "S \"<&> é", Metadata: []ledger.Metadata{wallabyBlock("S \"<&> é", "1")}}})
		if err == nil && template == nil {
			template, err = newTemplate(cfg, source, m.Patches)
		}
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(1763611200+int64(len(id)), 0)
		want, changes, err := PrepareGraph(cfg, raw, m, id, at)
		if err != nil {
			t.Fatal(err)
		}
		got, err := template.fill(cfg, m, id, at)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: not the same (%v)", id, err)
		}
		if len(changes) != len(template.changes) {
			t.Errorf("%v, expected %v", template.changes, changes)
		}
	}
}
