package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"beampipe/fault"
	"beampipe/ledger"
)

// initialised is the answer of init.
type initialised struct {
	Ledger  string `json:"ledger"`  // absolute path
	Created bool   `json:"created"` // false: it was there already
}

func newInitCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Make an empty ledger",
		Long: `Make an empty ledger, the one SQLite file in which everything is kept. A ledger that is there already
is opened, brought to this program's schema and left as it is otherwise.`,
		Example: "  beampipe init --ledger /var/lib/beampipe/beampipe.db",
		Args:    arguments(0, 0, "no argument: the ledger is named with --ledger"),
		RunE: a.action(func(ctx context.Context, _ []string) error {
			answer, err := initLedger(ctx, a)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) {
				if !answer.Created {
					p.line("%s is a ledger already; nothing was changed", answer.Ledger)
					return
				}
				p.line("made ledger %s", answer.Ledger)
				p.next([]string{"beampipe profile add -f profile.json", "beampipe project add -f survey.yaml"})
			})
		}),
	}
}

func initLedger(ctx context.Context, a *app) (initialised, error) {
	path, _ := a.ledgerPath()
	absolute, err := filepath.Abs(path)
	if err != nil {
		return initialised{}, fault.Wrap(fault.Invalid, err, "make ledger "+path, "")
	}
	info, err := os.Stat(absolute)
	l, openErr := ledger.Create(ctx, absolute, ledger.Options{HostID: a.getenv(hostVariable)})
	if openErr != nil {
		return initialised{}, openErr
	}
	return initialised{Ledger: absolute, Created: errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0}, l.Close()
}
