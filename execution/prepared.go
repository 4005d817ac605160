package execution

import (
	"time"

	"github.com/google/uuid"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/graph"
)

// PrepareGraph makes the graph that a run submits: rawGraph held against the project's pin, with the
// manifest's patches applied and the manifest embedded. The same arguments give the same bytes: the id
// and the time inside derive from the execution. changes lists the patched fields.
func PrepareGraph(cfg *configs.Project, rawGraph []byte, m Manifest, executionID string, createdAt time.Time) (patched []byte, changes []graph.Change, err error) {
	if cfg.Graph != nil && cfg.Graph.SHA256 != "" {
		if err := graph.Verify(rawGraph, cfg.Graph.SHA256, cfg.Metadata.ID); err != nil {
			return nil, nil, err
		}
	}
	g, err := graph.Parse(rawGraph, cfg.Metadata.ID)
	if err != nil {
		return nil, nil, err
	}
	if changes, err = g.Patch(m.Patches); err != nil {
		return nil, nil, err
	}
	if err := inject(cfg, g, m, executionID, createdAt); err != nil {
		return nil, nil, err
	}
	return g.Encode(), changes, nil
}

// inject embeds the manifest, unless the project's graph takes none.
func inject(cfg *configs.Project, g *graph.Graph, m Manifest, executionID string, createdAt time.Time) error {
	if cfg.Graph == nil {
		return fault.New(fault.Invalid, "project "+cfg.Metadata.ID+" has no graph", "add graph.url or graph.path to the project, then: beampipe project add")
	}
	if cfg.Graph.Manifest == configs.ManifestNone {
		return nil
	}
	return g.Inject(graph.Injection{
		ConfigID: ConfigID(executionID), Manifest: m.Embedded, At: createdAt, Name: configName(executionID),
	})
}

// configName names that configuration, for people.
func configName(executionID string) string { return "beampipe " + executionID }

// ConfigID is the id of the graph configuration that carries an execution's manifest: a UUIDv5 made
// from the execution's id.
func ConfigID(executionID string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("beampipe graph configuration "+executionID)).String()
}
