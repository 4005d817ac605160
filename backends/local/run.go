package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"beampipe/backends"
	"beampipe/flow"
	"beampipe/graph"
)

// output is the name of what every drop gives in the flow graph: its state, so that errors flow to
// the drops behind it and each decides what to do with them.
const output = "state"

// run is one run of a plan.
type run struct {
	plan    *plan
	journal *journal
}

// newRun prepares the places of all data.
func newRun(p *plan) (*run, error) {
	for _, dir := range []string{p.at.data(), p.at.memory(), p.at.logs()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	for i := range p.drops {
		if d := &p.drops[i]; !d.App {
			if err := p.makeRoom(d); err != nil {
				return nil, fmt.Errorf("node %q: %w", d.Name, err)
			}
		}
	}
	j, err := openJournal(p.at, p.drops, time.Now)
	if err != nil {
		return nil, err
	}
	return &run{plan: p, journal: j}, nil
}

// do runs all drops and says how it ended.
func (r *run) do(ctx context.Context) exitRecord {
	stop := make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() { r.journal.follow(stop) })
	err := r.drops(ctx)
	close(stop)
	following.Wait()
	if err != nil {
		r.journal.cancelRest(r.plan.drops)
	}
	progress := r.journal.progress()
	exit := r.verdict(ctx, err, progress)
	exit.Drops, exit.FailedDrops = progress.Drops, progress.FailedDrops
	return exit
}

func (r *run) verdict(ctx context.Context, err error, p progress) exitRecord {
	switch {
	case errors.Is(context.Cause(ctx), errOutOfTime) && err != nil:
		return ended(backends.PhaseFailed, backends.ClassScience, fmt.Sprintf("out of time: it took longer than %s", r.plan.spec.TimeLimit))
	case ctx.Err() != nil && err != nil:
		return ended(backends.PhaseCancelled, "", "cancelled")
	case err != nil:
		return ended(backends.PhaseFailed, backends.ClassPlumbing, err.Error())
	case len(p.FailedDrops) > 0:
		first := p.FailedDrops[0]
		reason := fmt.Sprintf("%s (%s) failed: %s", first.Name, first.OID, first.Reason)
		if line := lastLine(first.LogTail); line != "" {
			reason += ": " + line
		}
		return ended(backends.PhaseFailed, backends.ClassScience, reason)
	default:
		return ended(backends.PhaseFinished, "", "")
	}
}

// drops runs every drop as a vertex of a flow graph.
func (r *run) drops(ctx context.Context) error {
	vertices := make([]flow.Vertex, len(r.plan.drops))
	for i := range r.plan.drops {
		vertices[i] = r.vertexOf(&r.plan.drops[i])
	}
	g, err := flow.New(vertices...)
	if err != nil {
		return err
	}
	_, err = flow.Run(ctx, g, flow.Options{Workers: min(r.plan.spec.Parallelism, flow.MaxWorkers)})
	return err
}

func (r *run) vertexOf(d *graph.Drop) flow.Vertex {
	v := flow.Vertex{Name: d.OID, Outputs: []string{output}, Inputs: map[string]string{}}
	for _, source := range sources(d) {
		v.Inputs[source] = source + "." + output
	}
	v.Run = func(ctx context.Context, in flow.Values) (flow.Values, error) {
		state, err := r.drop(ctx, d, in)
		return flow.Values{output: state}, err
	}
	return v
}

// sources gives the oids of the drops that a drop waits for.
func sources(d *graph.Drop) []string {
	if !d.App {
		return d.Producers
	}
	oids := make([]string, len(d.Inputs))
	for i, port := range d.Inputs {
		oids[i] = port.Drop
	}
	return oids
}

// drop does what one drop has to do and gives the state in which it ends. Only being stopped is an error:
// a failed drop is an outcome, which the drops behind it are told.
func (r *run) drop(ctx context.Context, d *graph.Drop, in flow.Values) (string, error) {
	if tooManyErrors(d, in) {
		r.journal.move(d.OID, backends.DropError, "something before it failed")
		return backends.DropError, nil
	}
	var err error
	if d.App {
		r.journal.move(d.OID, backends.DropRunning, "")
		err = r.app(ctx, d)
	} else {
		err = r.plan.complete(d)
	}
	if err == nil {
		r.journal.move(d.OID, backends.DropCompleted, "")
		return backends.DropCompleted, nil
	}
	if ctx.Err() != nil {
		// As DALiuGE has it: the application that was killed is in error, what waits is cancelled.
		r.journal.move(d.OID, backends.DropError, err.Error())
		return "", err
	}
	r.journal.fail(r.failure(d, err))
	return backends.DropError, nil
}

func (r *run) app(ctx context.Context, d *graph.Drop) error {
	if d.Category == categoryBash {
		return r.plan.runBash(ctx, d)
	}
	return r.plan.ingest(d)
}

// tooManyErrors holds the failed inputs against the drop's input_error_threshold, a percentage. Data has
// failed when any of its producers has.
func tooManyErrors(d *graph.Drop, in flow.Values) bool {
	failed := 0
	for _, state := range in {
		if state == backends.DropError {
			failed++
		}
	}
	threshold := 0
	if d.App {
		threshold = errorThreshold(d)
	}
	return failed*100 > threshold*len(in)
}

func (r *run) failure(d *graph.Drop, err error) backends.FailedDrop {
	failed := backends.FailedDrop{OID: d.OID, Name: d.Name, Reason: clip(err.Error(), backends.MaxLogTailBytes)}
	if d.Category == categoryBash {
		// A log that cannot be read takes nothing from the failure; the reason says enough.
		failed.LogTail, _ = logTail(r.plan.at.log(d.OID))
	}
	return failed
}
