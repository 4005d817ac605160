package discovery

import (
	"fmt"
	"slices"

	"beampipe/configs"
	"beampipe/ledger"
)

// Ready gives the reasons why a source cannot be executed with what is known of it; none means that
// it can. sbids narrows it to some SBIDs, each of which must then be discovered and still be shown;
// nil means all that are shown. Excluded datasets do not count, and an SBID without others is as if it were not there.
func Ready(s ledger.Source, meta []ledger.Metadata, sbids []string) []string {
	var reasons []string
	no := func(when bool, format string, args ...any) {
		if when {
			reasons = append(reasons, fmt.Sprintf(format, args...))
		}
	}
	no(s.RemovedAt != nil, "not registered: it was removed")
	no(!s.Enabled, "disabled")
	no(s.LastCheckedAt == nil, "not discovered yet")
	no(s.Signature == "", "no discovery signature")
	if s.MissingSince != nil {
		no(true, "data missing from the archive since %s", ledger.Minute(*s.MissingSince))
	}
	selected := slices.Clone(meta)
	if sbids != nil {
		selected = slices.DeleteFunc(selected, func(m ledger.Metadata) bool { return !slices.Contains(sbids, m.SBID) })
	}
	for _, sbid := range sbids {
		no(!slices.ContainsFunc(meta, func(m ledger.Metadata) bool { return m.SBID == sbid }), "SBID %s is not discovered", sbid)
	}
	shown, excluded := 0, 0
	for _, m := range selected {
		switch {
		case m.MissingSince != nil:
			no(sbids != nil, "SBID %s is missing from the archive since %s", m.SBID, ledger.Minute(*m.MissingSince))
		case len(m.Records) > 0 && len(m.Usable()) == 0:
			excluded++
			no(sbids != nil, "SBID %s: every dataset is excluded", m.SBID)
		default:
			shown++
			reasons = append(reasons, unready(s, m)...)
		}
	}
	no(shown == 0 && excluded > 0 && sbids == nil, "every dataset is excluded")
	no(shown == 0 && excluded == 0, "no datasets")
	return reasons
}

// unready judges what is known under one SBID: its flags and its records.
func unready(s ledger.Source, m ledger.Metadata) []string {
	var reasons []string
	for _, name := range sortedKeys(m.Flags) {
		if v := m.Flags[name]; !configs.Truthy(v) {
			reasons = append(reasons, fmt.Sprintf("SBID %s: discovery flag %s is %s", m.SBID, name, ledger.Excerpt(string(canonical(v)), 100)))
		}
	}
	records := m.Usable()
	if len(records) == 0 {
		return append(reasons, fmt.Sprintf("SBID %s: no datasets", m.SBID))
	}
	seen := map[string]bool{}
	for i, record := range records {
		sbid, _ := configs.Text(record[fieldSBID])
		id, ok := identity(record)
		problem := ""
		switch {
		case sbid != m.SBID:
			problem = fmt.Sprintf("its sbid is %q", sbid)
		case record[fieldSource] != s.Identifier:
			problem = fmt.Sprintf("its source_identifier is %.100q", fmt.Sprint(record[fieldSource]))
		case !ok:
			problem = "it has no dataset_id and no visibility_filename"
		case seen[id]:
			problem = fmt.Sprintf("a second one is named %.200q", id)
		}
		seen[id] = true
		if problem != "" {
			reasons = append(reasons, fmt.Sprintf("SBID %s: record %d: %s", m.SBID, i+1, problem))
		}
	}
	return reasons
}
