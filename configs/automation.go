package configs

// Automation says how much happens without anyone watching. A nil limit is left to the process
// settings, or is no limit of the project's own.
type Automation struct {
	Execution ExecutionAutomation `json:"execution"`
	Discovery DiscoveryAutomation `json:"discovery"`
}

// DiscoveryAutomation bounds the discovery tick.
type DiscoveryAutomation struct {
	Enabled                       bool `json:"enabled"`
	TickDiscoverySourceLimit      int  `json:"tick_discovery_source_limit"` // sources claimed per tick
	BatchSize                     int  `json:"batch_size"`                  // sources per batch
	StaleAfterHours               int  `json:"stale_after_hours"`           // a source older than this is asked again
	ClaimTTLMinutes               int  `json:"claim_ttl_minutes"`
	QueueMaxDepth                 *int `json:"queue_max_depth,omitempty"`
	TickDiscoveryBatchLimit       *int `json:"tick_discovery_batch_limit,omitempty"`
	ConcurrentDiscoveryBatchLimit *int `json:"concurrent_discovery_batch_limit,omitempty"`
	// Schedule, extension key, is when the tick comes, see ParseSchedule; nil is the daemon's default.
	Schedule *string `json:"schedule,omitempty"`
}

// ExecutionAutomation bounds the admission tick and the polls that follow.
type ExecutionAutomation struct {
	Enabled                     bool    `json:"enabled"`
	ArchiveName                 string  `json:"archive_name"`                // "casda": the datasets are staged by CASDA
	MaxSourcesPerExecution      int     `json:"max_sources_per_execution"`   // also bounds executions made by hand
	TickExecutionSourceLimit    int     `json:"tick_execution_source_limit"` // sources admitted per tick
	TickExecutionRunLimit       int     `json:"tick_execution_run_limit"`    // executions made per tick
	MinSourcesToTrigger         int     `json:"min_sources_to_trigger"`
	MaxWaitMinutes              int     `json:"max_wait_minutes"` // overrides MinSourcesToTrigger for the oldest pending source
	ClaimTTLMinutes             int     `json:"claim_ttl_minutes"`
	ConcurrentExecutionRunLimit *int    `json:"concurrent_execution_run_limit,omitempty"` // in flight at a time
	DeploymentProfileName       *string `json:"deployment_profile_name,omitempty"`        // nil: the project's default, else the global one
	SlurmRemotePollMaxRounds    int     `json:"execution_slurm_remote_poll_max_rounds"`
	RestRemotePollMaxRounds     int     `json:"execution_rest_remote_poll_max_rounds"`
	RestRemotePollIntervalSecs  float64 `json:"execution_rest_remote_poll_interval_seconds"`
	SlurmRemotePollIntervalSecs float64 `json:"execution_slurm_remote_poll_interval_seconds"` // at least 5 in effect
	// Schedule, extension key, is when the tick comes, see ParseSchedule; nil is the daemon's default.
	Schedule *string `json:"schedule,omitempty"`
}
