package graph

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"beampipe/fault"
)

// The node and field through which a graph takes its manifest. The names are those that downstream
// graphs carry.
const (
	IngestNode  = "beampipe-ingest"
	IngestField = "manifest_path"
)

// Injection is a manifest to embed in a graph. The same Injection gives the same bytes.
type Injection struct {
	ConfigID string    // id of the graph configuration; the caller derives it from the execution
	Manifest []byte    // one JSON object as text, without graph_overrides, at most MaxBytes
	At       time.Time // becomes lastModifiedDatetime, in Unix seconds
	Name     string    // name of the configuration, for people; ConfigID when empty
}

// HasIngest says whether the graph can take a manifest: a node called beampipe-ingest with a field
// manifest_path.
func (g *Graph) HasIngest() bool {
	for _, n := range g.byName[IngestNode] {
		if ingestField(g.nodes[n]) != nil {
			return true
		}
	}
	return false
}

// Inject embeds a manifest: it adds a graph configuration that gives the manifest's text to the
// field manifest_path of the node beampipe-ingest (of each, if there are several), and makes it the
// active one. Other configurations stay. A configuration with the same id is replaced.
//
// A graph without that node is fault.Invalid: its run would begin without a manifest.
func (g *Graph) Inject(in Injection) error {
	what := "inject the manifest into graph " + quoteName(g.name)
	if err := in.check(); err != nil {
		return fault.Wrap(fault.Invalid, err, what, "build the manifest again; this is not a fault of the graph")
	}
	targets := map[string]any{}
	for _, n := range g.byName[IngestNode] {
		field := ingestField(g.nodes[n])
		if field == nil {
			continue
		}
		nodeID, fieldID := text(g.nodes[n]["id"]), text(field["id"])
		if nodeID == "" || fieldID == "" {
			return fault.New(fault.Invalid, fmt.Sprintf("%s: node %q or its field %q has no id", what, IngestNode, IngestField),
				"open the graph in EAGLE and save it again: it gives every node and field an id")
		}
		targets[nodeID] = map[string]any{keyFields: map[string]any{
			fieldID: map[string]any{propertyValue: string(in.Manifest), "comment": ""},
		}}
	}
	if len(targets) == 0 {
		return fault.New(fault.Invalid, fmt.Sprintf("%s: no node named %q with a field %q, so the run would have no manifest", what, IngestNode, IngestField),
			"add that node to the graph, or set `graph.manifest: none` in the project if the graph needs no manifest")
	}
	configs, ok := g.doc[keyConfigs].(map[string]any)
	if !ok {
		if g.doc[keyConfigs] != nil {
			return fault.New(fault.Invalid, fmt.Sprintf("%s: %s is %s, expected an object", what, keyConfigs, kindName(g.doc[keyConfigs])),
				"open the graph in EAGLE and save it again")
		}
		configs = map[string]any{}
		g.doc[keyConfigs] = configs
	}
	configs[in.ConfigID] = map[string]any{
		"id":     in.ConfigID,
		keyModel: configModel(in, len(g.nodes)),
		"nodes":  targets,
	}
	g.doc[keyActiveConfig] = in.ConfigID
	return nil
}

// check refuses what the ingest node could not read.
func (in Injection) check() error {
	if in.ConfigID == "" {
		return fmt.Errorf("no id for the graph configuration")
	}
	if len(in.Manifest) > MaxBytes {
		return fmt.Errorf("manifest of %d bytes, more than the limit of %d (MaxBytes)", len(in.Manifest), MaxBytes)
	}
	manifest, err := decode(in.Manifest)
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if _, ok := manifest["graph_overrides"]; ok {
		return fmt.Errorf("manifest: holds graph_overrides, which are applied to the graph and never sent in it")
	}
	return nil
}

func ingestField(node map[string]any) map[string]any {
	fields, _ := objects(node, keyFields) // the shape was checked by Parse
	for _, field := range fields {
		if text(field["name"]) == IngestField {
			return field
		}
	}
	return nil
}

// configModel is the modelData of a configuration, with the keys that EAGLE shows.
func configModel(in Injection, nodes int) map[string]any {
	name := in.Name
	if name == "" {
		name = in.ConfigID
	}
	return map[string]any{
		"name": name, "type": "GraphConfig", "schemaVersion": "1.0", "readonly": true,
		"shortDescription":    "Beampipe manifest",
		"detailedDescription": "The manifest of one Beampipe execution, given to the node " + IngestNode,
		"repoService":         "", "repoBranch": "", "repo": "", "repositoryUrl": "", "downloadUrl": "",
		"commitHash": "", "signature": "",
		"generatorName": "beampipe", "generatorVersion": "", "generatorCommitHash": "",
		"lastModifiedName": "beampipe", "lastModifiedEmail": "",
		"lastModifiedDatetime": json.Number(strconv.FormatInt(in.At.Unix(), 10)),
		"numLGNodes":           json.Number(strconv.Itoa(nodes)),
	}
}
