package bench

import "testing"

func TestTheTickBenchStopsWhereItIsTold(t *testing.T) {
	report, err := Run(t.Context(), "tick", Options{Dir: t.TempDir(), Flags: map[string]string{"sources": "1000", "ticks": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	rows := rowsOf(t, report)
	if r := rows["tick_ms_1k"]; r.Value <= 0 || r.Skipped != "" || r.Goal != "under 20 ms" {
		t.Errorf("%+v", r)
	}
	if r := rows["tick_changed_ms_1k"]; r.Value <= 0 || r.Goal != "" {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"tick_ms_10k", "tick_ms_100k", "tick_ms_1m"} {
		if r, ok := rows[name]; !ok || r.Skipped == "" || r.Met {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestTheMedianIsTheMiddleOne(t *testing.T) {
	list := []float64{9, 1, 5}
	if got := median(list); got != 5 || list[0] != 9 {
		t.Errorf("%g of %v", got, list)
	}
}
