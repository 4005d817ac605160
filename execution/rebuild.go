package execution

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/graph"
	"beampipe/ledger"
)

// recipeVersion is that of the recipes written now. What a version makes never changes: a recipe is
// read as long as its ledger is, and what it makes is held against a digest. A change of the graph's
// patching, injection or encoding needs a new version, with the old one kept.
const recipeVersion = 1

// recipeGraph is the kind of the only recipe there is.
const recipeGraph = "patched_graph"

// graphRecipe says how a patched graph is made from its source graph and its manifest. It is stored
// as canonical JSON.
type graphRecipe struct {
	Version  int              `json:"version"`
	Kind     string           `json:"kind"`
	Graph    string           `json:"graph"` // digest of the source graph
	Patches  []recipePatch    `json:"patches"`
	Manifest string           `json:"manifest,omitempty"` // digest of the manifest to embed; "" for none
	Inject   *recipeInjection `json:"inject,omitempty"`
}

// recipePatch is a graph patch with the values that it set.
type recipePatch struct {
	Match  string        `json:"match"`
	Fields []recipeField `json:"fields"`
}

type recipeField struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// recipeInjection is what goes into a graph with its manifest.
type recipeInjection struct {
	ConfigID string `json:"config_id"`
	Name     string `json:"name"`
	At       int64  `json:"at"` // Unix seconds
}

func newGraphRecipe(source string, m Manifest, manifest, executionID string, createdAt time.Time, embeds bool) graphRecipe {
	r := graphRecipe{Version: recipeVersion, Kind: recipeGraph, Graph: source, Patches: make([]recipePatch, len(m.Patches))}
	for i, p := range m.Patches {
		r.Patches[i] = recipePatch{Match: p.Match, Fields: make([]recipeField, len(p.Fields))}
		for j, f := range p.Fields {
			r.Patches[i].Fields[j] = recipeField(f)
		}
	}
	if embeds {
		r.Manifest = manifest
		r.Inject = &recipeInjection{ConfigID: ConfigID(executionID), Name: configName(executionID), At: createdAt.Unix()}
	}
	return r
}

// parts are the artifacts that a recipe needs.
func (r graphRecipe) parts() []string {
	if r.Manifest == "" {
		return []string{r.Graph}
	}
	return []string{r.Graph, r.Manifest}
}

func (r graphRecipe) patches() []graph.Patch {
	list := make([]graph.Patch, len(r.Patches))
	for i, p := range r.Patches {
		list[i].Match = p.Match
		for _, f := range p.Fields {
			list[i].Fields = append(list[i].Fields, graph.FieldValue(f))
		}
	}
	return list
}

func readGraphRecipe(raw []byte) (graphRecipe, error) {
	var r graphRecipe
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&r); err != nil {
		return r, fault.Wrap(fault.Invalid, err, "read the recipe of a patched graph", "restore the ledger from a backup")
	}
	if r.Version != recipeVersion || r.Kind != recipeGraph {
		return r, fault.New(fault.Invalid, fmt.Sprintf("read a recipe: kind %.40q, version %d; this program knows %q, version %d", r.Kind, r.Version, recipeGraph, recipeVersion),
			"use the beampipe that wrote it, or a newer one")
	}
	return r, nil
}

// Rebuild makes an artifact again from its recipe, byte for byte as it was: it is what a ledger is to
// be opened with (ledger.Options.Rebuild). content gives what the recipe names by digest.
func Rebuild(recipe []byte, content func(sha256 string) ([]byte, error)) ([]byte, error) {
	r, err := readGraphRecipe(recipe)
	if err != nil {
		return nil, err
	}
	raw, err := content(r.Graph)
	if err != nil {
		return nil, err
	}
	g, err := graph.Parse(raw, "sha256:"+r.Graph)
	if err != nil {
		return nil, err
	}
	if _, err := g.Patch(r.patches()); err != nil {
		return nil, err
	}
	if r.Inject == nil {
		return g.Encode(), nil
	}
	if raw, err = content(r.Manifest); err != nil {
		return nil, err
	}
	m, err := ReadManifest(raw)
	if err != nil {
		return nil, err
	}
	err = g.Inject(graph.Injection{ConfigID: r.Inject.ConfigID, Name: r.Inject.Name, At: time.Unix(r.Inject.At, 0), Manifest: m.Embedded})
	return g.Encode(), err
}

// preparedGraph is a patched graph made ready to be stored.
type preparedGraph struct {
	sha256 string
	recipe *ledger.Recipe // nil: it is stored plain
	plain  ledger.Packed
}

// packGraph makes a patched graph ready to be stored: as a recipe when that is seen to make the very
// same bytes. Executions of one template differ by what fill puts into its slots alone, so that one of
// them is seen for all.
func (p *preparation) packGraph(source, manifest string, patched []byte) (preparedGraph, error) {
	x, sum := p.unit.execution, digest(patched)
	r := newGraphRecipe(source, *p.manifest, manifest, x.ID, x.CreatedAt, p.cfg.Graph.Manifest != configs.ManifestNone)
	text, err := ledger.Canonical(r)
	if err != nil {
		return preparedGraph{}, err
	}
	fits := p.template.rebuilds(func() (bool, error) {
		again, err := p.view.Rebuild(text)
		return bytes.Equal(again, patched), err
	})
	if !fits || len(text) > ledger.MaxRecipeBytes {
		plain, err := ledger.Pack(mediaJSON, patched)
		return preparedGraph{sha256: sum, plain: plain}, err
	}
	return preparedGraph{sha256: sum, recipe: &ledger.Recipe{
		SHA256: sum, MediaType: mediaJSON, Size: int64(len(patched)), Recipe: text, Parts: r.parts(),
	}}, nil
}

// store keeps the graph as the execution's artifact.
func (g preparedGraph) store(tx *ledger.Tx, x ledger.Execution) error {
	if g.recipe != nil {
		return tx.AttachRecipe(x.ID, x.Attempt, ledger.ArtifactPatchedGraph, *g.recipe)
	}
	return tx.AttachArtifact(x.ID, x.Attempt, ledger.ArtifactPatchedGraph, g.plain)
}
