package configs

import "time"

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
	// MassChange and QuarantineAfter, extension keys, are read through MassChangeLimit and QuarantineLimit.
	MassChange      *MassChange `json:"mass_change,omitempty"`
	QuarantineAfter *int        `json:"quarantine_after,omitempty"`
}

// MassChange is what one tick may mark as changed before an operator is asked: it brakes when more than
// Sources sources and more than Percent of the project's changed. Sources 0 switches the brake off.
type MassChange struct {
	Sources int     `json:"sources"`
	Percent float64 `json:"percent"`
}

// newMassChange is what holds without a mass_change block, and for each key that one leaves out.
func newMassChange() MassChange { return MassChange{Sources: 20, Percent: 5} }

// MassChangeLimit gives the mass-change brake: it holds when a tick marks more than so many sources and
// more than so many percent of the project. 20 and 5 without the key; sources 0: no brake.
func (d DiscoveryAutomation) MassChangeLimit() (sources int, percent float64) {
	m := newMassChange()
	if d.MassChange != nil {
		m = *d.MassChange
	}
	return m.Sources, m.Percent
}

const defaultQuarantineAfter = 10

// QuarantineLimit gives after how many refusals in a row a source is set aside; 10 without the key, 0
// is never.
func (d DiscoveryAutomation) QuarantineLimit() int {
	return orDefault(d.QuarantineAfter, defaultQuarantineAfter)
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
	// SettleHours, extension key, is read through Settle.
	SettleHours *float64 `json:"settle_hours,omitempty"`
}

const (
	defaultSettle  = 6 * time.Hour
	maxSettleHours = 720
)

// Settle gives how long a signature must have held before its source may run: two equal ones at least
// so far apart. 6 h without the key; 0: at once.
func (e ExecutionAutomation) Settle() time.Duration {
	if e.SettleHours == nil {
		return defaultSettle
	}
	return time.Duration(*e.SettleHours * float64(time.Hour))
}

func orDefault[T any](v *T, otherwise T) T {
	if v == nil {
		return otherwise
	}
	return *v
}
