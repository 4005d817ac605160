package graph

import (
	"fmt"

	"beampipe/fault"
)

// edge is a logical link as instances of its two units see it. It stands for count pairs.
type edge struct {
	from, to int // indexes in plan.units
	count    int

	// Pair j joins instance j/fromEach of from to instance j/toEach of to: one of the two is 1, the
	// other as large as the fan, or the width of a Gather.
	fromEach, toEach int

	appPort, dataPort Field
}

// pair gives the instances that pair j joins.
func (e *edge) pair(j int) (from, to int) {
	return j / e.fromEach, j / e.toEach
}

// makeEdges turns links into edges and holds their number against the limit.
func (p *plan) makeEdges() error {
	ports := map[int]map[string]Field{}
	left := p.limit * MaxLinksPerDrop
	for _, l := range p.g.Links() {
		from, to := p.g.byID[l.From], p.g.byID[l.To]
		e, err := p.edge(from, to)
		if err != nil {
			return err
		}
		fromPort, toPort := p.port(ports, from, l.FromPort), p.port(ports, to, l.ToPort)
		if p.units[e.from].app {
			e.appPort, e.dataPort = fromPort, toPort
		} else {
			e.appPort, e.dataPort = toPort, fromPort
		}
		if e.count > left {
			return fault.New(fault.Invalid, fmt.Sprintf("unroll: more than %d links between drops (limit maxDrops × MaxLinksPerDrop)", p.limit*MaxLinksPerDrop),
				"lower num_of_copies of the scatters, or raise the limit of drops")
		}
		left -= e.count
		p.edges = append(p.edges, e)
	}
	return nil
}

// port finds a port through an index per node: a node may have many ports and many links.
func (p *plan) port(index map[int]map[string]Field, node int, id string) Field {
	ports, ok := index[node]
	if !ok {
		ports = p.nodes[node].portsByID()
		index[node] = ports
	}
	return ports[id]
}

func (p *plan) edge(from, to int) (edge, error) {
	src, dst := &p.nodes[from], &p.nodes[to]
	fromUnit, fromOK := p.unitOf[from]
	toUnit, toOK := p.unitOf[to]
	if !fromOK || !toOK {
		return edge{}, p.unrelated(src, dst) // Validate has refused links to what yields no drop
	}
	e := edge{from: fromUnit, to: toUnit}
	outer, inner := p.units[fromUnit].group, p.units[toUnit].group
	if dst.kind() == kindGather {
		return p.gatherEdge(e, src, dst, outer, inner)
	}
	a, b := p.instances(outer), p.instances(inner)
	switch {
	case p.encloses(outer, inner): // fan out
		e.count, e.fromEach, e.toEach = b, b/a, 1
	case p.encloses(inner, outer): // fan in
		e.count, e.fromEach, e.toEach = a, 1, a/b
	default:
		return edge{}, p.unrelated(src, dst)
	}
	return e, nil
}

func (p *plan) gatherEdge(e edge, src, dst *Node, from, gather int) (edge, error) {
	if p.encloses(gather, from) {
		return edge{}, fault.New(fault.Invalid, fmt.Sprintf("unsupported: Gather construct %s with an input from inside itself, node %s", dst.label(), src.label()),
			"lead the data out of the Gather, or gather it there")
	}
	e.count, e.fromEach, e.toEach = p.instances(from), 1, p.groups[gather].width
	return e, nil
}
