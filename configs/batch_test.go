package configs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

const (
	primaryTemplate  = "      template: SELECT * FROM ivoa.obscore WHERE filename LIKE '{source_identifier}%'\n"
	positionTemplate = "      template: SELECT * FROM t WHERE name = '{source_name}'\n"
	filesTemplate    = "      template: SELECT * FROM f WHERE sbid = '{sbid}'\n"
)

// batched gives the small config with a batch block after one query's template.
func batched(t *testing.T, template, batch string) string {
	t.Helper()
	return edit(t, template, template+"      "+strings.ReplaceAll(strings.TrimSpace(batch), "\n", "\n      ")+"\n")
}

func at[T any](v T) *T { return &v }

func TestABatchIsOneFormOrAListOfForms(t *testing.T) {
	one := `batch: {upload: sources, key: source_identifier, template: "SELECT u.source_identifier, o.* FROM TAP_UPLOAD.sources u JOIN ivoa.obscore o ON o.filename LIKE u.source_identifier || '%'"}`
	upload := BatchForm{
		Upload: "sources", Key: "source_identifier",
		Template: at("SELECT u.source_identifier, o.* FROM TAP_UPLOAD.sources u JOIN ivoa.obscore o ON o.filename LIKE u.source_identifier || '%'"),
	}
	list := BatchForm{InList: true, Key: "name", MaxRows: at(50), MaxBytes: at(5000), Template: at("SELECT * FROM t WHERE name IN ({source_name:list})")}
	for _, tt := range []struct {
		name, template, batch string
		want                  []BatchForm
	}{
		{"one", primaryTemplate, one, []BatchForm{upload}},
		{"a list of one", primaryTemplate, "batch:\n- " + strings.TrimPrefix(one, "batch: "), []BatchForm{upload}},
		{"two", positionTemplate, `
batch:
- upload: sources
  key: name
  variable: source_name
  keep_key: true
  template: SELECT t.* FROM t JOIN tap_upload.Sources u ON t.name = u.source_name
- {in_list: true, key: name, max_rows: 50, max_bytes: 5000, template: "SELECT * FROM t WHERE name IN ({source_name:list})"}
`, []BatchForm{
			{Upload: "sources", Key: "name", Variable: "source_name", KeepKey: true, Template: at("SELECT t.* FROM t JOIN tap_upload.Sources u ON t.name = u.source_name")},
			list,
		}},
		{"none", positionTemplate, "batch: null", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, report := Load([]byte(batched(t, tt.template, tt.batch)), "test.yaml")
			if err := report.Err(); err != nil || len(report.Warnings) > 0 {
				t.Fatal(err, report.Warnings)
			}
			got := append(p.Discovery.Queries[0].Batch, p.Discovery.Queries[1].Batch...)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			again, err := FromCanonical(p.Canonical())
			if err != nil || again.Digest() != p.Digest() {
				t.Errorf("the canonical form does not come back: %v", err)
			}
			asJSON, err := asJSON(p)
			if err != nil || mustLoad(t, string(asJSON)).Digest() != p.Digest() {
				t.Errorf("as JSON it is another config: %v", err)
			}
		})
	}
}

func TestAFormHasLimitsOfItsOwnOrTheUsualOnes(t *testing.T) {
	if f := (BatchForm{}); f.Rows() != 1000 || f.Bytes() != 200_000 {
		t.Errorf("%d rows, %d bytes", f.Rows(), f.Bytes())
	}
	if f := (BatchForm{MaxRows: at(3), MaxBytes: at(4000)}); f.Rows() != 3 || f.Bytes() != 4000 {
		t.Errorf("%d rows, %d bytes", f.Rows(), f.Bytes())
	}
}

func TestTheKeyVariableIsTheOneAskedFor(t *testing.T) {
	named := Query{Template: "a = '{short_name}' AND b = '{source_identifier}'"}
	list := Query{Template: "a IN ({source_name:list})"}
	for _, tt := range []struct {
		name       string
		query      Query
		form       BatchForm
		enrichment bool
		want       string
	}{
		{"said", named, BatchForm{Upload: "s", Key: "short_name", Variable: "other"}, false, "other"},
		{"the key is a standard variable", Query{}, BatchForm{Upload: "s", Key: "source_name"}, false, "source_name"},
		{"the key is a variable of the query", named, BatchForm{Upload: "s", Key: "short_name"}, false, "short_name"},
		{"the key is a column", named, BatchForm{Upload: "s", Key: "HIPASS", KeepKey: true}, false, "source_identifier"},
		{"the list's", list, BatchForm{InList: true, Key: "HIPASS"}, false, "source_name"},
		{"the list's, whatever the key is called", list, BatchForm{InList: true, Key: "source_identifier"}, false, "source_name"},
		{"the list of the form's own template", named, BatchForm{InList: true, Key: "x", Template: at("a IN ({short_name:list})")}, false, "short_name"},
		{"an enrichment", Query{}, BatchForm{Upload: "s", Key: "asked"}, true, "sbid"},
	} {
		if got := tt.query.KeyVariable(tt.form, tt.enrichment); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestSetADQLFillsTheListOrRefuses(t *testing.T) {
	list := BatchForm{InList: true, Key: "name"}
	in := Query{Name: "q", Template: "SELECT * FROM t WHERE name IN ({id:list}) AND x = 'O''B'"}
	for _, tt := range []struct {
		name   string
		query  Query
		form   BatchForm
		values []string
		want   string // the query, or "!" and a part of the refusal
	}{
		{"two", in, list, []string{"a", "b"}, "SELECT * FROM t WHERE name IN ('a','b') AND x = 'O''B'"},
		{"one", in, list, []string{"a"}, "SELECT * FROM t WHERE name IN ('a') AND x = 'O''B'"},
		{"quotes and braces", in, list, []string{"'", "{id:list}", "','"}, "SELECT * FROM t WHERE name IN ('''','{id:list}',''',''') AND x = 'O''B'"},
		{"not ASCII", in, list, []string{"Ünï"}, "SELECT * FROM t WHERE name IN ('Ünï') AND x = 'O''B'"},
		{"the form's own template", Query{Template: "a = '{id}'"}, BatchForm{InList: true, Template: at("a IN ({id:list})")}, []string{"1", "2"}, "a IN ('1','2')"},
		{"nothing", in, list, nil, "!no values"},
		{"a value with a newline", in, list, []string{"a", "b\n"}, "!control characters"},
		{"a value that is not UTF-8", in, list, []string{"\xff"}, "!not UTF-8"},
		{"a value too long", in, list, []string{strings.Repeat("x", 1025)}, "!1025 bytes"},
		{"too many", in, list, strings.Fields(strings.Repeat(strings.Repeat("x", 1000)+" ", 300)), "!grows past 262144 bytes"},
		{"a single template", Query{Template: "a = '{id}'"}, list, []string{"a"}, "!{variable:list}"},
		{"two placeholders", Query{Template: "a IN ({id:list}) OR b IN ({id:list})"}, list, []string{"a"}, "!2 placeholders"},
		{"open", Query{Template: "a IN ({id:list}) AND 'b"}, list, []string{"a"}, "!never closed"},
		{"an upload", Query{Template: "SELECT * FROM TAP_UPLOAD.s"}, BatchForm{Upload: "s"}, []string{"a", "b"}, "SELECT * FROM TAP_UPLOAD.s"},
		{"an upload with a placeholder", Query{Template: "SELECT '{id}' FROM TAP_UPLOAD.s"}, BatchForm{Upload: "s"}, []string{"a"}, "!the upload form has the placeholder {id}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.query.SetADQL(tt.form, tt.values)
			if refusal, ok := strings.CutPrefix(tt.want, "!"); ok {
				if got != "" || !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error()+strings.Join(fault.Hints(err), " "), refusal) {
					t.Errorf("got %q and %v, want a refusal with %q", got, err, refusal)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got  %q, %v\nwant %q", got, err, tt.want)
			}
		})
	}
	large := BatchForm{InList: true, Key: "name", MaxBytes: at(1_000_000)}
	if got, err := in.SetADQL(large, strings.Fields(strings.Repeat(strings.Repeat("x", 1000)+" ", 300))); err != nil || len(got) < 300_000 {
		t.Errorf("max_bytes raises the limit, got %d bytes, %v", len(got), err)
	}
}

func TestAQueryKnowsWhetherItNeedsAnUpload(t *testing.T) {
	for template, want := range map[string]bool{
		"SELECT * FROM TAP_UPLOAD.sources":               true,
		"SELECT * FROM tap_upload . \"Sources\" u":       true,
		"SELECT * FROM t WHERE a = 'TAP_UPLOAD.sources'": false,
		"SELECT * FROM t -- TAP_UPLOAD.sources":          false,
		"SELECT tap_upload FROM t":                       false,
	} {
		if got := (Query{Template: template}).NeedsUpload(); got != want {
			t.Errorf("%s: %v", template, got)
		}
	}
}

func TestEveryBatchErrorNamesItsPlaceAndWhatToWrite(t *testing.T) {
	join := `template: "SELECT u.source_identifier, o.* FROM TAP_UPLOAD.sources u JOIN o ON o.f = u.source_identifier"`
	for _, tt := range []struct {
		name, query, batch string
		code, path         string
		line               int
		text               string // of the message or the hint
	}{
		{"both", primaryTemplate, "batch: {upload: sources, in_list: true, key: k}", CodeMutuallyExclusive, "discovery.queries[0].batch[0]", 23, "exactly one of upload"},
		{"neither", primaryTemplate, "batch: {key: k}", CodeMutuallyExclusive, "discovery.queries[0].batch[0]", 23, "exactly one of upload"},
		{"no key", primaryTemplate, "batch: {upload: sources, " + join + "}", CodeRequired, "discovery.queries[0].batch[0].key", 23, "expected text"},
		{"a blank key", primaryTemplate, "batch:\n  key: ' '\n  upload: sources\n  " + join, CodeRequired, "discovery.queries[0].batch[0].key", 24, "expected text"},
		{"a reserved word", primaryTemplate, "batch:\n  - key: k\n    upload: values\n    " + join, CodeInvalidBatch, "discovery.queries[0].batch[0].upload", 25, "reserved word"},
		{"no identifier", primaryTemplate, "batch: {upload: my-sources, key: k}", CodeInvalidBatch, "discovery.queries[0].batch[0].upload", 23, "no regular ADQL identifier"},
		{"the template of the query", primaryTemplate, "batch: {upload: sources, key: source_identifier}", CodeInvalidBatch, "discovery.queries[0].batch[0]", 23, "TAP_UPLOAD.sources u JOIN"},
		{"another table", primaryTemplate, "batch: {upload: others, key: source_identifier, " + join + "}", CodeInvalidBatch, "discovery.queries[0].batch[0].template", 23, "does not name TAP_UPLOAD.others"},
		{"a second table", primaryTemplate, `batch: {upload: a, key: source_identifier, template: "SELECT * FROM TAP_UPLOAD.a, TAP_UPLOAD.b"}`, CodeInvalidBatch, "discovery.queries[0].batch[0].template", 23, "uploads only a"},
		{"a source's value in an upload", primaryTemplate, `batch: {upload: a, key: k, template: "SELECT * FROM TAP_UPLOAD.a WHERE k = '{source_name}'"}`, CodeInvalidBatch, "discovery.queries[0].batch[0].template", 23, "u.source_name"},
		{"a list of the single template", positionTemplate, "batch: {in_list: true, key: name}", CodeInvalidBatch, "discovery.queries[1].batch[0]", 26, "it has {source_name}"},
		{"a list without placeholder", positionTemplate, "batch: {in_list: true, key: name, template: SELECT 1}", CodeInvalidBatch, "discovery.queries[1].batch[0].template", 26, "it has none"},
		{"two lists", positionTemplate, `batch: {in_list: true, key: name, template: "({source_name:list}) ({source_identifier:list})"}`, CodeInvalidBatch, "discovery.queries[1].batch[0].template", 26, "exactly one placeholder"},
		{"a list in quotes", positionTemplate, `batch: {in_list: true, key: name, template: "a IN ('{source_name:list}')"}`, CodeInvalidBatch, "discovery.queries[1].batch[0].template", 26, "inside a quoted literal"},
		{"a list that uploads", positionTemplate, `batch: {in_list: true, key: name, template: "SELECT * FROM TAP_UPLOAD.a WHERE a IN ({source_name:list})"}`, CodeInvalidBatch, "discovery.queries[1].batch[0].template", 26, "uploads nothing"},
		{"a list of an unknown variable", positionTemplate, `batch: {in_list: true, key: name, template: "a IN ({nobody:list})"}`, CodeInvalidBatch, "discovery.queries[1].batch[0]", 26, `nothing gives the variable "nobody"`},
		{"an unknown variable", primaryTemplate, "batch: {upload: sources, key: k, variable: nobody, " + join + "}", CodeInvalidBatch, "discovery.queries[0].batch[0].variable", 23, "the variables are"},
		{"a list's variable that is not its own", positionTemplate, `batch: {in_list: true, key: name, variable: source_identifier, template: "a IN ({source_name:list})"}`, CodeInvalidBatch, "discovery.queries[1].batch[0].variable", 26, "leave variable out"},
		{"a row limit", positionTemplate, `batch: {in_list: true, key: name, template: "SELECT TOP 5 * FROM t WHERE a IN ({source_name:list})"}`, CodeInvalidBatch, "discovery.queries[1].batch[0].template", 26, "latest_by"},
		{"a template that does not end", positionTemplate, `batch: {in_list: true, key: name, template: "a IN ({source_name:list}) 'b"}`, CodeInvalidBatch, "discovery.queries[1].batch[0].template", 26, "never closed"},
		{"an empty template", positionTemplate, `batch: {in_list: true, key: name, template: " "}`, CodeRequired, "discovery.queries[1].batch[0].template", 26, "expected text"},
		{"too few rows", positionTemplate, `batch: {in_list: true, key: name, max_rows: 0, template: "a IN ({source_name:list})"}`, CodeInvalidLimit, "discovery.queries[1].batch[0].max_rows", 26, "from 1 to 10000"},
		{"too many rows", positionTemplate, `batch: {in_list: true, key: name, max_rows: 10001, template: "a IN ({source_name:list})"}`, CodeInvalidLimit, "discovery.queries[1].batch[0].max_rows", 26, "from 1 to 10000"},
		{"too few bytes", positionTemplate, `batch: {in_list: true, key: name, max_bytes: 999, template: "a IN ({source_name:list})"}`, CodeInvalidLimit, "discovery.queries[1].batch[0].max_bytes", 26, "from 1000 to 10000000"},
		{"too many bytes", positionTemplate, `batch: {in_list: true, key: name, max_bytes: 10000001, template: "a IN ({source_name:list})"}`, CodeInvalidLimit, "discovery.queries[1].batch[0].max_bytes", 26, "from 1000 to 10000000"},
		{"too many forms", positionTemplate, "batch: [" + strings.Repeat("{in_list: true, key: k}, ", 9) + "]", CodeInvalidLimit, "discovery.queries[1].batch", 26, "at most 8 forms"},
		{"an enrichment for a source", filesTemplate, "batch: {in_list: true, key: k, template: \"a IN ({source_name:list})\"}", CodeInvalidBatch, "discovery.enrichments[0].batch[0]", 30, "asked for sbid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, report := Load([]byte(batched(t, tt.query, tt.batch)), "test.yaml")
			if len(report.Errors) == 0 {
				t.Fatal("no error")
			}
			d := report.Errors[0]
			if d.Code != tt.code || d.Path != tt.path || d.Line != tt.line || !strings.Contains(d.Message+" "+d.Hint, tt.text) {
				t.Errorf("%s\nwant %s %s in line %d with %q", d, tt.code, tt.path, tt.line, tt.text)
			}
		})
	}
}

func TestABatchOfTheWrongShapeIsRefused(t *testing.T) {
	for batch, want := range map[string]string{
		"batch: sources":                       "expected an object or a list of objects",
		"batch: []":                            "expected at least one form",
		"batch: [sources]":                     "expected an object",
		"batch: {upload: 5, key: k}":           "expected text",
		"batch: {in_list: yes please, key: k}": "expected true or false",
		"batch: {in_list: true, keys: k}":      `unknown key "keys"; expected one of upload, in_list, key, variable, keep_key, numeric, template, max_rows, max_bytes`,
		"latest_by: [t_max]":                   "expected text",
	} {
		p, report := Load([]byte(batched(t, primaryTemplate, batch)), "test.yaml")
		if p != nil || len(report.Errors) != 1 || !strings.Contains(report.Errors[0].Message, want) || report.Errors[0].Line != 23 {
			t.Errorf("%s: %v", batch, report.Errors)
		}
	}
	if _, report := Load([]byte(batched(t, primaryTemplate, "latest_by: ' '")), "test.yaml"); report.Valid || report.Errors[0].Path != "discovery.queries[0].latest_by" {
		t.Error(report)
	}
}

func TestAnEnrichmentThatAlsoAsksForTheSourceHasNoBatch(t *testing.T) {
	text := edit(t, filesTemplate, "      template: SELECT * FROM f WHERE sbid = '{sbid}' AND name = '{source_name}'\n      batch: {in_list: true, key: sbid, template: \"SELECT * FROM f WHERE sbid IN ({sbid:list})\"}\n")
	_, report := Load([]byte(text), "test.yaml")
	if report.Valid || report.Errors[0].Path != "discovery.enrichments[0].batch" || !strings.Contains(report.Errors[0].Message, "{source_name}") {
		t.Error(report)
	}
	text = strings.Replace(text, " AND name = '{source_name}'", "", 1)
	if p := mustLoad(t, text); p.Discovery.Enrichments[0].KeyVariable(p.Discovery.Enrichments[0].Batch[0], true) != "sbid" {
		t.Error("an enrichment is asked by SBID")
	}
}

func TestVariablesMustBeColumnsOfAnUploadedTable(t *testing.T) {
	upload := batched(t, primaryTemplate, `batch: {upload: sources, key: source_identifier, template: "SELECT u.source_identifier, o.* FROM TAP_UPLOAD.sources u JOIN o ON o.f = u.source_identifier"}`)
	for name, want := range map[string]string{"a.b": "no regular ADQL identifier", "value": "reserved word", "SOURCE_NAME": "one column"} {
		text := strings.Replace(upload, "    source_name:\n      transform: digits\n", "    source_name:\n      transform: digits\n    "+name+": {from: canonical}\n", 1)
		_, report := Load([]byte(text), "test.yaml")
		if len(report.Errors) != 1 || !strings.Contains(report.Errors[0].Message, want) {
			t.Errorf("%s: %v", name, report.Errors)
		}
	}
	mustLoad(t, edit(t, "    source_name:\n      transform: digits\n", "    source_name:\n      transform: digits\n    value: {from: canonical}\n")) // nothing is uploaded
}

func TestWhatABatchCannotDoIsSaid(t *testing.T) {
	needs := `      template: SELECT u.source_identifier, o.* FROM TAP_UPLOAD.sources u JOIN o ON o.f = u.source_identifier` + "\n"
	for _, tt := range []struct {
		name, text string
		want       []string // warnings
		refused    bool
	}{
		{"no fallback", edit(t, primaryTemplate, needs+"      batch: {upload: sources, key: source_identifier}\n"), []string{CodeNoFallback}, false},
		{
			"a list is one", edit(t, primaryTemplate, needs+"      batch: [{upload: sources, key: source_identifier}, {in_list: true, key: f, template: \"SELECT * FROM o WHERE f IN ({source_identifier:list})\"}]\n"),
			nil, false,
		},
		{"nobody uploads", edit(t, primaryTemplate, needs), []string{CodeInvalidQuery}, true},
		{"another is uploaded", edit(t, primaryTemplate, needs+"      batch: {upload: other, key: k, template: SELECT u.k FROM TAP_UPLOAD.other u}\n"), []string{CodeNoFallback, CodeInvalidQuery}, true},
		{
			"the key is not asked for", batched(t, primaryTemplate, `batch: {upload: sources, key: source_id, template: "SELECT u.source_identifier, o.f FROM TAP_UPLOAD.sources u JOIN o ON o.f = u.source_identifier"}`),
			[]string{CodeKeyNotSelected},
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, report := Load([]byte(tt.text), "test.yaml")
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, codes(report.Warnings)); diff != "" {
				t.Error(diff)
			}
			if got := p.RefuseDiscovery(); (len(got) > 0) != tt.refused {
				t.Errorf("refused for %v", got)
			}
		})
	}
}

func TestABatchDoesNotShapeSignaturesAndLatestByDoes(t *testing.T) {
	old := mustLoad(t, small)
	set := mustLoad(t, batched(t, positionTemplate, `batch: {in_list: true, key: name, template: "SELECT * FROM t WHERE name IN ({source_name:list})"}`))
	if got := set.ChangesFrom(old); got != nil {
		t.Errorf("a batch is no other question: %v", got)
	}
	if diff := cmp.Diff(old.Discovery.Queries[1], set.Discovery.Queries[1].SignaturePart()); diff != "" {
		t.Error(diff)
	}
	if set.Digest() == old.Digest() || len(set.Diff(old)) == 0 {
		t.Error("it is another config though")
	}
	latest := mustLoad(t, batched(t, primaryTemplate, "latest_by: t_max"))
	if got := codes(latest.ChangesFrom(old)); len(got) != 1 || got[0] != CodeQueriesChanged {
		t.Errorf("latest_by is another question: %v", got)
	}
	if got := latest.Discovery.Queries[0].SignaturePart().LatestBy; got == nil || *got != "t_max" {
		t.Error("latest_by shapes signatures")
	}
}

// The digests of configs that were stored before these keys came.
func TestAbsentKeysLeaveDigestsAsTheyWere(t *testing.T) {
	for file, want := range map[string]string{
		"wallaby_hires.v2.yaml":  "da786a0dd8dbe7eb6134e7afa10c876b20b690030b21fdb78ff2939ef6ca5ffa",
		"wallaby_hires.v1.yaml":  "f1223e545b05751f76af7ddea685fe451f9471a799675bb3c6620a242e76bc86",
		"minimal_survey.v2.yaml": "acbec421f51a51596c4ef201ce97f0dbb5ae8d92c04ae0e4dfe71a1608692667",
	} {
		t.Run(file, func(t *testing.T) {
			if got := mustLoad(t, string(shared(t, file))).Digest(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	if got := mustLoad(t, small).Digest(); got != "7fd828220b90b60fa1d804d6ef642d2ae057e650b5c0dd4a50e34d8657030e3d" {
		t.Errorf("the small config: %s", got)
	}
}

func TestNewKeysHaveDefaultsAndLimits(t *testing.T) {
	p := mustLoad(t, small)
	sources, percent := p.Automation.Discovery.MassChangeLimit()
	tap := p.Adapters.Tap
	got := fmt.Sprint(p.Automation.Execution.Settle(), sources, percent, p.Automation.Discovery.QuarantineLimit(), tap.Concurrency(), tap.PerSecond(), tap.AskMode(), tap.MaxWait())
	if want := fmt.Sprint(6*time.Hour, 20, 5.0, 10, 8, 0.0, "auto", 30*time.Minute); got != want {
		t.Errorf("defaults %s, want %s", got, want)
	}
	p = mustLoad(t, strings.NewReplacer(
		"discovery: {enabled: true}", "discovery: {enabled: true, mass_change: {sources: 0}, quarantine_after: 0}",
		"execution: {enabled: true}", "execution: {enabled: true, settle_hours: 0.5}",
		"required: [casda]", "required: [casda]\n  tap: {max_concurrency: 4, requests_per_second: 0.5, mode: async, max_wait_minutes: 90}",
	).Replace(small))
	sources, percent = p.Automation.Discovery.MassChangeLimit()
	tap = p.Adapters.Tap
	got = fmt.Sprint(p.Automation.Execution.Settle(), sources, percent, p.Automation.Discovery.QuarantineLimit(), tap.Concurrency(), tap.PerSecond(), tap.AskMode(), tap.MaxWait())
	if want := fmt.Sprint(30*time.Minute, 0, 5.0, 0, 4, 0.5, "async", 90*time.Minute); got != want {
		t.Errorf("as said %s, want %s", got, want)
	}
	if settle := mustLoad(t, edit(t, "execution: {enabled: true}", "execution: {enabled: true, settle_hours: 0}")).Automation.Execution.Settle(); settle != 0 {
		t.Errorf("settle_hours: 0 is at once, got %s", settle)
	}
	for _, tt := range []struct{ old, replacement, code, path string }{
		{"execution: {enabled: true}", "execution: {enabled: true, settle_hours: -1}", CodeInvalidLimit, "automation.execution.settle_hours"},
		{"execution: {enabled: true}", "execution: {enabled: true, settle_hours: 720.1}", CodeInvalidLimit, "automation.execution.settle_hours"},
		{"discovery: {enabled: true}", "discovery: {enabled: true, quarantine_after: -1}", CodeInvalidLimit, "automation.discovery.quarantine_after"},
		{"discovery: {enabled: true}", "discovery: {enabled: true, mass_change: {sources: -1}}", CodeInvalidLimit, "automation.discovery.mass_change.sources"},
		{"discovery: {enabled: true}", "discovery: {enabled: true, mass_change: {percent: 100.5}}", CodeInvalidLimit, "automation.discovery.mass_change.percent"},
		{"discovery: {enabled: true}", "discovery: {enabled: true, mass_change: {percents: 1}}", CodeInvalidStructure, "automation.discovery.mass_change.percents"},
		{"discovery: {enabled: true}", "discovery: {enabled: true, mass_change: 20}", CodeInvalidStructure, "automation.discovery.mass_change"},
		{"required: [casda]", "required: [casda]\n  tap: {max_concurrency: 0}", CodeInvalidLimit, "adapters.tap.max_concurrency"},
		{"required: [casda]", "required: [casda]\n  tap: {max_concurrency: 65}", CodeInvalidLimit, "adapters.tap.max_concurrency"},
		{"required: [casda]", "required: [casda]\n  tap: {requests_per_second: 0}", CodeInvalidLimit, "adapters.tap.requests_per_second"},
		{"required: [casda]", "required: [casda]\n  tap: {mode: fast}", CodeInvalidChoice, "adapters.tap.mode"},
		{"required: [casda]", "required: [casda]\n  tap: {max_wait_minutes: 0}", CodeInvalidLimit, "adapters.tap.max_wait_minutes"},
	} {
		_, report := Load([]byte(edit(t, tt.old, tt.replacement)), "test.yaml")
		if len(report.Errors) != 1 || report.Errors[0].Code != tt.code || report.Errors[0].Path != tt.path || report.Errors[0].Line == 0 {
			t.Errorf("%s: %v", tt.replacement, report.Errors)
		}
	}
}
