package flow

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"beampipe/fault"
)

// Checkpoint is what a run has so far; it can be written as JSON and a run can go on from it. Only
// completed vertices are not run again.
//
// The checkpoint given to Options.Checkpoint shares its maps with the run, so that its cost does not
// grow with the graph: read it before returning, take a Clone to keep it, or store each Step.
type Checkpoint struct {
	Ended   string                     `json:"ended,omitempty"` // the vertices that ended last, see Step
	Outputs map[string]json.RawMessage `json:"outputs"`         // by qualified name
	States  map[string]State           `json:"states"`          // by vertex; a vertex not there is pending
	Lineage map[string]Record          `json:"lineage"`         // by qualified name
	Seeds   map[string]string          `json:"seeds,omitempty"` // digests of the seeds, by name without "$"

	step []*node
}

// Clone gives a checkpoint of its own.
func (c Checkpoint) Clone() Checkpoint {
	c.Outputs, c.States = maps.Clone(c.Outputs), maps.Clone(c.States)
	c.Lineage, c.Seeds = maps.Clone(c.Lineage), maps.Clone(c.Seeds)
	c.step = nil
	return c
}

// Step gives the part of a checkpoint that its last vertex (or group) added: a store that appends
// every Step and puts them together with Merge has the whole.
func (c Checkpoint) Step() Checkpoint {
	step := Checkpoint{
		Ended: c.Ended, Outputs: map[string]json.RawMessage{}, States: map[string]State{},
		Lineage: map[string]Record{}, Seeds: maps.Clone(c.Seeds),
	}
	for _, n := range c.step {
		step.States[n.Name] = c.States[n.Name]
		for _, output := range n.Outputs {
			name := n.Name + "." + output
			if raw, ok := c.Outputs[name]; ok {
				step.Outputs[name], step.Lineage[name] = raw, c.Lineage[name]
			}
		}
	}
	return step
}

// Merge adds a later step.
func (c *Checkpoint) Merge(step Checkpoint) {
	c.Ended = step.Ended
	c.Outputs = merged(c.Outputs, step.Outputs)
	c.States = merged(c.States, step.States)
	c.Lineage = merged(c.Lineage, step.Lineage)
	c.Seeds = merged(c.Seeds, step.Seeds)
}

func merged[V any](into, from map[string]V) map[string]V {
	if into == nil {
		into = make(map[string]V, len(from))
	}
	maps.Copy(into, from)
	return into
}

// restore takes the completed vertices of a checkpoint over. The checkpoint must be of this graph and
// of the same seeds.
func (r *run) restore(from *Checkpoint) error {
	if from == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(from.States)) {
		if _, ok := r.graph.index[name]; !ok {
			return badCheckpoint("vertex %q is not in this graph", name)
		}
	}
	for _, seed := range r.graph.seeds {
		was, now := from.Seeds[seed], r.records["$"+seed].Digest
		if was != "" && was != now {
			return badCheckpoint("seed %q has another value now", seed)
		}
	}
	for i := range r.graph.nodes {
		if from.States[r.graph.nodes[i].Name] == Completed && r.wholeGroup(i, from) {
			if err := r.restoreNode(i, from); err != nil {
				return err
			}
		}
	}
	return nil
}

// wholeGroup tells whether everything that counts only together with a node completed.
func (r *run) wholeGroup(i int, from *Checkpoint) bool {
	for _, member := range r.graph.groups[r.graph.nodes[i].Group] {
		if from.States[r.graph.nodes[member].Name] != Completed {
			return false
		}
	}
	return true
}

func (r *run) restoreNode(i int, from *Checkpoint) error {
	n := &r.graph.nodes[i]
	for _, source := range n.sources {
		if r.graph.nodes[source].Group == n.Group && n.Group != "" {
			continue
		}
		if name := r.graph.nodes[source].Name; r.states[name] != Completed {
			return badCheckpoint("vertex %q is completed, but its source %q is not", n.Name, name)
		}
	}
	for _, output := range n.Outputs {
		name := n.Name + "." + output
		raw, ok := from.Outputs[name]
		if !ok {
			return badCheckpoint("vertex %q is completed, but its output %s is not there", n.Name, name)
		}
		value, err := decode(raw)
		if err == nil {
			raw, err = canonical(value) // whoever stored it may have laid it out in another way
		}
		if err != nil {
			return badCheckpoint("output %s is no JSON: %v", name, err)
		}
		record, ok := from.Lineage[name]
		if !ok {
			record = r.record(n, output, digest(raw))
		}
		r.data[name], r.records[name] = value, record
		r.kept.Outputs[name], r.kept.Lineage[name] = raw, record
	}
	r.states[n.Name] = Completed
	return nil
}

func badCheckpoint(format string, args ...any) error {
	return fault.New(fault.Invalid, "resume from checkpoint: "+fmt.Sprintf(format, args...),
		"the checkpoint belongs to another graph or another input: start again without it")
}
