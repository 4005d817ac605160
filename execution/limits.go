package execution

import (
	"fmt"
	"strconv"

	"beampipe/fault"
)

// Names of the process settings that shape admission, and their defaults.
const (
	EnvMaxInFlightRuns = "BEAMPIPE_SHAPING_EXECUTION_MAX_IN_FLIGHT_RUNS"
	EnvQueueMaxDepth   = "BEAMPIPE_SHAPING_QUEUE_MAX_DEPTH"

	DefaultMaxInFlightRuns = 2
	DefaultQueueMaxDepth   = 200
)

// Limits are the bounds of the whole process, over all projects and places. Zero is the default.
type Limits struct {
	MaxInFlightRuns int // executions in flight: not terminal, not held, not verifying
	QueueMaxDepth   int // executions that wait for a worker: pending, preparing or ready, not held
}

func (l Limits) withDefaults() Limits {
	if l.MaxInFlightRuns == 0 {
		l.MaxInFlightRuns = DefaultMaxInFlightRuns
	}
	if l.QueueMaxDepth == 0 {
		l.QueueMaxDepth = DefaultQueueMaxDepth
	}
	return l
}

// LimitsFromEnv reads the limits from the environment; what is not set has its default. A value that
// is not a whole number from 1 on is Invalid and names the variable.
func LimitsFromEnv(getenv func(string) string) (Limits, error) {
	var l Limits
	for _, v := range []struct {
		name string
		into *int
	}{{EnvMaxInFlightRuns, &l.MaxInFlightRuns}, {EnvQueueMaxDepth, &l.QueueMaxDepth}} {
		text := getenv(v.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return Limits{}, fault.New(fault.Invalid, fmt.Sprintf("environment variable %s is %.40q, expected a whole number from 1 on", v.name, text), "set it to a number, or unset it for the default")
		}
		*v.into = n
	}
	return l.withDefaults(), nil
}
