package execution

import (
	"hash/fnv"
	"strconv"
	"time"

	"beampipe/ledger"
)

// Waits and how often they are served.
const (
	maxAutoRetries = 3
	firstRetry     = 5 * time.Minute // of a plumbing failure; then three times as long each time
	firstRefusal   = time.Minute     // of a refused submission; then twice as long each time
	maxRefusalWait = time.Hour
	prepareWait    = time.Minute // after a unit that ended without having moved its execution
	// maxPrepareTries is how often a preparation that could not be done now is tried, over about five hours.
	maxPrepareTries = 10
	maxErrorText    = 2000 // bytes of an error that are kept with a delay
	fenceWait       = 5 * time.Minute
)

// retryAt gives when a plumbing failure is retried by itself; nil when it was often enough. Up to a
// tenth is added, made from the execution's id, so that many failures of one cause spread.
func retryAt(now time.Time, x ledger.Execution) *time.Time {
	if x.AutoRetries >= maxAutoRetries {
		return nil
	}
	wait := firstRetry
	for range x.AutoRetries {
		wait *= 3
	}
	h := fnv.New32a()
	h.Write([]byte(x.ID + "/" + strconv.Itoa(x.Attempt)))
	at := now.Add(wait + time.Duration(h.Sum32()%1000)*wait/10_000).Truncate(time.Millisecond)
	return &at
}

// refusalWait is how long a submission waits that was refused n times before.
func refusalWait(n int) time.Duration {
	wait := firstRefusal
	for range n {
		if wait *= 2; wait >= maxRefusalWait {
			return maxRefusalWait
		}
	}
	return wait
}

// absentWait is how long the attempt after the given one waits, when that one was proved absent: the
// first is made good at once, then something is wrong with the place.
func absentWait(attempt int) time.Duration {
	if attempt <= 1 {
		return 0
	}
	return refusalWait(attempt - 2)
}
