package crash

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// points lists every named point of the ledger, as its code tells them to Options.Pass: one that is added
// there is one that is killed at here.
func points(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("../../ledger/*.go")
	must(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		must(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			name := ""
			switch fn := call.Fun.(type) {
			case *ast.Ident:
				name = fn.Name
			case *ast.SelectorExpr:
				name = fn.Sel.Name
			}
			if text, ok := call.Args[0].(*ast.BasicLit); ok && name == "pass" {
				point, err := strconv.Unquote(text.Value)
				must(t, err)
				names = append(names, point)
			}
			return true
		})
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// scenario is how children come to the points of one kind, the part of their names before the dot.
type scenario struct {
	begin func(t *testing.T) *book
	most  int64 // a child dies when it comes to the point for the time that is drawn up to this
	run   func(b *book, o order)
}

var scenarios = map[string]scenario{
	"write":      {begin: newBook, most: 60, run: (*book).dieUnderLoad},
	"checkpoint": {begin: newBook, most: 20, run: (*book).dieInCheckpoint},
	"backup":     {begin: newBook, most: 4, run: (*book).dieInBackup},
	"upgrade":    {begin: oldBook, most: 1, run: (*book).dieInUpgrade},
	"prune":      {begin: oldBook, most: 1, run: (*book).dieInPrune},
	"restore":    {begin: oldBook, most: 1, run: (*book).dieInRestore},
}

// TestAProcessThatIsKilledAtANamedPointLosesNothing kills at every point, at the first time and later.
func TestAProcessThatIsKilledAtANamedPointLosesNothing(t *testing.T) {
	t.Parallel()
	kinds := map[string][]string{}
	for _, point := range points(t) {
		kind, _, _ := strings.Cut(point, ".")
		kinds[kind] = append(kinds[kind], point)
	}
	for kind := range scenarios {
		if len(kinds[kind]) == 0 {
			t.Errorf("the ledger tells no point %s.…", kind)
		}
	}
	for kind, list := range kinds {
		s, known := scenarios[kind]
		if !known {
			t.Errorf("no scenario comes to %v", list)
			continue
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			rng := seeded(t)
			b := s.begin(t)
			for _, point := range list {
				for i := range kills(2, 10) {
					o := someOrder(rng, fmt.Sprintf("%s-%d", point, i))
					o.DieAt, o.Nth = point, 1
					if i > 0 {
						o.Nth += rng.Int64N(s.most)
					}
					s.run(b, o)
					if t.Failed() {
						t.Fatalf("killed at %s, time %d: %s", point, o.Nth, b)
					}
				}
				if len(b.told) > maxTold {
					b = s.begin(t)
				}
			}
		})
	}
}

// dieUnderLoad lets a child work until it dies at its point.
func (b *book) dieUnderLoad(o order) {
	b.Helper()
	p := b.start(o)
	p.dies()
	b.bury(p)
	b.judge()
}

func (b *book) dieInCheckpoint(o order) {
	b.Helper()
	o.Task = taskCheckpoint
	b.dieUnderLoad(o)
}
