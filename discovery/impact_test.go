package discovery

import (
	"strings"
	"testing"

	"beampipe/configs"
	"beampipe/ledger"
)

func TestImpactSaysWhatAnotherConfigWouldDo(t *testing.T) {
	edit := func(pairs ...string) string {
		text := plainSurvey
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(text, pairs[i]) {
				panic("nothing to edit: " + pairs[i])
			}
			text = strings.Replace(text, pairs[i], pairs[i+1], 1)
		}
		return text
	}
	for _, tt := range []struct {
		name    string
		next    string
		effect  string
		says    string // part of Why, or of a change's field
		queries string // part of Queries
	}{
		{name: "the same", next: plainSurvey, effect: EffectNone},
		{name: "a limit", next: edit("batch_size: 2", "batch_size: 3"), effect: EffectNone},
		{name: "how many at once", next: edit("HIPASS = '{source_name}'", "HIPASS = '{source_name}'\n      batch: {in_list: true, key: HIPASS, template: \"SELECT * FROM \\\"VIII/73/hicat\\\" WHERE HIPASS IN ({source_name:list})\"}"), effect: EffectNone},
		{name: "another excluded field", next: edit("exclude_fields: [access_url", "exclude_fields: [s_ra, access_url"), effect: EffectResigned},
		{name: "another field", next: edit("dataset_id: {from: filename}", "dataset_id: {from: filename}\n      visibility_filename: {from: filename}"), effect: EffectRecords, says: "visibility_filename"},
		{name: "another flag", next: edit("catalogued: {", "evaluated: {from: enrichments.sbid_to_eval_file, transform: has_rows}\n      catalogued: {"), effect: EffectRecords, says: "evaluated"},
		{name: "an SBID that is not there", next: edit("sbid: {from: obs_id", "sbid: {from: nowhere"), effect: EffectRefused, says: "gives no SBID"},
		{name: "another query", next: edit("WHERE HIPASS = '{source_name}'", "WHERE HIPASS = '{source_name}' AND RVmom < 0"), effect: EffectUnknown, queries: `the query "ra_dec_vsys" changes`},
		{name: "another name for a source", next: edit("short: {kind: strip_prefix, prefix: HIPASS}", "short: {kind: strip_prefix, prefix: HIPASSJ}"), effect: EffectUnknown, says: "asked with another source_name"},
		{name: "another archive", next: edit("adapter: vizier", "adapter: casda"), effect: EffectUnknown, queries: `the query "ra_dec_vsys" changes`},
		{name: "another name of the primary query", next: edit("name: visibility", "name: datasets"), effect: EffectNone},
		{
			name:   "a query more",
			next:   edit("  enrichments:", "    - name: again\n      adapter: vizier\n      template: SELECT * FROM \"VIII/73/hicat\" WHERE HIPASS = '{source_name}'\n  enrichments:"),
			effect: EffectUnknown, queries: `the query "again" is new`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, plainSurvey)
			w.stock("HIPASSJ0001-01", "30001")
			w.stock("HIPASSJ0002-02", "30002")
			w.register("HIPASSJ0001-01", "HIPASSJ0002-02", "HIPASSJ0003-03")
			w.tick()
			next, report := configs.Load([]byte(tt.next), "next.yaml")
			must(t, report.Err())
			before, asked := w.signatures(), w.archive.Queries()
			im, err := w.engine.Impact(t.Context(), "survey", next)
			must(t, err)
			counts := map[string]int{
				EffectNone: im.Unchanged, EffectResigned: im.Resigned, EffectRecords: im.Records, EffectRefused: im.Refused, EffectUnknown: im.Unknown,
			}
			if im.Sources != 2 || im.NoAnswer != 1 || counts[tt.effect] != 2 || (tt.effect == EffectNone) != (len(im.List) == 0) {
				t.Fatalf("impact %+v", im)
			}
			if !strings.Contains(strings.Join(im.Queries, "; "), tt.queries) {
				t.Errorf("queries %q do not say %q", im.Queries, tt.queries)
			}
			for _, s := range im.List {
				said := s.Why
				for _, c := range s.Changes {
					said += " " + c.Field
				}
				if !strings.Contains(said, tt.says) {
					t.Errorf("%+v does not say %q", s, tt.says)
				}
			}
			if w.archive.Queries() != asked || w.signatures()["HIPASSJ0001-01"] != before["HIPASSJ0001-01"] {
				t.Error("it asked, or wrote")
			}
			w.configure(tt.next) // and so it comes
			for _, name := range []string{"HIPASSJ0001-01", "HIPASSJ0002-02"} {
				w.executed(name)
			}
			w.later()
			s := w.source("HIPASSJ0001-01")
			switch tt.effect {
			case EffectNone:
				if s.LastOutcome+" "+s.Signature != "unchanged "+strings.Fields(before["HIPASSJ0001-01"])[1] {
					t.Errorf("source %+v", s)
				}
			case EffectResigned, EffectRecords:
				if s.LastOutcome != ledger.OutcomeUnchanged || s.Pending || s.Signature == strings.Fields(before["HIPASSJ0001-01"])[1] {
					t.Errorf("source %+v", s)
				}
			case EffectRefused:
				if s.LastOutcome != ledger.OutcomeRefused {
					t.Errorf("source %+v", s)
				}
			}
		})
	}
}
