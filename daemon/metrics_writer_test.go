package daemon

import (
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"beampipe/ledger"
)

func TestTheWritersCountersAreMetrics(t *testing.T) {
	l, err := ledger.Create(t.Context(), filepath.Join(t.TempDir(), "beampipe.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(writerCollector{l})
	before := l.WriterStats().Groups
	for range 3 {
		if err := l.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		m := f.Metric[0]
		got[f.GetName()] = m.GetCounter().GetValue()
		if h := m.GetHistogram(); h != nil {
			got[f.GetName()] = float64(h.GetSampleCount())
		}
	}
	want := map[string]float64{
		"beampipe_ledger_group_writes": float64(before) + 3, "beampipe_ledger_replays_total": 0,
		"beampipe_ledger_checkpoints_total": 1, "beampipe_ledger_reads_cut_total": 0,
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %g, want %g", name, got[name], value)
		}
	}
}
