package profiles

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// Render shows what will be used: every key with its value, those that have their default value
// marked, and what follows from them. It is for people; a program reads Canonical.
func (p *Profile) Render() string {
	values := flatten(p)
	defaults := flatten(&Profile{Translation: newProfile().Translation, Deployment: defaultsOf(p.Deployment.Kind)})

	keys := make([]string, 0, len(values))
	width := 0
	for key := range values {
		keys = append(keys, key)
		width = max(width, len(key))
	}
	sort.Strings(keys)

	var b strings.Builder
	fmt.Fprintf(&b, "profile %s → %s\n", p.Name, p.Target())
	for _, key := range keys {
		mark := ""
		if fallback, ok := defaults[key]; ok && fallback == values[key] && !required[key] {
			mark = "  (default)"
		}
		fmt.Fprintf(&b, "  %-*s  %s%s\n", width, key, values[key], mark)
	}
	for _, line := range p.consequences() {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return b.String()
}

// required are the keys that have no default; an empty one must not be called its default.
var required = map[string]bool{
	"name": true, "deployment.kind": true, "deployment.deploy_host": true, "deployment.login_node": true,
	"deployment.account": true, "deployment.home_dir": true, "deployment.log_dir": true, "deployment.dlg_root": true,
}

func defaultsOf(kind string) Deployment {
	switch kind {
	case KindRestRemote:
		return Deployment{Kind: kind, Rest: newRestRemote()}
	case KindSlurmRemote:
		return Deployment{Kind: kind, Slurm: newSlurmRemote()}
	}
	return Deployment{Kind: KindLocal, Local: newLocal()}
}

// consequences are the lines about what is not a key of its own.
func (p *Profile) consequences() []string {
	var lines []string
	if s := p.Deployment.Slurm; s != nil {
		lines = append(lines, fmt.Sprintf("asks Slurm for %d node(s), %d minutes, %d data island(s)",
			s.Nodes(), s.WallTimeMinutes(), s.Islands()))
		if s.RemoteUser == nil {
			lines = append(lines, "deployment.remote_user is not set: the process settings decide who logs in")
		}
	}
	if l := p.Deployment.Local; l != nil && l.WorkDir == "" {
		lines = append(lines, `deployment.work_dir is empty: the folder "runs" beside the ledger is used`)
	}
	if p.MaxConcurrent == nil {
		lines = append(lines, "max_concurrent_executions is not set: the profile itself sets no bound")
	}
	if err := p.Built(); err != nil {
		lines = append(lines, err.Error())
	}
	return lines
}

// flatten gives the canonical document as dotted keys with their JSON values.
func flatten(p *Profile) map[string]string {
	tree, err := decodeAny(p.Canonical())
	if err != nil {
		return nil // Canonical gives JSON
	}
	flat := map[string]string{}
	flattenInto(flat, "", tree)
	return flat
}

func flattenInto(flat map[string]string, path string, v any) {
	object, ok := v.(map[string]any)
	if !ok {
		flat[path] = show(v)
		return
	}
	for key, value := range object {
		at := key
		if path != "" {
			at = path + "." + key
		}
		flattenInto(flat, at, value)
	}
}

// show writes a value as JSON, on one line.
func show(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSpace(b.String())
}
