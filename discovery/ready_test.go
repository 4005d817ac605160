package discovery

import (
	"strings"
	"testing"
	"time"

	"beampipe/ledger"
)

func TestReadySaysWhyASourceCannotBeExecuted(t *testing.T) {
	at := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	good := func() (ledger.Source, []ledger.Metadata) {
		record := func(sbid, id string) map[string]any {
			return map[string]any{"source_identifier": "S", "sbid": sbid, "dataset_id": id}
		}
		return ledger.Source{Identifier: "S", Enabled: true, LastCheckedAt: &at, Signature: "x"}, []ledger.Metadata{
			{SBID: "1", Records: []map[string]any{record("1", "a"), record("1", "b")}, Flags: map[string]any{"ok": true, "n": 1.0, "text": "no"}},
			{SBID: "2", Records: []map[string]any{record("2", "a")}},
		}
	}
	for _, tt := range []struct {
		name   string
		change func(s *ledger.Source, m []ledger.Metadata)
		sbids  []string
		want   []string // parts of the reasons, in order
	}{
		{name: "ready", change: func(*ledger.Source, []ledger.Metadata) {}},
		{name: "ready for one SBID", change: func(*ledger.Source, []ledger.Metadata) {}, sbids: []string{"2"}},
		{name: "removed", change: func(s *ledger.Source, _ []ledger.Metadata) { s.RemovedAt = &at }, want: []string{"not registered"}},
		{name: "disabled", change: func(s *ledger.Source, _ []ledger.Metadata) { s.Enabled = false }, want: []string{"disabled"}},
		{name: "never asked", change: func(s *ledger.Source, _ []ledger.Metadata) { s.LastCheckedAt, s.Signature = nil, "" }, want: []string{"not discovered", "no discovery signature"}},
		{name: "another SBID wanted", change: func(*ledger.Source, []ledger.Metadata) {}, sbids: []string{"3"}, want: []string{"SBID 3 is not discovered", "no datasets"}},
		{name: "a flag is false", change: func(_ *ledger.Source, m []ledger.Metadata) { m[0].Flags["ok"] = false }, want: []string{"SBID 1: discovery flag ok is false"}},
		{name: "a flag is null", change: func(_ *ledger.Source, m []ledger.Metadata) { m[0].Flags["ok"] = nil }, want: []string{"ok is null"}},
		{name: "a false flag of an SBID that is not wanted", change: func(_ *ledger.Source, m []ledger.Metadata) { m[0].Flags["ok"] = false }, sbids: []string{"2"}},
		{name: "missing", change: func(s *ledger.Source, _ []ledger.Metadata) { s.MissingSince = &at }, want: []string{"missing from the archive since"}},
		{name: "one SBID missing leaves the other", change: func(_ *ledger.Source, m []ledger.Metadata) { m[0].MissingSince = &at }},
		{name: "the wanted SBID missing", change: func(_ *ledger.Source, m []ledger.Metadata) { m[0].MissingSince = &at }, sbids: []string{"1"}, want: []string{"SBID 1 is missing", "no datasets"}},
		{name: "a dataset excluded", change: func(_ *ledger.Source, m []ledger.Metadata) { m[0].Excluded = []string{"a"} }},
		{name: "a bad dataset excluded", change: func(_ *ledger.Source, m []ledger.Metadata) {
			m[1].Records[0]["source_identifier"], m[1].Excluded = "T", []string{"a"}
		}},
		{name: "an SBID excluded leaves the other, whatever its flags say", change: func(_ *ledger.Source, m []ledger.Metadata) {
			m[0].Flags["ok"], m[0].Excluded, m[0].SBIDExcluded = false, []string{"a", "b"}, true
		}},
		{name: "the wanted SBID excluded", change: func(_ *ledger.Source, m []ledger.Metadata) { m[1].Excluded = []string{"a"} }, sbids: []string{"2"}, want: []string{"SBID 2: every dataset is excluded"}},
		{name: "all excluded", change: func(_ *ledger.Source, m []ledger.Metadata) {
			m[0].Excluded, m[1].Excluded = []string{"a", "b"}, []string{"a"}
		}, want: []string{"every dataset is excluded"}},
		{name: "one missing and the other excluded", change: func(_ *ledger.Source, m []ledger.Metadata) {
			m[0].MissingSince, m[1].Excluded = &at, []string{"a"}
		}, want: []string{"every dataset is excluded"}},
		{name: "no record", change: func(_ *ledger.Source, m []ledger.Metadata) { m[1].Records = nil }, want: []string{"SBID 2: no datasets"}},
		{name: "no identity", change: func(_ *ledger.Source, m []ledger.Metadata) { delete(m[0].Records[1], "dataset_id") }, want: []string{"SBID 1: record 2: it has no dataset_id"}},
		{name: "no SBID", change: func(_ *ledger.Source, m []ledger.Metadata) { delete(m[0].Records[0], "sbid") }, want: []string{"SBID 1: record 1: its sbid is \"\""}},
		{name: "another source's record", change: func(_ *ledger.Source, m []ledger.Metadata) { m[1].Records[0]["source_identifier"] = "T" }, want: []string{"SBID 2: record 1: its source_identifier"}},
		{name: "two of one name", change: func(_ *ledger.Source, m []ledger.Metadata) { m[0].Records[1]["dataset_id"] = "a" }, want: []string{"record 2: a second one"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, m := good()
			tt.change(&s, m)
			got := Ready(s, m, tt.sbids)
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.Contains(got[i], tt.want[i]) {
					t.Errorf("got %q, want %q", got[i], tt.want[i])
				}
			}
		})
	}
}
