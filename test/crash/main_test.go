// Package crash kills real processes that work on a ledger, and asks the file what it kept.
package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// childEnv carries the order of a child: this test binary, started again.
const childEnv = "BEAMPIPE_CRASH_CHILD"

// long says that the long form is wanted: hundreds of kills instead of a handful.
func long() bool { return os.Getenv("BEAMPIPE_LONG") != "" }

// TestMain makes this binary its own child when it is told to.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	text := os.Getenv(childEnv)
	if text == "" && raced {
		return unraced()
	}
	if text == "" {
		return m.Run()
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, "crash child:", err)
		return 2
	}
	if err := obey(o); err != nil {
		fmt.Fprintln(os.Stderr, "crash child:", err)
		return 1
	}
	return 0
}

// unraced builds these tests without the race detector and runs them in place of this binary. A child's work
// is to be fast and to die, a judge's to read much; races are looked for by the ledger's own tests.
func unraced() int {
	dir, err := os.MkdirTemp("", "beampipe-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "crash.test")
	if out, err := exec.Command("go", "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build these tests: %v: %s\n", err, out)
		return 2
	}
	tests := exec.Command(binary, os.Args[1:]...)
	tests.Stdout, tests.Stderr = os.Stdout, os.Stderr
	err = tests.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return tests.ProcessState.ExitCode()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
