package discovery

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"beampipe/fault"
)

// Limits of the whole process. The zero value of a field is its default.
type Limits struct {
	MaxInFlightBatches int           // batches at a time, all projects; default 4
	MaxBatchesPerTick  int           // where the project sets no tick_discovery_batch_limit; default 4
	SourceConcurrency  int           // sources asked at a time in one batch; default 5
	QueueMaxDepth      int           // claimed batches, all projects, where the project sets no queue_max_depth; default 200
	Pacing             time.Duration // between two claims of one tick; default none
}

// The environment variables of Limits.
const (
	EnvMaxInFlightBatches = "BEAMPIPE_SHAPING_DISCOVERY_MAX_IN_FLIGHT_BATCHES"
	EnvMaxBatchesPerTick  = "BEAMPIPE_SHAPING_DISCOVERY_MAX_BATCHES_PER_TICK"
	EnvSourceConcurrency  = "BEAMPIPE_DISCOVERY_SOURCE_CONCURRENCY"
	EnvQueueMaxDepth      = "BEAMPIPE_SHAPING_QUEUE_MAX_DEPTH"
	EnvPacing             = "BEAMPIPE_SHAPING_ENQUEUE_PACING_MS"
)

const (
	maxLimit    = 1_000_000 // of a number of things
	maxPacingMS = 60_000
)

func (l Limits) withDefaults() Limits {
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.MaxInFlightBatches, 4)
	set(&l.MaxBatchesPerTick, 4)
	set(&l.SourceConcurrency, 5)
	set(&l.QueueMaxDepth, 200)
	l.Pacing = max(l.Pacing, 0)
	return l
}

// LimitsFromEnv reads the limits from the environment; what is not set, or blank, has its default. A
// malformed value is fault.Invalid and names the variable.
func LimitsFromEnv(getenv func(string) string) (Limits, error) {
	var l Limits
	var pacing int
	for _, v := range []struct {
		name      string
		into      *int
		from, max int
	}{
		{EnvMaxInFlightBatches, &l.MaxInFlightBatches, 1, maxLimit},
		{EnvMaxBatchesPerTick, &l.MaxBatchesPerTick, 1, maxLimit},
		{EnvSourceConcurrency, &l.SourceConcurrency, 1, maxLimit},
		{EnvQueueMaxDepth, &l.QueueMaxDepth, 1, maxLimit},
		{EnvPacing, &pacing, 0, maxPacingMS},
	} {
		text := strings.TrimSpace(getenv(v.name))
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < v.from || n > v.max {
			return Limits{}, fault.New(fault.Invalid, fmt.Sprintf("read environment variable %s: it is %.60q, expected a whole number from %d to %d", v.name, text, v.from, v.max),
				"correct "+v.name+" or unset it")
		}
		*v.into = n
	}
	l.Pacing = time.Duration(pacing) * time.Millisecond
	return l.withDefaults(), nil
}
