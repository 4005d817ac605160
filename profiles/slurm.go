package profiles

// SlurmRemote is a Slurm cluster reached over SSH.
type SlurmRemote struct {
	LoginNode string `json:"login_node"`
	SSHPort   int    `json:"ssh_port"`
	// RemoteUser is who logs in. nil leaves it to the process settings; it is never root by default.
	RemoteUser *string `json:"remote_user,omitempty"`
	// SSHCredential names a credential slot; the key itself is never in a profile.
	SSHCredential *string `json:"ssh_credential,omitempty"`
	Account       string  `json:"account"`
	HomeDir       string  `json:"home_dir"` // absolute, on the cluster; so are the next two
	LogDir        string  `json:"log_dir"`
	DlgRoot       string  `json:"dlg_root"` // never "/"
	ExecPrefix    string  `json:"exec_prefix"`
	Facility      string  `json:"facility"` // the facility name DALiuGE knows
	// Modules, Venv and EnvironmentSetup are shell lines run as they are on the cluster.
	Modules          *string `json:"modules,omitempty"`
	Venv             *string `json:"venv,omitempty"`
	EnvironmentSetup *string `json:"environment_setup,omitempty"`
	// JobDurationMinutes, NumNodes and NumIslands are what Resources and ManagerTopology fall back
	// on: read WallTimeMinutes, Nodes and Islands instead.
	JobDurationMinutes int             `json:"job_duration_minutes"`
	NumNodes           int             `json:"num_nodes"`
	NumIslands         int             `json:"num_islands"`
	Resources          Resources       `json:"resources"`
	ManagerTopology    ManagerTopology `json:"manager_topology"`
	VerboseLevel       int             `json:"verbose_level"`
	MaxThreads         int             `json:"max_threads"`
	AllNICs            bool            `json:"all_nics"`
	// ZeroRun, SleepNCopy, CheckWithSession and ContainerRuntime are accepted and not used.
	ZeroRun          bool    `json:"zerorun"`
	SleepNCopy       bool    `json:"sleepncopy"`
	CheckWithSession bool    `json:"check_with_session"`
	ContainerRuntime *string `json:"container_runtime,omitempty"`
	VerifySSL        bool    `json:"verify_ssl"` // TLS to the translator manager
	// SlurmTemplate is the text of a job script template, uploaded beside the graph.
	SlurmTemplate *string `json:"slurm_template,omitempty"`
}

// Resources is what sbatch is asked for. nil leaves the choice to the cluster, or to the fallback
// that the method of the same name on SlurmRemote gives.
type Resources struct {
	WallTime         *int    `json:"wall_time_minutes,omitempty"`
	Nodes            *int    `json:"nodes,omitempty"`
	Tasks            *int    `json:"tasks,omitempty"`
	CPUsPerTask      *int    `json:"cpus_per_task,omitempty"`
	Partition        *string `json:"partition,omitempty"`
	Memory           *string `json:"memory,omitempty"`
	Constraint       *string `json:"constraint,omitempty"`
	QualityOfService *string `json:"quality_of_service,omitempty"`
}

// ManagerTopology says how DALiuGE's managers are spread. Only Islands is used.
type ManagerTopology struct {
	Islands   *int `json:"islands,omitempty"`
	Nodes     *int `json:"nodes,omitempty"`
	CoHostDIM bool `json:"co_host_dim"`
}

func newSlurmRemote() *SlurmRemote {
	return &SlurmRemote{
		SSHPort: 22, ExecPrefix: "srun -l", Facility: "setonix",
		JobDurationMinutes: 30, NumNodes: 1, NumIslands: 1, VerboseLevel: 1, VerifySSL: true,
	}
}

// WallTimeMinutes is the time asked for: resources.wall_time_minutes, else job_duration_minutes.
func (s *SlurmRemote) WallTimeMinutes() int {
	return orElse(s.Resources.WallTime, s.JobDurationMinutes)
}

// Nodes is the number of nodes asked for: resources.nodes, else num_nodes.
func (s *SlurmRemote) Nodes() int { return orElse(s.Resources.Nodes, s.NumNodes) }

// Islands is the number of data islands: manager_topology.islands, else num_islands.
func (s *SlurmRemote) Islands() int { return orElse(s.ManagerTopology.Islands, s.NumIslands) }

func orElse(v *int, fallback int) int {
	if v != nil {
		return *v
	}
	return fallback
}
