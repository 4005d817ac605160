package control

import (
	"time"

	"beampipe/configs"
	"beampipe/discovery"
	"beampipe/ledger"
)

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
	Cost      ExplainCost     `json:"cost"`
}

// ExplainCost estimates the requests of discovering so many sources, each with data in one SBID.
type ExplainCost struct {
	Sources int                   `json:"sources"`
	From    string                `json:"from"` // where that number comes from
	Queries []discovery.QueryCost `json:"queries"`
	Single  int                   `json:"single"` // requests when each source is asked about alone
	Set     int                   `json:"set"`    // requests as the config says
}

// ExplainQuery is one query as it would be sent.
type ExplainQuery struct {
	Name    string `json:"name"`
	Role    string `json:"role"` // primary, per source, per SBID
	Archive string `json:"archive"`
	URL     string `json:"url"`
	ADQL    string `json:"adql"`
	Rows    string `json:"rows,omitempty"` // which rows of the answer count, where not all do
	Error   string `json:"error,omitempty"`

	Forms []discovery.ExplainedForm `json:"forms,omitempty"` // how many sources are asked about at once
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
	At       time.Time   `json:"at"`
	Project  string      `json:"project"`
	Revision int         `json:"active_revision"`
	Same     bool        `json:"same"`
	Changes  []ValueDiff `json:"changes"`
	// What the file would mean for the sources, if it became active; nil where nothing differs.
	Impact   *discovery.Impact `json:"impact,omitempty"`
	Warnings []Diagnostic      `json:"warnings,omitempty"` // signature_changed, field_map_changed, definitions_changed, in_flight_config_pins
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
	Paused   *ledger.Pause   `json:"paused,omitempty"` // no tick of any of them runs before the ledger is adopted
	Projects []ProjectStatus `json:"projects"`
}

// ProjectDetail is one project with its revisions.
type ProjectDetail struct {
	ProjectStatus
	Config    ledger.Config   `json:"config"`
	Revisions []ledger.Config `json:"revisions"`
	File      string          `json:"file"` // the YAML as it was added
}
