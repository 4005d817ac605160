package discovery

import "time"

const (
	maxReportedQueries = 50   // whose text is in a Report; the later ones are enrichments of more SBIDs
	maxReportedADQL    = 4096 // bytes of a query's text
	maxReportedNote    = 500  // bytes of a note
)

// Report says what the last discovery of a source did. The ledger keeps it as JSON in Source.Report.
type Report struct {
	At             time.Time     `json:"at"`
	Took           time.Duration `json:"took_ns"`
	Queries        []QueryReport `json:"queries"` // in the order in which they were asked
	SBIDs          []string      `json:"sbids,omitempty"`
	Datasets       int           `json:"datasets"`
	NotInSignature []string      `json:"not_in_signature,omitempty"` // excluded fields; columns that came after the rule, as query.column
	MissingColumns []string      `json:"missing_columns,omitempty"`  // of the rule and not in this answer, as query.column
}

// QueryReport is one query as it was asked.
type QueryReport struct {
	Name    string        `json:"name"`
	SBID    string        `json:"sbid,omitempty"` // of an enrichment
	Archive string        `json:"archive"`
	URL     string        `json:"url,omitempty"`    // of the archive
	Form    string        `json:"form,omitempty"`   // single, list or upload: how it was asked
	Shared  int           `json:"shared,omitempty"` // sources that the same request was about; 0 = only this one
	Mode    string        `json:"mode,omitempty"`   // sync or async
	Rows    int           `json:"rows"`             // as they came
	Foreign int           `json:"foreign"`          // of them those of other sources, taken away
	Older   int           `json:"older,omitempty"`  // of the source's own those that latest_by leaves out
	Strays  int           `json:"strays,omitempty"` // rows of the whole request that are no source's that was asked for
	Took    time.Duration `json:"took_ns"`
	ADQL    string        `json:"adql,omitempty"` // of a set: as it is for this source alone
	Note    string        `json:"note,omitempty"` // why it was not answered in a set before
}
