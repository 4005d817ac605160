package discovery

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
)

// The record fields that mean something to us, and how a path into the enrichments begins.
const (
	fieldSource     = "source_identifier"
	fieldSBID       = "sbid"
	fieldDataset    = "dataset_id"
	fieldVisibility = "visibility_filename"
)

// mapper turns answers about one source into metadata records, as the project says.
type mapper struct {
	project    *configs.Project
	identifier string
	lenient    bool // for comparing: an evaluation file that is not there is no error
}

// mapped is what a mapper makes of an answer.
type mapped struct {
	records []map[string]any
	flags   map[string]any
}

// identity names a record's dataset within its SBID.
func identity(record map[string]any) (string, bool) {
	if id, ok := configs.Text(record[fieldDataset]); ok {
		return id, true
	}
	return configs.Text(record[fieldVisibility])
}

// primary gives the answer to the primary query. A stored answer of another revision may know it by
// another name; it is the first one there.
func (m mapper) primary(a answer) table {
	if len(m.project.Discovery.Queries) > 0 {
		if t, ok := a.query(m.project.Discovery.Queries[0].Name); ok {
			return t
		}
	}
	if len(a.Queries) == 0 {
		return table{}
	}
	return a.Queries[0].table
}

// sbids gives the distinct SBIDs of the primary rows, sorted. A row without one is an error.
func (m mapper) sbids(a answer) ([]string, error) {
	t := m.primary(a)
	seen := map[string]bool{}
	for i := range t.Rows {
		sbid, err := m.sbid(t, i)
		if err != nil {
			return nil, err
		}
		seen[sbid] = true
	}
	return sortedKeys(seen), nil
}

func (m mapper) sbid(t table, row int) (string, error) {
	from := configs.Mapping{From: fieldSBID}
	if declared, ok := m.project.Discovery.PrepareMetadata.FieldMap[fieldSBID]; ok {
		from = declared
	}
	v, _ := m.project.Map(from, m.cell(t, t.Rows[row], from.From))
	if sbid, ok := configs.Text(v); ok {
		return sbid, nil
	}
	return "", m.badRow(t, row, fieldSBID, fmt.Sprintf("%q (%q) gives no SBID", from.From, m.cell(t, t.Rows[row], from.From)))
}

// cell gives a row's text in a column, nil when there is no such column. The source's identifier can
// be named as if it were a column.
func (m mapper) cell(t table, row []string, name string) any {
	if at := t.column(name); at >= 0 {
		return row[at]
	}
	if name == fieldSource {
		return m.identifier
	}
	return nil
}

func (m mapper) badRow(t table, row int, field, why string) error {
	query := ""
	if len(m.project.Discovery.Queries) > 0 {
		query = m.project.Discovery.Queries[0].Name
	}
	label := strconv.Itoa(row + 1)
	for _, name := range []string{"filename", "obs_publisher_did", "obs_id"} {
		if at := t.column(name); at >= 0 && t.Rows[row][at] != "" {
			label += fmt.Sprintf(" (%s %s)", name, ledger.Excerpt(t.Rows[row][at], 200))
			break
		}
	}
	return fault.New(fault.Invalid, fmt.Sprintf("map row %s of query %q for %s: field %q: %s", label, query, m.identifier, field, why),
		"correct prepare_metadata.field_map, or tell the archive about the record")
}

// mapAnswer makes the records, one per primary row, and the flags.
func (m mapper) mapAnswer(a answer) (mapped, error) {
	t := m.primary(a)
	sbids, err := m.sbids(a)
	if err != nil {
		return mapped{}, err
	}
	scope, err := m.scope(a, sbids)
	if err != nil {
		return mapped{}, err
	}
	position, err := m.coordinates(a)
	if err != nil {
		return mapped{}, err
	}
	out := mapped{records: make([]map[string]any, 0, len(t.Rows)), flags: m.flags(scope)}
	seen := map[[2]string]bool{}
	for i := range t.Rows {
		sbid, err := m.sbid(t, i)
		if err != nil {
			return mapped{}, err
		}
		record := m.record(t, t.Rows[i], sbid, scope, position)
		id, ok := identity(record)
		if !ok {
			return mapped{}, m.badRow(t, i, fieldDataset, "it has no dataset_id and no visibility_filename")
		}
		if seen[[2]string{sbid, id}] {
			return mapped{}, m.badRow(t, i, fieldDataset, fmt.Sprintf("a second record of SBID %s is named %q", sbid, id))
		}
		seen[[2]string{sbid, id}] = true
		out.records = append(out.records, record)
	}
	return out, nil
}

// record maps one row: the field map; the source's identifier and SBID; the row's other columns in
// lower case; the enrichments of its SBID; the evaluation file; the position. What the field map
// gave stays.
func (m mapper) record(t table, row []string, sbid string, scope scope, position map[string]any) map[string]any {
	record := map[string]any{}
	for target, from := range m.project.Discovery.PrepareMetadata.FieldMap {
		if v, ok := m.field(t, row, sbid, scope, from); ok {
			record[target] = v
		}
	}
	record[fieldSource], record[fieldSBID] = m.identifier, sbid
	declared := maps.Clone(record)
	for i, name := range t.Columns {
		name = strings.ToLower(name)
		if _, ok := record[name]; !ok {
			record[name] = row[i]
		}
	}
	set := func(name string, v any) {
		if _, ok := declared[name]; !ok {
			record[name] = v
		}
	}
	for name, rows := range scope.bySBID {
		if object, ok := rows[sbid]; ok {
			set(name, object)
		}
	}
	for name, v := range scope.evaluation[sbid] {
		set(name, v)
	}
	for name, v := range position {
		set(name, v)
	}
	return record
}

func (m mapper) field(t table, row []string, sbid string, scope scope, from configs.Mapping) (any, bool) {
	var v any
	if path, ok := enrichmentPath(from.From); ok {
		v = scope.ofSBID(path, sbid)
	} else {
		v = m.cell(t, row, from.From)
	}
	v, ok := m.project.Map(from, v)
	return v, ok && v != nil
}

func enrichmentPath(from string) (string, bool) {
	if rest, ok := strings.CutPrefix(from, "enrichments."); ok {
		return rest, true
	}
	return strings.CutPrefix(from, "enrichment.")
}

// flags reads the discovery flags. A transform that fails leaves the value that it was given.
func (m mapper) flags(scope scope) map[string]any {
	declared := m.project.Discovery.PrepareMetadata.DiscoveryFlags
	if len(declared) == 0 {
		return nil
	}
	flags := make(map[string]any, len(declared))
	for name, from := range declared {
		var raw any
		if path, ok := enrichmentPath(from.From); ok {
			raw = scope.get(path)
		}
		v, ok := m.project.Map(from, raw)
		if !ok {
			v = raw
		}
		flags[name] = v
	}
	return flags
}

// metadata groups records by SBID, sorted, for the ledger.
func (m mapped) metadata() []ledger.Metadata {
	groups := map[string][]map[string]any{}
	for _, record := range m.records {
		sbid, _ := record[fieldSBID].(string)
		groups[sbid] = append(groups[sbid], record)
	}
	list := make([]ledger.Metadata, 0, len(groups))
	for _, sbid := range sortedKeys(groups) {
		records := groups[sbid]
		slices.SortFunc(records, func(a, b map[string]any) int {
			x, _ := identity(a)
			y, _ := identity(b)
			return cmp.Compare(x, y) // identities are unique within an SBID
		})
		list = append(list, ledger.Metadata{SBID: sbid, Records: records, Flags: m.flags})
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
