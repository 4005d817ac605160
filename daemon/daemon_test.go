package daemon_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beampipe/daemon"
	"beampipe/fault"
	"beampipe/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(t *testing.T) daemon.Options {
	return daemon.Options{LedgerPath: filepath.Join(t.TempDir(), "beampipe.db"), Listen: "off"}
}

func start(t *testing.T, o daemon.Options) *daemon.Daemon {
	t.Helper()
	d, err := daemon.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestASecondDaemonOnTheSameLedgerIsRefused(t *testing.T) {
	o := options(t)
	d := start(t, o)
	if _, err := daemon.Start(t.Context(), o); !errors.Is(err, fault.Conflict) {
		t.Errorf("the second daemon: %v", err)
	}
	if _, runs := ledger.DaemonRuns(o.LedgerPath); !runs {
		t.Error("the first daemon is not seen")
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, runs := ledger.DaemonRuns(o.LedgerPath); runs {
		t.Error("a stopped daemon is still seen")
	}
	again := start(t, o)
	if err := again.Stop(); err != nil {
		t.Fatal(err)
	}
}

func TestABusyMetricsPortIsAReportedProblemAndNotAFailedStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	o := options(t)
	o.Listen = taken.Addr().String()
	d := start(t, o)
	problems := waitForProblem(t, d, "metrics_port")
	if !strings.Contains(problems[0].Text, "address already in use") || problems[0].Todo == "" {
		t.Errorf("problem %+v", problems[0])
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
}

// waitForProblem waits until the daemon's own loop has stored its health.
func waitForProblem(t *testing.T, d *daemon.Daemon, code string) []ledger.Problem {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		problems, err := d.Control().Ledger().View(ctx).Problems()
		if err != nil {
			t.Fatal(err)
		}
		if len(problems) > 0 && problems[0].Code == code {
			return problems
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("no problem %s is reported: %v", code, problems)
		}
	}
}

func TestMetricsAreServed(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	o := options(t)
	o.Listen = addr
	d := start(t, o)
	res, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body := make([]byte, 1<<20)
	n, _ := res.Body.Read(body)
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body[:n]), "beampipe_ledger_bytes") {
		t.Errorf("%s: %.200s", res.Status, body[:n])
	}
	http.DefaultClient.CloseIdleConnections()
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
}

func TestSystemdIsToldOfStartAndStop(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "30000000")
	d := start(t, options(t))
	buf := make([]byte, 256)
	heard := map[string]bool{}
	for !heard["READY=1"] || !heard["WATCHDOG=1"] {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		heard[string(buf[:n])] = true
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	for !heard["STOPPING=1"] {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		heard[string(buf[:n])] = true
	}
}
