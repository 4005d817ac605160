package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"beampipe/configs"
	"beampipe/control"
	"beampipe/fault"
	"beampipe/ledger"
)

// fake is a Control that answers what a test tells it to; any other call fails the test by a panic.
type fake struct {
	control.Control

	projects   []string
	opened     openOptions
	err        error
	added      control.ProjectAdded
	report     control.ProjectReport
	upgrade    control.Upgrade
	imported   control.ImportReport
	why        control.SourceWhy
	run        control.ExecutionWhy
	health     control.Health
	prepared   control.PreparedGraph
	tick       control.DiscoveryTicks
	changes    control.SourceChanges
	gotFile    control.ProjectFile
	gotImport  control.ImportRequest
	gotSelect  control.SourceSelection
	gotProject string
}

func (f *fake) ListProjects(context.Context) (control.ProjectList, error) {
	var l control.ProjectList
	for _, name := range f.projects {
		l.Projects = append(l.Projects, control.ProjectStatus{Project: ledger.Project{ID: name, Revision: 1}})
	}
	return l, f.err
}

func (f *fake) AddProject(_ context.Context, file control.ProjectFile) (control.ProjectAdded, error) {
	f.gotFile = file
	return f.added, f.err
}

func (f *fake) ValidateProject(_ context.Context, file control.ProjectFile) (control.ProjectReport, error) {
	f.gotFile = file
	return f.report, f.err
}

func (f *fake) UpgradeProject(context.Context, control.ProjectFile) (control.Upgrade, error) {
	return f.upgrade, f.err
}

func (f *fake) ImportSources(_ context.Context, q control.ImportRequest) (control.ImportReport, error) {
	f.gotImport = q
	return f.imported, f.err
}

func (f *fake) WhySource(_ context.Context, project, _ string) (control.SourceWhy, error) {
	f.gotProject = project
	return f.why, f.err
}

func (f *fake) BaselineSources(_ context.Context, q control.SourceSelection) (control.SourceChanges, error) {
	f.gotSelect = q
	return f.changes, f.err
}

func (f *fake) WhyExecution(context.Context, string) (control.ExecutionWhy, error) {
	return f.run, f.err
}

func (f *fake) Health(context.Context) (control.Health, error) { return f.health, f.err }

func (f *fake) TickDiscovery(context.Context, string) (control.DiscoveryTicks, error) {
	return f.tick, f.err
}

func (f *fake) PrepareGraph(context.Context, control.GraphRequest) (control.PreparedGraph, error) {
	return f.prepared, f.err
}

func (f *fake) Artifact(_ context.Context, _, _ string, w io.Writer) error {
	if f.err != nil {
		return f.err
	}
	_, err := w.Write([]byte("{\"products\":[]}\n"))
	return err
}

// line is one command line that was run.
type line struct {
	code           int
	stdout, stderr string
}

// command runs one command line on a fake, with a ledger file in place.
func command(t *testing.T, f *fake, args ...string) line {
	t.Helper()
	return commandWith(t, context.Background(), f, "", args...)
}

func commandWith(t *testing.T, ctx context.Context, f *fake, stdin string, args ...string) line {
	t.Helper()
	path := filepath.Join(t.TempDir(), "beampipe.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"BEAMPIPE_LEDGER": path, "USER": "ann"}
	var stdout, stderr bytes.Buffer
	code := run(ctx, testApp(f, env, stdin, &stdout, &stderr), args)
	return line{code, stdout.String(), stderr.String()}
}

func testApp(f *fake, env map[string]string, stdin string, stdout, stderr *bytes.Buffer) *app {
	return &app{
		stdin: strings.NewReader(stdin), stdout: stdout, stderr: stderr,
		getenv: func(name string) string { return env[name] },
		open: func(_ context.Context, o openOptions) (control.Control, func() error, error) {
			f.opened = o
			return f, func() error { return nil }, nil
		},
	}
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustContain(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, text)
		}
	}
}

func TestWrongUsageIsExplainedAndEndsWith2(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown command", []string{"projetc"}, "did you mean: beampipe project"},
		{"unknown command of a group", []string{"source", "lst"}, "did you mean: beampipe source list"},
		{"a group alone", []string{"profile"}, "one of its commands is needed: add, list"},
		{"unknown flag", []string{"health", "--nope"}, "see: beampipe health --help"},
		{"a flag that is needed", []string{"project", "add"}, `required flag(s) "file" not set`},
		{"a reason that is needed", []string{"source", "baseline", "--all"}, `required flag(s) "reason" not set`},
		{"too few arguments", []string{"source", "why"}, "expected one identifier, got 0 arguments"},
		{"too many arguments", []string{"execution", "show", "a", "b"}, "expected one execution id, got 2 arguments"},
		{"bad archive", []string{"--archive", "casda", "project", "list"}, "expected NAME=URL"},
		{"bad state", []string{"execution", "list", "--state", "done"}, "expected one of pending"},
		{"bad hold", []string{"tick", "execution", "--hold", "now"}, "the only value is ready"},
		{"no source named", []string{"source", "enable"}, "name them, or say --all"},
		{"names and all", []string{"source", "enable", "--all", "A"}, "name them, or say --all"},
		{"both project and file", []string{"project", "explain", "p", "-f", "x"}, "not both"},
		{"half of a graph's files", []string{"graph", "prepare", "--graph", "g"}, "give either -f CONFIG"},
		{"one graph", []string{"graph", "diff", "a"}, "two graph files or --execution ID"},
		{"a limit of nothing", []string{"source", "list", "--limit", "0"}, "expected a number above 0"},
		{"bad actor", []string{"--actor", "a\nb", "project", "list"}, "without control characters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := command(t, &fake{projects: []string{"p"}}, tt.args...)
			if got.code != exitUsage || got.stdout != "" {
				t.Errorf("exit code %d and stdout %q, want %d and nothing", got.code, got.stdout, exitUsage)
			}
			mustContain(t, "stderr", got.stderr, "beampipe: ", tt.want)
		})
	}
}

func TestEachKindOfErrorHasItsExitCode(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{
		{errors.New("boom"), exitUnexpected},
		{fault.New(fault.Invalid, "what", "try"), exitInvalid},
		{fault.New(fault.NotFound, "what", "try"), exitNotFound},
		{fault.New(fault.Conflict, "what", "try"), exitConflict},
		{fault.New(fault.Unavailable, "what", "try"), exitUnavailable},
		{fault.New(fault.Uncertain, "what", "try"), exitUncertain},
		{context.DeadlineExceeded, exitUnavailable},
	} {
		if got := command(t, &fake{err: tt.err}, "project", "list"); got.code != tt.code {
			t.Errorf("%v: exit code %d, want %d", tt.err, got.code, tt.code)
		}
	}
}

func TestAnErrorIsOneMessageWithItsHintsOnStderr(t *testing.T) {
	err := fault.Wrap(fault.Conflict, errors.New("moved"), "cancel execution 0193", "read again\nthen decide")
	got := command(t, &fake{err: err}, "project", "list")
	if want := "beampipe: cancel execution 0193: moved\n  read again\n  then decide\n"; got.stderr != want {
		t.Errorf("stderr %q, want %q", got.stderr, want)
	}
	got = command(t, &fake{err: err}, "project", "list", "--json")
	var answer struct {
		Error failure `json:"error"`
	}
	if err := json.Unmarshal([]byte(got.stderr), &answer); err != nil {
		t.Fatalf("%v in %q", err, got.stderr)
	}
	if answer.Error.Kind != "conflict" || len(answer.Error.Hints) != 2 || got.stdout != "" {
		t.Errorf("got %+v and stdout %q", answer.Error, got.stdout)
	}
	if got := command(t, &fake{}, "--json", "nonsense"); !strings.HasPrefix(got.stderr, `{"error":{"kind":"usage"`) {
		t.Errorf("an error of usage is not JSON: %q", got.stderr)
	}
}

func TestAnInterruptedCommandEndsWith130(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	got := commandWith(t, ctx, &fake{err: ctx.Err()}, "", "project", "list")
	if got.code != exitInterrupted {
		t.Errorf("exit code %d: %s", got.code, got.stderr)
	}
}

func TestACommandWithoutALedgerSaysWhereItLooked(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "none.db")
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"flag", nil, []string{"health", "--ledger", nowhere}, nowhere + " (from --ledger)"},
		{"environment", map[string]string{"BEAMPIPE_LEDGER": nowhere}, []string{"health"}, nowhere + " (from BEAMPIPE_LEDGER)"},
		{"default", nil, []string{"health"}, "beampipe.db (the default)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			var stdout, stderr bytes.Buffer
			if code := run(context.Background(), testApp(&fake{}, tt.env, "", &stdout, &stderr), tt.args); code != exitNotFound {
				t.Errorf("exit code %d", code)
			}
			mustContain(t, "stderr", stderr.String(), tt.want, "beampipe init --ledger")
		})
	}
}

func TestCommandsOnFilesNeedNoLedger(t *testing.T) {
	f := &fake{report: control.ProjectReport{Report: configs.Report{Valid: true}}}
	var stdout, stderr bytes.Buffer
	t.Chdir(t.TempDir())
	if code := run(context.Background(), testApp(f, nil, "kind: Project", &stdout, &stderr), []string{"project", "validate", "-f", "-"}); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if f.opened.Ledger != "" || string(f.gotFile.Content) != "kind: Project" || f.gotFile.Name != "stdin" {
		t.Errorf("opened %+v with %+v", f.opened, f.gotFile)
	}
}

func TestGlobalFlagsReachControl(t *testing.T) {
	f := &fake{}
	command(t, f, "project", "list", "--archive", "casda=http://a/?x=1,2", "--actor", "ben")
	if f.opened.Archives["casda"] != "http://a/?x=1,2" || f.opened.Actor != "user:ben" {
		t.Errorf("got %+v", f.opened)
	}
	command(t, f, "project", "list")
	if f.opened.Actor != "user:ann" {
		t.Errorf("actor %q", f.opened.Actor)
	}
	command(t, f, "project", "list", "--actor", "system:cron")
	if f.opened.Actor != "system:cron" {
		t.Errorf("actor %q", f.opened.Actor)
	}
}

func TestTheOnlyProjectNeedNotBeNamed(t *testing.T) {
	f := &fake{projects: []string{"demo"}}
	if got := command(t, f, "source", "why", "A"); got.code != 0 || f.gotProject != "demo" {
		t.Errorf("exit code %d, project %q: %s", got.code, f.gotProject, got.stderr)
	}
	f = &fake{projects: []string{"b", "a"}}
	got := command(t, f, "source", "why", "A")
	if got.code != exitUsage {
		t.Errorf("exit code %d", got.code)
	}
	mustContain(t, "stderr", got.stderr, "this ledger has a, b: name it")
	if got := command(t, f, "source", "why", "A", "--project", "b"); got.code != 0 || f.gotProject != "b" {
		t.Errorf("exit code %d, project %q", got.code, f.gotProject)
	}
	if got := command(t, &fake{}, "source", "why", "A"); got.code != exitNotFound {
		t.Errorf("without a project: exit code %d", got.code)
	}
}

func TestEveryCommandSaysWhatItDoesAndShowsAnExample(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Name() == "completion" || cmd.Name() == "help" || cmd.Name() == "exit-codes" {
			return
		}
		if cmd.Short == "" || cmd.RunE == nil || (cmd.Example == "" && cmd.HasParent()) {
			t.Errorf("%s: Short %q, Example %q, RunE %v", cmd.CommandPath(), cmd.Short, cmd.Example, cmd.RunE != nil)
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newRootCmd(&app{}))
}

// TestNoCommandHasAFlagOfItsOwnWithTheNameOfOneOfAllCommands: what is given before the command would be
// taken for its own, and mean something else.
func TestNoCommandHasAFlagOfItsOwnWithTheNameOfOneOfAllCommands(t *testing.T) {
	root := newRootCmd(&app{})
	names := regexp.MustCompile(`(?m)^.{6}--(\S+)`).FindAllStringSubmatch(root.PersistentFlags().FlagUsages(), -1)
	if len(names) == 0 {
		t.Fatal("there are no flags of all commands")
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, name := range names {
			if own := cmd.LocalNonPersistentFlags().Lookup(name[1]); own != nil {
				t.Errorf("%s: its --%s (%s) hides the one of all commands", cmd.CommandPath(), own.Name, own.Usage)
			}
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(root)
}

func TestHelpExplainsTheExitCodes(t *testing.T) {
	got := command(t, &fake{}, "help", "exit-codes")
	mustContain(t, "stdout", got.stdout, "130  interrupted", "7  uncertain")
	if got.code != 0 {
		t.Errorf("exit code %d", got.code)
	}
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
