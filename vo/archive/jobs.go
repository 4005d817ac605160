package archive

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// The phases of a job (UWS 1.1 section 2.1.3) that this service uses.
const (
	phasePending   = "PENDING"
	phaseQueued    = "QUEUED"
	phaseExecuting = "EXECUTING"
	phaseCompleted = "COMPLETED"
	phaseError     = "ERROR"
	phaseAborted   = "ABORTED"
	phaseHeld      = "HELD"
	phaseSuspended = "SUSPENDED"
	phaseUnknown   = "UNKNOWN"
	phaseArchived  = "ARCHIVED"
)

// active phases are those on which a service may block (UWS 1.1 section 2.2.1.2).
func active(phase string) bool {
	return phase == phasePending || phase == phaseQueued || phase == phaseExecuting
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// job is one asynchronous query. Its fields belong to the lock of jobs.
type job struct {
	id, runID   string
	params      parameters
	phase       string
	created     time.Time
	started     time.Time // zero before
	ended       time.Time // zero before
	destruction time.Time
	duration    time.Duration
	words       string // of an ERROR
	result      []byte
	resultType  string

	spoilt   Misbehaviour
	reads    int // that still show a strange phase
	cutShown bool

	cancel  context.CancelFunc // of a job that runs
	changed chan struct{}      // closed when the phase changes
}

// jobs are those of an archive, in memory.
type jobs struct {
	mu     sync.Mutex
	list   []*job // in the order in which they were made
	made   int
	kept   int64 // bytes that the jobs hold
	closed bool
	ctx    context.Context // of every job that runs
	stop   context.CancelFunc
	slots  chan struct{} // one for each job that may run now
	wait   sync.WaitGroup
}

func newJobs() *jobs {
	ctx, stop := context.WithCancel(context.Background())
	return &jobs{ctx: ctx, stop: stop, slots: make(chan struct{}, runners)}
}

// close stops every job and waits for them.
func (s *jobs) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.wait.Wait()
}

func (s *jobs) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

// add keeps a new job, if there is room.
func (s *jobs) add(j *job, most int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.destroyExpired(j.created)
	switch {
	case s.closed:
		return refuseBusy("the service is being shut down")
	case len(s.list) >= most:
		return refuseBusy("%d jobs are here, which is as many as this service keeps; delete some", most)
	case s.kept+j.size() > maxKeptBytes:
		return refuseBusy("the jobs that are here hold %d bytes, and there is no room for another one; delete some", s.kept)
	}
	j.changed = make(chan struct{})
	s.kept += j.size()
	s.list = append(s.list, j)
	s.made++
	return nil
}

// size is what a job holds, its result apart.
func (j *job) size() int64 {
	size := int64(len(j.id) + len(j.runID))
	for _, list := range j.params.values {
		for _, v := range list {
			size += int64(len(v))
		}
	}
	for _, raw := range j.params.parts {
		size += int64(len(raw))
	}
	return size
}

// find gives a job, or nil. The caller holds the lock.
func (s *jobs) find(id string, now time.Time) *job {
	s.destroyExpired(now)
	for _, j := range s.list {
		if j.id == id {
			return j
		}
	}
	return nil
}

// destroyExpired forgets the jobs whose destruction time is over. The caller holds the lock.
func (s *jobs) destroyExpired(now time.Time) {
	for _, j := range slices.Clone(s.list) {
		if !j.destruction.After(now) {
			s.destroy(j)
		}
	}
}

// destroy stops and forgets a job. The caller holds the lock.
func (s *jobs) destroy(j *job) {
	if j.cancel != nil {
		j.cancel()
	}
	at := slices.Index(s.list, j)
	if at < 0 {
		return
	}
	s.list = slices.Delete(s.list, at, at+1)
	s.kept -= j.size() + int64(len(j.result))
	close(j.changed)
	j.changed = make(chan struct{})
}

// move changes a job's phase, and wakes who waits for that. The caller holds the lock.
func (j *job) move(phase string) {
	j.phase = phase
	close(j.changed)
	j.changed = make(chan struct{})
}

// seen gives the phase that a read of the job shows, and lets a suspended job go on. The caller
// holds the lock.
func (a *Archive) seen(j *job) string {
	if j.reads == 0 || j.spoilt.Kind != JobSuspended && j.spoilt.Kind != JobUnknown {
		return j.phase
	}
	j.reads--
	if j.spoilt.Kind == JobUnknown {
		return phaseUnknown
	}
	if j.reads == 0 && j.phase == phaseSuspended {
		a.start(j)
		return phaseSuspended
	}
	return j.phase
}

// run does what PHASE=RUN asks for: nothing, for a job that has run. The caller holds the lock.
func (a *Archive) run(j *job) {
	if j.phase != phasePending && j.phase != phaseHeld {
		return
	}
	if j.phase == phasePending {
		j.reads = j.spoilt.reads()
	}
	switch j.spoilt.Kind {
	case JobHeld:
		if j.phase == phasePending {
			j.move(phaseHeld)
			return
		}
	case JobSuspended:
		j.move(phaseSuspended)
		return
	case JobAborted, JobArchived:
		j.started, j.ended = a.options.Now(), a.options.Now()
		j.move(map[string]string{JobAborted: phaseAborted, JobArchived: phaseArchived}[j.spoilt.Kind])
		return
	case LostJob:
		a.jobs.destroy(j)
		return
	}
	a.start(j)
}

// start queues a job. The caller holds the lock.
func (a *Archive) start(j *job) {
	if a.jobs.closed {
		return
	}
	ctx, cancel := context.WithCancel(a.jobs.ctx)
	j.cancel = cancel
	j.move(phaseQueued)
	a.jobs.wait.Add(1)
	go func() {
		defer a.jobs.wait.Done()
		defer cancel()
		a.work(ctx, j)
	}()
}

// end ends a job, unless someone did before. The caller holds the lock.
func (a *Archive) end(j *job, phase, words string) {
	if j.ended.IsZero() {
		j.ended, j.words = a.options.Now(), words
		j.move(phase)
	}
}
