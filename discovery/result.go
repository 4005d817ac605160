package discovery

import (
	"time"

	"beampipe/ledger"
)

// Result is what a tick did.
type Result struct {
	Project     string        `json:"project"`
	Began       time.Time     `json:"began"`
	Reason      string        `json:"reason"`  // why it stopped or did nothing: one of the Reason constants
	Claimed     int           `json:"claimed"` // sources
	Changed     int           `json:"changed"`
	Unchanged   int           `json:"unchanged"`
	NoData      int           `json:"no_data"`
	Missing     int           `json:"missing"`
	Gone        int           `json:"gone"` // data that was missing is accepted as gone
	Ambiguous   int           `json:"ambiguous"`
	Refused     int           `json:"refused"`     // asked, and the answer cannot be used
	Failed      int           `json:"failed"`      // could not be asked
	Quarantined int           `json:"quarantined"` // of the ambiguous and refused: set aside by this tick
	Lost        int           `json:"lost"`        // claims that were lost: nothing was stored for these
	Released    int           `json:"released"`    // claims given back because the tick was cut off
	Batches     int           `json:"batches"`
	Requests    int           `json:"requests"` // queries asked; a query's retries count with it
	Took        time.Duration `json:"took_ns"`
}

// counters are the numbers of a Result for the ledger.
func (r Result) counters() map[string]int {
	return map[string]int{
		"claimed": r.Claimed, "changed": r.Changed, "unchanged": r.Unchanged, "no_data": r.NoData, "missing": r.Missing,
		"gone": r.Gone, "ambiguous": r.Ambiguous, "refused": r.Refused, "failed": r.Failed, "quarantined": r.Quarantined,
		"lost": r.Lost, "released": r.Released, "batches": r.Batches, "requests": r.Requests, "took_ms": int(r.Took.Milliseconds()),
	}
}

// add counts a stored discovery.
func (r *Result) add(d ledger.Discovery) {
	switch d.Outcome {
	case ledger.OutcomeChanged:
		r.Changed++
	case ledger.OutcomeUnchanged:
		r.Unchanged++
	case ledger.OutcomeNoData:
		r.NoData++
	case ledger.OutcomeMissing:
		r.Missing++
	case ledger.OutcomeGone:
		r.Gone++
	case ledger.OutcomeAmbiguous:
		r.Ambiguous++
	case ledger.OutcomeRefused:
		r.Refused++
	default:
		r.Failed++
	}
	if quarantines(d) {
		r.Quarantined++
	}
}
