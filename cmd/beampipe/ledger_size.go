package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/ledger"
)

// maxShownTables bounds the list of tables for people; --json has all.
const maxShownTables = 12

func newLedgerStatsCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "stats",
		Short: "How large the ledger is, of what, and how fast it grows",
		Long: `How large the ledger is, of what, and how fast it grows. Every page is looked at, so that it takes its time on a large
ledger; a daemon is not held up. Growth is an estimate from the events of the last 30 days.`,
		Example: "  beampipe ledger stats\n  beampipe ledger stats --json",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onCopy, func(ctx context.Context, c control.Control, _ []string) error {
			answer, err := c.LedgerStats(ctx)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.stats(answer) })
		}),
	}
}

func (p *page) stats(s ledger.Stats) {
	p.line("%s   %s", p.bold(s.Path), bytesText(s.FileBytes))
	p.field("log", "%s not yet in the file", bytesText(s.WALBytes))
	free := bytesText(s.FreeBytes)
	if s.FreeBytes*4 > s.FileBytes && s.FreeBytes > 1<<20 {
		free += ", which beampipe ledger vacuum gives back"
	}
	p.field("free", "%s in the file; %s on its disk", free, bytesText(s.DiskFreeBytes))
	e := s.Events
	if e.Kept > 0 {
		p.field("events", "%d, from %d (%s) to %d (%s)", e.Kept, e.First, when(*e.Oldest), s.Head.Seq, when(*e.Newest))
		p.field("", "%d in the last day, %d in the last 30", e.LastDay, e.Last30Days)
		p.field("growth", "about %s per month", bytesText(e.GrowthPerMonth))
	}
	p.field("head", "%s", s.Head.String())
	p.field("schema", "version %d, ledger %s", s.SchemaVersion, s.LedgerID)
	if s.LastPruned != nil {
		p.field("pruned", "%s", when(*s.LastPruned))
	}
	p.fields("note", s.Notes)
	var rows [][]any
	for _, t := range s.Tables[:min(len(s.Tables), maxShownTables)] {
		rows = append(rows, []any{t.Name, t.Rows, bytesText(t.Bytes), bytesText(t.IndexBytes)})
	}
	p.line("")
	p.table("", []string{"TABLE", "ROWS", "SIZE", "OF IT INDEXES"}, rows)
	if more := len(s.Tables) - maxShownTables; more > 0 {
		p.line("and %d smaller ones: see --json", more)
	}
	if len(s.Artifacts) > 0 {
		rows = nil
		for _, x := range s.Artifacts {
			rows = append(rows, []any{x.Kind, x.Count, bytesText(x.Plain), bytesText(x.Stored)})
		}
		p.line("")
		p.table("", []string{"ARTIFACTS", "NUMBER", "PLAIN", "STORED"}, rows)
	}
	if len(s.Backups) > 0 {
		rows = nil
		for _, b := range s.Backups {
			rows = append(rows, []any{b.Path, bytesText(b.Bytes), when(b.At)})
		}
		p.line("")
		p.table("", []string{"KEPT BESIDE IT", "SIZE", "WRITTEN"}, rows)
	}
}

func newLedgerVacuumCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "vacuum",
		Short: "Give the ledger's free pages back to the disk; stop the daemon first",
		Long: `Write the ledger anew without its free pages. They are used again anyway, so that this is worth it once after much was
pruned. It holds up every write while it works, so that it is refused while a daemon runs, and needs as much room as the
ledger takes, twice.`,
		Example: "  beampipe ledger vacuum",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) error {
			answer, err := c.VacuumLedger(ctx)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) {
				p.line("%s   %s → %s", p.bold(answer.Path), bytesText(answer.BytesBefore), bytesText(answer.BytesAfter))
			})
		}),
	}
}

func newLedgerPruneCmd(a *app) *cobra.Command {
	var q control.PruneRequest
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete what the retention policies do not keep, beside a daemon",
		Long: `Delete what the retention policies do not keep, in many short writes, so that a daemon goes on. The daemon does it by
itself once a day. What is deleted of events, executions, graphs and artifacts is told by an event of its own, so that
the log stays verifiable; with --archive-to it is written to a folder first, as JSON Lines (zstd).

Never deleted: what is younger than a day; events from the first one on of an execution that has not ended; of each
source the last execution and the last completed one; an execution that another was made again from; and, without an
archive, an execution that has products which are not withdrawn.`,
		Example: "  beampipe ledger prune --dry-run\n  beampipe ledger prune --kind events --archive-to /archive --reason 'the log of 2025'",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) error {
			if q.Reason == "" && !q.DryRun {
				return missingReason("ledger prune")
			}
			var err error
			if q.Archive, err = absolute(q.Archive); err != nil {
				return err
			}
			answer, err := c.PruneLedger(ctx, q)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.pruned(answer) })
		}),
	}
	f := cmd.Flags()
	f.StringArrayVar(&q.Kinds, "kind", nil, "only this `KIND` (repeatable); see: beampipe ledger retention")
	f.StringVar(&q.Archive, "archive-to", "", "write events and executions into folder `DIR` first")
	f.BoolVar(&q.DryRun, "dry-run", false, "count what would be deleted")
	reasonFlag(cmd, &q.Reason)
	return cmd
}

func (p *page) pruned(r ledger.PruneReport) {
	done, total := "deleted", int64(0)
	if r.DryRun {
		done = "would be deleted"
	}
	var rows [][]any
	for _, k := range r.Kinds {
		total += k.Rows
		note := k.Note
		if k.UptoSeq > 0 {
			note = fmt.Sprintf("up to event %d", k.UptoSeq)
			if k.Note != "" {
				note += "; " + k.Note
			}
		}
		rows = append(rows, []any{k.Kind, k.Rows, note})
		for _, file := range k.Archives {
			rows = append(rows, []any{"", file.Rows, "in " + file.Path + ", sha256 " + file.SHA256})
		}
	}
	if total == 0 {
		p.line("nothing is older or more than the policies keep")
	}
	if len(rows) > 0 {
		p.table("", []string{"KIND", "ROWS", ""}, rows)
	}
	if total > 0 {
		p.line("%s", fmt.Sprintf("%d rows %s", total, done))
	}
}
