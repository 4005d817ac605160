package crash

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for a child.
const patience = 60 * time.Second

// process is a child that runs.
type process struct {
	*testing.T
	order
	cmd     *exec.Cmd
	stdin   io.Closer
	stderr  bytes.Buffer
	working chan struct{} // closed when its load has begun, or when it has ended
	ended   chan struct{} // closed when it has ended
}

// start starts a child on the book's ledger.
func (b *book) start(o order) *process {
	b.Helper()
	o.Ledger, o.Diary = b.path, filepath.Join(b.TempDir(), o.Name+".diary")
	text, err := json.Marshal(o)
	must(b.T, err)
	p := &process{T: b.T, order: o, working: make(chan struct{}), ended: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.stdin, err = p.cmd.StdinPipe()
	must(b.T, err)
	stdout, err := p.cmd.StdoutPipe()
	must(b.T, err)
	must(b.T, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_, _ = bufio.NewReader(stdout).ReadString('\n') // an end without a line is an end
		close(p.working)
		_, _ = io.Copy(io.Discard, stdout)
		_ = p.cmd.Wait() // how it ended is asked of ProcessState
	}()
	b.Cleanup(func() {
		_ = p.cmd.Process.Kill() // an error: it has ended
		<-p.ended
	})
	return p
}

// await waits for something that the child does.
func (p *process) await(what string, happened <-chan struct{}) {
	p.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-happened:
	case <-late.C:
		p.Fatalf("child %s: %s: not within %s; it says: %s", p.Name, what, patience, p.stderr.String())
	}
}

// killAfter lets the child work for a while and kills it then. The time is no condition of anything: it
// only spreads the kills over what the child does.
func (p *process) killAfter(d time.Duration) {
	p.Helper()
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-p.ended:
	}
	_ = p.cmd.Process.Kill() // an error: it has ended, and that is found below
	p.dies()
}

// dies waits until the child was killed. One that ended otherwise has found a defect.
func (p *process) dies() {
	p.Helper()
	p.await("its death", p.ended)
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		p.Fatalf("child %s was not killed: %s: %s", p.Name, p.cmd.ProcessState, p.stderr.String())
	}
}

// stop asks the child to end in order, and waits.
func (p *process) stop() {
	p.Helper()
	must(p.T, p.stdin.Close())
	p.await("its end", p.ended)
	if !p.cmd.ProcessState.Success() {
		p.Errorf("child %s: %s: %s", p.Name, p.cmd.ProcessState, p.stderr.String())
	}
}

// bury takes down that a child has ended and what it knew.
func (b *book) bury(p *process) {
	b.Helper()
	b.children = append(b.children, p.Name)
	entries, err := readDiary(p.Diary)
	must(b.T, err)
	b.learn(entries)
}

func (b *book) String() string {
	return fmt.Sprintf("%d deeds acknowledged, %d refused", len(b.told), len(b.refused))
}
