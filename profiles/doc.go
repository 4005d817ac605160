// Package profiles reads deployment profiles: where and how the runs of a survey go.
//
// A profile is a JSON document. Its form is the one of the predecessor (kinds rest_remote and
// slurm_remote), plus the kind local, which is ours. Reading is strict: an unknown key, a wrong type
// or a value out of range is an error that names the file, the line and the key.
//
//	p, err := profiles.Load(raw, "slurm-remote.json")
//	if err == nil {
//		err = p.Built() // can this build submit to it?
//	}
package profiles
