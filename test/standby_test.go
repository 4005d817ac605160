package test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"beampipe/ledger"
)

func (o *operator) leader() (h ledger.Leader) {
	o.t.Helper()
	o.look(func(v ledger.View) {
		var err error
		h, err = v.Leader()
		must(o.t, err)
	})
	return h
}

// leads waits until a daemon leads.
func (g *gated) leads(d *daemonProcess) {
	g.t.Helper()
	g.await("a leader", func() bool { return g.leader().PID == d.cmd.Process.Pid })
}

// standsBy starts a daemon beside the leader and waits until it says that it stands by.
func (g *gated) standsBy(more ...string) *daemonProcess {
	g.t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(g.t, err)
	addr := free.Addr().String()
	must(g.t, free.Close())
	d := g.serve(append(more, "--listen", addr)...)
	g.await("a standby", func() bool {
		res, err := http.Get("http://" + addr + "/ready")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return err == nil && res.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(text), `"state":"standby"`)
	})
	return d
}

// stopBetweenWrites stops a process while it does not write: in the midst of a write it would hold the
// file's own lock, and nobody could write before it ends or goes on.
func (g *gated) stopBetweenWrites(d *daemonProcess) {
	g.t.Helper()
	l, err := ledger.Open(g.t.Context(), g.path("beampipe.db"), ledger.Options{})
	must(g.t, err)
	defer func() { must(g.t, l.Close()) }()
	g.await("a moment without a write", func() bool {
		must(g.t, d.cmd.Process.Signal(syscall.SIGSTOP))
		ctx, cancel := context.WithTimeout(g.t.Context(), time.Second)
		defer cancel()
		if l.Probe(ctx) == nil {
			return true
		}
		must(g.t, d.cmd.Process.Signal(syscall.SIGCONT))
		return false
	})
}

func TestAStandbyFinishesTheWorkOfALeaderThatIsKilled(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	first := g.serve()
	g.working()
	second := g.standsBy()
	lockHeld := func() string { holder, _ := ledger.DaemonRuns(g.path("beampipe.db")); return holder }
	if holder := lockHeld(); holder != fmt.Sprint(first.cmd.Process.Pid) {
		t.Errorf("process %s leads, not %d", holder, first.cmd.Process.Pid)
	}
	first.end(syscall.SIGKILL)
	killed := time.Now()
	g.leads(second)
	t.Logf("taken over within %s", time.Since(killed).Truncate(10*time.Millisecond))
	g.open()
	g.allDone()
	g.firstAttempts()
	if code := second.end(syscall.SIGTERM); code != 0 || !strings.Contains(second.log.String(), "daemon leads") {
		t.Errorf("exit code %d", code)
	}
}

func TestAStandbyEndsOnASignal(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	first := g.serve()
	g.leads(first)
	if code := g.standsBy().end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if g.leader().PID != first.cmd.Process.Pid {
		t.Error("the leader was replaced")
	}
}

// A leader that hangs while its lock file is removed, as a lost network file system does it, cannot be told
// from a living one by the lock. Its lease ends, and then it loses every write.
func TestALeaderThatSleptWhileAnotherTookOverWritesNothingAndEnds(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	first := g.serve("--lease", "3s")
	g.working()
	g.stopBetweenWrites(first)
	must(t, os.Remove(g.path("beampipe.db.lock")))
	second := g.standsBy("--lease", "3s")
	g.leads(second)
	g.open()
	g.allDone()
	epoch := g.leader().Epoch
	must(t, first.cmd.Process.Signal(syscall.SIGCONT))
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-first.ended:
	case <-late.C:
		t.Fatal("the first leader goes on")
	}
	if code := first.cmd.ProcessState.ExitCode(); code != 5 || !strings.Contains(first.log.String(), "it has another leader since") {
		t.Errorf("exit code %d", code)
	}
	if h := g.leader(); h.Epoch != epoch || h.PID != second.cmd.Process.Pid {
		t.Errorf("leader %+v", h)
	}
	g.allDone()
	g.firstAttempts()
}

func TestTheCommandLineWritesBesideADaemonAndNothingIsLost(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	g.open()
	g.serve()
	const writers, rounds = 4, 5
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				name := fmt.Sprintf("HIPASSJ%02d%02d-99", 20+w, i)
				for _, args := range [][]string{
					{"source", "add", name},
					{"source", "disable", name, "--reason", "test"},
				} {
					if _, stderr, code := g.run(args...); code != 0 {
						t.Errorf("beampipe %v: exit code %d: %s", args, code, stderr)
					}
				}
				g.holdOne()
			}
		})
	}
	wg.Wait()
	g.look(func(v ledger.View) {
		for w := range writers {
			for i := range rounds {
				s, err := v.Source(project, fmt.Sprintf("HIPASSJ%02d%02d-99", 20+w, i))
				if err != nil || s.Enabled {
					t.Errorf("an acknowledged change is not there: %+v, %v", s, err)
				}
			}
		}
	})
	g.allDone()
}

// holdOne holds some execution and lets it go on; one that got too far meanwhile is refused, which is an
// answer as well.
func (g *gated) holdOne() {
	var id string
	g.look(func(v ledger.View) {
		list, err := v.Executions(ledger.ExecutionFilter{Project: project, States: []ledger.State{ledger.Pending, ledger.Preparing, ledger.Ready}, Limit: 1})
		if err != nil {
			g.t.Error(err)
		}
		if len(list) > 0 {
			id = list[0].ID
		}
	})
	if id == "" {
		return
	}
	if _, stderr, code := g.run("execution", "hold", id, "--reason", "test"); code != 0 && code != 5 {
		g.t.Errorf("hold: exit code %d: %s", code, stderr)
	}
	if _, stderr, code := g.run("execution", "release", id, "--reason", "test"); code != 0 && code != 5 {
		g.t.Errorf("release: exit code %d: %s", code, stderr)
	}
}
