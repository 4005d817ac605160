package discovery

import (
	"fmt"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
)

// maxOriginRows bounds the rows that an Origin shows.
const maxOriginRows = 20

// What made a value of a metadata record.
const (
	ByIdentifier  = "identifier"      // the source's own name
	ByFieldMap    = "field_map"       // prepare_metadata.field_map
	ByFlag        = "discovery_flags" // prepare_metadata.discovery_flags
	ByColumn      = "column"          // a column taken as it is
	ByEnrichment  = "enrichment"      // the row of an enrichment as a whole
	ByEvaluation  = "evaluation"      // prepare_metadata.evaluation
	ByCoordinates = "coordinates"     // prepare_metadata.coordinates
)

// Origin says what a value of a metadata record was made from.
type Origin struct {
	Field      string              `json:"field"`
	By         string              `json:"by"`                    // one of the By constants
	Path       string              `json:"config_path,omitempty"` // of what made it, in the config; "" for what is taken as it is
	From       string              `json:"from,omitempty"`        // the column, or the dotted path into other answers
	Transforms []string            `json:"transforms,omitempty"`  // applied to that, from left to right
	Query      string              `json:"query,omitempty"`
	SBID       string              `json:"sbid,omitempty"`    // of an enrichment's rows
	Columns    []string            `json:"columns,omitempty"` // that were read
	Rows       []map[string]string `json:"rows,omitempty"`    // that were read, at most 20
	MoreRows   int                 `json:"more_rows,omitempty"`
	Value      any                 `json:"value"` // that comes of it
}

// Origins tells what the metadata records of one source were made from, of the rows that the archives
// gave. It maps them as a discovery does.
type Origins struct {
	m        mapper
	answer   answer
	scope    scope
	position map[string]any
	rows     map[[2]string]int // by SBID and identity: the row of the primary query
}

// NewOrigins maps an answer (JSON, as the ledger stores it) under a project's revision. rule is that of
// the revision, nil where it has none. Its error is Invalid: the rows cannot be mapped by that revision.
func NewOrigins(p *configs.Project, rule *ledger.Rule, identifier string, raw []byte) (*Origins, error) {
	what := "map the rows about " + identifier
	stored, err := decodeAnswer(raw)
	if err != nil || stored == nil {
		return nil, fault.Wrap(fault.Invalid, err, what, "")
	}
	o := &Origins{m: mapper{project: p, identifier: identifier, lenient: true}, answer: *stored, rows: map[[2]string]int{}}
	if rule != nil {
		r, err := readRule(*rule)
		if err != nil {
			return nil, err
		}
		o.answer = r.arrange(*stored)
	}
	sbids, err := o.m.sbids(o.answer)
	if err == nil {
		o.scope, err = o.m.scope(o.answer, sbids)
	}
	if err == nil {
		o.position, err = o.m.coordinates(o.answer)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, what, "")
	}
	t := o.m.primary(o.answer)
	for i := range t.Rows {
		sbid, err := o.m.sbid(t, i)
		if err != nil {
			return nil, err
		}
		if id, ok := identity(o.m.record(t, t.Rows[i], sbid, o.scope, o.position)); ok {
			o.rows[[2]string{sbid, id}] = i
		}
	}
	return o, nil
}

// Row gives the row that a dataset's record was made from, by column, and the name of its query; nil
// where there is none.
func (o *Origins) Row(sbid, dataset string) (row map[string]string, query string) {
	i, ok := o.rows[[2]string{sbid, dataset}]
	if !ok {
		return nil, ""
	}
	t := o.m.primary(o.answer)
	return cells(t, t.Rows[i]), o.primaryName()
}

func (o *Origins) primaryName() string {
	if len(o.m.project.Discovery.Queries) > 0 {
		if name := o.m.project.Discovery.Queries[0].Name; hasTable(o.answer, name) {
			return name
		}
	}
	return o.answer.Queries[0].Name
}

func hasTable(a answer, name string) bool {
	_, ok := a.query(name)
	return ok
}

func cells(t table, row []string) map[string]string {
	out := make(map[string]string, len(t.Columns))
	for i, name := range t.Columns {
		out[name] = row[i]
	}
	return out
}

// Field tells where a field of a dataset's record is from: the last of what discovery puts there counts.
// It is NotFound when nothing gives such a field.
func (o *Origins) Field(sbid, dataset, field string) (Origin, error) {
	i, ok := o.rows[[2]string{sbid, dataset}]
	if !ok {
		return Origin{}, fault.New(fault.NotFound, fmt.Sprintf("no row about %s is dataset %q of SBID %s", o.m.identifier, dataset, sbid), "")
	}
	t := o.m.primary(o.answer)
	row := t.Rows[i]
	out := Origin{Field: field, Query: o.primaryName(), Rows: []map[string]string{cells(t, row)}}
	record := o.m.record(t, row, sbid, o.scope, o.position)
	value, there := record[field]
	if !there {
		return Origin{}, fault.New(fault.NotFound, fmt.Sprintf("dataset %q has no field %q", dataset, field), "")
	}
	out.Value = value
	prepare := o.m.project.Discovery.PrepareMetadata
	declared, isDeclared := prepare.FieldMap[field]
	if isDeclared && field != fieldSource && field != fieldSBID {
		_, isDeclared = o.m.field(t, row, sbid, o.scope, declared)
	}
	switch {
	case field == fieldSource:
		return Origin{Field: field, By: ByIdentifier, Value: value}, nil
	case isDeclared:
		o.mapping(&out, ByFieldMap, declared, t, sbid)
	case field == fieldSBID:
		out.By, out.From, out.Columns = ByColumn, fieldSBID, column(t, fieldSBID)
	default:
		o.undeclared(&out, t, sbid)
	}
	return out, nil
}

// mapping fills in a declared field or flag.
func (o *Origins) mapping(out *Origin, by string, m configs.Mapping, t table, sbid string) {
	out.By, out.From, out.Transforms = by, m.From, m.Transform
	out.Path = "discovery.prepare_metadata." + by + "." + out.Field
	path, ok := enrichmentPath(m.From)
	if !ok {
		out.Columns = column(t, m.From)
		return
	}
	name, rest := o.scope.split(path)
	out.Query, out.Rows = name, nil
	if _, ok := o.scope.queries[name]; ok {
		if q, ok := o.answer.query(name); ok {
			out.show(q)
		}
	} else if rows, ok := o.scope.bySBID[name]; ok && sbid != "" {
		out.SBID = sbid
		out.showObject(rows[sbid])
	}
	if len(rest) > 0 {
		out.Columns = rest[len(rest)-1:]
	}
}

// undeclared fills in what the field map does not give, in the order in which the last one stays.
func (o *Origins) undeclared(out *Origin, t table, sbid string) {
	prepare := o.m.project.Discovery.PrepareMetadata
	if _, ok := o.position[out.Field]; ok {
		c := prepare.Coordinates
		out.By, out.Path, out.Query, out.Rows = ByCoordinates, "discovery.prepare_metadata.coordinates", c.Query, nil
		if q, ok := o.answer.query(c.Query); ok && len(q.Rows) > 0 {
			out.Rows = []map[string]string{cells(q, q.Rows[0])}
			out.Columns = coordinateColumns(*c, out.Field, q)
		}
		return
	}
	if _, ok := o.scope.evaluation[sbid][out.Field]; ok {
		out.By, out.Path, out.Query, out.SBID, out.Rows = ByEvaluation, "discovery.prepare_metadata.evaluation", prepare.Evaluation.Enrichment, sbid, nil
		out.showObject(o.scope.bySBID[prepare.Evaluation.Enrichment][sbid])
		return
	}
	if object, ok := o.scope.bySBID[out.Field][sbid]; ok {
		out.By, out.Query, out.SBID, out.Rows = ByEnrichment, out.Field, sbid, nil
		out.showObject(object)
		return
	}
	out.By, out.From, out.Columns = ByColumn, out.Field, column(t, out.Field)
}

func coordinateColumns(c configs.Coordinates, field string, t table) []string {
	switch field {
	case c.Targets.RA:
		return column(t, c.RA)
	case c.Targets.Dec:
		return column(t, c.Dec)
	}
	for _, name := range c.Velocity {
		if at := t.column(name); at >= 0 && t.Rows[0][at] != "" {
			return []string{t.Columns[at]}
		}
	}
	return nil
}

// column names a column as the archive does; none where there is none.
func column(t table, name string) []string {
	if at := t.column(name); at >= 0 {
		return []string{t.Columns[at]}
	}
	return nil
}

func (out *Origin) show(t table) {
	for _, row := range t.Rows[:min(len(t.Rows), maxOriginRows)] {
		out.Rows = append(out.Rows, cells(t, row))
	}
	out.MoreRows = max(len(t.Rows)-maxOriginRows, 0)
}

func (out *Origin) showObject(v any) {
	object, ok := v.(map[string]any)
	if !ok {
		return
	}
	row := make(map[string]string, len(object))
	for name, cell := range object {
		row[name], _ = configs.Text(cell)
	}
	out.Rows = []map[string]string{row}
}

// Flag tells where a discovery flag is from. It is NotFound when the config has no such flag.
func (o *Origins) Flag(name string) (Origin, error) {
	declared, ok := o.m.project.Discovery.PrepareMetadata.DiscoveryFlags[name]
	if !ok {
		return Origin{}, fault.New(fault.NotFound, fmt.Sprintf("the config has no discovery flag %q", name), "")
	}
	out := Origin{Field: name, Value: o.m.flags(o.scope)[name]}
	o.mapping(&out, ByFlag, declared, o.m.primary(o.answer), "")
	return out, nil
}
