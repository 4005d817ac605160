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

// ExclusionQuery narrows the list of what is excluded in a project, which must be named.
type ExclusionQuery struct {
	Project string `json:"project"`
	SBID    string `json:"sbid,omitempty"`
	Limit   int    `json:"limit,omitempty"` // of a page; 0 = as many as one holds, 10,000
	After   string `json:"after,omitempty"` // the cursor: ExclusionList.Next of the page before
}

// ExclusionList is a page of what is excluded in a project.
type ExclusionList struct {
	At         time.Time          `json:"at"`
	Project    string             `json:"project"`
	Exclusions []ledger.Exclusion `json:"exclusions"`
	More       bool               `json:"more"`
	Next       string             `json:"next,omitempty"` // where there are more: what their page is after, as SBID/DATASET
}
