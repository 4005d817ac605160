package test

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"beampipe/demo"
	"beampipe/execution"
	"beampipe/ledger"
	"beampipe/vo/archive"
)

// operator is somebody with the real program, a folder, and an archive at an address.
type operator struct {
	t       *testing.T
	program string
	dir     string
	front   *front
	archive string // NAME=URL
	env     []string
}

// newOperator gives an operator an archive in which these sources have one observation each.
func newOperator(t *testing.T, names ...string) *operator {
	t.Helper()
	o := &operator{t: t, program: program(t), dir: t.TempDir()}
	o.env = append(os.Environ(), "USER=ann", "BEAMPIPE_LEDGER="+o.path("beampipe.db"))
	a, err := archive.Open(t.Context(), archive.Options{Dir: filepath.Join(t.TempDir(), "archive")})
	must(t, err)
	var d demo.Data
	for i, name := range names {
		object := demo.Object{Identifier: name, RA: 10, Dec: -30, Velocity: 1000}
		d.List(object)
		d.Observe(object, 70001+i, 1)
	}
	must(t, errors.Join(a.AddObservations(t.Context(), d.Observations), a.AddEvaluations(t.Context(), d.Evaluations), a.AddCatalogue(t.Context(), d.Catalogue)))
	o.front = &front{next: a.Handler()}
	server := httptest.NewServer(o.front)
	o.archive = "demo=" + server.URL + "/tap"
	t.Cleanup(func() {
		server.Close()
		must(t, a.Close())
	})
	return o
}

func (o *operator) path(name string) string { return filepath.Join(o.dir, name) }

func (o *operator) write(name string, content []byte) {
	o.t.Helper()
	must(o.t, os.WriteFile(o.path(name), content, 0o600))
}

// command is the program with the operator's environment and folder.
func (o *operator) command(args ...string) *exec.Cmd {
	cmd := exec.Command(o.program, append([]string{"--archive", o.archive}, args...)...)
	cmd.Dir, cmd.Env = o.dir, o.env
	return cmd
}

// run runs a command to its end and gives what it said and its exit code.
func (o *operator) run(args ...string) (stdout, stderr string, code int) {
	o.t.Helper()
	cmd := o.command(args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		o.t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// do runs a command that must succeed.
func (o *operator) do(args ...string) {
	o.t.Helper()
	if stdout, stderr, code := o.run(args...); code != 0 {
		o.t.Fatalf("beampipe %q: exit code %d\n%s%s", args, code, stdout, stderr)
	}
}

// setUp makes a ledger with the survey, started, and with these sources registered.
func (o *operator) setUp(raw []byte, names ...string) {
	o.t.Helper()
	o.write("survey.yaml", pinned(surveyText, raw))
	o.write("survey.graph", raw)
	o.write("profile.json", []byte(profileText))
	o.do("init")
	o.do("profile", "add", "-f", "profile.json")
	o.do("project", "add", "-f", "survey.yaml")
	o.do(append([]string{"source", "add"}, names...)...)
	o.do("project", "start", project)
}

// look reads the operator's ledger beside whatever works on it.
func (o *operator) look(fn func(v ledger.View)) {
	o.t.Helper()
	l, err := ledger.Open(o.t.Context(), o.path("beampipe.db"), ledger.Options{Rebuild: execution.Rebuild})
	must(o.t, err)
	fn(l.View(context.Background()))
	must(o.t, l.Close())
}
