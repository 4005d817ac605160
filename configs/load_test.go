package configs

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"beampipe/fault"
)

func codes(list []Diagnostic) []string {
	var out []string
	for _, d := range list {
		out = append(out, d.Code)
	}
	return out
}

func TestRealConfigsLoadUnmodified(t *testing.T) {
	for _, tt := range []struct {
		file                string
		id                  string
		warnings            []string
		discovery, executes []string // reasons to refuse
	}{
		{"wallaby_hires.v2.yaml", "wallaby_hires", nil, nil, nil},
		{"wallaby_hires.v1.yaml", "wallaby_hires", []string{CodeLegacyAPIVersion, CodeUnpinnedGraph}, nil, nil},
		{
			"minimal_survey.v2.yaml", "minimal_survey",
			[]string{CodeMissingGraph, CodeMissingSBID, CodeUnknownFlagPath},
			[]string{CodeMissingSBID, CodeUnknownFlagPath},
			[]string{CodeMissingGraph},
		},
	} {
		t.Run(tt.file, func(t *testing.T) {
			p, report := Load(shared(t, tt.file), tt.file)
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			if report.ProjectID != tt.id || report.SpecSHA256 != p.Digest() {
				t.Errorf("report names %q %s", report.ProjectID, report.SpecSHA256)
			}
			if diff := cmp.Diff(tt.warnings, codes(report.Warnings)); diff != "" {
				t.Errorf("warnings:\n%s", diff)
			}
			for _, d := range report.Warnings {
				if d.Line == 0 || d.Excerpt == "" || d.File != tt.file {
					t.Errorf("without a place: %v", d)
				}
			}
			if diff := cmp.Diff(tt.discovery, codes(p.RefuseDiscovery())); diff != "" {
				t.Errorf("discovery refused:\n%s", diff)
			}
			if diff := cmp.Diff(tt.executes, codes(p.RefuseExecution())); diff != "" {
				t.Errorf("execution refused:\n%s", diff)
			}
		})
	}
}

func TestTheRealConfigMeansWhatItSays(t *testing.T) {
	p := mustLoad(t, string(shared(t, "wallaby_hires.v2.yaml")))
	x := p.Automation.Execution
	if x.SlurmRemotePollIntervalSecs != 60 || x.SlurmRemotePollMaxRounds != 40 || *x.ConcurrentExecutionRunLimit != 10 || x.RestRemotePollMaxRounds != 240 {
		t.Errorf("execution: %+v", x)
	}
	coordinates := &Coordinates{
		Query: "ra_dec_vsys", RA: "RAJ2000", Dec: "DEJ2000", Velocity: []string{"RVmom", "RV50max", "RV50min"},
		RAFormat: "degrees", Targets: CoordinateTargets{"ra_string", "dec_string", "vsys"},
	}
	if diff := cmp.Diff(coordinates, p.Discovery.PrepareMetadata.Coordinates); diff != "" {
		t.Errorf("coordinates by the query's name:\n%s", diff)
	}
	evaluation := &Evaluation{
		Enrichment: "sbid_to_eval_file", Filename: "evaluation_file", AccessURL: "evaluation_file_access_url",
		Prefix: "calibration-metadata-processing-logs-SB{sbid}_", Required: true,
	}
	if diff := cmp.Diff(evaluation, p.Discovery.PrepareMetadata.Evaluation); diff != "" {
		t.Errorf("evaluation by the enrichment's name:\n%s", diff)
	}
	if got := evaluation.PrefixFor("72962"); got != "calibration-metadata-processing-logs-SB72962_" {
		t.Errorf("prefix %q", got)
	}
	if v, ok := p.Map(p.Discovery.PrepareMetadata.FieldMap["sbid"], " ASKAP-123 "); v != "123" || !ok {
		t.Errorf("sbid mapping gives %v %v", v, ok)
	}
	if got := p.TemplateVars("HIPASSJ1313-15"); got["source_name"] != "J1313-15" || got["source_identifier"] != "HIPASSJ1313-15" {
		t.Errorf("variables %v", got)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	p := mustLoad(t, small)
	if diff := cmp.Diff(Tap{TimeoutSeconds: 30, Retries: 1}, p.Adapters.Tap); diff != "" {
		t.Error(diff)
	}
	want := newDiscoveryAutomation()
	want.Enabled = true
	if diff := cmp.Diff(want, p.Automation.Discovery); diff != "" {
		t.Error(diff)
	}
	if p.Manifest.Path != "manifest.json" || p.SourceIdentity.Canonical != "source_identifier" || p.Graph.Manifest != ManifestRequired {
		t.Errorf("manifest %+v, identity %+v, graph %+v", p.Manifest, p.SourceIdentity, p.Graph)
	}
	if s := p.Discovery.PrepareMetadata.SignatureOptions(); !s.IncludeDiscoveryFlags {
		t.Error("without a signature block the flags belong to the signature")
	}
	if p.Discovery.PrepareMetadata.Coordinates != nil || p.Discovery.PrepareMetadata.Evaluation != nil {
		t.Error("no query has a name that brings coordinates or evaluation")
	}
}

func TestASmallValidConfigHasNoFindings(t *testing.T) {
	p, report := Load([]byte(small), "small.yaml")
	if !report.Valid || len(report.Warnings) > 0 || len(p.Unrunnable()) > 0 {
		t.Errorf("%v %v", report, p.Unrunnable())
	}
}

func TestJSONIsReadLikeYAML(t *testing.T) {
	want := mustLoad(t, small)
	text, err := asJSON(want)
	if err != nil {
		t.Fatal(err)
	}
	got := mustLoad(t, strings.ReplaceAll(string(text), "  ", "\t"))
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// want is what a test wants to see of one diagnostic.
type want struct {
	code, path   string
	line, column int
}

func TestEveryErrorNamesItsPlace(t *testing.T) {
	set := func(transform string) string { return "    present: " + transform + "\n" }
	present := "    present: {kind: is_present}\n"
	for _, tt := range []struct {
		name, old, replacement string
		want                   want
	}{
		{"unknown version", "beampipe.dev/v2", "beampipe.dev/v3", want{CodeLegacyAPIVersion, "apiVersion", 1, 13}},
		{"no version", "apiVersion: beampipe.dev/v2\n", "", want{CodeInvalidStructure, "apiVersion", 1, 1}},
		{"wrong kind", "kind: ProjectConfig", "kind: Pod", want{CodeInvalidKind, "kind", 2, 7}},
		{"unknown key", "  id: small", "  id: small\n  typo: 1", want{CodeInvalidStructure, "metadata.typo", 5, 3}},
		{"wrong type", "  id: small", "  id: [small]", want{CodeInvalidStructure, "metadata.id", 4, 3}},
		{"number for text", "  id: small", "  id: 5", want{CodeInvalidStructure, "metadata.id", 4, 7}},
		{"blank id", "  id: small", "  id: ' '", want{CodeRequired, "metadata.id", 4, 7}},
		{"missing id", "  id: small", "  description: x", want{CodeRequired, "metadata.id", 3, 1}},
		{"key twice", "  id: small", "  id: small\n  id: big", want{CodeInvalidYAML, "line 5, column 3", 5, 3}},
		{"broken YAML", "  id: small", "  id: small\n bad: x", want{CodeInvalidYAML, "line 5, column 2", 5, 2}},
		{"key that is no text", "  id: small", "  5: x", want{CodeInvalidValue, "line 4, column 3", 4, 3}},
		{"infinity", "  id: small", "  id: .inf", want{CodeInvalidValue, "line 4, column 7", 4, 7}},
		{"unknown alias", "  id: small", "  id: *a", want{CodeInvalidYAML, "line 4, column 7", 4, 7}},
		{"merge key", "  id: small", "  <<: {id: a}", want{CodeInvalidValue, "line 4, column 3", 4, 3}},
		{"no adapters", "[casda]", "[]", want{CodeRequired, "adapters.required", 14, 3}},
		{"blank adapter", "[casda]", "[casda, '']", want{CodeRequired, "adapters.required[1]", 14, 21}},
		{"two graphs", "  path: small.graph", "  path: small.graph\n  url: http://x/g", want{CodeMutuallyExclusive, "graph", 15, 1}},
		{"graph without a pin", "  sha256: 56faf68f4e22bab5a5976c081f54ad8c2dd4c17c71d02c9b6843c531d2f9a47b\n", "", want{CodeRequired, "graph.sha256", 15, 1}},
		{"short pin", "  sha256: 56faf68f4e22bab5a5976c081f54ad8c2dd4c17c71d02c9b6843c531d2f9a47b", "  sha256: 56fa", want{CodeInvalidSHA256, "graph.sha256", 17, 11}},
		{"graph without a place", "  path: small.graph\n", "", want{CodeMutuallyExclusive, "graph", 15, 1}},
		{"query without a template", "      template: SELECT * FROM f WHERE sbid = '{sbid}'\n", "", want{CodeRequired, "discovery.enrichments[0].template", 27, 7}},
		{"unknown transform", "{from: obs_id, transform: digits}", "{from: obs_id, transform: nope}", want{CodeUnknownTransform, "discovery.prepare_metadata.field_map.sbid.transform", 32, 39}},
		{"unknown step", "{from: obs_id, transform: digits}", "{from: obs_id, transform: [digits, nope]}", want{CodeUnknownTransform, "discovery.prepare_metadata.field_map.sbid.transform[1]", 32, 48}},
		{"empty chain", "{from: obs_id, transform: digits}", "{from: obs_id, transform: []}", want{CodeEmptyChain, "discovery.prepare_metadata.field_map.sbid.transform", 32, 28}},
		{"mapping without from", "dataset_id: {from: filename}", "dataset_id: {}", want{CodeRequired, "discovery.prepare_metadata.field_map.dataset_id.from", 33, 7}},
		{"short mapping", "dataset_id: {from: filename}", "dataset_id: filename", want{CodeInvalidStructure, "discovery.prepare_metadata.field_map.dataset_id", 33, 19}},
		{"unknown transform of a variable", "      transform: digits", "      transform: nope", want{CodeUnknownTransform, "source_identity.template_vars.source_name.transform", 12, 18}},
		{"patch kind", "kind: node_name, ", "", want{CodeMatchKind, "graph_patches[0].match.kind", 39, 5}},
		{"patch without a node", ", equals: Beam", "", want{CodeRequired, "graph_patches[0].match.equals", 39, 5}},
		{"patch without a field", "    set: {num_of_copies: \"$count(sbids[].datasets[])\"}\n", "", want{CodeRequired, "graph_patches[0].set", 39, 5}},
		{"patch expression", "$count(sbids[].datasets[])", "$avg(x)", want{CodeInvalidExpression, "graph_patches[0].set.num_of_copies", 40, 26}},
		{"schedule", "  execution: {enabled: true}", "  execution: {enabled: true, schedule: '61 * * * *'}", want{CodeInvalidSchedule, "automation.execution.schedule", 43, 40}},
		{"schedule the parser panics on", "  execution: {enabled: true}", "  execution: {schedule: TZ=}", want{CodeInvalidSchedule, "automation.execution.schedule", 43, 25}},
		{"schedule that never comes", "  execution: {enabled: true}", "  execution: {schedule: 0 0 30 2 *}", want{CodeInvalidSchedule, "automation.execution.schedule", 43, 25}},
		{"graph.manifest", "  path: small.graph", "  path: small.graph\n  manifest: maybe", want{CodeInvalidChoice, "graph.manifest", 17, 13}},
		{"kind of transform", present, set("{kind: magic}"), want{CodeTransformKind, "definitions.transforms.present.kind", 8, 21}},
		{"replace", present, set("{kind: replace, from: ''}"), want{CodeRequired, "definitions.transforms.present.from", 8, 36}},
		{"add_prefix", present, set("{kind: add_prefix}"), want{CodeRequired, "definitions.transforms.present.prefix", 8, 5}},
		{"strip_prefix", present, set("{kind: strip_prefix}"), want{CodeRequired, "definitions.transforms.present.prefix", 8, 5}},
		{"add_suffix", present, set("{kind: add_suffix}"), want{CodeRequired, "definitions.transforms.present.suffix", 8, 5}},
		{"default_if_empty", present, set("{kind: default_if_empty}"), want{CodeRequired, "definitions.transforms.present.default", 8, 5}},
		{"split_last", present, set("{kind: split_last}"), want{CodeRequired, "definitions.transforms.present.separators", 8, 5}},
		{"split_last with an empty one", present, set("{kind: split_last, separators: [a, '']}"), want{CodeRequired, "definitions.transforms.present.separators[1]", 8, 49}},
		{"regex_extract", present, set("{kind: regex_extract}"), want{CodeRequired, "definitions.transforms.present.pattern", 8, 5}},
		{"chain", present, set("{kind: chain}"), want{CodeRequired, "definitions.transforms.present.steps", 8, 5}},
		{"chain with an unknown step", present, set("{kind: chain, steps: [nope]}"), want{CodeUnknownTransform, "definitions.transforms.present.steps[0]", 8, 36}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, report := Load([]byte(edit(t, tt.old, tt.replacement)), "test.yaml")
			if report.Valid || !errors.Is(report.Err(), fault.Invalid) {
				t.Fatalf("accepted: %v", report)
			}
			d := report.Errors[0]
			if got := (want{d.Code, d.Path, d.Line, d.Column}); got != tt.want {
				t.Errorf("got  %+v\nwant %+v\n%v", got, tt.want, d)
			}
		})
	}
}

func TestSectionsAreCheckedByTheirRules(t *testing.T) {
	for _, tt := range []struct{ name, add, code, path string }{
		{"timeout 0", "adapters: {required: [casda], tap: {timeout_seconds: 0}}", CodeInvalidLimit, "adapters.tap.timeout_seconds"},
		{"retries below 0", "adapters: {required: [casda], tap: {retries: -1}}", CodeInvalidLimit, "adapters.tap.retries"},
		{"batch size 0", "automation: {discovery: {batch_size: 0}}", CodeInvalidLimit, "automation.discovery.batch_size"},
		{"hours that overflow", "automation: {discovery: {stale_after_hours: 99999999999}}", CodeInvalidLimit, "automation.discovery.stale_after_hours"},
		{"optional limit 0", "automation: {discovery: {queue_max_depth: 0}}", CodeInvalidLimit, "automation.discovery.queue_max_depth"},
		{"run limit 0", "automation: {execution: {concurrent_execution_run_limit: 0}}", CodeInvalidLimit, "automation.execution.concurrent_execution_run_limit"},
		{"interval 0", "automation: {execution: {execution_rest_remote_poll_interval_seconds: 0}}", CodeInvalidLimit, "automation.execution.execution_rest_remote_poll_interval_seconds"},
		{"fraction of a source", "automation: {execution: {max_sources_per_execution: 1.5}}", CodeInvalidStructure, "automation.execution.max_sources_per_execution"},
		{"other inventory", "output_verification: {inventory_schema: mine/v1}", CodeInventorySchema, "output_verification.inventory_schema"},
		{"unknown hook", "extension: {hooks: [reduce]}", CodeUnknownHook, "extension.hooks[0]"},
		{"blank excluded field", "discovery: {prepare_metadata: {signature: {exclude_fields: [a, '']}}}", CodeRequired, "discovery.prepare_metadata.signature.exclude_fields[1]"},
		{"coordinates of no query", "discovery: {prepare_metadata: {coordinates: {query: nope}}}", CodeUnknownQuery, "discovery.prepare_metadata.coordinates.query"},
		{"evaluation of no query", "discovery: {prepare_metadata: {evaluation: {enrichment: nope}}}", CodeUnknownQuery, "discovery.prepare_metadata.evaluation.enrichment"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := "apiVersion: beampipe.dev/v2\nkind: ProjectConfig\nmetadata: {id: x}\n" + tt.add + "\n"
			if !strings.HasPrefix(tt.add, "adapters") {
				text += "adapters: {required: [casda]}\n"
			}
			_, report := Load([]byte(text), "test.yaml")
			if len(report.Errors) != 1 || report.Errors[0].Code != tt.code || report.Errors[0].Path != tt.path || report.Errors[0].Line != 4 {
				t.Errorf("want %s at %s in line 4, got %v", tt.code, tt.path, report.Errors)
			}
		})
	}
}

func TestAdditionalChecksWarnAndRefuse(t *testing.T) {
	present := "    present: {kind: is_present}\n"
	for _, tt := range []struct {
		name, old, replacement string
		want                   want
	}{
		{"chain cycle", present, present + "    a: {kind: chain, steps: [b]}\n    b: {kind: chain, steps: [digits, a]}\n", want{CodeTransformCycle, "definitions.transforms.a.steps", 9, 22}},
		{"chain naming itself", present, present + "    a: {kind: chain, steps: [a]}\n", want{CodeTransformCycle, "definitions.transforms.a.steps", 9, 22}},
		{"bad pattern", present, present + "    a: {kind: regex_extract, pattern: 'a(?=b)'}\n", want{CodeInvalidRegex, "definitions.transforms.a.pattern", 9, 39}},
		{"group that is not there", present, present + "    a: {kind: regex_extract, pattern: a, group: 1}\n", want{CodeInvalidRegex, "definitions.transforms.a.group", 9, 49}},
		{"unknown adapter", "adapter: vizier", "adapter: other", want{CodeUnknownAdapter, "discovery.queries[1].adapter", 24, 16}},
		{"password in a URL", "[casda]", "[casda]\n  casda_tap_url: https://me:secret@host/tap", want{CodeInvalidURL, "adapters.casda_tap_url", 15, 18}},
		{"flag on the primary query", "enrichments.position", "enrichments.visibility", want{CodeUnknownFlagPath, "discovery.prepare_metadata.discovery_flags.found.from", 35, 21}},
		{"flag on nothing", "enrichments.position", "position", want{CodeUnknownFlagPath, "discovery.prepare_metadata.discovery_flags.found.from", 35, 21}},
		{"placeholder nobody fills", "'{source_name}'", "'{sourcename}'", want{CodeUnknownPlaceholder, "discovery.queries[1].template", 25, 47}},
		{"sbid in a query", "'{source_name}'", "'{sbid}'", want{CodeUnknownPlaceholder, "discovery.queries[1].template", 25, 47}},
		{"bare placeholder", "'{source_name}'", "{source_name}", want{CodeBarePlaceholder, "discovery.queries[1].template", 25, 46}},
		{"placeholder as an identifier", "'{source_name}'", `"{source_name}"`, want{CodeBarePlaceholder, "discovery.queries[1].template", 25, 47}},
		{"open literal", "'{source_name}'", "'{source_name}", want{CodeInvalidQuery, "discovery.queries[1].template", 25, 17}},
		{"no sbid", "      sbid: {from: obs_id, transform: digits}\n", "", want{CodeMissingSBID, "discovery.prepare_metadata.field_map", 31, 5}},
		{"no dataset", "dataset_id:", "dataset:", want{CodeMissingDataset, "discovery.prepare_metadata.field_map", 31, 5}},
		{"two queries of one name", "name: files", "name: position", want{CodeDuplicateName, "discovery.enrichments[0].name", 27, 13}},
		{"id with a slash", "  id: small", "  id: ../small", want{CodeInvalidID, "metadata.id", 4, 7}},
		{"variable nobody can name", "    source_name:", "    two words:\n      from: x\n    source_name:", want{CodeInvalidVariable, "source_identity.template_vars.two words", 11, 5}},
		{"hook", "manifest:\n", "extension: {hooks: [prepare_metadata]}\nmanifest:\n", want{CodeUnsupportedHook, "extension.hooks[0]", 36, 21}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, report := Load([]byte(edit(t, tt.old, tt.replacement)), "test.yaml")
			if err := report.Err(); err != nil {
				t.Fatalf("the predecessor loaded this: %v", err)
			}
			if len(report.Warnings) != 1 {
				t.Fatalf("want one warning, got %v", report.Warnings)
			}
			d := report.Warnings[0]
			if got := (want{d.Code, d.Path, d.Line, d.Column}); got != tt.want {
				t.Errorf("got  %+v\nwant %+v\n%v", got, tt.want, d)
			}
			if refused := codes(p.RefuseDiscovery()); !contains(refused, tt.want.code) {
				t.Errorf("discovery is refused for %v, want %s", refused, tt.want.code)
			}
			stored, err := FromCanonical(p.Canonical())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p.Unrunnable(), stored.Unrunnable()); diff != "" {
				t.Errorf("the stored config is judged differently:\n%s", diff)
			}
		})
	}
}

func TestAdviceRefusesNothing(t *testing.T) {
	for _, tt := range []struct{ name, old, replacement, code string }{
		{"fail_open", "[casda]", "[casda]\n  tap: {fail_open: true}", CodeIgnoredKey},
		{"no manifest", "manifest:\n  group_by: [source_identifier]\n", "", CodeDefaultManifest},
		{"field of no query", "dataset_id: {from: filename}", "dataset_id: {from: enrichment.nope}", CodeUnknownFieldPath},
		{"from that is literal", "      transform: digits", "      from: source_identifier", CodeLiteralVariable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, report := Load([]byte(edit(t, tt.old, tt.replacement)), "test.yaml")
			if got := codes(report.Warnings); !report.Valid || len(got) != 1 || got[0] != tt.code {
				t.Errorf("want %s, got %v", tt.code, report)
			}
			if refused := p.Unrunnable(); refused != nil {
				t.Errorf("refused: %v", refused)
			}
		})
	}
}

func TestExecutionIsRefusedWithoutAGraph(t *testing.T) {
	text := edit(t, "graph:\n  path: small.graph\n  sha256: 56faf68f4e22bab5a5976c081f54ad8c2dd4c17c71d02c9b6843c531d2f9a47b\n", "")
	p := mustLoad(t, text)
	if got := codes(p.RefuseExecution()); len(got) != 1 || got[0] != CodeMissingGraph {
		t.Errorf("got %v", got)
	}
	if got := p.RefuseDiscovery(); got != nil {
		t.Errorf("discovery needs no graph, refused for %v", got)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(small))
	for _, seed := range []string{"a: [", "{\"a\": 1}", "a: &x {b: *x}", "? a\n: b", "- - - a", "a: |\n  b", "\ufeffa: 1", "apiVersion: beampipe.dev/v1\ngraph: {}\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, report := Load(raw, "f.yaml")
		if report.Valid != (report.Err() == nil) || report.Valid && p == nil {
			t.Fatal("the report contradicts itself")
		}
		if p == nil {
			return
		}
		again, err := FromCanonical(p.Canonical())
		if err != nil || again.Digest() != p.Digest() {
			t.Fatalf("does not read back: %v", err)
		}
	})
}
