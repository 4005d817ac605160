package configs

// API versions of a project config.
const (
	APIVersion       = "beampipe.dev/v2"
	LegacyAPIVersion = "beampipe.dev/v1"
	Kind             = "ProjectConfig"
)

// Project is a project config. A Project that Load gave has every default filled in; an option that
// has no default is nil when absent. Numbers in free-form values (templates, patches) are json.Number.
type Project struct {
	APIVersion         string             `json:"apiVersion"`
	Kind               string             `json:"kind"`
	Metadata           Metadata           `json:"metadata"`
	Definitions        Definitions        `json:"definitions"`
	SourceIdentity     *SourceIdentity    `json:"source_identity,omitempty"`
	Adapters           Adapters           `json:"adapters"`
	Graph              *Graph             `json:"graph,omitempty"`
	Discovery          Discovery          `json:"discovery"`
	Manifest           *Manifest          `json:"manifest,omitempty"`
	GraphPatches       []GraphPatch       `json:"graph_patches,omitempty"`
	OutputVerification OutputVerification `json:"output_verification"`
	Automation         Automation         `json:"automation"`
	Extension          Extension          `json:"extension"`
}

// Metadata names the project. ID is the project's name everywhere else.
type Metadata struct {
	ID          string  `json:"id"`
	Description *string `json:"description,omitempty"`
}

// Definitions holds the named transforms: the only place they are defined.
type Definitions struct {
	Transforms map[string]Transform `json:"transforms,omitempty"`
}

// SourceIdentity says which variables a query template may use.
type SourceIdentity struct {
	Canonical    string                 `json:"canonical"`
	TemplateVars map[string]TemplateVar `json:"template_vars,omitempty"`
}

// TemplateVar is one variable: From nil or "canonical" is the source identifier, any other From is
// that literal text; Transform names a transform that is applied to it.
type TemplateVar struct {
	From      *string `json:"from,omitempty"`
	Transform *string `json:"transform,omitempty"`
}

// Adapters says which archives are asked, where they are and how patiently. See Project.AdapterURL.
type Adapters struct {
	Required     []string          `json:"required,omitempty"`
	CasdaTapURL  *string           `json:"casda_tap_url,omitempty"`
	VizierTapURL *string           `json:"vizier_tap_url,omitempty"`
	TapURL       map[string]string `json:"tap_url,omitempty"` // extension key: adapter name to TAP URL
	Tap          Tap               `json:"tap"`
	// Credentials, extension key, says by adapter name where what proves who asks is found.
	Credentials map[string]Credential `json:"credentials,omitempty"`
}

// Tap bounds one TAP question. FailOpen is accepted and never read: a failed query is a failure.
type Tap struct {
	TimeoutSeconds int  `json:"timeout_seconds"` // per attempt
	Retries        int  `json:"retries"`         // attempts after the first
	FailOpen       bool `json:"fail_open"`

	// Extension keys, nil when absent; the methods of the same name give their defaults. They hold for
	// each archive.
	MaxConcurrency    *int     `json:"max_concurrency,omitempty"`
	RequestsPerSecond *float64 `json:"requests_per_second,omitempty"`
	Mode              *string  `json:"mode,omitempty"` // ModeAuto, ModeSync or ModeAsync
	MaxWaitMinutes    *int     `json:"max_wait_minutes,omitempty"`
}

// Values of Graph.Manifest.
const (
	ManifestRequired = "required" // the graph must have an ingest node
	ManifestNone     = "none"     // the graph takes no manifest
)

// Graph says where the logical graph is and what it must be: exactly one of URL and Path is set.
type Graph struct {
	URL  *string `json:"url,omitempty"`
	Path *string `json:"path,omitempty"` // relative to the folder of the project file
	// SHA256 is the digest of the graph's bytes in lower-case hexadecimal. It is empty only in a v1
	// document: then the pin is taken when the project is added.
	SHA256   string `json:"sha256"`
	Manifest string `json:"manifest"` // extension key, ManifestRequired or ManifestNone
}

// Discovery says what is asked of the archives. The first query is the primary one, which drives
// everything; the others are asked once per source, Enrichments once per SBID.
type Discovery struct {
	Queries         []Query         `json:"queries,omitempty"`
	Enrichments     []Query         `json:"enrichments,omitempty"`
	PrepareMetadata PrepareMetadata `json:"prepare_metadata"`
}

// Query is one ADQL query template; see Query.ADQL.
type Query struct {
	Name     string `json:"name"`
	Adapter  string `json:"adapter"`
	Template string `json:"template"`
	// SourceIDTransform is the legacy way to make source_name when there is no source_identity.
	SourceIDTransform *string `json:"source_id_transform,omitempty"`
	// Key, extension key key_column, is the result column that holds exactly the value asked for (or
	// begins with it): the caller narrows the rows by it, so that an identifier with _ or % may stand in LIKE.
	Key *string `json:"key_column,omitempty"`
	// LatestBy, extension key latest_by, is a result column: of the rows that are a source's, only those
	// with its largest number there count. It is applied once the rows are dealt to their sources.
	LatestBy *string `json:"latest_by,omitempty"`
	// Batch, extension key, says how to ask for many sources at once, in order of preference. The last
	// resort is always Template, asked for one.
	Batch []BatchForm `json:"batch,omitempty"`
}

// PrepareMetadata says how rows become metadata records.
type PrepareMetadata struct {
	FieldMap       map[string]Mapping `json:"field_map,omitempty"`
	DiscoveryFlags map[string]Mapping `json:"discovery_flags,omitempty"`
	Signature      *Signature         `json:"signature,omitempty"`
	Coordinates    *Coordinates       `json:"coordinates,omitempty"` // extension key
	Evaluation     *Evaluation        `json:"evaluation,omitempty"`  // extension key
}

// Mapping takes a value from a column or a dotted path through a chain of named transforms, see
// Project.Map.
type Mapping struct {
	From      string   `json:"from"`
	Transform []string `json:"transform,omitempty"`
}

// Signature says what of a record shapes its signature.
type Signature struct {
	ExcludeFields         []string `json:"exclude_fields,omitempty"` // keys removed at every depth before hashing
	IncludeDiscoveryFlags bool     `json:"include_discovery_flags"`
}

// SignatureOptions gives the signature block, or what holds without one: nothing excluded, flags
// included. (The predecessor left the flags out without a block, and readiness stopped gating on them.)
func (m PrepareMetadata) SignatureOptions() Signature {
	if m.Signature == nil {
		return Signature{IncludeDiscoveryFlags: true}
	}
	return *m.Signature
}

// Values of Coordinates.RAFormat.
const (
	FormatDegrees = "degrees" // numeric degrees, turned into sexagesimal text
	FormatText    = "text"    // taken as it is
)

// Coordinates says which columns of which query give a record its position and velocity.
type Coordinates struct {
	Query    string            `json:"query"` // the query whose first row is read
	RA       string            `json:"ra"`
	Dec      string            `json:"dec"`
	Velocity []string          `json:"velocity,omitempty"` // the first column that has a value
	RAFormat string            `json:"ra_format"`          // of RA and Dec
	Targets  CoordinateTargets `json:"targets"`
}

// CoordinateTargets names the record fields that Coordinates fills.
type CoordinateTargets struct {
	RA       string `json:"ra"`
	Dec      string `json:"dec"`
	Velocity string `json:"velocity"`
}

// Evaluation says which enrichment finds the evaluation file of an SBID, and the record fields that
// it fills. Of its rows the largest with a qualifying name wins, see EvaluationRows.
type Evaluation struct {
	Enrichment string `json:"enrichment"`
	Filename   string `json:"filename"`   // record field for the file's name
	AccessURL  string `json:"access_url"` // record field for its access URL
	Prefix     string `json:"prefix"`     // how the file's name begins; {sbid} is replaced
	Required   bool   `json:"required"`   // a source without one fails
}

// Manifest says what a manifest looks like.
type Manifest struct {
	GroupBy         []string       `json:"group_by,omitempty"`
	SourceTemplate  map[string]any `json:"source_template,omitempty"`
	DatasetTemplate map[string]any `json:"dataset_template,omitempty"`
	ExpandFrom      *string        `json:"expand_from,omitempty"` // only "metadata" has an effect: DatasetTemplate is used
	Path            string         `json:"path"`                  // recorded with the artifact
}

// ExpandFromMetadata is the one value of Manifest.ExpandFrom that has an effect.
const ExpandFromMetadata = "metadata"

// ManifestOrDefault gives the manifest section, or what the predecessor builds without one: grouped
// by source, with ra_string, dec_string and vsys.
func (p *Project) ManifestOrDefault() Manifest {
	if p.Manifest != nil {
		return *p.Manifest
	}
	return Manifest{
		GroupBy: []string{"source_identifier"},
		SourceTemplate: map[string]any{
			"source_identifier": "{source_identifier}",
			"ra_string":         "{flags.ra_string}",
			"dec_string":        "{flags.dec_string}",
			"vsys":              "{flags.vsys}",
		},
		Path: defaultManifestPath,
	}
}

// GraphPatch sets fields of the graph's nodes that Match names. A value that is a text beginning
// with "$" is an Expression over the manifest.
type GraphPatch struct {
	Match Match          `json:"match"`
	Set   map[string]any `json:"set"`
}

// MatchNodeName is the one kind of Match: every node with exactly that name.
const MatchNodeName = "node_name"

// Match names graph nodes.
type Match struct {
	Kind   string `json:"kind"`
	Equals string `json:"equals"`
}

// OutputVerification holds a success back until the outputs are acknowledged.
type OutputVerification struct {
	Required        bool   `json:"required"`
	InventorySchema string `json:"inventory_schema"`
}

// Extension names WebAssembly hooks of the predecessor. They can be loaded and not run.
type Extension struct {
	WasmSHA256 *string  `json:"wasm_sha256,omitempty"`
	Hooks      []string `json:"hooks,omitempty"`
}
