package control

import (
	"time"

	"beampipe/ledger"
	"beampipe/vo/tap"
)

// ArchiveRef names an archive: by its URL, or by the name that a project gives it. Project "" is none:
// then the names are those of public archives and of --archive NAME=URL.
type ArchiveRef struct {
	Archive string `json:"archive"`
	Project string `json:"project,omitempty"`
}

// ArchiveQuery is one query for an archive.
type ArchiveQuery struct {
	ArchiveRef
	ADQL    string          `json:"adql"`
	Async   bool            `json:"async,omitempty"`   // as a job, whatever the project says
	MaxRec  int             `json:"maxrec,omitempty"`  // rows at most; 0 = tap.DefaultMaxRec
	Uploads []ArchiveUpload `json:"uploads,omitempty"` // tables that the query names TAP_UPLOAD.NAME
}

// ArchiveUpload is a table that goes with a query: the bytes of a VOTable, or of CSV with a header line.
type ArchiveUpload struct {
	Name     string `json:"name"`
	FileName string `json:"file_name"`
	Content  []byte `json:"content"`
}

// ArchiveAnswer says what an archive answered, beside the rows.
type ArchiveAnswer struct {
	At       time.Time     `json:"at"`
	Archive  string        `json:"archive"`
	URL      string        `json:"url"`
	Rows     int           `json:"rows"`
	Columns  int           `json:"columns"`
	Overflow bool          `json:"overflow"` // the archive cut the answer: there are more rows
	Requests int64         `json:"requests"`
	Took     time.Duration `json:"took_ns"`
}

// ArchiveCapabilities is what an archive says about itself.
type ArchiveCapabilities struct {
	At          time.Time  `json:"at"`
	Archive     string     `json:"archive"`
	URL         string     `json:"url"`
	Available   bool       `json:"available"`
	Unavailable string     `json:"unavailable,omitempty"` // why, in the archive's words where it has some
	Limits      tap.Limits `json:"limits"`
	Document    string     `json:"document"` // the capabilities as the archive sent them
}

// ArchiveTables is the tables that an archive says it has, in its order.
type ArchiveTables struct {
	At      time.Time         `json:"at"`
	Archive string            `json:"archive"`
	URL     string            `json:"url"`
	Tables  []tap.SchemaTable `json:"tables"`
}

// ArchiveJobs is the jobs of an archive: those that it shows us, and those that the ledger keeps.
type ArchiveJobs struct {
	At       time.Time           `json:"at"`
	Archive  string              `json:"archive"`
	URL      string              `json:"url"`
	Jobs     []ArchiveJob        `json:"jobs"`
	Unlisted string              `json:"unlisted,omitempty"` // why the archive shows none
	Kept     []ledger.ArchiveJob `json:"kept"`
	Aborted  string              `json:"aborted,omitempty"` // URL of the job that was stopped
}

// ArchiveJob is a job as the archive lists it.
type ArchiveJob struct {
	ID      string     `json:"id"`
	URL     string     `json:"url"`
	Phase   string     `json:"phase"`
	RunID   string     `json:"run_id,omitempty"`
	Created *time.Time `json:"created_at,omitempty"`
	Kept    bool       `json:"kept"` // in the ledger
}
