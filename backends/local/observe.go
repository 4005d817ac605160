package local

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"beampipe/backends"
	"beampipe/fault"
)

// Find looks at the folders of attempts, see observe. Here it is the same as Poll.
func (b *Backend) Find(ctx context.Context, ids []string) (map[string]backends.Observation, error) {
	return b.Poll(ctx, ids)
}

// Poll looks at the folders of attempts. One whose folder cannot be read is PhaseUnknown; only a work folder
// that cannot be read, or the end of ctx, is an error.
func (b *Backend) Poll(ctx context.Context, ids []string) (map[string]backends.Observation, error) {
	b.reap()
	if info, err := os.Stat(b.o.Root); err != nil || !info.IsDir() {
		return nil, fault.Wrap(fault.Unavailable, orNotDir(err), "look at the work folder "+b.o.Root, "is its disk mounted?")
	}
	observations := make(map[string]backends.Observation, len(ids))
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "look at the runs on this machine", "")
		}
		o := b.observe(id)
		o.ID, o.At = id, b.o.Now().UTC()
		if o.Phase != backends.PhaseLost && o.Phase != backends.PhaseUnknown {
			o.ExternalID, o.Folder = whereabouts(b.folder(id))
		}
		observations[id] = o
	}
	return observations, nil
}

// maxListed bounds the attempts of one work folder that are listed.
const maxListed = 1_000_000

// List gives the attempts whose folders are in the work folder. One that was only ever fenced is none.
func (b *Backend) List(ctx context.Context) ([]string, error) {
	what := "list the runs in the work folder " + b.o.Root
	entries, err := os.ReadDir(b.o.Root) // sorted
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, what, "is its disk mounted?")
	}
	var ids []string
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, what, "")
		}
		id := entry.Name()
		if backends.CheckAttemptID(id) != nil || !entry.IsDir() {
			continue
		}
		var owner ownerRecord
		claimed, err := readRecord(b.folder(id).claim(), &owner)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, what, "look at that file; without it nobody can tell whether the attempt was submitted")
		}
		if !claimed || owner.Owner == ownerFence {
			continue
		}
		if len(ids) == maxListed {
			return nil, fault.New(fault.Unavailable, fmt.Sprintf("%s: it holds more than %d", what, maxListed), "move the folders of runs that ended long ago elsewhere")
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// whereabouts gives what a receipt gives, for an attempt whose receipt was lost.
func whereabouts(f folder) (externalID, path string) {
	var shim shimRecord
	if found, err := readRecord(f.shimFile(), &shim); err == nil && found {
		externalID = strconv.Itoa(shim.Pid)
	}
	return externalID, string(f)
}

func orNotDir(err error) error {
	if err == nil {
		return fmt.Errorf("it is not a folder")
	}
	return err
}

// observe tells where an attempt is from its folder and from whether its process lives.
func (b *Backend) observe(id string) backends.Observation {
	if err := backends.CheckAttemptID(id); err != nil {
		return unknown(err)
	}
	f := b.folder(id)
	if o, ended := observeExit(f); ended {
		return o
	}
	var start startRecord
	started, err := readRecord(f.startFile(), &start)
	switch {
	case err != nil:
		return unknown(err)
	case !started:
		return b.observeClaimed(f)
	case start.Owner == ownerFence:
		return backends.Observation{Phase: backends.PhaseLost, Reason: "it was fenced before it began"}
	}
	alive, err := start.alive()
	if err != nil {
		return unknown(err)
	}
	if !alive {
		return observeGone(f, &start)
	}
	return observeRunning(f, start)
}

func unknown(err error) backends.Observation {
	return backends.Observation{Phase: backends.PhaseUnknown, Reason: clip(err.Error(), backends.MaxRawBytes)}
}

// observeExit reads how an attempt ended; false when it has not.
func observeExit(f folder) (backends.Observation, bool) {
	var exit exitRecord
	found, err := readRecord(f.exitFile(), &exit)
	if err != nil {
		return unknown(err), true
	}
	if !found {
		return backends.Observation{}, false
	}
	o := backends.Observation{
		Phase: exit.Phase, Reason: exit.Reason, Class: exit.Class, StartedAt: &exit.StartedAt, EndedAt: &exit.EndedAt,
		Drops: exit.Drops, FailedDrops: exit.FailedDrops, Raw: clip(string(record(exit)), backends.MaxRawBytes),
	}
	if exit.Products > 0 {
		if o.Products, err = readProducts(f); err != nil {
			return unknown(err), true
		}
	}
	return o, true
}

// observeClaimed looks at an attempt that nobody has begun to work on.
func (b *Backend) observeClaimed(f folder) backends.Observation {
	var owner ownerRecord
	claimed, err := readRecord(f.claim(), &owner)
	switch {
	case err != nil:
		return unknown(err)
	case !claimed:
		return backends.Observation{Phase: backends.PhaseLost, Reason: "it was never submitted here"}
	case owner.Owner == ownerFence:
		return backends.Observation{Phase: backends.PhaseLost, Reason: "it was fenced before it was submitted"}
	}
	var shim shimRecord
	found, err := readRecord(f.shimFile(), &shim)
	if err != nil {
		return unknown(err)
	}
	if found {
		return observeShim(f, shim)
	}
	alive, err := owner.alive()
	switch {
	case err != nil:
		return unknown(err)
	case alive && b.o.Now().Sub(owner.At) <= submitGrace:
		return backends.Observation{Phase: backends.PhaseQueued, Reason: "it is being submitted"}
	case alive:
		return backends.Observation{Phase: backends.PhaseLost, Reason: fmt.Sprintf("whoever submitted it has not noted its process within %s", submitGrace)}
	default:
		// Should its shim be on its way all the same, the fence that comes before any next attempt stops it.
		return backends.Observation{Phase: backends.PhaseLost, Reason: "whoever submitted it ended before its process was noted"}
	}
}

// observeShim looks at an attempt whose process was started and has not taken it yet.
func observeShim(f folder, shim shimRecord) backends.Observation {
	alive, err := shim.alive()
	if err != nil {
		return unknown(err)
	}
	if alive {
		return backends.Observation{Phase: backends.PhaseQueued, Reason: "its process starts"}
	}
	return observeGone(f, nil)
}

// observeGone looks again at an attempt whose process was found gone: it may have written its files
// between our looks.
func observeGone(f folder, start *startRecord) backends.Observation {
	if o, ended := observeExit(f); ended {
		return o
	}
	o := backends.Observation{Phase: backends.PhaseFailed, Class: backends.ClassPlumbing, Reason: "the run's process vanished"}
	if start != nil {
		addProgress(f, &o)
		o.StartedAt = &start.At
		return o
	}
	var late startRecord
	switch found, err := readRecord(f.startFile(), &late); {
	case err != nil:
		return unknown(err)
	case found && late.Owner == ownerFence:
		return backends.Observation{Phase: backends.PhaseLost, Reason: "it was fenced before it began"}
	case found:
		o.StartedAt = &late.At
	default:
		o.Reason = "the run's process ended before it began"
	}
	tail, err := logTail(f.shimLog())
	if err == nil {
		o.Raw = tail
	}
	return o
}

func observeRunning(f folder, start startRecord) backends.Observation {
	o := backends.Observation{Phase: backends.PhaseRunning, StartedAt: &start.At}
	addProgress(f, &o)
	return o
}

// addProgress adds the counts of drops. They are a convenience: without them the phase is still right.
func addProgress(f folder, o *backends.Observation) {
	var p progress
	if found, err := readRecord(f.progressFile(), &p); err != nil {
		o.Raw = clip(err.Error(), backends.MaxRawBytes)
	} else if found {
		o.Drops, o.FailedDrops = p.Drops, p.FailedDrops
	}
}
