package execution

import (
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"beampipe/ledger"
)

type metrics struct {
	admitted   *prometheus.CounterVec   // project_module, skip_reason
	pending    *prometheus.GaugeVec     // project_module
	pendingAge *prometheus.GaugeVec     // project_module
	duration   *prometheus.HistogramVec // phase
	terminal   *prometheus.CounterVec   // project_module, status
	retries    *prometheus.CounterVec   // project_module
	reconciled *prometheus.CounterVec   // component, result
	inFlight   *prometheus.GaugeVec     // scheduler_name
	pollBatch  *prometheus.GaugeVec     // scheduler_name
}

// newMetrics declares the room's metrics; a nil registerer keeps them to itself.
func newMetrics(r prometheus.Registerer, log *slog.Logger) metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register(r, log, prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "beampipe", Name: name, Help: help}, labels))
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return register(r, log, prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "beampipe", Name: name, Help: help}, labels))
	}
	return metrics{
		admitted:   counter("execution_admitted_total", "Executions admitted (skip_reason admitted), and admission ticks and sources that were not, by reason.", "project_module", "skip_reason"),
		pending:    gauge("workflow_pending_sources", "Sources that wait for a run.", "project_module"),
		pendingAge: gauge("pending_age_seconds", "How long the source waiting longest has waited.", "project_module"),
		duration: register(r, log, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "beampipe", Name: "execute_duration_seconds", Help: "Time of one unit of work, by phase (prepare, submit).",
			Buckets: []float64{0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800},
		}, []string{"phase"})),
		terminal:   counter("execute_terminal_total", "Executions that came to an end, by state.", "project_module", "status"),
		retries:    counter("execution_retries_total", "Retries, automatic and by hand.", "project_module"),
		reconciled: counter("reconciliation_total", "Submissions of unknown outcome that were cleared up, by result.", "component", "result"),
		inFlight:   gauge("executions_inflight", "Executions that a place has, as of the last poll.", "scheduler_name"),
		pollBatch:  gauge("poll_batch_size", "Executions asked about in the last poll of a place.", "scheduler_name"),
	}
}

// register adds a collector, or gives the one that is there already under its name.
func register[C prometheus.Collector](r prometheus.Registerer, log *slog.Logger, c C) C {
	if r == nil {
		return c
	}
	err := r.Register(c)
	var known prometheus.AlreadyRegisteredError
	if errors.As(err, &known) {
		if there, ok := known.ExistingCollector.(C); ok {
			return there
		}
	}
	if err != nil {
		log.Error("register metrics", "error", err)
	}
	return c
}

func (m metrics) took(phase string, d time.Duration) {
	m.duration.WithLabelValues(phase).Observe(d.Seconds())
}

// moved counts an execution that came to an end.
func (m metrics) moved(x ledger.Execution) {
	if x.State.Terminal() {
		m.terminal.WithLabelValues(x.Project, string(x.State)).Inc()
	}
}
