package tap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"beampipe/fault"

	"golang.org/x/time/rate"
)

// ErrCircuitOpen says that an archive failed so often in a row that it is left alone for a while.
// The error around it is fault.Unavailable and says until when.
var ErrCircuitOpen = errors.New("the archive is left alone for a while: it failed too often in a row")

// BudgetOptions bounds what one archive is asked. A zero field means its default.
type BudgetOptions struct {
	Name           string        // the archive's, for messages
	MaxConcurrency int           // queries and jobs at a time; default 8
	PerSecond      float64       // requests begun; 0: no limit
	Failures       int           // in a row, that open the breaker; default 5
	Open           time.Duration // how long it is open first, doubling to 10 min while trials fail; default 30 s
	RetryRatio     float64       // retries per request, over all callers, beside a small reserve; default 0.2, negative: none
	Now            func() time.Time
	OnChange       func(BudgetState) // when the breaker's state or the concurrency changed; may be called concurrently, State has the last word
}

// The defaults of BudgetOptions.
const (
	DefaultConcurrency = 8
	DefaultFailures    = 5
	DefaultOpen        = 30 * time.Second
	DefaultRetryRatio  = 0.2
)

// The reserve of retries: so many at the beginning, one more each refill, never more than the most.
const (
	retryReserve = 10.0
	retryMost    = 50.0
	retryRefill  = 10 * time.Second
)

// Budget bounds what all the Clients that share it ask of one archive: how many queries at a time
// (fewer while the archive is slower than usual or says that it is busy), how many requests a
// second, how many retries, and none at all for a while when it keeps failing. It is safe for
// concurrent use. A nil *Budget bounds nothing.
type Budget struct {
	options BudgetOptions
	rate    *rate.Limiter // nil: no limit

	mu        sync.Mutex
	breaker   breaker
	slots     slots
	pace      pace
	settling  int       // answers still to come of those that were under way when the size was halved
	notBefore time.Time // the archive asked to be left alone until then
	retries   float64
	refilled  time.Time
	lastError string
	told      BudgetState // as OnChange knows it
}

// BudgetState is what a Budget allows now.
type BudgetState struct {
	Name        string    `json:"name"`
	Breaker     string    `json:"breaker"`  // BreakerClosed, BreakerOpen or BreakerHalfOpen
	Since       time.Time `json:"since"`    // of the breaker's state
	RetryAt     time.Time `json:"retry_at"` // when an open breaker lets a request try; zero otherwise
	Concurrency int       `json:"concurrency"`
	InFlight    int       `json:"in_flight"`
	LastError   string    `json:"last_error"` // the last failure; "" since an answer
}

// NewBudget makes a Budget with nothing under way.
func NewBudget(o BudgetOptions) *Budget {
	if o.MaxConcurrency <= 0 {
		o.MaxConcurrency = DefaultConcurrency
	}
	if o.Failures <= 0 {
		o.Failures = DefaultFailures
	}
	if o.Open <= 0 {
		o.Open = DefaultOpen
	}
	if o.RetryRatio == 0 {
		o.RetryRatio = DefaultRetryRatio
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	now := o.Now()
	b := &Budget{options: o, breaker: newBreaker(o.Failures, o.Open, now), slots: slots{size: o.MaxConcurrency}, retries: retryReserve, refilled: now}
	if o.PerSecond > 0 && !math.IsInf(o.PerSecond, 1) {
		b.rate = rate.NewLimiter(rate.Limit(o.PerSecond), 1)
	}
	b.told = b.state()
	return b
}

// State gives what is allowed now.
func (b *Budget) State() BudgetState {
	if b == nil {
		return BudgetState{Breaker: BreakerClosed}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state()
}

func (b *Budget) state() BudgetState {
	s := BudgetState{Name: b.options.Name, Breaker: b.breaker.state(), Since: b.breaker.since, Concurrency: b.slots.size, InFlight: b.slots.used, LastError: b.lastError}
	if s.Breaker == BreakerOpen {
		s.RetryAt = b.breaker.retryAt
	}
	return s
}

// change runs fn locked, and tells OnChange when it made a difference.
func (b *Budget) change(fn func()) {
	b.mu.Lock()
	fn()
	now := b.state()
	differs := now.Breaker != b.told.Breaker || now.Concurrency != b.told.Concurrency
	if differs {
		b.told = now
	}
	b.mu.Unlock()
	if differs && b.options.OnChange != nil {
		b.options.OnChange(now)
	}
}

// slot waits until there is room for one more query or job. release must be called once.
func (b *Budget) slot(ctx context.Context) (release func(), err error) {
	if b == nil {
		return func() {}, nil
	}
	b.mu.Lock()
	if b.breaker.refuses(b.options.Now()) {
		defer b.mu.Unlock()
		return nil, b.refusal()
	}
	turn := b.slots.take()
	b.mu.Unlock()
	release = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.slots.release()
	}
	if turn == nil {
		return release, nil
	}
	select {
	case <-turn:
		return release, nil
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		if !b.slots.leave(turn) {
			b.slots.release()
		}
		return nil, fault.Wrap(fault.Unavailable, ctx.Err(), fmt.Sprintf("archive %s: wait for one of its %d places", b.options.Name, b.slots.size), "it is asked again later")
	}
}

// refusal is the error of an open breaker.
func (b *Budget) refusal() error {
	what := fmt.Sprintf("archive %s, until one request that tries it has an answer", b.options.Name)
	if b.breaker.state() == BreakerOpen {
		what = fmt.Sprintf("archive %s, until %s", b.options.Name, b.breaker.retryAt.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	return fault.Wrap(fault.Unavailable, ErrCircuitOpen, fmt.Sprintf("%s (its last failure: %s)", what, b.lastError), "it is asked again later; beampipe tap capabilities shows whether it is up")
}

// verdict is what a request told about an archive's health.
type verdict int

const (
	answered  verdict = iota // it works, even where it refused
	busy                     // it asks for patience
	down                     // no usable answer
	abandoned                // nobody waited for the answer
)

// ending is how a request ended.
type ending struct {
	verdict verdict
	took    time.Duration // until the answer began; 0: not a measure of the archive
	after   time.Duration // how long the archive asks to be left alone
	why     string        // for busy and down
}

// admit waits until one HTTP request may be sent; end must be called once, when it is over.
func (b *Budget) admit(ctx context.Context, wait func(context.Context, time.Duration) error) (end func(ending), err error) {
	if b == nil {
		return func(ending) {}, nil
	}
	now := b.options.Now()
	b.mu.Lock()
	if b.breaker.refuses(now) {
		defer b.mu.Unlock()
		return nil, b.refusal()
	}
	delay := b.notBefore.Sub(now)
	b.mu.Unlock()

	cancel := func() {}
	if b.rate != nil {
		r := b.rate.ReserveN(now, 1)
		delay = max(delay, r.DelayFrom(now))
		cancel = func() { r.CancelAt(b.options.Now()) }
	}
	if delay > 0 {
		if err := wait(ctx, delay); err != nil {
			cancel()
			return nil, fault.Wrap(fault.Unavailable, err, fmt.Sprintf("archive %s: wait for its turn", b.options.Name), "it is asked again later")
		}
	}
	b.change(func() {
		if !b.breaker.permit(b.options.Now()) {
			err = b.refusal()
		}
	})
	if err != nil {
		cancel()
		return nil, err
	}
	return b.end, nil
}

func (b *Budget) end(e ending) {
	b.change(func() {
		now := b.options.Now()
		if b.settling > 0 {
			b.settling--
		}
		switch e.verdict {
		case abandoned:
			b.breaker.abandon()
			return
		case answered:
			b.breaker.record(true, now)
			b.lastError = ""
		case busy, down:
			b.lastError = e.why
			b.breaker.record(false, now)
		}
		if e.verdict == busy {
			b.slower()
			if until := now.Add(min(e.after, maxRetryAfter)); until.After(b.notBefore) {
				b.notBefore = until
			}
		}
		if e.verdict == answered && e.took > 0 {
			b.measure(e.took)
		}
	})
}

// measure fits the concurrency to how long answers take.
func (b *Budget) measure(took time.Duration) {
	full, slow := b.pace.add(took)
	switch {
	case slow:
		b.slower()
	case full && b.slots.size < b.options.MaxConcurrency:
		b.slots.size++
		b.slots.wake()
	}
}

// slower halves the concurrency, once for all the requests that are under way.
func (b *Budget) slower() {
	if b.settling > 0 || b.slots.size == 1 {
		return
	}
	b.slots.size = max(b.slots.size/2, 1)
	b.settling = b.slots.used
}

// asked adds to the retries that callers may have; it is called once for each question.
func (b *Budget) asked() {
	if b == nil || b.options.RetryRatio < 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.retries = min(b.retries+b.options.RetryRatio, retryMost)
}

// retry takes a retry, where one is left.
func (b *Budget) retry() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.options.RetryRatio < 0 {
		return false
	}
	now := b.options.Now()
	if idle := now.Sub(b.refilled); idle >= retryRefill {
		b.retries = min(b.retries+float64(idle/retryRefill), retryMost)
		b.refilled = now
	}
	if b.retries < 1 {
		return false
	}
	b.retries--
	return true
}
