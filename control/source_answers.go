package control

import (
	"time"

	"beampipe/ledger"
)

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

	Quarantined *bool `json:"quarantined,omitempty"`
	Missing     *bool `json:"missing,omitempty"`

	Limit int    `json:"limit,omitempty"` // of a page; 0 = as many as one holds, 10,000
	After string `json:"after,omitempty"` // the cursor: SourceList.Next of the page before
}

// SourceList is a page of sources.
type SourceList struct {
	At      time.Time       `json:"at"`
	Sources []ledger.Source `json:"sources"`
	More    bool            `json:"more"`
	Next    string          `json:"next,omitempty"` // where there are more: what their page is after
}

// SourceSelection names sources of a project to act on; All means every one that is not removed.
type SourceSelection struct {
	Project     string   `json:"project"`
	Identifiers []string `json:"identifiers"`
	All         bool     `json:"all,omitempty"`
	Reason      string   `json:"reason,omitempty"`
}

// CadenceRequest sets how often sources are asked about; StaleAfterHours nil is as their project says.
type CadenceRequest struct {
	SourceSelection
	StaleAfterHours *int `json:"stale_after_hours"`
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
	Excluded    []string          `json:"excluded,omitempty"`   // datasets that are kept out of runs, as "SBID dataset"
	SettledAt   *time.Time        `json:"settled_at,omitempty"` // while settling: when its data counts as settled, if it stays the same
	Missing     string            `json:"missing,omitempty"`    // how far what the archive no longer shows is from being taken as gone
	NotReady    []string          `json:"not_ready,omitempty"`
	Admission   string            `json:"admission"`
	Execution   *ledger.Execution `json:"execution,omitempty"` // the active one, else the last one
	NotInSigned []string          `json:"not_in_signature,omitempty"`
	Signed      []string          `json:"in_signature,omitempty"` // the record fields that entered the signature
	Next        []string          `json:"next"`
}
