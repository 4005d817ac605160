package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"beampipe/control"
	"beampipe/daemon"
	"beampipe/discovery"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/vo/archive"
)

// Limits of a demo.
const (
	timeLimit = 3 * time.Minute
	lookEvery = 50 * time.Millisecond
	nextDay   = 25 * time.Hour // past stale_after_hours
	inFlight  = 8
)

// Options are what a demo is given.
type Options struct {
	Dir        string    // keeps beampipe.db, the archive and the runs; "" = a new folder under the system's temporary one
	Serve      bool      // go on as a daemon until ctx ends
	Listen     string    // metrics; "" = off, unless it goes on serving
	Progress   io.Writer // nil = no progress bars
	Executable string    // our own binary, for local runs; "" = this process's
	Log        *slog.Logger
	Done       func(Summary) // told when the demo is over, before it serves
}

// Run runs the demo: a survey from registered sources to finished runs, then new data for three of
// them, and nothing but those three run again.
func Run(ctx context.Context, o Options) (Summary, error) {
	begun := time.Now()
	dir, err := makeDir(o.Dir)
	if err != nil {
		return Summary{}, err
	}
	objects, err := Objects()
	if err != nil {
		return Summary{}, err
	}
	s := write(objects)
	a, err := s.open(ctx, filepath.Join(dir, "archive"))
	if err != nil {
		return Summary{}, err
	}
	defer a.Close()
	p := &play{o: o, dir: dir, story: s, archive: a, bars: newBars(o.Progress)}
	p.behind.Store(int64(nextDay))
	if err := p.start(ctx); err != nil {
		return Summary{}, err
	}
	summary, err := p.perform(ctx)
	summary.ElapsedMS = time.Since(begun).Milliseconds()
	if o.Done != nil && err == nil {
		o.Done(summary)
	}
	if o.Serve && err == nil {
		<-ctx.Done()
	}
	return summary, errors.Join(err, p.daemon.Stop())
}

// makeDir gives the demo's folder. One that holds a ledger already is refused: the demo's clock and
// archive would not fit it.
func makeDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "beampipe-demo-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "demo folder "+dir, "")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fault.Wrap(fault.Invalid, err, "make demo folder", "choose a folder that can be written to")
	}
	if _, err := os.Stat(ledgerPath(dir)); err == nil {
		return "", fault.New(fault.Conflict, "demo folder "+dir+" holds a ledger already", "choose another folder, or delete this one")
	}
	return dir, nil
}

func ledgerPath(dir string) string { return filepath.Join(dir, "beampipe.db") }

// play is one demo that runs.
type play struct {
	o       Options
	dir     string
	story   story
	archive *archive.Archive
	daemon  *daemon.Daemon
	behind  atomic.Int64 // how far the demo's clock is behind, in nanoseconds
	bars    *bars
}

// now is the demo's clock: it begins a day ago and is then moved on to the present.
func (p *play) now() time.Time { return time.Now().Add(-time.Duration(p.behind.Load())) }

// start starts the daemon on an empty ledger, with the archive behind its HTTP client.
func (p *play) start(ctx context.Context) error {
	limits := control.Limits{
		Discovery: discovery.Limits{MaxInFlightBatches: 4, MaxBatchesPerTick: 100, SourceConcurrency: 5, QueueMaxDepth: 1000},
		Execution: execution.Limits{MaxInFlightRuns: inFlight, QueueMaxDepth: 1000},
	}
	listen := p.o.Listen
	if listen == "" {
		listen = "off"
		if p.o.Serve {
			listen = daemon.DefaultListen
		}
	}
	var err error
	p.daemon, err = daemon.Start(ctx, daemon.Options{
		LedgerPath: ledgerPath(p.dir), Transport: func(string) http.RoundTripper { return p.archive.Transport() },
		Listen: listen, Limits: &limits, Interval: time.Second, PollInterval: 200 * time.Millisecond,
		Now: p.now, Executable: p.o.Executable, Log: p.o.Log,
	})
	return err
}

// perform plays both rounds and sums them up.
func (p *play) perform(ctx context.Context) (Summary, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeLimit, fmt.Errorf("the demo did not come to rest within %s", timeLimit))
	defer cancel()
	defer p.bars.stop()
	c := p.daemon.Control()
	if err := p.setUp(ctx, c); err != nil {
		return Summary{}, err
	}
	if err := p.settle(ctx, "first round"); err != nil {
		return Summary{}, err
	}
	first, err := count(ctx, c.Ledger())
	if err != nil {
		return Summary{}, err
	}
	if err := fill(ctx, p.archive, p.story.later); err != nil {
		return Summary{}, err
	}
	p.behind.Store(0)
	p.daemon.Wake()
	if err := p.settle(ctx, "a day later"); err != nil {
		return Summary{}, err
	}
	return p.sumUp(ctx, c, first)
}

// setUp does what an operator does: add the profile and the project, register sources, start.
func (p *play) setUp(ctx context.Context, c *control.Local) error {
	if _, err := c.AddProfile(ctx, control.ProfileFile{Name: "profile.json", Content: Profile()}); err != nil {
		return err
	}
	if _, err := c.AddProject(ctx, control.ProjectFile{Name: "survey.yaml", Content: Survey(), GraphName: graphFile, Graph: Graph()}); err != nil {
		return err
	}
	if _, err := c.ImportSources(ctx, control.ImportRequest{Project: Project, Name: "sources.txt", Content: []byte(p.story.identifiers())}); err != nil {
		return err
	}
	if _, err := c.StartProject(ctx, Project, "the demo begins"); err != nil {
		return err
	}
	p.daemon.Wake()
	return nil
}

// settle waits until nothing is due, nothing waits for a run and nothing runs.
func (p *play) settle(ctx context.Context, round string) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		now, err := count(ctx, p.daemon.Control().Ledger())
		if err != nil {
			return err
		}
		p.bars.show(round, now)
		if now.quiet() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fault.Wrap(fault.Unavailable, context.Cause(ctx), "demo, "+round,
				"see what it waits for with: beampipe health --ledger "+ledgerPath(p.dir))
		case <-tick.C:
		}
	}
}

// counts is where the survey stands at one instant.
type counts struct {
	sources    int
	due        int
	batches    int
	pending    int
	outcomes   map[string]int
	executions map[ledger.State]int
	events     int64
}

func (c counts) total() int {
	n := 0
	for _, k := range c.executions {
		n += k
	}
	return n
}

func (c counts) ended() int {
	return c.executions[ledger.Completed] + c.executions[ledger.Failed] + c.executions[ledger.Cancelled]
}

func (c counts) quiet() bool {
	return c.sources > 0 && c.due == 0 && c.batches == 0 && c.pending == 0 && c.total() == c.ended()
}

func count(ctx context.Context, l *ledger.Ledger) (c counts, err error) {
	err = l.Snapshot(ctx, func(v ledger.View) error {
		var errs [6]error
		c.outcomes, errs[0] = v.CountOutcomes(Project)
		c.due, errs[1] = v.CountDueSources(Project, sources)
		c.batches, errs[2] = v.LiveBatches(ledger.ClaimDiscovery, Project)
		c.pending, _, errs[3] = v.CountPending(Project)
		c.executions, errs[4] = v.CountExecutions(Project)
		c.events, errs[5] = v.CountEvents()
		return errors.Join(errs[:]...)
	})
	for _, n := range c.outcomes {
		c.sources += n
	}
	return c, err
}
