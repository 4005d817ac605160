package flow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"beampipe/fault"
)

// maxProblems is how many problems of a graph one error lists.
const maxProblems = 50

// problems collects what is wrong with a graph, in the order in which it was found.
type problems struct {
	texts []string
	more  int
}

func (p *problems) add(format string, args ...any) {
	if len(p.texts) == maxProblems {
		p.more++
		return
	}
	p.texts = append(p.texts, fmt.Sprintf(format, args...))
}

func (p *problems) err() error {
	if len(p.texts) == 0 {
		return nil
	}
	text := strings.Join(p.texts, "; ")
	if p.more > 0 {
		text += fmt.Sprintf("; and %d more", p.more)
	}
	return fault.New(fault.Invalid, "flow graph: "+text, "")
}

// checkVertex checks what a vertex says by itself, and prepares its contracts.
func checkVertex(v Vertex, found *problems) map[string]*jsonschema.Resolved {
	if v.Name == "" || strings.HasPrefix(v.Name, "$") {
		found.add("vertex %q: a name must not be empty and must not begin with $", v.Name)
	}
	if v.Run == nil {
		found.add("vertex %q: it has no Run", v.Name)
	}
	if slices.Contains(v.Outputs, "") {
		found.add("vertex %q: an output without a name", v.Name)
	}
	if v.Retries < 0 || v.Retries > MaxRetries {
		found.add("vertex %q: %d retries, expected 0 to %d", v.Name, v.Retries, MaxRetries)
	}
	if v.Timeout < 0 {
		found.add("vertex %q: the timeout %s is negative", v.Name, v.Timeout)
	}
	if v.Effect != nil && v.Pure {
		found.add("vertex %q: a pure vertex cannot have an effect", v.Name)
	}
	return resolveContracts(v, found)
}

func resolveContracts(v Vertex, found *problems) map[string]*jsonschema.Resolved {
	if len(v.Contract) == 0 {
		return nil
	}
	contracts := make(map[string]*jsonschema.Resolved, len(v.Contract))
	for _, output := range slices.Sorted(maps.Keys(v.Contract)) {
		if !slices.Contains(v.Outputs, output) {
			found.add("vertex %q: a contract for %q, which is not one of its outputs", v.Name, output)
			continue
		}
		if v.Contract[output] == nil {
			continue
		}
		// A clone, because a schema belongs to what resolves it and several graphs may share one.
		resolved, err := v.Contract[output].CloneSchemas().Resolve(nil)
		if err != nil {
			found.add("vertex %q: the contract of output %q is no usable schema: %v", v.Name, output, err)
			continue
		}
		contracts[output] = resolved
	}
	return contracts
}

func (g *Graph) checkEffects(found *problems) {
	owner := map[string]string{}
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.Effect == nil {
			continue
		}
		if n.Effect.Key == "" || n.Effect.Probe == nil {
			found.add("vertex %q: an effect needs a key and a probe", n.Name)
			continue
		}
		if other, twice := owner[n.Effect.Key]; twice {
			found.add("vertex %q: its effect key %q is that of vertex %q", n.Name, n.Effect.Key, other)
		}
		owner[n.Effect.Key] = n.Name
	}
}

// nearby says what the vertex named in a bad binding does give.
func (g *Graph) nearby(source string) string {
	for end := len(source); end > 0; end = strings.LastIndexByte(source[:end], '.') {
		i, ok := g.index[source[:end]]
		if !ok {
			continue
		}
		if len(g.nodes[i].Outputs) == 0 {
			return fmt.Sprintf(" (vertex %q gives nothing)", g.nodes[i].Name)
		}
		return fmt.Sprintf(" (vertex %q gives %s)", g.nodes[i].Name, strings.Join(g.nodes[i].Outputs, ", "))
	}
	return ""
}

// checkGroups finds groups that cannot run as one: with each group drawn as a single vertex the graph
// must still have no cycle. A cycle of the vertices themselves would show again, hence acyclic.
func (g *Graph) checkGroups(acyclic bool, found *problems) {
	var names []string                  // of the units
	unitOf := map[string]int{}          // group -> unit
	member := make([]int, len(g.nodes)) // node -> unit
	isGroup := map[string]bool{}
	for i := range g.nodes {
		n := &g.nodes[i]
		unit, known := unitOf[n.Group]
		if n.Group == "" || !known {
			unit = len(names)
			names = append(names, n.Name)
		}
		if n.Group != "" && !known {
			unitOf[n.Group] = unit
			names[unit] = n.Group
			isGroup[n.Group] = true
		}
		member[i] = unit
	}
	if !acyclic || len(unitOf) == 0 {
		return
	}
	sources := make([][]int, len(names))
	for i := range g.nodes {
		for _, source := range g.nodes[i].sources {
			if member[source] != member[i] {
				sources[member[i]] = append(sources[member[i]], member[source])
			}
		}
	}
	for i := range sources {
		slices.Sort(sources[i])
		sources[i] = slices.Compact(sources[i])
	}
	_, cycles := layers(len(names), func(i int) []int { return sources[i] }, func(i int) string { return names[i] })
	for _, cycle := range cycles {
		split := slices.IndexFunc(cycle, func(name string) bool { return isGroup[name] })
		found.add("group %q is split by vertices that are not in it: %s", cycle[split], strings.Join(cycle, " → "))
	}
}
