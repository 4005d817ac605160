package local

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/profiles"
)

// Names of the variables that every application of a run has, as in DALiuGE.
const (
	envSession = "DLG_SESSION_ID" // the attempt's id
	envUID     = "DLG_UID"        // the drop's oid
	envRoot    = "DLG_ROOT"       // Options.Root
)

// ShimCommand is the hidden command of our binary that runs one attempt: it must call Main with its argument.
const ShimCommand = "local-run"

// Starter starts the shim of an attempt as a process of its own, in a session of its own, that outlives us:
// it runs Main(ctx, folder) and has no variables but env. It must not wait for the process.
type Starter func(folder string, env []string) (pid int, err error)

// Options say where and how attempts run.
type Options struct {
	Root    string          // absolute work folder; made if it is not there
	Profile *profiles.Local // for submissions whose profile has no local deployment; may be nil
	Now     func() time.Time
	Starter Starter // nil = Executable

	// Executable is the binary that knows ShimCommand; "" = the one that runs now.
	Executable string
}

// Backend is the local place to run. It holds no state but the shims to be reaped: everything else is in
// the folders.
type Backend struct {
	o Options

	mu       sync.Mutex
	children map[int]bool // shims that we started and that were not reaped yet
}

var _ backends.Backend = (*Backend)(nil)

// New makes a backend. Its errors are Invalid (options) and Unavailable (the work folder, no /proc).
func New(o Options) (*Backend, error) {
	if !filepath.IsAbs(o.Root) {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("local backend: the work folder %q is not absolute", o.Root),
			"give deployment.work_dir as an absolute path")
	}
	o.Root = filepath.Clean(o.Root)
	if err := os.MkdirAll(o.Root, 0o755); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "local backend: make the work folder", "set deployment.work_dir to a folder that can be written")
	}
	if _, err := self(); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "local backend", "it needs Linux with /proc")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Backend{o: o, children: map[int]bool{}}
	if o.Starter == nil {
		if o.Executable == "" {
			path, err := os.Executable()
			if err != nil {
				return nil, fault.Wrap(fault.Unavailable, err, "local backend: find our own binary", "")
			}
			b.o.Executable = path
		}
		b.o.Starter = b.startShim
	}
	return b, nil
}

func (b *Backend) folder(id string) folder { return folder(filepath.Join(b.o.Root, id)) }

// startShim is the real Starter.
func (b *Backend) startShim(at string, env []string) (int, error) {
	f := folder(at)
	log, err := os.OpenFile(f.shimLog(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close() // the shim has its own
	cmd := exec.Command(b.o.Executable, ShimCommand, at)
	cmd.Dir, cmd.Env = at, env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	pid := cmd.Process.Pid
	b.mu.Lock()
	b.children[pid] = true
	b.mu.Unlock()
	// Nobody waits: the shim outlives us, or reap finds its end.
	return pid, cmd.Process.Release()
}

// reap lets the system forget shims of ours that ended, so that none stays as a zombie.
func (b *Backend) reap() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for pid := range b.children {
		got, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		if got == pid || err == syscall.ECHILD {
			delete(b.children, pid)
		}
	}
}
