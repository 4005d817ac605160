package graph

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiffSaysWhatDiffersDownToTheField(t *testing.T) {
	base := func() obj {
		return document(nodes(scatter("s", 3), app("a", "", "x", in("s")), data("d", in("s"))), "a.x d.io")
	}
	node := func(doc obj, i int) obj { return doc["nodeDataArray"].([]any)[i].(obj) }
	for _, tt := range []struct {
		name   string
		change func(obj)
		want   []string
	}{
		{"nothing", func(obj) {}, nil},
		{"order of nodes", func(d obj) {
			l := d["nodeDataArray"].([]any)
			l[0], l[2] = l[2], l[0]
		}, nil},
		{"a value", func(d obj) { node(d, 0)["fields"].([]any)[0].(obj)["value"] = 4 }, []string{"~ s num_of_copies: 3 → 4"}},
		{"another property", func(d obj) { node(d, 0)["fields"].([]any)[0].(obj)["type"] = "Float" }, []string{"~ s num_of_copies type: Integer → Float"}},
		{"a node's own key", func(d obj) { delete(node(d, 1), "parentId") }, []string{"- a parentId: s"}},
		{"a field", func(d obj) { withField(node(d, 1), field("f", "command", "String", "NoPort", "ls")) }, []string{"+ a command: ls"}},
		{"a node", func(d obj) { d["nodeDataArray"] = d["nodeDataArray"].([]any)[:2] }, []string{"- d: File"}},
		{"a link twice", func(d obj) { d["linkDataArray"] = []any{link("a.x d.io"), link("a.x d.io")} }, []string{"+ link: a a.x → d d.io"}},
		{"no link", func(d obj) { d["linkDataArray"] = []any{} }, []string{"- link: a a.x → d d.io"}},
		{"model data", func(d obj) { d["modelData"].(obj)["repo"] = "x" }, []string{"+ modelData.repo: x"}},
		{"a configuration", func(d obj) {
			d["activeGraphConfigId"] = "c"
			d["graphConfigurations"] = obj{"c": obj{"nodes": obj{"s": obj{"fields": obj{"s.n": obj{"value": "9", "comment": ""}}}}}}
		}, []string{"+ activeGraphConfigId: c", "+ configuration c", "+ configuration c s num_of_copies: 9"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			other := base()
			tt.change(other)
			a, b := parsed(t, base()), parsed(t, other)
			var got []string
			for _, c := range Diff(a, b) {
				got = append(got, c.String())
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if back := Diff(b, a); len(back) != len(got) {
				t.Errorf("the way back shows %d changes, not %d: %v", len(back), len(got), back)
			}
		})
	}
}

func TestDiffShowsWhatPatchAndInjectDidToTheProductionGraph(t *testing.T) {
	before := productionGraph(t)
	after := before.Clone()
	if _, err := after.Patch([]Patch{{Match: "Scatter/GenericScatterApp/Beam", Fields: []FieldValue{{"num_of_copies", 12}}}}); err != nil {
		t.Fatal(err)
	}
	if err := after.Inject(injection); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range Diff(before, after) {
		got = append(got, strings.SplitN(c.String(), "{", 2)[0])
	}
	want := []string{
		"~ activeGraphConfigId: nothing → " + injection.ConfigID,
		"~ Scatter/GenericScatterApp/Beam num_of_copies defaultValue: 6 → 12",
		"~ Scatter/GenericScatterApp/Beam num_of_copies: 3 → 12",
		"+ configuration " + injection.ConfigID,
		"+ configuration " + injection.ConfigID + " beampipe-ingest manifest_path: ",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
