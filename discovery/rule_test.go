package discovery

import (
	"bytes"
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/provenance"
)

func TestNoConfigEditMakesASourcePending(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(plainSurvey, old) {
			panic("nothing to edit: " + old)
		}
		return strings.Replace(plainSurvey, old, new, 1)
	}
	for _, tt := range []struct {
		name   string
		survey string
		resign bool // the signature is another one, over the same data
	}{
		{name: "a limit", survey: edit("batch_size: 2", "batch_size: 3")},
		{name: "another excluded field", survey: edit("exclude_fields: [access_url", "exclude_fields: [s_ra, access_url"), resign: true},
		{name: "nothing excluded", survey: edit("exclude_fields: [access_url, evaluation_file_access_url, filesize, t_max, t_min]", "exclude_fields: []"), resign: true},
		{name: "flags not included", survey: edit("signature: {", "signature: {include_discovery_flags: false, "), resign: true},
		{name: "another field", survey: edit("dataset_id: {from: filename}", "dataset_id: {from: filename}\n      visibility_filename: {from: filename}"), resign: true},
		{name: "another form of SBID", survey: edit("transform: digits}", "transform: [digits, sb]}\n") + "", resign: true},
		{name: "another flag", survey: edit("catalogued: {", "evaluated: {from: enrichments.sbid_to_eval_file, transform: has_rows}\n      catalogued: {"), resign: true},
		{name: "a query more", survey: edit("  enrichments:", "    - name: again\n      adapter: vizier\n      template: SELECT * FROM \"VIII/73/hicat\" WHERE HIPASS = '{source_name}'\n  enrichments:")},
		{name: "a query more, with a flag", survey: strings.Replace(
			edit("  enrichments:", "    - name: again\n      adapter: vizier\n      template: SELECT * FROM \"VIII/73/hicat\" WHERE HIPASS = '{source_name}'\n  enrichments:"),
			"catalogued: {", "again: {from: enrichments.again, transform: has_rows}\n      catalogued: {", 1), resign: true},
		{name: "fewer columns", survey: edit("SELECT o.* FROM", "SELECT o.filename, o.obs_id, o.obs_publisher_did FROM"), resign: true},
		{name: "another name of the primary query", survey: edit("name: visibility", "name: datasets")},
		{name: "no coordinates", survey: edit("name: ra_dec_vsys", "name: hicat"), resign: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(tt.survey, "[digits, sb]") {
				tt.survey = strings.Replace(tt.survey, "    has_rows:", "    sb: {kind: add_prefix, prefix: SB}\n    has_rows:", 1)
				tt.survey = strings.Replace(tt.survey, "WHERE sbid = '{sbid}' AND", "WHERE 'SB' || sbid = '{sbid}' AND", 1)
				tt.survey = strings.Replace(tt.survey, "signature: {", "evaluation: {enrichment: sbid_to_eval_file, filename: evaluation_file, access_url: evaluation_file_access_url, prefix: 'calibration-metadata-processing-logs-{sbid}_', required: true}\n    signature: {", 1)
			}
			if tt.name == "no coordinates" {
				tt.survey = strings.Replace(tt.survey, "enrichments.ra_dec_vsys", "enrichments.hicat", 1)
			}
			w := newWorld(t, plainSurvey)
			w.stock("HIPASSJ1313-15", sbidOne)
			w.register("HIPASSJ1313-15")
			w.tick()
			w.executed("HIPASSJ1313-15")
			before := w.source("HIPASSJ1313-15")
			w.configure(tt.survey)
			w.later()
			s := w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeUnchanged, false)
			if (s.Signature != before.Signature) != tt.resign {
				t.Errorf("signature %s -> %s", before.Signature, s.Signature)
			}
			if s.LastExecutedSignature != s.Signature {
				t.Error("what was executed counts as other data now")
			}
			w.later()
			w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeUnchanged, false)
			w.observe("HIPASSJ1313-15_B.ms.tar", sbidOne, 59001)
			w.later()
			w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeChanged, true)
		})
	}
}

func TestNewDataIsFoundInTheSameTickAsANewConfig(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock("HIPASSJ1313-15", sbidOne)
	w.register("HIPASSJ1313-15")
	w.tick()
	w.executed("HIPASSJ1313-15")
	w.configure(strings.Replace(plainSurvey, "exclude_fields: [access_url", "exclude_fields: [s_ra, access_url", 1))
	w.observe("HIPASSJ1313-15_B.ms.tar", sbidOne, 59001)
	w.later()
	w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeChanged, true)
	if diff := cmp.Diff([]string{"dataset_added 72962 HIPASSJ1313-15_B.ms.tar"}, w.changes("HIPASSJ1313-15")); diff != "" {
		t.Error(diff)
	}
}

func TestAColumnThatAppearsIsKeptAndReportedOnceAndNotHashed(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock("HIPASSJ1313-15", sbidOne)
	w.register("HIPASSJ1313-15")
	w.tick()
	w.executed("HIPASSJ1313-15")
	before := w.source("HIPASSJ1313-15")
	w.line.extra = map[string]string{"a_new_one": "x"} // it sorts before all others
	for range 3 {
		w.later()
		s := w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeUnchanged, false)
		if s.Signature != before.Signature {
			t.Fatalf("signature %s -> %s", before.Signature, s.Signature)
		}
	}
	if got := w.metadata("HIPASSJ1313-15")[0].Records[0]["a_new_one"]; got != "x" {
		t.Errorf("the record has %v", got)
	}
	events, err := w.ledger.View(context.Background()).Events(ledger.EventFilter{Type: provenance.DiscoveryColumns})
	must(t, err)
	if len(events) != 1 || !strings.Contains(string(events[0].Payload), "visibility.a_new_one") {
		t.Errorf("%d events: %v", len(events), events)
	}
	if r := w.report("HIPASSJ1313-15"); !strings.Contains(strings.Join(r.NotInSignature, " "), "visibility.a_new_one") {
		t.Errorf("report %+v", r.NotInSignature)
	}
	w.configure(strings.Replace(plainSurvey, "batch_size: 2", "batch_size: 3", 1)) // a new revision takes it in
	w.later()
	s := w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeUnchanged, false)
	if s.Signature == before.Signature {
		t.Error("the new revision does not hash the column")
	}
	w.line.extra["a_new_one"] = "y"
	w.later()
	w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeChanged, true)
}

func TestAColumnThatVanishesIsNoNewData(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock("HIPASSJ1313-15", sbidOne)
	w.register("HIPASSJ1313-15")
	w.tick()
	w.executed("HIPASSJ1313-15")
	w.line.drop = func(column string) bool { return column == "quality_level" || column == "RVmom" }
	w.later()
	w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeUnchanged, false)
	if r := w.report("HIPASSJ1313-15"); strings.Join(r.MissingColumns, " ") != "ra_dec_vsys.rvmom visibility.quality_level" {
		t.Errorf("missing columns %v", r.MissingColumns)
	}
	w.line.drop = nil
	w.later()
	w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeUnchanged, false)
}

func TestAColumnThatAChangedConfigMapsIsComparedByRows(t *testing.T) {
	few := strings.Replace(plainSurvey, "SELECT o.* FROM", "SELECT o.filename, o.obs_id FROM", 1)
	w := newWorld(t, few)
	w.stock("HIPASSJ1313-15", sbidOne)
	w.register("HIPASSJ1313-15")
	w.tick()
	w.executed("HIPASSJ1313-15")
	w.configure(strings.Replace(plainSurvey, "dataset_id: {from: filename}", "dataset_id: {from: obs_publisher_did}", 1))
	w.later()
	w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeUnchanged, false)
}

// TestStoredRulesStayWhatTheyAre pins the IDs that rules of configs without the newer keys have had
// since version 1 of the algorithm: were they others, every source would be signed anew.
func TestStoredRulesStayWhatTheyAre(t *testing.T) {
	a := answer{Queries: []namedTable{
		{Name: "visibility", table: table{Columns: []string{"Filename", "obs_id", "t_max"}}},
		{Name: "ra_dec_vsys", table: table{Columns: []string{"HIPASS", "RAJ2000"}}},
	}, Enrichments: []namedTable{{Name: "sbid_to_eval_file", SBID: "1", table: table{Columns: []string{"sbid", "format"}}}}}
	batched := strings.Replace(plainSurvey, "HIPASS = '{source_name}'", "HIPASS = '{source_name}'\n      batch: {in_list: true, key: HIPASS, template: \"SELECT * FROM \\\"VIII/73/hicat\\\" WHERE HIPASS IN ({source_name:list})\"}", 1)
	for _, tt := range []struct{ name, survey, id string }{
		{"plain", plainSurvey, "f3349b988ec7b578a97de47e8c60176c24a6be4d3958e2d709b885aaa3365790"},
		{"latest", latestSurvey, "7248a86b7463c536863fd7c9b2c6933bcccf214fcae83e391761b33c898c3335"},
		{"how many are asked about at once", batched, "f3349b988ec7b578a97de47e8c60176c24a6be4d3958e2d709b885aaa3365790"},
	} {
		p, report := configs.Load([]byte(tt.survey), "survey.yaml")
		must(t, report.Err())
		id, content, err := newRule(p, a)
		must(t, err)
		if id != tt.id {
			t.Errorf("%s: the rule is %s, was %s: %s", tt.name, id, tt.id, content)
		}
		r, err := readRule(ledger.Rule{ID: "stored", Content: content})
		must(t, err)
		if r.id != "stored" {
			t.Errorf("%s: a stored rule of this algorithm is read as %s", tt.name, r.id)
		}
		older, err := readRule(ledger.Rule{ID: "older", Content: bytes.Replace(content, []byte(`"algorithm":1`), []byte(`"algorithm":0`), 1)})
		must(t, err)
		if older.id != id {
			t.Errorf("%s: a rule of an older algorithm is read as %s, want %s", tt.name, older.id, id)
		}
	}
}

func TestTheStoredRuleOfTheRealSurveyStaysWhatItIs(t *testing.T) {
	survey, _ := wallaby(t)
	p, report := configs.Load([]byte(survey), "survey.yaml")
	must(t, report.Err())
	id, content, err := newRule(p, answer{Queries: []namedTable{
		{Name: "visibility", table: table{Columns: []string{"Filename", "obs_id", "t_max"}}},
		{Name: "ra_dec_vsys", table: table{Columns: []string{"HIPASS", "RAJ2000"}}},
	}, Enrichments: []namedTable{{Name: "sbid_to_eval_file", SBID: "1", table: table{Columns: []string{"sbid", "format"}}}}})
	must(t, err)
	if want := "5297b441a1b830e2d150a09885adc19f564cd556d59676db6d9ceb66228f71be"; id != want {
		t.Errorf("the rule is %s, was %s: %s", id, want, content)
	}
}

// TestAnUpgradeOfTheAlgorithmMakesNoSourcePending takes a ledger to what an older algorithm would have
// left: other signatures of the same data, and a rule that says so.
func TestAnUpgradeOfTheAlgorithmMakesNoSourcePending(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock("HIPASSJ0001-01", "30001")
	w.stock("HIPASSJ0002-02", "30002")
	w.register("HIPASSJ0001-01", "HIPASSJ0002-02")
	w.tick()
	w.executed("HIPASSJ0001-01")
	w.executed("HIPASSJ0002-02")
	before := w.source("HIPASSJ0001-01")
	must(t, w.ledger.Close())
	db, err := sql.Open("sqlite", w.ledger.Path())
	must(t, err)
	for _, statement := range []string{
		"UPDATE sources SET signature = 'old ' || identifier, last_executed_signature = 'old ' || identifier, signature_rule = 'old'",
		"UPDATE signature_rules SET rule = 'old', content = replace(content, '\"algorithm\":1', '\"algorithm\":0')",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		must(t, err)
	}
	must(t, db.Close())
	w.ledger, err = ledger.Create(t.Context(), w.ledger.Path(), ledger.Options{Now: w.clock.Now})
	must(t, err)
	w.restart(w.limits)
	w.observe("HIPASSJ0002-02_B.ms.tar", "30002", 59001)
	w.later()
	s := w.wantOutcome("HIPASSJ0001-01", ledger.OutcomeUnchanged, false)
	if s.Signature != before.Signature || s.LastExecutedSignature != s.Signature || s.SignatureRule != before.SignatureRule {
		t.Errorf("source %+v, want the signature %s", s, before.Signature)
	}
	w.wantOutcome("HIPASSJ0002-02", ledger.OutcomeChanged, true)
}
