package bench

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"beampipe/configs"
	"beampipe/demo"
	"beampipe/ledger"
)

// benchActor is who registers and configures in the ledgers of a bench.
const benchActor = "system:bench"

// wallabySurvey loads the survey that ships in the WALLABY form, as single or set-based queries, under a
// name of its own. A tick may ask for n sources, concurrency requests at a time, and tries nothing twice:
// a retry would spoil the figure.
func wallabySurvey(set bool, name string, n, concurrency int) (*configs.Project, error) {
	cfg, report := configs.Load(demo.WallabyForm(set), "wallaby-form.yaml")
	if err := report.Err(); err != nil {
		return nil, err
	}
	cfg.Metadata.ID = name
	cfg.Adapters.Tap.Retries = 0
	cfg.Adapters.Tap.MaxConcurrency = &concurrency
	d := &cfg.Automation.Discovery
	d.Enabled = true
	d.TickDiscoverySourceLimit, d.TickDiscoveryBatchLimit, d.ConcurrentDiscoveryBatchLimit = n, &n, &n
	off := configs.MassChange{} // sources: 0
	d.MassChange = &off
	return cfg, nil
}

// addSurvey makes cfg the active revision of its project.
func addSurvey(ctx context.Context, l *ledger.Ledger, cfg *configs.Project) error {
	graph, err := ledger.Pack("application/json", demo.Graph())
	if err != nil {
		return err
	}
	return l.Write(ctx, func(tx *ledger.Tx) error {
		_, _, err := tx.AddConfig(ledger.NewConfig{
			Project: cfg.Metadata.ID, Digest: cfg.Digest(), Spec: cfg.Canonical(), FileName: "bench", File: cfg.Canonical(),
			Graph: &graph, GraphOrigin: "bench",
		}, benchActor)
		return err
	})
}

// registerPerWrite is how many sources one transaction registers.
const registerPerWrite = 10_000

// register adds n sources, named by the function.
func register(ctx context.Context, l *ledger.Ledger, project string, n int, name func(i int) string) error {
	for from := 0; from < n; from += registerPerWrite {
		err := l.Write(ctx, func(tx *ledger.Tx) error {
			for i := from; i < min(from+registerPerWrite, n); i++ {
				if _, err := tx.RegisterSource(project, name(i), benchActor); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// objectsOf gives n objects: those that ship, and made-up ones after them.
func objectsOf(n int) ([]demo.Object, error) {
	objects, err := demo.Objects()
	if err != nil {
		return nil, err
	}
	for i := len(objects); i < n; i++ {
		objects = append(objects, demo.Object{
			Identifier: fmt.Sprintf("HIPASSJ9%05d", i), RA: float64(i%360) + 0.25, Dec: -float64(i%90) + 0.5, Velocity: 1000 + float64(i), Derived: true,
		})
	}
	return objects[:n], nil
}

func identifiers(objects []demo.Object) []string {
	list := make([]string, len(objects))
	for i, o := range objects {
		list[i] = o.Identifier
	}
	return list
}

// counted counts the HTTP requests of all kinds that pass.
type counted struct {
	next     http.RoundTripper
	requests atomic.Int64
}

func (c *counted) RoundTrip(req *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.next.RoundTrip(req)
}

// share makes a row whose goal is that value is less than 1/part of its reference.
func share(name string, value float64, unit string, part float64, reference string, referenceValue float64) Row {
	r := Row{Name: name, Value: value, Unit: unit, Goal: fmt.Sprintf("under 1/%g of it", part), Reference: reference, ReferenceValue: referenceValue}
	if referenceValue > 0 {
		r.Ratio = value / referenceValue
		r.Met = r.Ratio < 1/part
	}
	return r
}

// seconds since a moment.
func seconds(since time.Time) float64 { return time.Since(since).Seconds() }
