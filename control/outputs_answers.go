package control

import (
	"time"

	"beampipe/ledger"
)

// OutputQuery narrows a list of products.
type OutputQuery struct {
	Execution string `json:"execution,omitempty"` // an id or a part of one
	Withdrawn bool   `json:"withdrawn,omitempty"` // only those
	Limit     int    `json:"limit,omitempty"`
	After     string `json:"after,omitempty"` // the cursor that the page before gave
}

// OutputList is a page of products, of the newest execution first.
type OutputList struct {
	At       time.Time        `json:"at"`
	Products []ledger.Product `json:"products"`
	Next     string           `json:"next,omitempty"` // the cursor of the next page; "" = this is the last
}

// OutputSelection names products to be marked: those of an execution, those of everything that was made
// from an input, or single ones. Exactly one of the three is given.
type OutputSelection struct {
	Execution string        `json:"execution,omitempty"`
	Input     *ledger.Input `json:"input,omitempty"`
	Products  []string      `json:"products,omitempty"` // "sha256:" and a digest, a URI, or a path, each as Trace takes it
	Project   string        `json:"project,omitempty"`  // narrows Input; "" = all
	Reason    string        `json:"reason"`
	DryRun    bool          `json:"dry_run,omitempty"`
}

// OutputChanges says which products were marked, or would be.
type OutputChanges struct {
	At         time.Time        `json:"at"`
	Changed    int              `json:"changed"` // products that were marked now, or would be
	Already    int              `json:"already"` // products that were named and have the mark, or the lack of it, already
	Products   []ledger.Product `json:"products"`
	Executions []string         `json:"executions"`         // that made them
	Going      []string         `json:"going_on,omitempty"` // of the input, and not at their end: they may make more
	DryRun     bool             `json:"dry_run,omitempty"`
}
