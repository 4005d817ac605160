// Package control is everything that an operator can do or ask, as one Go interface with plain
// requests and answers. The command line prints what it answers; the HTTP API will serve it.
package control

import (
	"context"
	"io"
)

// Control is implemented by Local (on a ledger file). Every answer carries the time at which it was
// made, so that ages are computed from the answer and not from the reader's clock. Reasons and the
// actor are recorded with what they change.
type Control interface {
	Projects
	Profiles
	Sources
	Executions
	Ticks
	Graphs
	Timeline(ctx context.Context, q TimelineRequest) (Timeline, error)
	Health(ctx context.Context) (Health, error)
}

// Projects is what can be done with survey configs.
type Projects interface {
	ValidateProject(ctx context.Context, f ProjectFile) (ProjectReport, error)
	AddProject(ctx context.Context, f ProjectFile) (ProjectAdded, error)
	ExplainProject(ctx context.Context, q ExplainRequest) (Explanation, error)
	DiffProject(ctx context.Context, f ProjectFile) (ProjectDiff, error)
	UpgradeProject(ctx context.Context, f ProjectFile) (Upgrade, error)
	StartProject(ctx context.Context, project, reason string) (ProjectStatus, error)
	PauseProject(ctx context.Context, project, reason string) (ProjectStatus, error)
	ListProjects(ctx context.Context) (ProjectList, error)
	ShowProject(ctx context.Context, project string) (ProjectDetail, error)
}

// Profiles is what can be done with deployment profiles.
type Profiles interface {
	AddProfile(ctx context.Context, f ProfileFile) (ProfileAdded, error)
	ValidateProfile(ctx context.Context, f ProfileFile) (ProfileReport, error)
	RenderProfile(ctx context.Context, name string) (ProfileRendered, error)
	ListProfiles(ctx context.Context) (ProfileList, error)
	ShowProfile(ctx context.Context, name string) (ProfileDetail, error)
}

// Sources is what can be done with registered sky objects.
type Sources interface {
	AddSources(ctx context.Context, project string, identifiers []string) (ImportReport, error)
	ImportSources(ctx context.Context, q ImportRequest) (ImportReport, error)
	ListSources(ctx context.Context, q SourceQuery) (SourceList, error)
	ShowSource(ctx context.Context, project, identifier string) (SourceDetail, error)
	WhySource(ctx context.Context, project, identifier string) (SourceWhy, error)
	DiscoverSources(ctx context.Context, q SourceSelection) (DiscoverReport, error)
	EnableSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
	DisableSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
	RemoveSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
	BaselineSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
}

// Executions is what can be done with runs. An id may be given in part.
type Executions interface {
	CreateExecution(ctx context.Context, q CreateRequest) (Created, error)
	ListExecutions(ctx context.Context, q ExecutionQuery) (ExecutionList, error)
	ShowExecution(ctx context.Context, id string) (ExecutionDetail, error)
	WhyExecution(ctx context.Context, id string) (ExecutionWhy, error)
	HoldExecution(ctx context.Context, id, reason string) (ExecutionChange, error)
	ReleaseExecution(ctx context.Context, id, reason string) (ExecutionChange, error)
	CancelExecution(ctx context.Context, id, reason string, requeue bool) (ExecutionChange, error)
	RetryExecution(ctx context.Context, id, reason string) (ExecutionChange, error)
	// Artifact copies an execution's newest artifact of a kind (manifest, patched_graph, products).
	Artifact(ctx context.Context, id, kind string, w io.Writer) error
}

// Ticks runs one tick by hand, beside a daemon or without one. Project "" means all of them.
type Ticks interface {
	TickDiscovery(ctx context.Context, project string) (DiscoveryTicks, error)
	TickExecution(ctx context.Context, project string, hold bool) (ExecutionTicks, error)
	TickPoll(ctx context.Context) (PollTick, error)
}

// Graphs prepares and compares graphs without running them.
type Graphs interface {
	PrepareGraph(ctx context.Context, q GraphRequest) (PreparedGraph, error)
	DiffGraph(ctx context.Context, q GraphDiffRequest) (GraphDifference, error)
}
