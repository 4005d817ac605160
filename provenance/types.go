package provenance

// Event types. An execution's transition is "execution." + the event of the state machine's table,
// with from, to, attempt and why in its payload.
const (
	ProjectAdded     = "config.activated"
	ProjectStarted   = "project.started"
	ProjectPaused    = "project.paused"
	ProfileAdded     = "profile.activated"
	SourceRegistered = "source.registered"
	SourceEnabled    = "source.enabled"
	SourceDisabled   = "source.disabled"
	SourceRemoved    = "source.removed"
	SourceBaselined  = "source.baselined"

	SourceDiscoveryRequested = "source.discovery_requested"

	DiscoveryChanged   = "discovery.changed"
	DiscoveryUnchanged = "discovery.unchanged" // only when it ends another outcome
	DiscoveryResigned  = "discovery.resigned"
	DiscoveryNoData    = "discovery.no_data"
	DiscoveryMissing   = "discovery.missing"
	DiscoveryAmbiguous = "discovery.ambiguous"
	DiscoveryError     = "discovery.error"
	DiscoveryColumns   = "discovery.new_columns"

	ExecutionCreated      = "execution.created"
	ExecutionHeld         = "execution.held"
	ExecutionReleased     = "execution.released"
	ExecutionCancelWanted = "execution.cancel_wanted"
	ExecutionObserved     = "execution.observed"
	ExecutionFenced       = "execution.fenced"
	ExecutionStaging      = "execution.staging"

	ScheduleReason = "schedule.reason"
)

// Actors of the system itself. A person is "user:<name>".
const (
	ActorDiscovery = "system:discovery"
	ActorAdmission = "system:admission"
	ActorExecution = "system:execution"
	ActorPoll      = "system:poll"
	ActorDaemon    = "system:daemon"
)
