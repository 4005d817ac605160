package daemon_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"beampipe/control"
	"beampipe/daemon"
	"beampipe/fault"
	"beampipe/ledger"
)

// freeAddress gives an address that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// client keeps no connection: each question goes to who listens now.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// ask gets a page of a daemon; 0 while nobody listens.
func ask(t *testing.T, addr, page string, into any) int {
	t.Helper()
	res, err := client.Get("http://" + addr + page)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", page, err)
	}
	return res.StatusCode
}

// until looks until it sees what is waited for: nothing tells when the loop has come so far but asking.
func until(t *testing.T, what string, seen func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !seen() {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatal("not seen: " + what)
		}
	}
}

// ready waits for a state of a daemon and gives the reason.
func ready(t *testing.T, addr string, state daemon.State) daemon.Readiness {
	t.Helper()
	var r daemon.Readiness
	until(t, "/ready says "+string(state), func() bool {
		code := ask(t, addr, "/ready", &r)
		if code != 0 && (code == http.StatusOK) != r.Ready {
			t.Errorf("status %d of %+v", code, r)
		}
		return code != 0 && r.State == state
	})
	return r
}

// running is a daemon in a goroutine of its own.
type running struct {
	cancel context.CancelFunc
	ended  chan error
}

func run(t *testing.T, o daemon.Options) running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := running{cancel, make(chan error, 1)}
	go func() { r.ended <- daemon.Run(ctx, o) }()
	t.Cleanup(cancel)
	return r
}

func (r running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}

func TestASecondDaemonStandsByAndTakesOverWithTheMetricsPort(t *testing.T) {
	o := options(t)
	o.Listen = freeAddress(t)
	first := run(t, o)
	if r := ready(t, o.Listen, daemon.StateLeading); r.Reason != "" {
		t.Errorf("%+v", r)
	}
	same, other := o, o
	other.Listen = freeAddress(t)
	second, third := run(t, same), run(t, other)
	r := ready(t, other.Listen, daemon.StateStandby)
	if !strings.Contains(r.Reason, fmt.Sprintf("process %d leads", os.Getpid())) {
		t.Errorf("reason %q", r.Reason)
	}
	var h control.Health
	if code := ask(t, other.Listen, "/health", &h); code != http.StatusOK || !h.Running || !strings.Contains(h.Daemon, "standby") || len(h.Problems) != 0 {
		t.Errorf("health of a standby: %d %+v", code, h)
	}
	third.stop(t) // a standby ends when it is told to
	first.stop(t)
	ready(t, o.Listen, daemon.StateLeading) // the same port, another daemon
	h = control.Health{}
	if code := ask(t, o.Listen, "/health", &h); code != http.StatusOK || len(h.Problems) != 0 {
		t.Errorf("health after the take-over: %d %+v", code, h)
	}
	second.stop(t)
	l := opened(t, o.LedgerPath)
	if leader, err := l.View(t.Context()).Leader(); err != nil || leader.Epoch != 2 || leader.Owner != "" {
		t.Errorf("leader %+v, %v", leader, err)
	}
}

func opened(t *testing.T, path string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestADaemonOnAPausedLedgerStaysUpWritesNothingAndGoesOnAfterAdoption(t *testing.T) {
	o := options(t)
	o.Listen = freeAddress(t)
	made, err := ledger.Create(t.Context(), o.LedgerPath, ledger.Options{HostID: "another machine"})
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	d := run(t, o)
	if r := ready(t, o.Listen, daemon.StatePaused); !strings.Contains(r.Reason, "ledger adopt") {
		t.Errorf("%+v", r)
	}
	var h control.Health
	code := ask(t, o.Listen, "/health", &h)
	if code != http.StatusServiceUnavailable || len(h.Problems) != 1 || h.Problems[0].Code != "ledger_paused" || h.Problems[0].Since.IsZero() {
		t.Errorf("health %d %+v", code, h.Problems)
	}
	l := opened(t, o.LedgerPath)
	if leader, err := l.View(t.Context()).Leader(); err != nil || leader.Epoch != 0 {
		t.Errorf("a paused ledger was led: %+v, %v", leader, err)
	}
	c, err := control.NewLocal(control.LocalOptions{Ledger: l, Actor: "user:ann"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.TickPoll(t.Context()); !errors.Is(err, fault.Conflict) || !strings.Contains(strings.Join(fault.Hints(err), ""), "ledger adopt") {
		t.Errorf("a tick on a paused ledger: %v", err)
	}
	if a, err := c.AdoptLedger(t.Context(), control.AdoptRequest{Reason: "moved here"}); err != nil || !a.Adopted {
		t.Fatalf("%+v, %v", a, err)
	}
	ready(t, o.Listen, daemon.StateLeading)
	h = control.Health{}
	if code := ask(t, o.Listen, "/health", &h); code != http.StatusOK {
		t.Errorf("health %d %+v", code, h.Problems)
	}
	d.stop(t)
}

func TestADaemonWhoseLeaseIsTakenEndsWithAnError(t *testing.T) {
	o := options(t)
	o.Listen = freeAddress(t)
	o.Lease = 3 * time.Second
	d := run(t, o)
	ready(t, o.Listen, daemon.StateLeading)
	// Another machine, by whose clock the lease ended long ago.
	later, err := ledger.Open(t.Context(), o.LedgerPath, ledger.Options{HostID: "another machine", Now: func() time.Time { return time.Now().Add(time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	defer later.Close()
	if _, err := later.Lead(t.Context(), "another", time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := <-d.ended; !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "another leader") {
		t.Errorf("it ended with %v", err)
	}
	if leader, err := later.View(t.Context()).Leader(); err != nil || leader.Owner != "another" {
		t.Errorf("leader %+v, %v", leader, err)
	}
}

func TestADaemonWhoseLedgerWasReplacedEndsWithAnError(t *testing.T) {
	o := options(t)
	o.Listen = freeAddress(t)
	o.Lease = 3 * time.Second // renewed every second
	d := run(t, o)
	ready(t, o.Listen, daemon.StateLeading)
	if err := os.Rename(o.LedgerPath, filepath.Join(filepath.Dir(o.LedgerPath), "moved.db")); err != nil {
		t.Fatal(err)
	}
	if err := <-d.ended; ledger.TroubleOf(err) != ledger.TroubleGone {
		t.Errorf("it ended with %v", err)
	}
	if _, err := os.Stat(o.LedgerPath); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("another ledger is in place of the one that was moved: %v", err)
	}
}

func TestALeaseThatCannotBeKeptIsRefused(t *testing.T) {
	o := options(t)
	o.Lease = time.Second
	if err := daemon.Run(t.Context(), o); !errors.Is(err, fault.Invalid) {
		t.Errorf("error %v", err)
	}
}

// countdown is a context that ends itself when it is asked for its end for the left-th time.
type countdown struct {
	context.Context
	end  context.CancelFunc
	left atomic.Int64
}

func (c *countdown) Done() <-chan struct{} {
	if c.left.Add(-1) == 0 {
		c.end()
	}
	return c.Context.Done()
}

func TestADaemonThatIsAskedToEndWhileItBeginsEndsWithoutAnError(t *testing.T) {
	for n := int64(5); n <= 60; n += 5 { // it asks more often while it makes its ledger
		ctx, end := context.WithCancel(t.Context())
		c := &countdown{Context: ctx, end: end}
		c.left.Store(n)
		path := filepath.Join(t.TempDir(), "beampipe.db")
		if err := daemon.Run(c, daemon.Options{LedgerPath: path, Listen: "off"}); err != nil {
			t.Errorf("asked at %d: %v", n, err)
		}
		if _, runs := ledger.DaemonRuns(path); runs {
			t.Errorf("asked at %d: the lock was kept", n)
		}
	}
}
