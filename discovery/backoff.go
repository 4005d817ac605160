package discovery

import (
	"hash/fnv"
	"math"
	"time"
)

const (
	firstDelay = 5 * time.Minute
	// patience is how many failures in a row a source may have before it is asked at its normal pace
	// only, and shown to the operator.
	patience = 10
	// spread is the part of a delay by which sources that failed together come apart.
	spread = 0.1
)

// backoff gives the wait before a source that has failed is asked again: 5 minutes, doubled for each
// failure in a row before this one, at most stale. It is up to a tenth shorter by the identifier, so
// that sources which failed together do not come back together, always the same for one source.
func backoff(identifier string, failures int, stale time.Duration) time.Duration {
	delay := stale
	if failures < patience {
		delay = min(firstDelay<<max(failures, 0), stale)
	}
	h := fnv.New32a()
	h.Write([]byte(identifier)) //nolint:errcheck // a hash does not fail
	part := spread * float64(h.Sum32()) / math.MaxUint32
	return (delay - time.Duration(part*float64(delay))).Truncate(time.Millisecond)
}
