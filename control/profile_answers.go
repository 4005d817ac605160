package control

import (
	"time"

	"beampipe/ledger"
)

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
