// Package daemon is the process that runs unattended: cron schedules with a watermark per tick, the
// loop that prepares, submits and polls, health, metrics, and systemd's notifications.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"beampipe/control"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
)

// Defaults of Options.
const (
	DefaultListen       = "127.0.0.1:9090"
	DefaultInterval     = time.Minute
	DefaultPollInterval = 5 * time.Second
	defaultWorkers      = 4
	minInterval         = time.Second // the cron library's own

	// maxSleep bounds how long the loop waits without looking: changes that the command line makes
	// beside the daemon are noticed by then.
	maxSleep = 10 * time.Second
)

// Options are what a daemon is given.
type Options struct {
	LedgerPath   string                             // made when it is not there
	Archives     map[string]string                  // --archive NAME=URL
	Transport    func(url string) http.RoundTripper // nil = Go's own
	Listen       string                             // metrics; "" = DefaultListen, "off" = none
	Workers      int                                // units of work at once; 0 = 4
	Interval     time.Duration                      // of ticks without a schedule of their own, at least 1 s; 0 = DefaultInterval
	PollInterval time.Duration                      // 0 = DefaultPollInterval
	Limits       *control.Limits                    // nil = from the environment
	Now          func() time.Time                   // nil = time.Now; Wake tells the daemon that it has jumped
	Getenv       func(string) string                // nil = os.Getenv
	Executable   string                             // our own binary, for local runs
	Log          *slog.Logger                       // nil = silent
}

// Daemon is a running daemon. Its goroutines end with Stop, which waits for them; runs that were
// submitted go on without it.
type Daemon struct {
	o        Options
	ledger   *ledger.Ledger
	lock     *ledger.DaemonLock
	control  *control.Local
	health   *health
	registry *prometheus.Registry
	metrics  *metricsServer
	systemd  notifier
	log      *slog.Logger

	wake   chan struct{}
	cancel context.CancelFunc
	loop   sync.WaitGroup // the loop, which waits for its jobs
	jobs   jobs
	nextAt map[tickKey]time.Time
}

// Run starts a daemon and runs it until ctx ends.
func Run(ctx context.Context, o Options) error {
	d, err := Start(ctx, o)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return d.Stop()
}

// Start opens the ledger, takes the daemon's lock and begins to work. ctx bounds the start alone.
func Start(ctx context.Context, o Options) (*Daemon, error) {
	o = withDefaults(o)
	if o.Interval < minInterval {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("start daemon: an interval of %s between ticks is below %s", o.Interval, minInterval), "give a longer --interval")
	}
	l, err := ledger.Create(ctx, o.LedgerPath, ledger.Options{Now: o.Now, Rebuild: execution.Rebuild})
	if err != nil {
		return nil, err
	}
	lock, err := ledger.LockDaemon(l.Path())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	d := &Daemon{
		o: o, ledger: l, lock: lock, log: o.Log, registry: prometheus.NewRegistry(), wake: make(chan struct{}, 1),
		nextAt: map[tickKey]time.Time{},
	}
	d.health = newHealth(l.Now)
	d.systemd = newNotifier(o.Getenv)
	d.control, err = control.NewLocal(control.LocalOptions{
		Ledger: l, Actor: "system:daemon", Archives: o.Archives, Transport: o.Transport, Getenv: o.Getenv, Executable: o.Executable,
		Workers: o.Workers, Limits: o.Limits, Registerer: d.registry, Health: d.health, Log: o.Log,
	})
	if err != nil {
		return nil, errors.Join(err, lock.Release(), l.Close())
	}
	if err := d.releaseDead(ctx); err != nil {
		return nil, errors.Join(err, lock.Release(), l.Close())
	}
	d.metrics = serveMetrics(o.Listen, d.registry, l, d.health, o.Log)
	run, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	d.jobs = newJobs(run, d.Wake)
	d.loop.Go(func() { d.run(run) })
	return d, nil
}

func withDefaults(o Options) Options {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.Workers <= 0 {
		o.Workers = defaultWorkers
	}
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.PollInterval <= 0 {
		o.PollInterval = DefaultPollInterval
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Control is what this daemon works through, for reading beside it.
func (d *Daemon) Control() *control.Local { return d.control }

// Wake makes the loop look now.
func (d *Daemon) Wake() {
	select {
	case d.wake <- struct{}{}:
	default: // it is told already
	}
}

// Stop ends the daemon cleanly: nothing new starts, claims are given back, what was submitted runs on.
func (d *Daemon) Stop() error {
	d.systemd.stopping()
	d.cancel()
	d.loop.Wait()
	d.metrics.stop()
	return errors.Join(d.lock.Release(), d.ledger.Close())
}

// run is the loop: look what is due, start it, wait for the next thing.
func (d *Daemon) run(ctx context.Context) {
	defer d.jobs.wait()
	d.log.Info("daemon started", "ledger", d.ledger.Path(), "process", os.Getpid())
	d.systemd.ready()
	for {
		sleep := d.look(ctx)
		d.systemd.alive()
		timer := time.NewTimer(d.systemd.bound(sleep))
		select {
		case <-ctx.Done():
			timer.Stop()
			d.flushHealth(context.WithoutCancel(ctx))
			d.log.Info("daemon stopping")
			return
		case <-d.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// look starts what is due and gives how long nothing else will be.
func (d *Daemon) look(ctx context.Context) time.Duration {
	sleep := min(maxSleep, d.o.Interval)
	d.sweep()
	next, err := d.startDue(ctx)
	if err != nil && ctx.Err() == nil {
		d.log.Error("look what is due", "error", err)
		d.health.Problem(ledgerProblem(err))
	} else {
		d.health.Clear(codeLedger, "")
	}
	if !next.IsZero() {
		sleep = min(sleep, max(next.Sub(d.ledger.Now()), 0))
	}
	d.flushHealth(ctx)
	return sleep
}

// flushHealth stores the health problems when they have changed, for the command line to show.
func (d *Daemon) flushHealth(ctx context.Context) {
	problems, changed := d.health.take()
	if !changed {
		return
	}
	if err := d.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.SetProblems(problems) }); err != nil && ctx.Err() == nil {
		d.health.again()
		d.log.Error("store health problems", "error", err)
	}
}
