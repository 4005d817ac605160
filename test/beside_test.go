package test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"beampipe/ledger"
	"beampipe/provenance"
)

// catalogue is a second project, which nothing asks for: what is imported into it stays as it was imported.
const catalogue = "catalogue"

const imported = 10_000

// beside is a command that works on the ledger beside a daemon.
type beside struct {
	name  string
	args  func(g *gated) []string
	begun func(g *gated) bool // whether it is seen to work
	check func(g *gated)      // that it did all of its work, once
}

func besides() []beside {
	return []beside{
		{
			name: "source import",
			args: func(g *gated) []string {
				var list strings.Builder
				for i := range imported {
					fmt.Fprintf(&list, "SKY%06d\n", i)
				}
				g.write("catalogue.txt", []byte(list.String()))
				return []string{"source", "import", "--project", catalogue, "-f", "catalogue.txt"}
			},
			begun: func(g *gated) bool { return len(g.registered(1)) > 0 },
			check: func(g *gated) {
				g.t.Helper()
				times := map[string]int{}
				for _, e := range g.registered(0) {
					times[e.Source]++
				}
				if len(times) != imported {
					g.t.Errorf("%d sources were registered, want %d", len(times), imported)
				}
				for name, n := range times {
					if n != 1 {
						g.t.Errorf("%s was registered %d times", name, n)
					}
				}
			},
		},
	}
}

// registered lists the events of registrations in the catalogue, at most so many; 0 is all.
func (g *gated) registered(limit int) (list []provenance.Event) {
	g.t.Helper()
	if limit == 0 {
		limit = 2 * imported
	}
	g.look(func(v ledger.View) {
		var err error
		list, err = v.Events(ledger.EventFilter{Project: catalogue, Type: provenance.SourceRegistered, Limit: limit})
		must(g.t, err)
	})
	return list
}

// addCatalogue adds the second project.
func (g *gated) addCatalogue() {
	g.t.Helper()
	text := edited(g.t, "{id: survey}", "{id: "+catalogue+"}", "discovery: {enabled: true", "discovery: {enabled: false")
	raw := graphOf("true")
	g.write("catalogue.yaml", []byte(strings.ReplaceAll(string(pinned(text, raw)), "survey.graph", "catalogue.graph")))
	g.write("catalogue.graph", raw)
	g.do("project", "add", "-f", "catalogue.yaml")
}

// TestACommandBesideADaemonDoesItsWorkOnceWhicheverOfThemIsKilled runs a command on the ledger of a daemon
// that works, and kills the one or the other. What was killed is started again.
func TestACommandBesideADaemonDoesItsWorkOnceWhicheverOfThemIsKilled(t *testing.T) {
	for _, tt := range besides() {
		for _, victim := range []string{"the daemon", "the command"} {
			t.Run(tt.name+", and "+victim+" is killed", func(t *testing.T) {
				t.Parallel()
				g := newGated(t)
				g.addCatalogue()
				args := tt.args(g)
				d := g.serve()
				g.working()
				c := g.startCommand(args...)
				g.await(tt.name, func() bool { return c.over() || tt.begun(g) })
				if victim == "the daemon" {
					d.end(syscall.SIGKILL)
					c.succeeds()
					g.serve()
				} else {
					must(t, c.cmd.Process.Kill())
					<-c.ended
					g.do(args...)
				}
				g.open()
				g.allDone()
				g.firstAttempts()
				tt.check(g)
			})
		}
	}
}

// running is a command that was started.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	out   bytes.Buffer
	ended chan struct{}
}

func (o *operator) startCommand(args ...string) *running {
	o.t.Helper()
	c := &running{t: o.t, cmd: o.command(args...), ended: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	must(o.t, c.cmd.Start())
	go func() {
		defer close(c.ended)
		_ = c.cmd.Wait() // how it ended is asked of ProcessState
	}()
	o.t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // an error: it has ended
		<-c.ended
	})
	return c
}

// over tells whether the command has ended.
func (c *running) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// succeeds waits for the end of the command, which must be a good one.
func (c *running) succeeds() {
	c.t.Helper()
	<-c.ended
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		c.t.Fatalf("beampipe %q: exit code %d\n%s", c.cmd.Args[1:], code, c.out.String())
	}
}
