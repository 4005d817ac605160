package main

import (
	"context"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/ledger"
)

func newLedgerBackupCmd(a *app) *cobra.Command {
	var q control.BackupRequest
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the ledger into one checked file, while the daemon goes on",
		Long: `Copy the ledger as it is at one instant into FILE, while a daemon goes on writing to it. The copy is one file that
needs nothing beside it; its pages and the chain of its events are checked before it gets its name, and it is on the
disk when the command ends. A copy with cp instead misses what is still in the write-ahead log.
It works on a ledger of an older version as well, which stays as it is.`,
		Example: "  beampipe ledger backup /backups/beampipe-$(date +%F).db",
		Args:    arguments(1, 1, "the file to write"),
		RunE: a.with(onCopy, func(ctx context.Context, c control.Control, args []string) error {
			q.To = args[0]
			bar := a.bar("bytes")
			answer, err := c.BackupLedger(ctx, q, bar.show)
			bar.stop()
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) {
				p.line("%s   %s", p.bold(answer.Path), p.green("written and checked"))
				p.field("size", "%s, schema version %d", bytesText(answer.Bytes), answer.SchemaVersion)
				p.field("shows", "%s, up to event %d", when(answer.At), answer.Head.Seq)
				p.field("head", "%s", answer.Head.String())
				p.field("sha256", "%s", answer.SHA256)
			})
		}),
	}
	cmd.Flags().BoolVar(&q.Force, "force", false, "replace FILE, in one step, once the new copy is checked")
	return cmd
}

func newLedgerRestoreCmd(a *app) *cobra.Command {
	var q control.RestoreRequest
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the ledger, which is then paused until it is adopted",
		Long: `Put a backup, or any whole ledger file, in the place of the ledger. Stop the daemon first. FILE is only read. It is
refused when it is damaged, of a newer version, or no ledger; one of an older version is upgraded. The ledger that was
there is kept beside it as LEDGER.before-restore-TIME.

A backup knows nothing of what was done since it was made, and runs of that time may still go on: so the ledger is
paused until: beampipe ledger adopt --reason TEXT, which asks every place first.`,
		Example: "  beampipe ledger restore /backups/beampipe-2026-11-19.db --reason 'the disk died'",
		Args:    arguments(1, 1, "the file to restore from"),
		RunE: a.with(onFiles, func(ctx context.Context, c control.Control, args []string) error {
			q.From = args[0]
			q.Ledger, _ = a.ledgerPath()
			bar := a.bar("events")
			answer, err := c.RestoreLedger(ctx, q, bar.show)
			bar.stop()
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) {
				p.line("%s   %s from %s", p.bold(answer.Ledger), p.green("restored"), answer.From)
				p.field("shows", "up to event %d, schema version %d", answer.Head.Seq, answer.SchemaVersion)
				p.field("before", "%s", answer.Kept)
				if b := answer.Before; b != nil && b.Seq > answer.Head.Seq {
					p.field("", "it went on to event %d: what happened since the backup is told there alone", b.Seq)
				}
				p.field("paused", "no tick runs until: %s", ledger.AdoptHint)
			})
		}),
	}
	reasonFlag(cmd, &q.Reason)
	require(cmd, "reason")
	return cmd
}

func newProvenanceArchiveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify-archive FILE",
		Short: "Prove that an archive of pruned events is what was written",
		Long: `Verify a file of events that a pruning has written (events-FIRST-LAST.jsonl.zst): that each event has its hash and
follows the one before it. That needs nothing but the file. Where a ledger is named or lies here, it is asked whether its
log tells of this very file; without that, nothing proves that the file as a whole was not written anew.
Ends with 10 when the log does not know the file.`,
		Example: "  beampipe provenance verify-archive /archive/events-1-118204.jsonl.zst",
		Args:    arguments(1, 1, "an archive"),
		RunE: a.with(onCopyOrFiles, func(ctx context.Context, c control.Control, args []string) error {
			answer, err := c.VerifyArchive(ctx, args[0])
			if err != nil {
				return err
			}
			if err := a.print(answer, func(p *page) { p.archiveVerified(answer) }); err != nil {
				return err
			}
			if answer.Known != nil && !*answer.Known {
				return exitStatus(exitBroken)
			}
			return nil
		}),
	}
}

func (p *page) archiveVerified(x control.ArchiveVerified) {
	p.line("%s   %s: every event is as it was hashed, and in order", p.bold(x.Path), p.green("intact"))
	p.field("events", "%d, from %d to %d, %s to %s", x.Last-x.First+1, x.First, x.Last, when(x.From), when(x.To))
	p.field("begins", "behind hash %s", orElse(x.PrevHash, "none: it is the beginning of the log"))
	p.field("ends", "%s", ledger.Head{Seq: x.Last, Hash: x.Hash}.String())
	p.field("sha256", "%s", x.SHA256)
	switch {
	case x.Known == nil:
		p.field("ledger", "none was asked")
	case *x.Known:
		p.field("ledger", "its log tells of this file, written %s", when(*x.PrunedAt))
	default:
		p.field("ledger", "%s", p.red("its log tells of no such file"))
	}
}
