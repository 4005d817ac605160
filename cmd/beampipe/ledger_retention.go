package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"beampipe/control"
)

func newLedgerRetentionCmd(a *app) *cobra.Command {
	show := newRetentionShowCmd(a)
	cmd := group("retention", "How long what is kept", "  beampipe ledger retention", show, newRetentionSetCmd(a), newRetentionClearCmd(a))
	mistake := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return mistake(cmd, args)
		}
		return show.RunE(cmd, args)
	}
	return cmd
}

func newRetentionShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "The policy of every kind, and who set it",
		Example: "  beampipe ledger retention show",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, _ []string) error {
			answer, err := c.ListRetention(ctx)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) {
				var rows [][]any
				for _, x := range answer.Policies {
					rows = append(rows, []any{x.Kind, limits(x), setBy(x)})
				}
				p.table("", []string{"KIND", "KEPT", "SET"}, rows)
				p.line("")
				p.line("the daemon last pruned %s%s", whenOrNever(answer.LastRun), ifAny(": ", answer.Reason))
			})
		}),
	}
}

func setBy(x control.Policy) string {
	if x.Set == nil {
		return "built in"
	}
	return fmt.Sprintf("%s by %s: %s", when(x.Set.At), x.Set.By, x.Set.Reason)
}

func ifAny(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// limits says what a policy keeps.
func limits(x control.Policy) string {
	var parts []string
	if x.MaxAgeSeconds > 0 {
		parts = append(parts, days(x.MaxAgeSeconds))
	}
	if x.MaxRows > 0 {
		parts = append(parts, fmt.Sprintf("the newest %d", x.MaxRows))
	}
	if x.MaxBytes > 0 {
		parts = append(parts, "about "+bytesText(x.MaxBytes))
	}
	if len(parts) == 0 {
		return "for ever"
	}
	text := strings.Join(parts, ", ")
	if x.Archive != "" {
		text += "; then archived in " + x.Archive
	}
	return text
}

func days(seconds int64) string {
	if d := seconds / 86400; d*86400 == seconds {
		return count(int(d), "day")
	}
	return (time.Duration(seconds) * time.Second).String()
}

func newRetentionSetCmd(a *app) *cobra.Command {
	var q control.PolicyRequest
	var age, size string
	var forever bool
	cmd := &cobra.Command{
		Use:   "set KIND",
		Short: "Set how long a kind is kept",
		Long: `Set how long a kind is kept, in place of the policy that it has. What is older than --max-age goes, and the oldest of
what is more than --max-rows or --max-bytes, whatever its age; but nothing that is younger than a day. --max-bytes counts
rows by what the newest thousand of them take on the average. --archive-to names a folder that events and executions are
written to before they are deleted.`,
		Example: `  beampipe ledger retention set events --max-age 730d --archive-to /archive --reason 'two years in the file'
  beampipe ledger retention set discovery_changes --forever --reason 'we study them'`,
		Args: arguments(1, 1, "a kind, see: beampipe ledger retention show"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, args []string) error {
			q.Kind = args[0]
			var err error
			if q.MaxAgeSeconds, err = parseAge(age); err != nil {
				return err
			}
			if q.MaxBytes, err = parseBytes(size); err != nil {
				return err
			}
			if q.Archive, err = absolute(q.Archive); err != nil {
				return err
			}
			if given := q.MaxAgeSeconds != 0 || q.MaxBytes != 0 || q.MaxRows != 0; given == forever {
				return usagef("ledger retention set: give --max-age, --max-rows or --max-bytes, or --forever instead of them")
			}
			answer, err := c.SetRetention(ctx, q)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.policy(answer) })
		}),
	}
	f := cmd.Flags()
	f.StringVar(&age, "max-age", "", "`AGE` in days or hours: 90d, 36h")
	f.Int64Var(&q.MaxRows, "max-rows", 0, "keep the newest `N`")
	f.StringVar(&size, "max-bytes", "", "keep about as much: `SIZE` as 500M or 2G")
	f.StringVar(&q.Archive, "archive-to", "", "write what goes into folder `DIR` first (events, executions)")
	f.BoolVar(&forever, "forever", false, "no limit")
	reasonFlag(cmd, &q.Reason)
	require(cmd, "reason")
	return cmd
}

func newRetentionClearCmd(a *app) *cobra.Command {
	q := control.PolicyRequest{Clear: true}
	cmd := &cobra.Command{
		Use:     "clear KIND",
		Short:   "Let the built-in policy of a kind hold again",
		Example: "  beampipe ledger retention clear events --reason 'the disk is larger now'",
		Args:    arguments(1, 1, "a kind, see: beampipe ledger retention show"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, args []string) error {
			q.Kind = args[0]
			answer, err := c.SetRetention(ctx, q)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.policy(answer) })
		}),
	}
	reasonFlag(cmd, &q.Reason)
	require(cmd, "reason")
	return cmd
}

func (p *page) policy(x control.PolicyChange) {
	was := ""
	if !x.Changed {
		was = ", as before"
	}
	p.line("%s   kept %s%s", p.bold(x.Policy.Kind), limits(x.Policy), was)
}

// absolute makes a folder's name one that holds everywhere; "" stays.
func absolute(folder string) (string, error) {
	if folder == "" {
		return "", nil
	}
	path, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("find folder %s: %w", folder, err)
	}
	return path, nil
}

// parseAge reads days (90d) or what Go writes (36h), in seconds; "" is 0.
func parseAge(text string) (int64, error) {
	bad := usagef("--max-age %.40q: expected days or hours, for example 90d or 36h", text)
	if text == "" {
		return 0, nil
	}
	if number, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil || n <= 0 {
			return 0, bad
		}
		return n * 86400, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second {
		return 0, bad
	}
	return int64(d / time.Second), nil
}

// parseBytes reads a size with a unit of 1024 (500M), in bytes; "" is 0.
func parseBytes(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, shift := text, 0
	if i := strings.IndexByte("KMGT", text[len(text)-1]); i >= 0 {
		number, shift = text[:len(text)-1], 10*(i+1)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > 1<<62>>shift {
		return 0, usagef("--max-bytes %.40q: expected a number with K, M, G or T, for example 500M", text)
	}
	return n << shift, nil
}
