package control

import (
	"time"

	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/provenance"
)

// TraceRequest asks what something came of (What), or what came of something (From). One of the two is given.
type TraceRequest struct {
	// What is an execution's id or a part of it, "sha256:" and a digest (of a product, a manifest, a graph),
	// or the URI or path of a product. A file is asked for by its digest.
	What string `json:"what,omitempty"`
	// Of narrows What to one value: a field of its manifest (a JSON pointer, or a dotted path such as
	// sources[0].ra_string) or of its graph (node.field).
	Of string `json:"of,omitempty"`
	// From is sbid:N, dataset:NAME or evaluation:FILE.
	From    string `json:"from,omitempty"`
	Project string `json:"project,omitempty"` // narrows From; "" = all
	Limit   int    `json:"limit,omitempty"`   // executions of From; 0 = 1000, which is the most
	Before  string `json:"before,omitempty"`  // the cursor of the next page of From
}

// TraceAnswer is a trace: the lineage, and what of it was asked for.
type TraceAnswer struct {
	At      time.Time           `json:"at"`
	What    string              `json:"what"`           // as it was asked
	Found   []string            `json:"found"`          // the nodes that it stands for
	Gaps    []string            `json:"gaps,omitempty"` // what is not known, and why
	Of      *FieldTrace         `json:"of,omitempty"`
	Runs    []TracedRun         `json:"runs"`           // the executions that take part, the newest first
	More    bool                `json:"more,omitempty"` // there are older ones
	Lineage *provenance.Lineage `json:"lineage"`
}

// TracedRun is an execution that takes part in a trace.
type TracedRun struct {
	Execution ledger.Execution `json:"execution"`
	Products  []ledger.Product `json:"products"`
	More      int              `json:"more_products,omitempty"` // that are not listed
}

// FieldTrace is how one value came about: the value, then step by step what it was made from.
type FieldTrace struct {
	Field     string      `json:"field"`
	Artifact  string      `json:"artifact"` // digest of the manifest or graph that has it
	Execution string      `json:"execution_id"`
	Value     any         `json:"value"`
	Steps     []FieldStep `json:"steps"`
}

// FieldStep is one step back from a value.
type FieldStep struct {
	Kind       string              `json:"kind"` // value, patch, expression, template, record_field, mapping, rows, query, source_graph, identifier, constant
	Text       string              `json:"text"` // one line for a person
	Value      any                 `json:"value,omitempty"`
	Place      *ConfigPlace        `json:"place,omitempty"`
	Transforms []string            `json:"transforms,omitempty"`
	Columns    []string            `json:"columns,omitempty"`
	Rows       []map[string]string `json:"rows,omitempty"`
	Query      *TracedQuery        `json:"query,omitempty"`
}

// ConfigPlace is where something stands in a revision of a project's config.
type ConfigPlace struct {
	Project  string `json:"project_module"`
	Revision int    `json:"revision"`
	configs.Place
}

// TracedQuery is a question to an archive.
type TracedQuery struct {
	Name     string    `json:"name"`
	Archive  string    `json:"archive"`
	URL      string    `json:"url,omitempty"`
	ADQL     string    `json:"adql,omitempty"`
	AskedAt  time.Time `json:"asked_at"`
	Restored bool      `json:"restored,omitempty"` // the text was made again from the config
}
