package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"beampipe/demo"
)

func newDemoCmd(a *app) *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show everything on a small survey with an archive of its own; needs nothing",
		Long: `Run a small survey with real sources against an archive that is built in, from registered sources to finished
runs on this machine; then new data arrives for three of them, and only those run again. It prints what happened,
where the products are and what to look at next. The ledger is beampipe.db in --dir.`,
		Example: "  beampipe demo --dir demo\n  beampipe demo --json",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.action(func(ctx context.Context, _ []string) error {
			if a.ledgerFlag != "" {
				return usagef("demo: it makes a ledger of its own: name its folder with --dir instead of --ledger")
			}
			var err error
			if o.Executable, err = os.Executable(); err != nil {
				return fmt.Errorf("find our own program, which carries out local runs: %w", err)
			}
			o.Log = a.logger(slog.LevelWarn)
			if a.progress && !a.json {
				o.Progress = a.stderr
			}
			var printed error
			o.Done = func(s demo.Summary) {
				printed = a.print(s, func(p *page) { p.line("%s", s.Text()) })
				if o.Serve {
					a.note("it goes on as a daemon until a signal ends it")
				}
			}
			_, err = demo.Run(ctx, o)
			return errors.Join(err, printed)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", "", "keep everything in folder `DIR` (else a new temporary one)")
	f.BoolVar(&o.Serve, "serve", false, "go on as a daemon until a signal ends it")
	f.StringVar(&o.Listen, "listen", "", "serve metrics at `HOST:PORT`; off = not at all (else only with --serve)")
	cmd.AddCommand(newDemoArchiveCmd(a))
	return cmd
}
