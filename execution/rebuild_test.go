package execution

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
)

var writeRecipes = flag.Bool("write-recipes", false, "write the recipes of a new version into testdata; those that are there stay")

// contents gives artifacts by digest, as a ledger does.
func contents(list ...[]byte) func(string) ([]byte, error) {
	return func(sha256 string) ([]byte, error) {
		for _, c := range list {
			if digest(c) == sha256 {
				return c, nil
			}
		}
		return nil, fault.New(fault.NotFound, "artifact "+sha256, "")
	}
}

// recipeCase is a recipe as some version wrote it, with what it needs and the digest of what it makes.
type recipeCase struct {
	Recipe   json.RawMessage `json:"recipe"`
	Manifest json.RawMessage `json:"manifest"`
	SHA256   string          `json:"sha256"`
}

const (
	goldenID = "01934f2e-8c1a-7b3e-9d2f-0a1b2c3d4e5f"
	goldenAt = 1763611200
)

// The recipes in ledgers that exist must make the same bytes with every later program. Should this fail,
// the graph's patching, injection or encoding has changed: give recipes a new version, keep the old one.
func TestRecipesOfVersionOneMakeWhatTheyMadeForEver(t *testing.T) {
	if *writeRecipes {
		writeRecipeCases(t)
	}
	small := func(t *testing.T) []byte { return goldenFile(t, "small.graph") }
	real := func(t *testing.T) []byte { return shared(t, "graphs/wallaby-hires_deploy-setonix-beampipe.graph") }
	for name, source := range map[string]func(t *testing.T) []byte{"small": small, "none": small, "wallaby": real} {
		t.Run(name, func(t *testing.T) {
			var c recipeCase
			if err := json.Unmarshal(goldenFile(t, name+".recipe.v1.json"), &c); err != nil {
				t.Fatal(err)
			}
			got, err := Rebuild(c.Recipe, contents(source(t), c.Manifest))
			if err != nil || digest(got) != c.SHA256 {
				t.Errorf("%s, %v, expected %s", digest(got), err, c.SHA256)
			}
		})
	}
}

func goldenFile(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// writeRecipeCases makes the files of this version's recipes, from PrepareGraph's results.
func writeRecipeCases(t *testing.T) {
	small := testGraph("echo <&> é")
	write := func(name string, raw []byte) {
		if _, err := os.Stat(filepath.Join("testdata", name)); err == nil {
			return
		}
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(filepath.Join("testdata", name), raw, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("small.graph", small)
	none := loadSurvey(t, digest(small))
	none.Graph.Manifest = configs.ManifestNone
	wallaby, report := configs.Load(shared(t, "configs/wallaby_hires.v2.yaml"), "wallaby_hires.v2.yaml")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		cfg    *configs.Project
		source []byte
	}{{"small", loadSurvey(t, digest(small)), small}, {"none", none, small}, {"wallaby", wallaby, shared(t, "graphs/wallaby-hires_deploy-setonix-beampipe.graph")}} {
		m, err := BuildManifest(c.cfg, []ManifestSource{{Identifier: "S \"<&> é", Metadata: []ledger.Metadata{wallabyBlock("S \"<&> é", "1")}}})
		if err != nil {
			t.Fatal(err)
		}
		patched, _, err := PrepareGraph(c.cfg, c.source, m, goldenID, time.Unix(goldenAt, 0))
		if err != nil {
			t.Fatal(err)
		}
		embeds := c.cfg.Graph.Manifest != configs.ManifestNone
		recipe, err := ledger.Canonical(newGraphRecipe(digest(c.source), m, m.Digest(), goldenID, time.Unix(goldenAt, 0), embeds))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := ledger.Canonical(recipeCase{Recipe: recipe, Manifest: m.Bytes, SHA256: digest(patched)})
		if err != nil {
			t.Fatal(err)
		}
		write(fmt.Sprintf("%s.recipe.v%d.json", c.name, recipeVersion), raw)
	}
}

func TestARecipeThatCannotBeFollowedSaysWhy(t *testing.T) {
	good := contents(testGraph("x"), []byte(`{"sources":[{"source_identifier":"A","sbids":[{"sbid":"1","datasets":[{"dataset_id":"d"}]}]}]}`))
	graphSHA := digest(testGraph("x"))
	for name, tt := range map[string]struct{ recipe, want string }{
		"no JSON":         {`{`, "read the recipe"},
		"a later version": {`{"version":2,"kind":"patched_graph"}`, "version 2"},
		"another kind":    {`{"version":1,"kind":"cake"}`, `"cake"`},
		"no source graph": {`{"version":1,"kind":"patched_graph","graph":"beef"}`, "beef"},
		"no such node":    {`{"version":1,"kind":"patched_graph","graph":"` + graphSHA + `","patches":[{"match":"nobody","fields":[]}]}`, "nobody"},
		"no manifest":     {`{"version":1,"kind":"patched_graph","graph":"` + graphSHA + `","manifest":"beef","inject":{"config_id":"c"}}`, "beef"},
	} {
		_, err := Rebuild([]byte(tt.recipe), good)
		if err == nil || fault.KindOf(err) == "" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRebuild holds that a recipe, which comes from a file that anyone may have written to, gives bytes or
// an error.
func FuzzRebuild(f *testing.F) {
	source := testGraph("x")
	manifest := []byte(`{"sources":[{"source_identifier":"A","sbids":[{"sbid":"1","datasets":[{"dataset_id":"d"}]}]}]}`)
	for _, seed := range []string{`{}`, `{"version":1,"kind":"patched_graph","graph":"g","manifest":"m","patches":[{"match":"scatter","fields":[{"name":"num_of_copies","value":6}]}],"inject":{"config_id":"c","name":"n","at":1}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, recipe []byte) {
		got, err := Rebuild(recipe, func(sha256 string) ([]byte, error) {
			switch sha256 {
			case "g":
				return source, nil
			case "m":
				return manifest, nil
			}
			return nil, fault.New(fault.NotFound, "artifact", "")
		})
		if err == nil && !json.Valid(got) {
			t.Errorf("%q", got)
		}
	})
}

func TestAPreparedGraphIsKeptAsItsRecipe(t *testing.T) {
	r := newRig(t)
	id := r.one()
	r.must(r.step())
	x := r.wantState(id, ledger.Ready)
	patched, sum, err := r.view().ArtifactOf(x.ID, ledger.ArtifactPatchedGraph)
	r.must(err)
	recipe, err := r.view().RecipeOf(sum)
	r.must(err)
	raw, manifest, err := r.view().ArtifactOf(x.ID, ledger.ArtifactManifest)
	r.must(err)
	m, err := ReadManifest(raw)
	r.must(err)
	cfg, err := r.project(r.view(), "demo", 1)
	r.must(err)
	want, _, err := PrepareGraph(cfg, testGraph("echo {count}"), m, x.ID, x.CreatedAt)
	r.must(err)
	if !bytes.Equal(patched, want) || len(recipe) == 0 || len(recipe) > 1000 || !bytes.Contains(recipe, []byte(manifest)) {
		t.Errorf("%s", recipe)
	}
}

func TestWithoutAFaithfulRebuilderGraphsAreKeptWhole(t *testing.T) {
	for name, rebuild := range map[string]ledger.Rebuilder{
		"none": nil,
		"one that makes something else": func(recipe []byte, content func(string) ([]byte, error)) ([]byte, error) {
			made, err := Rebuild(recipe, content)
			return append(made, ' '), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id := r.one()
			l, err := ledger.Open(context.Background(), r.path, ledger.Options{Now: r.clock.now, Rebuild: rebuild})
			r.must(err)
			t.Cleanup(func() { l.Close() })
			r.Engine = r.engine(l, "second")
			r.must(r.step())
			_, sum, err := l.View(context.Background()).ArtifactOf(id, ledger.ArtifactPatchedGraph)
			r.must(err)
			if recipe, err := r.view().RecipeOf(sum); recipe != nil || err != nil {
				t.Errorf("%s %v", recipe, err)
			}
		})
	}
}

// BenchmarkRebuild makes the production graph again, as each reading of one does.
func BenchmarkRebuild(b *testing.B) {
	var c recipeCase
	raw, err := os.ReadFile(filepath.Join("testdata", "wallaby.recipe.v1.json"))
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		b.Fatal(err)
	}
	content := contents(shared(b, "graphs/wallaby-hires_deploy-setonix-beampipe.graph"), c.Manifest)
	before := cpu()
	for b.Loop() {
		if _, err := Rebuild(c.Recipe, content); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N)/1e6, "cpu-ms/op")
}
