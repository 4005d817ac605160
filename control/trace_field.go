package control

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

// maxFieldPath bounds the text that names a field.
const maxFieldPath = 1000

// field follows one value of an execution's manifest or graph back to the rows that it was made from. The
// field is added to the lineage.
func (h *runHistory) field(l *provenance.Lineage, of string) (*FieldTrace, error) {
	if len(of) > maxFieldPath {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("trace a field: its name has %d bytes, the limit is %d (maxFieldPath)", len(of), maxFieldPath), "")
	}
	if h.manifest == nil {
		return nil, fault.New(fault.Conflict, fmt.Sprintf("trace %s of execution %s: it has no manifest yet", of, h.execution.ID), "wait until it is prepared: beampipe execution why "+h.execution.ID)
	}
	path := fieldPath(of)
	if !isManifestPath(of, path) {
		if t, err := h.graphField(l, of); t != nil || err != nil {
			return t, err
		}
		if len(path) == 1 && len(h.manifest.Sources) == 1 { // of the only source
			path = []string{"sources", "0", path[0]}
		}
	}
	value, pointer, err := h.manifest.at(path)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, fmt.Sprintf("trace %s of execution %s", of, h.execution.ID),
			"name a field of the manifest (sources[0].ra_string, /sources/0/sbids/0/datasets/0/dataset_id) or of the graph (NODE.FIELD); see: beampipe execution artifact "+h.execution.ID+" manifest")
	}
	t := &FieldTrace{Field: "/" + strings.Join(pointer, "/"), Artifact: h.manifest.sha256, Execution: h.execution.ID, Value: value}
	t.Steps = append(t.Steps, FieldStep{Kind: "value", Text: "in the manifest of execution " + h.execution.ID, Value: value})
	if err := h.manifestSteps(t, pointer); err != nil {
		return nil, err
	}
	h.addField(l, t)
	return t, nil
}

// fieldPath reads a JSON pointer (RFC 6901), or a dotted path with [index] or [name].
func fieldPath(of string) []string {
	if rest, ok := strings.CutPrefix(of, "/"); ok {
		parts := strings.Split(rest, "/")
		for i, p := range parts {
			parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
		}
		return parts
	}
	var parts []string
	for of != "" {
		if rest, ok := strings.CutPrefix(of, "["); ok {
			name, rest, closed := strings.Cut(rest, "]")
			if !closed {
				return append(parts, of)
			}
			parts, of = append(parts, name), strings.TrimPrefix(rest, ".")
			continue
		}
		end := strings.IndexAny(of, ".[")
		if end < 0 {
			return append(parts, of)
		}
		parts = append(parts, of[:end])
		of = strings.TrimPrefix(of[end:], ".")
	}
	return parts
}

func isManifestPath(of string, path []string) bool {
	return strings.HasPrefix(of, "/") || len(path) > 0 && slices.Contains([]string{"sources", "inputs", "graph_overrides"}, path[0])
}

// at walks a path. An entry of a list is named by its index, or by what names it: a source by its
// identifier, an SBID, a dataset. pointer is the path with indices.
func (m *manifestDocument) at(path []string) (value any, pointer []string, err error) {
	value = m.value
	for i, step := range path {
		switch at := value.(type) {
		case map[string]any:
			next, ok := at[step]
			if !ok {
				return nil, nil, fmt.Errorf("%s has no %q; it has %s", pathText(path[:i]), step, strings.Join(slices.Sorted(maps.Keys(at)), ", "))
			}
			value, pointer = next, append(pointer, step)
		case []any:
			index, ok := entryIndex(at, step)
			if !ok {
				return nil, nil, fmt.Errorf("%s has no entry %q; it has %d", pathText(path[:i]), step, len(at))
			}
			value, pointer = at[index], append(pointer, strconv.Itoa(index))
		default:
			return nil, nil, fmt.Errorf("%s is a plain value", pathText(path[:i]))
		}
	}
	return value, pointer, nil
}

func pathText(path []string) string {
	if len(path) == 0 {
		return "the manifest"
	}
	return "/" + strings.Join(path, "/")
}

func entryIndex(list []any, step string) (int, bool) {
	if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(list) {
		return i, true
	}
	for i, entry := range list {
		object, _ := entry.(map[string]any)
		id, _ := ledger.RecordIdentity(object)
		if object["source_identifier"] == step && object["sbids"] != nil || object["sbid"] == step && object["datasets"] != nil || id == step {
			return i, true
		}
	}
	return 0, false
}

// manifestSteps goes on from a field of the manifest.
func (h *runHistory) manifestSteps(t *FieldTrace, p []string) error {
	switch {
	case p[0] == "graph_overrides":
		return h.overrideSteps(t, p)
	case p[0] != "sources":
		t.add(FieldStep{Kind: "constant", Text: "every manifest has it so"})
		return nil
	case len(p) < 3:
		return whole(t, "a source")
	}
	index, _ := strconv.Atoi(p[1])
	s := h.manifest.Sources[index]
	r, err := h.recordOf(s.Identifier, index, p)
	switch {
	case err != nil:
		return err
	case p[2] == "source_identifier":
		t.add(h.identifierStep(s.Identifier))
		return nil
	case p[2] != "sbids":
		template := h.project.ManifestOrDefault().SourceTemplate[p[2]]
		return h.templateSteps(t, "manifest.source_template", p[2:], template, r)
	case len(p) == 5 && p[4] == "sbid":
		return h.recordSteps(t, r, "sbid")
	case len(p) < 7:
		return whole(t, "a list")
	}
	m := h.project.ManifestOrDefault()
	if m.ExpandFrom != nil && *m.ExpandFrom == "metadata" && m.DatasetTemplate != nil {
		return h.templateSteps(t, "manifest.dataset_template", p[6:], m.DatasetTemplate[p[6]], r)
	}
	return h.recordSteps(t, r, p[6])
}

func whole(t *FieldTrace, what string) error {
	return fault.New(fault.Invalid, "trace "+t.Field+": it is "+what+", not one value", "name a field in it")
}

func (t *FieldTrace) add(s FieldStep) { t.Steps = append(t.Steps, s) }

// recordRef names a metadata record.
type recordRef struct{ source, sbid, dataset string }

// recordOf gives the record that a part of the manifest comes of: for a field of a source the first one.
func (h *runHistory) recordOf(identifier string, source int, p []string) (recordRef, error) {
	r := recordRef{source: identifier}
	block, dataset := 0, 0
	if p[2] == "sbids" && len(p) > 3 {
		block, _ = strconv.Atoi(p[3])
	}
	if p[2] == "sbids" && len(p) > 5 {
		dataset, _ = strconv.Atoi(p[5])
	}
	blocks := h.manifest.Sources[source].SBIDs
	if block >= len(blocks) || dataset >= len(blocks[block].Datasets) {
		return r, fault.New(fault.Invalid, "trace "+identifier+": its manifest has no such dataset", "look for damage with: beampipe ledger check")
	}
	r.sbid = blocks[block].SBID
	r.dataset, _ = ledger.RecordIdentity(blocks[block].Datasets[dataset])
	return r, nil
}

func (h *runHistory) identifierStep(identifier string) FieldStep {
	return FieldStep{Kind: "identifier", Text: fmt.Sprintf("the name under which source %s is registered in %s", identifier, h.execution.Project), Value: identifier}
}

// place finds a path in the config revision of the execution.
func (h *runHistory) place(path string) *ConfigPlace {
	return &ConfigPlace{Project: h.execution.Project, Revision: h.execution.ConfigRevision, Place: findPlace(h.config, path)}
}

// templateSteps goes on from a template: a text that is entirely {key} is a value of the record.
func (h *runHistory) templateSteps(t *FieldTrace, at string, path []string, template any, r recordRef) error {
	at += "." + path[0]
	for _, step := range path[1:] {
		switch inner := template.(type) {
		case map[string]any:
			template, at = inner[step], at+"."+step
		case []any:
			if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(inner) {
				template, at = inner[i], at+"["+step+"]"
			}
		}
	}
	s := FieldStep{Kind: "template", Text: at, Value: template, Place: h.place(at)}
	if h.project.Manifest == nil {
		s.Text, s.Place = "the template that holds where the config has no manifest section", nil
	}
	t.add(s)
	text, _ := template.(string)
	key, ok := strings.CutPrefix(text, "{")
	if key, ok2 := strings.CutSuffix(key, "}"); ok && ok2 && key != "" {
		return h.keySteps(t, r, key)
	}
	t.add(FieldStep{Kind: "constant", Text: "it stands in the config as it is", Value: template})
	return nil
}

// keySteps goes on from a template's key: a discovery flag, else a field of the record.
func (h *runHistory) keySteps(t *FieldTrace, r recordRef, key string) error {
	name, isFlag := strings.CutPrefix(key, "flags.")
	if _, declared := h.project.Discovery.PrepareMetadata.DiscoveryFlags[name]; isFlag && declared {
		return h.flagSteps(t, r, name)
	}
	return h.recordSteps(t, r, name)
}

// overrideSteps goes on from a value that the manifest sets in the graph: graph_overrides.patches[i].fields[j].
func (h *runHistory) overrideSteps(t *FieldTrace, p []string) error {
	if len(p) < 5 || p[3] != "fields" {
		return whole(t, "a patch")
	}
	patch, _ := strconv.Atoi(p[2])
	field, _, err := h.manifest.at(append(slices.Clone(p[:5]), "name"))
	if err != nil {
		return err
	}
	return h.patchSteps(t, patch, fmt.Sprint(field))
}

// addField makes the traced field a part of the lineage.
func (h *runHistory) addField(l *provenance.Lineage, t *FieldTrace) {
	artifact := sha(t.Artifact)
	id := "field:" + artifact + "#" + t.Field
	a := map[string]any{"value": t.Value}
	for _, s := range t.Steps {
		if s.Place != nil && s.Place.Line > 0 {
			a["config_path"], a["config_line"] = s.Place.Path, s.Place.Line
			break
		}
	}
	l.Add(provenance.Node{ID: id, Kind: provenance.NodeField, Label: t.Field, Attributes: a})
	l.Link(id, provenance.DerivedFrom, fmt.Sprintf("config:%s/%d", h.execution.Project, h.execution.ConfigRevision))
	for _, s := range t.Steps {
		if s.Query == nil {
			continue
		}
		if query := queryNode(*s.Query); query != "" {
			if _, ok := l.Node(query); ok {
				l.Link(id, provenance.DerivedFrom, query)
			}
		}
	}
}
