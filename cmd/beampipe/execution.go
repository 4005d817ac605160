package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/fault"
	"beampipe/ledger"
)

func newExecutionCmd(a *app) *cobra.Command {
	return group("execution", "Runs: one graph over the data of one or more sources", "  beampipe execution why 0193a1c2",
		newExecutionCreateCmd(a), newExecutionListCmd(a), newExecutionShowCmd(a), newExecutionWhyCmd(a),
		newExecutionHoldCmd(a), newExecutionReleaseCmd(a), newExecutionCancelCmd(a), newExecutionRetryCmd(a), newExecutionArtifactCmd(a))
}

func newExecutionCreateCmd(a *app) *cobra.Command {
	var q control.CreateRequest
	var sources, sbids []string
	cmd := &cobra.Command{
		Use:   "create --source SOURCE",
		Short: "Make a run by hand, whether or not its data changed",
		Long: `Make a run of one or more sources by hand. It prints the datasets, the graph, the profile and what would be
asked of whom; with --dry-run nothing more happens. --sbid narrows a single source to some of its SBIDs.`,
		Example: "  beampipe execution create --source HIPASSJ1313-15 --sbid 72962 --profile local --dry-run",
		Args:    arguments(0, 0, "no argument: sources are named with --source"),
	}
	hold := holdFlag(cmd)
	cmd.RunE = a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) (err error) {
		if q.Hold, err = hold(); err != nil {
			return err
		}
		if len(sbids) > 0 && len(sources) > 1 {
			return usagef("execution create: --sbid narrows one source, %d are named", len(sources))
		}
		for _, source := range sources {
			q.Sources = append(q.Sources, control.SelectedSource{Identifier: source, SBIDs: sbids})
		}
		if q.Project, err = a.project(ctx, c, q.Project); err != nil {
			return err
		}
		answer, err := c.CreateExecution(ctx, q)
		if err != nil {
			return err
		}
		if err := a.print(answer, func(p *page) { p.created(answer, q) }); err != nil {
			return err
		}
		return refusedPlan(answer)
	})
	f := cmd.Flags()
	projectFlag(cmd, &q.Project)
	f.StringArrayVar(&sources, "source", nil, "a registered source: its `IDENTIFIER` (repeatable)")
	f.StringArrayVar(&sbids, "sbid", nil, "only this SBID of the source: `N` (repeatable)")
	f.StringVar(&q.Profile, "profile", "", "the deployment `PROFILE` (else the project's, else the default one)")
	f.BoolVar(&q.DryRun, "dry-run", false, "only print what would be done")
	reasonFlag(cmd, &q.Reason)
	require(cmd, "source")
	return cmd
}

// refusedPlan is not nil when a dry run showed that the run itself would be refused.
func refusedPlan(answer control.Created) error {
	var plan plan
	if answer.Execution != nil || !decode(answer.Plan, &plan) {
		return nil
	}
	problems := len(plan.Problems)
	for _, s := range plan.Sources {
		problems += len(s.Problems)
	}
	if problems == 0 {
		return nil
	}
	return fault.New(fault.Invalid, fmt.Sprintf("execution create: it would be refused, for %s", count(problems, "reason")), "the reasons are in the plan")
}

func newExecutionShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "One run: its sources, artifacts, observations and run record",
		Example: "  beampipe execution show 0193a1c2",
		Args:    arguments(1, 1, "one execution id"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			answer, err := c.ShowExecution(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.executionDetail(answer) })
		}),
	}
}

func newExecutionWhyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "why ID",
		Short:   "Why a run is in the state that it is in, on one screen",
		Example: "  beampipe execution why 0193a1c2",
		Args:    arguments(1, 1, "one execution id"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			answer, err := c.WhyExecution(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.executionWhy(answer) })
		}),
	}
}

// change is an action on one execution.
type change func(c control.Control, ctx context.Context, id, reason string) (control.ExecutionChange, error)

// executionChange adds to cmd what all actions on one execution have in common.
func executionChange(a *app, cmd *cobra.Command, do change) *cobra.Command {
	var reason string
	cmd.Args = arguments(1, 1, "one execution id")
	cmd.RunE = a.with(onLedger, func(ctx context.Context, c control.Control, args []string) error {
		answer, err := do(c, ctx, args[0], reason)
		if err != nil {
			return err
		}
		return a.print(answer, func(p *page) {
			p.line("%s   %s", p.bold(answer.Execution.ID), p.state(answer.Execution))
			p.line("  %s", answer.Sentence)
		})
	})
	reasonFlag(cmd, &reason)
	return cmd
}

func newExecutionHoldCmd(a *app) *cobra.Command {
	return executionChange(a, &cobra.Command{
		Use:     "hold ID",
		Short:   "Keep a run that is not submitted yet where it is",
		Example: "  beampipe execution hold 0193a1c2 --reason 'maintenance on Thursday'",
	}, control.Control.HoldExecution)
}

func newExecutionReleaseCmd(a *app) *cobra.Command {
	return executionChange(a, &cobra.Command{
		Use:     "release ID",
		Short:   "Let a held run go on",
		Example: "  beampipe execution release 0193a1c2",
	}, control.Control.ReleaseExecution)
}

func newExecutionCancelCmd(a *app) *cobra.Command {
	var requeue bool
	cmd := executionChange(a, &cobra.Command{
		Use:   "cancel ID --reason REASON",
		Short: "End a run; its sources wait for the next change of their data",
		Long: `End a run. Its sources then wait for the next change of their data; with --requeue they wait for a run at once.
While it is not known whether a run was submitted, the wish is recorded and acted on when it is known.`,
		Example: "  beampipe execution cancel 0193a1c2 --reason 'wrong profile' --requeue",
	}, func(c control.Control, ctx context.Context, id, reason string) (control.ExecutionChange, error) {
		return c.CancelExecution(ctx, id, reason, requeue)
	})
	cmd.Flags().BoolVar(&requeue, "requeue", false, "let its sources wait for a new run at once")
	require(cmd, "reason")
	return cmd
}

func newExecutionRetryCmd(a *app) *cobra.Command {
	cmd := executionChange(a, &cobra.Command{
		Use:   "retry ID --reason REASON",
		Short: "Let a failed run try again, with the same data and the current profile",
		Long: `Let a failed run try again: the same manifest and metadata, the current revision of its profile. The attempt
before is fenced first, so that it cannot do any more work; if that is not possible there is no next attempt yet.`,
		Example: "  beampipe execution retry 0193a1c2 --reason 'account was corrected'",
	}, control.Control.RetryExecution)
	require(cmd, "reason")
	return cmd
}

// artifactFile is the answer of artifact -o --json.
type artifactFile struct {
	File  string `json:"file"`
	Bytes int    `json:"bytes"`
}

func newExecutionArtifactCmd(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "artifact ID KIND",
		Short: "A run's manifest, patched graph or list of products, byte for byte",
		Long: `Print the newest artifact of a kind (manifest, patched_graph or products), byte for byte, to stdout or to
-o FILE. --json changes nothing without -o: these artifacts are JSON.`,
		Example: "  beampipe execution artifact 0193a1c2 manifest -o manifest.json",
		Args:    arguments(2, 2, "an execution id and a kind (manifest, patched_graph, products)"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			var b bytes.Buffer
			if err := c.Artifact(ctx, args[0], args[1], &b); err != nil {
				return err
			}
			if out == "" {
				return a.write(b.Bytes())
			}
			if err := writeFile(out, b.Bytes()); err != nil {
				return err
			}
			return a.print(artifactFile{File: out, Bytes: b.Len()}, func(p *page) {
				p.line("wrote %s, %s", out, bytesText(int64(b.Len())))
			})
		}),
	}
	outFlag(cmd, &out, "write it to `FILE`")
	return cmd
}

// plan is what a screen needs of an execution's plan (execution.Plan).
type plan struct {
	Profile         string `json:"profile"`
	ProfileRevision int    `json:"profile_revision"`
	Target          string `json:"target"`
	GraphSHA256     string `json:"graph_sha256"`
	ConfigRevision  int    `json:"config_revision"`
	TotalDatasets   int    `json:"total_datasets"`
	Sources         []struct {
		Identifier string   `json:"source_identifier"`
		SBIDs      []string `json:"sbids"`
		Datasets   int      `json:"datasets"`
		Problems   []string `json:"problems"`
	} `json:"sources"`
	Problems []string `json:"problems"`
	Asks     []string `json:"asks"`
}

func sourceNames(e ledger.Execution) string {
	const shown = 3
	var names string
	for i, s := range e.Sources {
		switch {
		case i == shown:
			return fmt.Sprintf("%s and %d more", names, len(e.Sources)-shown)
		case i > 0:
			names += ", "
		}
		names += s.Identifier
	}
	return names
}
