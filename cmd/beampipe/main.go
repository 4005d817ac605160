// Command beampipe is the command line of Beampipe: it parses, calls package control, and prints.
//
// Answers go to stdout, as tables or, with --json, as the answer of package control; everything else
// goes to stderr. docs/cli.md lists the commands and the exit codes.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

func main() {
	os.Exit(beampipe())
}

// beampipe runs the command line of this process and gives its exit code.
func beampipe() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		width = 0 // no terminal
	}
	return run(ctx, &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
		terminal: term.IsTerminal(int(os.Stdout.Fd())),
		width:    width,
		progress: term.IsTerminal(int(os.Stderr.Fd())),
		open:     openLocal(os.Getenv),
	}, os.Args[1:])
}
