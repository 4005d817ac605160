// Package control is everything that an operator can do or ask, as one Go interface with plain
// requests and answers. The command line prints what it answers; the HTTP API will serve it.
package control

import (
	"context"
	"io"
	"time"

	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/provenance"
)

// Control is implemented by Local (on a ledger file). Every answer carries the time at which it was
// made, so that ages are computed from the answer and not from the reader's clock. Reasons and the
// actor are recorded with what they change.
type Control interface {
	Projects
	Profiles
	Sources
	Executions
	Ticks
	Graphs
	Timeline(ctx context.Context, q TimelineRequest) (Timeline, error)
	Health(ctx context.Context) (Health, error)
}

// Projects is what can be done with survey configs.
type Projects interface {
	ValidateProject(ctx context.Context, f ProjectFile) (ProjectReport, error)
	AddProject(ctx context.Context, f ProjectFile) (ProjectAdded, error)
	ExplainProject(ctx context.Context, q ExplainRequest) (Explanation, error)
	DiffProject(ctx context.Context, f ProjectFile) (ProjectDiff, error)
	UpgradeProject(ctx context.Context, f ProjectFile) (Upgrade, error)
	StartProject(ctx context.Context, project, reason string) (ProjectStatus, error)
	PauseProject(ctx context.Context, project, reason string) (ProjectStatus, error)
	ListProjects(ctx context.Context) (ProjectList, error)
	ShowProject(ctx context.Context, project string) (ProjectDetail, error)
}

// Profiles is what can be done with deployment profiles.
type Profiles interface {
	AddProfile(ctx context.Context, f ProfileFile) (ProfileAdded, error)
	ValidateProfile(ctx context.Context, f ProfileFile) (ProfileReport, error)
	RenderProfile(ctx context.Context, name string) (ProfileRendered, error)
	ListProfiles(ctx context.Context) (ProfileList, error)
	ShowProfile(ctx context.Context, name string) (ProfileDetail, error)
}

// Sources is what can be done with registered sky objects.
type Sources interface {
	AddSources(ctx context.Context, project string, identifiers []string) (ImportReport, error)
	ImportSources(ctx context.Context, q ImportRequest) (ImportReport, error)
	ListSources(ctx context.Context, q SourceQuery) (SourceList, error)
	ShowSource(ctx context.Context, project, identifier string) (SourceDetail, error)
	WhySource(ctx context.Context, project, identifier string) (SourceWhy, error)
	DiscoverSources(ctx context.Context, q SourceSelection) (DiscoverReport, error)
	EnableSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
	DisableSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
	RemoveSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
	BaselineSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
}

// Executions is what can be done with runs. An id may be given in part.
type Executions interface {
	CreateExecution(ctx context.Context, q CreateRequest) (Created, error)
	ListExecutions(ctx context.Context, q ExecutionQuery) (ExecutionList, error)
	ShowExecution(ctx context.Context, id string) (ExecutionDetail, error)
	WhyExecution(ctx context.Context, id string) (ExecutionWhy, error)
	HoldExecution(ctx context.Context, id, reason string) (ExecutionChange, error)
	ReleaseExecution(ctx context.Context, id, reason string) (ExecutionChange, error)
	CancelExecution(ctx context.Context, id, reason string, requeue bool) (ExecutionChange, error)
	RetryExecution(ctx context.Context, id, reason string) (ExecutionChange, error)
	// Artifact copies an execution's newest artifact of a kind (manifest, patched_graph, products).
	Artifact(ctx context.Context, id, kind string, w io.Writer) error
}

// Ticks runs one tick by hand, beside a daemon or without one. Project "" means all of them.
type Ticks interface {
	TickDiscovery(ctx context.Context, project string) (DiscoveryTicks, error)
	TickExecution(ctx context.Context, project string, hold bool) (ExecutionTicks, error)
	TickPoll(ctx context.Context) (PollTick, error)
}

// Graphs prepares and compares graphs without running them.
type Graphs interface {
	PrepareGraph(ctx context.Context, q GraphRequest) (PreparedGraph, error)
	DiffGraph(ctx context.Context, q GraphDiffRequest) (GraphDifference, error)
}

// ProjectFile is a project YAML as the operator gave it. Folder is what relative paths in it refer to.
type ProjectFile struct {
	Name      string `json:"name"` // for messages
	Folder    string `json:"folder"`
	Content   []byte `json:"content"`
	GraphName string `json:"graph_name,omitempty"` // --graph FILE
	Graph     []byte `json:"graph,omitempty"`      // its content; nil = take graph.path or graph.url
}

// ProjectReport is the answer to validate.
type ProjectReport struct {
	At     time.Time      `json:"at"`
	File   string         `json:"file"`
	Report configs.Report `json:"report"`
	// What cannot run as it is, although it loads.
	RefusedDiscovery []configs.Diagnostic `json:"refused_discovery,omitempty"`
	RefusedExecution []configs.Diagnostic `json:"refused_execution,omitempty"`
}

// ProjectAdded says what became of a config.
type ProjectAdded struct {
	At          time.Time            `json:"at"`
	Project     string               `json:"project"`
	Revision    int                  `json:"revision"`
	Added       bool                 `json:"added"` // false: it is the active one already
	Digest      string               `json:"spec_sha256"`
	GraphSHA256 string               `json:"graph_sha256,omitempty"`
	GraphOrigin string               `json:"graph_origin,omitempty"`
	GraphNodes  int                  `json:"graph_nodes,omitempty"`
	GraphPinned bool                 `json:"graph_pinned"` // false: the pin was taken from the bytes
	Admitting   bool                 `json:"admitting"`
	Warnings    []configs.Diagnostic `json:"warnings,omitempty"`
	Next        []string             `json:"next"` // commands to try next
}

// ExplainRequest asks what a config would do. Either a project of the ledger or a file is given.
type ExplainRequest struct {
	Project string       `json:"project,omitempty"`
	File    *ProjectFile `json:"file,omitempty"`
	Source  string       `json:"source,omitempty"` // an identifier to fill the queries with
}

// Explanation tells in plain words and with real queries what a config does.
type Explanation struct {
	At        time.Time       `json:"at"`
	Project   string          `json:"project"`
	Source    string          `json:"source"`
	Queries   []ExplainQuery  `json:"queries"`
	Signature ExplainSign     `json:"signature"`
	Limits    []ExplainLimit  `json:"limits"`
	Schedules []ExplainLimit  `json:"schedules"`
	Graph     string          `json:"graph"`
	Patches   []ExplainPatch  `json:"patches,omitempty"`
	Refused   []string        `json:"refused,omitempty"`
	Fields    []ExplainFields `json:"fields"`
}

// ExplainQuery is one query as it would be sent.
type ExplainQuery struct {
	Name    string `json:"name"`
	Role    string `json:"role"` // primary, per source, per SBID
	Archive string `json:"archive"`
	URL     string `json:"url"`
	ADQL    string `json:"adql"`
	Error   string `json:"error,omitempty"`
}

// ExplainSign is what enters the signature and what does not.
type ExplainSign struct {
	Excluded []string `json:"excluded"`
	Flags    bool     `json:"discovery_flags"`
}

// ExplainLimit is a value with where it comes from.
type ExplainLimit struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"` // the config's key, an environment variable, or "default"
}

// ExplainPatch is one graph patch.
type ExplainPatch struct {
	Node  string `json:"node"`
	Field string `json:"field"`
	Value string `json:"value"`
}

// ExplainFields is one mapped field.
type ExplainFields struct {
	Target    string   `json:"target"`
	From      string   `json:"from"`
	Transform []string `json:"transform,omitempty"`
}

// ProjectDiff compares a file with the active revision.
type ProjectDiff struct {
	At       time.Time    `json:"at"`
	Project  string       `json:"project"`
	Revision int          `json:"active_revision"`
	Same     bool         `json:"same"`
	Changes  []ValueDiff  `json:"changes"`
	Warnings []Diagnostic `json:"warnings,omitempty"` // signature_changed, field_map_changed, definitions_changed, in_flight_config_pins
}

// Diagnostic is configs' own.
type Diagnostic = configs.Diagnostic

// ValueDiff is one value that differs.
type ValueDiff struct {
	Path   string `json:"path"`
	Before string `json:"before,omitempty"` // JSON; empty where the key is absent
	After  string `json:"after,omitempty"`
}

// Upgrade is the v2 form of a v1 file.
type Upgrade struct {
	File    string   `json:"file"`
	Content string   `json:"content"`
	Changes []string `json:"changes"`
}

// ProjectStatus is one project in a list.
type ProjectStatus struct {
	At time.Time `json:"at"`
	ledger.Project
	Description   string               `json:"description,omitempty"`
	Digest        string               `json:"spec_sha256"`
	Sources       int                  `json:"sources"`
	Pending       int                  `json:"pending"`
	OldestPending *time.Time           `json:"oldest_pending_at,omitempty"`
	Executions    map[ledger.State]int `json:"executions"`
	Ticks         []ledger.Schedule    `json:"ticks,omitempty"`
	Outcomes      map[string]int       `json:"outcomes"` // sources by last outcome; "" = never asked
}

// ProjectList is all projects.
type ProjectList struct {
	At       time.Time       `json:"at"`
	Projects []ProjectStatus `json:"projects"`
}

// ProjectDetail is one project with its revisions.
type ProjectDetail struct {
	ProjectStatus
	Config    ledger.Config   `json:"config"`
	Revisions []ledger.Config `json:"revisions"`
	File      string          `json:"file"` // the YAML as it was added
}

// ProfileFile is a profile JSON as the operator gave it.
type ProfileFile struct {
	Name    string `json:"name"`
	Content []byte `json:"content"`
}

// ProfileAdded says what became of a profile.
type ProfileAdded struct {
	At        time.Time `json:"at"`
	Name      string    `json:"name"`
	Revision  int       `json:"revision"`
	Added     bool      `json:"added"`
	Digest    string    `json:"spec_sha256"`
	IsDefault bool      `json:"is_default"`
	Project   string    `json:"project_module,omitempty"`
	Target    string    `json:"target"`
	Warnings  []string  `json:"warnings,omitempty"` // what this build cannot submit to
}

// ProfileReport is the answer to validate.
type ProfileReport struct {
	At       time.Time `json:"at"`
	File     string    `json:"file"`
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`
	Digest   string    `json:"spec_sha256"`
	Warnings []string  `json:"warnings,omitempty"`
}

// ProfileRendered is a profile as it will be used.
type ProfileRendered struct {
	At   time.Time `json:"at"`
	Name string    `json:"name"`
	Text string    `json:"text"`
}

// ProfileStatus is one profile in a list.
type ProfileStatus struct {
	ledger.Profile
	Kind          string `json:"kind"`
	Target        string `json:"target"`
	InFlight      int    `json:"in_flight"`
	MaxConcurrent *int   `json:"max_concurrent_executions,omitempty"`
	Unsupported   string `json:"unsupported,omitempty"`
}

// ProfileList is all profiles.
type ProfileList struct {
	At       time.Time       `json:"at"`
	Profiles []ProfileStatus `json:"profiles"`
}

// ProfileDetail is one profile with its content.
type ProfileDetail struct {
	At time.Time `json:"at"`
	ProfileStatus
	Spec any `json:"spec"`
}

// ImportRequest registers sources from a document: plain lines, CSV or VOTable (told by its content).
type ImportRequest struct {
	Project string `json:"project"`
	Name    string `json:"name"`             // the file's name, for messages
	Column  string `json:"column,omitempty"` // of CSV or VOTable; "" = the only one, or source_identifier, identifier, source, name
	Content []byte `json:"content"`
}

// ImportReport says what became of each identifier.
type ImportReport struct {
	At       time.Time    `json:"at"`
	Project  string       `json:"project"`
	Added    int          `json:"added"`
	Known    int          `json:"known"`
	Refused  []RefusedID  `json:"refused,omitempty"`
	Prefixes []PrefixPair `json:"prefix_pairs,omitempty"`
}

// RefusedID is an identifier that was not registered.
type RefusedID struct {
	Line       int    `json:"line"`
	Identifier string `json:"identifier"`
	Reason     string `json:"reason"`
}

// PrefixPair is two identifiers of which one begins with the other: an archive query with LIKE mixes them.
type PrefixPair struct {
	Short string `json:"short"`
	Long  string `json:"long"`
}

// SourceQuery narrows a list of sources.
type SourceQuery struct {
	Project string `json:"project,omitempty"`
	Prefix  string `json:"prefix,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	Pending *bool  `json:"pending,omitempty"`
	Enabled *bool  `json:"enabled,omitempty"`
	Removed bool   `json:"removed,omitempty"`
	Limit   int    `json:"limit,omitempty"`
	After   string `json:"after,omitempty"`
}

// SourceList is a page of sources.
type SourceList struct {
	At      time.Time       `json:"at"`
	Sources []ledger.Source `json:"sources"`
	More    bool            `json:"more"`
}

// SourceSelection names sources of a project to act on; All means every one that is not removed.
type SourceSelection struct {
	Project     string   `json:"project"`
	Identifiers []string `json:"identifiers"`
	All         bool     `json:"all,omitempty"`
	Reason      string   `json:"reason,omitempty"`
}

// SourceChanges says what an action on sources did.
type SourceChanges struct {
	At      time.Time   `json:"at"`
	Project string      `json:"project"`
	Changed []string    `json:"changed"`
	Same    []string    `json:"unchanged"`
	Refused []RefusedID `json:"refused,omitempty"`
}

// DiscoverReport is a discovery by hand of chosen sources.
type DiscoverReport struct {
	At      time.Time       `json:"at"`
	Tick    DiscoveryTick   `json:"tick"`
	Sources []ledger.Source `json:"sources"`
}

// SourceDetail is one source with what is known of it.
type SourceDetail struct {
	At         time.Time          `json:"at"`
	Source     ledger.Source      `json:"source"`
	Metadata   []ledger.Metadata  `json:"metadata"`
	Executions []ledger.Execution `json:"executions"`
	Changes    []ledger.ChangeSet `json:"changes"`
}

// SourceWhy explains a source's state.
type SourceWhy struct {
	At          time.Time         `json:"at"`
	Source      ledger.Source     `json:"source"`
	State       string            `json:"state"`               // one word: pending, running, up to date, never asked, …
	Sentence    string            `json:"sentence"`            // and why
	Discovery   any               `json:"discovery,omitempty"` // the last discovery's report
	LastChange  *ledger.ChangeSet `json:"last_change,omitempty"`
	Datasets    int               `json:"datasets"`
	SBIDs       []string          `json:"sbids"`
	NotReady    []string          `json:"not_ready,omitempty"`
	Admission   string            `json:"admission"`
	Execution   *ledger.Execution `json:"execution,omitempty"` // the active one, else the last one
	NotInSigned []string          `json:"not_in_signature,omitempty"`
	Next        []string          `json:"next"`
}

// CreateRequest makes an execution by hand.
type CreateRequest struct {
	Project string           `json:"project"`
	Sources []SelectedSource `json:"sources"`
	Profile string           `json:"profile,omitempty"`
	Hold    bool             `json:"hold,omitempty"` // hold when ready
	DryRun  bool             `json:"dry_run,omitempty"`
	Reason  string           `json:"reason,omitempty"`
}

// SelectedSource is a source with the SBIDs to use; none = all that are known.
type SelectedSource struct {
	Identifier string   `json:"source_identifier"`
	SBIDs      []string `json:"sbids,omitempty"`
}

// Created is the plan of an execution, and the execution unless it was a dry run.
type Created struct {
	At        time.Time         `json:"at"`
	Plan      any               `json:"plan"` // execution.Plan
	Execution *ledger.Execution `json:"execution,omitempty"`
}

// ExecutionQuery narrows a list of executions.
type ExecutionQuery struct {
	Project string         `json:"project,omitempty"`
	Source  string         `json:"source,omitempty"`
	States  []ledger.State `json:"states,omitempty"`
	Held    *bool          `json:"held,omitempty"`
	Limit   int            `json:"limit,omitempty"`
	Before  string         `json:"before,omitempty"`
}

// ExecutionList is a page of executions, the newest first.
type ExecutionList struct {
	At         time.Time            `json:"at"`
	Executions []ledger.Execution   `json:"executions"`
	Counts     map[ledger.State]int `json:"counts"`
	More       bool                 `json:"more"`
}

// ExecutionDetail is all that is known of an execution.
type ExecutionDetail struct {
	At           time.Time            `json:"at"`
	Execution    ledger.Execution     `json:"execution"`
	RunRecord    any                  `json:"beampipe_run_record,omitempty"`
	Artifacts    []ledger.Artifact    `json:"artifacts"`
	Observations []ledger.Observation `json:"observations"`
}

// ExecutionWhy is one screen in the order in which one debugs: readiness, figures, events, run record,
// and the next command to try.
type ExecutionWhy struct {
	At        time.Time          `json:"at"`
	Execution ledger.Execution   `json:"execution"`
	Sentence  string             `json:"sentence"`
	Readiness []SourceReadiness  `json:"readiness"`
	Figures   []ExplainLimit     `json:"figures"`
	Events    []provenance.Event `json:"events"` // the last ones, oldest first
	RunRecord any                `json:"beampipe_run_record,omitempty"`
	Failed    []FailedDrop       `json:"failed_drops,omitempty"`
	Next      []string           `json:"next"`
}

// FailedDrop is an application that failed, with the end of its log.
type FailedDrop struct {
	OID    string `json:"oid"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
	Log    string `json:"log,omitempty"`
}

// SourceReadiness says whether a source of an execution could run now.
type SourceReadiness struct {
	Identifier string   `json:"source_identifier"`
	Current    bool     `json:"current"` // its signature is still the pinned one
	NotReady   []string `json:"not_ready,omitempty"`
}

// ExecutionChange is an execution after an action.
type ExecutionChange struct {
	At        time.Time        `json:"at"`
	Execution ledger.Execution `json:"execution"`
	Changed   bool             `json:"changed"`
	Sentence  string           `json:"sentence"`
}

// DiscoveryTick is what one project's discovery tick did.
type DiscoveryTick struct {
	Project   string        `json:"project"`
	Reason    string        `json:"reason"`
	Claimed   int           `json:"claimed"`
	Changed   int           `json:"changed"`
	Unchanged int           `json:"unchanged"`
	NoData    int           `json:"no_data"`
	Missing   int           `json:"missing"`
	Ambiguous int           `json:"ambiguous"`
	Failed    int           `json:"failed"`
	Requests  int           `json:"requests"`
	Took      time.Duration `json:"took_ns"`
	Error     string        `json:"error,omitempty"`
}

// DiscoveryTicks is a discovery tick over projects.
type DiscoveryTicks struct {
	At    time.Time       `json:"at"`
	Ticks []DiscoveryTick `json:"ticks"`
}

// ExecutionTick is what one project's execution tick admitted.
type ExecutionTick struct {
	Project    string        `json:"project"`
	Reason     string        `json:"reason"`
	Executions []string      `json:"executions"`
	Skipped    []SkippedItem `json:"skipped,omitempty"`
	Error      string        `json:"error,omitempty"`
}

// SkippedItem is a source that was not admitted, and why.
type SkippedItem struct {
	Source string `json:"source_identifier"`
	Reason string `json:"reason"`
}

// ExecutionTicks is an execution tick over projects, and what was done for executions after it.
type ExecutionTicks struct {
	At    time.Time       `json:"at"`
	Ticks []ExecutionTick `json:"ticks"`
	Steps int             `json:"steps"` // preparations, submissions and retries that were carried out
}

// PollTick is what one poll found.
type PollTick struct {
	At      time.Time `json:"at"`
	Asked   int       `json:"asked"`
	Moved   int       `json:"moved"`
	Targets int       `json:"targets"`
	Errors  []string  `json:"errors,omitempty"`
}

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

// TimelineRequest asks for the events of an execution, a source or a project.
type TimelineRequest struct {
	Execution string `json:"execution,omitempty"`
	Project   string `json:"project,omitempty"`
	Source    string `json:"source,omitempty"`
	Limit     int    `json:"limit,omitempty"`
}

// Timeline is events in the order in which they happened.
type Timeline struct {
	At     time.Time          `json:"at"`
	Title  string             `json:"title"`
	Events []provenance.Event `json:"events"`
}

// Health is what the daemon last reported, and whether one runs.
type Health struct {
	At       time.Time         `json:"at"`
	Ledger   string            `json:"ledger"`
	Bytes    int64             `json:"bytes"`
	WALBytes int64             `json:"wal_bytes"`
	Events   int64             `json:"events"`
	Daemon   string            `json:"daemon"` // "running (last tick …)", "not seen since …", "never seen"
	Problems []ledger.Problem  `json:"problems"`
	Ticks    []ledger.Schedule `json:"ticks"`
}
