package graph

import "strings"

// Application is an application of a logical graph: a node of its own, or one that is embedded in a
// construct.
type Application struct {
	ID          string // of the node; of an embedded one that of the application
	Name        string
	Category    string // BashShellApp, PyFuncApp, …
	Description string
}

// Applications lists the applications in an order in which the graph's links let them run: each comes
// after those that it needs, and otherwise as in the document. Those of a cycle come last.
func (g *Graph) Applications() []Application {
	nodes := g.Nodes()
	var list []Application
	for _, i := range g.order(nodes) {
		n := nodes[i]
		description, _ := g.nodes[i]["description"].(string)
		if n.kind() == kindApp {
			list = append(list, Application{ID: n.ID, Name: n.Name, Category: n.Category, Description: strings.TrimSpace(description)})
			continue
		}
		for _, e := range []Application{
			{ID: n.InputAppID, Name: n.InputAppName, Category: n.InputAppType}, {ID: n.OutputAppID, Name: n.OutputAppName, Category: n.OutputAppType},
		} {
			if e.Category == "" {
				continue
			}
			if e.ID == "" {
				e.ID = n.ID
			}
			list = append(list, e)
		}
	}
	return list
}

// order sorts nodes along the links. Of those that could come next the first in the document does.
func (g *Graph) order(nodes []Node) []int {
	waits := make([]int, len(nodes))
	next := make([][]int, len(nodes))
	for _, l := range g.Links() {
		from, fromKnown := g.byID[l.From]
		to, toKnown := g.byID[l.To]
		if fromKnown && toKnown && from != to {
			next[from] = append(next[from], to)
			waits[to]++
		}
	}
	var sorted []int
	done := make([]bool, len(nodes))
	for len(sorted) < len(nodes) {
		found := -1
		for i := range nodes {
			if !done[i] && waits[i] <= 0 {
				found = i
				break
			}
		}
		if found < 0 { // a cycle
			for i := range nodes {
				if !done[i] {
					sorted = append(sorted, i)
				}
			}
			return sorted
		}
		done[found] = true
		sorted = append(sorted, found)
		for _, to := range next[found] {
			waits[to]--
		}
	}
	return sorted
}
