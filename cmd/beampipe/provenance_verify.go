package main

import (
	"context"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/ledger"
)

func newProvenanceHeadCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "head",
		Short: "The number and hash of the newest event, to be kept elsewhere",
		Long: `The head of the provenance log: the number and the hash of its newest event, as NUMBER:HASH. Keep it where nobody who
can write to the ledger can write to: in a mail, a logbook, another machine. Later it proves whether the log still
contains everything up to it: beampipe provenance verify --head HEAD`,
		Example: "  beampipe provenance head >> /media/logbook/heads",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onCopy, func(ctx context.Context, c control.Control, _ []string) error {
			answer, err := c.ProvenanceHead(ctx)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.line("%s", answer.Text) })
		}),
	}
}

func newProvenanceVerifyCmd(a *app) *cobra.Command {
	var q control.VerifyRequest
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove that nobody has changed, removed, inserted or reordered an event",
		Long: `Walk the provenance log from its first event to its last. Each event holds the hash of the one before it, so that the
first one that is not as it was written is found and named, with what is wrong. The witness file beside the ledger
(FILE.witness) tells of events that were cut off at the end, and so does a head that was kept elsewhere (--head), which
also tells of a log that was written anew as a whole. Works on a copy of a ledger and beside a daemon.
Ends with 10 when the log is not what was written.`,
		Example: "  beampipe provenance verify\n  beampipe provenance verify --head 118204:9f31…  --ledger backup.db",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onCopy, func(ctx context.Context, c control.Control, _ []string) error {
			bar := a.bar("events")
			answer, err := c.VerifyProvenance(ctx, q, bar.show)
			bar.stop()
			if err != nil {
				return err
			}
			if err := a.print(answer, func(p *page) { p.verified(answer) }); err != nil {
				return err
			}
			if !answer.Intact {
				return exitStatus(exitBroken)
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&q.Head, "head", "", "the log must contain this `HEAD`, as provenance head printed it")
	return cmd
}

func (p *page) verified(v control.VerifyAnswer) {
	switch {
	case v.Finding != nil:
		p.line("%s   %s: %s", p.bold(v.Ledger), p.red(string(v.Finding.Problem)), v.Finding.Detail)
	case v.Witness.State == ledger.WitnessOther:
		p.line("%s   %s: %s", p.bold(v.Ledger), p.red("another ledger"), v.Witness.Detail)
	default:
		p.line("%s   %s: every event is as it was written, and in order", p.bold(v.Ledger), p.green("intact"))
	}
	p.field("events", "%d in order, from %d to %d", v.Events, v.First, v.Head.Seq)
	if v.First > 1 {
		p.field("", "those before %d were pruned", v.First)
	}
	p.field("head", "%s", v.Head.String())
	if v.Contains != nil {
		given := "the log contains the given head"
		if !*v.Contains {
			given = string(p.red("the log does not contain the given head"))
		}
		p.field("given", "%s", ink(given))
	}
	switch {
	case v.Witness.State == ledger.WitnessAgrees && v.Witness.Head.Seq > 0:
		p.field("witness", "agrees up to event %d, noted %s", v.Witness.Head.Seq, when(v.Witness.At))
	case v.Witness.State == ledger.WitnessAgrees:
		p.field("witness", "none yet: there was no event")
	default:
		p.field("witness", "%s: %s", p.yellow(v.Witness.State), v.Witness.Detail)
	}
	if v.Witness.Problem != "" {
		p.field("", "it cannot be written: %s", v.Witness.Problem)
	}
	switch {
	case v.Intact:
	case v.Paused != nil && v.Paused.Code == ledger.PausedRestored && v.Witness.Lost() && v.Finding != nil && v.Finding.Detail == v.Witness.Detail:
		p.field("restored", "%s: the witness saw the ledger before that", v.Paused.Reason)
		p.line("  → beampipe ledger adopt --reason TEXT, which begins the witness anew; the ledger before is kept beside this one")
	case v.Contains != nil && !*v.Contains && v.Witness.State == ledger.WitnessAgrees:
		p.line("  → see first that the head is one of this ledger and whole: another ledger has other hashes. If it is, keep this file as it is and a copy of it, and look in the backups for the last one that verifies with that head")
	default:
		p.line("  → keep this file as it is and a copy of it; look in the backups for the last one that verifies, and whom the timeline names at that time")
	}
}
