package profiles

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"beampipe/fault"
)

// Profile says where and how runs are done. A Profile that Load gave has every default filled in.
type Profile struct {
	// Name is 1 to 50 letters, digits, dots, underscores and dashes.
	Name        string  `json:"name"`
	Description *string `json:"description,omitempty"`
	// ProjectModule is the project that may use the profile; nil means every project may.
	ProjectModule *string `json:"project_module,omitempty"`
	// IsDefault marks the profile taken when a project names none: one per project and one for all.
	IsDefault bool `json:"is_default"`
	// MaxConcurrent bounds the runs in flight on this profile; nil means no bound of its own.
	MaxConcurrent *int        `json:"max_concurrent_executions,omitempty"`
	Translation   Translation `json:"translation"`
	Deployment    Deployment  `json:"deployment"`
}

// Translation says how a logical graph becomes a physical one. The local kind does not use it.
type Translation struct {
	Algo       string `json:"algo"`        // metis or mysarkar
	NumPar     int    `json:"num_par"`     // partitions, at least 1
	NumIslands int    `json:"num_islands"` // data islands, at least 0; sent as at least 1
	TMURL      string `json:"tm_url"`      // the translator manager, http or https
}

// Algorithms of Translation.Algo.
const (
	AlgoMetis    = "metis"
	AlgoMySarkar = "mysarkar"
)

// DefaultTMURL is the translator manager of a profile that names none.
const DefaultTMURL = "http://localhost:9000"

func newProfile() *Profile {
	return &Profile{Translation: Translation{Algo: AlgoMetis, NumPar: 1, TMURL: DefaultTMURL}}
}

// Canonical gives the profile as JSON with sorted keys, every default filled in, absent options left
// out and no HTML escaping: the same profile gives the same bytes.
func (p *Profile) Canonical() []byte {
	b, err := canonical(p)
	if err != nil {
		panic(fmt.Sprintf("profiles: a profile cannot be written as JSON: %v", err)) // no field can fail
	}
	return b
}

func canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	tree, err := decodeAny(raw)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

func decodeAny(raw []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var tree any
	err := dec.Decode(&tree)
	return tree, err
}

// Digest is the SHA-256 of Canonical in hexadecimal.
func (p *Profile) Digest() string {
	sum := sha256.Sum256(p.Canonical())
	return hex.EncodeToString(sum[:])
}

// FromCanonical reads back what Canonical gave. It is as strict as Load.
func FromCanonical(b []byte) (*Profile, error) {
	p, err := Load(b, "stored profile")
	return p, fault.Wrap(fault.Invalid, err, "read a stored profile", "the ledger may be damaged: beampipe ledger check")
}

// Built reports whether this build can submit to the profile: nil for kind local, else a
// fault.Invalid that names the kind. A profile of another kind can be stored and shown.
func (p *Profile) Built() error {
	if p.Deployment.Kind == KindLocal {
		return nil
	}
	return fault.New(fault.Invalid,
		fmt.Sprintf("unsupported: deployment.kind %s is not built yet (profile %q)", p.Deployment.Kind, p.Name),
		`use a profile with deployment.kind "local", or hold the executions at ready until this build can submit to it`)
}

// Target names the place that the profile submits to, the same for every profile that leads there:
// "local:<work_dir>", "dim:<deploy_host>:<port>" or "slurm:<user>@<login_node>:<port>". Without
// remote_user the Slurm form has no "<user>@".
func (p *Profile) Target() string {
	d := p.Deployment
	switch {
	case d.Local != nil:
		return "local:" + d.Local.WorkDir
	case d.Rest != nil:
		return fmt.Sprintf("dim:%s:%d", d.Rest.DeployHost, d.Rest.DeployPort)
	case d.Slurm != nil:
		user := ""
		if d.Slurm.RemoteUser != nil {
			user = *d.Slurm.RemoteUser + "@"
		}
		return fmt.Sprintf("slurm:%s%s:%d", user, d.Slurm.LoginNode, d.Slurm.SSHPort)
	}
	return d.Kind + ":"
}
