package graph

import (
	"encoding/json"
	"fmt"
	"strings"

	"beampipe/fault"
)

// overlay holds the values of the active configuration: node id, field id, value.
type overlay map[string]map[string]any

// overlay reads the active configuration. None active, or one that is not there, is none: that is
// what the translator does, and Validate warns of the second.
func (g *Graph) overlay() overlay {
	config := object(object(g.doc[keyConfigs])[text(g.doc[keyActiveConfig])])
	out := overlay{}
	for nodeID, node := range object(config["nodes"]) {
		fields := map[string]any{}
		for fieldID, field := range object(object(node)[keyFields]) {
			if value, ok := object(field)[propertyValue]; ok {
				fields[fieldID] = value
			}
		}
		out[nodeID] = fields
	}
	return out
}

// global is a variable that replaces {name} in the values of all other nodes.
type global struct{ name, typ, value string }

// globals reads the fields of the GlobalVariable nodes, configuration laid over them.
func globals(nodes []Node, over overlay) []global {
	var out []global
	for i := range nodes {
		if nodes[i].kind() != kindGlobal {
			continue
		}
		for _, f := range nodes[i].Fields {
			if f.Name != "" {
				out = append(out, global{f.Name, f.Type, pythonText(configured(f, nodes[i].ID, over))})
			}
		}
	}
	return out
}

// pythonText is text as the translator writes values into other values.
func pythonText(v any) string {
	if b, ok := v.(bool); ok {
		if b {
			return "True"
		}
		return "False"
	}
	return text(v)
}

func configured(f Field, nodeID string, over overlay) any {
	if value, ok := over[nodeID][f.ID]; ok {
		return value
	}
	return f.Value
}

// effective gives a node's fields by name as a run sees them: the value, or what the active
// configuration puts over it, with global variables replaced, or the default where that is empty.
// The last of several fields with one name counts, as at the translator. A construct's application
// has its own fields, which neither configuration nor globals reach, and those of the construct.
func effective(n *Node, over overlay, globals []global) (map[string]Value, error) {
	out := make(map[string]Value, len(n.InputAppFields)+len(n.Fields))
	for _, f := range n.InputAppFields {
		out[f.Name] = withDefault(f, f.Value)
	}
	for _, f := range n.Fields {
		value := configured(f, n.ID, over)
		if s, ok := value.(string); ok {
			var err error
			if value, f.Type, err = replaceGlobals(s, f.Type, globals); err != nil {
				return nil, fault.Wrap(fault.Invalid, err, fmt.Sprintf("field %q of node %s", clip(f.Name), n.label()),
					"correct the GlobalVariable node or the field that uses it")
			}
		}
		out[f.Name] = withDefault(f, value)
	}
	return out, nil
}

func withDefault(f Field, value any) Value {
	if empty(value) {
		value = f.Default
	}
	return Value{JSON: value, Type: f.Type, Encoding: f.Encoding}
}

// maxGlobalText bounds a value after its global variables are put in.
const maxGlobalText = 1 << 20

// replaceGlobals puts global variables into a text; the value takes the type of the last of them.
func replaceGlobals(s, typ string, globals []global) (any, string, error) {
	var value any = s
	for _, v := range globals {
		placeholder := "{" + v.name + "}"
		current, ok := value.(string)
		if !ok || !strings.Contains(current, placeholder) {
			continue
		}
		if grown := len(current) + strings.Count(current, placeholder)*len(v.value); grown > maxGlobalText {
			return nil, "", fmt.Errorf("global variable %q makes the text longer than %d bytes", clip(v.name), maxGlobalText)
		}
		replaced := strings.ReplaceAll(current, placeholder, v.value)
		var err error
		if value, err = typed(replaced, v.typ); err != nil {
			return nil, "", fmt.Errorf("global variable %q: %w", clip(v.name), err)
		}
		typ = v.typ
	}
	return value, typ, nil
}

// typed gives a text the type of a global variable, one of those the translator knows.
func typed(s, typ string) (any, error) {
	v := Value{JSON: s}
	switch typ {
	case "String":
		return s, nil
	case "Boolean":
		return v.Bool(), nil
	case "Integer":
		if _, ok := v.Int(); ok && json.Valid([]byte(s)) {
			return json.Number(s), nil
		}
	case "Float":
		if _, ok := v.Float(); ok && json.Valid([]byte(s)) {
			return json.Number(s), nil
		}
	default:
		return nil, fmt.Errorf("type %q cannot be used, expected String, Integer, Float or Boolean", clip(typ))
	}
	return nil, fmt.Errorf("%q is not of type %s", clip(s), typ)
}
