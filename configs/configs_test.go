package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shared reads one of the real survey files, or skips the test.
func shared(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("BEAMPIPE_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "data", "wallaby", "configs", name))
	if err != nil {
		t.Skipf("the real survey files are not there (%v); set BEAMPIPE_SHARED to their folder", err)
	}
	return raw
}

// small is a valid v2 config that can discover and execute, for tests to change.
const small = `apiVersion: beampipe.dev/v2
kind: ProjectConfig
metadata:
  id: small
definitions:
  transforms:
    digits: {kind: extract_digits}
    present: {kind: is_present}
source_identity:
  template_vars:
    source_name:
      transform: digits
adapters:
  required: [casda]
graph:
  path: small.graph
  sha256: 56faf68f4e22bab5a5976c081f54ad8c2dd4c17c71d02c9b6843c531d2f9a47b
discovery:
  queries:
    - name: visibility
      adapter: casda
      template: SELECT * FROM ivoa.obscore WHERE filename LIKE '{source_identifier}%'
    - name: position
      adapter: vizier
      template: SELECT * FROM t WHERE name = '{source_name}'
  enrichments:
    - name: files
      adapter: casda
      template: SELECT * FROM f WHERE sbid = '{sbid}'
  prepare_metadata:
    field_map:
      sbid: {from: obs_id, transform: digits}
      dataset_id: {from: filename}
    discovery_flags:
      found: {from: enrichments.position, transform: present}
manifest:
  group_by: [source_identifier]
graph_patches:
  - match: {kind: node_name, equals: Beam}
    set: {num_of_copies: "$count(sbids[].datasets[])"}
automation:
  discovery: {enabled: true}
  execution: {enabled: true}
`

// edit gives the small config with one text replaced.
func edit(t *testing.T, old, replacement string) string {
	t.Helper()
	if strings.Count(small, old) != 1 {
		t.Fatalf("%q is not once in the small config", old)
	}
	return strings.Replace(small, old, replacement, 1)
}

func mustLoad(t *testing.T, text string) *Project {
	t.Helper()
	p, report := Load([]byte(text), "test.yaml")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

// transforms gives a project with the transforms of a YAML map.
func transforms(t *testing.T, yaml string) *Project {
	t.Helper()
	return mustLoad(t, edit(t, "    present: {kind: is_present}\n", "    present: {kind: is_present}\n"+yaml))
}

// documented gives the YAML blocks of docs/survey.md.
func documented(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "docs", "survey.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, rest := range strings.Split(string(raw), "```yaml\n")[1:] {
		block, _, _ := strings.Cut(rest, "```")
		blocks = append(blocks, block)
	}
	return blocks
}

func TestTheExampleInTheDocsLoads(t *testing.T) {
	p, report := Load([]byte(documented(t)[0]), "docs/survey.md")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if len(report.Warnings) > 0 || p.Metadata.ID != "my_survey" {
		t.Errorf("%v", report.Warnings)
	}
}

func TestEveryBlockInTheDocsLoadsWhereItBelongs(t *testing.T) {
	blocks := documented(t)[1:]
	if len(blocks) != 6 {
		t.Fatalf("%d blocks; say below where the others belong", len(blocks))
	}
	credentials, query, list, upload, both, implied := blocks[0], blocks[1], blocks[2], blocks[3], blocks[4], blocks[5]
	credentials = strings.Replace(credentials, "[casda, survey]", "[casda, survey, vizier]", 1)
	mustLoadQuietly(t, edit(t, "adapters:\n  required: [casda]\n", credentials))
	const position = "    - name: position\n      adapter: vizier\n      template: SELECT * FROM t WHERE name = '{source_name}'\n"
	for _, batch := range []string{"", list, both, strings.Replace(upload, "u.source_identifier ||", "u.source_name ||", 1)} {
		text := strings.Replace(small, position, query+batch, 1)
		mustLoadQuietly(t, strings.Replace(text, "enrichments.position", "enrichments.ra_dec_vsys", 1))
	}

	text := strings.NewReplacer("name: position", "name: ra_dec_vsys", "enrichments.position", "enrichments.ra_dec_vsys", "name: files", "name: sbid_to_eval_file").Replace(small)
	said := strings.Replace(text, "    field_map:", "    "+strings.ReplaceAll(strings.TrimSpace(implied), "\n", "\n    ")+"\n    field_map:", 1)
	if mustLoad(t, text).Digest() != mustLoad(t, said).Digest() {
		t.Error("the blocks in the docs are not those that the names imply")
	}
}

func mustLoadQuietly(t *testing.T, text string) {
	t.Helper()
	if _, report := Load([]byte(text), "test.yaml"); !report.Valid || len(report.Warnings) > 0 {
		t.Errorf("%v %v\n%s", report.Errors, report.Warnings, text)
	}
}
