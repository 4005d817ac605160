// Package test holds what crosses rooms.
package test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms is the import table: what of ours a room's packages may import beside fault and the packages of
// their own room. "*" stands for every room above in this list.
var rooms = []struct {
	name string
	may  []string
}{
	{"fault", nil},
	{"vo", nil},
	{"flow", nil},
	{"graph", nil},
	{"provenance", nil},
	{"configs", nil},
	{"profiles", nil},
	{"ledger", []string{"provenance"}},
	{"backends", []string{"profiles", "graph", "flow"}},
	{"discovery", []string{"vo", "configs", "profiles", "ledger", "provenance"}},
	{"execution", []string{"vo", "flow", "graph", "configs", "profiles", "backends", "ledger", "provenance"}},
	{"drive", []string{"discovery", "execution", "ledger", "provenance"}},
	{"control", []string{"*"}},
	{"daemon", []string{"*"}},
	{"demo", []string{"*"}},
	{"bench", []string{"*"}},
	{"cmd", []string{"*"}},
}

// otherFolders are the top-level folders that hold no room's code.
var otherFolders = []string{"deploy", "docs", "test"}

const module = "beampipe/"

// allowed gives the rooms that a room may import.
func allowed(room string) (list []string, known bool) {
	var above []string
	for _, r := range rooms {
		if r.name != room {
			above = append(above, r.name)
			continue
		}
		if slices.Contains(r.may, "*") {
			return above, true
		}
		return append(slices.Clone(r.may), "fault"), true
	}
	return nil, false
}

func TestEveryImportIsInTheTable(t *testing.T) {
	checked := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel("..", path)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata" || rel == "test") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		room, _, nested := strings.Cut(filepath.ToSlash(rel), "/")
		if !nested {
			t.Errorf("%s: code lives in a room, not at the top", rel)
			return nil
		}
		may, known := allowed(room)
		if !known {
			t.Errorf("%s: %s is no room of the table", rel, room)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			checked++
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			ours, found := strings.CutPrefix(imported, module)
			if !found {
				continue
			}
			target, _, _ := strings.Cut(ours, "/")
			if target != room && !slices.Contains(may, target) {
				t.Errorf("%s: %s may not import %s (it may import %s)", rel, room, target, strings.Join(may, ", "))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked == 0 {
		t.Fatal("no import was looked at")
	}
}

func TestThereIsNoOtherTopLevelFolder(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || slices.Contains(otherFolders, e.Name()) {
			continue
		}
		if _, known := allowed(e.Name()); !known {
			t.Errorf("top-level folder %s is neither a room nor one of %v", e.Name(), otherFolders)
		}
	}
}

func TestOnlyTheLedgerSpeaksSQLToItsFile(t *testing.T) {
	// vo/archive keeps a database of its own; it is no ledger. bench compares the ledger with a plain loop.
	mayImportSQL := []string{"ledger", "vo", "bench"}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		rel, _ := filepath.Rel("..", path)
		room, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			if spec.Path.Value == `"database/sql"` && !slices.Contains(mayImportSQL, room) {
				t.Errorf("%s imports database/sql; only %v may", rel, mayImportSQL)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
