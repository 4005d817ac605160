package graph

import (
	"fmt"

	"beampipe/fault"
)

// Severity says whether a problem stops a run.
type Severity string

// The severities. With a SeverityError the translator refuses the graph, or the run cannot be what
// was drawn; a SeverityWarning is accepted by the translator in silence.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Problem is one thing wrong with a graph. Codes are stable words; Path is the place in the
// document, "nodeDataArray[3].fields[1].id".
type Problem struct {
	Path     string   `json:"path"`
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
	NodeID   string   `json:"node_id,omitempty"`
	NodeName string   `json:"node_name,omitempty"`
}

// String gives one line: place, message.
func (p Problem) String() string { return p.Path + ": " + p.Message }

// Validate checks what the translator would refuse with a bare "500 Internal Server Error", in
// document order: model data, nodes and their ids, fields and ports, parents, links, the active
// configuration. It gives none for a sound graph. What Unroll does not support is not a problem of
// the graph: only Unroll refuses it.
func (g *Graph) Validate() []Problem {
	v := &validator{g: g, nodes: g.Nodes(), byPort: map[*Node]map[string]Field{}}
	v.model()
	v.eachNode()
	v.parents()
	v.links()
	v.configuration()
	return v.problems
}

// refusal makes one error of the problems that are errors; nil when there is none.
func refusal(name string, problems []Problem) error {
	first, count := Problem{}, 0
	for _, p := range problems {
		if p.Severity == SeverityError {
			if count == 0 {
				first = p
			}
			count++
		}
	}
	if count == 0 {
		return nil
	}
	more := ""
	if count > 1 {
		more = fmt.Sprintf(" (and %d more)", count-1)
	}
	return fault.New(fault.Invalid, fmt.Sprintf("graph %s: %s%s", quoteName(name), first, more), first.Hint)
}

type validator struct {
	g        *Graph
	nodes    []Node
	byPort   map[*Node]map[string]Field
	problems []Problem
}

func (v *validator) report(p Problem) {
	if p.Severity == "" {
		p.Severity = SeverityError
	}
	v.problems = append(v.problems, p)
}

// at reports a problem of a node.
func (v *validator) at(i int, path, code, message, hint string) {
	full := fmt.Sprintf("%s[%d]", keyNodes, i)
	if path != "" {
		full += "." + path
	}
	v.report(Problem{Path: full, Code: code, Message: message, Hint: hint, NodeID: v.nodes[i].ID, NodeName: v.nodes[i].Name})
}

func (v *validator) model() {
	model := object(v.g.doc[keyModel])
	if _, ok := model["filePath"]; !ok {
		v.report(Problem{
			Path: keyModel + ".filePath", Code: "missing_file_path",
			Message: "modelData has no filePath, which the translator reads", Hint: "save the graph from EAGLE, or add the key",
		})
	}
	switch schema := text(model["schemaVersion"]); schema {
	case "", schemaOJS, schemaAppRef:
	default:
		v.report(Problem{
			Path: keyModel + ".schemaVersion", Code: "unknown_schema",
			Message: fmt.Sprintf("schemaVersion is %q, expected %q or %q", clip(schema), schemaOJS, schemaAppRef), Hint: "open the graph in EAGLE and save it again",
		})
	}
	if len(v.nodes) == 0 {
		v.report(Problem{Path: keyNodes, Code: "no_nodes", Message: "the graph has no nodes", Hint: "the translator refuses an empty graph"})
	}
	if _, ok := v.g.doc[keyLinks].([]any); !ok {
		v.report(Problem{
			Path: keyLinks, Code: "missing_links", Message: "linkDataArray is missing, expected a list (it may be empty)",
			Hint: "save the graph from EAGLE, or add the key",
		})
	}
}

// The schema versions that the translator knows.
const (
	schemaOJS    = "OJS"
	schemaAppRef = "AppRef"
)

func (v *validator) eachNode() {
	const saveAgain = "open the graph in EAGLE and save it again: it gives every node and port an id"
	for i := range v.nodes {
		n := &v.nodes[i]
		switch first, known := v.g.byID[n.ID]; {
		case n.ID == "":
			v.at(i, "id", "missing_id", fmt.Sprintf("node %q has no id", clip(n.Name)), saveAgain)
		case known && first != i:
			v.at(i, "id", "duplicate_id", fmt.Sprintf("node %s has the id of node %d, %q", n.label(), first, clip(v.nodes[first].Name)), saveAgain)
		}
		if n.Category == "" {
			v.at(i, "category", "missing_category", "node "+n.label()+" has no category", "open the graph in EAGLE and choose what the node is")
		}
		if _, ok := v.g.nodes[i][keyFields].([]any); !ok {
			v.at(i, keyFields, "missing_fields", "node "+n.label()+" has no list of fields", "save the graph from EAGLE, or add an empty list")
		}
		v.ports(i, keyFields, n.Fields)
		v.ports(i, keyInputFields, n.InputAppFields)
		v.ports(i, keyOutputFields, n.OutputAppFields)
	}
}

func (v *validator) ports(i int, key string, fields []Field) {
	seen := map[string]bool{}
	for j, f := range fields {
		path := fmt.Sprintf("%s[%d].id", key, j)
		switch {
		case f.IsPort() && f.ID == "":
			v.at(i, path, "port_without_id", fmt.Sprintf("port %q of node %s has no id", clip(f.Name), v.nodes[i].label()),
				"open the graph in EAGLE and save it again: links name ports by id")
		case f.IsPort() && seen[f.ID]:
			v.at(i, path, "duplicate_port_id", fmt.Sprintf("port %q of node %s has the id of another field of it", clip(f.Name), v.nodes[i].label()),
				"give the port an id of its own")
		}
		if f.ID != "" {
			seen[f.ID] = true
		}
	}
}

func (v *validator) parents() {
	for i := range v.nodes {
		n := &v.nodes[i]
		if n.ParentID == "" {
			continue
		}
		parent, ok := v.g.byID[n.ParentID]
		switch {
		case !ok:
			v.at(i, "parentId", "unknown_parent", fmt.Sprintf("parent %q of node %s is not in the graph", clip(n.ParentID), n.label()), "move the node out of the construct and in again")
		case !v.nodes[parent].IsGroup:
			v.at(i, "parentId", "parent_not_group", fmt.Sprintf("parent %s of node %s is not a construct (isGroup)", v.nodes[parent].label(), n.label()), "move the node out of it")
		case n.kind() == kindGather:
			v.at(i, "parentId", "nested_gather", fmt.Sprintf("Gather construct %s lies in the construct %s", n.label(), v.nodes[parent].label()), "move the Gather out: only scatters and loops can be nested")
		}
	}
	v.parentLoops()
}

// parentLoops finds nodes that lie within themselves. Each node is walked once.
func (v *validator) parentLoops() {
	const walking, done = 1, 2
	state := make([]int, len(v.nodes))
	for start := range v.nodes {
		var path []int
		at, ok := start, true
		for ok && state[at] == 0 {
			state[at] = walking
			path = append(path, at)
			at, ok = v.g.byID[v.nodes[at].ParentID]
		}
		if ok && state[at] == walking {
			v.at(at, "parentId", "parent_loop", "node "+v.nodes[at].label()+" lies within itself", "move the construct out of its own child")
		}
		for _, i := range path {
			state[i] = done
		}
	}
}
