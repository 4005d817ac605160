package graph

import (
	"maps"
	"slices"
)

// Drop is one task or one datum of a physical graph.
type Drop struct {
	OID    string // <prefix>_<node id>_<iid>; never split it, all three may hold "_"
	IID    string // instance: "0", inside a scatter "0-2", nested "0-2-1"
	NodeID string // the logical node; a construct's application has the construct's id
	Name   string
	// Category is the kind of application or data (BashShellApp, File, …); of a construct's
	// application its inputApplicationType.
	Category string
	App      bool // an application; else data

	// Fields by name. All drops of one node share the map: read it only.
	Fields map[string]Value

	Inputs, Outputs      []Port   // of an application: its data drops
	Producers, Consumers []string // of a data drop: oids of its applications
}

// Port is one link of an application to a data drop.
type Port struct {
	Name     string // the application's port, the {name} in a command
	Drop     string // oid of the data drop
	Encoding string // of the application's port: how the data is read or written
	DropPort string // the data drop's port
}

// Physical is an unrolled graph: drops in the order of their nodes in the logical graph, then of
// their instances.
type Physical struct {
	Drops []Drop

	groups []GroupStats
}

// Roots gives the oids of the drops that start a run, sorted: applications without inputs and data
// without producers.
func (p *Physical) Roots() []string {
	var roots []string
	for i := range p.Drops {
		d := &p.Drops[i]
		if d.App && len(d.Inputs) == 0 || !d.App && len(d.Producers) == 0 {
			roots = append(roots, d.OID)
		}
	}
	slices.Sort(roots)
	return roots
}

// Stats counts what a physical graph is made of.
type Stats struct {
	Drops      int             `json:"drops"`
	Apps       int             `json:"apps"`
	Data       int             `json:"data"`
	Links      int             `json:"links"`
	Categories []CategoryStats `json:"categories"` // sorted by category
	Groups     []GroupStats    `json:"groups"`     // in the order of the logical graph
}

// CategoryStats is the number of drops of one category.
type CategoryStats struct {
	Category string `json:"category"`
	Drops    int    `json:"drops"`
}

// GroupStats says how one Scatter or Gather was unrolled.
type GroupStats struct {
	NodeID    string `json:"node_id"`
	Name      string `json:"name"`
	Category  string `json:"category"`
	Copies    int    `json:"copies"`    // in each instance of the construct around it
	Instances int    `json:"instances"` // in all
	Drops     int    `json:"drops"`     // directly inside, all instances together
}

// Stats counts drops by kind and per construct.
func (p *Physical) Stats() Stats {
	s := Stats{Drops: len(p.Drops), Groups: slices.Clone(p.groups)}
	count := map[string]int{}
	for i := range p.Drops {
		d := &p.Drops[i]
		count[d.Category]++
		if d.App {
			s.Apps++
			s.Links += len(d.Inputs) + len(d.Outputs)
		} else {
			s.Data++
		}
	}
	for _, category := range slices.Sorted(maps.Keys(count)) {
		s.Categories = append(s.Categories, CategoryStats{category, count[category]})
	}
	return s
}
