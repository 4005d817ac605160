package discovery

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
)

func TestExplainShowsHowSeveralSourcesAreAskedForAtOnce(t *testing.T) {
	w := newWorld(t, strings.Replace(setSurvey, "- name: visibility", "- name: visibility\n      latest_by: t_max", 1))
	list, err := w.engine.Explain(t.Context(), w.project(), "HIPASSJ1313-15")
	must(t, err)
	if got := list[0].Rows; !strings.Contains(got, "begins with") || !strings.Contains(got, "largest t_max") {
		t.Errorf("rows: %s", got)
	}
	var forms [][]ExplainedForm
	for _, x := range list {
		forms = append(forms, x.Forms)
	}
	want := [][]ExplainedForm{
		{{
			Form: "upload", Key: "source_identifier", Keys: 1000, Bytes: 200_000, Table: "TAP_UPLOAD.sources", Columns: []string{"source_identifier", "source_name"},
			ADQL:   "SELECT u.source_identifier, o.* FROM TAP_UPLOAD.sources AS u JOIN ivoa.obscore AS o ON o.filename LIKE u.source_identifier || '%'",
			Values: []string{"HIPASSJ1313-15", "HIPASSJ1313-15-2"},
		}},
		{
			{
				Form: "upload", Key: "source_name", Keys: 1000, Bytes: 200_000, Table: "TAP_UPLOAD.targets", Columns: []string{"source_identifier", "source_name"},
				ADQL:   `SELECT h.*, u.source_name FROM TAP_UPLOAD.targets AS u JOIN "VIII/73/hicat" AS h ON h.HIPASS = u.source_name`,
				Values: []string{"J1313-15", "J1313-15-2"},
			},
			{
				Form: "list", Key: "HIPASS", Keys: 1000, Bytes: 200_000, Values: []string{"J1313-15", "J1313-15-2"},
				ADQL: `SELECT * FROM "VIII/73/hicat" WHERE HIPASS IN ('J1313-15','J1313-15-2')`,
			},
		},
		{
			{
				Form: "upload", Key: "sbid", Keys: 1000, Bytes: 200_000, Table: "TAP_UPLOAD.sbids", Columns: []string{"sbid"},
				ADQL:   "SELECT e.* FROM TAP_UPLOAD.sbids AS u JOIN casda.observation_evaluation_file AS e ON e.sbid = u.sbid WHERE e.format = 'calibration'",
				Values: []string{"{sbid}", "{sbid-2}"},
			},
			{
				Form: "list", Key: "sbid", Keys: 1000, Bytes: 200_000, Values: []string{"{sbid}", "{sbid-2}"},
				ADQL: "SELECT * FROM casda.observation_evaluation_file WHERE sbid IN ('{sbid}','{sbid-2}') AND format = 'calibration'",
			},
		},
	}
	if diff := cmp.Diff(want, forms); diff != "" {
		t.Error(diff)
	}
}

func TestTheCostOfATickIsCountedBothWays(t *testing.T) {
	load := func(survey string) *configs.Project {
		p, report := configs.Load([]byte(survey), "survey.yaml")
		must(t, report.Err())
		return p
	}
	cost := func(form string, single, set int) QueryCost { return QueryCost{Form: form, Single: single, Set: set} }
	for _, tt := range []struct {
		name           string
		survey         string
		sources, sbids int
		want           []QueryCost
	}{
		{name: "no forms", survey: plainSurvey, sources: 10, sbids: 3, want: []QueryCost{cost("single", 10, 10), cost("single", 10, 10), cost("single", 30, 30)}},
		{name: "nothing is due", survey: setSurvey, sbids: 3, want: []QueryCost{cost("upload", 0, 0), cost("upload", 0, 0), cost("upload", 0, 0)}},
		{name: "one batch", survey: setSurvey, sources: 50, sbids: 2, want: []QueryCost{cost("upload", 50, 1), cost("upload", 50, 1), cost("upload", 100, 1)}},
		{name: "batches never share a request", survey: setSurvey, sources: 101, sbids: 1, want: []QueryCost{cost("upload", 101, 3), cost("upload", 101, 3), cost("upload", 101, 3)}},
		{
			name: "few values in a request", survey: strings.Replace(setSurvey, "keep_key: true", "keep_key: true\n          max_rows: 30", 1), sources: 60, sbids: 2,
			want: []QueryCost{cost("upload", 60, 2), cost("upload", 60, 2), cost("upload", 120, 4+1)},
		},
		{name: "lists where they can", survey: inSets("", listCatalogue, ""), sources: 50, sbids: 2, want: []QueryCost{cost("single", 50, 50), cost("list", 50, 1), cost("single", 100, 100)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Cost(load(tt.survey), tt.sources, tt.sbids)
			for i := range got {
				if got[i].Name == "" || got[i].Archive == "" {
					t.Errorf("unnamed: %+v", got[i])
				}
				got[i].Name, got[i].Archive = "", ""
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
