package daemon

import (
	"context"
	"sync"
)

// jobs runs at most one job per key at once and waits for all of them at the end.
type jobs struct {
	ctx   context.Context
	ended func() // told after each job
	mu    *sync.Mutex
	busy  map[tickKey]bool
	due   map[tickKey]bool // nudged: to be started at the next look
	wg    *sync.WaitGroup
}

func newJobs(ctx context.Context, ended func()) jobs {
	return jobs{ctx: ctx, ended: ended, mu: &sync.Mutex{}, busy: map[tickKey]bool{}, due: map[tickKey]bool{}, wg: &sync.WaitGroup{}}
}

func (j *jobs) running(key tickKey) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.busy[key]
}

// start runs a job; the caller has seen that none runs under this key.
func (j *jobs) start(key tickKey, run func(ctx context.Context)) {
	j.mu.Lock()
	j.busy[key] = true
	j.mu.Unlock()
	j.wg.Go(func() {
		run(j.ctx)
		j.mu.Lock()
		delete(j.busy, key)
		j.mu.Unlock()
		j.ended()
	})
}

// nudge marks a key as due at once.
func (j *jobs) nudge(key tickKey) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.due[key] = true
}

// nudged tells whether the key was nudged, once.
func (j *jobs) nudged(key tickKey) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	due := j.due[key]
	delete(j.due, key)
	return due
}

func (j *jobs) wait() { j.wg.Wait() }
