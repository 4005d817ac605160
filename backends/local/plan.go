package local

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"beampipe/fault"
	"beampipe/graph"
)

// Categories of nodes that run here, and the name of the node that takes the manifest.
const (
	categoryBash      = "BashShellApp"
	categoryPyFunc    = "PyFuncApp"
	categoryFile      = "File"
	categoryMemory    = "Memory"
	categoryDirectory = "Directory"
	ingestName        = "beampipe-ingest"
	ingestField       = "manifest_path"
)

const elsewhere = "a one-node DALiuGE runs every kind of node: use a profile with deployment.kind rest_remote, or change the graph"

// notArguments are fields of every application that are no arguments of its command.
var notArguments = []string{
	"command", "dropclass", "execution_time", "num_cpus", "group_start", "group_end", "input_error_threshold", "n_tries",
	"base_name", "log_level", "block_skip", "persist",
}

// plan is an unrolled graph that was checked to run here.
type plan struct {
	spec     runSpec
	at       folder
	manifest []byte
	drops    []graph.Drop
	byOID    map[string]*graph.Drop
	places   map[string]place // of data drops, by oid
}

// place is where the data of a drop is.
type place struct {
	path string // absolute
	dir  bool   // a directory
}

// newPlan unrolls a graph and refuses what cannot run here, every node with its name in one Invalid error.
func newPlan(at folder, spec runSpec, raw, manifest []byte) (*plan, error) {
	if len(raw) > maxGraphBytes {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("graph of %s: %d bytes, more than %d", spec.ID, len(raw), maxGraphBytes), "")
	}
	logical, err := graph.Parse(raw, "graph of "+spec.ID)
	if err != nil {
		return nil, err
	}
	physical, err := logical.Unroll(spec.ID, maxDrops)
	if err != nil {
		return nil, err
	}
	p := &plan{
		spec: spec, at: at, manifest: manifest, drops: physical.Drops,
		byOID: make(map[string]*graph.Drop, len(physical.Drops)), places: map[string]place{},
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

// check looks at every drop; what is wrong with several instances of a node is said once.
func (p *plan) check() error {
	var found refusals
	if len(p.drops) == 0 {
		found.add(`the graph has no nodes that run`)
	}
	for i := range p.drops {
		d := &p.drops[i]
		p.byOID[d.OID] = d
		if d.App {
			found.of(d, p.checkApp(d))
		} else {
			found.of(d, p.locate(d))
		}
	}
	p.checkCollisions(&found)
	return found.err(p.spec.ID)
}

func (p *plan) checkApp(d *graph.Drop) error {
	switch {
	case d.Category == categoryBash:
		return checkBash(d)
	case d.Category == categoryPyFunc && d.Name == ingestName:
		return p.checkIngest(d)
	default:
		return fmt.Errorf("unsupported: applications of category %s", d.Category)
	}
}

func checkBash(d *graph.Drop) error {
	text := d.Fields["command"].Text()
	if strings.TrimSpace(text) == "" || strings.IndexByte(text, 0) >= 0 {
		return fmt.Errorf("its field command is empty or no text")
	}
	if n := tries(d); n < 1 || n > maxTries {
		return fmt.Errorf("its field n_tries is %q, expected 1 to %d", d.Fields["n_tries"].Text(), maxTries)
	}
	if n := errorThreshold(d); n < 0 || n > 100 {
		return fmt.Errorf("its field input_error_threshold is %q, expected 0 to 100", d.Fields["input_error_threshold"].Text())
	}
	for _, name := range commandOf(d).names() {
		if err := checkPlaceholder(d, name); err != nil {
			return fmt.Errorf("placeholder {%s} in its command: %w", name, err)
		}
	}
	return nil
}

// checkPlaceholder refuses what the real engine could not put into a command either.
func checkPlaceholder(d *graph.Drop, name string) error {
	inputs, outputs := portsNamed(d.Inputs, name), portsNamed(d.Outputs, name)
	if len(inputs) > 0 && len(outputs) > 0 {
		return fmt.Errorf("it is the name of an input and of an output")
	}
	for _, port := range inputs {
		if !isPath(port.Encoding) && !isContent(port.Encoding) {
			return fmt.Errorf("unsupported: encoding %s, expected path or utf-8", port.Encoding)
		}
	}
	for _, port := range outputs {
		if !isPath(port.Encoding) {
			return fmt.Errorf("an output with encoding %s cannot be read before it is written, expected path", port.Encoding)
		}
	}
	return nil
}

func isPath(encoding string) bool    { return encoding == "path" || encoding == "" }
func isContent(encoding string) bool { return encoding == "utf-8" || encoding == "raw" }

func portsNamed(ports []graph.Port, name string) []graph.Port {
	var named []graph.Port
	for _, port := range ports {
		if port.Name == name {
			named = append(named, port)
		}
	}
	return named
}

// commandOf parses an application's command. Placeholders are its ports and its other fields.
func commandOf(d *graph.Drop) command {
	return parseCommand(d.Fields["command"].Text(), func(name string) bool {
		if len(portsNamed(d.Inputs, name)) > 0 || len(portsNamed(d.Outputs, name)) > 0 {
			return true
		}
		_, ok := d.Fields[name]
		return ok && !slices.Contains(notArguments, name)
	})
}

func tries(d *graph.Drop) int { return number(d, "n_tries", 1) }

// errorThreshold is the percentage of failed inputs with which an application still runs.
func errorThreshold(d *graph.Drop) int { return number(d, "input_error_threshold", 0) }

// number reads a field as an integer; absent is the default, anything else -1.
func number(d *graph.Drop, field string, absent int) int {
	v, ok := d.Fields[field]
	if !ok || v.Text() == "" {
		return absent
	}
	if n, ok := v.Int(); ok {
		return n
	}
	return -1
}

func (p *plan) checkIngest(d *graph.Drop) error {
	text := strings.TrimSpace(d.Fields[ingestField].Text())
	if text != "" && !isInline(text) {
		return fmt.Errorf("its field %s is %.80q, expected the manifest itself (a JSON object)", ingestField, text)
	}
	if text == "" && len(p.manifest) == 0 {
		return fmt.Errorf("there is no manifest for it, neither in its field %s nor with the submission", ingestField)
	}
	for _, port := range d.Outputs {
		if p.byOID[port.Drop] != nil && p.byOID[port.Drop].Category == categoryDirectory {
			return fmt.Errorf("it writes a file, and its output is a Directory")
		}
	}
	return nil
}

// isInline is the rule of the ingest application: text in braces is the manifest, other text a path.
func isInline(text string) bool { return strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") }

// locate decides where a data drop is kept.
func (p *plan) locate(d *graph.Drop) error {
	switch d.Category {
	case categoryMemory:
		p.places[d.OID] = place{path: filepath.Join(p.at.memory(), fileName(d.OID))}
		return checkInitial(d)
	case categoryFile:
		return p.locateNamed(d, "filepath", false)
	case categoryDirectory:
		return p.locateNamed(d, "dirname", true)
	default:
		return fmt.Errorf("unsupported: data of category %s", d.Category)
	}
}

// locateNamed places a File or Directory by the field that names it, inside data/.
func (p *plan) locateNamed(d *graph.Drop, field string, dir bool) error {
	text := d.Fields[field].Text()
	name := text
	if name == "" {
		name = fileName(d.OID)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("its field %s has control characters", field)
	}
	if strings.Contains(name, "$") || strings.HasPrefix(name, "~") {
		return fmt.Errorf("unsupported: its field %s is %q, variables are not replaced there", field, text)
	}
	if filepath.IsAbs(name) {
		inside, err := filepath.Rel(p.at.data(), name)
		if err != nil {
			return err
		}
		name = inside + trailingSlash(name)
	}
	if !filepath.IsLocal(name) {
		return fmt.Errorf("its field %s is %q, which is outside the folder of the run", field, text)
	}
	dir = dir || strings.HasSuffix(name, "/")
	if !dir && filepath.Clean(name) == "." {
		return fmt.Errorf("its field %s is %q, which is the folder of the run itself", field, text)
	}
	p.places[d.OID] = place{path: filepath.Join(p.at.data(), name), dir: dir}
	return nil
}

func trailingSlash(name string) string {
	if strings.HasSuffix(name, "/") {
		return "/"
	}
	return ""
}

// checkCollisions refuses files that two drops would share while one of them is written: instances of
// a Scatter would overwrite each other's work. Directories may be shared.
func (p *plan) checkCollisions(found *refusals) {
	first := map[string]*graph.Drop{}
	for i := range p.drops {
		d := &p.drops[i]
		at, ok := p.places[d.OID]
		if !ok || at.dir {
			continue
		}
		other, taken := first[at.path]
		if !taken {
			first[at.path] = d
			continue
		}
		if len(d.Producers) > 0 || len(other.Producers) > 0 {
			name, _ := filepath.Rel(p.at.data(), at.path)
			found.of(d, fmt.Errorf("its file %s is also that of %s: leave filepath empty, then each instance has its own", name, whose(d, other)))
		}
	}
}

func whose(d, other *graph.Drop) string {
	if d.NodeID == other.NodeID {
		return "another instance of it"
	}
	return fmt.Sprintf("node %q (%s)", other.Name, other.NodeID)
}

// maxRefusals is how many nodes one error lists.
const maxRefusals = 20

// refusals collects what cannot run, once per node and reason.
type refusals struct {
	texts []string
	seen  map[string]bool
}

func (r *refusals) of(d *graph.Drop, err error) {
	if err != nil {
		r.add(fmt.Sprintf("node %q (%s): %v", d.Name, d.NodeID, err))
	}
}

func (r *refusals) add(text string) {
	if r.seen[text] {
		return
	}
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[text] = true
	r.texts = append(r.texts, text)
}

func (r *refusals) err(id string) error {
	if len(r.texts) == 0 {
		return nil
	}
	shown := r.texts[:min(len(r.texts), maxRefusals)]
	text := strings.Join(shown, "; ")
	if more := len(r.texts) - len(shown); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return fault.New(fault.Invalid, fmt.Sprintf("run %s on this machine: %s", id, text), elsewhere)
}
