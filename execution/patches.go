package execution

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"beampipe/configs"
	"beampipe/graph"
)

// override is a graph patch as a manifest carries it, in graph_overrides.patches.
type override struct {
	Match struct {
		Equals string `json:"equals"`
	} `json:"match"`
	Fields []graph.FieldValue `json:"fields"`
}

// overrides writes patches as a manifest carries them.
func overrides(patches []graph.Patch) []any {
	list := make([]any, len(patches))
	for i, p := range patches {
		fields := make([]any, len(p.Fields))
		for j, f := range p.Fields {
			fields[j] = map[string]any{"name": f.Name, "value": f.Value}
		}
		list[i] = map[string]any{"match": map[string]any{"equals": p.Match}, "fields": fields}
	}
	return list
}

// evaluatePatches computes the values of a project's graph patches, fields in byte order. An
// expression is evaluated over each source's entry and summed, so that a run of several sources
// counts all of them; with one source this is what the predecessor computes.
func evaluatePatches(patches []configs.GraphPatch, entries []any) []graph.Patch {
	var out []graph.Patch
	for _, p := range patches {
		patch := graph.Patch{Match: p.Match.Equals}
		for _, name := range slices.Sorted(maps.Keys(p.Set)) {
			patch.Fields = append(patch.Fields, graph.FieldValue{Name: name, Value: patchValue(p.Set[name], entries)})
		}
		out = append(out, patch)
	}
	return out
}

func patchValue(value any, entries []any) any {
	text, ok := value.(string)
	if !ok {
		return value
	}
	expression, ok := configs.ParseExpression(text)
	if !ok {
		return text
	}
	var total int64
	for _, entry := range entries {
		total += expression.Eval(entry)
	}
	return json.Number(strconv.FormatInt(total, 10))
}
