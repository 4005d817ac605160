package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/flow"
	"beampipe/ledger"
	"beampipe/provenance"
)

// Media types of artifacts.
const mediaJSON = "application/json"

// stagingNotBuilt is what a run record says of an execution whose data would have to be staged.
const stagingNotBuilt = "not built"

// needsStaging tells whether an execution's data must be staged before it can run.
func needsStaging(cfg *configs.Project) bool {
	return cfg.Automation.Execution.ArchiveName == "casda"
}

// preparation makes an execution's manifest and graph. What flows between its vertices are digests:
// contents are kept here while it runs, and in the ledger as artifacts.
type preparation struct {
	engine   *Engine
	unit     *unit
	view     ledger.View
	cfg      *configs.Project
	manifest *Manifest
	packed   ledger.Packed  // the manifest
	origin   origin         // what it was made from
	template *graphTemplate // the source graph with its patches
	prepared preparedGraph  // the patched graph with the manifest
	staging  bool           // the record of staging is still to be written
}

// prepare is the unit that takes an execution from preparing to ready. What would fail again fails
// the execution; what could not be done now is left for later.
func (e *Engine) prepare(ctx context.Context, u *unit) error {
	begun := e.ledger.Now()
	p := &preparation{engine: e, unit: u, view: e.ledger.View(ctx)}
	err := p.run(ctx)
	if err == nil {
		err = e.last(ctx, u, ledger.Preparing, p.store)
	}
	switch {
	case err == nil:
		e.metrics.took("prepare", e.ledger.Now().Sub(begun))
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("prepare execution %s: broken off, to be resumed: %w", u.execution.ID, err)
	case definite(err):
		if failErr := e.failForGood(ctx, u, ledger.Preparing, err); failErr != nil {
			return failErr
		}
	case !errors.Is(err, fault.Conflict):
		if laterErr := e.later(ctx, u, err); laterErr != nil {
			err = errors.Join(err, laterErr)
		}
	}
	return fmt.Errorf("prepare execution %s: %w", u.execution.ID, err)
}

// run runs the vertices, going on from the checkpoint when there is one that fits.
func (p *preparation) run(ctx context.Context) error {
	x := p.unit.execution
	var err error
	if p.cfg, err = p.engine.project(p.view, x.Project, x.ConfigRevision); err != nil {
		return err
	}
	graph, err := p.engine.graphOf(p.view, x.Project, x.ConfigRevision)
	if err != nil {
		return err
	}
	if graph == "" || p.cfg.Graph == nil {
		return fault.New(fault.Invalid, fmt.Sprintf("project %s, revision %d: no graph was stored with it", x.Project, x.ConfigRevision),
			"add graph.url or graph.path to the project, then: beampipe project add")
	}
	steps, err := p.steps()
	if err != nil {
		return err
	}
	o := flow.Options{
		Data: flow.Values{"execution": x.ID, "scope": scopeOf(x), "graph": graph},
		Now:  p.engine.ledger.Now, Checkpoint: p.checkpoint,
	}
	if x.Checkpoint != "" {
		var c flow.Checkpoint
		if json.Unmarshal([]byte(x.Checkpoint), &c) == nil {
			o.Resume = &c
		}
	}
	result, err := flow.Run(ctx, steps, o)
	if err != nil && result == nil && o.Resume != nil {
		// The checkpoint is of another version of the steps. They only make what can be made again.
		o.Resume = nil
		_, err = flow.Run(ctx, steps, o)
	}
	return err
}

// scopeOf is what an execution pinned: the SBIDs of each source.
func scopeOf(x ledger.Execution) map[string][]string {
	scope := map[string][]string{}
	for _, s := range x.Sources {
		scope[s.Identifier] = slices.Sorted(slices.Values(s.SBIDs))
	}
	return scope
}

func (p *preparation) steps() (*flow.Graph, error) {
	return flow.New(
		flow.Vertex{
			Name: "stage", Inputs: map[string]string{"execution": "$execution"}, Outputs: []string{"staging"}, Run: p.stage,
		},
		flow.Vertex{
			Name: "manifest", Inputs: map[string]string{"scope": "$scope", "staging": "stage.staging"}, Outputs: []string{"sha256"}, Run: p.makeManifest,
		},
		flow.Vertex{
			Name: "load_graph", Inputs: map[string]string{"graph": "$graph"}, Outputs: []string{"sha256"}, Pure: true, Version: "1", Run: p.loadGraph,
		},
		flow.Vertex{
			Name: "patch", Inputs: map[string]string{"graph": "load_graph.sha256", "manifest": "manifest.sha256"}, Outputs: []string{"changes"},
			Pure: true, Version: "1", Run: p.patch,
		},
		flow.Vertex{
			Name: "inject", Inputs: map[string]string{"execution": "$execution", "graph": "load_graph.sha256", "manifest": "manifest.sha256", "changes": "patch.changes"},
			Outputs: []string{"sha256"}, Pure: true, Version: "1", Run: p.inject,
		},
	)
}

// stage asks the archive for the data. It is not built: what needs it goes on without staged URLs, is
// marked, and is refused at its submission.
func (p *preparation) stage(context.Context, flow.Values) (flow.Values, error) {
	if !needsStaging(p.cfg) {
		return flow.Values{"staging": "none"}, nil
	}
	p.staging = true
	return flow.Values{"staging": stagingNotBuilt}, nil
}

// makeManifest builds the manifest, or takes the one of an earlier attempt: a retry runs the same data.
func (p *preparation) makeManifest(ctx context.Context, in flow.Values) (flow.Values, error) {
	scope, err := flow.Get[map[string][]string](in, "scope")
	if err != nil {
		return nil, err
	}
	x := p.unit.execution
	m, err := p.earlierManifest()
	if errors.Is(err, fault.NotFound) {
		err = p.engine.ledger.Snapshot(ctx, func(v ledger.View) error {
			m, err = p.newManifest(v, x)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	if err := checkScope(m.Scope, scope); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "manifest of execution "+x.ID, "make a new execution: beampipe execution cancel --requeue --reason TEXT "+x.ID)
	}
	if p.packed, err = ledger.Pack(mediaJSON, m.Bytes); err != nil {
		return nil, err
	}
	p.manifest = &m
	return flow.Values{"sha256": p.packed.SHA256}, nil
}

func (p *preparation) earlierManifest() (Manifest, error) {
	raw, _, err := p.view.ArtifactOf(p.unit.execution.ID, ledger.ArtifactManifest)
	if err != nil {
		return Manifest{}, err
	}
	p.origin.earlier = true
	return ReadManifest(raw)
}

// newManifest makes the manifest, and notes what it is made from, of one instant of the ledger.
func (p *preparation) newManifest(v ledger.View, x ledger.Execution) (Manifest, error) {
	sources := make([]ManifestSource, len(x.Sources))
	for i, s := range x.Sources {
		meta, err := v.Metadata(s.SourceID)
		if err != nil {
			return Manifest{}, err
		}
		sources[i] = ManifestSource{Identifier: s.Identifier, SBIDs: s.SBIDs, Metadata: meta}
	}
	m, err := BuildManifest(p.cfg, sources)
	if err != nil {
		return m, err
	}
	p.origin, err = newOrigin(v, p.cfg, x, sources)
	return m, err
}

// checkScope is the gate: a manifest holds exactly what the execution pinned.
func checkScope(got, want map[string][]string) error {
	for source, sbids := range want {
		if !slices.Equal(got[source], sbids) {
			return fmt.Errorf("it holds SBIDs %v of source %s, the execution pinned %v", got[source], source, sbids)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("it holds %d sources, the execution pinned %d", len(got), len(want))
	}
	return nil
}

func (p *preparation) loadGraph(_ context.Context, in flow.Values) (flow.Values, error) {
	sha256, err := flow.Get[string](in, "graph")
	if err != nil {
		return nil, err
	}
	_, err = p.engine.sourceGraph(p.view, sha256)
	return flow.Values{"sha256": sha256}, err
}

func (p *preparation) patch(_ context.Context, in flow.Values) (flow.Values, error) {
	if err := p.patchGraph(in); err != nil {
		return nil, err
	}
	return flow.Values{"changes": p.template.changes}, nil
}

// patchGraph gets the patched graph, made before for an execution with the same patches or made now.
func (p *preparation) patchGraph(in flow.Values) error {
	sha256, err := flow.Get[string](in, "graph")
	if err != nil {
		return err
	}
	if err := p.useManifest(in); err != nil {
		return err
	}
	key, err := ledger.Canonical(map[string]any{"graph": sha256, "patches": p.manifest.Patches, "manifest": p.cfg.Graph.Manifest})
	if err != nil {
		return err
	}
	p.template, err = p.engine.templates.get(digest(key), func() (*graphTemplate, error) {
		source, err := p.engine.sourceGraph(p.view, sha256)
		if err != nil {
			return nil, err
		}
		return newTemplate(p.cfg, source, p.manifest.Patches)
	})
	return err
}

// useManifest reads the manifest back when an earlier process made it.
func (p *preparation) useManifest(in flow.Values) error {
	if p.manifest != nil {
		return nil
	}
	sha256, err := flow.Get[string](in, "manifest")
	if err != nil {
		return err
	}
	raw, err := p.view.Content(sha256)
	if err != nil {
		return err
	}
	m, err := ReadManifest(raw)
	p.manifest = &m
	return err
}

func (p *preparation) inject(_ context.Context, in flow.Values) (flow.Values, error) {
	if p.template == nil {
		if err := p.patchGraph(in); err != nil {
			return nil, err
		}
	}
	source, err := flow.Get[string](in, "graph")
	if err != nil {
		return nil, err
	}
	manifest, err := flow.Get[string](in, "manifest")
	if err != nil {
		return nil, err
	}
	x := p.unit.execution
	patched, err := p.template.fill(p.cfg, *p.manifest, x.ID, x.CreatedAt)
	if err != nil {
		return nil, err
	}
	p.prepared, err = p.packGraph(source, manifest, patched)
	return flow.Values{"sha256": p.prepared.sha256}, err
}

// checkpoint keeps how far the preparation came. Only what comes before and with the manifest is worth
// a durable write of its own; the steps behind it are made again in milliseconds, and their result is
// stored with the move to ready.
func (p *preparation) checkpoint(ctx context.Context, c flow.Checkpoint) error {
	if c.Ended != "manifest" {
		return nil
	}
	text, err := ledger.Canonical(c)
	if err != nil {
		return err
	}
	return p.engine.ledger.Write(ctx, func(tx *ledger.Tx) error {
		x, err := current(tx, p.unit, ledger.Preparing)
		if err != nil {
			return err
		}
		if err := tx.AttachArtifact(x.ID, x.Attempt, ledger.ArtifactManifest, p.packed); err != nil {
			return err
		}
		if err := p.origin.store(tx, x); err != nil {
			return err
		}
		if err := p.recordStaging(tx, x); err != nil {
			return err
		}
		return tx.SaveCheckpoint(x, p.unit.claim, text)
	})
}

func (p *preparation) recordStaging(tx *ledger.Tx, x ledger.Execution) error {
	if !p.staging {
		return nil
	}
	if err := updateRecord(tx, x.ID, func(r *RunRecord) { r.Staging = stagingNotBuilt }); err != nil {
		return err
	}
	return tx.Append(provenance.Event{
		Type: provenance.ExecutionStaging, Project: x.Project, Execution: x.ID, Actor: provenance.ActorExecution,
	}, map[string]any{"staging": stagingNotBuilt, "archive": p.cfg.Automation.Execution.ArchiveName})
}

// store ends the preparation: the patched graph and the move to ready are one transaction.
func (p *preparation) store(tx *ledger.Tx, x ledger.Execution) error {
	if err := p.prepared.store(tx, x); err != nil {
		return err
	}
	_, err := tx.Move(x, ledger.EventPrepared, ledger.Step{
		Actor: provenance.ActorExecution, Claim: &p.unit.claim,
		Extra: map[string]any{"graph_sha256": p.prepared.sha256, "datasets": p.manifest.Datasets},
	})
	return err
}
