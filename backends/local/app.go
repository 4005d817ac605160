package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"beampipe/graph"
)

// outputGrace is how long the output of an application is still read after its processes are gone:
// something that left its group may hold it open.
const outputGrace = 2 * time.Second

// runBash runs a BashShellApp, as often as n_tries says. Its error says how the last try ended.
func (p *plan) runBash(ctx context.Context, d *graph.Drop) error {
	text, err := commandOf(d).fill(func(name string) (value, error) { return p.value(d, name) })
	if err != nil {
		return err
	}
	log, err := createLog(p.at.log(d.OID), p.spec.MaxLogBytes)
	if err != nil {
		return fmt.Errorf("make its log: %w", err)
	}
	for try := 1; ; try++ {
		err = p.runOnce(ctx, d.OID, text, log)
		if err == nil || try >= tries(d) || ctx.Err() != nil {
			break
		}
		if _, noted := fmt.Fprintf(log, "[beampipe: try %d of %d: %v]\n", try, tries(d), err); noted != nil {
			break
		}
	}
	if closed := log.Close(); err == nil && closed != nil {
		return fmt.Errorf("write its log: %w", closed)
	}
	return err
}

// value gives what a placeholder of an application stands for.
func (p *plan) value(d *graph.Drop, name string) (value, error) {
	ports := append(portsNamed(d.Inputs, name), portsNamed(d.Outputs, name)...)
	if len(ports) == 0 {
		return value{raw: d.Fields[name].Text()}, nil
	}
	var v value
	for _, port := range ports {
		word := p.places[port.Drop].path
		if isContent(port.Encoding) {
			var err error
			if word, err = p.content(port.Drop); err != nil {
				return value{}, err
			}
		}
		v.words = append(v.words, word)
	}
	return v, nil
}

// runOnce runs a command in a process group of its own, and leaves nothing of that group behind.
func (p *plan) runOnce(ctx context.Context, oid, text string, log io.Writer) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start the command: %w", err)
	}
	defer read.Close() // only read from
	cmd := exec.Command(bash(), "-c", text)
	cmd.Dir = p.at.data()
	cmd.Env = append(p.spec.environment(), envUID+"="+oid)
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	write.Close() // the application has its own end
	if err != nil {
		return fmt.Errorf("start the command: %w", err)
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(log, read)
		copied <- err
	}()
	stopped := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(stopped)
		stopGroup(ctx, cmd.Process.Pid, p.spec.KillGrace, ended)
	}()
	waited := cmd.Wait()
	close(ended)
	<-stopped
	// Whatever the command left in the background must not outlive its drop. Its pid is not given
	// away again while the group has members, nor so soon after.
	killGroup(cmd.Process.Pid, syscall.SIGKILL)
	output := finishOutput(read, copied)
	switch {
	case waited == nil:
		return output
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	default:
		return describeExit(waited)
	}
}

// stopGroup ends a process group when ctx does: first it is asked, then killed.
func stopGroup(ctx context.Context, pgid int, grace time.Duration, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	killGroup(pgid, syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		killGroup(pgid, syscall.SIGKILL)
	}
}

// killGroup signals a group; one that is gone is what was wanted.
func killGroup(pgid int, signal syscall.Signal) { _ = syscall.Kill(-pgid, signal) }

func finishOutput(read *os.File, copied <-chan error) error {
	if err := read.SetReadDeadline(time.Now().Add(outputGrace)); err != nil {
		return err
	}
	if err := <-copied; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("write its log: %w", err)
	}
	return nil
}

func describeExit(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Errorf("killed by signal %d (%s)", int(status.Signal()), status.Signal())
	}
	return fmt.Errorf("exit code %d", exit.ExitCode())
}

// bash finds the shell by PATH, and where it usually is.
func bash() string {
	if path, err := exec.LookPath("bash"); err == nil {
		return path
	}
	return "/bin/bash"
}

// lastLine gives the last line of a text that says something.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
