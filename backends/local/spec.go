package local

import (
	"fmt"
	"os"
	"slices"
	"time"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/profiles"
)

// Limits of a run.
const (
	maxDrops         = 250_000  // of one unrolled graph
	maxGraphBytes    = 16 << 20 // of the logical graph
	maxManifestBytes = 16 << 20
	maxTries         = 100     // n_tries of an application
	minLogBytes      = 1 << 10 // of one application
	killGrace        = 5 * time.Second
	submitGrace      = 10 * time.Minute // between taking an attempt's folder and noting its process
)

// runSpec is run.json: all that the shim needs to know beside the graph and the manifest.
type runSpec struct {
	ID          string        `json:"id"`
	Execution   string        `json:"execution"`
	Attempt     int           `json:"attempt"`
	Project     string        `json:"project,omitempty"`
	Sources     []string      `json:"sources,omitempty"`
	Root        string        `json:"root"`
	Parallelism int           `json:"parallelism"`
	Environment []string      `json:"environment"`
	MaxLogBytes int64         `json:"max_log_bytes"`
	TimeLimit   time.Duration `json:"time_limit_ns,omitempty"` // 0 = none
	KillGrace   time.Duration `json:"kill_grace_ns"`           // between asking an application to end and killing it
	SubmittedAt time.Time     `json:"submitted_at"`
}

// spec checks a submission and the deployment that it goes to.
func (b *Backend) spec(s backends.Submission) (runSpec, error) {
	if err := backends.CheckAttemptID(s.ID); err != nil {
		return runSpec{}, err
	}
	if want := backends.AttemptID(s.Execution, s.Attempt); s.ID != want {
		return runSpec{}, fault.New(fault.Invalid, fmt.Sprintf("submission %s: its execution and attempt make the id %s", s.ID, want), "")
	}
	if len(s.Manifest) > maxManifestBytes {
		return runSpec{}, fault.New(fault.Invalid, fmt.Sprintf("submission %s: the manifest has %d bytes, more than %d", s.ID, len(s.Manifest), maxManifestBytes), "")
	}
	deployment, err := b.deployment(s)
	if err != nil {
		return runSpec{}, err
	}
	spec := runSpec{
		ID: s.ID, Execution: s.Execution, Attempt: s.Attempt, Project: s.Project, Sources: s.Sources,
		Root: b.o.Root, Parallelism: max(deployment.Parallelism, 1), Environment: slices.Clone(deployment.Environment),
		MaxLogBytes: max(deployment.MaxLogBytes, minLogBytes), KillGrace: killGrace, SubmittedAt: b.o.Now().UTC(),
	}
	if deployment.TimeLimitMinutes != nil {
		spec.TimeLimit = time.Duration(*deployment.TimeLimitMinutes) * time.Minute
	}
	if n := len(record(spec)); n > maxRecordBytes {
		return runSpec{}, fault.New(fault.Invalid, fmt.Sprintf("submission %s: its names make a record of %d bytes, more than %d", s.ID, n, maxRecordBytes), "")
	}
	return spec, nil
}

func (b *Backend) deployment(s backends.Submission) (*profiles.Local, error) {
	switch {
	case s.Profile == nil && b.o.Profile == nil:
		return nil, fault.New(fault.Invalid, fmt.Sprintf("submission %s names no profile", s.ID), "")
	case s.Profile == nil:
		return b.o.Profile, nil
	case s.Profile.Deployment.Local != nil:
		return s.Profile.Deployment.Local, nil
	default:
		return nil, fault.New(fault.Invalid,
			fmt.Sprintf("submission %s: profile %q has deployment.kind %s, expected local", s.ID, s.Profile.Name, s.Profile.Deployment.Kind), "")
	}
}

// environment gives the allowed variables of this process, and those that mark the attempt.
func (r runSpec) environment() []string {
	var env []string
	for _, name := range r.Environment {
		if value, ok := os.LookupEnv(name); ok && name != envSession && name != envRoot && name != envUID {
			env = append(env, name+"="+value)
		}
	}
	return append(env, envSession+"="+r.ID, envRoot+"="+r.Root)
}
