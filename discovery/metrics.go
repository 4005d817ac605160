package discovery

import (
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	sources  *prometheus.CounterVec
	duration *prometheus.HistogramVec
	requests *prometheus.CounterVec

	quarantined *prometheus.GaugeVec
}

// newMetrics declares the room's metrics. A registerer that has them already gives those.
func newMetrics(r prometheus.Registerer, log *slog.Logger) *metrics {
	return &metrics{
		sources: register(r, log, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "beampipe_discovery_sources_total", Help: "Sources discovered, by outcome.",
		}, []string{"project_module", "outcome"})),
		duration: register(r, log, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "beampipe_discovery_duration_seconds", Help: "Time to discover one source, its queries included.",
			Buckets: prometheus.ExponentialBuckets(0.01, 3, 10),
		}, []string{"project_module"})),
		requests: register(r, log, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "beampipe_tap_requests_total", Help: "TAP queries asked, by archive and result; a query's retries count with it.",
		}, []string{"archive", "result"})),
		quarantined: register(r, log, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "beampipe_discovery_quarantined_sources", Help: "Sources that are not asked any more because their answers cannot be used.",
		}, []string{"project_module"})),
	}
}

func register[C prometheus.Collector](r prometheus.Registerer, log *slog.Logger, c C) C {
	if r == nil {
		return c
	}
	err := r.Register(c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if same, ok := there.ExistingCollector.(C); ok {
			return same
		}
	}
	if err != nil {
		log.Error("a metric of discovery cannot be registered", "error", err)
	}
	return c
}
