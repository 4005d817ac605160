package main

import "github.com/spf13/cobra"

func newLedgerCmd(a *app) *cobra.Command {
	return group("ledger", "Look after the ledger: check, back up, restore, prune", "  beampipe ledger check",
		ledgerCommands(a)...)
}

func ledgerCommands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newLedgerCheckCmd(a), newLedgerStatsCmd(a), newLedgerBackupCmd(a), newLedgerRestoreCmd(a), newLedgerPruneCmd(a), newLedgerRetentionCmd(a), newLedgerVacuumCmd(a),
		newLedgerAdoptCmd(a),
		newLedgerFSMCmd(a),
	}
}
