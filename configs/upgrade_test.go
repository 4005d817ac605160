package configs

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

const pin = "56faf68f4e22bab5a5976c081f54ad8c2dd4c17c71d02c9b6843c531d2f9a47b"

const legacy = `# about this survey
apiVersion: "beampipe.dev/v1" # old
kind: ProjectConfig
metadata: {id: x, owner: me}
adapters:
  bogus: # gone with what is in it
    deep: 1
  required: [casda]
graph:
  # where it is
  path: g.graph
discovery:
  queries:
    - bogus: 1
      name: a
      adapter: casda
      template: |
        SELECT * FROM t
        WHERE x LIKE '{source_identifier}%' -- kept
  prepare_metadata:
    field_map:
      # the short form
      dataset_id: filename
      odd: "a, {b}: c"
      none: 5
      sbid: {from: obs_id, transform: extract_askap_sbid}
      scan_id: {from: did, transform: extract_scan_id}
`

const upgraded = `# about this survey
apiVersion: "beampipe.dev/v2" # old
kind: ProjectConfig
metadata: {id: x}
adapters:
  required: [casda]
graph:
  # where it is
  path: g.graph
  sha256: ` + pin + `
discovery:
  queries:
    - name: a
      adapter: casda
      template: |
        SELECT * FROM t
        WHERE x LIKE '{source_identifier}%' -- kept
  prepare_metadata:
    field_map:
      # the short form
      dataset_id: {from: "filename"}
      odd: {from: "a, {b}: c"}
      sbid: {from: obs_id, transform: extract_askap_sbid}
      scan_id: {from: did, transform: extract_scan_id}
definitions:
  transforms:
    extract_askap_sbid: {kind: "extract_digits"}
    extract_scan_id: {kind: "split_last", separators: ["/", ":", "#"]}
`

func TestUpgradeWritesV2AndSaysWhatItChanged(t *testing.T) {
	out, changes, err := Upgrade([]byte(legacy), "old.yaml", strings.ToUpper(pin))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(upgraded, string(out)); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"apiVersion: beampipe.dev/v1 → beampipe.dev/v2",
		"metadata.owner: taken out, v1 ignored it",
		"adapters.bogus: taken out, v1 ignored it",
		"discovery.queries[0].bogus: taken out, v1 ignored it",
		"discovery.prepare_metadata.field_map.dataset_id: written out as {from: filename}",
		"discovery.prepare_metadata.field_map.odd: written out as {from: a, {b}: c}",
		"discovery.prepare_metadata.field_map.none: taken out, v1 ignored it",
		"graph.sha256: " + pin,
		`definitions.transforms.extract_askap_sbid: {kind: "extract_digits"}, which v1 knew without a definition`,
		`definitions.transforms.extract_scan_id: {kind: "split_last",separators: ["/",":","#"]}, which v1 knew without a definition`,
	}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Error(diff)
	}
}

func TestUpgradeOfTheRealConfigChangesTwoLines(t *testing.T) {
	raw := string(shared(t, "wallaby_hires.v1.yaml"))
	out, changes, err := Upgrade([]byte(raw), "wallaby_hires.v1.yaml", pin)
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) != 2 {
		t.Errorf("changes: %v", changes)
	}
	want := strings.Replace(raw, "beampipe.dev/v1", "beampipe.dev/v2", 1)
	if got := strings.Replace(string(out), "  sha256: "+pin+"\n", "", 1); got != want {
		t.Error(cmp.Diff(want, got))
	}
}

func TestUpgradeRefuses(t *testing.T) {
	pinned := strings.Replace(legacy, "  path: g.graph\n", "  path: g.graph\n  sha256: "+strings.Repeat("a", 64)+"\n", 1)
	for _, tt := range []struct{ name, text, digest, want string }{
		{"no pin known", legacy, "", "graph.sha256 is missing"},
		{"a pin that is none", legacy, "abc", "not 64 hexadecimal digits"},
		{"another graph", pinned, pin, "the graph file given has " + pin},
		{"a broken file", "a: [", pin, "old.yaml:1:4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, _, err := Upgrade([]byte(tt.text), "old.yaml", tt.digest)
			if out != nil || !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUpgradeLeavesV2AsItIs(t *testing.T) {
	out, changes, err := Upgrade([]byte(small), "new.yaml", "")
	if string(out) != small || changes != nil || err != nil {
		t.Errorf("%v %v", changes, err)
	}
}

func TestUpgradeOfJSONGivesJSON(t *testing.T) {
	text := `{"apiVersion":"beampipe.dev/v1","kind":"ProjectConfig","metadata":{"id":"x"},"adapters":{"required":["casda"]},"foo":1}`
	out, changes, err := Upgrade([]byte(text), "old.json", "")
	if err != nil || !json.Valid(out) || len(changes) != 2 {
		t.Errorf("%s %v %v", out, changes, err)
	}
}

func FuzzUpgrade(f *testing.F) {
	f.Add([]byte(legacy))
	f.Add([]byte(strings.Replace(small, "beampipe.dev/v2", "beampipe.dev/v1", 1)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, _, err := Upgrade(raw, "f.yaml", pin)
		if err != nil {
			return
		}
		if _, report := Load(out, "f.yaml"); !report.Valid {
			t.Fatalf("the result does not load: %v\n%s", report.Err(), out)
		}
	})
}
