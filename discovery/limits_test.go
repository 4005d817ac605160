package discovery

import (
	"errors"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
)

func TestLimitsComeFromTheEnvironment(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, tt := range []struct {
		name string
		env  func(string) string
		want Limits
		bad  string
	}{
		{name: "nothing set", env: env(), want: Limits{4, 4, 5, 200, 0}},
		{name: "all set", env: env(EnvMaxInFlightBatches, "7", EnvMaxBatchesPerTick, "8", EnvSourceConcurrency, " 9 ", EnvQueueMaxDepth, "10", EnvPacing, "250"), want: Limits{7, 8, 9, 10, 250 * time.Millisecond}},
		{name: "no number", env: env(EnvQueueMaxDepth, "many"), bad: EnvQueueMaxDepth},
		{name: "zero", env: env(EnvMaxBatchesPerTick, "0"), bad: EnvMaxBatchesPerTick},
		{name: "negative pacing", env: env(EnvPacing, "-1"), bad: EnvPacing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := LimitsFromEnv(tt.env)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if tt.bad != "" && (!errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.bad)) {
				t.Errorf("error %v does not name %s", err, tt.bad)
			}
			if tt.bad == "" && err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAFailingSourceIsAskedLessAndLess(t *testing.T) {
	stale := 24 * time.Hour
	last := time.Duration(0)
	for failures := range 15 {
		d := backoff("HIPASSJ1313-15", failures, stale)
		if d < last || d > stale || d < firstDelay*9/10 {
			t.Errorf("after %d failures the wait is %v, before it was %v", failures, d, last)
		}
		last = d
	}
	if last < stale*9/10 {
		t.Errorf("after many failures the wait is %v, want about %v", last, stale)
	}
	if backoff("a", 3, stale) == backoff("b", 3, stale) {
		t.Error("sources that failed together come back together")
	}
}
