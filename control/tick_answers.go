package control

import (
	"time"

	"beampipe/ledger"
)

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
	Gone      int           `json:"gone"`
	Refused   int           `json:"refused"` // asked, and the answer cannot be used
	Failed    int           `json:"failed"`  // could not be asked
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

// TickQuery narrows the history of ticks.
type TickQuery struct {
	Project string `json:"project,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Limit   int    `json:"limit,omitempty"`  // of a page; 0 = as many as one holds, 10,000
	Before  int64  `json:"before,omitempty"` // ticks before this number: the cursor of a page
}

// TickList is the ticks that did something, the newest first, and where each kind stands now.
type TickList struct {
	At    time.Time         `json:"at"`
	Ticks []ledger.TickRun  `json:"ticks"`
	More  bool              `json:"more"`
	Now   []ledger.Schedule `json:"now"`
}

// TickDetail is one tick with what it concluded about each source.
type TickDetail struct {
	At   time.Time      `json:"at"`
	Tick ledger.TickRun `json:"tick"`
}
