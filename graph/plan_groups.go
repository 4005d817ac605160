package graph

import (
	"fmt"

	"beampipe/fault"
)

// copiesFields are the names that num_of_copies has had, the present one first.
var copiesFields = []string{"num_of_copies", "num_of_splits", "Number of copies"}

const (
	// copiesUnstated is what the translator takes for a Scatter that does not say its copies.
	copiesUnstated = 4
	inputsField    = "num_of_inputs"
	inputsUnstated = 1
)

func (p *plan) makeGroups() error {
	busy := map[int]bool{}
	for i := range p.nodes {
		if err := p.group(i, busy, 0); err != nil {
			return err
		}
	}
	return nil
}

// group works out the group of a node, if it is a construct, after those that it depends on: the
// one around it, and for a Gather those around its inputs. busy holds the nodes under way, steps
// how deep that went.
func (p *plan) group(i int, busy map[int]bool, steps int) error {
	n := &p.nodes[i]
	k := n.kind()
	if _, done := p.groupOf[i]; done || k != kindScatter && k != kindGather {
		return nil
	}
	if busy[i] {
		return fault.New(fault.Invalid, fmt.Sprintf("Gather construct %s takes part in its own inputs", n.label()), "remove the link that leads back into it")
	}
	if steps > 2*MaxNesting {
		return p.tooDeep(n)
	}
	busy[i] = true
	defer delete(busy, i)
	made := group{node: i, parent: top}
	if around, ok := p.g.byID[n.ParentID]; ok {
		if err := p.group(around, busy, steps+1); err != nil {
			return err
		}
		made.parent = p.enclosing(i)
	}
	if made.parent != top {
		made.depth = p.groups[made.parent].depth + 1
	}
	if made.depth >= MaxNesting {
		return p.tooDeep(n)
	}
	size := p.scatter
	if k == kindGather {
		size = func(made *group) error { return p.gather(made, busy, steps) }
	}
	if err := size(&made); err != nil {
		return err
	}
	before := p.instances(made.parent)
	if made.copies > p.limit/before {
		return p.tooMany(n)
	}
	made.total = before * made.copies
	p.groupOf[i] = len(p.groups)
	p.groups = append(p.groups, made)
	return nil
}

func (p *plan) tooDeep(n *Node) error {
	return fault.New(fault.Invalid, fmt.Sprintf("construct %s: constructs nested or chained deeper than %d (MaxNesting)", n.label(), MaxNesting), "draw the graph flatter")
}

func (p *plan) scatter(made *group) error {
	var err error
	made.copies, err = p.count(made.node, copiesUnstated, copiesFields...)
	return err
}

// gather finds how many instances a Gather has: as many as its inputs fill, width by width. It lies
// at top level, Validate sees to that.
func (p *plan) gather(made *group, busy map[int]bool, steps int) error {
	n := &p.nodes[made.node]
	var err error
	if made.width, err = p.count(made.node, inputsUnstated, inputsField); err != nil {
		return err
	}
	if err := p.noOtherStart(made.node); err != nil {
		return err
	}
	inputs := 0
	for _, source := range p.sources[made.node] {
		s := &p.nodes[source]
		if around, ok := p.g.byID[s.ParentID]; ok {
			if err := p.group(around, busy, steps+1); err != nil {
				return err
			}
		}
		each := p.instances(p.enclosing(source))
		if inputs != 0 && each != inputs {
			return fault.New(fault.Invalid, fmt.Sprintf("Gather construct %s: one input has %d instances, another (node %s) %d", n.label(), inputs, s.label(), each),
				"link only data that lies in the same scatter, or use two Gathers")
		}
		inputs = each
	}
	if inputs == 0 {
		return fault.New(fault.Invalid, fmt.Sprintf("Gather construct %s has no input", n.label()), "link the data that it is to gather to its input application")
	}
	made.copies = (inputs-1)/made.width + 1
	return nil
}

// noOtherStart refuses a child that is marked as the start of a Gather: the translator would then
// hand it the inputs instead of the Gather's own application.
func (p *plan) noOtherStart(gather int) error {
	for _, i := range p.inside[gather] {
		n := &p.nodes[i]
		if n.kind() != kindApp {
			continue
		}
		fields, err := effective(n, p.over, p.globals)
		if err != nil {
			return err
		}
		if fields["group_start"].Bool() {
			return fault.New(fault.Invalid, fmt.Sprintf("unsupported: Gather construct %s with the group start %s inside it", p.nodes[gather].label(), n.label()),
				"set group_start of that node to false: the Gather's input application is its start")
		}
	}
	return nil
}

// count reads a positive whole number from the first of the fields that the node has.
func (p *plan) count(node, unstated int, names ...string) (int, error) {
	n := &p.nodes[node]
	fields, err := effective(n, p.over, p.globals)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		value, ok := fields[name]
		if !ok {
			continue
		}
		if count, ok := value.Int(); ok && count > 0 {
			return count, nil
		}
		return 0, fault.New(fault.Invalid, fmt.Sprintf("field %q of %s construct %s is %q, expected a whole number above 0", name, n.Category, n.label(), clip(value.Text())),
			"correct the field, or the graph patch or configuration that sets it")
	}
	return unstated, nil
}

func (p *plan) unrelated(from, to *Node) error {
	return fault.New(fault.Invalid, fmt.Sprintf("link from node %s to node %s joins two constructs of which neither lies in the other", from.label(), to.label()),
		"lead the data out of the first construct before it enters the second")
}
