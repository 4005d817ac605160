package control

import (
	"time"
)

// GraphRequest asks for a prepared graph: of a project's source in the ledger, or of files alone.
type GraphRequest struct {
	Project  string           `json:"project,omitempty"`
	Sources  []SelectedSource `json:"sources,omitempty"`
	Config   *ProjectFile     `json:"config,omitempty"`
	Graph    []byte           `json:"graph,omitempty"`
	Manifest []byte           `json:"manifest,omitempty"` // given instead of sources
}

// PreparedGraph is a manifest and the graph patched with it.
type PreparedGraph struct {
	At          time.Time     `json:"at"`
	Manifest    any           `json:"manifest"`
	Graph       []byte        `json:"-"`
	SHA256      string        `json:"graph_sha256"`
	SourceSHA   string        `json:"source_graph_sha256"`
	Datasets    int           `json:"datasets"`
	Changes     []GraphChange `json:"changes"`
	ManifestSHA string        `json:"manifest_sha256"`
}

// GraphDiffRequest compares two graphs: files, or an execution's patched graph with its source graph.
type GraphDiffRequest struct {
	Execution string `json:"execution,omitempty"`
	Before    []byte `json:"before,omitempty"`
	After     []byte `json:"after,omitempty"`
	Full      bool   `json:"full,omitempty"` // long values whole

	BeforeName string `json:"before_name,omitempty"` // of files, for errors
	AfterName  string `json:"after_name,omitempty"`
}

// GraphDifference is what differs between two graphs.
type GraphDifference struct {
	At      time.Time     `json:"at"`
	Changes []GraphChange `json:"changes"`
}

// GraphChange is one value of a graph that differs.
type GraphChange struct {
	Node   string `json:"node"`
	Field  string `json:"field"`
	Before string `json:"before"`
	After  string `json:"after"`
}
