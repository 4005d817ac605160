package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/bench"
)

func newBenchCmd(a *app) *cobra.Command {
	var o bench.Options
	var settings []string
	cmd := &cobra.Command{
		Use:     "bench [NAME]",
		Short:   "Measure the figures that this project publishes; needs no ledger",
		Long:    "Run a bench and print its figures, each beside its goal. Without a name the benches are listed.",
		Example: "  beampipe bench lifecycle --json",
		Args:    arguments(0, 1, "at most one bench"),
		RunE: a.action(func(ctx context.Context, args []string) (err error) {
			if len(args) == 0 {
				return a.listBenches()
			}
			if o.Flags, err = parseSettings(settings); err != nil {
				return err
			}
			o.Log = a.logger(slog.LevelWarn)
			report, err := bench.Run(ctx, args[0], o)
			if err != nil {
				return err
			}
			return a.print(report, func(p *page) { p.line("%s", report.Text()) })
		}),
	}
	cmd.Flags().StringVar(&o.Dir, "dir", "", "work in folder `DIR` (else a temporary one that is removed)")
	cmd.Flags().StringArrayVar(&settings, "set", nil, "a setting of the bench: `NAME=VALUE` (repeatable)")
	return cmd
}

func (a *app) listBenches() error {
	answer := struct {
		Benches []string `json:"benches"`
	}{bench.Names()}
	return a.print(answer, func(p *page) {
		for _, name := range answer.Benches {
			p.line("%s", name)
		}
	})
}

func parseSettings(list []string) (map[string]string, error) {
	settings := map[string]string{}
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("bench --set %q: expected NAME=VALUE", text)
		}
		settings[name] = value
	}
	return settings, nil
}
