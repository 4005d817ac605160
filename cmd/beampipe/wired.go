package main

import "github.com/spf13/cobra"

// wired gives the commands that do not go through control: they run a daemon, a demo, a bench or a run.
func wired(a *app) []*cobra.Command {
	return []*cobra.Command{newServeCmd(a), newDemoCmd(a), newBenchCmd(a), newLocalRunCmd(a), newVotableCmd(a)}
}
