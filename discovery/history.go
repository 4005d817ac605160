package discovery

import (
	"fmt"
	"slices"
	"strings"

	"beampipe/ledger"
)

// history is what a tick did, source by source, for the ledger. Where there are too many sources, those
// of which there is news are kept.
type history struct {
	news, quiet []ledger.TickSource
	left        int      // sources that are not kept
	notes       []string // what was found about many sources
}

func (h *history) add(d ledger.Discovery) {
	into := &h.news
	if d.Outcome == ledger.OutcomeUnchanged {
		into = &h.quiet
	}
	if len(*into) == ledger.MaxTickSources {
		h.left++
		return
	}
	*into = append(*into, ledger.TickSource{Identifier: d.Source.Identifier, Outcome: d.Outcome, Text: summary(d)})
}

func (h *history) note(text string) {
	if text != "" && !slices.Contains(h.notes, text) {
		h.notes = append(h.notes, text)
	}
}

// run is the history as the ledger keeps it, by identifier within what is news and what is not.
func (h *history) run() (sources []ledger.TickSource, note string) {
	byName := func(a, b ledger.TickSource) int { return strings.Compare(a.Identifier, b.Identifier) }
	slices.SortFunc(h.news, byName)
	slices.SortFunc(h.quiet, byName)
	sources = slices.Concat(h.news, h.quiet)
	left := h.left
	if more := len(sources) - ledger.MaxTickSources; more > 0 {
		sources, left = sources[:ledger.MaxTickSources], left+more
	}
	notes := h.notes
	if left > 0 {
		notes = append(slices.Clone(notes), fmt.Sprintf("%d more sources are not listed", left))
	}
	return sources, strings.Join(notes, "; ")
}

// summary says in a few words what came of a source.
func summary(d ledger.Discovery) string {
	if d.Error != "" {
		return ledger.Excerpt(d.Error, ledger.MaxTickText)
	}
	if d.Outcome == ledger.OutcomeUnchanged && d.Signature != d.Source.Signature {
		return "signed anew"
	}
	if d.Outcome == ledger.OutcomeMissing && d.Source.MissingSince != nil {
		return "still missing, since " + ledger.Minute(*d.Source.MissingSince)
	}
	return strings.Join(counted(d.Changes), ", ")
}

// counted gives changes as numbers of what came, went and changed.
func counted(changes []ledger.Change) []string {
	number := map[string]int{}
	fields := map[[2]string]bool{} // datasets of which fields changed
	for _, c := range changes {
		number[c.Kind]++
		if c.Kind == ChangeDatasetChanged {
			fields[[2]string{c.SBID, c.Dataset}] = true
		}
		if more, ok := c.After.(int); ok && c.Kind == ChangeMore {
			number[c.Kind] = more
		}
	}
	number[ChangeDatasetChanged] = len(fields)
	var list []string
	for _, part := range []struct{ kind, sign, what string }{
		{ChangeSBIDAdded, "+", "SBID"},
		{ChangeSBIDGone, "-", "SBID"},
		{ChangeDatasetAdded, "+", "dataset"},
		{ChangeDatasetGone, "-", "dataset"},
		{ChangeDatasetChanged, "~", "dataset"},
		{ChangeFlagChanged, "~", "flag"},
		{ChangeMore, "", "more change"},
	} {
		if n := number[part.kind]; n > 0 {
			list = append(list, fmt.Sprintf("%s%d %s%s", part.sign, n, part.what, plural(n)))
		}
	}
	return list
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
