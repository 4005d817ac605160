package local

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/backends"
	"beampipe/backends/backendtest"
)

// shared finds the folder of recorded samples beside the repository, or skips.
func shared(t *testing.T, parts ...string) []byte {
	t.Helper()
	root := os.Getenv("BEAMPIPE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	raw, err := os.ReadFile(filepath.Join(append([]string{root}, parts...)...))
	if os.IsNotExist(err) {
		t.Skipf("the shared reference folder is not there (set BEAMPIPE_SHARED): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// runOf submits a graph and waits for its end.
func runOf(t *testing.T, s backends.Submission) (*Backend, backends.Observation) {
	t.Helper()
	r := rig(t, t.TempDir())
	if _, err := r.Backend.Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	o := r.Await(t, s.ID, backends.PhaseFinished, backends.PhaseFailed, backends.PhaseCancelled)
	return r.Backend.(*Backend), o
}

// productText reads a product by the end of its path.
func productText(t *testing.T, b *Backend, o backends.Observation, suffix string) string {
	t.Helper()
	for _, product := range o.Products {
		if strings.HasSuffix(product.Path, suffix) {
			raw, err := os.ReadFile(b.folder(o.ID).path(product.Path))
			if err != nil {
				t.Fatal(err)
			}
			return string(raw)
		}
	}
	t.Fatalf("no product %s: %+v", suffix, o)
	return ""
}

// finalStates reads the last state of every drop, by node id and instance.
func finalStates(t *testing.T, b *Backend, id string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(b.folder(id).journal())
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for line := range bytes.Lines(raw) {
		var c change
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		states[strings.TrimPrefix(c.OID, id+"_")] = c.State
	}
	return states
}

func TestTheSampleGraphsEndAsTheyDidUnderDALiuGE(t *testing.T) {
	for _, tt := range []struct {
		graph string
		phase backends.Phase
		want  map[string]string
	}{
		{"hello", backends.PhaseFinished, map[string]string{"say_0": "completed", "greet_0": "completed"}},
		{"ingest", backends.PhaseFinished, map[string]string{"ing_0": "completed", "man_0": "completed"}},
		{"failing", backends.PhaseFailed, map[string]string{"boom_0": "error", "prod_0": "error", "after_0": "error", "copy_0": "error"}},
		{"mixed", backends.PhaseFailed, map[string]string{"boom_0": "error", "fa_0": "error", "slow_0": "completed", "fb_0": "completed"}},
		{"scatter", backends.PhaseFinished, map[string]string{
			"seed_0": "completed", "seedf_0": "completed", "join_0": "completed", "all_0": "completed",
			"work_0-0": "completed", "work_0-1": "completed", "work_0-2": "completed",
			"part_0-0": "completed", "part_0-1": "completed", "part_0-2": "completed",
		}},
	} {
		t.Run(tt.graph, func(t *testing.T) {
			raw := shared(t, "reference", "daliuge-samples", "graphs", tt.graph+".graph")
			raw = bytes.ReplaceAll(raw, []byte("sleep 3; "), nil) // the other branch need not take its time
			s := submission(raw)
			b, o := runOf(t, s)
			if o.Phase != tt.phase {
				t.Errorf("ended as %+v", o)
			}
			if diff := cmp.Diff(tt.want, finalStates(t, b, s.ID)); diff != "" {
				t.Error(diff)
			}
			switch tt.graph {
			case "hello":
				if got := productText(t, b, o, "data/hello.txt"); got != "hello world\n" {
					t.Errorf("product %q", got)
				}
			case "scatter":
				if got := productText(t, b, o, "_all_0"); got != "seed\nseed\nseed\n" {
					t.Errorf("product %q", got)
				}
			case "failing":
				if o.Class != backends.ClassScience || !strings.Contains(o.Reason, "exit code 1: ") {
					t.Errorf("ended as %+v", o)
				}
			}
		})
	}
}

func TestACancelledSampleEndsAsItDidUnderDALiuGE(t *testing.T) {
	s := submission(shared(t, "reference", "daliuge-samples", "graphs", "sleep.graph"))
	r := rig(t, t.TempDir())
	if _, err := r.Backend.Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for r.Await(t, s.ID, backends.PhaseRunning).Drops[backends.DropRunning] == 0 {
	}
	if err := r.Backend.Cancel(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	o := r.Await(t, s.ID, backends.PhaseCancelled)
	want := map[string]string{"nap_0": "error", "done_0": "cancelled", "after_0": "cancelled", "copy_0": "cancelled"}
	if diff := cmp.Diff(want, finalStates(t, r.Backend.(*Backend), s.ID)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"error": 1, "cancelled": 3}, o.Drops); diff != "" {
		t.Error(diff)
	}
}

func TestTheManifestReachesTheIngestNode(t *testing.T) {
	ingest := func(inline string) []byte {
		var g backendtest.Graph
		g.Add("ing", categoryPyFunc, "Application").Named(ingestName).Set(ingestField, "String", inline)
		g.Add("mem", "Memory", "Data")
		g.LinkAs("ing", "mem", "manifest_bytes", "pickle")
		g.Bash("show", "cat {m} > {out}")
		g.Link("mem", "show", "m")
		g.File("out", "seen.json")
		g.Link("show", "out", "out")
		return g.Bytes()
	}
	for name, want := range map[string]string{"": `{"sources":[]}`, `{"inline": "it's $HOME"}`: `{"inline": "it's $HOME"}`} {
		b, o := runOf(t, submission(ingest(name)))
		if got := productText(t, b, o, "seen.json"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := newBackend(t, t.TempDir()).Check(t.Context(), submission(ingest("/some/path.json"))); err == nil {
		t.Error("a path was taken for a manifest")
	}
}

func TestContentsMemoryDirectoriesAndParametersReachTheCommand(t *testing.T) {
	var g backendtest.Graph
	g.Bash("make", "mkdir -p {dir}/sub; printf 'a; echo pwned\n\n' > {text}; echo x > {dir}/sub/x; echo y > {dir}/y; ln -s /etc/hostname-not {dir}/dangling")
	g.Add("dir", "Directory", "Data").Set("dirname", "String", "tree")
	g.Add("text", "Memory", "Data")
	g.Link("make", "dir", "dir")
	g.Link("make", "text", "text")
	g.Add("start", "Memory", "Data").Set("pydata", "String", "from the graph")
	g.Bash("use", `printf '%s|%s|%s|%s' "{word}" {start} {level} $DLG_UID > {out}`).Set("level", "Integer", 7)
	g.LinkAs("text", "use", "word", "utf-8")
	g.LinkAs("start", "use", "start", "utf-8")
	g.Link("dir", "use", "unused")
	g.File("out", "deep/er/out.txt")
	g.Link("use", "out", "out")
	s := submission(g.Bytes())
	b, o := runOf(t, s)
	if o.Phase != backends.PhaseFinished {
		t.Fatalf("ended as %+v", o)
	}
	if got, want := productText(t, b, o, "out.txt"), "a; echo pwned|from the graph|7|"+s.ID+"_use_0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var paths []string
	for _, product := range o.Products {
		paths = append(paths, product.Path)
	}
	if diff := cmp.Diff([]string{"data/deep/er/out.txt", "data/tree/sub/x", "data/tree/y"}, paths); diff != "" {
		t.Error(diff)
	}
}

func TestALinkIsNoProduct(t *testing.T) {
	_, o := runOf(t, submission(graphWith("ln -s /etc/passwd {out}", nil)))
	if o.Phase != backends.PhaseFinished || len(o.Products) > 0 {
		t.Errorf("ended as %+v", o)
	}
}

func TestAMissingProductMattersWhereTheGraphSaysSo(t *testing.T) {
	_, o := runOf(t, submission(graphWith("true {out}", nil)))
	if o.Phase != backends.PhaseFinished || len(o.Products) > 0 {
		t.Errorf("ended as %+v", o)
	}
	_, o = runOf(t, submission(graphWith("true {out}", func(_ *backendtest.Graph, _, file *backendtest.Node) {
		file.Set("check_filepath_exists", "Boolean", true)
	})))
	if o.Phase != backends.PhaseFailed || !strings.Contains(o.Reason, "file.txt is not there") {
		t.Errorf("ended as %+v", o)
	}
}

func TestAnApplicationIsTriedAsOftenAsItSays(t *testing.T) {
	try := func(_ *backendtest.Graph, app, _ *backendtest.Node) { app.Set("n_tries", "Integer", "3") }
	b, o := runOf(t, submission(graphWith("echo try >> {out}; test $(wc -l < {out}) = 3", try)))
	if o.Phase != backends.PhaseFinished || productText(t, b, o, "file.txt") != "try\ntry\ntry\n" {
		t.Errorf("ended as %+v", o)
	}
}

func TestAThresholdLetsAnApplicationRunInSpiteOfFailedInputs(t *testing.T) {
	for threshold, want := range map[int]string{49: backends.DropError, 50: backends.DropCompleted} {
		var g backendtest.Graph
		for id, command := range map[string]string{"good": "echo good > {p}", "bad": "exit 1 {p}"} {
			g.Bash(id, command)
			g.File(id+"-file", id)
			g.Link(id, id+"-file", "p")
		}
		g.Bash("join", "cat {p} 2>/dev/null > {all}; true").Set("input_error_threshold", "Integer", threshold)
		g.Link("good-file", "join", "p")
		g.Link("bad-file", "join", "p")
		g.File("all", "all")
		g.Link("join", "all", "all")
		s := submission(g.Bytes())
		b, o := runOf(t, s)
		if got := finalStates(t, b, s.ID)["join_0"]; got != want || o.Phase != backends.PhaseFailed {
			t.Errorf("threshold %d: join is %s, the run %+v", threshold, got, o)
		}
	}
}

func TestOnlyAllowedVariablesReachAnApplication(t *testing.T) {
	t.Setenv("BEAMPIPE_TEST_SECRET", "hidden")
	t.Setenv("BEAMPIPE_TEST_ALLOWED", "seen")
	s := submission(graphWith("env > {out}", nil))
	s.Profile.Deployment.Local.Environment = []string{"PATH", "BEAMPIPE_TEST_ALLOWED", "DLG_SESSION_ID"}
	b, o := runOf(t, s)
	env := productText(t, b, o, "file.txt")
	for text, want := range map[string]bool{
		"BEAMPIPE_TEST_SECRET": false, "BEAMPIPE_TEST_ALLOWED=seen\n": true, "HOME=": false,
		"DLG_SESSION_ID=" + s.ID + "\n": true, "DLG_UID=" + s.ID + "_make_0\n": true, "DLG_ROOT=" + b.o.Root + "\n": true,
	} {
		if strings.Contains(env, text) != want {
			t.Errorf("%q in the environment is %v: %s", text, !want, env)
		}
	}
}

func TestALongLogKeepsItsBeginningAndItsEnd(t *testing.T) {
	s := submission(graphWith("echo first; seq 200000; echo last; : {out}; exit 9", nil))
	s.Profile.Deployment.Local.MaxLogBytes = 8 << 10
	b, o := runOf(t, s)
	if len(o.FailedDrops) != 1 || !strings.HasSuffix(o.FailedDrops[0].LogTail, "199999\n200000\nlast\n") || len(o.FailedDrops[0].LogTail) > backends.MaxLogTailBytes {
		t.Fatalf("ended as %+v", o)
	}
	log, err := b.Logs(t.Context(), s.ID, o.FailedDrops[0].OID)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if err != nil || !strings.HasPrefix(string(text), "first\n1\n2\n") || !strings.Contains(string(text), "bytes were cut here") || len(text) > 9<<10 {
		t.Errorf("log of %d bytes, %v: %.200s", len(text), err, text)
	}
}

func TestARunThatTakesTooLongFailsForAPersonToSee(t *testing.T) {
	s := submission(backendtest.GraphOf(backendtest.Endless))
	b := newBackend(t, t.TempDir())
	spec, err := b.spec(s)
	if err != nil {
		t.Fatal(err)
	}
	spec.TimeLimit = 50 * time.Millisecond // a profile has whole minutes
	f := prepared(t, b, spec, s)
	if code := Main(t.Context(), string(f)); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	o := b.observe(s.ID)
	if o.Phase != backends.PhaseFailed || o.Class != backends.ClassScience || !strings.Contains(o.Reason, "out of time") {
		t.Errorf("ended as %+v", o)
	}
}

// prepared makes the folder of a submission without starting its shim.
func prepared(t *testing.T, b *Backend, spec runSpec, s backends.Submission) folder {
	t.Helper()
	f := b.folder(s.ID)
	if won, err := b.claim(f, ownerSubmit); err != nil || !won {
		t.Fatal(won, err)
	}
	if err := writeInputs(f, spec, s); err != nil {
		t.Fatal(err)
	}
	return f
}
