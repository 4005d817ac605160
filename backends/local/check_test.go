package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"beampipe/backends"
	"beampipe/backends/backendtest"
	"beampipe/fault"
	"beampipe/profiles"
)

// graphWith gives a sound graph (make writes file, through port "out") after change was made to it.
func graphWith(command string, change func(g *backendtest.Graph, app, file *backendtest.Node)) []byte {
	var g backendtest.Graph
	app := g.Bash("make", command)
	file := g.File("file", "file.txt")
	g.Link("make", "file", "out")
	if change != nil {
		change(&g, app, file)
	}
	return g.Bytes()
}

func TestCheckNamesWhatCannotRunHere(t *testing.T) {
	root := t.TempDir()
	b := newBackend(t, root)
	pathOf := func(path string) []byte {
		var g backendtest.Graph
		g.Bash("make", "echo > {out}")
		g.File("file", path)
		g.Link("make", "file", "out")
		return g.Bytes()
	}
	for _, tt := range []struct {
		name  string
		graph []byte
		want  []string // none: it can run
	}{
		{"a sound graph", graphWith("echo > {out}", nil), nil},
		{"other applications", graphWith("true", func(g *backendtest.Graph, _, _ *backendtest.Node) {
			g.Add("p", "PyFuncApp", "Application").Named("calibrate")
			g.Add("d", "Docker", "Application").Named("imager")
			g.Add("s", "S3", "Data").Named("bucket")
			g.Add("n", "ParameterSet", "Data").Named("parset")
		}), []string{`node "calibrate" (p): unsupported: applications of category PyFuncApp`, `node "imager" (d)`, "Docker", `node "bucket" (s)`, "S3", `node "parset" (n)`}},
		{"a loop construct", graphWith("true", func(g *backendtest.Graph, _, _ *backendtest.Node) {
			g.Add("l", "Loop", "Construct").Named("again")
		}), []string{"Loop", "again"}},
		{"no command", graphWith("  ", nil), []string{`node "make" (make): its field command is empty`}},
		{"a bad number of tries", graphWith("true", func(_ *backendtest.Graph, app, _ *backendtest.Node) { app.Set("n_tries", "Integer", "many") }), []string{`n_tries is "many"`}},
		{"a bad threshold", graphWith("true", func(_ *backendtest.Graph, app, _ *backendtest.Node) {
			app.Set("input_error_threshold", "Integer", 101)
		}), []string{`input_error_threshold is "101"`}},
		{"an output read as text", graphWith("echo > {text}", func(g *backendtest.Graph, _, _ *backendtest.Node) {
			g.File("other", "")
			g.LinkAs("make", "other", "text", "utf-8")
		}), []string{`placeholder {text}`, "expected path"}},
		{"an input in a Python form", graphWith("echo {obj} > {out}", func(g *backendtest.Graph, _, _ *backendtest.Node) {
			g.File("other", "")
			g.LinkAs("other", "make", "obj", "pickle")
		}), []string{`placeholder {obj}`, "encoding pickle"}},
		{"the same port not used in the command", graphWith("echo > {out}", func(g *backendtest.Graph, _, _ *backendtest.Node) {
			g.File("other", "")
			g.LinkAs("other", "make", "obj", "pickle")
		}), nil},
		{"a path that leaves the folder", pathOf("../../etc/passwd"), []string{`node "file" (file)`, "outside the folder"}},
		{"a path that hides it", pathOf("a/../../b"), []string{"outside the folder"}},
		{"an absolute path", pathOf("/etc/passwd"), []string{"outside the folder"}},
		{"a variable in a path", pathOf("$HOME/x"), []string{"variables are not replaced"}},
		{"a home folder", pathOf("~/x"), []string{"variables are not replaced"}},
		{"a newline in a path", pathOf("a\nb"), []string{"control characters"}},
		{"the folder itself as a file", pathOf("."), []string{"the folder of the run itself"}},
		{"a folder as a file", pathOf("out/"), nil},
		{"a fixed path inside a scatter", scattered("part.txt"), []string{`node "part" (part): its file part.txt is also that of another instance of it`, "leave filepath empty"}},
		{"a folder inside a scatter", scattered("parts/"), nil},
		{"a free path inside a scatter", scattered(""), nil},
		{
			"two nodes that write one file", graphWith("true", func(g *backendtest.Graph, _, _ *backendtest.Node) { g.File("twin", "./file.txt") }),
			[]string{`node "twin" (twin): its file file.txt is also that of node "file" (file)`},
		},
		{"no nodes", new(backendtest.Graph).Bytes(), []string{"no nodes"}},
		{"no graph", []byte(`nonsense`), []string{"line 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := b.Check(t.Context(), submission(tt.graph))
			if len(tt.want) == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("got %v, want an Invalid error", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("checking wrote %v, %v", left, err)
	}
}

func scattered(path string) []byte {
	var g backendtest.Graph
	g.Scatter("fan", 3)
	g.Bash("work", "echo $DLG_UID > {part}").In("fan")
	g.File("part", path).In("fan")
	g.Link("work", "part", "part")
	return g.Bytes()
}

func TestCheckHoldsTheSubmissionTogether(t *testing.T) {
	b := newBackend(t, t.TempDir())
	for name, change := range map[string]func(*backends.Submission){
		"expected": func(s *backends.Submission) {
			s.Profile.Deployment = profiles.Deployment{Kind: profiles.KindRestRemote}
		},
		"no profile":     func(s *backends.Submission) { s.Profile = nil },
		"make the id":    func(s *backends.Submission) { s.Attempt = 2 },
		"attempt id":     func(s *backends.Submission) { s.ID = "../x" },
		"16777217 bytes": func(s *backends.Submission) { s.Manifest = make([]byte, maxManifestBytes+1) },
	} {
		s := submission(graphWith("true", nil))
		change(&s)
		if err := b.Check(t.Context(), s); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}

func TestNewRefusesAFolderThatItCannotUse(t *testing.T) {
	if _, err := New(Options{Root: "relative"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Root: filepath.Join(file, "runs")}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestFileNamesOfOIDsNeverCollideNorLeaveTheirFolder(t *testing.T) {
	seen := map[string]string{}
	for _, oid := range []string{"bp-1_a_0-1", "bp-1_a/b_0", "bp-1_a:b_0", "..", ".", "", ".hidden", strings.Repeat("x", 300), strings.Repeat("x", 301), "ü"} {
		name := fileName(oid)
		if !filepath.IsLocal(name) || strings.ContainsAny(name, "/\x00") || len(name) > maxNameBytes || name == "." {
			t.Errorf("%q: %q", oid, name)
		}
		if other, twice := seen[name]; twice {
			t.Errorf("%q and %q are both %q", oid, other, name)
		}
		seen[name] = oid
	}
	if fileName("bp-1_a_0-1") != "bp-1_a_0-1" {
		t.Error("a plain oid does not keep its name")
	}
}
