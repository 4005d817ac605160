// Package crash kills real processes that work on a ledger, and asks the file what it kept.
package crash

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// childEnv carries the order of a child: this test binary, started again.
const childEnv = "BEAMPIPE_CRASH_CHILD"

// long says that the long form is wanted: hundreds of kills instead of a handful.
func long() bool { return os.Getenv("BEAMPIPE_LONG") != "" }

// TestMain makes this binary its own child when it is told to.
func TestMain(m *testing.M) {
	text := os.Getenv(childEnv)
	if text == "" {
		code := m.Run()
		if err := os.RemoveAll(built.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, "crash child:", err)
		os.Exit(2)
	}
	if err := obey(o); err != nil {
		fmt.Fprintln(os.Stderr, "crash child:", err)
		os.Exit(1)
	}
}

// built is this binary without the race detector, built once by the first test that wants it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// program gives the binary that is started as a child. It carries no race detector: a child's work is to
// be fast and to die. The races of what it does are looked for by the ledger's own tests.
func program(t testing.TB) string {
	t.Helper()
	if !raced {
		return os.Args[0]
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "beampipe-crash-"); built.err != nil {
			return
		}
		build := exec.Command("go", "test", "-c", "-o", filepath.Join(built.dir, "child"), ".")
		if out, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatalf("build the child: %v", built.err)
	}
	return filepath.Join(built.dir, "child")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
