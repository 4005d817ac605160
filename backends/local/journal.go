package local

import (
	"errors"
	"maps"
	"os"
	"sync"
	"time"

	"beampipe/backends"
	"beampipe/graph"
)

// progressEvery is how often the counts of drop states are written while a run works.
const progressEvery = 500 * time.Millisecond

// journal follows the states of all drops: every change goes to drops.jsonl, the counts to the small
// file "progress", which is all that a poll has to read.
type journal struct {
	at  folder
	now func() time.Time

	mu     sync.Mutex
	file   *os.File
	states map[string]string // by oid
	since  map[string]time.Time
	counts map[string]int
	failed []backends.FailedDrop
	dirty  bool
	err    error // the first that could not be written
}

// change is a line of drops.jsonl.
type change struct {
	At     time.Time `json:"at"`
	OID    string    `json:"oid"`
	State  string    `json:"state"`
	TookMS *int64    `json:"took_ms,omitempty"` // in the state running, for what ran
	Reason string    `json:"reason,omitempty"`
}

func openJournal(at folder, drops []graph.Drop, now func() time.Time) (*journal, error) {
	file, err := os.OpenFile(at.journal(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	j := &journal{
		at: at, now: now, file: file,
		states: make(map[string]string, len(drops)), since: map[string]time.Time{}, counts: map[string]int{}, dirty: true,
	}
	for i := range drops {
		j.states[drops[i].OID] = backends.DropInitialized
	}
	j.counts[backends.DropInitialized] = len(drops)
	return j, nil
}

// move notes that a drop is in another state.
func (j *journal) move(oid, state, reason string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.set(oid, state, reason)
}

func (j *journal) set(oid, state, reason string) {
	now := j.now()
	c := change{At: now.UTC(), OID: oid, State: state, Reason: reason}
	if j.states[oid] == backends.DropRunning {
		took := now.Sub(j.since[oid]).Milliseconds()
		c.TookMS = &took
	}
	if j.counts[j.states[oid]]--; j.counts[j.states[oid]] == 0 {
		delete(j.counts, j.states[oid])
	}
	j.counts[state]++
	j.states[oid], j.since[oid], j.dirty = state, now, true
	if _, err := j.file.Write(record(c)); err != nil && j.err == nil {
		j.err = err
	}
}

// fail notes a drop that failed by itself.
func (j *journal) fail(d backends.FailedDrop) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.set(d.OID, backends.DropError, d.Reason)
	if len(j.failed) < backends.MaxFailedDrops {
		j.failed = append(j.failed, d)
	}
}

// cancelRest notes that what has not ended never will.
func (j *journal) cancelRest(drops []graph.Drop) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range drops {
		switch oid := drops[i].OID; j.states[oid] {
		case backends.DropInitialized, backends.DropRunning, backends.DropWriting:
			j.set(oid, backends.DropCancelled, "")
		}
	}
}

// completed tells whether a drop ended well.
func (j *journal) completed(oid string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.states[oid] == backends.DropCompleted
}

// progress is what a poll sees of a run that works.
type progress struct {
	Drops       map[string]int        `json:"drops"`
	FailedDrops []backends.FailedDrop `json:"failed_drops,omitempty"`
}

func (j *journal) progress() progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.dirty = false
	return progress{Drops: maps.Clone(j.counts), FailedDrops: append([]backends.FailedDrop(nil), j.failed...)}
}

func (j *journal) save() error {
	j.mu.Lock()
	dirty := j.dirty
	j.mu.Unlock()
	if !dirty {
		return nil
	}
	temp := j.at.progressFile() + ".tmp"
	if err := os.WriteFile(temp, record(j.progress()), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, j.at.progressFile())
}

// follow writes the counts until stop is closed.
func (j *journal) follow(stop <-chan struct{}) {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		if err := j.save(); err != nil {
			j.mu.Lock()
			j.err = errors.Join(j.err, err)
			j.mu.Unlock()
			return
		}
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
	}
}

// close ends the journal and gives what could not be written.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.err, j.file.Close())
}
