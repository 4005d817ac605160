package graph

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"beampipe/fault"
)

// Small graphs are drawn in the tests themselves: nodes by id, ports as "id.port".

type obj = map[string]any

func field(id, name, typ, usage string, value any) obj {
	return obj{
		"id": id, "name": name, "type": typ, "usage": usage, "encoding": "path",
		"parameterType": "ComponentParameter", "value": value, "defaultValue": "",
	}
}

func ports(id, usage string, names []string) []any {
	list := []any{}
	for _, name := range names {
		list = append(list, field(id+"."+name, name, "Object.File", usage, ""))
	}
	return list
}

// app is an application; takes and gives name its ports, separated by blanks.
func app(id, takes, gives string, more ...obj) obj {
	fields := append(ports(id, "InputPort", strings.Fields(takes)), ports(id, "OutputPort", strings.Fields(gives))...)
	n := obj{"id": id, "name": id, "category": "BashShellApp", "categoryType": "Application", "isGroup": false, "fields": fields}
	return with(n, more...)
}

// data is a File with one port "io".
func data(id string, more ...obj) obj {
	n := obj{
		"id": id, "name": id, "category": "File", "categoryType": "Data", "isGroup": false,
		"fields": ports(id, "InputOutput", []string{"io"}),
	}
	return with(n, more...)
}

func scatter(id string, copies any, more ...obj) obj {
	return construct(id, "Scatter", field(id+".n", "num_of_copies", "Integer", "NoPort", copies), more...)
}

// gather has an input application with the ports "in" and "out".
func gather(id string, width any, more ...obj) obj {
	return construct(id, "Gather", field(id+".n", "num_of_inputs", "Integer", "NoPort", width), append(more, inputApp(id))...)
}

func construct(id, category string, f obj, more ...obj) obj {
	n := obj{"id": id, "name": id, "category": category, "categoryType": "Construct", "isGroup": true, "fields": []any{f}}
	return with(n, more...)
}

func inputApp(id string) obj {
	return obj{
		"inputApplicationType": "DALiuGEApp", "inputApplicationName": "copier",
		"inputAppFields": append(ports(id, "InputPort", []string{"in"}), ports(id, "OutputPort", []string{"out"})...),
	}
}

func in(parent string) obj { return obj{"parentId": parent} }

func with(n obj, more ...obj) obj {
	for _, m := range more {
		for key, value := range m {
			n[key] = value
		}
	}
	return n
}

// withField adds a field to a node.
func withField(n obj, f obj) obj {
	n["fields"] = append(n["fields"].([]any), f)
	return n
}

// link reads "a.out b.io": node ids before the last dot, port ids as a whole.
func link(s string) obj {
	ends := strings.Fields(s)
	node := func(port string) string { return port[:strings.LastIndex(port, ".")] }
	return obj{"from": node(ends[0]), "fromPort": ends[0], "to": node(ends[1]), "toPort": ends[1]}
}

func document(nodes []obj, links ...string) obj {
	list := []any{}
	for _, l := range links {
		list = append(list, link(l))
	}
	all := []any{}
	for _, n := range nodes {
		all = append(all, n)
	}
	return obj{
		"modelData":     obj{"filePath": "test.graph", "schemaVersion": "OJS"},
		"nodeDataArray": all, "linkDataArray": list,
	}
}

func parsed(t testing.TB, doc obj) *Graph {
	t.Helper()
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Parse(raw, "test.graph")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func drawn(t testing.TB, nodes []obj, links ...string) *Graph {
	t.Helper()
	return parsed(t, document(nodes, links...))
}

func nodes(list ...obj) []obj { return list }

// wantInvalid holds an error to its kind and to parts of its text.
func wantInvalid(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", parts)
	}
	if !errors.Is(err, fault.Invalid) {
		t.Errorf("error is not of kind invalid: %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

// shared reads a file of the shared folder, or skips the test.
func shared(t testing.TB, path ...string) []byte {
	t.Helper()
	root := os.Getenv("BEAMPIPE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	file := filepath.Join(append([]string{root}, path...)...)
	raw, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not here (BEAMPIPE_SHARED names the shared folder)", filepath.Join(path...))
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

const production = "wallaby-hires_deploy-setonix-beampipe.graph"

func productionGraph(t testing.TB) *Graph {
	t.Helper()
	g, err := Parse(shared(t, "data", "wallaby", "graphs", production), production)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func hints(err error) string { return strings.Join(fault.Hints(err), "; ") }
