package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"beampipe/ledger"
	"beampipe/provenance"
)

// stopsWithin bounds a clean stop: systemd kills what takes longer than its own limit.
const stopsWithin = 10 * time.Second

// daemonProcess is a running "beampipe serve".
type daemonProcess struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   bytes.Buffer
	ended chan struct{} // closed when it has ended
}

func (o *operator) serve(more ...string) *daemonProcess {
	o.t.Helper()
	d := &daemonProcess{t: o.t, ended: make(chan struct{})}
	d.cmd = o.command(append([]string{"serve", "--listen", "off", "--interval", "1s", "--poll-interval", "100ms"}, more...)...)
	d.cmd.Stderr = &d.log
	must(o.t, d.cmd.Start())
	go func() {
		defer close(d.ended)
		_ = d.cmd.Wait() // how it ended is asked of ProcessState
	}()
	o.t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // an error: it has ended
		<-d.ended
		if o.t.Failed() {
			o.t.Logf("daemon %d:\n%s", d.cmd.Process.Pid, d.log.String())
		}
	})
	return d
}

// end sends a signal to the daemon alone and waits for its end.
func (d *daemonProcess) end(signal os.Signal) int {
	d.t.Helper()
	must(d.t, d.cmd.Process.Signal(signal))
	late := time.NewTimer(stopsWithin)
	defer late.Stop()
	select {
	case <-d.ended:
	case <-late.C:
		d.t.Fatalf("the daemon did not end within %s of %s", stopsWithin, signal)
	}
	return d.cmd.ProcessState.ExitCode()
}

// gated is a survey whose applications note that they have begun and then wait for a gate to open, so
// that a test decides what happens while they work.
type gated struct {
	*operator
	tally, gate string
}

var gatedSources = []string{"HIPASSJ0001-01", "HIPASSJ0002-02", "HIPASSJ0003-03", "HIPASSJ0004-04"}

const gatedInFlight = 2

var unfinished = []ledger.State{
	ledger.Pending, ledger.Preparing, ledger.Ready, ledger.Submitting, ledger.Uncertain, ledger.Queued, ledger.Running, ledger.Verifying, ledger.Failed,
}

// newGated sets a gated survey up. before is done first, when there is no ledger yet.
func newGated(t *testing.T, before ...func(g *gated)) *gated {
	t.Helper()
	g := &gated{operator: newOperator(t, gatedSources...)}
	g.tally, g.gate = g.path("tally"), g.path("gate")
	must(t, os.Mkdir(g.tally, 0o755))
	for _, do := range before {
		do(g)
	}
	g.env = append(g.env, fmt.Sprintf("BEAMPIPE_SHAPING_EXECUTION_MAX_IN_FLIGHT_RUNS=%d", gatedInFlight))
	g.setUp(graphOf(fmt.Sprintf(`echo begun >> '%s'/"$DLG_SESSION_ID"; until [ -e '%s' ]; do sleep 0.05; done; echo "$DLG_SESSION_ID" >> {result}`, g.tally, g.gate)), gatedSources...)
	t.Cleanup(g.open) // whatever happens: nothing waits for ever
	return g
}

func (g *gated) open() {
	if err := os.WriteFile(g.gate, nil, 0o600); err != nil {
		g.t.Error(err)
	}
}

func (g *gated) files(parts ...string) []string {
	g.t.Helper()
	list, err := filepath.Glob(g.path(filepath.Join(parts...)))
	must(g.t, err)
	return list
}

func (o *operator) counts() (counts map[ledger.State]int) {
	o.t.Helper()
	o.look(func(v ledger.View) {
		var err error
		counts, err = v.CountExecutions(project)
		must(o.t, err)
	})
	return counts
}

func (g *gated) await(what string, seen func() bool) {
	g.t.Helper()
	await(g.t, what, seen, func() string {
		state := fmt.Sprintf("folders %v, tally %v", g.files("runs", "*"), g.files("tally", "*"))
		g.look(func(v ledger.View) {
			list, err := v.Executions(ledger.ExecutionFilter{Project: project, States: unfinished})
			state += fmt.Sprintf("\n%v %+v", err, list)
			events, err := v.Events(ledger.EventFilter{Newest: true, Limit: 30})
			for _, e := range events {
				state += fmt.Sprintf("\n%s %s %s %s", e.OccurredAt.Format(time.TimeOnly), e.Type, e.Execution, e.Payload)
			}
			state += fmt.Sprint("\n", err)
		})
		return state
	})
}

// working waits until as many runs work as may.
func (g *gated) working() {
	g.t.Helper()
	g.await("runs that work", func() bool {
		return len(g.files("tally", "*")) == gatedInFlight && g.counts()[ledger.Running] == gatedInFlight
	})
}

// allDone waits for the end and checks that everything happened exactly once.
func (g *gated) allDone() {
	g.t.Helper()
	g.await("the end of all runs", func() bool { return g.counts()[ledger.Completed] == len(gatedSources) })
	g.look(func(v ledger.View) {
		list, err := v.Executions(ledger.ExecutionFilter{Project: project})
		must(g.t, err)
		if len(list) != len(gatedSources) {
			g.t.Errorf("%d executions of %d sources", len(list), len(gatedSources))
		}
		for _, e := range list {
			g.once(v, e)
		}
	})
	g.do("provenance", "verify")
}

// once checks that an execution worked once in all its attempts, and made its product once.
func (g *gated) once(v ledger.View, e ledger.Execution) {
	g.t.Helper()
	id := ledger.SubmissionID(e.ID, e.Attempt)
	if e.State != ledger.Completed || e.SubmissionID != id || filepath.Base(e.Folder) != id {
		g.t.Errorf("%s: %s, attempt %d, in %s: %s", e.ID, e.State, e.Attempt, e.Folder, e.Error)
	}
	if began := g.files("tally", "bp-"+e.ID+"-*"); len(began) != 1 || filepath.Base(began[0]) != id {
		g.t.Errorf("of %s these attempts worked: %v", id, began)
	}
	if lines, err := os.ReadFile(filepath.Join(g.tally, id)); err != nil || string(lines) != "begun\n" {
		g.t.Errorf("%s began %d times, %v", id, strings.Count(string(lines), "\n"), err)
	}
	products := g.files("runs", "bp-"+e.ID+"-*", "data", "result.txt")
	if len(products) != 1 {
		g.t.Fatalf("products of %s: %v", id, products)
	}
	if got, err := os.ReadFile(products[0]); err != nil || string(got) != id+"\n" {
		g.t.Errorf("product of %s: %q, %v", id, got, err)
	}
	for _, event := range []string{"execution.finished", "execution.verified"} {
		list, err := v.Events(ledger.EventFilter{Execution: e.ID, Type: event})
		must(g.t, err)
		if len(list) != 1 {
			g.t.Errorf("%s: %d events %s", id, len(list), event)
		}
	}
}

// firstAttempts checks that nothing needed a second attempt: each has its only folder.
func (g *gated) firstAttempts() {
	g.t.Helper()
	folders := g.files("runs", "*")
	for _, folder := range folders {
		if !strings.HasSuffix(folder, "-1") {
			g.t.Errorf("a second attempt: %s", folder)
		}
	}
	if len(folders) != len(gatedSources) {
		g.t.Errorf("attempt folders: %v", folders)
	}
}

func TestADaemonThatIsKilledIsFollowedByOneThatLosesAndDoublesNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before bool // the runs end while no daemon is there
	}{
		{name: "the runs end while no daemon is there", before: true},
		{name: "the runs end when the next daemon is there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGated(t)
			first := g.serve()
			g.working()
			first.end(syscall.SIGKILL)
			if tt.before {
				g.open()
				g.await("the end of the first runs", func() bool { return len(g.files("runs", "*", "exit")) == gatedInFlight })
			}
			if _, runs := ledger.DaemonRuns(g.path("beampipe.db")); runs {
				t.Error("a daemon that was killed is still seen")
			}
			g.serve()
			if !tt.before {
				g.await("the next daemon", func() bool {
					_, runs := ledger.DaemonRuns(g.path("beampipe.db"))
					return runs
				})
				if n := len(g.files("runs", "*", "exit")); n != 0 {
					t.Errorf("%d runs ended with their daemon", n)
				}
				g.open()
			}
			g.allDone()
			g.firstAttempts()
		})
	}
}

func TestADaemonThatIsAskedToStopLeavesItsRunsToTheNextOne(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	first := g.serve()
	g.working()
	if code := first.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(first.log.String(), "daemon stopping") {
		t.Errorf("its log: %s", first.log.String())
	}
	if got := g.counts(); got[ledger.Running] != gatedInFlight || len(g.files("runs", "*", "exit")) != 0 {
		t.Errorf("running work did not go on: %v", got)
	}
	g.look(func(v ledger.View) {
		all, err := v.Executions(ledger.ExecutionFilter{Project: project})
		must(t, err)
		free, err := v.Executions(ledger.ExecutionFilter{Project: project, Unclaim: true})
		must(t, err)
		if len(free) != len(all) {
			t.Errorf("%d of %d claims were not given back", len(all)-len(free), len(all))
		}
	})
	second := g.serve()
	g.open()
	g.allDone()
	g.firstAttempts()
	if code := second.end(os.Interrupt); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestADaemonThatIsKilledAnywhereLosesAndDoublesNothing kills the daemon right after the first event of
// each kind, wherever it then is. It is killed once: what is lost twice is left alone for a minute.
func TestADaemonThatIsKilledAnywhereLosesAndDoublesNothing(t *testing.T) {
	for _, event := range []string{
		provenance.DiscoveryChanged, provenance.ExecutionCreated, "execution.prepare", "execution.prepared",
		"execution.submit", "execution.accepted", "execution.started", "execution.verified",
	} {
		t.Run("after "+event, func(t *testing.T) {
			t.Parallel()
			g := newGated(t)
			g.open()
			d := g.serve()
			g.await(event, func() (seen bool) {
				g.look(func(v ledger.View) {
					list, err := v.Events(ledger.EventFilter{Type: event, Limit: 1})
					must(t, err)
					seen = len(list) == 1
				})
				return seen
			})
			d.end(syscall.SIGKILL)
			g.serve()
			g.allDone()
		})
	}
}

func TestADaemonThatEndsWhileAnArchiveHangsLeavesNoClaimBehind(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			o := newOperator(t, gatedSources...)
			o.setUp(graphOf("echo done > {result}"), gatedSources...)
			asked := make(chan struct{}, 100)
			o.front.answer(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // so that the end of the client is seen
				asked <- struct{}{}
				<-r.Context().Done()
			})
			first := o.serve()
			<-asked
			if code := first.end(signal); signal == syscall.SIGTERM && code != 0 {
				t.Errorf("exit code %d", code)
			}
			o.front.answer(nil)
			o.serve()
			await(t, "the end of all runs", func() bool { return o.counts()[ledger.Completed] == len(gatedSources) },
				func() string { return fmt.Sprint(o.counts()) })
		})
	}
}
