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
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"beampipe/control"
	"beampipe/drive"
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
	minLease            = 3 * time.Second

	// maxSleep bounds how long the loop waits without looking: changes that the command line makes
	// beside the daemon are noticed by then.
	maxSleep = 10 * time.Second
)

// Options are what a daemon is given.
type Options struct {
	LedgerPath   string                             // made when it is not there
	Archives     map[string]string                  // --archive NAME=URL
	Transport    func(url string) http.RoundTripper // nil = Go's own
	Listen       string                             // metrics, /ready and /health; "" = DefaultListen, "off" = none
	Workers      int                                // units of work at once; 0 = 4
	Lease        time.Duration                      // a leader that is silent for so long is replaced, at least 3 s; 0 = ledger.LeaseTTL
	Interval     time.Duration                      // of ticks without a schedule of their own, at least 1 s; 0 = DefaultInterval
	PollInterval time.Duration                      // 0 = DefaultPollInterval
	Limits       *control.Limits                    // nil = from the environment
	Now          func() time.Time                   // nil = time.Now; Wake tells the daemon that it has jumped
	Getenv       func(string) string                // nil = os.Getenv
	Executable   string                             // our own binary, for local runs
	Log          *slog.Logger                       // nil = silent
}

// hostVariable names this machine for the ledger, see ledger.MachineID.
const hostVariable = "BEAMPIPE_HOST_ID"

// standbyPause is how often a standby looks whether the daemon's lock is free: it takes over within a second.
const standbyPause = 250 * time.Millisecond

// Daemon is a running daemon. Its goroutines end with Stop, which waits for them; runs that were
// submitted go on without it.
type Daemon struct {
	o        Options
	owner    string // of claims and of the lease
	health   *health
	registry *prometheus.Registry
	metrics  *tickMetrics
	web      *web
	standing *standing
	systemd  notifier
	log      *slog.Logger

	lock    *ledger.DaemonLock
	ledger  *ledger.Ledger
	control *control.Local
	serving atomic.Pointer[control.Local] // control, for those who ask over HTTP; nil while standing by

	// What only the loop touches.
	candidate *ledger.Candidate
	lease     *ledger.Lease // nil while this process does not lead
	renewAt   time.Time
	trouble   trouble

	wake    chan struct{}
	cancel  context.CancelFunc
	loop    sync.WaitGroup // the loop, which waits for its jobs
	ended   chan struct{}  // closed when the loop has ended
	failure error          // why it ended by itself; to be read once ended is closed
	jobs    jobs
	nextAt  map[tickKey]time.Time
}

// Run runs a daemon until ctx ends. While another process runs one on the same ledger it stands by: it
// waits for the lock, does not open the ledger, and takes over when that process is gone. Its error says why
// it could not begin, or that it must not go on: the ledger has another leader, or another file is in its
// place.
func Run(ctx context.Context, o Options) error {
	d, err := newDaemon(o)
	if err != nil {
		return err
	}
	if err := d.web.open(); err != nil {
		d.log.Info("metrics are not served yet", "address", o.Listen, "error", err) // perhaps by who leads
	}
	d.systemd.ready()
	err = drive.Run(ctx, drive.Standby(d.tryLock, standbyPause, leadership{d}))
	if ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, ctx.Err())) {
		err = nil // it was asked to end while it stood by
	}
	d.web.stop()
	return err
}

// leadership is the driver of a daemon that has the lock: one unit is all of its work.
type leadership struct{ d *Daemon }

// Drive implements drive.Driver.
func (l leadership) Drive(ctx context.Context) (drive.State, error) {
	if err := l.d.begin(ctx); err != nil {
		if ctx.Err() != nil { // what was broken off says so in many ways
			l.d.log.Info("asked to end while it began", "error", err)
			return drive.Shutdown, nil
		}
		return drive.Failed, err
	}
	select {
	case <-ctx.Done():
	case <-l.d.ended:
	}
	if err := l.d.Stop(); err != nil {
		return drive.Failed, err
	}
	return drive.Shutdown, nil
}

// Start opens the ledger, takes the daemon's lock and begins to work. ctx bounds the start alone. It is a
// Conflict error while another process has the lock.
func Start(ctx context.Context, o Options) (*Daemon, error) {
	d, err := newDaemon(o)
	if err != nil {
		return nil, err
	}
	if d.lock, err = ledger.LockDaemon(d.o.LedgerPath); err != nil {
		return nil, err
	}
	if err := d.begin(ctx); err != nil {
		d.web.stop()
		return nil, err
	}
	return d, nil
}

func newDaemon(o Options) (*Daemon, error) {
	o = withDefaults(o)
	if o.Interval < minInterval {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("start daemon: an interval of %s between ticks is below %s", o.Interval, minInterval), "give a longer --interval")
	}
	if o.Lease < minLease {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("start daemon: a lease of %s is below %s", o.Lease, minLease), "give a longer --lease")
	}
	host, _ := os.Hostname() // an unnamed host is still told apart by the id
	d := &Daemon{
		o: o, owner: fmt.Sprintf("%s:%d:%s", host, os.Getpid(), uuid.Must(uuid.NewV7())), log: o.Log, registry: prometheus.NewRegistry(),
		standing: &standing{log: o.Log}, wake: make(chan struct{}, 1), ended: make(chan struct{}), nextAt: map[tickKey]time.Time{},
	}
	d.standing.set(StateStarting, "")
	d.health = newHealth(func() time.Time { return o.Now().UTC().Truncate(time.Millisecond) })
	d.systemd = newNotifier(o.Getenv)
	d.metrics = newTickMetrics(d.registry)
	d.web = newWeb(o.Listen, d.registry, d.standing.get, d.healthNow, o.Log)
	return d, nil
}

// tryLock takes the daemon's lock; false while another process has it.
func (d *Daemon) tryLock(context.Context) (bool, error) {
	d.systemd.alive()
	lock, err := ledger.LockDaemon(d.o.LedgerPath)
	if errors.Is(err, fault.Conflict) {
		holder, _ := ledger.DaemonRuns(d.o.LedgerPath)
		d.standing.set(StateStandby, fmt.Sprintf("standby, process %s leads", holder))
		return false, nil
	}
	d.lock = lock
	return err == nil, err
}

// begin opens the ledger under the lock and starts the loop. Without success the lock is given back.
func (d *Daemon) begin(ctx context.Context) (err error) {
	o := d.o
	d.standing.set(StateStarting, "")
	var l *ledger.Ledger
	err = d.systemd.during(func() (err error) {
		l, err = ledger.Create(ctx, o.LedgerPath, ledger.Options{
			Now: o.Now, HostID: o.Getenv(hostVariable), Holding: true, Rebuild: execution.Rebuild,
			Upgraded: func(from, to int64, copied string) {
				d.log.Warn("the ledger was upgraded", "from_schema", from, "to_schema", to, "copy_of_before", copied)
			},
		})
		return err
	})
	if err != nil {
		return errors.Join(err, d.lock.Release())
	}
	d.control, err = control.NewLocal(control.LocalOptions{
		Ledger: l, Actor: "system:daemon", Archives: o.Archives, Transport: o.Transport, Getenv: o.Getenv, Executable: o.Executable, Owner: d.owner,
		Workers: o.Workers, Limits: o.Limits, Registerer: d.registry, Health: d.health, Log: o.Log,
	})
	if err != nil {
		return errors.Join(err, l.Close(), d.lock.Release())
	}
	d.ledger = l
	d.registry.MustRegister(ledgerCollector{l}, writerCollector{l})
	d.candidate = l.NewCandidate(d.owner, o.Lease)
	d.serving.Store(d.control)
	if err := d.web.open(); err != nil {
		d.log.Error("metrics listener", "address", o.Listen, "error", err)
		d.health.Problem(portProblem(o.Listen, err))
	}
	run, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	d.jobs = newJobs(run, d.Wake)
	d.loop.Go(func() { d.run(run) })
	return nil
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
	if o.Lease <= 0 {
		o.Lease = ledger.LeaseTTL
	}
	if o.Now == nil {
		o.Now = time.Now
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

// stopWait bounds what is still written when a daemon ends.
const stopWait = 10 * time.Second

// Stop ends the daemon cleanly: nothing new starts, claims and the lease are given back, what was submitted
// runs on. Its error says as well why the daemon had ended by itself.
func (d *Daemon) Stop() error {
	d.systemd.stopping()
	d.cancel()
	d.loop.Wait()
	d.standing.set(StateEnded, "")
	d.web.stop()
	err := d.failure
	if d.lease != nil && err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopWait)
		defer cancel()
		if released := d.lease.Release(ctx); released != nil {
			d.log.Warn("give the lease back", "error", released) // it ends by itself
		}
	}
	d.serving.Store(nil)
	return errors.Join(err, d.ledger.Close(), d.lock.Release())
}
