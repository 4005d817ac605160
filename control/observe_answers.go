package control

import (
	"time"

	"beampipe/ledger"
	"beampipe/provenance"
)

// TimelineRequest asks for the events of an execution, of a source of a project, of a project, or of all.
type TimelineRequest struct {
	Execution string `json:"execution,omitempty"`
	Project   string `json:"project,omitempty"`
	Source    string `json:"source,omitempty"`
	Ledger    bool   `json:"ledger,omitempty"` // what concerns the ledger as a whole, and nothing else
	Type      string `json:"event_type,omitempty"`
	Limit     int    `json:"limit,omitempty"`  // the last ones; 0 = as many as one answer holds
	Before    int64  `json:"before,omitempty"` // those before the event with this number: the cursor of a page
}

// Timeline is events in the order in which they happened.
type Timeline struct {
	At     time.Time          `json:"at"`
	Title  string             `json:"title"`
	Events []provenance.Event `json:"events"`
	More   bool               `json:"more"` // earlier ones, before the first of these
}

// Health is what the daemon last reported, and whether one runs.
type Health struct {
	At       time.Time         `json:"at"`
	Ledger   string            `json:"ledger"`
	Bytes    int64             `json:"bytes"`
	WALBytes int64             `json:"wal_bytes"`
	Events   int64             `json:"events"`
	Running  bool              `json:"running"`  // a daemon works on this ledger now
	Daemon   string            `json:"daemon"`   // the same for people, with its process or the last tick
	Problems []ledger.Problem  `json:"problems"` // without a daemon: as the last one left them
	Ticks    []ledger.Schedule `json:"ticks"`
}
