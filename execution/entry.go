package execution

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"beampipe/configs"
	"beampipe/ledger"
)

// noSBID is the placeholder under which the predecessor stored "no data".
const noSBID = "0"

// sourceEntry makes one entry of a manifest's sources, and tells what is in it.
func sourceEntry(cfg *configs.Project, s ManifestSource) (entry map[string]any, scope []string, datasets int, err error) {
	blocks, err := selected(s)
	if err != nil {
		return nil, nil, 0, err
	}
	var first map[string]any
	var flags map[string]any
	sbids := make([]any, 0, len(blocks))
	for _, block := range blocks {
		records, err := identified(s.Identifier, block)
		if err != nil {
			return nil, nil, 0, err
		}
		if first == nil && len(records) > 0 {
			first, flags = records[0], block.Flags
		}
		rendered, err := renderDatasets(cfg, block, records)
		if err != nil {
			return nil, nil, 0, err
		}
		sbids = append(sbids, map[string]any{"sbid": block.SBID, "datasets": rendered})
		scope, datasets = append(scope, block.SBID), datasets+len(rendered)
	}
	if datasets == 0 {
		return nil, nil, 0, errors.New("no usable dataset: nothing that an archive still shows and that is not excluded")
	}
	if entry, err = renderSource(cfg, first, flags); err != nil {
		return nil, nil, 0, err
	}
	entry["source_identifier"], entry["sbids"] = s.Identifier, sbids
	return entry, scope, datasets, nil
}

// selected gives the metadata to use, in byte order of the SBIDs: exactly what was asked for.
func selected(s ManifestSource) ([]ledger.Metadata, error) {
	wanted := map[string]bool{}
	for _, sbid := range s.SBIDs {
		if wanted[sbid] {
			return nil, fmt.Errorf("SBID %s is selected twice", sbid)
		}
		wanted[sbid] = true
	}
	var blocks []ledger.Metadata
	for _, m := range s.Metadata {
		if len(s.SBIDs) > 0 && !wanted[m.SBID] {
			continue
		}
		if !Usable(m) {
			if wanted[m.SBID] && m.MissingSince != nil {
				return nil, fmt.Errorf("SBID %s is selected, but the archive no longer shows it (missing since %s)", m.SBID, ledger.Minute(*m.MissingSince))
			}
			if wanted[m.SBID] && len(m.Records) > 0 && len(m.Usable()) == 0 {
				return nil, fmt.Errorf("SBID %s is selected, but every dataset of it is excluded (beampipe dataset list)", m.SBID)
			}
			continue
		}
		delete(wanted, m.SBID)
		m.Records, m.Excluded = m.Usable(), nil
		blocks = append(blocks, m)
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("SBIDs %s are selected, but no dataset is known under them", strings.Join(slices.Sorted(maps.Keys(wanted)), ", "))
	}
	slices.SortFunc(blocks, func(a, b ledger.Metadata) int { return strings.Compare(a.SBID, b.SBID) })
	return blocks, nil
}

// Usable tells whether what is known under an SBID may enter a manifest: it is a real SBID with
// datasets that the archive still shows and that are not excluded.
func Usable(m ledger.Metadata) bool {
	return m.MissingSince == nil && m.SBID != "" && m.SBID != noSBID && len(m.Usable()) > 0
}

// identity is what names a dataset within its source and SBID; "" when nothing does.
func identity(record map[string]any) string {
	id, _ := ledger.RecordIdentity(record)
	return id
}

// identified checks that the records belong where they are stored, and sorts copies by identity.
func identified(source string, block ledger.Metadata) ([]map[string]any, error) {
	records := make([]map[string]any, len(block.Records))
	known := map[string]bool{}
	for i, r := range block.Records {
		where := fmt.Sprintf("SBID %s, record %d", block.SBID, i)
		id := identity(r)
		switch {
		case id == "":
			return nil, fmt.Errorf("%s: neither dataset_id nor visibility_filename", where)
		case known[id]:
			return nil, fmt.Errorf("%s: dataset %q is there twice", where, id)
		}
		for key, want := range map[string]string{"source_identifier": source, "sbid": block.SBID} {
			if got, ok := configs.Text(r[key]); !ok || got != want {
				return nil, fmt.Errorf("%s (%s): %s is %v, expected %q", where, id, key, r[key], want)
			}
		}
		known[id] = true
		record := maps.Clone(r)
		record["source_identifier"], record["sbid"] = source, block.SBID
		records[i] = record
	}
	slices.SortFunc(records, func(a, b map[string]any) int { return strings.Compare(identity(a), identity(b)) })
	return records, nil
}

// renderSource fills manifest.source_template from the first record. Without a manifest section the
// predecessor's template is used, and what a survey does not have is left out of it.
func renderSource(cfg *configs.Project, record, flags map[string]any) (map[string]any, error) {
	template := cfg.ManifestOrDefault().SourceTemplate
	if cfg.Manifest == nil {
		template = maps.Clone(template)
		for key, value := range template {
			if _, unresolved := configs.RenderTemplate(value, lookup(record, flags)); len(unresolved) > 0 {
				delete(template, key)
			}
		}
	}
	return renderObject("manifest.source_template", template, record, flags)
}

// renderDatasets gives the datasets of one SBID: the records, or manifest.dataset_template of each.
func renderDatasets(cfg *configs.Project, block ledger.Metadata, records []map[string]any) ([]any, error) {
	m := cfg.ManifestOrDefault()
	expand := m.ExpandFrom != nil && *m.ExpandFrom == configs.ExpandFromMetadata && m.DatasetTemplate != nil
	out := make([]any, len(records))
	for i, record := range records {
		if !expand {
			out[i] = record
			continue
		}
		where := fmt.Sprintf("dataset %s of SBID %s: manifest.dataset_template", identity(record), block.SBID)
		rendered, err := renderObject(where, m.DatasetTemplate, record, block.Flags)
		if err != nil {
			return nil, err
		}
		// The scope of a manifest is told by the identities in it.
		if identity(rendered) != identity(record) {
			return nil, fmt.Errorf("%s gives %q as dataset_id or visibility_filename, expected the dataset's own", where, identity(rendered))
		}
		out[i] = rendered
	}
	return out, nil
}

func renderObject(what string, template, record, flags map[string]any) (map[string]any, error) {
	out, unresolved := configs.RenderTemplate(template, lookup(record, flags))
	if len(unresolved) > 0 {
		hint := ""
		for _, key := range unresolved {
			if strings.HasPrefix(key, "staging.") {
				hint = " (staging is not built)"
			}
		}
		return nil, fmt.Errorf("%s: nothing fills {%s}%s", what, strings.Join(unresolved, "}, {"), hint)
	}
	object, ok := out.(map[string]any)
	if !ok || object == nil {
		object = map[string]any{}
	}
	return object, nil
}

// lookup resolves {field} from the record, and {flags.x} from the discovery flags, then the record.
func lookup(record, flags map[string]any) func(string) (any, bool) {
	return func(key string) (any, bool) {
		flag, isFlag := strings.CutPrefix(key, "flags.")
		if !isFlag {
			value, ok := record[key]
			return value, ok
		}
		if value, ok := flags[flag]; ok {
			return value, true
		}
		if own, ok := record["discovery_flags"].(map[string]any); ok {
			if value, ok := own[flag]; ok {
				return value, true
			}
		}
		value, ok := record[flag]
		return value, ok
	}
}

// entryScope reads the scope back from an entry of a manifest document.
func entryScope(entry any) (name string, scope []string, datasets int, err error) {
	source, _ := entry.(map[string]any)
	name, _ = source["source_identifier"].(string)
	blocks, _ := source["sbids"].([]any)
	if name == "" || len(blocks) == 0 {
		return "", nil, 0, errors.New("no source_identifier, or no sbids")
	}
	for i, b := range blocks {
		block, _ := b.(map[string]any)
		sbid, _ := block["sbid"].(string)
		list, _ := block["datasets"].([]any)
		if sbid == "" || slices.Contains(scope, sbid) {
			return "", nil, 0, fmt.Errorf("sbids[%d]: sbid is %q, expected a text that is there once", i, sbid)
		}
		known := map[string]bool{}
		for j, d := range list {
			record, _ := d.(map[string]any)
			id := identity(record)
			if id == "" || known[id] {
				return "", nil, 0, fmt.Errorf("sbids[%d].datasets[%d]: the identity %q is empty or there twice", i, j, id)
			}
			known[id] = true
		}
		scope, datasets = append(scope, sbid), datasets+len(list)
	}
	return name, scope, datasets, nil
}
