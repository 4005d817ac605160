// Package crash kills real processes that work on a ledger, and asks the file what it kept.
package crash

import (
	"encoding/json"
	"fmt"
	"os"
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
		os.Exit(m.Run())
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
