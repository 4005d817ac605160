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
	Datasets
	Executions
	Ticks
	Graphs
	Archives
	Traces
	Outputs
	Adopting
	Verifying
	Exports
	Upkeep
	// Plan says what the next ticks would do, and does none of it. Project "" means all of them.
	Plan(ctx context.Context, project string) (Plan, error)
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
	// ReleaseProject lets a project admit again that the mass-change brake stopped.
	ReleaseProject(ctx context.Context, project, reason string) (ProjectStatus, error)
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
	ReviewSources(ctx context.Context, project string) (Review, error)
	DiscoverSources(ctx context.Context, q SourceSelection) (DiscoverReport, error)
	EnableSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
	DisableSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
	RemoveSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
	BaselineSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
	ReleaseSources(ctx context.Context, q SourceSelection) (SourceChanges, error)
	AcceptMissing(ctx context.Context, q SourceSelection) (SourceChanges, error)
	SetCadence(ctx context.Context, q CadenceRequest) (SourceChanges, error)
}

// Datasets is what keeps bad data out of runs. What is excluded stays stored.
type Datasets interface {
	ExcludeDatasets(ctx context.Context, q DatasetSelection) (DatasetChanges, error)
	IncludeDatasets(ctx context.Context, q DatasetSelection) (DatasetChanges, error)
	ListExclusions(ctx context.Context, q ExclusionQuery) (ExclusionList, error)
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
	ListTicks(ctx context.Context, q TickQuery) (TickList, error)
	ShowTick(ctx context.Context, id int64) (TickDetail, error)
}

// Graphs prepares and compares graphs without running them.
type Graphs interface {
	PrepareGraph(ctx context.Context, q GraphRequest) (PreparedGraph, error)
	DiffGraph(ctx context.Context, q GraphDiffRequest) (GraphDifference, error)
}

// Archives asks an archive by hand, so that an operator sees what it really says.
type Archives interface {
	// QueryArchive asks one query and writes the answer to w as it comes, as a VOTable in TABLEDATA: its
	// QUERY_STATUS says OVERFLOW where the archive cut it, and ERROR where it broke off, which is the
	// error as well. Nothing is written where the archive gave no rows and no columns.
	QueryArchive(ctx context.Context, q ArchiveQuery, w io.Writer) (ArchiveAnswer, error)
	ArchiveCapabilities(ctx context.Context, q ArchiveRef) (ArchiveCapabilities, error)
	// ArchiveTables lists the tables of an archive; with a name only that one, with its columns.
	ArchiveTables(ctx context.Context, q ArchiveRef, table string) (ArchiveTables, error)
	ArchiveJobs(ctx context.Context, q ArchiveRef) (ArchiveJobs, error)
	// AbortArchiveJob stops a job on its server and forgets it here.
	AbortArchiveJob(ctx context.Context, q ArchiveRef, url string) (ArchiveJobs, error)
}
