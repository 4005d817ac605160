package discovery

import (
	"errors"
	"fmt"
	"testing"

	"beampipe/configs"
	"beampipe/fault"
)

const originSurvey = `
apiVersion: beampipe.dev/v2
kind: ProjectConfig
metadata: {id: survey}
definitions:
  transforms:
    digits: {kind: extract_digits}
    has_rows: {kind: is_present}
adapters: {required: [casda, vizier]}
discovery:
  queries:
    - {name: visibility, adapter: casda, template: "SELECT * FROM t WHERE name LIKE '{source_identifier}%'"}
    - {name: ra_dec_vsys, adapter: vizier, template: "SELECT * FROM c WHERE name = '{source_identifier}'"}
  enrichments:
    - {name: sbid_to_eval_file, adapter: casda, template: "SELECT * FROM e WHERE sbid = '{sbid}'"}
  prepare_metadata:
    field_map:
      sbid: {from: obs_id, transform: digits}
      dataset_id: {from: filename}
      catalogued: {from: enrichments.ra_dec_vsys.0.RAJ2000}
      size: {from: enrichments.sbid_to_eval_file.filesize}
      absent: {from: nothing}
    discovery_flags:
      complete: {from: enrichments.ra_dec_vsys, transform: has_rows}
automation: {execution: {settle_hours: 0}}
`

const originAnswer = `{"queries":[
	{"name":"visibility","columns":["Filename","absent","obs_id"],"rows":[["a.ms","x","ASKAP-1"],["b.ms","y","ASKAP-1"]]},
	{"name":"ra_dec_vsys","columns":["DEJ2000","RAJ2000","RVmom"],"rows":[["-15.5","201.5","1500"]]}],
	"enrichments":[{"name":"sbid_to_eval_file","sbid":"1","columns":["access_url","filename","filesize","format"],
		"rows":[["http://a/1","calibration-metadata-processing-logs-SB1_1.tar","5","calibration"],["http://a/2","calibration-metadata-processing-logs-SB1_2.tar","7","calibration"]]}]}`

func TestEveryFieldOfARecordHasItsOrigin(t *testing.T) {
	p, report := configs.Load([]byte(originSurvey), "survey.yaml")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	o, err := NewOrigins(p, nil, "A", []byte(originAnswer))
	if err != nil {
		t.Fatal(err)
	}
	text := func(o Origin) string {
		cell := ""
		if len(o.Columns) > 0 && len(o.Rows) > 0 {
			cell = o.Rows[0][o.Columns[0]]
		}
		return fmt.Sprintf("%s %s %s%v %s%s %v%s", o.By, o.Path, o.From, o.Transforms, o.Query, o.SBID, o.Columns, cell)
	}
	for field, want := range map[string]string{
		"source_identifier": "identifier  []  []",
		"sbid":              "field_map discovery.prepare_metadata.field_map.sbid obs_id[digits] visibility [obs_id]ASKAP-1",
		"dataset_id":        "field_map discovery.prepare_metadata.field_map.dataset_id filename[] visibility [Filename]b.ms",
		"filename":          "column  filename[] visibility [Filename]b.ms",
		"catalogued":        "field_map discovery.prepare_metadata.field_map.catalogued enrichments.ra_dec_vsys.0.RAJ2000[] ra_dec_vsys [RAJ2000]201.5",
		"size":              "field_map discovery.prepare_metadata.field_map.size enrichments.sbid_to_eval_file.filesize[] sbid_to_eval_file1 [filesize]7",
		"absent":            "column  absent[] visibility [absent]y", // the field map gives nothing
		"vsys":              "coordinates discovery.prepare_metadata.coordinates [] ra_dec_vsys [RVmom]1500",
		"dec_string":        "coordinates discovery.prepare_metadata.coordinates [] ra_dec_vsys [DEJ2000]-15.5",
		"evaluation_file":   "evaluation discovery.prepare_metadata.evaluation [] sbid_to_eval_file1 []",
		"sbid_to_eval_file": "enrichment  [] sbid_to_eval_file1 []",
	} {
		got, err := o.Field("1", "b.ms", field)
		if err != nil || text(got) != want {
			t.Errorf("%s: %q %v\nwant %q", field, text(got), err, want)
		}
	}
	if got, err := o.Flag("complete"); err != nil || text(got) != "discovery_flags discovery.prepare_metadata.discovery_flags.complete enrichments.ra_dec_vsys[has_rows] ra_dec_vsys []" || got.Value != true {
		t.Errorf("%q %v %v", text(got), got.Value, err)
	}
	if row, query := o.Row("1", "a.ms"); row["absent"] != "x" || query != "visibility" {
		t.Errorf("%v of %q", row, query)
	}
	for name, find := range map[string]func() error{
		"a field":   func() error { _, err := o.Field("1", "b.ms", "nothing"); return err },
		"a dataset": func() error { _, err := o.Field("2", "b.ms", "sbid"); return err },
		"a flag":    func() error { _, err := o.Flag("nothing"); return err },
	} {
		if err := find(); !errors.Is(err, fault.NotFound) {
			t.Errorf("%s that is not there: %v", name, err)
		}
	}
}

// Every field that a discovery puts into a record is told about, with the value that it has there.
func TestOriginsMakeTheRecordsThatDiscoveryMakes(t *testing.T) {
	p, report := configs.Load([]byte(originSurvey), "survey.yaml")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	a, err := decodeAnswer([]byte(originAnswer))
	if err != nil {
		t.Fatal(err)
	}
	made, err := mapper{project: p, identifier: "A"}.mapAnswer(*a)
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOrigins(p, nil, "A", []byte(originAnswer))
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range made.records {
		id, _ := identity(record)
		for field, value := range record {
			got, err := o.Field("1", id, field)
			if err != nil || !sameJSON(got.Value, value) {
				t.Errorf("%s of %s: %v %v, want %v", field, id, got.Value, err, value)
			}
		}
	}
}

func TestRowsThatCannotBeMappedAreRefused(t *testing.T) {
	p, report := configs.Load([]byte(originSurvey), "survey.yaml")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"no JSON": "{", "no SBID": `{"queries":[{"name":"visibility","columns":["filename"],"rows":[["a"]]}]}`,
		"a short row": `{"queries":[{"name":"visibility","columns":["filename"],"rows":[[]]}]}`,
	} {
		if _, err := NewOrigins(p, nil, "A", []byte(raw)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
