package provenance

// Event types. An execution's transition is "execution." + the event of the state machine's table,
// with from, to, attempt and why in its payload.
const (
	ProjectAdded     = "config.activated"
	ProjectStarted   = "project.started"
	ProjectPaused    = "project.paused"
	ProjectBraked    = "project.braked" // admission stopped: too much changed at once
	ProfileAdded     = "profile.activated"
	SourceRegistered = "source.registered"
	SourceEnabled    = "source.enabled"
	SourceDisabled   = "source.disabled"
	SourceRemoved    = "source.removed"
	SourceBaselined  = "source.baselined"

	ProjectBrakeReleased     = "project.brake_released"
	SourceDiscoveryRequested = "source.discovery_requested"
	SourceQuarantined        = "source.quarantined" // its answers could not be used too often
	SourceReleased           = "source.released"    // from quarantine
	SourceCadence            = "source.cadence"
	SourceMissingAccepted    = "source.missing_accepted" // the wish; discovery.gone when it is so

	DatasetExcluded = "dataset.excluded"
	DatasetIncluded = "dataset.included"

	DiscoveryChanged   = "discovery.changed"
	DiscoveryUnchanged = "discovery.unchanged" // only when it ends another outcome
	DiscoveryResigned  = "discovery.resigned"
	DiscoveryNoData    = "discovery.no_data"
	DiscoveryMissing   = "discovery.missing"
	DiscoveryGone      = "discovery.gone"    // what was missing is accepted as gone
	DiscoveryRefused   = "discovery.refused" // asked, and the answer cannot be used
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

	ProductWithdrawn = "product.withdrawn" // it came of bad data
	ProductRestored  = "product.restored"  // a withdrawal was taken back

	ScheduleReason = "schedule.reason"

	LedgerAdopted  = "ledger.adopted"  // it acts from another machine or file now, or after it was restored
	LedgerRestored = "ledger.restored" // a copy that was made earlier was put back
	LedgerPruned   = "ledger.pruned"   // histories were deleted: what, how many, and where they were archived
	RetentionSet   = "ledger.retention_set"
)

// Actors of the system itself. A person is "user:<name>".
const (
	ActorDiscovery = "system:discovery"
	ActorAdmission = "system:admission"
	ActorExecution = "system:execution"
	ActorPoll      = "system:poll"
	ActorDaemon    = "system:daemon"
	ActorRetention = "system:retention"
)
