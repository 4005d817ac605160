package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// Flags that several commands share, so that they read alike everywhere.

func fileFlag(cmd *cobra.Command, file *string, usage string) {
	cmd.Flags().StringVarP(file, "file", "f", "", usage)
	require(cmd, "file")
}

func graphFlag(cmd *cobra.Command, graph *string) {
	cmd.Flags().StringVar(graph, "graph", "", "take the graph from `FILE` instead of graph.path or graph.url")
}

func outFlag(cmd *cobra.Command, out *string, usage string) {
	cmd.Flags().StringVarP(out, "output", "o", "", usage)
}

func projectFlag(cmd *cobra.Command, project *string) {
	cmd.Flags().StringVar(project, "project", "", "the `PROJECT` (may be left out where there is only one)")
}

func reasonFlag(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", "why, recorded with the change: `TEXT` (up to 1000 bytes)")
}

// missingReason is the usage error of a command that needs a reason unless it only shows what it would do.
func missingReason(command string) error {
	return &usageError{what: command + ": required flag(s) \"reason\" not set", try: "say why: --reason TEXT"}
}

// require makes flags obligatory. A flag that does not exist is a mistake in this program.
func require(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(fmt.Sprintf("%s: %v", cmd.Name(), err))
		}
	}
}

// exclusive lets at most one of two flags be given.
func exclusive(cmd *cobra.Command, one, other string) {
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed(one) && cmd.Flags().Changed(other) {
			return usagef("%sgive either --%s or --%s", named(cmd), one, other)
		}
		return nil
	}
}

// holdReady is the one value of --hold.
const holdReady = "ready"

// holdFlag adds --hold ready; the function it gives tells whether it was asked for.
func holdFlag(cmd *cobra.Command) func() (bool, error) {
	var hold string
	cmd.Flags().StringVar(&hold, "hold", "", "prepare, then hold: `ready`")
	return func() (bool, error) {
		if hold != "" && hold != holdReady {
			return false, usagef("--hold %q: the only value is %s", hold, holdReady)
		}
		return hold == holdReady, nil
	}
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
