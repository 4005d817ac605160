package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"beampipe/control"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
)

// hostVariable names this machine for the ledger, where its own id does not last or several share a ledger.
const hostVariable = "BEAMPIPE_HOST_ID"

// openLocal gives a Control in this process, on the ledger that is named or on files alone.
func openLocal(getenv func(string) string) func(context.Context, openOptions) (control.Control, func() error, error) {
	return func(ctx context.Context, o openOptions) (control.Control, func() error, error) {
		if err := o.Tape.check(); err != nil {
			return nil, nil, err
		}
		executable, err := os.Executable()
		if err != nil {
			return nil, nil, fmt.Errorf("find our own program, which carries out local runs: %w", err)
		}
		local := control.LocalOptions{Actor: o.Actor, Archives: o.Archives, Getenv: getenv, Executable: executable, Log: o.Log, Tape: o.Tape.around(), Offline: o.Tape.replay != ""}
		closeLedger := func() error { return nil }
		if o.Ledger != "" {
			open := ledger.Open
			switch {
			case o.ReadOnly:
				open = ledger.OpenReader
			case o.MayRead:
				open = openToRead
			}
			if local.Ledger, err = open(ctx, o.Ledger, ledger.Options{
				Rebuild: execution.Rebuild, HostID: getenv(hostVariable),
				Upgraded: func(from, to int64, copied string) {
					o.Log.Warn("the ledger was upgraded", "from_schema", from, "to_schema", to, "copy_of_before", copied)
				},
			}); err != nil {
				return nil, nil, err
			}
			closeLedger = local.Ledger.Close
		}
		c, err := control.NewLocal(local)
		if err != nil {
			return nil, nil, errors.Join(err, closeLedger())
		}
		return c, closeLedger, nil
	}
}

// openToRead opens a ledger as any command does, and for reading where this user cannot write to it.
func openToRead(ctx context.Context, path string, o ledger.Options) (*ledger.Ledger, error) {
	l, cannot := ledger.Open(ctx, path, o)
	if ledger.TroubleOf(cannot) != ledger.TroubleReadOnly {
		return l, cannot
	}
	l, err := ledger.OpenReader(ctx, path, o)
	if err != nil {
		return nil, err
	}
	have, known, err := l.SchemaVersion(ctx)
	if err == nil && have < known {
		err = fault.Wrap(fault.Invalid, cannot, fmt.Sprintf("its schema is version %d, and this program reads version %d", have, known), "copy it to a folder that can be written to: it is upgraded there")
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
