package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/fault"
)

// defaultLedger is the ledger's path where neither --ledger nor BEAMPIPE_LEDGER names one.
const defaultLedger = "beampipe.db"

// fromDefault says of a ledger's path that nothing named it.
const fromDefault = "the default"

// maxActorBytes bounds the name that is recorded with every change.
const maxActorBytes = 100

// app is one run of the command line: where it reads and writes, how it reaches control, and the
// global flags. Tests give it buffers and a Control of their own.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	terminal       bool // stdout is a terminal
	width          int  // columns of that terminal; 0 = unknown, nothing is cut
	progress       bool // stderr is a terminal: progress bars may be drawn there

	// open gives the Control for a command and how to close it.
	open func(ctx context.Context, o openOptions) (control.Control, func() error, error)

	ledgerFlag string
	json       bool
	archives   []string
	actorFlag  string
	verbose    bool
	tape       tape

	started bool // a command's own work began: errors before that are errors of usage
}

// openOptions is what a Control is opened with. Ledger is "" for a command that works on files alone.
type openOptions struct {
	Ledger   string
	ReadOnly bool // the ledger is read and nothing else
	MayRead  bool // the ledger is read and nothing else where it cannot be written to
	Actor    string
	Archives map[string]string
	Tape     tape
	Log      *slog.Logger
}

// reach says what a command needs.
type reach int

const (
	onFiles       reach = iota // files alone: no ledger is opened
	onLedger                   // a ledger that exists
	onRead                     // as onLedger, and it is only read: one that this user cannot write to will do
	onEither                   // a ledger where one is named or lies at the default path, else files alone
	onCopy                     // a ledger, or a copy of one, that is only read: the file need not be writable
	onCopyOrFiles              // as onCopy where a ledger is named or lies at the default path, else files alone
)

// work is what a command does once it has its Control.
type work func(ctx context.Context, c control.Control, args []string) error

// with gives the RunE of a command that goes through control.
func (a *app) with(need reach, do work) func(*cobra.Command, []string) error {
	return a.action(func(ctx context.Context, args []string) (err error) {
		o, err := a.openOptions(need)
		if err != nil {
			return err
		}
		c, closeControl, err := a.open(ctx, o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeControl()) }()
		return do(ctx, c, args)
	})
}

// action gives the RunE of any command.
func (a *app) action(do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.started = true
		return do(cmd.Context(), args)
	}
}

func (a *app) openOptions(need reach) (openOptions, error) {
	o := openOptions{Log: a.logger(slog.LevelWarn), Tape: a.tape}
	var err error
	if o.Actor, err = a.actor(); err != nil {
		return o, err
	}
	if o.Archives, err = a.archiveURLs(); err != nil {
		return o, err
	}
	o.ReadOnly = need == onCopy || need == onCopyOrFiles
	o.MayRead = need == onRead
	if need == onLedger || need == onRead || need == onCopy || (need == onEither || need == onCopyOrFiles) && a.ledgerThere() {
		o.Ledger, err = a.existingLedger()
	}
	return o, err
}

// ledgerThere tells whether a ledger is named, or lies at the default path.
func (a *app) ledgerThere() bool {
	path, from := a.ledgerPath()
	if from != fromDefault {
		return true
	}
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// ledgerPath gives the ledger's path and what named it.
func (a *app) ledgerPath() (path, from string) {
	if a.ledgerFlag != "" {
		return a.ledgerFlag, "from --ledger"
	}
	if path := a.getenv("BEAMPIPE_LEDGER"); path != "" {
		return path, "from BEAMPIPE_LEDGER"
	}
	return defaultLedger, fromDefault
}

// existingLedger gives the ledger's path, or says where it was looked for.
func (a *app) existingLedger() (string, error) {
	path, from := a.ledgerPath()
	shown, err := filepath.Abs(path)
	if err != nil {
		shown = path
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fault.New(fault.NotFound, fmt.Sprintf("open ledger %s (%s): there is no such file", shown, from),
			"make one with: beampipe init --ledger "+path+"\nor name another with --ledger FILE or BEAMPIPE_LEDGER")
	}
	return path, nil
}

// actor gives who acts: "user:<name>" unless --actor names another kind, for example "system:cron".
func (a *app) actor() (string, error) {
	name := a.actorFlag
	if name == "" {
		name = a.getenv("USER")
	}
	if name == "" {
		name = a.getenv("LOGNAME")
	}
	if name == "" {
		name = fmt.Sprintf("uid%d", os.Getuid())
	}
	if len(name) > maxActorBytes || strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) != name {
		return "", usagef("--actor %.40q: expected a name of at most %d bytes without control characters and outer spaces", name, maxActorBytes)
	}
	if strings.Contains(name, ":") {
		return name, nil
	}
	return "user:" + name, nil
}

// archivesVariable says where archives are, as --archive does: NAME=URL, separated by blanks.
const archivesVariable = "BEAMPIPE_ARCHIVES"

// archiveURLs reads where archives are asked: the --archive flags, over the environment.
func (a *app) archiveURLs() (map[string]string, error) {
	urls := map[string]string{}
	for _, given := range []struct {
		from string
		list []string
	}{{archivesVariable, strings.Fields(a.getenv(archivesVariable))}, {"--archive", a.archives}} {
		named := map[string]bool{}
		for _, text := range given.list {
			name, address, ok := strings.Cut(text, "=")
			if !ok || name == "" || address == "" {
				return nil, usagef("%s %q: expected NAME=URL, for example casda=http://127.0.0.1:8080/tap", given.from, text)
			}
			if named[name] {
				return nil, usagef("%s: %q is given twice", given.from, name)
			}
			named[name], urls[name] = true, address
		}
	}
	return urls, nil
}

// logger writes to stderr: what is at least quiet, or everything with -v; as JSON with --json.
func (a *app) logger(quiet slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: quiet}
	if a.verbose {
		o.Level = slog.LevelDebug
	}
	if a.json {
		return slog.New(slog.NewJSONHandler(a.stderr, o))
	}
	return slog.New(slog.NewTextHandler(a.stderr, o))
}

// project gives the project that the operator named, or the only one that there is.
func (a *app) project(ctx context.Context, c control.Control, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	list, err := c.ListProjects(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, p := range list.Projects {
		names = append(names, p.ID)
	}
	slices.Sort(names)
	switch len(names) {
	case 1:
		return names[0], nil
	case 0:
		return "", fault.New(fault.NotFound, "there is no project in this ledger", "add one with: beampipe project add -f survey.yaml")
	}
	return "", usagef("which project? this ledger has %s: name it", strings.Join(names, ", "))
}

// oneProject gives the project that an argument or --project names, else the only one.
func (a *app) oneProject(ctx context.Context, c control.Control, command string, args []string, flag string) (string, error) {
	if flag != "" && len(args) > 0 {
		return "", usagef("%s: which project? give it as the argument or with --project, and not both", command)
	}
	return a.project(ctx, c, orElse(flag, first(args)))
}

// note tells the operator something beside the answer: on stderr, and not with --json.
func (a *app) note(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}
