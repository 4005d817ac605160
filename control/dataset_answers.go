package control

import (
	"time"

	"beampipe/ledger"
)

// DatasetSelection names data of a project: SBIDs, or datasets in them, in Items or in a File of lines
// "SBID" or "SBID dataset" (blank, comma or tab between; # begins a comment).
type DatasetSelection struct {
	Project  string    `json:"project"`
	Items    []Dataset `json:"items,omitempty"`
	FileName string    `json:"file_name,omitempty"`
	File     []byte    `json:"file,omitempty"`
	Reason   string    `json:"reason"`
}

// Dataset is one dataset of an SBID; Dataset "" is the whole SBID.
type Dataset struct {
	SBID    string `json:"sbid"`
	Dataset string `json:"dataset,omitempty"`
}

// DatasetChanges says what an exclusion, or the end of one, did.
type DatasetChanges struct {
	At      time.Time `json:"at"`
	Project string    `json:"project"`
	Named   int       `json:"named"`
	Changed int       `json:"changed"`
	Unknown []string  `json:"unknown_sbids,omitempty"` // no source of the project has these now
}

// ExclusionList is what is excluded in a project.
type ExclusionList struct {
	At         time.Time          `json:"at"`
	Project    string             `json:"project"`
	Exclusions []ledger.Exclusion `json:"exclusions"`
}
