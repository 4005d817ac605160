package main

import (
	"context"

	"github.com/spf13/cobra"

	"beampipe/backends/local"
)

// newLocalRunCmd is how the local backend starts a run in a process of its own.
func newLocalRunCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "local-run FOLDER",
		Short:   "Carry out the run that lies prepared in a folder (started by the local backend)",
		Example: "  beampipe local-run runs/0193a1c2/1",
		Args:    arguments(1, 1, "one folder"),
		Hidden:  true,
		RunE: a.action(func(ctx context.Context, args []string) error {
			if code := local.Main(ctx, args[0]); code != 0 {
				return exitStatus(code)
			}
			return nil
		}),
	}
}
