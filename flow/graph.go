package flow

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// MaxVertices is the largest graph that New accepts.
const MaxVertices = 1 << 21

// Graph is a validated set of vertices. It does not change, and may be run many times at once.
type Graph struct {
	nodes  []node // stage by stage, names sorted inside a stage: each node is behind its sources
	stages [][]string
	seeds  []string
	giver  map[string]int // qualified output -> index of the node that gives it
	index  map[string]int // vertex name -> index
	groups map[string][]int
}

// node is a vertex with its edges resolved to indexes.
type node struct {
	Vertex
	inputs    []binding // sorted by input name
	sources   []int     // nodes whose outputs it needs, each once, ascending
	consumers []int     // nodes that need its outputs, each once, ascending
	contracts map[string]*jsonschema.Resolved
}

// binding says where an input comes from: a qualified output, or "$" and a seed's name.
type binding struct{ input, source string }

// New validates vertices and computes their order. Everything that is wrong is in one Invalid error:
// names missing or given twice, inputs bound to nothing, cycles (as a path "a → b → a"), groups that
// a vertex outside them splits, contracts that are no schema.
func New(vertices ...Vertex) (*Graph, error) {
	var found problems
	if len(vertices) > MaxVertices {
		found.add("%d vertices, more than %d", len(vertices), MaxVertices)
		return nil, found.err()
	}
	g := &Graph{nodes: make([]node, len(vertices))}
	for i, v := range vertices {
		v.Inputs, v.Outputs = maps.Clone(v.Inputs), slices.Clone(v.Outputs)
		g.nodes[i] = node{Vertex: v, contracts: checkVertex(v, &found)}
	}
	g.checkEffects(&found)
	g.name(&found)
	g.bind(&found)
	stages, cycles := layers(len(g.nodes), g.sourcesOf, g.nameOf)
	for _, cycle := range cycles {
		found.add("cycle: %s", strings.Join(cycle, " → "))
	}
	g.checkGroups(len(cycles) == 0, &found)
	if err := found.err(); err != nil {
		return nil, err
	}
	g.arrange(stages)
	return g, nil
}

// Stages gives the vertex names by stage: a vertex is in the first stage behind all of its sources, so
// that vertices of one stage depend on nothing in it. Names are sorted inside a stage.
func (g *Graph) Stages() [][]string {
	stages := make([][]string, len(g.stages))
	for i, stage := range g.stages {
		stages[i] = slices.Clone(stage)
	}
	return stages
}

// Seeds gives the names, without "$" and sorted, of the values that Options.Data must hold.
func (g *Graph) Seeds() []string { return slices.Clone(g.seeds) }

func (g *Graph) sourcesOf(i int) []int { return g.nodes[i].sources }

func (g *Graph) nameOf(i int) string { return g.nodes[i].Name }

// name fills the tables of vertices and of qualified outputs.
func (g *Graph) name(found *problems) {
	g.index = make(map[string]int, len(g.nodes))
	g.giver = make(map[string]int, len(g.nodes))
	for i := range g.nodes {
		n := &g.nodes[i]
		if _, twice := g.index[n.Name]; twice {
			found.add("vertex %q: the name is given twice", n.Name)
			continue
		}
		g.index[n.Name] = i
		for _, output := range n.Outputs {
			qualified := n.Name + "." + output
			if _, twice := g.giver[qualified]; twice {
				found.add("vertex %q: output %q is given twice (as %s)", n.Name, output, qualified)
			}
			g.giver[qualified] = i
		}
	}
}

// bind resolves inputs to sources, and collects the seeds.
func (g *Graph) bind(found *problems) {
	seeds := map[string]bool{}
	for i := range g.nodes {
		n := &g.nodes[i]
		for _, input := range slices.Sorted(maps.Keys(n.Inputs)) {
			source := n.Inputs[input]
			n.inputs = append(n.inputs, binding{input, source})
			if seed, ok := strings.CutPrefix(source, "$"); ok && seed != "" {
				seeds[seed] = true
				continue
			}
			giver, ok := g.giver[source]
			if !ok {
				found.add("vertex %q: input %q is bound to %q, which nothing gives%s", n.Name, input, source, g.nearby(source))
				continue
			}
			n.sources = append(n.sources, giver)
		}
		slices.Sort(n.sources)
		n.sources = slices.Compact(n.sources)
	}
	g.seeds = slices.Sorted(maps.Keys(seeds))
}

// arrange puts the nodes into stage order and rewrites every index accordingly.
func (g *Graph) arrange(stages [][]int) {
	moved := make([]int, len(g.nodes)) // old index -> new index
	ordered := make([]node, 0, len(g.nodes))
	for _, stage := range stages {
		names := make([]string, len(stage))
		for i, old := range stage {
			moved[old] = len(ordered)
			ordered = append(ordered, g.nodes[old])
			names[i] = g.nodes[old].Name
		}
		g.stages = append(g.stages, names)
	}
	g.nodes = ordered
	g.groups = map[string][]int{}
	for i := range g.nodes {
		n := &g.nodes[i]
		g.index[n.Name] = i
		for j, old := range n.sources {
			n.sources[j] = moved[old]
			source := &g.nodes[moved[old]]
			source.consumers = append(source.consumers, i)
		}
		slices.Sort(n.sources)
		for _, output := range n.Outputs {
			g.giver[n.Name+"."+output] = i
		}
		if n.Group != "" {
			g.groups[n.Group] = append(g.groups[n.Group], i)
		}
	}
}
