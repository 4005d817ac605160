package tap

import (
	"math"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// longestOpen bounds how long a breaker stays open.
const longestOpen = 10 * time.Minute

// breaker counts failures in a row with failsafe-go's circuit breaker. When an open one may be
// tried again is decided here, by the clock that Budget is given: the library has the wall clock
// alone. Its owner locks it.
type breaker struct {
	circuit circuitbreaker.CircuitBreaker[any]
	first   time.Duration // how long the first opening lasts
	next    time.Duration // how long the next one does
	since   time.Time     // of the present state
	retryAt time.Time     // while open
}

func newBreaker(failures int, first time.Duration, now time.Time) breaker {
	circuit := circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(uint(failures)).
		WithSuccessThreshold(1).
		WithDelay(math.MaxInt64). // for ever: see permit
		Build()
	return breaker{circuit: circuit, first: first, next: first, since: now}
}

// refuses says that a request would not be let through.
func (b *breaker) refuses(now time.Time) bool { return b.circuit.IsOpen() && now.Before(b.retryAt) }

// permit lets a request through or not; one that got through must end in record or abandon. When
// the time of an open breaker is over, one request at a time is let through to try.
func (b *breaker) permit(now time.Time) bool {
	if b.refuses(now) {
		return false
	}
	if b.circuit.IsOpen() {
		b.circuit.HalfOpen()
		b.since = now
	}
	return b.circuit.TryAcquirePermit()
}

// record notes how a request ended.
func (b *breaker) record(ok bool, now time.Time) {
	before := b.circuit.State()
	if ok {
		b.circuit.RecordSuccess()
	} else {
		b.circuit.RecordFailure()
	}
	after := b.circuit.State()
	if after == before {
		return
	}
	b.since = now
	if after == circuitbreaker.ClosedState {
		b.next = b.first
		return
	}
	b.retryAt = now.Add(b.next)
	b.next = min(2*b.next, longestOpen)
}

// abandon gives back the permit of a request that its caller gave up. The library has no such call;
// a new half-open state has all its permits.
func (b *breaker) abandon() {
	if b.circuit.IsHalfOpen() {
		b.circuit.Open()
		b.circuit.HalfOpen()
	}
}

// The states of a breaker.
const (
	BreakerClosed   = "closed"
	BreakerOpen     = "open"
	BreakerHalfOpen = "half-open"
)

func (b *breaker) state() string {
	switch b.circuit.State() {
	case circuitbreaker.OpenState:
		return BreakerOpen
	case circuitbreaker.HalfOpenState:
		return BreakerHalfOpen
	}
	return BreakerClosed
}
