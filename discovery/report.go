package discovery

import "time"

const (
	maxReportedQueries = 50   // whose text is in a Report; the later ones are enrichments of more SBIDs
	maxReportedADQL    = 4096 // bytes of a query's text
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
	Rows    int           `json:"rows"`    // as they came
	Foreign int           `json:"foreign"` // of them those of other sources, taken away
	Took    time.Duration `json:"took_ns"`
	ADQL    string        `json:"adql,omitempty"`
}
