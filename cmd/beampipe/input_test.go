package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"beampipe/fault"
)

func TestAFileThatCannotBeReadIsOneClearError(t *testing.T) {
	folder := t.TempDir()
	large := filepath.Join(folder, "large.yaml")
	f, err := os.Create(large)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(maxConfigBytes + 1); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		code       int
		want       string
	}{
		{"missing", filepath.Join(folder, "none.yaml"), exitNotFound, "none.yaml: there is no such file"},
		{"folder", folder, exitInvalid, folder + ": it is a folder"},
		{"too large", large, exitInvalid, "larger than the limit of 4 MiB"},
		{"not a folder on the way", large + "/x.yaml", exitInvalid, "not a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := command(t, &fake{}, "project", "add", "-f", tt.path)
			if got.code != tt.code || got.stdout != "" {
				t.Errorf("exit code %d, want %d; stdout %q", got.code, tt.code, got.stdout)
			}
			mustContain(t, "stderr", got.stderr, "beampipe: read project config ", tt.want)
		})
	}
}

func TestAProjectFileKnowsItsFolderAndItsGraph(t *testing.T) {
	survey, graph := file(t, "survey.yaml", "kind: Project"), file(t, "a.graph", "{}")
	f := &fake{}
	if got := command(t, f, "project", "add", "-f", survey, "--graph", graph); got.code != 0 {
		t.Fatal(got.stderr)
	}
	if f.gotFile.Folder != filepath.Dir(survey) || f.gotFile.Name != survey || string(f.gotFile.Graph) != "{}" || f.gotFile.GraphName != graph {
		t.Errorf("got %+v", f.gotFile)
	}
}

func TestStdinIsReadUpToItsLimit(t *testing.T) {
	a := &app{stdin: strings.NewReader("12345")}
	if got, err := a.readInput(context.Background(), "-", "list", 5); err != nil || string(got) != "12345" {
		t.Errorf("got %q, %v", got, err)
	}
	a.stdin = strings.NewReader("123456")
	if _, err := a.readInput(context.Background(), "-", "list", 5); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}

// silent is a terminal at which nobody types.
type silent struct{ wait chan struct{} }

func (s silent) Read([]byte) (int, error) { <-s.wait; return 0, nil }

func TestReadingStdinEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := silent{make(chan struct{})}
	defer close(s.wait)
	a := &app{stdin: s}
	if _, err := a.readInput(ctx, "-", "list", 5); err == nil {
		t.Error("there is no error")
	}
}

func TestAnOutputFileIsThereWholeOrNotAtAll(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "out.json")
	if err := writeFile(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, []byte("two")); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "two" {
		t.Errorf("got %q", got)
	}
	err := writeFile(filepath.Join(folder, "none", "out.json"), []byte("x"))
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "write ") {
		t.Errorf("got %v", err)
	}
	if err := writeFile(folder, []byte("x")); err == nil {
		t.Error("a folder was written to")
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}
