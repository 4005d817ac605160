package daemon

import (
	"github.com/prometheus/client_golang/prometheus"

	"beampipe/ledger"
)

// writerCollector reads what the ledger's writer counts when it is asked for.
type writerCollector struct{ ledger *ledger.Ledger }

var (
	descGroups      = prometheus.NewDesc("beampipe_ledger_group_writes", "Writes that shared a durable transaction.", nil, nil)
	descReplays     = prometheus.NewDesc("beampipe_ledger_replays_total", "Writes that were run again because another one ended their transaction.", nil, nil)
	descCheckpoints = prometheus.NewDesc("beampipe_ledger_checkpoints_total", "Checkpoints of the write-ahead log.", nil, nil)
	descCut         = prometheus.NewDesc("beampipe_ledger_reads_cut_total", "Reads that were ended because they took too long.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c writerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descGroups, descReplays, descCheckpoints, descCut} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c writerCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.ledger.WriterStats()
	buckets := map[float64]uint64{}
	var sum uint64
	for i, bound := range ledger.GroupSizes {
		sum += uint64(s.Sizes[i])
		buckets[float64(bound)] = sum
	}
	ch <- prometheus.MustNewConstHistogram(descGroups, uint64(s.Groups), float64(s.Writes), buckets)
	for d, n := range map[*prometheus.Desc]int64{descReplays: s.Replays, descCheckpoints: s.Checkpoints, descCut: s.ReadersCut} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n))
	}
}
