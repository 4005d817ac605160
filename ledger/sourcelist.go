package ledger

import (
	"fmt"
	"strings"
)

// SourceFilter narrows a list of sources; empty fields do not narrow. Any of them may be combined.
type SourceFilter struct {
	Project     string
	Prefix      string // of the identifier
	Outcome     string
	Pending     *bool
	Enabled     *bool
	Quarantined *bool
	Missing     *bool // whether known data is no longer shown
	Removed     bool  // removed ones too

	// The cursor of a page: identifiers behind After. In a list over several projects AfterProject is the
	// project of that one, and those of later projects follow; "" = the list goes on behind After in each.
	After        string
	AfterProject string

	Limit int // 0 = all
}

// What sources are told apart by, as bits of the column marks (migration 00007).
const (
	markEnabled = 1 << iota
	markPending
	markQuarantined
	markMissing
	markRemoved
)

// sourceGroup are the columns in which the sources of a group are alike: those of source_groups.
const sourceGroup = "project, last_outcome, marks"

// Sources lists sources by project and identifier. A page costs what it shows, however many there are.
func (v View) Sources(f SourceFilter) ([]Source, error) {
	query, args := f.query()
	return v.sources("sources", query, args)
}

func (f SourceFilter) query() (string, []any) {
	b := &binds{}
	low, high := f.Prefix, f.Prefix+lastRune
	behind := low
	if f.After != "" {
		behind = max(low, f.After+"\x00") // the next text
	}
	mask, want := f.marks()
	conds := []string{"n > 0", fmt.Sprintf("marks & %s = %s", b.add(mask), b.add(want))}
	if f.Project != "" {
		conds = append(conds, "project = "+b.add(f.Project))
	}
	if f.Outcome != "" {
		conds = append(conds, "last_outcome = "+b.add(f.Outcome))
	}
	m := merge{
		table: "sources", index: "sources_listed", key: "identifier", alike: strings.Split(sourceGroup, ", "), lead: "page.g_project",
		low: b.add(behind), high: b.add(high),
		columns: sourceColumns, from: "sources ON project = page.g_project AND identifier = page.key",
	}
	if f.AfterProject != "" && f.After != "" {
		after := b.add(f.AfterProject)
		conds = append(conds, "project >= "+after)
		m.low = fmt.Sprintf("CASE g.project WHEN %s THEN %s ELSE %s END", after, m.low, b.add(low))
	}
	m.groups = "SELECT " + sourceGroup + " FROM source_groups WHERE " + and(conds)
	if f.Limit > 0 {
		m.limit = b.add(f.Limit)
	}
	return m.text(), b.args
}

// marks gives the bits that the filter asks about, and how they shall be.
func (f SourceFilter) marks() (mask, want int) {
	no := false
	removed := &no
	if f.Removed {
		removed = nil
	}
	for bit, is := range map[int]*bool{
		markEnabled: f.Enabled, markPending: f.Pending, markQuarantined: f.Quarantined, markMissing: f.Missing, markRemoved: removed,
	} {
		if is == nil {
			continue
		}
		mask |= bit
		if *is {
			want |= bit
		}
	}
	return mask, want
}

// lastRune is behind every character that an identifier goes on with.
const lastRune = "\U0010FFFF"
