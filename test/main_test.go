package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"beampipe/backends/local"
)

// TestMain makes this test binary its own shim, so that runs on this machine are real processes, and
// takes the built program away at the end.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == local.ShimCommand {
		os.Exit(local.Main(context.Background(), os.Args[2]))
	}
	code := m.Run()
	if err := os.RemoveAll(built.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// built is the real program, built once by the first test that wants it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// program gives the path of the beampipe binary. It is built without the race detector: what it is
// tested for here is how it starts, ends and comes back.
func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "beampipe-test-"); built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", filepath.Join(built.dir, "beampipe"), "beampipe/cmd/beampipe")
		if out, err := build.CombinedOutput(); err != nil {
			built.err = errors.Join(err, errors.New(string(out)))
		}
	})
	if built.err != nil {
		t.Fatalf("build the program: %v", built.err)
	}
	return filepath.Join(built.dir, "beampipe")
}

// patience bounds every wait for something that happens in another process.
const patience = 60 * time.Second

// await looks until it sees what is waited for. Other processes do the work, and nothing tells when
// they are done but looking: hence the ticker. state is asked when the time is over.
func await(t *testing.T, what string, seen func() bool, state func() string) {
	t.Helper()
	over := time.NewTimer(patience)
	defer over.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !seen() {
		select {
		case <-over.C:
			t.Fatalf("%s: not within %s: %s", what, patience, state())
		case <-tick.C:
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shared gives a file of the real survey, and skips the test where there is none.
func shared(t testing.TB, name string) []byte {
	t.Helper()
	root := os.Getenv("BEAMPIPE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	raw, err := os.ReadFile(filepath.Join(root, "data", "wallaby", filepath.FromSlash(name)))
	if err != nil {
		t.Skipf("the real survey's files are not here (set BEAMPIPE_SHARED): %v", err)
	}
	return raw
}
