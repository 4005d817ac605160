package daemon_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"beampipe/daemon"
	"beampipe/ledger"
)

// waitForJobs waits until so many jobs of archives are kept.
func waitForJobs(t *testing.T, d *daemon.Daemon, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		jobs, err := d.Control().Ledger().View(ctx).ArchiveJobs()
		if err != nil {
			t.Fatal(err)
		}
		if len(jobs) == want {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("%d jobs are kept, want %d", len(jobs), want)
		}
	}
}

func TestJobsInArchivesThatNobodyGoesOnWithAreEndedWhileTheDaemonRuns(t *testing.T) {
	var clock atomic.Int64
	clock.Store(time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC).UnixNano())
	o := options(t)
	o.Now = func() time.Time { return time.Unix(0, clock.Load()).UTC() }
	d := start(t, o)
	keep := func(key string) {
		t.Helper()
		// Its project is not there any more: there is nobody to ask, and it is forgotten.
		job := ledger.ArchiveJob{Key: key, Archive: "casda", URL: "http://archive.invalid/tap/async/" + key, Project: "gone"}
		if err := d.Control().Ledger().Write(t.Context(), func(tx *ledger.Tx) error { return tx.KeepArchiveJob(job) }); err != nil {
			t.Fatal(err)
		}
	}
	keep("old")
	clock.Add(int64(24 * time.Hour))
	keep("new")
	d.Wake()
	waitForJobs(t, d, 1)
	clock.Add(int64(24 * time.Hour))
	d.Wake()
	waitForJobs(t, d, 0)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
}
