package crash

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("crash.seed", 0, "seed of the random kills; 0 = a new one, which is told")

// seeded gives the seed of a test and tells it, so that a failure can be tried again.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d; again with: -crash.seed %d", seed, seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// kills is how often a test kills: few times in CI, hundreds of times in the long form.
func kills(few, many int) int {
	if long() {
		return many
	}
	return few
}

const (
	maxLife = 120 * time.Millisecond // of a child under load, before it is killed
	maxTold = 15_000                 // deeds of one ledger, then another is begun: the judge reads all of them
)

// someOrder gives a child of random size.
func someOrder(rng *rand.Rand, name string) order {
	return order{Name: name, Seed: rng.Uint64(), Callers: 8 + rng.IntN(57), Readers: rng.IntN(3)}
}

// TestAProcessThatIsKilledAtAnyInstantLosesNothingThatWasAcknowledged kills children one after the other
// on the same ledger. One in ten dies while it opens it.
func TestAProcessThatIsKilledAtAnyInstantLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	n, ledgers, deeds := kills(25, 300), 1, 0
	began := time.Now()
	b := newBook(t)
	for i := range n {
		o := someOrder(rng, fmt.Sprintf("c%d", i))
		if rng.IntN(3) == 0 {
			o.Task = taskCheckpoint
		}
		p := b.start(o)
		if rng.IntN(10) > 0 {
			p.await("work", p.working)
		}
		p.killAfter(time.Duration(rng.Int64N(int64(maxLife))))
		b.bury(p)
		if rng.IntN(3) == 0 { // else the next child finds what this one left as it lies
			b.judge()
		}
		if t.Failed() {
			t.Fatalf("after kill %d: %s", i+1, b)
		}
		if len(b.told) > maxTold {
			b.judge()
			deeds += len(b.told)
			b, ledgers = newBook(t), ledgers+1
		}
	}
	b.judge()
	deeds += len(b.told)
	took := time.Since(began)
	t.Logf("%d kills in %.1f s (%.1f/s), %d ledgers, %d acknowledged deeds", n, took.Seconds(), float64(n)/took.Seconds(), ledgers, deeds)
	if deeds < n {
		t.Errorf("%d kills and %d deeds: the children did not work", n, deeds)
	}
}

// TestOneOfTwoProcessesOnALedgerIsKilledAndTheOtherGoesOn has two children write to one ledger. The one
// that lives must not notice, but that it may have to wait.
func TestOneOfTwoProcessesOnALedgerIsKilledAndTheOtherGoesOn(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	b := newBook(t)
	for i := range kills(5, 100) {
		first, second := b.start(someOrder(rng, fmt.Sprintf("a%d", i))), b.start(someOrder(rng, fmt.Sprintf("b%d", i)))
		first.await("work", first.working)
		second.await("work", second.working)
		second.killAfter(time.Duration(rng.Int64N(int64(maxLife))))
		first.stop()
		b.bury(first)
		b.bury(second)
		b.judge()
		if t.Failed() {
			t.Fatalf("after kill %d: %s", i+1, b)
		}
		if len(b.told) > maxTold {
			b = newBook(t)
		}
	}
}
