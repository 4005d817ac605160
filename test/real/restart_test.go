package real

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/demo"
	"beampipe/execution"
	"beampipe/ledger"
)

// built is the real program, built once by the first test that wants it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func program(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "beampipe-real-"); built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", filepath.Join(built.dir, "beampipe"), "beampipe/cmd/beampipe")
		if out, err := build.CombinedOutput(); err != nil {
			built.err = errors.Join(err, errors.New(string(out)))
		}
	})
	must(t, built.err)
	return filepath.Join(built.dir, "beampipe")
}

// operator is somebody with the real program and a folder, who asks the rig through a front.
type operator struct {
	t       *testing.T
	program string
	dir     string
	front   *front
}

func (o *operator) path(name string) string { return filepath.Join(o.dir, name) }

func (o *operator) command(args ...string) *exec.Cmd {
	cmd := exec.Command(o.program, append([]string{"--archive", "casda=" + o.front.url, "--archive", "vizier=" + o.front.url}, args...)...)
	cmd.Dir, cmd.Env = o.dir, append(os.Environ(), "USER=ann", "BEAMPIPE_LEDGER="+o.path("beampipe.db"))
	return cmd
}

func (o *operator) do(args ...string) {
	o.t.Helper()
	if out, err := o.command(args...).CombinedOutput(); err != nil {
		o.t.Fatalf("beampipe %q: %v\n%s", args, err, out)
	}
}

// newOperator sets up the survey that ships in the WALLABY form, set-based and asynchronous.
func newOperator(t *testing.T, r rig, sources []string) *operator {
	t.Helper()
	o := &operator{t: t, program: program(t), dir: t.TempDir(), front: newFront(t, r)}
	text := string(demo.WallabyForm(true))
	const patience = "timeout_seconds: 90"
	if !strings.Contains(text, patience) {
		t.Fatalf("the shipped survey does not hold %q", patience)
	}
	text = strings.Replace(text, patience, patience+"\n    mode: async", 1)
	for name, content := range map[string][]byte{
		"survey.yaml": []byte(text), "demo.graph": demo.Graph(), "profile.json": demo.Profile(), "sources.txt": []byte(strings.Join(sources, "\n")),
	} {
		must(t, os.WriteFile(o.path(name), content, 0o600))
	}
	o.do("init")
	o.do("profile", "add", "-f", "profile.json")
	o.do("project", "add", "-f", "survey.yaml")
	o.do("source", "import", "-f", "sources.txt")
	return o
}

// look reads the operator's ledger beside whatever works on it.
func (o *operator) look(fn func(v ledger.View)) {
	o.t.Helper()
	l, err := ledger.Open(o.t.Context(), o.path("beampipe.db"), ledger.Options{Rebuild: execution.Rebuild})
	must(o.t, err)
	fn(l.View(context.Background()))
	must(o.t, l.Close())
}

// discovered gives what is known of the sources, and whether all of them were asked about.
func (o *operator) discovered() (found map[string]learnt, all bool) {
	o.t.Helper()
	found = map[string]learnt{}
	all = true
	o.look(func(v ledger.View) {
		list, err := v.Sources(ledger.SourceFilter{})
		must(o.t, err)
		for _, s := range list {
			found[s.Identifier] = learnt{Outcome: s.LastOutcome, Signature: s.Signature}
			all = all && s.LastOutcome != ""
		}
	})
	return found, all
}

// process is a running "beampipe serve".
type process struct {
	cmd   *exec.Cmd
	log   bytes.Buffer
	ended chan struct{}
}

func (o *operator) serve() *process {
	o.t.Helper()
	p := &process{ended: make(chan struct{})}
	p.cmd = o.command("serve", "--listen", "off", "--interval", "1s")
	p.cmd.Stderr = &p.log
	must(o.t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // it is killed
	}()
	o.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // an error: it has ended
		<-p.ended
		if o.t.Failed() {
			o.t.Logf("daemon %d:\n%s", p.cmd.Process.Pid, p.log.String())
		}
	})
	return p
}

// TestADaemonThatIsKilledInTheMiddleOfAJobIsFollowedByOneThatTakesUpTheSameJob kills the real program
// at two moments of its first job. All three jobs of the tick (observations, catalogue, evaluation files)
// are made and run once on the server, over both lives of the daemon.
func TestADaemonThatIsKilledInTheMiddleOfAJobIsFollowedByOneThatTakesUpTheSameJob(t *testing.T) {
	r := theRig(t)
	for _, tt := range []struct{ name, at string }{
		{"when the job has just begun", kindRun},
		{"when the result is on its way", kindResult},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := jobs(t, r, nil)
			o := newOperator(t, r, r.mixed(40))
			reached := make(chan struct{})
			var once sync.Once
			gate := make(chan struct{})
			o.front.set(spoil{passed: func(kind string, _ int) {
				if kind == tt.at {
					once.Do(func() { close(reached) })
					<-gate // the answer waits until the client is dead
				}
			}})
			first := o.serve()
			select {
			case <-reached:
			case <-first.ended:
				t.Fatal("the daemon ended by itself")
			}
			must(t, first.cmd.Process.Kill())
			<-first.ended
			o.front.set(spoil{})
			close(gate)
			if on := jobs(t, r, before); len(on) != 1 {
				t.Errorf("%d jobs on the server: %+v", len(on), on)
			}
			o.serve()
			await(t, "the second daemon", func() bool {
				_, all := o.discovered()
				return all
			})
			if c, n := o.front.count(kindCreate), o.front.count(kindRun); c != 3 || n != 3 {
				t.Errorf("%d jobs were made and %d were run for three questions", c, n)
			}
			if left := jobs(t, r, before); len(left) != 0 {
				t.Errorf("left on the server: %+v", left)
			}
			o.look(func(v ledger.View) {
				kept, err := v.ArchiveJobs()
				must(t, err)
				if len(kept) != 0 {
					t.Errorf("still kept: %+v", kept)
				}
			})
			found, _ := o.discovered()
			want := r.expected(r.mixed(40))
			for name, one := range want {
				one.Files = nil
				want[name] = one
			}
			if diff := cmp.Diff(want, withoutSignatures(found)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
