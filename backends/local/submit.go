package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"beampipe/backends"
	"beampipe/fault"
)

// ownerRecord is the claim file: who took the attempt's folder.
type ownerRecord struct {
	Owner string `json:"owner"` // ownerSubmit or ownerFence
	identity
	At time.Time `json:"at"`
}

// shimRecord is the shim file: the process that was started for an attempt, perhaps before it took it.
type shimRecord struct {
	identity
	At time.Time `json:"at"`
}

// Check refuses a submission that cannot run here. It unrolls the graph, and writes nothing.
func (b *Backend) Check(_ context.Context, s backends.Submission) error {
	_, err := b.check(s)
	return err
}

func (b *Backend) check(s backends.Submission) (runSpec, error) {
	spec, err := b.spec(s)
	if err != nil {
		return runSpec{}, err
	}
	if _, err := exec.LookPath(bash()); err != nil {
		return runSpec{}, fault.Wrap(fault.Invalid, err, "run "+s.ID+" on this machine: find bash", "install bash")
	}
	_, err = newPlan(b.folder(s.ID), spec, s.Graph, s.Manifest)
	return spec, err
}

// Submit takes the attempt's claim, writes its folder and starts its shim. A second submission of the same
// id gets Conflict, and the first one's receipt as far as it is known.
func (b *Backend) Submit(ctx context.Context, s backends.Submission) (backends.Receipt, error) {
	spec, err := b.check(s)
	if err != nil {
		return backends.Receipt{}, err
	}
	if err := ctx.Err(); err != nil {
		return backends.Receipt{}, fault.Wrap(fault.Unavailable, err, "submit "+s.ID, "")
	}
	b.reap()
	f := b.folder(s.ID)
	won, err := b.claim(f, ownerSubmit)
	if err != nil {
		return backends.Receipt{}, fault.Wrap(fault.Unavailable, err, "submit "+s.ID+": take its folder", "look at the work folder, then try again")
	}
	if !won {
		return b.conflict(f, s.ID)
	}
	if fenced, err := exists(f.startFile()); err != nil || fenced {
		return backends.Receipt{}, fault.Wrap(fault.Conflict, orFenced(err), "submit "+s.ID, "start the next attempt")
	}
	if err := writeInputs(f, spec, s); err != nil {
		return backends.Receipt{}, b.giveBack(f, s.ID, err)
	}
	pid, err := b.o.Starter(string(f), spec.environment())
	if err != nil && pid == 0 {
		return backends.Receipt{}, b.giveBack(f, s.ID, err)
	}
	return b.receipt(f, s.ID, pid, err)
}

// claim takes an attempt's folder; false when someone has. A claim is never there without its owner.
func (b *Backend) claim(f folder, owner string) (bool, error) {
	me, err := self()
	if err != nil {
		return false, err
	}
	if err := os.MkdirAll(string(f), 0o755); err != nil {
		return false, err
	}
	if err := syncDir(b.o.Root); err != nil {
		return false, err
	}
	return claimFile(f.claim(), record(ownerRecord{Owner: owner, identity: me, At: b.o.Now().UTC()}))
}

func orFenced(err error) error {
	if err == nil {
		return errors.New("this attempt is fenced and can never start")
	}
	return err
}

func writeInputs(f folder, spec runSpec, s backends.Submission) error {
	for _, file := range []struct {
		path    string
		content []byte
	}{{f.graphFile(), s.Graph}, {f.manifestFile(), s.Manifest}, {f.runFile(), record(spec)}} {
		if err := writeFile(file.path, file.content); err != nil {
			return err
		}
	}
	return nil
}

// giveBack undoes a claim after which no process was started.
func (b *Backend) giveBack(f folder, id string, cause error) error {
	what := "submit " + id
	if err := os.Remove(f.claim()); err != nil {
		return fault.Wrap(fault.Uncertain, errors.Join(cause, err), what+": it did not start, but its claim stays", "fence the attempt")
	}
	return fault.Wrap(fault.Unavailable, cause, what+": nothing was started", "look at the work folder and at the beampipe binary, then try again")
}

// receipt notes the process that was started and says so to the caller.
func (b *Backend) receipt(f folder, id string, pid int, err error) (backends.Receipt, error) {
	shim := shimRecord{At: b.o.Now().UTC()}
	if err == nil {
		shim.identity, err = identify(pid)
	}
	if isGone(err) {
		shim.identity, err = identity{Pid: pid, Boot: bootID()}, nil // it has ended already: never alive again
	}
	if err == nil {
		err = writeFile(f.shimFile(), record(shim))
	}
	receipt := receiptOf(f, id, shim)
	return receipt, fault.Wrap(fault.Uncertain, err, fmt.Sprintf("submit %s: process %d was started, but could not be noted", id, pid), "ask what became of it: beampipe tick poll")
}

func receiptOf(f folder, id string, shim shimRecord) backends.Receipt {
	return backends.Receipt{
		ID: id, ExternalID: strconv.Itoa(shim.Pid), Folder: string(f), At: shim.At,
		Details: map[string]any{"pid": shim.Pid, "started": shim.Started, "boot": shim.Boot},
	}
}

// conflict answers a submission of an attempt that someone has.
func (b *Backend) conflict(f folder, id string) (backends.Receipt, error) {
	var owner ownerRecord
	if _, err := readRecord(f.claim(), &owner); err != nil {
		return backends.Receipt{ID: id, Folder: string(f)}, fault.Wrap(fault.Conflict, err, "submit "+id+": it was submitted before", "")
	}
	if owner.Owner == ownerFence {
		return backends.Receipt{}, fault.New(fault.Conflict, "submit "+id+": this attempt is fenced and can never start", "start the next attempt")
	}
	receipt := backends.Receipt{ID: id, Folder: string(f), At: owner.At}
	var shim shimRecord
	if found, err := readRecord(f.shimFile(), &shim); err == nil && found {
		receipt = receiptOf(f, id, shim)
	}
	return receipt, fault.New(fault.Conflict, "submit "+id+": it was submitted before, at "+owner.At.Format(time.RFC3339), "")
}
