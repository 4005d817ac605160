package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"beampipe/backends"
	"beampipe/backends/backendtest"
	"beampipe/fault"
)

// running submits an endless attempt and waits until its application works.
func running(t *testing.T, r backendtest.Rig, s backends.Submission) startRecord {
	t.Helper()
	if _, err := r.Backend.Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for r.Await(t, s.ID, backends.PhaseRunning).Drops[backends.DropRunning] == 0 {
	}
	var start startRecord
	b := r.Backend.(*Backend)
	if found, err := readRecord(b.folder(s.ID).startFile(), &start); err != nil || !found {
		t.Fatal(found, err)
	}
	// The drop is said to run just before its process is there.
	look := time.NewTicker(clearLook)
	defer look.Stop()
	for len(left(t, b, s.ID, start.identity)) < 2 { // the shim and its application
		<-look.C
	}
	return start
}

func left(t *testing.T, b *Backend, id string, shim identity) []int {
	t.Helper()
	pids, err := processesOf(runSpec{ID: id, Root: b.o.Root}, shim)
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

func TestAShimThatVanishedIsPlumbingAndAFenceClearsWhatItLeft(t *testing.T) {
	r := rig(t, t.TempDir())
	b := r.Backend.(*Backend)
	s := r.Submission(backendtest.Endless)
	start := running(t, r, s)
	if err := syscall.Kill(start.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	o := r.Await(t, s.ID, backends.PhaseFailed)
	if o.Class != backends.ClassPlumbing || o.Reason != "the run's process vanished" || o.Drops[backends.DropRunning] != 1 {
		t.Errorf("observation %+v", o)
	}
	if len(left(t, b, s.ID, start.identity)) == 0 {
		t.Fatal("nothing is left of the run: this test shows nothing")
	}
	if _, err := b.Submit(t.Context(), s); !errors.Is(err, fault.Conflict) {
		t.Errorf("it could be submitted again: %v", err)
	}
	if err := b.Fence(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if pids := left(t, b, s.ID, start.identity); len(pids) > 0 {
		t.Errorf("processes %v outlived the fence", pids)
	}
	if o := b.observe(s.ID); o.Phase != backends.PhaseFailed || o.Class != backends.ClassPlumbing {
		t.Errorf("after the fence: %+v", o)
	}
}

func TestARestartedDaemonFindsTheRunAndItsEnd(t *testing.T) {
	root := t.TempDir()
	before := rig(t, root)
	gate := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	s := submission(graphWith("cat "+gate+" > {out}", nil))
	running(t, before, s)
	after := rig(t, root)
	found, err := after.Backend.Find(t.Context(), []string{s.ID})
	if err != nil || found[s.ID].Phase != backends.PhaseRunning {
		t.Fatalf("find: %+v, %v", found, err)
	}
	if err := os.WriteFile(gate, []byte("through"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := after.Await(t, s.ID, backends.PhaseFinished)
	if got := productText(t, after.Backend.(*Backend), o, "file.txt"); got != "through" {
		t.Errorf("product %q", got)
	}
}

func TestASecondShimOfOneAttemptDoesNothing(t *testing.T) {
	b := newBackend(t, t.TempDir())
	s := submission(graphWith("echo once >> {out}", nil))
	spec, err := b.spec(s)
	if err != nil {
		t.Fatal(err)
	}
	f := prepared(t, b, spec, s)
	for i, want := range []int{exitFinished, exitTaken, exitTaken} {
		if code := Main(t.Context(), string(f)); code != want {
			t.Errorf("shim %d: exit code %d, want %d", i, code, want)
		}
	}
	o := b.observe(s.ID)
	o.ID = s.ID
	if got := productText(t, b, o, "file.txt"); got != "once\n" {
		t.Errorf("product %q", got)
	}
	if code := Main(t.Context(), t.TempDir()); code != exitUnusable {
		t.Errorf("a shim in an empty folder: exit code %d", code)
	}
}

func TestEveryPlaceWhereASubmissionCanStopIsTold(t *testing.T) {
	root := t.TempDir()
	b := newBackend(t, root)
	me, err := self()
	if err != nil {
		t.Fatal(err)
	}
	gone := identity{Pid: me.Pid, Started: me.Started + 1, Boot: me.Boot} // our pid, but not us
	rebooted := identity{Pid: me.Pid, Started: me.Started, Boot: "another boot"}
	now := time.Now().UTC()
	for _, tt := range []struct {
		name  string
		files map[string]any
		want  backends.Phase
		class string
	}{
		{"nothing", nil, backends.PhaseLost, ""},
		{"claimed by a submitter that lives", map[string]any{"claim": ownerRecord{ownerSubmit, me, now}}, backends.PhaseQueued, ""},
		{"claimed by a submitter that lives and never came to it", map[string]any{"claim": ownerRecord{ownerSubmit, me, now.Add(-submitGrace - time.Minute)}}, backends.PhaseLost, ""},
		{"claimed by a submitter that died", map[string]any{"claim": ownerRecord{ownerSubmit, gone, now}}, backends.PhaseLost, ""},
		{"claimed before a reboot", map[string]any{"claim": ownerRecord{ownerSubmit, rebooted, now}}, backends.PhaseLost, ""},
		{"claimed by a fence", map[string]any{"claim": ownerRecord{ownerFence, me, now}}, backends.PhaseLost, ""},
		{"its shim starts", map[string]any{"claim": ownerRecord{ownerSubmit, gone, now}, "shim": shimRecord{me, now}}, backends.PhaseQueued, ""},
		{"its shim died early", map[string]any{"claim": ownerRecord{ownerSubmit, me, now}, "shim": shimRecord{gone, now}}, backends.PhaseFailed, backends.ClassPlumbing},
		{"fenced before its shim began", map[string]any{"claim": ownerRecord{ownerSubmit, me, now}, "start": startRecord{ownerFence, me, now}}, backends.PhaseLost, ""},
		{"it runs", map[string]any{"claim": ownerRecord{ownerSubmit, gone, now}, "start": startRecord{ownerShim, me, now}}, backends.PhaseRunning, ""},
		{"another process has its pid", map[string]any{"claim": ownerRecord{ownerSubmit, gone, now}, "start": startRecord{ownerShim, gone, now}}, backends.PhaseFailed, backends.ClassPlumbing},
		{"the machine was rebooted", map[string]any{"claim": ownerRecord{ownerSubmit, gone, now}, "start": startRecord{ownerShim, rebooted, now}}, backends.PhaseFailed, backends.ClassPlumbing},
		{"its end cannot be read", map[string]any{"exit": "not a record"}, backends.PhaseUnknown, ""},
		{"its claim cannot be read", map[string]any{"claim": 7}, backends.PhaseUnknown, ""},
		{"it finished, its products cannot be read", map[string]any{"exit": exitRecord{Phase: backends.PhaseFinished, Products: 1}}, backends.PhaseUnknown, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := submission(nil)
			f := b.folder(s.ID)
			for name, content := range tt.files {
				if err := os.MkdirAll(string(f), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := writeFile(f.path(name), record(content)); err != nil {
					t.Fatal(err)
				}
			}
			if o := b.observe(s.ID); o.Phase != tt.want || o.Class != tt.class {
				t.Errorf("got %+v, want %s", o, tt.want)
			}
		})
	}
}

func TestASubmissionThatCouldNotStartCanBeMadeAgain(t *testing.T) {
	root := t.TempDir()
	broken, err := New(Options{Root: root, Executable: filepath.Join(root, "no such binary")})
	if err != nil {
		t.Fatal(err)
	}
	s := submission(backendtest.GraphOf(backendtest.Quick))
	if _, err := broken.Submit(t.Context(), s); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "nothing was started") {
		t.Fatalf("got %v", err)
	}
	if o := broken.observe(s.ID); o.Phase != backends.PhaseLost {
		t.Errorf("observation %+v", o)
	}
	r := rig(t, root)
	if _, err := r.Backend.Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r.Await(t, s.ID, backends.PhaseFinished)
}

func TestAWorkFolderThatIsNotThereIsNoAnswer(t *testing.T) {
	root := filepath.Join(t.TempDir(), "runs")
	b := newBackend(t, root)
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Find(t.Context(), []string{submission(nil).ID}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestNothingThatAnApplicationLeavesBehindOutlivesItsRun(t *testing.T) {
	// One stays in the group, one drops its environment, one goes to a session of its own.
	command := "sleep 600 & env -i sleep 600 & setsid sleep 600 & echo done > {out}"
	r := rig(t, t.TempDir())
	b := r.Backend.(*Backend)
	s := submission(graphWith(command, nil))
	if _, err := b.Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r.Await(t, s.ID, backends.PhaseFinished)
	var start startRecord
	if found, err := readRecord(b.folder(s.ID).startFile(), &start); err != nil || !found {
		t.Fatal(found, err)
	}
	for _, pid := range left(t, b, s.ID, start.identity) {
		if pid != start.Pid { // the shim itself may still be on its way out
			t.Errorf("process %d outlived the run", pid)
		}
	}
}

func TestAnApplicationThatIgnoresBeingAskedIsKilled(t *testing.T) {
	r := rig(t, t.TempDir())
	b := r.Backend.(*Backend)
	s := submission(graphWith("trap '' TERM; echo ready > {out}; while :; do read -t 600 < <(:) ; done", nil))
	spec, err := b.spec(s)
	if err != nil {
		t.Fatal(err)
	}
	spec.KillGrace = time.Millisecond
	f := prepared(t, b, spec, s)
	if _, err := b.o.Starter(string(f), spec.environment()); err != nil {
		t.Fatal(err)
	}
	for r.Await(t, s.ID, backends.PhaseQueued, backends.PhaseRunning).Drops[backends.DropRunning] == 0 {
	}
	if err := b.Cancel(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	r.Await(t, s.ID, backends.PhaseCancelled)
}

func TestManyRunsAtOnceMakeEachProductOnce(t *testing.T) {
	r := rig(t, t.TempDir())
	var all []backends.Submission
	for i := range 20 {
		s := submission(graphWith(fmt.Sprintf("echo %d >> {out}", i), nil))
		if _, err := r.Backend.Submit(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	for i, s := range all {
		o := r.Await(t, s.ID, backends.PhaseFinished)
		if got := productText(t, r.Backend.(*Backend), o, "file.txt"); got != fmt.Sprintf("%d\n", i) {
			t.Errorf("%s: product %q", s.ID, got)
		}
	}
}
