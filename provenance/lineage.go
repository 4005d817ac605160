package provenance

import (
	"cmp"
	"slices"
)

// NodeKind says what a node of a lineage is. The list is closed.
type NodeKind string

// The kinds, with the form of their ids.
const (
	NodeProduct       NodeKind = "product"        // product:<execution>/<attempt>/<path>
	NodeExecution     NodeKind = "execution"      // execution:<uuid>
	NodeAttempt       NodeKind = "attempt"        // attempt:bp-<uuid>-<attempt>
	NodeManifest      NodeKind = "manifest"       // sha256:<hex>
	NodePatchedGraph  NodeKind = "patched_graph"  // sha256:<hex>
	NodePhysicalGraph NodeKind = "physical_graph" // sha256:<hex>
	NodeSourceGraph   NodeKind = "source_graph"   // sha256:<hex>
	NodeConfig        NodeKind = "config"         // config:<project>/<revision>
	NodeProfile       NodeKind = "profile"        // profile:<name>/<revision>
	NodeSource        NodeKind = "source"         // source:<project>/<identifier>
	NodeSBID          NodeKind = "sbid"           // sbid:<project>/<sbid>
	NodeDataset       NodeKind = "dataset"        // dataset:<project>/<sbid>/<identity>
	NodeEvaluation    NodeKind = "evaluation"     // evaluation:<project>/<file>
	NodeAnswer        NodeKind = "answer"         // answer:<sha256 of the rows as they came>
	NodeQuery         NodeKind = "query"          // query:<sha256 of archive and text>
	NodeArchive       NodeKind = "archive"        // archive:<URL>
	NodeBackendJob    NodeKind = "backend_job"    // backend:<target>#<external id>
	NodeSoftware      NodeKind = "software"       // software:<name>@<version>
	NodeActor         NodeKind = "actor"          // actor:<user:name | system:part>
	NodeField         NodeKind = "field"          // field:<artifact id>#<place in it>
)

// Relation says how one node came of another: the words of W3C PROV-DM, section 5.
type Relation string

// The relations. From is what came later.
const (
	Used           Relation = "used"              // an execution used a manifest
	GeneratedBy    Relation = "wasGeneratedBy"    // a product by an attempt
	DerivedFrom    Relation = "wasDerivedFrom"    // a manifest field from a row
	AssociatedWith Relation = "wasAssociatedWith" // an execution with software
	AttributedTo   Relation = "wasAttributedTo"   // a config revision to a person
	InformedBy     Relation = "wasInformedBy"     // an attempt by its execution
)

// Node is a thing, a deed or somebody that a lineage names. Attributes are plain JSON values.
type Node struct {
	ID         string         `json:"id"`
	Kind       NodeKind       `json:"kind"`
	Label      string         `json:"label,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

// Edge says that From came of To.
type Edge struct {
	From     string   `json:"from"`
	Relation Relation `json:"relation"`
	To       string   `json:"to"`
}

// Lineage is what came of what. The zero value is empty and ready to use.
type Lineage struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`

	known map[string]int
	edges map[Edge]bool
}

// Add adds a node; one that is there already is left as it is.
func (l *Lineage) Add(n Node) {
	if l.known == nil {
		l.known = map[string]int{}
	}
	if _, there := l.known[n.ID]; there {
		return
	}
	l.known[n.ID] = len(l.Nodes)
	l.Nodes = append(l.Nodes, n)
}

// Link adds an edge once. Its nodes are added by the caller.
func (l *Lineage) Link(from string, r Relation, to string) {
	if l.edges == nil {
		l.edges = map[Edge]bool{}
	}
	e := Edge{From: from, Relation: r, To: to}
	if !l.edges[e] {
		l.edges[e] = true
		l.Edges = append(l.Edges, e)
	}
}

// Node finds a node by its id.
func (l *Lineage) Node(id string) (Node, bool) {
	i, ok := l.known[id]
	if !ok {
		return Node{}, false
	}
	return l.Nodes[i], true
}

// Sort puts nodes and edges into an order that depends on nothing but them.
func (l *Lineage) Sort() {
	slices.SortFunc(l.Nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	for i, n := range l.Nodes {
		l.known[n.ID] = i
	}
	slices.SortFunc(l.Edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Relation, b.Relation), cmp.Compare(a.To, b.To))
	})
}
