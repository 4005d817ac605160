package profiles

import (
	"errors"
	"fmt"
	"math"

	"beampipe/fault"
)

// MaxFileBytes bounds a profile file.
const MaxFileBytes = 256 << 10

// Load reads a profile from a JSON file's bytes; file is its name for messages. Every problem found
// is in one fault.Invalid error, each with file, line, column, key and what was expected.
func Load(raw []byte, file string) (*Profile, error) {
	if len(raw) > MaxFileBytes {
		return nil, fault.New(fault.Invalid,
			fmt.Sprintf("load profile %s: %d bytes, expected at most %d", file, len(raw), MaxFileBytes),
			"give a deployment profile, a small JSON document")
	}
	r := &reader{file: file, raw: raw}
	root, err := parseTree(raw)
	if err != nil {
		var syntax *syntaxError
		if errors.As(err, &syntax) {
			r.problem(syntax.offset, "", syntax.text)
		}
		return nil, r.err()
	}
	p := r.profile(root)
	if err := r.err(); err != nil {
		return nil, err
	}
	return p, nil
}

func (r *reader) profile(root *node) *Profile {
	p := newProfile()
	o := r.object(root, "")
	o.needText("name", &p.Name, aName)
	o.optionalText("description", &p.Description, anyText)
	o.optionalText("project_module", &p.ProjectModule, aWord)
	o.boolean("is_default", &p.IsDefault)
	o.optionalInteger("max_concurrent_executions", &p.MaxConcurrent, 1, math.MaxInt32)

	t := o.child("translation")
	t.text("algo", &p.Translation.Algo, anAlgorithm)
	t.integer("num_par", &p.Translation.NumPar, 1, math.MaxInt32)
	t.integer("num_islands", &p.Translation.NumIslands, 0, math.MaxInt32)
	t.text("tm_url", &p.Translation.TMURL, aURL)
	t.done()

	if n := o.get("deployment"); n == nil {
		o.missing("deployment", "an object with kind "+kinds)
	} else if root.object {
		p.Deployment = r.deployment(n)
	}
	o.done()
	return p
}

const kinds = KindRestRemote + ", " + KindSlurmRemote + " or " + KindLocal

func (r *reader) deployment(n *node) Deployment {
	o := r.object(n, "deployment")
	if !n.object {
		return Deployment{}
	}
	var kind string
	o.needText("kind", &kind, rule{"one of " + kinds, func(s string) bool {
		return s == KindRestRemote || s == KindSlurmRemote || s == KindLocal
	}})
	d := Deployment{Kind: kind}
	switch kind {
	case KindRestRemote:
		d.Rest = restRemote(o)
	case KindSlurmRemote:
		d.Slurm = slurmRemote(o)
	case KindLocal:
		d.Local = local(o)
	default:
		return d // which keys are known depends on the kind
	}
	o.done()
	return d
}

const maxPort = 65535

func restRemote(o *object) *RestRemote {
	d := newRestRemote()
	o.text("dim_host_for_tm", &d.DIMHostForTM, aHost)
	o.integer("dim_port_for_tm", &d.DIMPortForTM, 1, maxPort)
	o.needText("deploy_host", &d.DeployHost, aHost)
	o.integer("deploy_port", &d.DeployPort, 1, maxPort)
	o.boolean("use_https", &d.UseHTTPS)
	o.boolean("verify_ssl", &d.VerifySSL)
	return d
}

func slurmRemote(o *object) *SlurmRemote {
	d := newSlurmRemote()
	o.needText("login_node", &d.LoginNode, aHost)
	o.integer("ssh_port", &d.SSHPort, 1, maxPort)
	o.optionalText("remote_user", &d.RemoteUser, aUser)
	o.optionalText("ssh_credential", &d.SSHCredential, aSlot)
	o.needText("account", &d.Account, aWord)
	o.needText("home_dir", &d.HomeDir, aPath)
	o.needText("log_dir", &d.LogDir, aPath)
	o.needText("dlg_root", &d.DlgRoot, aPathBelowRoot)
	o.text("exec_prefix", &d.ExecPrefix, oneLine)
	o.text("facility", &d.Facility, aWord)
	o.optionalText("modules", &d.Modules, anyText)
	o.optionalText("venv", &d.Venv, anyText)
	o.optionalText("environment_setup", &d.EnvironmentSetup, anyText)
	o.integer("job_duration_minutes", &d.JobDurationMinutes, 1, maxMinutes)
	o.integer("num_nodes", &d.NumNodes, 1, math.MaxInt32)
	o.integer("num_islands", &d.NumIslands, 1, math.MaxInt32)
	slurmResources(o.child("resources"), &d.Resources)
	slurmTopology(o.child("manager_topology"), &d.ManagerTopology)
	o.integer("verbose_level", &d.VerboseLevel, 0, math.MaxInt32)
	o.integer("max_threads", &d.MaxThreads, 0, math.MaxInt32)
	o.boolean("all_nics", &d.AllNICs)
	o.boolean("zerorun", &d.ZeroRun)
	o.boolean("sleepncopy", &d.SleepNCopy)
	o.boolean("check_with_session", &d.CheckWithSession)
	o.optionalText("container_runtime", &d.ContainerRuntime, oneLine)
	o.boolean("verify_ssl", &d.VerifySSL)
	o.optionalText("slurm_template", &d.SlurmTemplate, anyText)
	return d
}

func slurmResources(o *object, d *Resources) {
	o.optionalInteger("wall_time_minutes", &d.WallTime, 1, maxMinutes)
	o.optionalInteger("nodes", &d.Nodes, 1, math.MaxInt32)
	o.optionalInteger("tasks", &d.Tasks, 1, math.MaxInt32)
	o.optionalInteger("cpus_per_task", &d.CPUsPerTask, 1, math.MaxInt32)
	o.optionalText("partition", &d.Partition, aWord)
	o.optionalText("memory", &d.Memory, aWord)
	o.optionalText("constraint", &d.Constraint, aWord)
	o.optionalText("quality_of_service", &d.QualityOfService, aWord)
	o.done()
}

func slurmTopology(o *object, d *ManagerTopology) {
	o.optionalInteger("islands", &d.Islands, 1, math.MaxInt32)
	o.optionalInteger("nodes", &d.Nodes, 1, math.MaxInt32)
	o.boolean("co_host_dim", &d.CoHostDIM)
	o.done()
}

// Limits of the local kind.
const (
	maxParallelism = 1024
	minLogBytes    = 1 << 10
	maxLogBytes    = 1 << 30
	maxVariables   = 256
	maxMinutes     = 366 * 24 * 60
)

func local(o *object) *Local {
	d := newLocal()
	o.text("work_dir", &d.WorkDir, aWorkDir)
	o.integer("parallelism", &d.Parallelism, 1, maxParallelism)
	o.list("environment", &d.Environment, maxVariables, aVariable)
	if v, ok := o.number("max_log_bytes", minLogBytes, maxLogBytes); ok {
		d.MaxLogBytes = v
	}
	o.optionalInteger("time_limit_minutes", &d.TimeLimitMinutes, 1, maxMinutes)
	return d
}
