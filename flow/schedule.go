package flow

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// run is one run of a graph. One goroutine, that of Run, owns all of it; workers are given what they
// need and answer on done.
type run struct {
	graph   *Graph
	o       Options
	seeds   Values // by "$name"
	data    Values // by qualified name
	records map[string]Record
	kept    Checkpoint // what checkpoints show: the outputs of committed vertices; shares states
	states  map[string]State
	errs    map[string]error
	missing []int       // per node: sources that have not given yet
	started []time.Time // per node
	ready   indexHeap   // nodes whose sources have all given
	open    map[string]*openGroup
	running int
	cached  int
	done    chan outcome

	halted  bool  // nothing new starts
	keepErr error // of the checkpoint
}

// openGroup is a group of which something has run and not everything has completed.
type openGroup struct {
	finished []outcome // completed members, held back until all are
	failed   bool
}

// prepare counts what each node waits for.
func (r *run) prepare() {
	for i := range r.graph.nodes {
		n := &r.graph.nodes[i]
		if r.states[n.Name] == Completed {
			continue
		}
		for _, source := range n.sources {
			if r.states[r.graph.nodes[source].Name] != Completed {
				r.missing[i]++
			}
		}
		if r.missing[i] == 0 {
			r.ready = append(r.ready, i) // ascending, hence a heap already
		}
	}
}

func (r *run) loop(ctx context.Context) {
	for {
		for r.running < r.o.Workers && len(r.ready) > 0 && !r.halted && ctx.Err() == nil {
			i := heap.Pop(&r.ready).(int)
			if r.states[r.graph.nodes[i].Name] == Pending { // not failed meanwhile with its group
				r.start(ctx, i)
			}
		}
		if r.running == 0 {
			return
		}
		out := <-r.done
		r.running--
		r.finish(ctx, out)
	}
}

// start hands a node and its inputs to a worker.
func (r *run) start(ctx context.Context, i int) {
	n := &r.graph.nodes[i]
	in := make(Values, len(n.inputs))
	digests := make(map[string]string, len(n.inputs))
	for _, b := range n.inputs {
		value, ok := r.data[b.source]
		if !ok {
			value = r.seeds[b.source]
		}
		in[b.input], digests[b.input] = value, r.records[b.source].Digest
	}
	r.states[n.Name] = Running
	r.started[i] = r.o.Now()
	r.tell(Event{Vertex: n.Name, State: Running, At: r.started[i]})
	r.running++
	w := worker{node: n, o: &r.o, in: in, digests: digests}
	go func() {
		out := w.work(ctx)
		out.index = i
		r.done <- out
	}()
}

// finish takes a worker's answer.
func (r *run) finish(ctx context.Context, out outcome) {
	n := &r.graph.nodes[out.index]
	switch {
	case out.err != nil:
		r.fail(ctx, out.index, out.err)
	case n.Group == "":
		r.commit(ctx, []outcome{out})
	default:
		r.finishMember(ctx, out)
	}
}

// finishMember holds the outputs of a group's member back until its group is whole.
func (r *run) finishMember(ctx context.Context, out outcome) {
	n := &r.graph.nodes[out.index]
	group := r.openGroup(n.Group)
	if group.failed {
		r.settle(out.index, ErrRolledBack)
		r.keep(ctx, n)
		return
	}
	group.finished = append(group.finished, out)
	r.store(out)
	if len(group.finished) < len(r.graph.groups[n.Group]) {
		r.release(out.index, func(consumer int) bool { return r.graph.nodes[consumer].Group == n.Group })
		return
	}
	delete(r.open, n.Group)
	slices.SortFunc(group.finished, func(a, b outcome) int { return a.index - b.index })
	r.commit(ctx, group.finished)
}

func (r *run) openGroup(name string) *openGroup {
	if r.open[name] == nil {
		r.open[name] = &openGroup{}
	}
	return r.open[name]
}

// commit makes outputs count: they are kept, and what needs them may start.
func (r *run) commit(ctx context.Context, outs []outcome) {
	committed := make([]*node, 0, len(outs))
	for _, out := range outs {
		n := &r.graph.nodes[out.index]
		committed = append(committed, n)
		r.store(out)
		for _, output := range out.outputs {
			name := n.Name + "." + output.name
			if r.o.Checkpoint != nil {
				r.kept.Outputs[name], r.kept.Lineage[name] = output.raw, r.records[name]
			}
		}
		if out.cached {
			r.cached++
		}
		r.states[n.Name] = Completed
		at := r.o.Now()
		r.tell(Event{Vertex: n.Name, State: Completed, At: at, Took: at.Sub(r.started[out.index]), Cached: out.cached})
	}
	r.keep(ctx, committed...)
	for _, out := range outs {
		n := &r.graph.nodes[out.index]
		r.release(out.index, func(consumer int) bool {
			return n.Group == "" || r.graph.nodes[consumer].Group != n.Group
		})
	}
}

// store puts outputs where consumers find them.
func (r *run) store(out outcome) {
	n := &r.graph.nodes[out.index]
	for _, output := range out.outputs {
		name := n.Name + "." + output.name
		r.data[name] = output.value
		r.records[name] = r.record(n, output.name, output.digest)
	}
}

func (r *run) record(n *node, output, digest string) Record {
	inputs := make(map[string]string, len(n.inputs))
	for _, b := range n.inputs {
		inputs[b.input] = b.source
	}
	return Record{Output: n.Name + "." + output, Vertex: n.Name, Inputs: inputs, Digest: digest, At: r.o.Now()}
}

// release counts a node's outputs as given to those of its consumers that may see them.
func (r *run) release(i int, sees func(consumer int) bool) {
	for _, consumer := range r.graph.nodes[i].consumers {
		if !sees(consumer) {
			continue
		}
		if r.missing[consumer]--; r.missing[consumer] == 0 {
			heap.Push(&r.ready, consumer)
		}
	}
}

// fail settles a node that failed by itself, its group, and everything behind them.
func (r *run) fail(ctx context.Context, i int, err error) {
	n := &r.graph.nodes[i]
	r.settle(i, err)
	if !r.o.KeepGoing {
		r.halted = true
	}
	ended := []*node{n}
	if isStop(ctx, err) {
		r.keep(ctx, ended...) // stopped, not broken: what is behind it stays pending
		return
	}
	lost := []int{i}
	if n.Group != "" {
		lost = append(lost, r.rollBack(n.Group)...)
	}
	for len(lost) > 0 {
		at := lost[0]
		lost = lost[1:]
		if node := &r.graph.nodes[at]; node != n {
			ended = append(ended, node)
		}
		for _, consumer := range r.graph.nodes[at].consumers {
			if c := &r.graph.nodes[consumer]; r.states[c.Name] == Pending {
				r.settle(consumer, ErrUpstream)
				lost = append(lost, consumer)
				if c.Group != "" {
					lost = append(lost, r.rollBack(c.Group)...)
				}
			}
		}
	}
	r.keep(ctx, ended...)
}

// rollBack fails the members of a group and gives them: those that completed lose their outputs, those
// that did not start never will; those that run are settled when they end.
func (r *run) rollBack(name string) []int {
	group := r.openGroup(name)
	if group.failed {
		return nil
	}
	group.failed = true
	var settled []int
	for _, out := range group.finished {
		n := &r.graph.nodes[out.index]
		r.forget(n)
		r.settle(out.index, ErrRolledBack)
		settled = append(settled, out.index)
	}
	group.finished = nil
	for _, member := range r.graph.groups[name] {
		switch r.states[r.graph.nodes[member].Name] {
		case Pending:
			r.settle(member, ErrRolledBack)
			settled = append(settled, member)
		case Running:
			settled = append(settled, member) // for what is behind it
		}
	}
	return settled
}

func (r *run) forget(n *node) {
	for _, output := range n.Outputs {
		delete(r.data, n.Name+"."+output)
		delete(r.records, n.Name+"."+output)
	}
}

// settle marks a node as failed.
func (r *run) settle(i int, err error) {
	n := &r.graph.nodes[i]
	event := Event{Vertex: n.Name, State: Failed, At: r.o.Now(), Err: err}
	if r.states[n.Name] == Running {
		event.Took = event.At.Sub(r.started[i])
	}
	r.states[n.Name], r.errs[n.Name] = Failed, err
	r.tell(event)
}

// abandonOpenGroups takes back what groups gave that could not be finished because the run stopped.
func (r *run) abandonOpenGroups() {
	for _, group := range r.open {
		for _, out := range group.finished {
			n := &r.graph.nodes[out.index]
			r.forget(n)
			r.states[n.Name] = Pending
		}
	}
}

// keep gives the checkpoint away after the nodes that ended.
func (r *run) keep(ctx context.Context, ended ...*node) {
	if r.o.Checkpoint == nil || r.keepErr != nil {
		return
	}
	r.kept.Ended, r.kept.step = ended[0].Name, ended
	// What was done must be kept, also when the run is being cancelled.
	if err := r.o.Checkpoint(context.WithoutCancel(ctx), r.kept); err != nil {
		r.keepErr = fmt.Errorf("checkpoint after vertex %q: %w", ended[0].Name, err)
		r.halted = true
	}
}

// tell calls the observer, which cannot break the run.
func (r *run) tell(e Event) {
	if r.o.Observer == nil {
		return
	}
	defer func() { _ = recover() }() // promised by Options.Observer
	r.o.Observer(e)
}

// err gives the error of the whole run.
func (r *run) err(ctx context.Context) error {
	stopped := false
	for i := range r.graph.nodes {
		name := r.graph.nodes[i].Name
		err := r.errs[name]
		if err == ErrUpstream || err == ErrRolledBack {
			continue
		}
		if err != nil && !isStop(ctx, err) {
			return fmt.Errorf("vertex %q: %w", name, err)
		}
		stopped = stopped || r.states[name] != Completed
	}
	if r.keepErr != nil {
		return r.keepErr
	}
	if stopped {
		return fmt.Errorf("the run was stopped: %w", context.Cause(ctx))
	}
	return nil
}

// isStop tells whether a vertex failed because the run was stopped.
func isStop(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

// indexHeap is a heap of node indexes, so that what comes first in the graph starts first.
type indexHeap []int

func (h indexHeap) Len() int           { return len(h) }
func (h indexHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h indexHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *indexHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *indexHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
