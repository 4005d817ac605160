package discovery

import (
	"beampipe/ledger"
)

// ReviewRow is what is known of one source under one SBID. A source without any has one row without SBID.
type ReviewRow struct {
	Source   string         `json:"source_identifier"`
	SBID     string         `json:"sbid,omitempty"`
	Datasets int            `json:"datasets"` // the excluded ones too
	Excluded int            `json:"excluded,omitempty"`
	Flags    map[string]any `json:"discovery_flags,omitempty"`
	Missing  bool           `json:"missing,omitempty"` // the archive no longer shows the SBID
	Ready    bool           `json:"ready"`             // this SBID alone could be executed
	Outcome  string         `json:"outcome,omitempty"` // of the source's last discovery; "" = never asked
	Why      string         `json:"why,omitempty"`     // the first reason why it is not ready
}

// sourcePage is how many sources are read at a time where all of a project are looked at.
const sourcePage = 500

// maxWhy bounds the text of a reason in a table, in bytes.
const maxWhy = 200

// Review gives an operator's first look at a survey: a row for each source and SBID, by both. Removed
// sources are left out.
func Review(v ledger.View, project string) ([]ReviewRow, error) {
	if _, err := v.Project(project); err != nil {
		return nil, err
	}
	rows := []ReviewRow{}
	err := eachSource(v, ledger.SourceFilter{Project: project}, func(s ledger.Source) error {
		known, err := v.Metadata(s.ID)
		if err != nil {
			return err
		}
		for _, m := range known {
			rows = append(rows, reviewRow(s, known, m))
		}
		if len(known) == 0 {
			rows = append(rows, ReviewRow{Source: s.Identifier, Outcome: s.LastOutcome, Why: unknownWhy(s)})
		}
		return nil
	})
	return rows, err
}

func reviewRow(s ledger.Source, known []ledger.Metadata, m ledger.Metadata) ReviewRow {
	row := ReviewRow{
		Source: s.Identifier, SBID: m.SBID, Datasets: len(m.Records), Excluded: len(m.Records) - len(m.Usable()),
		Flags: m.Flags, Missing: m.MissingSince != nil, Outcome: s.LastOutcome,
	}
	reasons := Ready(s, known, []string{m.SBID})
	if row.Ready = len(reasons) == 0; !row.Ready {
		row.Why = ledger.Excerpt(reasons[0], maxWhy)
	}
	return row
}

// unknownWhy says why nothing is known of a source.
func unknownWhy(s ledger.Source) string {
	if s.LastError != "" {
		return ledger.Excerpt(s.LastError, maxWhy)
	}
	return ledger.Excerpt(Ready(s, nil, nil)[0], maxWhy)
}

// eachSource calls fn with the sources of one project that a filter lets through, by identifier, a page
// at a time.
func eachSource(v ledger.View, f ledger.SourceFilter, fn func(s ledger.Source) error) error {
	for f.Limit = sourcePage; ; {
		page, err := v.Sources(f)
		if err != nil {
			return err
		}
		for _, s := range page {
			if err := fn(s); err != nil {
				return err
			}
			f.After = s.Identifier
		}
		if len(page) < sourcePage {
			return nil
		}
	}
}
