package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"beampipe/ledger"
)

// Limits of the metrics listener.
const (
	metricsReadTimeout  = 5 * time.Second
	metricsWriteTimeout = 30 * time.Second
	metricsHeaderBytes  = 16 << 10
)

// metricsServer serves /metrics. Without a listener it only counts.
type metricsServer struct {
	server *http.Server
	wg     sync.WaitGroup
	ticks  *prometheus.HistogramVec
}

// serveMetrics listens on addr. A port that cannot be had is a health problem, not a failed start.
func serveMetrics(addr string, reg *prometheus.Registry, l *ledger.Ledger, h *health, log *slog.Logger) *metricsServer {
	m := &metricsServer{ticks: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "beampipe_scheduler_tick_duration_seconds", Help: "Time that a tick took.", Buckets: prometheus.ExponentialBuckets(0.005, 4, 9),
	}, []string{"tick_kind"})}
	reg.MustRegister(m.ticks, ledgerCollector{l}, writerCollector{l}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if addr == "off" {
		return m
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		log.Error("metrics listener", "address", addr, "error", err)
		h.Problem(ledger.Problem{
			Code: codeMetrics, Subject: addr, Title: "Metrics are not served", Text: err.Error(), Severity: "warning",
			Todo: "free the port or choose another with --listen, then restart; everything else works",
		})
		return m
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	m.server = &http.Server{Handler: mux, ReadTimeout: metricsReadTimeout, WriteTimeout: metricsWriteTimeout, MaxHeaderBytes: metricsHeaderBytes}
	m.wg.Go(func() {
		if err := m.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics listener", "address", addr, "error", err)
		}
	})
	return m
}

func (m *metricsServer) tick(kind string, took time.Duration) {
	m.ticks.WithLabelValues(kind).Observe(took.Seconds())
}

func (m *metricsServer) stop() {
	if m.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), metricsReadTimeout)
	defer cancel()
	if m.server.Shutdown(ctx) != nil {
		m.server.Close()
	}
	m.wg.Wait()
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
	ctx, cancel := context.WithTimeout(context.Background(), metricsReadTimeout)
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
	file, wal := c.ledger.Size()
	gauge(descBytes, float64(file), "ledger")
	gauge(descBytes, float64(wal), "wal")
	events, err := v.CountEvents()
	ch <- prometheus.MustNewConstMetric(descEvents, prometheus.CounterValue, float64(events))
	return err
}
