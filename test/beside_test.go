package test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"beampipe/ledger"
	"beampipe/provenance"
)

// catalogue is a second project, which nothing asks for: what is imported into it stays as it was imported.
const catalogue = "catalogue"

const imported = 10_000

// beside is a command that works on the ledger beside a daemon.
type beside struct {
	name   string
	before []func(g *gated) // when there is no ledger yet
	ready  func(g *gated)   // when the daemon works already; nil = nothing
	args   func(g *gated) []string
	begun  func(g *gated) bool // whether it is seen to work
	check  func(g *gated)      // that it did all of its work, once
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
		{
			name:   "ledger backup",
			before: []func(*gated){(*gated).remember},
			args:   func(*gated) []string { return []string{"ledger", "backup", "--force", "copy.db"} },
			begun:  func(g *gated) bool { return len(g.files("copy.db*")) > 0 },
			check: func(g *gated) {
				g.t.Helper()
				g.do("ledger", "check", "--ledger", g.path("copy.db"))
				if files := g.files("copy.db*"); len(files) != 1 {
					g.t.Errorf("beside the backup lies %v", files)
				}
			},
		},
		{
			name:   "ledger prune",
			before: []func(*gated){(*gated).remember},
			ready: func(g *gated) {
				g.t.Helper()
				g.do("ledger", "retention", "set", "events", "--max-rows", strconv.Itoa(keptEvents), "--archive-to", g.path("archive"), "--reason", "a test")
			},
			args:  func(*gated) []string { return []string{"ledger", "prune", "--kind", "events", "--reason", "a test"} },
			begun: func(g *gated) bool { return len(g.files("archive", "*")) > 0 },
			check: func(g *gated) {
				g.t.Helper()
				archives := g.files("archive", "*.jsonl.zst")
				for _, path := range archives {
					g.do("provenance", "verify-archive", path)
				}
				g.look(func(v ledger.View) {
					first, err := v.Events(ledger.EventFilter{Limit: 1})
					must(g.t, err)
					if len(archives) == 0 || first[0].Seq <= remembered-keptEvents {
						g.t.Errorf("archives %v, and the log begins with event %d", archives, first[0].Seq)
					}
				})
			},
		},
	}
}

// remembered is how many events of long ago a ledger has, keptEvents how many of all are kept.
const (
	remembered = 20_000
	keptEvents = 100
)

// remember makes a ledger with a past.
func (g *gated) remember() {
	g.t.Helper()
	ago := func() time.Time { return time.Now().AddDate(0, 0, -100) }
	l, err := ledger.Create(g.t.Context(), g.path(ledgerName), ledger.Options{Now: ago})
	must(g.t, err)
	must(g.t, l.Write(g.t.Context(), func(tx *ledger.Tx) error {
		for range remembered {
			if err := tx.Append(provenance.Event{Type: "x.past", Actor: "user:ann"}, map[string]any{"why": "it was long ago"}); err != nil {
				return err
			}
		}
		return nil
	}))
	must(g.t, l.Close())
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
				g := newGated(t, tt.before...)
				g.addCatalogue()
				args := tt.args(g)
				d := g.serve()
				g.working()
				if tt.ready != nil {
					tt.ready(g)
				}
				c := g.startCommand(args...)
				g.await(tt.name, func() bool { return c.over() || tt.begun(g) })
				if victim == "the daemon" {
					d.end(syscall.SIGKILL)
					c.succeeds()
					g.serve()
				} else {
					_ = c.cmd.Process.Kill() // an error: it was faster
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
