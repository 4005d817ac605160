package discovery

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
	"beampipe/ledger"
)

const short, long = "HIPASSJ0324-21", "HIPASSJ0324-21b"

func TestARowBelongsToTheLongestRegisteredIdentifierItBeginsWith(t *testing.T) {
	for _, tt := range []struct {
		name     string
		survey   string
		stock    func(w *world)
		outcomes map[string]string
		datasets map[string]int
		says     string // in the error of the ambiguous source
	}{
		{
			name: "each has its own", survey: plainSurvey,
			stock:    func(w *world) { w.stock(short, "30001"); w.stock(long, "30002") },
			outcomes: map[string]string{short: ledger.OutcomeChanged, long: ledger.OutcomeChanged},
			datasets: map[string]int{short: 2, long: 2},
		},
		{
			name: "only the longer has data, the query is a plain filter", survey: plainSurvey,
			stock:    func(w *world) { w.stock(long, "30002") },
			outcomes: map[string]string{short: ledger.OutcomeNoData, long: ledger.OutcomeChanged},
			datasets: map[string]int{long: 2},
		},
		{
			name: "the latest observation is the longer one's", survey: latestSurvey,
			stock: func(w *world) {
				w.stock(short, "30001")
				w.stock(long, "30002")
				w.observe(long+"_C.ms.tar", "30002", 59900)
			},
			outcomes: map[string]string{short: ledger.OutcomeAmbiguous, long: ledger.OutcomeChanged},
			datasets: map[string]int{long: 1},
			says:     long,
		},
		{
			name: "both have the latest observation", survey: latestSurvey,
			stock:    func(w *world) { w.stock(short, "30001"); w.stock(long, "30002") },
			outcomes: map[string]string{short: ledger.OutcomeAmbiguous, long: ledger.OutcomeChanged},
			datasets: map[string]int{long: 2},
			says:     "key_column",
		},
		{
			name: "the latest observation is its own", survey: latestSurvey,
			stock: func(w *world) {
				w.stock(short, "30001")
				w.stock(long, "30002")
				w.observe(short+"_C.ms.tar", "30001", 59900)
			},
			outcomes: map[string]string{short: ledger.OutcomeChanged, long: ledger.OutcomeChanged},
			datasets: map[string]int{short: 1, long: 2},
		},
		{
			name: "neither has data", survey: latestSurvey, stock: func(*world) {},
			outcomes: map[string]string{short: ledger.OutcomeNoData, long: ledger.OutcomeNoData},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.survey)
			tt.stock(w)
			w.register(short, long)
			w.tick()
			for name, want := range tt.outcomes {
				s := w.source(name)
				if s.LastOutcome != want {
					t.Errorf("%s: %s (%s), want %s", name, s.LastOutcome, s.LastError, want)
				}
				if want == ledger.OutcomeAmbiguous && !strings.Contains(s.LastError, tt.says) {
					t.Errorf("error %q does not say %q", s.LastError, tt.says)
				}
				n := 0
				for _, m := range w.metadata(name) {
					n += len(m.Records)
				}
				if n != tt.datasets[name] {
					t.Errorf("%s has %d datasets, want %d", name, n, tt.datasets[name])
				}
			}
		})
	}
}

func TestAnAmbiguousAnswerLeavesWhatIsKnown(t *testing.T) {
	w := newWorld(t, latestSurvey)
	w.stock(short, "30001")
	w.register(short, long)
	w.tick()
	w.executed(short)
	before := w.metadata(short)
	w.stock(long, "30002")
	w.observe(long+"_C.ms.tar", "30002", 59900)
	w.later()
	s := w.wantOutcome(short, ledger.OutcomeAmbiguous, false)
	if diff := cmp.Diff(before, w.metadata(short)); diff != "" || s.MissingSince != nil {
		t.Error(diff, s.MissingSince)
	}
	if r := w.report(short); r.Queries[0].Foreign != 1 || r.Queries[0].Rows != 1 {
		t.Errorf("report %+v", r)
	}
}

func TestRowsThatChangeHandsAreNeitherMissingNorNewData(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock(short, "30001")
	w.stock(long, "30002")
	w.register(short)
	w.tick()
	w.executed(short)
	w.register(long)
	w.later()
	s := w.wantOutcome(short, ledger.OutcomeUnchanged, false)
	if reasons := Ready(s, w.metadata(short), nil); reasons != nil || s.LastExecutedSignature != s.Signature {
		t.Errorf("not ready: %v", reasons)
	}
	w.wantOutcome(long, ledger.OutcomeChanged, true)
	w.later()
	w.wantOutcome(short, ledger.OutcomeUnchanged, false)
	w.observe(short+"_B.ms.tar", "30001", 59001)
	w.later()
	w.wantOutcome(short, ledger.OutcomeChanged, true)
}

func TestDealingRows(t *testing.T) {
	project, report := configs.Load([]byte(plainSurvey), "survey.yaml")
	must(t, report.Err())
	key := func(name string) *string { return &name }
	rows := func(cells ...string) table {
		out := table{Columns: []string{"filename", "target_name"}}
		for _, c := range cells {
			name, _, _ := strings.Cut(c, "_")
			out.Rows = append(out.Rows, []string{c, name})
		}
		return out
	}
	const plain = "SELECT * FROM t WHERE filename LIKE '{source_identifier}%'"
	for _, tt := range []struct {
		name   string
		query  configs.Query
		longer []string
		answer table
		own    []string
		mixed  bool
	}{
		{name: "nothing longer is registered", query: configs.Query{Template: plain}, answer: rows("A1_x", "A1b_y"), own: []string{"A1_x", "A1b_y"}},
		{name: "a longer one is", query: configs.Query{Template: plain}, longer: []string{"A1b"}, answer: rows("A1_x", "A1b_y"), own: []string{"A1_x"}},
		{name: "the case counts", query: configs.Query{Template: plain}, longer: []string{"A1b"}, answer: rows("A1_x", "A1B_y"), own: []string{"A1_x", "A1B_y"}},
		{name: "the archive does not look at the case", query: configs.Query{Template: plain}, answer: rows("A1_x", "a1_y"), mixed: true},
		{name: "the column is not selected", query: configs.Query{Template: strings.Replace(plain, "filename", "other", 1)}, longer: []string{"A1b"}, answer: rows("A1_x"), mixed: true},
		{name: "the column is not selected and nothing longer is registered", query: configs.Query{Template: strings.Replace(plain, "filename", "other", 1)}, answer: rows("A1_x"), own: []string{"A1_x"}},
		{name: "a name somewhere", query: configs.Query{Template: strings.Replace(plain, "'{", "'%{", 1)}, longer: []string{"A1b"}, answer: rows("A1_x"), mixed: true},
		{name: "an exact pattern", query: configs.Query{Template: strings.Replace(plain, "}%", "}", 1)}, longer: []string{"A1b"}, answer: rows("A1"), own: []string{"A1"}},
		{name: "a transformed name", query: configs.Query{Template: strings.Replace(plain, "{source_identifier}", "{source_name}", 1)}, longer: []string{"A1b"}, answer: rows("A1_x", "A1b_y"), own: []string{"A1_x"}},
		{name: "a row limit and a foreign row", query: configs.Query{Template: strings.Replace(plain, "SELECT", "SELECT TOP 2", 1)}, longer: []string{"A1b"}, answer: rows("A1_x", "A1b_y"), mixed: true},
		{name: "a row limit and no foreign row", query: configs.Query{Template: strings.Replace(plain, "SELECT", "SELECT TOP 2", 1)}, longer: []string{"A1b"}, answer: rows("A1_x"), own: []string{"A1_x"}},
		{name: "the key is the name", query: configs.Query{Template: plain, Key: key("target_name")}, answer: rows("A1_x", "A1b_y"), own: []string{"A1_x"}},
		{name: "no key is the name though some begin with it", query: configs.Query{Template: plain, Key: key("target_name")}, answer: rows("A1b_y"), mixed: true},
		{name: "the key is the column that is compared", query: configs.Query{Template: plain, Key: key("filename")}, longer: []string{"A1b"}, answer: rows("A1_x", "A1b_y", "AX1_z"), own: []string{"A1_x"}},
		{name: "the key is the name in another case", query: configs.Query{Template: plain, Key: key("target_name")}, answer: rows("a1_x"), mixed: true},
		{name: "the key of some rows is the name in another case", query: configs.Query{Template: plain, Key: key("target_name")}, answer: rows("A1_x", "a1_y"), mixed: true},
		{name: "the key of some rows begins with the name in another case", query: configs.Query{Template: plain, Key: key("target_name")}, answer: rows("A1_x", "a1b_y"), own: []string{"A1_x"}},
		{name: "the column that is compared is in another case", query: configs.Query{Template: plain, Key: key("filename")}, answer: rows("A1_x", "a1_y"), mixed: true},
		{name: "only what a wildcard let in", query: configs.Query{Template: plain, Key: key("filename")}, answer: rows("AX1_z"), own: []string{}},
		{name: "a key and a row limit", query: configs.Query{Template: strings.Replace(plain, "SELECT", "SELECT TOP 2", 1), Key: key("filename")}, answer: rows("A1_x", "AX1_z"), mixed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := ownership{project: project, identifier: "A1", longer: tt.longer}
			tt.query.Name = "q"
			own, foreign, err := o.deal(0, tt.query, tt.answer, project.QueryVars(0, "A1"))
			var mixed ambiguous
			if errors.As(err, &mixed) != tt.mixed || (err != nil) != tt.mixed {
				t.Fatalf("error %v, want an ambiguous one: %v", err, tt.mixed)
			}
			if tt.mixed {
				return
			}
			got := []string{}
			for _, row := range own.Rows {
				got = append(got, row[0])
			}
			if diff := cmp.Diff(tt.own, got); diff != "" || foreign != len(tt.answer.Rows)-len(own.Rows) {
				t.Errorf("%s; %d foreign", diff, foreign)
			}
		})
	}
	o := ownership{project: project, identifier: "A1"}
	if _, _, err := o.deal(0, configs.Query{Name: "q", Template: plain, Key: key("nowhere")}, rows("A1"), project.QueryVars(0, "A1")); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a key column that is not there: %v", err)
	}
}

func TestIdentifiersWithMeaningInADQLAreRefusedOrHandled(t *testing.T) {
	keyed := strings.Replace(plainSurvey, "template: SELECT o.*", "key_column: filename\n      template: SELECT o.*", 1)
	for _, tt := range []struct {
		name, survey, identifier string
		outcome                  string
		says                     string
	}{
		{name: "an underscore in LIKE", survey: plainSurvey, identifier: "A_1", outcome: ledger.OutcomeRefused, says: "key_column"},
		{name: "a percent sign in LIKE", survey: plainSurvey, identifier: "A%", outcome: ledger.OutcomeRefused, says: "key_column"},
		{name: "an underscore with a key column", survey: keyed, identifier: "A_1", outcome: ledger.OutcomeChanged},
		{name: "a quote", survey: plainSurvey, identifier: "A'1", outcome: ledger.OutcomeChanged},
		{name: "an end of the literal", survey: plainSurvey, identifier: "A' OR '1'='1", outcome: ledger.OutcomeNoData},
		{name: "a placeholder", survey: plainSurvey, identifier: "A{sbid}", outcome: ledger.OutcomeChanged},
		{name: "a comment", survey: plainSurvey, identifier: "A' --", outcome: ledger.OutcomeNoData},
		{name: "a newline", survey: plainSurvey, identifier: "A\n1", outcome: ledger.OutcomeRefused, says: "control characters"},
		{name: "10 kB", survey: plainSurvey, identifier: strings.Repeat("A", 10<<10), outcome: ledger.OutcomeRefused, says: "bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.survey)
			for i, name := range []string{"A_1", "AB1", "A'1", "A{sbid}"} {
				sbid := []string{"30001", "30002", "30003", "30004"}[i]
				w.observe(name+"_x.ms.tar", sbid, 59000)
				w.evaluate(sbid)
			}
			w.register(tt.identifier)
			w.tick()
			s := w.source(tt.identifier)
			if s.LastOutcome != tt.outcome || !strings.Contains(s.LastError, tt.says) {
				t.Fatalf("%s (%s), want %s (%s)", s.LastOutcome, s.LastError, tt.outcome, tt.says)
			}
			for _, m := range w.metadata(tt.identifier) {
				if len(m.Records) != 1 || m.Records[0]["filename"] != tt.identifier+"_x.ms.tar" {
					t.Errorf("records %v", m.Records)
				}
			}
		})
	}
}
