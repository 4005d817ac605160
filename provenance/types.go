package provenance

// Event types. An execution's transition is "execution." + the event of the state machine's table,
// with from, to, attempt and why in its payload. A fact that is observed again and again is an event once,
// when it changes. Where the predecessor had another name:
//
//	the predecessor's                                   here
//	discovery.changed, .unchanged, .error               the same
//	discovery.timeout                                   discovery.error, with the cause in its payload
//	discovery.tap_skipped                               none: nothing is skipped without asking
//	execution.created, .automated_admitted              execution.created; its actor says who: system:admission or a person
//	execution.execute_started                           execution.prepare
//	execution.submission_recorded, .awaiting_scheduler  execution.submit (the intent), then execution.accepted (the receipt)
//	execution.running                                   execution.started
//	execution.submission_uncertain                      execution.lost
//	execution.submission_abandoned                      execution.abandoned, by a person, after execution.fenced
//	execution.submission_detected_after_abandonment     none: the attempt was fenced before, so that it cannot begin
//	execution.not_submitted                             execution.refused, or execution.fail
//	execution.reconciliation_mismatch                   execution.observed: what is outside differs and moves nothing;
//	                                                    ledger.adopted counts what a ledger did not know
//	execution.completed, .failed, .cancelled            execution.verified; execution.fail; execution.cancel or .stopped
//	execution.outputs_verified                          execution.finished, then execution.verified
//	execution.retry_requested                           execution.retry
//	config.activated                                    the same
//	alert.fired, alert.delivery_failed                  none yet: there are no alerts
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

	DaemonLeads = "daemon.leads" // a daemon began to act: where, as which process, of which version
	DaemonEnded = "daemon.ended" // it stopped by itself; one that was killed leaves no such event

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
