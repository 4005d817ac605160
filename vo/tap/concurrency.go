package tap

import (
	"slices"
	"time"
)

// slots is a semaphore whose size may change. Its owner locks it.
type slots struct {
	size, used int
	queue      []chan struct{} // who waits, the longest first
}

// take takes a slot, or gives a channel that is closed when one was taken for the caller.
func (s *slots) take() (turn chan struct{}) {
	if s.used < s.size && len(s.queue) == 0 {
		s.used++
		return nil
	}
	turn = make(chan struct{})
	s.queue = append(s.queue, turn)
	return turn
}

// release gives a slot back.
func (s *slots) release() {
	s.used--
	s.wake()
}

// wake hands free slots to those who wait.
func (s *slots) wake() {
	for s.used < s.size && len(s.queue) > 0 {
		close(s.queue[0])
		s.queue = s.queue[1:]
		s.used++
	}
}

// leave takes a caller out of the queue; false says that it has a slot by now.
func (s *slots) leave(turn chan struct{}) bool {
	at := slices.Index(s.queue, turn)
	if at < 0 {
		return false
	}
	s.queue = slices.Delete(s.queue, at, at+1)
	return true
}

const (
	paceWindow = 16                     // answers between two looks at how long they take
	slowBy     = 100 * time.Millisecond // less than this above the usual time is noise
)

// pace learns how long an archive's answers usually take.
type pace struct {
	usual  time.Duration // follows the medians of the windows; 0 before the first
	window []time.Duration
}

// add notes an answer. At the end of a window, slow says that its median was more than twice the
// usual; one median counts a tenth, so what lasts becomes the usual.
func (p *pace) add(took time.Duration) (full, slow bool) {
	if p.window = append(p.window, took); len(p.window) < paceWindow {
		return false, false
	}
	slices.Sort(p.window)
	median := p.window[paceWindow/2]
	p.window = p.window[:0]
	if p.usual == 0 {
		p.usual = median
		return true, false
	}
	slow = median > 2*p.usual && median-p.usual > slowBy
	p.usual += (median - p.usual) / 10
	return true, slow
}
