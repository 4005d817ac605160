package graph

import (
	"fmt"
	"slices"

	"beampipe/fault"
)

// Limits of unrolling.
const (
	// DefaultMaxDrops is the largest physical graph unless Unroll is told otherwise.
	DefaultMaxDrops = 1_000_000
	// MaxLinksPerDrop bounds the links of a physical graph: so many times its limit of drops.
	MaxLinksPerDrop = 16
	// MaxNesting is how deep constructs may lie in each other.
	MaxNesting = 16
	// MaxIDBytes is the longest node id and the longest oid prefix: each becomes part of every oid.
	MaxIDBytes = 200
	// MaxGlobals is how many global variables a graph may have.
	MaxGlobals = 1000
)

// plan is what a logical graph unrolls to, before a single drop is made: its size is that of the
// logical graph.
type plan struct {
	g       *Graph
	nodes   []Node
	over    overlay
	globals []global
	limit   int // of drops

	groups  []group
	groupOf map[int]int   // node of a construct → index in groups
	sources map[int][]int // node → nodes that are linked to it
	inside  map[int][]int // construct → nodes directly in it
	units   []unit
	unitOf  map[int]int // node → index in units
	edges   []edge
}

// group is a Scatter or a Gather that multiplies what lies in it.
type group struct {
	node   int
	parent int // index in groups, top for none
	depth  int
	copies int // in each instance of the parent
	total  int // over all instances of the parent
	width  int // Gather: inputs of one instance
}

const top = -1

// unit is a logical node that yields drops.
type unit struct {
	node     int
	group    int // index in plan.groups, top for none
	total    int // instances
	first    int // index of its first drop
	app      bool
	category string
	fields   map[string]Value
}

// plan works out groups, units and edges, and refuses what cannot be unrolled.
func (g *Graph) plan(maxDrops int) (*plan, error) {
	p := &plan{
		g: g, nodes: g.Nodes(), over: g.overlay(), limit: maxDrops,
		groupOf: map[int]int{}, sources: map[int][]int{}, inside: map[int][]int{}, unitOf: map[int]int{},
	}
	p.globals = globals(p.nodes, p.over)
	if len(p.globals) > MaxGlobals {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("%d global variables, more than the limit of %d (MaxGlobals)", len(p.globals), MaxGlobals), "put fewer variables into GlobalVariable nodes")
	}
	for _, l := range g.Links() {
		to := g.byID[l.To]
		p.sources[to] = append(p.sources[to], g.byID[l.From])
	}
	for i := range p.nodes {
		if parent, ok := g.byID[p.nodes[i].ParentID]; ok {
			p.inside[parent] = append(p.inside[parent], i)
		}
	}
	for _, step := range []func() error{p.refuse, p.makeGroups, p.makeUnits, p.makeEdges, p.acyclic} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// refuse names the first node that Unroll does not know.
func (p *plan) refuse() error {
	reduced := text(object(p.g.doc[keyModel])["schemaVersion"]) == schemaAppRef
	for i := range p.nodes {
		n := &p.nodes[i]
		why := ""
		switch k := n.kind(); {
		case k == kindUnsupported && (n.IsGroup || kindsByCategoryHas(n.Category)):
			why = fmt.Sprintf("%s construct %s", clip(n.Category), n.label())
		case k == kindUnsupported:
			why = fmt.Sprintf("category %q (categoryType %q) of node %s", clip(n.Category), clip(n.CategoryType), n.label())
		case (k == kindScatter || k == kindGather) && n.InputAppType == "" && n.OutputAppType != "":
			why = fmt.Sprintf("%s construct %s with an output application and no input application", n.Category, n.label())
		case k == kindGather && n.InputAppType == "":
			why = fmt.Sprintf("Gather construct %s without an input application", n.label())
		case n.IsGroup && (k == kindApp || k == kindData):
			why = fmt.Sprintf("%s node %s as a construct (isGroup)", clip(n.Category), n.label())
		case reduced && (k == kindScatter || k == kindGather || k == kindGlobal):
			why = fmt.Sprintf("%s construct %s under schemaVersion %q", clip(n.Category), n.label(), schemaAppRef)
		case len(n.ID) > MaxIDBytes:
			return fault.New(fault.Invalid, fmt.Sprintf("node %s: id of %d bytes, more than the limit of %d (MaxIDBytes)", n.label(), len(n.ID), MaxIDBytes),
				"give the node a shorter id: it becomes part of every drop's name")
		}
		if why != "" {
			return fault.New(fault.Invalid, "unsupported: "+why, "run this graph on DALiuGE itself, or draw it with Scatter, Gather, applications and data")
		}
	}
	return nil
}

func kindsByCategoryHas(category string) bool {
	_, ok := kindsByCategory[category]
	return ok
}

// makeUnits finds what yields drops, in the order of the logical graph, and holds the number of
// drops against the limit.
func (p *plan) makeUnits() error {
	count := 0
	for i := range p.nodes {
		n := &p.nodes[i]
		u := unit{node: i, group: p.enclosing(i), category: n.Category}
		switch n.kind() {
		case kindApp:
			u.app = true
		case kindData:
		case kindScatter, kindGather:
			if n.InputAppType == "" {
				continue
			}
			u.app, u.category = true, n.InputAppType
			if n.kind() == kindGather {
				u.group = p.groupOf[i] // a Gather runs its application once per instance, a Scatter once for all
			}
		default:
			continue
		}
		u.total = p.instances(u.group)
		if u.total > p.limit-count {
			return p.tooMany(n)
		}
		u.first = count
		count += u.total
		var err error
		if u.fields, err = effective(n, p.over, p.globals); err != nil {
			return err
		}
		p.unitOf[i] = len(p.units)
		p.units = append(p.units, u)
	}
	return nil
}

func (p *plan) tooMany(n *Node) error {
	return fault.New(fault.Invalid, fmt.Sprintf("unroll node %s: more than %d drops (limit maxDrops)", n.label(), p.limit),
		"lower num_of_copies of the scatters around it, or raise the limit")
}

// enclosing is the innermost group around a node.
func (p *plan) enclosing(node int) int {
	parent, ok := p.g.byID[p.nodes[node].ParentID]
	if !ok {
		return top
	}
	if g, ok := p.groupOf[parent]; ok {
		return g
	}
	return top
}

func (p *plan) instances(g int) int {
	if g == top {
		return 1
	}
	return p.groups[g].total
}

// encloses says whether everything in inner lies in outer, or the two are the same.
func (p *plan) encloses(outer, inner int) bool {
	for ; inner != top; inner = p.groups[inner].parent {
		if inner == outer {
			return true
		}
	}
	return outer == top
}

// acyclic refuses links that form a circle: no drop on it could ever start.
func (p *plan) acyclic() error {
	waiting := make([]int, len(p.units))
	next := make([][]int, len(p.units))
	for _, e := range p.edges {
		waiting[e.to]++
		next[e.from] = append(next[e.from], e.to)
	}
	var ready []int
	for i, n := range waiting {
		if n == 0 {
			ready = append(ready, i)
		}
	}
	done := 0
	for ; len(ready) > 0; done++ {
		u := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		for _, to := range next[u] {
			if waiting[to]--; waiting[to] == 0 {
				ready = append(ready, to)
			}
		}
	}
	if done == len(p.units) {
		return nil
	}
	stuck := slices.IndexFunc(waiting, func(n int) bool { return n > 0 })
	return fault.New(fault.Invalid, fmt.Sprintf("links form a circle through or before node %s", p.nodes[p.units[stuck].node].label()),
		"remove one link of the circle; repetition needs a Loop construct, on DALiuGE itself")
}
