package ledger

import (
	"path/filepath"
	"strings"
	"testing"

	"beampipe/fault"
)

func TestOneDaemonHoldsTheLockOfALedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "beampipe.db")
	if _, runs := DaemonRuns(path); runs {
		t.Error("a daemon runs before one was started")
	}
	lock, err := LockDaemon(path)
	if err != nil {
		t.Fatal(err)
	}
	holder, runs := DaemonRuns(path)
	_, err = LockDaemon(path)
	wantKind(t, err, fault.Conflict, path, holder)
	if !runs || strings.TrimLeft(holder, "0123456789") != "" || holder == "" {
		t.Errorf("holder %q, runs %v", holder, runs)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if _, runs := DaemonRuns(path); runs {
		t.Error("a daemon runs after the lock was given back")
	}
	if lock, err = LockDaemon(path); err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
	_, err = LockDaemon(filepath.Join(path, "none", "beampipe.db"))
	wantKind(t, err, fault.NotFound, "none")
}
