package profiles

import (
	"encoding/json"
	"fmt"
)

// Kinds of Deployment.Kind.
const (
	KindRestRemote  = "rest_remote"  // a DALiuGE data island manager, over REST
	KindSlurmRemote = "slurm_remote" // a Slurm cluster, over SSH
	KindLocal       = "local"        // this machine
)

// Deployment is the place a run goes to. Exactly the member that Kind names is set. In JSON the
// member's keys stand beside "kind".
type Deployment struct {
	Kind  string
	Rest  *RestRemote
	Slurm *SlurmRemote
	Local *Local
}

// MarshalJSON writes kind and the keys of the member in one flat object.
func (d Deployment) MarshalJSON() ([]byte, error) {
	switch d.Kind {
	case KindRestRemote:
		return json.Marshal(struct {
			Kind string `json:"kind"`
			*RestRemote
		}{d.Kind, d.Rest})
	case KindSlurmRemote:
		return json.Marshal(struct {
			Kind string `json:"kind"`
			*SlurmRemote
		}{d.Kind, d.Slurm})
	case KindLocal:
		return json.Marshal(struct {
			Kind string `json:"kind"`
			*Local
		}{d.Kind, d.Local})
	}
	return nil, fmt.Errorf("deployment.kind %q is none of %s, %s, %s", d.Kind, KindRestRemote, KindSlurmRemote, KindLocal)
}

// UnmarshalJSON reads what MarshalJSON wrote. It checks nothing else; a file from outside is read by Load.
func (d *Deployment) UnmarshalJSON(b []byte) error {
	var tag struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(b, &tag); err != nil {
		return err
	}
	*d = Deployment{Kind: tag.Kind}
	switch tag.Kind {
	case KindRestRemote:
		d.Rest = newRestRemote()
		return json.Unmarshal(b, d.Rest)
	case KindSlurmRemote:
		d.Slurm = newSlurmRemote()
		return json.Unmarshal(b, d.Slurm)
	case KindLocal:
		d.Local = newLocal()
		return json.Unmarshal(b, d.Local)
	}
	return fmt.Errorf("deployment.kind %q is none of %s, %s, %s", tag.Kind, KindRestRemote, KindSlurmRemote, KindLocal)
}

// RestRemote is a DALiuGE data island manager (DIM) reached over REST.
type RestRemote struct {
	DIMHostForTM string `json:"dim_host_for_tm"` // the DIM as the translator manager sees it
	DIMPortForTM int    `json:"dim_port_for_tm"`
	DeployHost   string `json:"deploy_host"` // the DIM as we see it
	DeployPort   int    `json:"deploy_port"`
	UseHTTPS     bool   `json:"use_https"`
	VerifySSL    bool   `json:"verify_ssl"`
}

func newRestRemote() *RestRemote {
	return &RestRemote{DIMHostForTM: "localhost", DIMPortForTM: 8001, DeployPort: 8001, VerifySSL: true}
}

// Local is this machine: runs are done by this binary, without DALiuGE and without Slurm.
type Local struct {
	// WorkDir holds one folder per run: absolute, or relative to the ledger's folder. Empty means
	// the folder "runs" beside the ledger.
	WorkDir string `json:"work_dir"`
	// Parallelism is how many drops of one run may work at a time, 1 to 1024.
	Parallelism int `json:"parallelism"`
	// Environment is the allow-list: the names of the variables that a run inherits, nothing else.
	Environment []string `json:"environment"`
	// MaxLogBytes bounds what is kept of each drop's output, 1 KiB to 1 GiB.
	MaxLogBytes int64 `json:"max_log_bytes"`
	// TimeLimitMinutes ends a run that takes longer; nil means no limit.
	TimeLimitMinutes *int `json:"time_limit_minutes,omitempty"`
}

// Defaults of Local.
const (
	DefaultParallelism = 2
	DefaultMaxLogBytes = 1 << 20
)

func newLocal() *Local {
	return &Local{
		Parallelism: DefaultParallelism,
		Environment: []string{"PATH", "HOME", "LANG", "TMPDIR"},
		MaxLogBytes: DefaultMaxLogBytes,
	}
}
