package control

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"beampipe/configs"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/graph"
	"beampipe/ledger"
)

// previewID stands for the execution in a graph that is prepared for looking at.
const previewID = "00000000-0000-7000-8000-000000000000"

// maxShownValue bounds a value in a difference unless the full one is asked for.
const maxShownValue = 120

// PrepareGraph implements Graphs.
func (c *Local) PrepareGraph(ctx context.Context, q GraphRequest) (PreparedGraph, error) {
	cfg, raw, err := c.graphInputs(ctx, q)
	if err != nil {
		return PreparedGraph{}, err
	}
	m, err := c.previewManifest(ctx, cfg, q)
	if err != nil {
		return PreparedGraph{}, err
	}
	patched, _, err := execution.PrepareGraph(cfg, raw, m, previewID, time.Unix(0, 0).UTC())
	if err != nil {
		return PreparedGraph{}, err
	}
	changes, err := difference(raw, "source graph", patched, "patched graph")
	if err != nil {
		return PreparedGraph{}, err
	}
	return PreparedGraph{
		At: c.now(), Manifest: json.RawMessage(m.Bytes), Graph: patched, SHA256: graph.Digest(patched), SourceSHA: graph.Digest(raw),
		Datasets: m.Datasets, Changes: shownChanges(changes, false), ManifestSHA: m.Digest(),
	}, nil
}

// graphInputs gives the config and the source graph: of files, or of a project in the ledger.
func (c *Local) graphInputs(ctx context.Context, q GraphRequest) (*configs.Project, []byte, error) {
	if q.Config != nil {
		cfg, report := configs.Load(q.Config.Content, q.Config.Name)
		if err := report.Err(); err != nil {
			return nil, nil, err
		}
		if q.Graph != nil {
			return cfg, q.Graph, nil
		}
		raw, _, err := c.readGraph(ctx, cfg, *q.Config)
		if err == nil && raw == nil {
			err = fault.New(fault.Invalid, "prepare graph: "+q.Config.Name+" names no graph", "give one with --graph FILE")
		}
		return cfg, raw, err
	}
	if err := c.needLedger(); err != nil {
		return nil, nil, err
	}
	v := c.ledger.View(ctx)
	cfg, stored, err := c.config(v, q.Project)
	if err != nil {
		return nil, nil, err
	}
	if q.Graph != nil {
		return cfg, q.Graph, nil
	}
	if stored.GraphSHA256 == "" {
		return nil, nil, fault.New(fault.Invalid, fmt.Sprintf("prepare graph: project %s has no graph", q.Project), "add graph.path or graph.url to its config")
	}
	raw, err := v.Content(stored.GraphSHA256)
	return cfg, raw, err
}

// previewManifest takes the manifest that is given, or builds it from what is known of the sources.
func (c *Local) previewManifest(ctx context.Context, cfg *configs.Project, q GraphRequest) (execution.Manifest, error) {
	if q.Manifest != nil {
		m, err := execution.ReadManifest(q.Manifest)
		return m, fault.Wrap(fault.Invalid, err, "the manifest cannot be used", "give one as this prints it: beampipe execution artifact ID manifest")
	}
	if err := c.needLedger(); err != nil {
		return execution.Manifest{}, fault.New(fault.Invalid, "prepare graph: there is neither a manifest nor a ledger to make one from", "give --manifest FILE")
	}
	if len(q.Sources) == 0 {
		return execution.Manifest{}, fault.New(fault.Invalid, "prepare graph: no source is named", "name one with --source, or give --manifest FILE")
	}
	v := c.ledger.View(ctx)
	var sources []execution.ManifestSource
	for _, s := range q.Sources {
		known, err := v.Source(cfg.Metadata.ID, s.Identifier)
		if err != nil {
			return execution.Manifest{}, err
		}
		meta, err := v.Metadata(known.ID)
		if err != nil {
			return execution.Manifest{}, err
		}
		sources = append(sources, execution.ManifestSource{Identifier: s.Identifier, SBIDs: s.SBIDs, Metadata: meta})
	}
	return execution.BuildManifest(cfg, sources)
}

// DiffGraph implements Graphs.
func (c *Local) DiffGraph(ctx context.Context, q GraphDiffRequest) (GraphDifference, error) {
	if q.Execution != "" {
		e, v, err := c.find(ctx, q.Execution)
		if err != nil {
			return GraphDifference{}, err
		}
		if q.Before, q.After, err = executionGraphs(v, e); err != nil {
			return GraphDifference{}, err
		}
	}
	changes, err := difference(q.Before, fallback(q.BeforeName, "first graph"), q.After, fallback(q.AfterName, "second graph"))
	if err != nil {
		return GraphDifference{}, err
	}
	return GraphDifference{At: c.now(), Changes: shownChanges(changes, q.Full)}, nil
}

// difference compares two graphs; their names are for errors.
func difference(before []byte, beforeName string, after []byte, afterName string) ([]graph.Change, error) {
	a, err := graph.Parse(before, beforeName)
	if err != nil {
		return nil, err
	}
	b, err := graph.Parse(after, afterName)
	if err != nil {
		return nil, err
	}
	return graph.Diff(a, b), nil
}

func executionGraphs(v ledger.View, e ledger.Execution) (source, patched []byte, err error) {
	cfg, err := v.Config(e.Project, e.ConfigRevision)
	if err != nil {
		return nil, nil, err
	}
	if source, err = v.Content(cfg.GraphSHA256); err != nil {
		return nil, nil, err
	}
	patched, _, err = v.ArtifactOf(e.ID, ledger.ArtifactPatchedGraph)
	return source, patched, err
}

func shownChanges(changes []graph.Change, full bool) []GraphChange {
	list := make([]GraphChange, 0, len(changes))
	for _, ch := range changes {
		field := ch.Field
		if ch.Property != "" {
			field += "." + ch.Property
		}
		node := ch.NodeName
		if ch.Config != "" {
			node = "configuration " + ch.Config + " " + node
		}
		if node == "" {
			node = "(the graph itself)"
		}
		list = append(list, GraphChange{Node: node, Field: field, Before: shownValue(ch.Old, full), After: shownValue(ch.New, full)})
	}
	return list
}

func shownValue(v any, full bool) string {
	if v == nil {
		return ""
	}
	text, ok := v.(string)
	if !ok {
		b, err := ledger.Canonical(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		text = string(b)
	}
	if full || len(text) <= maxShownValue {
		return text
	}
	return ledger.Excerpt(text, maxShownValue) + fmt.Sprintf("… (%d bytes)", len(text))
}
