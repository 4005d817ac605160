package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Codes of the warnings of ChangesFrom.
const (
	CodeSignatureChanged   = "signature_changed"
	CodeFieldMapChanged    = "field_map_changed"
	CodeDefinitionsChanged = "definitions_changed"
	CodeQueriesChanged     = "queries_changed"
)

// ChangesFrom warns of changes against the active config that shape records and signatures. nil old
// gives none.
func (p *Project) ChangesFrom(old *Project) []Diagnostic {
	if old == nil {
		return nil
	}
	f := &findings{}
	was, is := old.Discovery.PrepareMetadata, p.Discovery.PrepareMetadata
	differs := func(path, code, what string, a, b any) {
		if !sameJSON(a, b) {
			f.warn(path, code, what+" differ from those of the active config", "stored records are signed anew by the new rule; a source is run again only when its data changed")
		}
	}
	differs(metadataPath+".signature", CodeSignatureChanged, "the signature options", was.SignatureOptions(), is.SignatureOptions())
	differs(metadataPath, CodeFieldMapChanged, "the mapped fields and flags",
		[]any{was.FieldMap, was.DiscoveryFlags, was.Coordinates, was.Evaluation}, []any{is.FieldMap, is.DiscoveryFlags, is.Coordinates, is.Evaluation})
	differs("definitions.transforms", CodeDefinitionsChanged, "the transforms", old.Definitions, p.Definitions)
	differs("discovery.queries", CodeQueriesChanged, "the queries",
		[]any{signatureParts(old.Discovery.Queries), signatureParts(old.Discovery.Enrichments)},
		[]any{signatureParts(p.Discovery.Queries), signatureParts(p.Discovery.Enrichments)})
	return diagnostics(f.warnings)
}

func sameJSON(a, b any) bool {
	x, errX := sortedJSON(a)
	y, errY := sortedJSON(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// Change is one key whose value differs between two configs. Old and New are JSON, empty where the
// key is absent.
type Change struct {
	Path string `json:"path"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// Diff gives what changed from old to p, defaults included, sorted by path.
func (p *Project) Diff(old *Project) []Change {
	was, is := flatten(old), flatten(p)
	paths := map[string]bool{}
	for path := range was {
		paths[path] = true
	}
	for path := range is {
		paths[path] = true
	}
	var changes []Change
	for _, path := range sortedKeys(paths) {
		if was[path] != is[path] {
			changes = append(changes, Change{Path: path, Old: was[path], New: is[path]})
		}
	}
	return changes
}

// flatten gives the canonical document as dotted paths with their JSON values. Empty objects and
// lists have no path.
func flatten(p *Project) map[string]string {
	flat := map[string]string{}
	if p == nil {
		return flat
	}
	raw, err := sortedJSON(p)
	if err != nil {
		return flat // Load gives JSON values only
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var tree any
	if dec.Decode(&tree) == nil {
		flattenInto(flat, "", tree)
	}
	return flat
}

func flattenInto(flat map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, item := range v {
			flattenInto(flat, strings.TrimPrefix(path+"."+key, "."), item)
		}
	case []any:
		for i, item := range v {
			flattenInto(flat, fmt.Sprintf("%s[%d]", path, i), item)
		}
	default:
		text, err := sortedJSON(v)
		if err == nil {
			flat[path] = string(text)
		}
	}
}
