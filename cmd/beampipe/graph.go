package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/fault"
)

func newGraphCmd(a *app) *cobra.Command {
	return group("graph", "Prepare and compare graphs without running them", "  beampipe graph prepare --source HIPASSJ1313-15",
		newGraphPrepareCmd(a), newGraphDiffCmd(a))
}

// graphInput is where the parts of a prepared graph come from.
type graphInput struct {
	config, graph, manifest, out string
	project, source              string
	sbids                        []string
}

func newGraphPrepareCmd(a *app) *cobra.Command {
	var in graphInput
	cmd := &cobra.Command{
		Use:   "prepare -f CONFIG --graph FILE --manifest FILE | --source SOURCE",
		Short: "Patch a graph with a manifest, as a run would",
		Long: `Patch a graph with a manifest, as a run would: from files (no ledger is needed), or for a source of the
ledger from what is known of it. The graph goes to stdout, or to -o FILE; what was changed in it to stderr.
With --json the answer is printed without the graph; add -o FILE to have it as well.`,
		Example: "  beampipe graph prepare -f survey.yaml --graph survey.graph --manifest manifest.json -o patched.graph\n" +
			"  beampipe graph prepare --project wallaby_hires --source HIPASSJ1313-15 -o patched.graph",
		Args: arguments(0, 0, "no argument"),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (in.config == "") == (in.source == "") {
			return usagef("graph prepare: give either -f CONFIG with --graph and --manifest, or --source")
		}
		need := onLedger
		if in.config != "" {
			need = onFiles
		}
		return a.with(need, func(ctx context.Context, c control.Control, _ []string) error {
			return a.prepareGraph(ctx, c, in)
		})(cmd, args)
	}
	f := cmd.Flags()
	f.StringVarP(&in.config, "file", "f", "", "a survey's YAML `FILE`")
	f.StringVar(&in.graph, "graph", "", "the graph's `FILE`")
	f.StringVar(&in.manifest, "manifest", "", "the manifest's `FILE`")
	f.StringVar(&in.source, "source", "", "a registered source: its `IDENTIFIER`")
	f.StringArrayVar(&in.sbids, "sbid", nil, "only this SBID of the source: `N` (repeatable)")
	projectFlag(cmd, &in.project)
	outFlag(cmd, &in.out, "write the graph to `FILE`")
	exclusive(cmd, "manifest", "source")
	return cmd
}

func (a *app) prepareGraph(ctx context.Context, c control.Control, in graphInput) error {
	q, err := a.graphRequest(ctx, c, in)
	if err != nil {
		return err
	}
	answer, err := c.PrepareGraph(ctx, q)
	if err != nil && in.config != "" {
		return naming(err, fmt.Sprintf("prepare graph for %s with manifest %s", in.config, in.manifest))
	}
	if err != nil {
		return err
	}
	if in.out != "" {
		if err := writeFile(in.out, answer.Graph); err != nil {
			return err
		}
	}
	if a.json {
		return a.printJSON(answer)
	}
	summary := a.newPage()
	summary.preparedGraph(answer, in.out)
	if in.out != "" {
		return a.write([]byte(summary.b.String()))
	}
	a.note("%s", summary.b.String())
	return a.write(answer.Graph)
}

func (a *app) graphRequest(ctx context.Context, c control.Control, in graphInput) (control.GraphRequest, error) {
	var q control.GraphRequest
	if in.config == "" {
		project, err := a.project(ctx, c, in.project)
		q.Project, q.Sources = project, []control.SelectedSource{{Identifier: in.source, SBIDs: in.sbids}}
		if err != nil || in.graph == "" {
			return q, err
		}
		q.Graph, err = a.readInput(ctx, in.graph, "graph", maxGraphBytes)
		return q, err
	}
	if in.manifest == "" {
		return q, usagef("graph prepare -f %s: --manifest FILE is needed as well", in.config)
	}
	f, err := a.projectFile(ctx, in.config, in.graph)
	if err != nil {
		return q, err
	}
	q.Config, q.Graph = &f, f.Graph
	q.Manifest, err = a.readInput(ctx, in.manifest, "manifest", maxGraphBytes)
	return q, err
}

// naming says in an error which files were given: control sees their content alone.
func naming(err error, what string) error {
	if kind := fault.KindOf(err); kind != "" {
		return fault.Wrap(kind, err, what, "")
	}
	return fmt.Errorf("%s: %w", what, err)
}

func newGraphDiffCmd(a *app) *cobra.Command {
	var q control.GraphDiffRequest
	cmd := &cobra.Command{
		Use:     "diff BEFORE AFTER | --execution ID",
		Short:   "What differs between two graphs, or what a run's graph changed in the survey's",
		Example: "  beampipe graph diff survey.graph patched.graph\n  beampipe graph diff --execution 0193a1c2 --full",
		Args:    arguments(0, 2, "two graph files, or --execution ID"),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		need := onFiles
		switch {
		case q.Execution != "" && len(args) == 0:
			need = onRead
		case q.Execution == "" && len(args) == 2:
		default:
			return usagef("graph diff: give either two graph files or --execution ID")
		}
		return a.with(need, func(ctx context.Context, c control.Control, args []string) (err error) {
			if q.Execution == "" {
				q.BeforeName, q.AfterName = args[0], args[1]
				if q.Before, err = a.readInput(ctx, args[0], "graph", maxGraphBytes); err != nil {
					return err
				}
				if q.After, err = a.readInput(ctx, args[1], "graph", maxGraphBytes); err != nil {
					return err
				}
			}
			answer, err := c.DiffGraph(ctx, q)
			if err != nil && q.Execution == "" {
				return naming(err, fmt.Sprintf("compare graphs %s and %s", args[0], args[1]))
			}
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) {
				p.line("%s", count(len(answer.Changes), "change"))
				p.graphChanges(answer.Changes, q.Full)
			})
		})(cmd, args)
	}
	cmd.Flags().StringVar(&q.Execution, "execution", "", "compare this execution's graph with the one that it was made from: `ID`")
	cmd.Flags().BoolVar(&q.Full, "full", false, "show long values whole")
	return cmd
}

func (p *page) preparedGraph(g control.PreparedGraph, out string) {
	p.line("prepared a graph for %s: %s", count(g.Datasets, "dataset"), count(len(g.Changes), "change"))
	p.field("manifest", "%s", short(g.ManifestSHA))
	p.field("graph", "%s → %s", short(g.SourceSHA), short(g.SHA256))
	p.field("written to", "%s", out)
	p.graphChanges(g.Changes, false)
}

// maxValue is how many characters of a changed value a screen shows.
const maxValue = 100

func (p *page) graphChanges(changes []control.GraphChange, full bool) {
	for _, c := range changes {
		before, after := c.Before, c.After
		if !full {
			before, after = cut(before, maxValue), cut(after, maxValue)
		}
		p.line("  %s", p.bold(strings.TrimSpace(c.Node+"   "+c.Field)))
		if before == "" && after == "" {
			continue // a part as a whole came or went; its name says it
		}
		p.line("      − %s", orNone(before))
		p.line("      + %s", orNone(after))
	}
}
