package execution

import (
	"context"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"beampipe/backends"
	"beampipe/fault"
)

// place is a backend whose answers the test gives; without any it takes everything and says "queued".
type place struct {
	mu       sync.Mutex
	runs     map[string]backends.Observation // what it has, by attempt id
	fenced   map[string]bool
	told     map[string]int // how often an attempt was submitted
	cancels  []string
	polls    int
	check    error
	submit   func(s backends.Submission) error // after the run began, when took is set
	took     bool                              // it begins the run before submit answers
	asked    error                             // of Poll and Find
	cancel   error
	fence    error
	ctx      context.Context // of the last submission
	graph    []byte
	manifest []byte
}

func newPlace() *place {
	return &place{runs: map[string]backends.Observation{}, fenced: map[string]bool{}, told: map[string]int{}}
}

func (p *place) Check(context.Context, backends.Submission) error { return p.check }

func (p *place) Submit(ctx context.Context, s backends.Submission) (backends.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told[s.ID]++
	p.ctx = ctx
	p.graph, p.manifest = s.Graph, s.Manifest
	receipt := backends.Receipt{ID: s.ID, ExternalID: "job-" + s.ID[len(s.ID)-1:], Folder: "/runs/" + s.ID, At: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)}
	if p.fenced[s.ID] {
		return backends.Receipt{}, fault.New(fault.Conflict, "fenced", "")
	}
	if _, there := p.runs[s.ID]; there {
		return receipt, fault.New(fault.Conflict, "submitted before", "")
	}
	if p.submit == nil || p.took {
		p.runs[s.ID] = backends.Observation{Phase: backends.PhaseQueued}
	}
	if p.submit == nil {
		return receipt, nil
	}
	p.mu.Unlock() // it may ask the engine, which may ask the place
	err := p.submit(s)
	p.mu.Lock()
	if err != nil {
		return backends.Receipt{}, err
	}
	return receipt, nil
}

func (p *place) Poll(_ context.Context, ids []string) (map[string]backends.Observation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.polls++
	if p.asked != nil {
		return nil, p.asked
	}
	answers := map[string]backends.Observation{}
	for _, id := range ids {
		o, ok := p.runs[id]
		if !ok {
			o = backends.Observation{Phase: backends.PhaseLost}
		}
		o.ID = id
		answers[id] = o
	}
	return answers, nil
}

func (p *place) Find(ctx context.Context, ids []string) (map[string]backends.Observation, error) {
	return p.Poll(ctx, ids)
}

func (p *place) List(context.Context) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.runs)), p.asked
}

func (p *place) Cancel(_ context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		return p.cancel
	}
	p.cancels = append(p.cancels, id)
	return nil
}

func (p *place) Fence(_ context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fence != nil {
		return p.fence
	}
	p.fenced[id] = true
	return nil
}

func (p *place) Logs(context.Context, string, string) (io.ReadCloser, error) {
	return nil, fault.New(fault.NotFound, "no logs", "")
}

// says sets what the place answers about an attempt.
func (p *place) says(id string, o backends.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs[id] = o
}

func (p *place) forgets(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.runs, id)
}
