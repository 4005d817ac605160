package daemon

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"beampipe/ledger"
)

// tickMetrics counts what the loop does.
type tickMetrics struct{ ticks *prometheus.HistogramVec }

func newTickMetrics(reg *prometheus.Registry) *tickMetrics {
	m := &tickMetrics{ticks: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "beampipe_scheduler_tick_duration_seconds", Help: "Time that a tick took.", Buckets: prometheus.ExponentialBuckets(0.005, 4, 9),
	}, []string{"tick_kind"})}
	reg.MustRegister(m.ticks, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *tickMetrics) tick(kind string, took time.Duration) {
	m.ticks.WithLabelValues(kind).Observe(took.Seconds())
}

// ledgerCollector reads gauges off the ledger when they are asked for.
type ledgerCollector struct{ ledger *ledger.Ledger }

var (
	descActive = prometheus.NewDesc("beampipe_executions_active", "Executions that are not terminal.", []string{"status"}, nil)
	descOldest = prometheus.NewDesc("beampipe_executions_oldest_active_age_seconds", "How long the oldest execution in a state exists.", []string{"status"}, nil)
	descBytes  = prometheus.NewDesc("beampipe_ledger_bytes", "Size of the ledger's files.", []string{"file"}, nil)
	descEvents = prometheus.NewDesc("beampipe_provenance_events_total", "Events in the provenance log.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c ledgerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descActive, descOldest, descBytes, descEvents} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What cannot be read is reported as an invalid metric.
func (c ledgerCollector) Collect(ch chan<- prometheus.Metric) {
	file, wal := c.ledger.Size() // known whatever can be read
	ch <- prometheus.MustNewConstMetric(descBytes, prometheus.GaugeValue, float64(file), "ledger")
	ch <- prometheus.MustNewConstMetric(descBytes, prometheus.GaugeValue, float64(wal), "wal")
	ctx, cancel := context.WithTimeout(context.Background(), webReadTimeout)
	defer cancel()
	if err := c.collect(ch, c.ledger.View(ctx)); err != nil {
		ch <- prometheus.NewInvalidMetric(descActive, err)
	}
}

func (c ledgerCollector) collect(ch chan<- prometheus.Metric, v ledger.View) error {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counts, err := v.CountLive("")
	if err != nil {
		return err
	}
	for _, t := range ledger.Transitions() { // a state without executions is 0, not absent
		if _, counted := counts[t.From]; !counted && !t.From.Terminal() {
			counts[t.From] = 0
		}
	}
	oldest, err := v.OldestLive()
	if err != nil {
		return err
	}
	for state, n := range counts {
		gauge(descActive, float64(n), string(state))
		age := 0.0
		if since, any := oldest[state]; any {
			age = v.Now().Sub(since).Seconds()
		}
		gauge(descOldest, age, string(state))
	}
	events, err := v.CountEvents()
	ch <- prometheus.MustNewConstMetric(descEvents, prometheus.CounterValue, float64(events))
	return err
}
