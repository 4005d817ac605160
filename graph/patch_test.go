package graph

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPatchSetsAllNodesOfThatName(t *testing.T) {
	g := drawn(t, nodes(
		scatter("s1", 3, obj{"name": "Beam"}),
		scatter("s2", "4", obj{"name": "Beam"}),
		scatter("s3", 5, obj{"name": "beam"}),
	))
	got, err := g.Patch([]Patch{{Match: "Beam", Fields: []FieldValue{{"num_of_copies", int64(12)}}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Change{
		{Kind: Changed, NodeID: "s1", NodeName: "Beam", Field: "num_of_copies", Property: "value", Old: json.Number("3"), New: json.Number("12")},
		{Kind: Changed, NodeID: "s2", NodeName: "Beam", Field: "num_of_copies", Property: "value", Old: "4", New: json.Number("12")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for i, n := range g.Nodes()[:2] {
		if f := n.Fields[0]; f.Value != json.Number("12") || f.Default != "12" {
			t.Errorf("node %d: value %v, default %v, want 12 and the text 12", i, f.Value, f.Default)
		}
	}
	if f := g.Nodes()[2].Fields[0]; f.Value != json.Number("5") {
		t.Errorf("a node of another name was patched: %v", f.Value)
	}
}

func TestPatchLeavesTheDefaultOfOtherTypesAlone(t *testing.T) {
	for _, tt := range []struct {
		value any
		want  any
	}{
		{"<a & b>", "<a & b>"},
		{true, true},
		{1.5, json.Number("1.5")},
		{json.Number("2.0"), json.Number("2.0")},
		{[]string{"x"}, []any{"x"}},
		{nil, nil},
	} {
		g := drawn(t, nodes(withField(app("a", "", ""), field("f", "command", "String", "NoPort", "old"))))
		if _, err := g.Patch([]Patch{{Match: "a", Fields: []FieldValue{{"command", tt.value}}}}); err != nil {
			t.Fatal(err)
		}
		f := g.Nodes()[0].Fields[0]
		if d := cmp.Diff(tt.want, f.Value); d != "" || f.Default != "" {
			t.Errorf("%v: default %v, value %s", tt.value, f.Default, d)
		}
	}
}

func TestAPatchThatMeetsNothingChangesNothing(t *testing.T) {
	good := Patch{Match: "Scatter/Beam", Fields: []FieldValue{{"num_of_copies", 9}}}
	for _, tt := range []struct {
		name  string
		patch Patch
		want  []string
	}{
		{"node", Patch{Match: "scatter/beam", Fields: good.Fields}, []string{"patch 2", `graph patch target node not found: "scatter/beam"`, `nearest: "Scatter/Beam"`}},
		{"field", Patch{Match: "Scatter/Beam", Fields: []FieldValue{{"num_copies", 1}}}, []string{`graph patch field not found: "num_copies" on node "Scatter/Beam"`, `"num_of_copies"`}},
		{"value", Patch{Match: "Scatter/Beam", Fields: []FieldValue{{"num_of_copies", math.Inf(1)}}}, []string{"cannot be written as JSON"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := drawn(t, nodes(scatter("s", 3, obj{"name": "Scatter/Beam"}), data("other")))
			before := string(g.Encode())
			_, err := g.Patch([]Patch{good, tt.patch})
			wantInvalid(t, err, tt.want...)
			if string(g.Encode()) != before {
				t.Error("the graph was half patched")
			}
		})
	}
}

func TestNearestOffersTheClosestNames(t *testing.T) {
	got := nearest("beam_root", []string{"restored", "beam_root2", "Beam_Root", "x", "", "beam_root2"})
	if d := cmp.Diff([]string{"Beam_Root", "beam_root2", "restored"}, got); d != "" {
		t.Error(d)
	}
}
