package graph

import (
	"fmt"
	"strconv"

	"beampipe/fault"
)

// Unroll makes the physical graph: each node once for every instance of the constructs around it,
// with the links between the instances. Ids and edges are those that DALiuGE's translator makes for
// oid_prefix = prefix: links into a Scatter fan out, links out of it fan in, a Gather takes
// num_of_inputs instances at a time, a construct with an input application yields one drop of its
// own (a Gather: one in each instance).
//
// The active configuration is laid over the fields and GlobalVariable nodes are replaced before;
// Comment and Description nodes yield nothing. maxDrops of 0 or less is DefaultMaxDrops. Cost and
// memory grow linearly with drops and links.
//
// Errors are fault.Invalid: the first error that Validate finds, a construct that is not supported
// (by name), a limit (by name), links that cannot be matched, and circles.
func (g *Graph) Unroll(prefix string, maxDrops int) (*Physical, error) {
	if maxDrops <= 0 {
		maxDrops = DefaultMaxDrops
	}
	if err := refusal(g.name, g.Validate()); err != nil {
		return nil, err
	}
	what := "unroll graph " + quoteName(g.name)
	if len(prefix) > MaxIDBytes {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: oid prefix of %d bytes, more than the limit of %d (MaxIDBytes)", what, len(prefix), MaxIDBytes), "use a shorter prefix")
	}
	p, err := g.plan(maxDrops)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, what, "")
	}
	drops := p.drops(prefix)
	p.connect(drops)
	return &Physical{Drops: drops, groups: p.stats()}, nil
}

// drops makes all drops, without links.
func (p *plan) drops(prefix string) []Drop {
	total := 0
	for _, u := range p.units {
		total += u.total
	}
	drops := make([]Drop, 0, total)
	iids := map[int][]string{top: {"0"}}
	for _, u := range p.units {
		n := &p.nodes[u.node]
		stem := prefix + "_" + n.ID + "_"
		for _, iid := range p.iids(iids, u.group) {
			drops = append(drops, Drop{
				OID: stem + iid, IID: iid, NodeID: n.ID, Name: n.Name,
				Category: u.category, App: u.app, Fields: u.fields,
			})
		}
	}
	return drops
}

// iids gives the instance ids of a group, outermost index slowest; nodes of a group share them.
func (p *plan) iids(known map[int][]string, g int) []string {
	if list, ok := known[g]; ok {
		return list
	}
	around := p.iids(known, p.groups[g].parent)
	list := make([]string, 0, p.groups[g].total)
	for _, outer := range around {
		for k := range p.groups[g].copies {
			list = append(list, outer+"-"+strconv.Itoa(k))
		}
	}
	known[g] = list
	return list
}

// connect fills in the links. It counts first, so that all lists are cut from one piece of memory.
func (p *plan) connect(drops []Drop) {
	ins, outs := make([]int, len(drops)), make([]int, len(drops))
	total := 0
	for i := range p.edges {
		e := &p.edges[i]
		from, to := p.units[e.from].first, p.units[e.to].first
		for j := range e.count {
			s, t := e.pair(j)
			outs[from+s]++
			ins[to+t]++
		}
		total += e.count
	}
	ports, oids := make([]Port, total), make([]string, total)
	cut := func(d *Drop, in, out int) {
		if d.App {
			d.Inputs, d.Outputs = ports[:0:in], ports[in:in:in+out]
			ports = ports[in+out:]
			return
		}
		d.Producers, d.Consumers = oids[:0:in], oids[in:in:in+out]
		oids = oids[in+out:]
	}
	for i := range drops {
		cut(&drops[i], ins[i], outs[i])
	}
	for i := range p.edges {
		p.join(drops, &p.edges[i])
	}
}

func (p *plan) join(drops []Drop, e *edge) {
	from, to := drops[p.units[e.from].first:], drops[p.units[e.to].first:]
	port := Port{Name: e.appPort.Name, Encoding: e.appPort.Encoding, DropPort: e.dataPort.Name}
	for j := range e.count {
		s, t := e.pair(j)
		source, target := &from[s], &to[t]
		if source.App {
			port.Drop = target.OID
			source.Outputs = append(source.Outputs, port)
			target.Producers = append(target.Producers, source.OID)
		} else {
			port.Drop = source.OID
			source.Consumers = append(source.Consumers, target.OID)
			target.Inputs = append(target.Inputs, port)
		}
	}
}

func (p *plan) stats() []GroupStats {
	inside := make([]int, len(p.groups))
	for _, u := range p.units {
		if u.group != top {
			inside[u.group] += u.total
		}
	}
	out := make([]GroupStats, 0, len(p.groups))
	for i := range p.nodes {
		g, ok := p.groupOf[i]
		if !ok {
			continue
		}
		n := &p.nodes[i]
		out = append(out, GroupStats{
			NodeID: n.ID, Name: n.Name, Category: n.Category,
			Copies: p.groups[g].copies, Instances: p.groups[g].total, Drops: inside[g],
		})
	}
	return out
}
