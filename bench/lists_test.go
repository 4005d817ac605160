package bench

import (
	"strings"
	"testing"

	"beampipe/bench/grown"
)

func TestTheListsBenchAsksEveryListByEveryFilter(t *testing.T) {
	grown.Sizes["tiny"] = grown.Size{Sources: 300, Executions: 600, Events: 6000}
	defer delete(grown.Sizes, "tiny")
	dir := t.TempDir()
	flags := map[string]string{"size": "tiny", "dir": dir, "samples": "1"}
	report, err := Run(t.Context(), "lists", Options{Dir: t.TempDir(), Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	rows := rowsOf(t, report)
	for _, name := range []string{"executions_p99_ms", "sources_p99_ms", "timeline_p99_ms", "ticks_p99_ms", "products_p99_ms", "resolve_p99_ms", "counts_p99_ms"} {
		if r := rows[name]; r.Value <= 0 || r.Goal != "under 10 ms" || r.ReferenceValue <= 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if rows["grown_executions"].Value != 600 || rows["grown_s"].Value <= 0 {
		t.Errorf("%+v", rows["grown_executions"])
	}
	details := 0
	for name, r := range rows {
		if strings.HasPrefix(name, "executions_p99_ms ") {
			details++
			if r.Value > rows["executions_p99_ms"].Value {
				t.Errorf("%s is above the worst", name)
			}
		}
	}
	if details < 90 {
		t.Errorf("only %d combinations of filters of executions", details)
	}

	report, err = Run(t.Context(), "lists", Options{Dir: t.TempDir(), Flags: flags})
	if _, made := rowsOf(t, report)["grown_s"]; err != nil || made {
		t.Errorf("the ledger was made again: %v", err)
	}
	if _, err := Run(t.Context(), "lists", Options{Dir: t.TempDir(), Flags: map[string]string{"size": "huge"}}); err == nil {
		t.Error("a size that there is not was taken")
	}
}

func TestThePercentileIsTheOneThatFewAreAbove(t *testing.T) {
	var list []float64
	for i := range 200 {
		list = append(list, float64(200-i))
	}
	if got := p99(list); got != 198 {
		t.Errorf("%g", got)
	}
	if got := p99([]float64{5}); got != 5 {
		t.Errorf("%g", got)
	}
}
