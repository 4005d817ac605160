package graph

import (
	"fmt"

	"beampipe/fault"
)

const (
	propertyValue   = "value"
	propertyDefault = "defaultValue"
)

// Patch sets fields of all nodes that have one name.
type Patch struct {
	Match  string       // the node's name, exactly
	Fields []FieldValue // set in this order
}

// FieldValue is a field's name and the value that it gets: anything that encoding/json can encode.
type FieldValue struct {
	Name  string
	Value any
}

// Patch sets field values on every node that bears a patch's name; of a field of type Integer the
// defaultValue too, as text. It returns one Change per field set, in the order of patches, fields
// and nodes, also where the value was already that one.
//
// A patch that meets no node, or a field that none of them has, is fault.Invalid with the nearest
// names; the graph is then as it was.
func (g *Graph) Patch(patches []Patch) ([]Change, error) {
	var steps []setting
	for i, patch := range patches {
		more, err := g.settings(patch)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, fmt.Sprintf("patch graph %s: patch %d", quoteName(g.name), i+1),
				"correct graph_patches of the project: names must equal those in the graph, letter by letter")
		}
		steps = append(steps, more...)
	}
	changes := make([]Change, 0, len(steps))
	for _, s := range steps {
		node := g.nodes[s.node]
		changes = append(changes, Change{
			Kind: Changed, NodeID: text(node["id"]), NodeName: text(node["name"]),
			Field: text(s.field["name"]), Property: propertyValue,
			Old: s.field[propertyValue], New: s.value,
		})
		s.field[propertyValue] = cloneValue(s.value)
		if text(s.field["type"]) == "Integer" {
			s.field[propertyDefault] = text(s.value)
		}
	}
	return changes, nil
}

// setting is one field of one node and the value it is to get.
type setting struct {
	node  int
	field map[string]any
	value any
}

func (g *Graph) settings(patch Patch) ([]setting, error) {
	matched := g.byName[patch.Match]
	if len(matched) == 0 {
		names := make([]string, 0, len(g.byName))
		for name := range g.byName {
			names = append(names, name)
		}
		return nil, fmt.Errorf("graph patch target node not found: %q; nearest: %s", clip(patch.Match), quoteAll(nearest(patch.Match, names)))
	}
	var out []setting
	for _, want := range patch.Fields {
		value, err := normalise(want.Value)
		if err != nil {
			return nil, fmt.Errorf("graph patch value of field %q of node %q cannot be written as JSON: %w", clip(want.Name), clip(patch.Match), err)
		}
		found := false
		var names []string
		for _, n := range matched {
			fields, _ := objects(g.nodes[n], keyFields) // the shape was checked by Parse
			for _, field := range fields {
				name := text(field["name"])
				names = append(names, name)
				if name == want.Name {
					found = true
					out = append(out, setting{n, field, value})
				}
			}
		}
		if !found {
			return nil, fmt.Errorf("graph patch field not found: %q on node %q; nearest: %s", clip(want.Name), clip(patch.Match), quoteAll(nearest(want.Name, names)))
		}
	}
	return out, nil
}
