package daemon_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"beampipe/control"
	"beampipe/daemon"
	"beampipe/ledger"
)

// smallDisk gives a folder on a file system of its own, which is soon full.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("no file system can be mounted here: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes a file until there is no room left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 16, 1 << 12, 1} {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
}

func TestADaemonOnAFullDiskTakesNoWorkSaysSoAndGoesOnWhenThereIsRoom(t *testing.T) {
	dir := smallDisk(t)
	o := options(t)
	o.LedgerPath, o.Listen = filepath.Join(dir, "beampipe.db"), freeAddress(t)
	o.Lease = 3 * time.Second // renewed every second: something is written
	d := run(t, o)
	ready(t, o.Listen, daemon.StateLeading)
	fill(t, filepath.Join(dir, "filler"))
	ready(t, o.Listen, daemon.StateTrouble)
	var h control.Health
	code := ask(t, o.Listen, "/health", &h)
	full := slices.IndexFunc(h.Problems, func(p ledger.Problem) bool { return p.Code == string(ledger.TroubleFull) })
	if code != http.StatusServiceUnavailable || full < 0 || h.Problems[full].Todo == "" || h.Problems[full].Since.IsZero() {
		t.Fatalf("health %d %+v", code, h.Problems)
	}
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
	ready(t, o.Listen, daemon.StateLeading)
	until(t, "no problem is left", func() bool {
		h = control.Health{}
		return ask(t, o.Listen, "/health", &h) == http.StatusOK && len(h.Problems) == 0
	})
	d.stop(t)
}
