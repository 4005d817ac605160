package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"beampipe/configs"
	"beampipe/control"
	"beampipe/demo"
	"beampipe/discovery"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/graph"
	"beampipe/ledger"
	"beampipe/vo/archive"
	"beampipe/vo/tap"
)

// Settings of the lifecycle bench.
const (
	lifecycleWorkers = 4
	wallGoal         = 10.0  // s
	rssGoal          = 150.0 // MB
)

// lifecycle discovers, admits and prepares all 801 shipped sources against the embedded archive, held at
// ready. Flags: "config" and "graph" name files to take instead of the demo's survey and graph; the
// config's limits are set to the number of sources.
func lifecycle(ctx context.Context, o Options) ([]Row, error) {
	objects, err := demo.Objects()
	if err != nil {
		return nil, err
	}
	a, err := archive.Open(ctx, archive.Options{Dir: filepath.Join(o.Dir, "archive")})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if err := fillArchive(ctx, a, objects); err != nil {
		return nil, err
	}
	cfg, raw, err := lifecycleConfig(o)
	if err != nil {
		return nil, err
	}
	l, err := ledger.Create(ctx, filepath.Join(o.Dir, "beampipe.db"), ledger.Options{Rebuild: execution.Rebuild})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	c, err := lifecycleControl(l, a, cfg, len(objects))
	if err != nil {
		return nil, err
	}
	if err := lifecycleSetUp(ctx, c, cfg, raw, objects); err != nil {
		return nil, err
	}
	begun := time.Now()
	err = lifecycleRun(ctx, c, cfg.Metadata.ID, len(objects))
	wall := time.Since(begun).Seconds()
	if err != nil {
		return nil, err
	}
	rss, err := peakRSS()
	if err != nil {
		return nil, err
	}
	alone, err := queriesAlone(ctx, a, cfg, objects)
	if err != nil {
		return nil, err
	}
	return []Row{
		under("wall_s", wall, "s", wallGoal, fmt.Sprintf("the same archive's primary queries alone, %d at a time", lifecycleWorkers), alone),
		under("peak_rss_mb", rss, "MB", rssGoal, "", 0),
	}, nil
}

// fillArchive gives every object one SBID with one to four beams, and every ninth a second SBID.
func fillArchive(ctx context.Context, a *archive.Archive, objects []demo.Object) error {
	var d demo.Data
	for i, o := range objects {
		d.List(o)
		d.Observe(o, 20000+2*i, 1+i%4)
		if i%9 == 0 {
			d.Observe(o, 20001+2*i, 2)
		}
	}
	return errors.Join(a.AddObservations(ctx, d.Observations), a.AddEvaluations(ctx, d.Evaluations), a.AddCatalogue(ctx, d.Catalogue))
}

// lifecycleConfig loads the config and the graph, with every limit set to the number of sources.
func lifecycleConfig(o Options) (*configs.Project, []byte, error) {
	content, name, raw := demo.Survey(), "survey.yaml", demo.Graph()
	var err error
	if path := o.Flags["config"]; path != "" {
		if content, err = os.ReadFile(path); err != nil {
			return nil, nil, fault.Wrap(fault.Invalid, err, "bench lifecycle: config", "")
		}
		name = path
	}
	if path := o.Flags["graph"]; path != "" {
		if raw, err = os.ReadFile(path); err != nil {
			return nil, nil, fault.Wrap(fault.Invalid, err, "bench lifecycle: graph", "")
		}
	}
	cfg, report := configs.Load(content, name)
	if err := report.Err(); err != nil {
		return nil, nil, err
	}
	if cfg.Graph != nil && cfg.Graph.SHA256 != "" {
		if err := graph.Verify(raw, cfg.Graph.SHA256, "the bench's graph"); err != nil {
			return nil, nil, err
		}
	}
	n := 801
	d, e := &cfg.Automation.Discovery, &cfg.Automation.Execution
	d.TickDiscoverySourceLimit, d.TickDiscoveryBatchLimit, d.ConcurrentDiscoveryBatchLimit = n, &n, &n
	e.TickExecutionSourceLimit, e.TickExecutionRunLimit, e.ConcurrentExecutionRunLimit = n, n, &n
	profile := "bench"
	e.DeploymentProfileName = &profile
	return cfg, raw, nil
}

func lifecycleControl(l *ledger.Ledger, a *archive.Archive, cfg *configs.Project, n int) (*control.Local, error) {
	archives := map[string]string{}
	for _, name := range cfg.Adapters.Required {
		archives[name] = archive.URL
	}
	return control.NewLocal(control.LocalOptions{
		Ledger: l, Actor: "system:bench", Archives: archives, Workers: lifecycleWorkers,
		Transport: func(string) http.RoundTripper { return a.Transport() },
		Limits: &control.Limits{
			Discovery: discovery.Limits{MaxInFlightBatches: n, MaxBatchesPerTick: n, SourceConcurrency: 5, QueueMaxDepth: n},
			Execution: execution.Limits{MaxInFlightRuns: n, QueueMaxDepth: n},
		},
	})
}

func lifecycleSetUp(ctx context.Context, c *control.Local, cfg *configs.Project, raw []byte, objects []demo.Object) error {
	profile := []byte(`{"name": "bench", "deployment": {"kind": "local"}}`)
	if _, err := c.AddProfile(ctx, control.ProfileFile{Name: "bench profile", Content: profile}); err != nil {
		return err
	}
	packed, err := ledger.Pack("application/json", raw)
	if err != nil {
		return err
	}
	err = c.Ledger().Write(ctx, func(tx *ledger.Tx) error {
		_, _, err := tx.AddConfig(ledger.NewConfig{
			Project: cfg.Metadata.ID, Digest: cfg.Digest(), Spec: cfg.Canonical(), FileName: "bench", File: cfg.Canonical(), Graph: &packed, GraphOrigin: "bench",
		}, "system:bench")
		return err
	})
	if err != nil {
		return err
	}
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = o.Identifier
	}
	if _, err := c.AddSources(ctx, cfg.Metadata.ID, names); err != nil {
		return err
	}
	_, err = c.StartProject(ctx, cfg.Metadata.ID, "bench")
	return err
}

// lifecycleRun is what is timed. It fails unless every source with data ends as an execution held at ready.
func lifecycleRun(ctx context.Context, c *control.Local, project string, n int) error {
	ticks, err := c.TickDiscovery(ctx, project)
	if err != nil {
		return err
	}
	t := ticks.Ticks[0]
	if t.Error != "" || t.Changed+t.Ambiguous != n {
		return fmt.Errorf("bench lifecycle: of %d sources %d were discovered and %d are ambiguous: %s", n, t.Changed, t.Ambiguous, t.Error)
	}
	admitted, err := c.TickExecution(ctx, project, true)
	if err != nil {
		return err
	}
	list, err := c.ListExecutions(ctx, control.ExecutionQuery{Project: project, States: []ledger.State{ledger.Ready}})
	if err != nil {
		return err
	}
	if len(list.Executions) != t.Changed {
		return fmt.Errorf("bench lifecycle: %d executions are ready, want %d; admission said: %s", len(list.Executions), t.Changed, admitted.Ticks[0].Reason)
	}
	return nil
}

// queriesAlone times the primary queries of all sources with nothing around them.
func queriesAlone(ctx context.Context, a *archive.Archive, cfg *configs.Project, objects []demo.Object) (float64, error) {
	client, err := tap.New(tap.Options{Name: "archive", URL: archive.URL, Transport: a.Transport()})
	if err != nil {
		return 0, err
	}
	work := make(chan string)
	failures := make([]error, lifecycleWorkers)
	var wg sync.WaitGroup
	begun := time.Now()
	for i := range lifecycleWorkers {
		wg.Go(func() {
			for adql := range work {
				if _, err := client.Query(ctx, adql); err != nil {
					failures[i] = err
				}
			}
		})
	}
	for _, o := range objects {
		adql, err := cfg.Discovery.Queries[0].ADQL(cfg.QueryVars(0, o.Identifier))
		if err != nil {
			failures = append(failures, err)
			break
		}
		work <- adql
	}
	close(work)
	wg.Wait()
	return time.Since(begun).Seconds(), errors.Join(failures...)
}
