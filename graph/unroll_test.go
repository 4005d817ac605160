package graph

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// samples are graphs that DALiuGE 6.7 translated; translated/<name>.pgt.json is its answer.
var samples = []string{"hello", "scatter", "failing", "mixed", "sleep", "ingest"}

// edges writes a physical graph as sorted lines: a drop each, and each link from both its ends.
func edges(p *Physical) []string {
	var out []string
	for i := range p.Drops {
		d := &p.Drops[i]
		out = append(out, "drop "+d.OID+" "+d.Category+" "+d.Name+" "+d.IID)
		for _, port := range d.Inputs {
			out = append(out, d.OID+" inputs "+port.Drop+" "+port.Name)
		}
		for _, port := range d.Outputs {
			out = append(out, d.OID+" outputs "+port.Drop+" "+port.Name)
		}
		for _, oid := range d.Producers {
			out = append(out, d.OID+" producers "+oid)
		}
		for _, oid := range d.Consumers {
			out = append(out, d.OID+" consumers "+oid)
		}
	}
	sort.Strings(out)
	return out
}

// recorded writes a translator's answer in the same form, its time-stamped prefix replaced.
func recorded(t *testing.T, raw []byte, prefix string) []string {
	t.Helper()
	var drops []map[string]any
	if err := json.Unmarshal(raw, &drops); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range drops {
		oid, ok := d["oid"].(string)
		if !ok {
			continue // the last element is not a drop
		}
		old := strings.TrimSuffix(oid, fmt.Sprintf("_%s_%s", d["lg_key"], d["iid"]))
		renamed := func(oid string) string { return prefix + strings.TrimPrefix(oid, old) }
		out = append(out, fmt.Sprintf("drop %s %s %s %s", renamed(oid), d["category"], d["name"], d["iid"]))
		for _, key := range []string{"inputs", "outputs", "producers", "consumers"} {
			links, _ := d[key].([]any)
			for _, l := range links {
				for other, port := range l.(map[string]any) {
					line := renamed(oid) + " " + key + " " + renamed(other)
					if key == "inputs" || key == "outputs" {
						line += " " + port.(string)
					}
					out = append(out, line)
				}
			}
		}
	}
	sort.Strings(out)
	return out
}

func TestUnrollMakesWhatTheTranslatorMade(t *testing.T) {
	for _, name := range samples {
		t.Run(name, func(t *testing.T) {
			g, err := Parse(shared(t, "reference", "daliuge-samples", "graphs", name+".graph"), name)
			if err != nil {
				t.Fatal(err)
			}
			p, err := g.Unroll("bp_x", 0)
			if err != nil {
				t.Fatal(err)
			}
			want := recorded(t, shared(t, "reference", "daliuge-samples", "translated", name+".pgt.json"), "bp_x")
			if d := cmp.Diff(want, edges(p)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTheProductionGraphGrowsByEighteenDropsACopy(t *testing.T) {
	for copies, want := range map[int]int{1: 47, 3: 83, 10: 209, 100: 1829} {
		g := productionGraph(t)
		if _, err := g.Patch([]Patch{{Match: "Scatter/GenericScatterApp/Beam", Fields: []FieldValue{{"num_of_copies", copies}}}}); err != nil {
			t.Fatal(err)
		}
		p, err := g.Unroll("p", 0)
		if err != nil {
			t.Fatal(err)
		}
		s := p.Stats()
		if s.Drops != want || s.Groups[0].Copies != copies || s.Groups[0].Drops != 18*copies {
			t.Errorf("%d copies: %d drops, want %d; %+v", copies, s.Drops, want, s.Groups)
		}
	}
}

func TestUnrollConnectsInstances(t *testing.T) {
	for _, tt := range []struct {
		name  string
		graph *Graph
		want  string // lines of edges without "drop"
	}{
		{
			"out into a scatter and in again",
			drawn(t, nodes(data("d"), scatter("s", 2), app("a", "x", "y", in("s")), data("e", in("s")), app("b", "x", "")),
				"d.io a.x", "a.y e.io", "e.io b.x"),
			`p_a_0-0 inputs p_d_0 x|p_a_0-0 outputs p_e_0-0 y|p_a_0-1 inputs p_d_0 x|p_a_0-1 outputs p_e_0-1 y
			p_b_0 inputs p_e_0-0 x|p_b_0 inputs p_e_0-1 x
			p_d_0 consumers p_a_0-0|p_d_0 consumers p_a_0-1
			p_e_0-0 consumers p_b_0|p_e_0-0 producers p_a_0-0|p_e_0-1 consumers p_b_0|p_e_0-1 producers p_a_0-1`,
		},
		{
			"nested scatters, fan in to the outer one",
			drawn(t, nodes(scatter("s", "2"), scatter("r", 2.0, in("s")), data("d", in("r")), app("a", "x", "", in("s"))), "d.io a.x"),
			`p_a_0-0 inputs p_d_0-0-0 x|p_a_0-0 inputs p_d_0-0-1 x|p_a_0-1 inputs p_d_0-1-0 x|p_a_0-1 inputs p_d_0-1-1 x
			p_d_0-0-0 consumers p_a_0-0|p_d_0-0-1 consumers p_a_0-0|p_d_0-1-0 consumers p_a_0-1|p_d_0-1-1 consumers p_a_0-1`,
		},
		{
			"a scatter with an application, inside a scatter",
			drawn(t, nodes(scatter("o", 2), data("d", in("o")), scatter("s", 2, in("o"), inputApp("s")), data("e", in("s"))),
				"d.io s.in", "s.out e.io"),
			`p_d_0-0 consumers p_s_0-0|p_d_0-1 consumers p_s_0-1
			p_e_0-0-0 producers p_s_0-0|p_e_0-0-1 producers p_s_0-0|p_e_0-1-0 producers p_s_0-1|p_e_0-1-1 producers p_s_0-1
			p_s_0-0 inputs p_d_0-0 in|p_s_0-0 outputs p_e_0-0-0 out|p_s_0-0 outputs p_e_0-0-1 out
			p_s_0-1 inputs p_d_0-1 in|p_s_0-1 outputs p_e_0-1-0 out|p_s_0-1 outputs p_e_0-1-1 out`,
		},
		{
			"a gather of five by two, and its results joined",
			drawn(t, nodes(scatter("s", 5), data("d", in("s")), gather("g", "2"), data("e", in("g")), app("b", "x", "")),
				"d.io g.in", "g.out e.io", "e.io b.x"),
			`p_b_0 inputs p_e_0-0 x|p_b_0 inputs p_e_0-1 x|p_b_0 inputs p_e_0-2 x
			p_d_0-0 consumers p_g_0-0|p_d_0-1 consumers p_g_0-0|p_d_0-2 consumers p_g_0-1|p_d_0-3 consumers p_g_0-1|p_d_0-4 consumers p_g_0-2
			p_e_0-0 consumers p_b_0|p_e_0-0 producers p_g_0-0|p_e_0-1 consumers p_b_0|p_e_0-1 producers p_g_0-1|p_e_0-2 consumers p_b_0|p_e_0-2 producers p_g_0-2
			p_g_0-0 inputs p_d_0-0 in|p_g_0-0 inputs p_d_0-1 in|p_g_0-0 outputs p_e_0-0 out
			p_g_0-1 inputs p_d_0-2 in|p_g_0-1 inputs p_d_0-3 in|p_g_0-1 outputs p_e_0-1 out
			p_g_0-2 inputs p_d_0-4 in|p_g_0-2 outputs p_e_0-2 out`,
		},
		{
			"a gather of what a gather gave",
			drawn(t, nodes(gather("h", 2), scatter("s", 4), data("d", in("s")), gather("g", 2), data("e", in("g"))),
				"d.io g.in", "g.out e.io", "e.io h.in"),
			`p_d_0-0 consumers p_g_0-0|p_d_0-1 consumers p_g_0-0|p_d_0-2 consumers p_g_0-1|p_d_0-3 consumers p_g_0-1
			p_e_0-0 consumers p_h_0-0|p_e_0-0 producers p_g_0-0|p_e_0-1 consumers p_h_0-0|p_e_0-1 producers p_g_0-1
			p_g_0-0 inputs p_d_0-0 in|p_g_0-0 inputs p_d_0-1 in|p_g_0-0 outputs p_e_0-0 out
			p_g_0-1 inputs p_d_0-2 in|p_g_0-1 inputs p_d_0-3 in|p_g_0-1 outputs p_e_0-1 out
			p_h_0-0 inputs p_e_0-0 in|p_h_0-0 inputs p_e_0-1 in`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := tt.graph.Unroll("p", 0)
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for _, line := range edges(p) {
				if !strings.HasPrefix(line, "drop ") {
					got = append(got, line)
				}
			}
			for _, line := range strings.Split(strings.ReplaceAll(tt.want, "\n", "|"), "|") {
				want = append(want, strings.TrimSpace(line))
			}
			sort.Strings(want)
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestUnrollRefusesByName(t *testing.T) {
	odd := func(category string) *Graph {
		return drawn(t, nodes(construct("c", category, field("f", "x", "", "", ""), obj{"name": "My " + category})))
	}
	chain := nodes()
	for i := range MaxNesting + 1 {
		chain = append(chain, scatter(fmt.Sprintf("s%d", i), 1, in(fmt.Sprintf("s%d", i-1))))
	}
	delete(chain[0], "parentId")
	start := app("a", "", "", in("g"))
	withField(start, field("a.gs", "group_start", "Boolean", "NoPort", "True"))
	for _, tt := range []struct {
		name  string
		graph *Graph
		want  string
	}{
		{"loop", odd("Loop"), `unsupported: Loop construct "My Loop" (node c)`},
		{"mkn", odd("MKN"), `unsupported: MKN construct "My MKN"`},
		{"group by", odd("GroupBy"), `unsupported: GroupBy construct "My GroupBy"`},
		{"branch", odd("Branch"), `unsupported: Branch construct "My Branch"`},
		{"service", odd("Service"), `unsupported: Service construct "My Service"`},
		{"subgraph", odd("SubGraph"), `unsupported: SubGraph construct "My SubGraph"`},
		{"unknown category", drawn(t, nodes(data("d", obj{"category": "Quantum", "categoryType": "Other"}))), `unsupported: category "Quantum" (categoryType "Other")`},
		{"gather without application", odd("Gather"), `unsupported: Gather construct "My Gather" (node c) without an input application`},
		{"output application alone", drawn(t, nodes(scatter("s", 1, obj{"outputApplicationType": "DALiuGEApp"}))), "with an output application and no input application"},
		{"reduced schema", parsed(t, with(document(nodes(scatter("s", 1))), obj{"modelData": obj{"filePath": "", "schemaVersion": "AppRef"}})), `under schemaVersion "AppRef"`},
		{"gather without input", drawn(t, nodes(gather("g", 2))), `Gather construct "g" (node g) has no input`},
		{"gather with another start", drawn(t, nodes(data("d"), gather("g", 1), start), "d.io g.in"), `with the group start "a" (node a) inside it`},
		{"gather fed from inside", drawn(t, nodes(gather("g", 1), data("d", in("g"))), "d.io g.in"), "takes part in its own inputs"},
		{"gather fed unevenly", drawn(t, nodes(data("d"), scatter("s", 2), data("e", in("s")), gather("g", 1)), "d.io g.in", "e.io g.in"), "one input has 1 instances, another (node \"e\" (node e)) 2"},
		{"from one scatter into another", drawn(t, nodes(scatter("s", 2), data("d", in("s")), scatter("r", 2), app("a", "x", "", in("r"))), "d.io a.x"), "of which neither lies in the other"},
		{"no copies", drawn(t, nodes(scatter("s", 0))), `field "num_of_copies" of Scatter construct "s" (node s) is "0", expected a whole number above 0`},
		{"half a copy", drawn(t, nodes(scatter("s", 2.5))), `is "2.5", expected a whole number`},
		{"copies in words", drawn(t, nodes(scatter("s", "many"))), `is "many"`},
		{"nested too deep", drawn(t, chain), "MaxNesting"},
		{"too many", drawn(t, nodes(scatter("s", 11), data("d", in("s")))), "more than 10 drops (limit maxDrops)"},
		{"too many, by multiplication", drawn(t, nodes(scatter("s", 9), scatter("r", 1<<40, in("s")), data("d", in("r")))), "more than 10 drops (limit maxDrops)"},
		{"id too long", drawn(t, nodes(data(strings.Repeat("x", MaxIDBytes+1)))), "MaxIDBytes"},
		{"a circle", drawn(t, nodes(app("a", "x", "y"), data("d"), data("e")), "a.y d.io", "d.io a.x", "e.io a.x"), "links form a circle"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.graph.Unroll("p", 10)
			wantInvalid(t, err, tt.want, "test.graph")
			if hints(err) == "" {
				t.Errorf("%v does not say what to try", err)
			}
		})
	}
}

func TestUnrollBoundsLinks(t *testing.T) {
	const drops = 11 // ten in the scatter and one outside; every link counts ten times
	unroll := func(links int) error {
		g := drawn(t, nodes(scatter("s", drops-1), data("d", in("s")), app("a", "x", "")), slices.Repeat([]string{"d.io a.x"}, links)...)
		_, err := g.Unroll("p", drops)
		return err
	}
	most := drops * MaxLinksPerDrop / (drops - 1)
	if err := unroll(most); err != nil {
		t.Error(err)
	}
	wantInvalid(t, unroll(most+1), "MaxLinksPerDrop")
}

func TestRootsAreWhatNothingPrecedes(t *testing.T) {
	g := drawn(t, nodes(app("z", "", "out"), data("y"), data("x"), app("w", "in", ""), app("lone", "", "")),
		"z.out y.io", "x.io w.in", "y.io w.in")
	p, err := g.Unroll("p", 0)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"p_lone_0", "p_x_0", "p_z_0"}, p.Roots()); d != "" {
		t.Error(d)
	}
}

func TestStatsCountByKindAndConstruct(t *testing.T) {
	g := drawn(t, nodes(
		data("d"), scatter("s", 3, inputApp("s")), scatter("r", 2, in("s")), app("a", "x", "y", in("r")), data("e", in("r"), obj{"category": "Memory"}),
		app("note", "", "", obj{"category": "Comment", "categoryType": "Other"}),
	), "d.io s.in", "d.io a.x", "a.y e.io")
	p, err := g.Unroll("p", 0)
	if err != nil {
		t.Fatal(err)
	}
	want := Stats{
		Drops: 14, Apps: 7, Data: 7, Links: 13,
		Categories: []CategoryStats{{"BashShellApp", 6}, {"DALiuGEApp", 1}, {"File", 1}, {"Memory", 6}},
		Groups: []GroupStats{
			{NodeID: "s", Name: "s", Category: "Scatter", Copies: 3, Instances: 3, Drops: 0},
			{NodeID: "r", Name: "r", Category: "Scatter", Copies: 2, Instances: 6, Drops: 12},
		},
	}
	if d := cmp.Diff(want, p.Stats()); d != "" {
		t.Error(d)
	}
}

func TestEveryLinkIsSeenFromBothEnds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := nodes()
		var around []string // the scatters around what comes next
		var links []string
		want, instances := 0, 1
		previous := ""
		for i := range rapid.IntRange(1, 6).Draw(rt, "levels") {
			copies := rapid.IntRange(1, 4).Draw(rt, "copies")
			s := scatter(fmt.Sprintf("s%d", i), copies)
			a, d := app(fmt.Sprintf("a%d", i), "x", "y"), data(fmt.Sprintf("d%d", i))
			if len(around) > 0 {
				s["parentId"] = around[len(around)-1]
			}
			instances *= copies
			around = append(around, fmt.Sprintf("s%d", i))
			a["parentId"] = around[len(around)-1]
			d["parentId"] = around[rapid.IntRange(0, len(around)-1).Draw(rt, "where")]
			list = append(list, s, a, d)
			links = append(links, fmt.Sprintf("a%d.y d%d.io", i, i))
			want += instances
			if previous != "" {
				links = append(links, previous+".io "+fmt.Sprintf("a%d.x", i))
				want += instances
			}
			previous = fmt.Sprintf("d%d", i)
		}
		p, err := drawn(t, list, links...).Unroll("p", 0)
		if err != nil {
			rt.Fatal(err)
		}
		seen := map[string]int{}
		for i := range p.Drops {
			d := &p.Drops[i]
			for _, port := range d.Inputs {
				seen[port.Drop+">"+d.OID]++
			}
			for _, port := range d.Outputs {
				seen[d.OID+">"+port.Drop]++
			}
			for _, oid := range d.Producers {
				seen[oid+">"+d.OID]--
			}
			for _, oid := range d.Consumers {
				seen[d.OID+">"+oid]--
			}
		}
		for pair, n := range seen {
			if n != 0 {
				rt.Fatalf("%s is seen %+d times more by its application than by its data", pair, n)
			}
		}
		if got := p.Stats().Links; got != want {
			rt.Fatalf("%d links, want %d", got, want)
		}
	})
}

func BenchmarkUnroll100kCopies(b *testing.B) {
	g := drawn(b, nodes(data("d"), scatter("s", 100_000), app("a", "x", "y", in("s")), data("e", in("s")), app("b", "x", "")),
		"d.io a.x", "a.y e.io", "e.io b.x")
	b.ReportAllocs()
	for b.Loop() {
		p, err := g.Unroll("p", 0)
		if err != nil || len(p.Drops) != 200_002 {
			b.Fatal(err, len(p.Drops))
		}
	}
}
