package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// run carries out one command line and gives the exit code.
func run(ctx context.Context, a *app, args []string) int {
	root := newRootCmd(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if !a.started {
		// The flags may not have been read yet when the command line is wrong.
		a.json = a.json || slices.Contains(args, "--json")
		if _, ok := err.(*usageError); !ok {
			err = &usageError{what: named(cmd) + err.Error(), try: "see: " + cmd.CommandPath() + " --help"}
		}
	}
	return a.report(err, ctx.Err() != nil)
}

const rootLong = `Beampipe turns new data in an astronomical archive into finished runs, unattended, and can show
afterwards what it did. It keeps everything in one SQLite file, the ledger.

Try it without any set-up:  beampipe demo
A survey of your own:       beampipe init
                            beampipe profile add -f profile.json
                            beampipe project add -f survey.yaml
                            beampipe source import -f sources.txt
                            beampipe project start my_survey
                            beampipe serve`

func newRootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "beampipe",
		Short:         "New data in an archive becomes finished runs",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.ledgerFlag, "ledger", "", "the ledger `FILE` (else BEAMPIPE_LEDGER, else ./"+defaultLedger+")")
	flags.BoolVar(&a.json, "json", false, "print the answer as one JSON object")
	flags.StringArrayVar(&a.archives, "archive", nil, "ask archive NAME at another URL: `NAME=URL` (repeatable)")
	flags.StringVar(&a.actorFlag, "actor", "", "who acts, recorded with every change: `NAME` (else $USER)")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "log to stderr what is being done")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{what: named(cmd) + err.Error(), try: "see: " + cmd.CommandPath() + " --help"}
	})
	root.AddCommand(
		newInitCmd(a), newProjectCmd(a), newProfileCmd(a), newSourceCmd(a), newDatasetCmd(a), newTickCmd(a), newPlanCmd(a), newExecutionCmd(a),
		newOutputsCmd(a), newGraphCmd(a), newTapCmd(a), newTimelineCmd(a), newHealthCmd(a), newLedgerCmd(a), newProvenanceCmd(a), newVersionCmd(a), newExitCodesTopic(),
	)
	root.AddCommand(wired(a)...)
	return root
}

// group makes a command that only holds others.
func group(use, short, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:     use,
		Short:   short,
		Example: example,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return &usageError{
				what: named(cmd) + "one of its commands is needed: " + commandNames(cmd),
				try:  "see: " + cmd.CommandPath() + " --help",
			}
		},
	}
	cmd.AddCommand(commands...)
	return cmd
}

func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	e := &usageError{what: fmt.Sprintf("%sthere is no command %q", named(cmd), name)}
	if close := cmd.SuggestionsFor(name); len(close) > 0 {
		e.try = "did you mean: " + cmd.CommandPath() + " " + strings.Join(close, ", ")
	} else {
		e.try = "its commands are: " + commandNames(cmd)
	}
	return e
}

// named begins an error with the command that it is about: "source list: ". The program's own name stands
// before every error anyway.
func named(cmd *cobra.Command) string {
	path := strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()))
	if path == "" {
		return ""
	}
	return path + ": "
}

func commandNames(cmd *cobra.Command) string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return strings.Join(names, ", ")
}

// arguments checks how many arguments there are; what says which are expected.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		return &usageError{
			what: fmt.Sprintf("%sexpected %s, got %s", named(cmd), what, count(len(args), "argument")),
			try:  "usage: " + cmd.UseLine(),
		}
	}
}

func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesText}
}
