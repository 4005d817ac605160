package graph

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValidateFindsWhatTheTranslatorRefuses(t *testing.T) {
	pair := func() obj { return document(nodes(app("a", "in", "out"), data("d")), "a.out d.io") }
	node := func(d obj, i int) obj { return d["nodeDataArray"].([]any)[i].(obj) }
	add := func(d obj, n obj) { d["nodeDataArray"] = append(d["nodeDataArray"].([]any), n) }
	addLink := func(d obj, l string) { d["linkDataArray"] = append(d["linkDataArray"].([]any), link(l)) }
	for _, tt := range []struct {
		name   string
		change func(obj)
		want   []string // "code path" of each problem, warnings marked
	}{
		{"a sound graph", func(obj) {}, nil},
		{"no file path", func(d obj) { d["modelData"] = obj{} }, []string{"missing_file_path modelData.filePath"}},
		{"schema", func(d obj) { d["modelData"].(obj)["schemaVersion"] = "V4" }, []string{"unknown_schema modelData.schemaVersion"}},
		{"no nodes, no links", func(d obj) { d["nodeDataArray"] = []any{}; delete(d, "linkDataArray") }, []string{"no_nodes nodeDataArray", "missing_links linkDataArray"}},
		{"no id", func(d obj) { add(d, data("")) }, []string{"missing_id nodeDataArray[2].id"}},
		{"two of one id", func(d obj) { add(d, data("d")) }, []string{"duplicate_id nodeDataArray[2].id"}},
		{"no category", func(d obj) { add(d, data("e", obj{"category": ""})) }, []string{"missing_category nodeDataArray[2].category"}},
		{"no fields", func(d obj) { n := data("e"); delete(n, "fields"); add(d, n) }, []string{"missing_fields nodeDataArray[2].fields"}},
		{"port without id", func(d obj) { withField(node(d, 1), field("", "x", "Object", "InputPort", "")) }, []string{"port_without_id nodeDataArray[1].fields[1].id"}},
		{"parameter without id", func(d obj) { withField(node(d, 1), field("", "x", "Object", "NoPort", "")) }, nil},
		{"two ports of one id", func(d obj) { withField(node(d, 1), field("d.io", "x", "Object", "InputPort", "")) }, []string{"duplicate_port_id nodeDataArray[1].fields[1].id"}},
		{"unknown parent", func(d obj) { node(d, 0)["parentId"] = "gone" }, []string{"unknown_parent nodeDataArray[0].parentId"}},
		{"parent is no construct", func(d obj) { node(d, 0)["parentId"] = "d" }, []string{"parent_not_group nodeDataArray[0].parentId"}},
		{"parents in a circle", func(d obj) { add(d, scatter("s", 1, in("r"))); add(d, scatter("r", 1, in("s"))) }, []string{"parent_loop nodeDataArray[2].parentId"}},
		{"its own parent", func(d obj) { add(d, scatter("s", 1, in("s"))) }, []string{"parent_loop nodeDataArray[2].parentId"}},
		{"gather in a scatter", func(d obj) { add(d, scatter("s", 1)); add(d, gather("g", 1, in("s"))) }, []string{"nested_gather nodeDataArray[3].parentId"}},
		{"link from nowhere", func(d obj) { addLink(d, "x.out d.io") }, []string{"unknown_link_end linkDataArray[1].from"}},
		{"link to nowhere", func(d obj) { addLink(d, "a.out x.io") }, []string{"unknown_link_end linkDataArray[1].to"}},
		{"unknown port", func(d obj) { addLink(d, "a.else d.io") }, []string{"unknown_port linkDataArray[1].fromPort"}},
		{"input as output", func(d obj) { addLink(d, "a.in d.io") }, []string{"wrong_port_direction linkDataArray[1].fromPort"}},
		{"application to application", func(d obj) { addLink(d, "a.out a.in") }, []string{"no_alternation linkDataArray[1]"}},
		{"data to data", func(d obj) { add(d, data("e")); addLink(d, "d.io e.io") }, []string{"no_alternation linkDataArray[1]"}},
		{"scatter without application", func(d obj) { add(d, scatter("s", 1)); addLink(d, "d.io s.n") }, []string{"cannot_be_linked linkDataArray[1].to"}},
		{"loop", func(d obj) {
			add(d, construct("l", "Loop", field("l.n", "num_of_iter", "Integer", "NoPort", 2)))
			addLink(d, "d.io l.n")
		}, []string{"cannot_be_linked linkDataArray[1].to"}},
		{"what only Unroll refuses", func(d obj) { add(d, construct("b", "SubGraph", field("b.n", "x", "", "", ""))); addLink(d, "d.io b.q") }, nil},
		{"active configuration is gone", func(d obj) {
			d["activeGraphConfigId"] = "c"
			d["graphConfigurations"] = obj{"other": obj{}}
		}, []string{"warning unknown_configuration activeGraphConfigId"}},
		{"configuration of unknown things", func(d obj) {
			d["activeGraphConfigId"] = "c"
			d["graphConfigurations"] = obj{"c": obj{"nodes": obj{
				"a":    obj{"fields": obj{"a.in": obj{}, "a.nope": obj{"value": "x"}}},
				"gone": obj{"fields": obj{"x": obj{"value": "x"}}},
			}}}
		}, []string{
			"warning configuration_without_value graphConfigurations.c.nodes.a.fields.a.in",
			"configuration_unknown_field graphConfigurations.c.nodes.a.fields.a.nope",
			"warning configuration_unknown_node graphConfigurations.c.nodes.gone",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := pair()
			tt.change(d)
			var got []string
			for _, p := range parsed(t, d).Validate() {
				line := p.Code + " " + p.Path
				if p.Severity == SeverityWarning {
					line = "warning " + line
				}
				got = append(got, line)
				if p.Message == "" || p.Hint == "" {
					t.Errorf("%s says too little: %+v", line, p)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestUnrollRefusesAGraphWithProblems(t *testing.T) {
	g := drawn(t, nodes(app("a", "in", "out"), data("d")), "a.out x.io", "a.out y.io")
	_, err := g.Unroll("p", 0)
	wantInvalid(t, err, `linkDataArray[0].to: link to node "x", which is not in the graph (and 1 more)`)
}

func TestGraphsThatTheTranslatorTookHaveNoProblems(t *testing.T) {
	for _, name := range samples {
		g, err := Parse(shared(t, "reference", "daliuge-samples", "graphs", name+".graph"), name)
		if err != nil {
			t.Fatal(err)
		}
		if problems := g.Validate(); len(problems) != 0 {
			t.Errorf("%s: %v", name, problems)
		}
	}
	if problems := productionGraph(t).Validate(); len(problems) != 0 {
		t.Errorf("production: %v", problems)
	}
}

func TestAProblemIsOneLine(t *testing.T) {
	p := drawn(t, nodes(data("d", obj{"name": strings.Repeat("é", 500), "parentId": "x"}))).Validate()
	if len(p) != 1 || len(p[0].String()) > 400 {
		t.Errorf("%v", p)
	}
}
