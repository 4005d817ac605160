package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"beampipe/daemon"
	"beampipe/ledger"
)

func newServeCmd(a *app) *cobra.Command {
	var o daemon.Options
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run unattended: discover, run and poll on schedule, until a signal ends it",
		Long: `Run the daemon: discovery, execution and poll ticks on schedule, metrics over HTTP, until SIGINT or SIGTERM.
It makes the ledger where there is none. Runs that were submitted go on when it ends; the next daemon finds
them again. Its log goes to stderr, as JSON with --json.

While another process serves the same ledger it stands by, and takes over when that one is gone. On a ledger that is
paused it takes no work, and goes on by itself after "beampipe ledger adopt". Beside /metrics it serves /ready (200 only
while this process leads, its ledger is not paused and can be written to) and /health (as "beampipe health --json";
503 while a problem of severity error is there).`,
		Example: "  beampipe serve --ledger /var/lib/beampipe/beampipe.db --listen 127.0.0.1:9090",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.action(func(ctx context.Context, _ []string) error {
			if o.Workers < 0 {
				return usagef("serve: --workers %d: expected a number above 0", o.Workers)
			}
			var err error
			if o.Archives, err = a.archiveURLs(); err != nil {
				return err
			}
			if o.Executable, err = os.Executable(); err != nil {
				return fmt.Errorf("find our own program, which carries out local runs: %w", err)
			}
			path, _ := a.ledgerPath()
			if o.LedgerPath, err = filepath.Abs(path); err != nil {
				return fmt.Errorf("find ledger %s: %w", path, err)
			}
			o.Getenv, o.Log = a.getenv, a.logger(slog.LevelInfo)
			return daemon.Run(ctx, o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", daemon.DefaultListen, "serve /metrics, /ready and /health at `HOST:PORT`; off = not at all")
	f.DurationVar(&o.Lease, "lease", ledger.LeaseTTL, "`TIME` after which a standby replaces a leader that has fallen silent without ending")
	f.IntVar(&o.Workers, "workers", 0, "carry out at most `N` units of work at once (0 = the built-in number)")
	f.DurationVar(&o.Interval, "interval", daemon.DefaultInterval, "`TIME` between ticks of projects that have no schedule of their own")
	f.DurationVar(&o.PollInterval, "poll-interval", daemon.DefaultPollInterval, "`TIME` between polls")
	return cmd
}
