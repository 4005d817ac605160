package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
	"beampipe/control"
	"beampipe/ledger"
	"beampipe/provenance"
)

func ago(d time.Duration) *time.Time {
	t := noon.Add(-d)
	return &t
}

func sourceWhyExample() control.SourceWhy {
	return control.SourceWhy{
		At: noon, State: "pending", Sentence: "its data changed and no run was admitted yet",
		Source: ledger.Source{
			Project: "wallaby_hires", Identifier: "HIPASSJ1313-15", Pending: true, PendingAt: ago(12 * time.Minute),
			Signature: "f57cea7a00112233", LastCheckedAt: ago(time.Hour),
		},
		Discovery: map[string]any{"at": "2026-11-20T04:00:00Z", "took_ns": 1_200_000_000, "queries": []map[string]any{
			{"name": "a", "archive": "casda", "form": "upload", "shared": 40, "rows": 14, "foreign": 2, "took_ns": 900_000_000},
			{"name": "b", "archive": "vizier", "form": "list", "shared": 40, "rows": 3, "older": 2, "took_ns": 200_000_000},
			{"name": "c", "sbid": "72962", "archive": "casda", "form": "single", "mode": "async", "rows": 1, "took_ns": 100_000_000},
		}},
		Datasets: 12, SBIDs: []string{"72962", "73011"},
		LastChange: &ledger.ChangeSet{Before: "4dcd5f3200112233", After: "f57cea7a00112233", Changes: []ledger.Change{
			{Kind: "dataset_added", SBID: "73011", Dataset: "a"},
			{Kind: "dataset_added", SBID: "73011", Dataset: "b"},
			{Kind: "flag_changed", Field: "ra_dec_vsys_complete", Before: false, After: true},
		}},
		NotInSigned: []string{"access_url", "filesize"},
		Admission:   "waits: profile slurm-remote has 10 of 10 runs in flight",
		Next:        []string{"beampipe execution list --state running"},
	}
}

func TestSourceWhyIsOneScreen(t *testing.T) {
	got := command(t, &fake{projects: []string{"p"}, why: sourceWhyExample()}, "source", "why", "HIPASSJ1313-15")
	want := `HIPASSJ1313-15 (wallaby_hires)   pending since 12 min
  its data changed and no run was admitted yet
  discovered   2026-11-20 04:00 UTC, 3 queries, 1.2 s, 12 datasets in SBIDs 72962, 73011; 2 rows of other sources left out
  changed      + 2 datasets in SBID 73011
               ~ ra_dec_vsys_complete  false → true
  signature    4dcd5f32 → f57cea7a   (access_url, filesize are not part of it)
  admission    waits: profile slurm-remote has 10 of 10 runs in flight

  queries
      a                casda   upload of 40   14 rows, 2 of other sources left out  900 ms
      b                vizier  list of 40     3 rows, 2 older left out (latest_by)  200 ms
      c of SBID 72962  casda   single, async  1 row                                 100 ms
  next         beampipe execution list --state running
`
	if diff := cmp.Diff(want, got.stdout); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestJSONIsTheAnswerAsItIs(t *testing.T) {
	f := &fake{projects: []string{"p"}, why: sourceWhyExample()}
	f.why.Sentence = "a < b && c"
	got := command(t, f, "source", "why", "A", "--json")
	var back control.SourceWhy
	if err := json.Unmarshal([]byte(got.stdout), &back); err != nil {
		t.Fatal(err)
	}
	mustContain(t, "stdout", got.stdout, "a < b && c", "\n  \"at\": ")
	if back.Sentence != f.why.Sentence || !back.At.Equal(noon) || back.Datasets != 12 {
		t.Errorf("got %+v", back)
	}
}

func TestExecutionWhyIsOneScreen(t *testing.T) {
	why := control.ExecutionWhy{
		At: noon, Sentence: "failed (science): one application failed; it waits for a person",
		Execution: ledger.Execution{ID: "0193aaaa", Project: "demo", State: ledger.Failed, Attempt: 2, UpdatedAt: noon.Add(-3 * time.Hour)},
		Readiness: []control.SourceReadiness{{Identifier: "A", Current: true}, {Identifier: "B", NotReady: []string{"missing since yesterday"}}},
		Figures:   []control.ExplainLimit{{Name: "in flight, all", Value: "1 of 2", From: "default"}},
		Events: []provenance.Event{{
			OccurredAt: noon.Add(-3 * time.Hour), Type: "execution.fail", Actor: "system:poll",
			Payload: json.RawMessage(`{"from":"running","to":"failed","why":"exit code 3","attempt":2}`),
		}},
		RunRecord: json.RawMessage(`{"local":{"session_id":"bp-0193aaaa-2","terminal":{"exit_code":3}}}`),
		Failed:    []control.FailedDrop{{OID: "1_-1_0", Name: "convolve", Reason: "exit code 3", Log: "line 1\n\x1b[31mred\x1b[0m\n"}},
		Next:      []string{"beampipe execution retry 0193aaaa --reason TEXT"},
	}
	got := command(t, &fake{run: why}, "execution", "why", "0193aaaa")
	want := `0193aaaa (demo)   failed since 3 h, attempt 2
  failed (science): one application failed; it waits for a person

  readiness
      A  ready                               its signature is still the pinned one
      B  not ready: missing since yesterday  its data changed since

  figures
      in flight, all  1 of 2  (default)

  events (UTC)
  2026-11-20 09:00:00  execution.fail  system:poll  running → failed, exit code 3, attempt=2

  run record
      local.session_id          bp-0193aaaa-2
      local.terminal.exit_code  3

  1 failed drop
      convolve (1_-1_0): exit code 3
        | line 1
        | \x1b[31mred\x1b[0m

  next         beampipe execution retry 0193aaaa --reason TEXT
`
	if diff := cmp.Diff(want, got.stdout); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestValidateShowsTheOffendingLineAndEndsWith3(t *testing.T) {
	report := control.ProjectReport{File: "survey.yaml", Report: configs.Report{ProjectID: "p", Errors: []configs.Diagnostic{{
		Path: "discovery.queries[0].name", Severity: "error", Code: "required", Message: "it is missing", File: "survey.yaml", Line: 3, Column: 5, Excerpt: "    3 |     adapter: casda",
	}}}}
	survey := file(t, "survey.yaml", "")
	got := command(t, &fake{report: report}, "project", "validate", "-f", survey)
	if got.code != exitInvalid {
		t.Errorf("exit code %d", got.code)
	}
	mustContain(t, "stdout", got.stdout, "survey.yaml:3:5: error required: discovery.queries[0].name", "    3 |     adapter: casda", "not valid: 1 error, 0 warnings")
	mustContain(t, "stderr", got.stderr, "beampipe: validate project config "+survey+": 1 error")

	got = command(t, &fake{report: report}, "project", "validate", "-f", survey, "-f", survey, "--json")
	var answer struct{ Reports []control.ProjectReport }
	if err := json.Unmarshal([]byte(got.stdout), &answer); err != nil || len(answer.Reports) != 2 {
		t.Errorf("got %d reports, %v", len(answer.Reports), err)
	}
}

func TestAnImportThatRefusesSomeIsReportedAndEndsWith3(t *testing.T) {
	f := &fake{projects: []string{"demo"}, imported: control.ImportReport{
		At: noon, Project: "demo", Added: 2, Known: 1,
		Refused:  []control.RefusedID{{Line: 4, Identifier: "bad\nid", Reason: "it holds a control character"}},
		Prefixes: []control.PrefixPair{{Short: "HIPASSJ0324-21", Long: "HIPASSJ0324-21b"}},
	}}
	got := commandWith(t, context.Background(), f, "A\nB\n", "source", "import", "--column", "name")
	if got.code != exitInvalid || string(f.gotImport.Content) != "A\nB\n" || f.gotImport.Column != "name" || f.gotImport.Name != "stdin" {
		t.Errorf("exit code %d, request %+v", got.code, f.gotImport)
	}
	want := `demo   2 added, 1 known, 1 refused
  refused  line 4  bad id  it holds a control character
  1 pair: one begins with the other, so a query with LIKE answers both
      HIPASSJ0324-21  HIPASSJ0324-21b
`
	if diff := cmp.Diff(want, got.stdout); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	mustContain(t, "stderr", got.stderr, "1 of 4 were refused")
	f.imported.Refused = nil
	if got := command(t, f, "source", "import"); got.code != 0 {
		t.Errorf("exit code %d: %s", got.code, got.stderr)
	}
}

func TestChangesThatAreRefusedForSomeSourcesEndWith5(t *testing.T) {
	f := &fake{projects: []string{"p"}, changes: control.SourceChanges{
		Project: "p", Changed: []string{"A"}, Refused: []control.RefusedID{{Identifier: "B", Reason: "execution 0193 works on it"}},
	}}
	got := command(t, f, "source", "baseline", "A", "B", "--reason", "old pipeline")
	if got.code != exitConflict || f.gotSelect.Reason != "old pipeline" || len(f.gotSelect.Identifiers) != 2 {
		t.Errorf("exit code %d, selection %+v", got.code, f.gotSelect)
	}
	mustContain(t, "stdout", got.stdout, "1 recorded as executed, 0 unchanged, 1 refused", "execution 0193 works on it")
}

func TestHealthEndsWith8OnlyForErrors(t *testing.T) {
	h := control.Health{At: noon, Daemon: "running (process 7)", Problems: []ledger.Problem{{
		Code: "disk_low", Title: "disk is almost full", Text: "1 GiB left", Severity: "warning", Todo: "make room", Since: noon.Add(-time.Hour),
	}}}
	got := command(t, &fake{health: h}, "health")
	if got.code != 0 {
		t.Errorf("a warning: exit code %d", got.code)
	}
	mustContain(t, "stdout", got.stdout, "1 problem", "warning   disk is almost full, for 1 h", "  → make room", "running (process 7)")
	h.Problems[0].Severity = "error"
	if got := command(t, &fake{health: h}, "health", "--json"); got.code != exitUnhealthy || got.stderr != "" {
		t.Errorf("an error: exit code %d, stderr %q", got.code, got.stderr)
	}
}

func TestATickThatCouldNotBeDoneEndsWith6(t *testing.T) {
	f := &fake{tick: control.DiscoveryTicks{Ticks: []control.DiscoveryTick{{Project: "a", Failed: 3, Reason: "no_sources_due"}}}}
	if got := command(t, f, "tick", "discovery"); got.code != 0 {
		t.Errorf("sources that failed harm themselves alone, but: exit code %d", got.code)
	}
	f.tick.Ticks[0].Error = "casda: connection refused"
	got := command(t, f, "tick", "discovery")
	if got.code != exitUnavailable {
		t.Errorf("exit code %d", got.code)
	}
	mustContain(t, "stderr", got.stderr, "tick discovery: a: casda: connection refused")
}

func TestUpgradeWritesYAMLToStdoutAndChangesToStderr(t *testing.T) {
	f := &fake{upgrade: control.Upgrade{Content: "apiVersion: beampipe.dev/v2\n", Changes: []string{"apiVersion: v1 → v2"}}}
	survey := file(t, "v1.yaml", "")
	got := command(t, f, "project", "upgrade", "-f", survey)
	if got.stdout != f.upgrade.Content || got.stderr != "apiVersion: v1 → v2\n" || got.code != 0 {
		t.Errorf("got %+v", got)
	}
	out := filepath.Join(t.TempDir(), "v2.yaml")
	got = command(t, f, "project", "upgrade", "-f", survey, "-o", out)
	if b, _ := os.ReadFile(out); string(b) != f.upgrade.Content || got.stdout != "" {
		t.Errorf("file %q, stdout %q", b, got.stdout)
	}
}

func TestAPreparedGraphGoesToStdoutOrToAFile(t *testing.T) {
	f := &fake{prepared: control.PreparedGraph{
		Graph: []byte("{}"), SHA256: "aa", Datasets: 1,
		Changes: []control.GraphChange{{Node: "Beam", Field: "value", Before: "1", After: "2"}},
	}}
	config, graph, manifest := file(t, "s.yaml", ""), file(t, "g.graph", ""), file(t, "m.json", "")
	args := []string{"graph", "prepare", "-f", config, "--graph", graph, "--manifest", manifest}
	got := command(t, f, args...)
	if got.stdout != "{}" || got.code != 0 || f.opened.Ledger != "" {
		t.Errorf("got %+v", got)
	}
	mustContain(t, "stderr", got.stderr, "1 dataset: 1 change", "Beam   value")
	out := filepath.Join(t.TempDir(), "out.graph")
	got = command(t, f, append(args, "-o", out, "--json")...)
	if b, _ := os.ReadFile(out); string(b) != "{}" {
		t.Errorf("file %q", b)
	}
	mustContain(t, "stdout", got.stdout, `"graph_sha256": "aa"`)
}

func TestAnArtifactIsPrintedByteForByte(t *testing.T) {
	if got := command(t, &fake{}, "execution", "artifact", "0193", "products", "--json"); got.stdout != "{\"products\":[]}\n" {
		t.Errorf("got %q", got.stdout)
	}
	out := filepath.Join(t.TempDir(), "products.json")
	got := command(t, &fake{}, "execution", "artifact", "0193", "products", "-o", out, "--json")
	mustContain(t, "stdout", got.stdout, `"bytes": 16`)
}

func TestColourIsForTerminalsWithoutNO_COLOR(t *testing.T) {
	for _, tt := range []struct {
		name     string
		terminal bool
		env      map[string]string
		want     bool
	}{
		{name: "terminal", terminal: true, want: true},
		{name: "pipe"},
		{name: "NO_COLOR", terminal: true, env: map[string]string{"NO_COLOR": "1"}},
		{name: "dumb terminal", terminal: true, env: map[string]string{"TERM": "dumb"}},
	} {
		a := testApp(&fake{}, tt.env, "", &bytes.Buffer{}, &bytes.Buffer{})
		a.terminal = tt.terminal
		p := a.newPage()
		p.table("", []string{"A"}, [][]any{{p.red("failed")}})
		if got := strings.Contains(p.b.String(), "\x1b["); got != tt.want {
			t.Errorf("%s: colour %v in %q", tt.name, got, p.b.String())
		}
	}
}

// broken is a stdout that is full.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAnAnswerThatCannotBeWrittenIsAnError(t *testing.T) {
	a := testApp(&fake{}, nil, "", &bytes.Buffer{}, &bytes.Buffer{})
	a.stdout = broken{}
	if code := run(context.Background(), a, []string{"version"}); code != exitUnexpected {
		t.Errorf("exit code %d", code)
	}
}

func TestAges(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "now"},
		{59 * time.Second, "59 s"},
		{90 * time.Second, "1 min"},
		{47 * time.Hour, "47 h"},
		{72 * time.Hour, "3 d"},
		{-5 * time.Minute, "5 min ahead"},
	} {
		if got := age(noon, noon.Add(-tt.d)); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestPayloads(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{`{"from":"ready","to":"submitting","attempt":1,"why":""}`, "ready → submitting, attempt=1"},
		{`{"reason":"quota","b":[1,2],"a":"<x>"}`, "quota, a=<x>, b=[1,2]"},
		{`{"signature":"` + strings.Repeat("ab", 32) + `"}`, "signature=abababab"},
		{``, ""},
		{`{}`, ""},
		{`not json`, "not json"},
	} {
		if got := payload(json.RawMessage(tt.raw)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.raw, got, tt.want)
		}
	}
}

func FuzzNothingWritesToTheTerminalButUs(f *testing.F) {
	f.Add("plain", true)
	f.Add("\x1b[2J\u202e\x00\xff\r\n\t\u0085", false)
	f.Fuzz(func(t *testing.T, text string, lines bool) {
		for _, r := range clean(text, lines) {
			if unicode.IsControl(r) && (!lines || (r != '\n' && r != '\t')) {
				t.Fatalf("%q lets %q through", text, r)
			}
		}
	})
}

func FuzzPayloadIsOneShortLine(f *testing.F) {
	f.Add([]byte(`{"from":"a","to":"b"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got := payload(raw); strings.ContainsAny(got, "\n\r") || len([]rune(got)) > maxPayload {
			t.Fatalf("got %q", got)
		}
	})
}

func TestAListIsCutAtTheTerminalsWidthAndAScreenIsNot(t *testing.T) {
	row := [][]any{{strings.Repeat("x", 50), "end"}}
	for _, tt := range []struct {
		name   string
		width  int
		header []string
		want   bool // the row is whole
	}{
		{name: "a list in a pipe", header: []string{"A", "B"}, want: true},
		{name: "a list on a narrow terminal", header: []string{"A", "B"}, width: 40},
		{name: "a list on a wide terminal", header: []string{"A", "B"}, width: 80, want: true},
		{name: "a screen about one thing", width: 40, want: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &page{colour: true, width: tt.width}
			p.table("", tt.header, row)
			if got := strings.Contains(p.b.String(), "end"); got != tt.want {
				t.Errorf("whole: %v, want %v:\n%s", got, tt.want, p.b.String())
			}
		})
	}
}
