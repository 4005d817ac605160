package control

import (
	"time"

	"beampipe/ledger"
	"beampipe/provenance"
)

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

// ExecutionQuery narrows a list of executions; all of it may be combined. Ids may be given in part. Since
// and Until are by the time at which executions were made: a time, in UTC where it has no zone, or an age
// such as 90m, 24h, 7d; until does not include it.
type ExecutionQuery struct {
	Project string         `json:"project,omitempty"`
	Source  string         `json:"source,omitempty"`
	States  []ledger.State `json:"states,omitempty"`
	Target  string         `json:"target,omitempty"`
	Profile string         `json:"profile,omitempty"`
	Class   ledger.Class   `json:"failure_class,omitempty"`
	Held    *bool          `json:"held,omitempty"`
	RerunOf string         `json:"rerun_of,omitempty"`
	Input   *ledger.Input  `json:"input,omitempty"` // made from this SBID, dataset or evaluation file
	Since   string         `json:"since,omitempty"`
	Until   string         `json:"until,omitempty"`
	Limit   int            `json:"limit,omitempty"` // of a page; 0 = as many as one holds, 10,000
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
	Products     int                  `json:"products"`
	Withdrawn    int                  `json:"withdrawn_products,omitempty"` // of them
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
