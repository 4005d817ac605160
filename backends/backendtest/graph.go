package backendtest

import (
	"encoding/json"
	"fmt"
)

// Graph builds small logical graphs in the form that EAGLE saves, for tests of places that really run
// them. The zero value is an empty graph.
type Graph struct {
	nodes []*Node
	links []map[string]any
}

// Node is a node of a Graph.
type Node struct {
	id, name, category, kind, parent string
	fields                           []map[string]any
}

// Bash adds a BashShellApp with a command; its name is its id.
func (g *Graph) Bash(id, command string) *Node {
	return g.Add(id, "BashShellApp", "Application").Set("command", "String", command)
}

// File adds a File with a path; "" leaves it to the drop's id.
func (g *Graph) File(id, path string) *Node {
	return g.Add(id, "File", "Data").Set("filepath", "String", path)
}

// Scatter adds a Scatter of so many copies; put nodes into it with In.
func (g *Graph) Scatter(id string, copies int) *Node {
	return g.Add(id, "Scatter", "Construct").Set("num_of_copies", "Integer", copies)
}

// Add adds any node.
func (g *Graph) Add(id, category, kind string) *Node {
	n := &Node{id: id, name: id, category: category, kind: kind, fields: []map[string]any{}}
	g.nodes = append(g.nodes, n)
	return n
}

// Named gives the node a name other than its id.
func (n *Node) Named(name string) *Node {
	n.name = name
	return n
}

// In puts the node into a construct.
func (n *Node) In(parent string) *Node {
	n.parent = parent
	return n
}

// Set adds a field that is no port.
func (n *Node) Set(name, typ string, value any) *Node {
	n.fields = append(n.fields, map[string]any{
		"id": n.id + "." + name, "name": name, "type": typ, "parameterType": "ComponentParameter", "usage": "NoPort",
		"encoding": "utf-8", "value": value, "defaultValue": "",
	})
	return n
}

// Link links two nodes through ports of one name, whose data goes by the file's path.
func (g *Graph) Link(from, to, port string) { g.LinkAs(from, to, port, "path") }

// LinkAs links two nodes through ports of one name and encoding.
func (g *Graph) LinkAs(from, to, port, encoding string) {
	g.links = append(g.links, map[string]any{
		"from": from, "fromPort": g.port(from, port, "OutputPort", encoding),
		"to": to, "toPort": g.port(to, port, "InputPort", encoding),
		"loop_aware": "0", "closesLoop": false,
	})
}

// port finds or adds a port and gives its id.
func (g *Graph) port(node, name, usage, encoding string) string {
	for _, n := range g.nodes {
		if n.id != node {
			continue
		}
		id := fmt.Sprintf("%s.%s.%s", node, name, usage)
		for _, field := range n.fields {
			if field["id"] == id {
				return id
			}
		}
		n.fields = append(n.fields, map[string]any{
			"id": id, "name": name, "type": "Object.File", "parameterType": "ApplicationArgument", "usage": usage,
			"encoding": encoding, "value": "", "defaultValue": "",
		})
		return id
	}
	panic(fmt.Sprintf("backendtest: there is no node %q", node)) // a test that is wrong
}

// Bytes gives the graph as a document.
func (g *Graph) Bytes() []byte {
	nodes := make([]map[string]any, len(g.nodes))
	for i, n := range g.nodes {
		nodes[i] = map[string]any{
			"id": n.id, "name": n.name, "category": n.category, "categoryType": n.kind,
			"isGroup": n.kind == "Construct", "fields": n.fields,
			"inputAppFields": []any{}, "outputAppFields": []any{},
		}
		if n.parent != "" {
			nodes[i]["parentId"] = n.parent
		}
	}
	links := g.links
	if links == nil {
		links = []map[string]any{}
	}
	raw, err := json.Marshal(map[string]any{
		"modelData":     map[string]any{"fileType": "graph", "filePath": "test.graph", "schemaVersion": "OJS"},
		"nodeDataArray": nodes, "linkDataArray": links,
	})
	if err != nil {
		panic(fmt.Sprintf("backendtest: %v", err)) // plain values only
	}
	return raw
}
