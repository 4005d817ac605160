package ledger

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ExecutionFilter narrows a list of executions; empty fields do not narrow. Any of them may be combined.
type ExecutionFilter struct {
	Project string
	Source  string // with this source, by its identifier
	States  []State
	Target  string
	Profile string
	Class   Class
	Held    *bool
	RerunOf string    // that run again what this execution ran
	Input   *Input    // made from this
	Since   time.Time // made at this time or later, by their ids
	Until   time.Time // made before this time

	Due     bool // only those whose not_before has come
	Unclaim bool // only those that no worker holds

	Before string // ids before this one: the cursor of a page, newest first
	After  string // ids after this one: the cursor of a page, oldest first
	Oldest bool   // oldest first
	Limit  int    // 0 = all
}

// Executions lists executions, the newest first unless told otherwise. A page costs what it shows, however
// many there are. Only Due, Unclaim and a Held of false look at every execution that the other fields let
// through: they go with States that few executions are in.
func (v View) Executions(f ExecutionFilter) ([]Execution, error) {
	if f.Input != nil {
		if err := f.Input.Check(); err != nil {
			return nil, err
		}
	}
	query, args, err := f.query(v.now)
	if err != nil {
		return nil, err
	}
	var list []Execution
	err = v.list("executions", query, args, func(rows *sql.Rows) error {
		e, err := scanExecution(rows.Scan)
		list = append(list, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, v.addSources(list)
}

// executionGroup are the columns in which the executions of a group are alike: those of execution_counts.
const executionGroup = "status, project, profile, target, failure_class"

// query reads what is fewest: the executions of a source, or those that repeat one, or that are held, or
// that were made from something; else the groups that the filter lets through; else all by their ids.
func (f ExecutionFilter) query(now time.Time) (string, []any, error) {
	b := &binds{}
	low, high := f.ids()
	m := merge{
		table: "batch_execution_record", key: "uuid", desc: !f.Oldest, low: b.add(low), high: b.add(high),
		columns: executionColumns, from: "batch_execution_record ON uuid = page.key",
	}
	group, err := f.groupConditions(b)
	if err != nil {
		return "", nil, err
	}
	rest := f.restConditions(b, now)
	m.where = and(append(slices.Clone(group), rest...))
	if f.Limit > 0 {
		m.limit = b.add(f.Limit)
	}
	switch {
	case f.Source != "":
		// The index of sources begins with the project, so it is named even when all are meant.
		m.groups = "SELECT id AS source_id FROM sources WHERE project IN (SELECT project FROM projects) AND identifier = " + b.add(f.Source)
		m.table, m.index, m.key, m.alike = "execution_sources", "execution_sources_source", "execution", []string{"source_id"}
	case f.RerunOf != "":
		m.groups, m.index, m.alike, m.also = "SELECT "+b.add(f.RerunOf)+" AS rerun_of", "executions_rerun", []string{"rerun_of"}, "i.rerun_of <> ''"
	case f.Held != nil && *f.Held:
		return m.byID("batch_execution_record INDEXED BY executions_held"), b.args, nil
	case f.Input != nil:
		return m.ofInput(b.add(f.Input.Kind), b.add(f.Input.Value)), b.args, nil
	case len(group) > 0:
		m.groups = "SELECT " + executionGroup + " FROM execution_counts WHERE n > 0 AND " + and(group)
		m.index, m.alike, m.where = "executions_listed", strings.Split(executionGroup, ", "), and(rest)
	default:
		return m.byID("batch_execution_record"), b.args, nil
	}
	return m.text(), b.args, nil
}

// fewer reports whether the filter names something of which there are fewer executions than of an input.
func (f ExecutionFilter) fewer() bool {
	return f.Source != "" || f.RerunOf != "" || f.Held != nil && *f.Held
}

// byID is the list of a whole table, or of a whole index of it, in the order of ids.
func (m merge) byID(table string) string {
	conds := []string{m.key + " >= " + m.low, m.key + " < " + m.high}
	if m.where != "" {
		conds = append(conds, m.where)
	}
	order := m.key
	if m.desc {
		order += " DESC"
	}
	return "SELECT " + m.columns + " FROM " + table + tail(and(conds), order, m.limit)
}

// ofInput is the list of what was made from something, in the order of ids. It is one group, of which more
// rows may have to be looked at than are shown, so it is read without a queue; an execution that several of
// its sources bring there is there once.
func (m merge) ofInput(kind, value string) string {
	order := "execution"
	if m.desc {
		order += " DESC"
	}
	conds := []string{"kind = " + kind, "value = " + value, "execution >= " + m.low, "execution < " + m.high}
	return "SELECT " + m.columns + " FROM (SELECT DISTINCT execution FROM execution_inputs INDEXED BY sqlite_autoindex_execution_inputs_1" + tail(and(conds), order, "-1") + // a limit, or the order inside would not count
		") page CROSS JOIN batch_execution_record ON uuid = page.execution" + tail(m.where, "", m.limit)
}

// groupConditions are those on the columns of a group.
func (f ExecutionFilter) groupConditions(b *binds) ([]string, error) {
	var conds []string
	if len(f.States) > 0 {
		states, err := jsonText(f.States)
		if err != nil {
			return nil, err
		}
		conds = append(conds, "status IN (SELECT value FROM json_each("+b.add(states)+"))")
	}
	for _, c := range []struct{ column, value string }{
		{"project", f.Project}, {"profile", f.Profile}, {"target", f.Target}, {"failure_class", string(f.Class)},
	} {
		if c.value != "" {
			conds = append(conds, c.column+" = "+b.add(c.value))
		}
	}
	return conds, nil
}

// restConditions are those for which there is no group.
func (f ExecutionFilter) restConditions(b *binds, now time.Time) []string {
	var conds []string
	if f.Input != nil && f.fewer() {
		conds = append(conds, "EXISTS (SELECT 1 FROM execution_inputs n WHERE n.kind = "+b.add(f.Input.Kind)+" AND n.value = "+b.add(f.Input.Value)+" AND n.execution = uuid)")
	}
	if f.RerunOf != "" {
		conds = append(conds, "rerun_of = "+b.add(f.RerunOf))
	}
	if f.Held != nil && *f.Held {
		conds = append(conds, "held_at IS NOT NULL")
	} else if f.Held != nil {
		conds = append(conds, "held_at IS NULL")
	}
	if f.Due {
		conds = append(conds, "(not_before IS NULL OR not_before <= "+b.add(Stamp(now))+")")
	}
	if f.Unclaim {
		conds = append(conds, "NOT EXISTS (SELECT 1 FROM claims WHERE subject = 'execution:' || uuid AND owner <> '' AND expires_at > "+b.add(Stamp(now))+")")
	}
	return conds
}

// behindIDs comes after every id.
const behindIDs = "~"

// ids gives the range of ids that the cursors and the times leave: from low to before high.
func (f ExecutionFilter) ids() (low, high string) {
	high = behindIDs
	if f.After != "" {
		low = f.After + "\x00" // the next text
	}
	if f.Before != "" {
		high = f.Before
	}
	if !f.Since.IsZero() {
		low = max(low, idAt(f.Since))
	}
	if !f.Until.IsZero() {
		high = min(high, idAt(f.Until))
	}
	return low, high
}

// idAt comes before every UUIDv7 that was made at t or later, and after those made before: they begin with
// the milliseconds since 1970.
func idAt(t time.Time) string {
	ms := fmt.Sprintf("%012x", max(0, t.UnixMilli()))
	return ms[:8] + "-" + ms[8:]
}

// sourcesAtOnce is of how many executions the sources are read by one query.
const sourcesAtOnce = 1000

// addSources reads the sources of each execution of a list, by identifier.
func (v View) addSources(list []Execution) error {
	for part := range slices.Chunk(list, sourcesAtOnce) {
		ids := make([]string, len(part))
		byID := make(map[string]*Execution, len(part))
		for i := range part {
			ids[i], byID[part[i].ID] = part[i].ID, &part[i]
		}
		text, err := jsonText(ids)
		if err != nil {
			return err
		}
		err = v.list("sources of executions", "SELECT e.execution, "+executionSourceColumns+" FROM json_each(?) j CROSS JOIN execution_sources e ON e.execution = j.value",
			[]any{text}, func(rows *sql.Rows) error {
				var id string
				s, err := scanExecutionSource(rows, &id)
				if e := byID[id]; e != nil {
					e.Sources = append(e.Sources, s)
				}
				return err
			})
		if err != nil {
			return err
		}
		for i := range part {
			slices.SortFunc(part[i].Sources, func(a, b ExecutionSource) int { return strings.Compare(a.Identifier, b.Identifier) })
		}
	}
	return nil
}

const executionSourceColumns = "source_id, identifier, sbids, signature, resigned, active"

// scanExecutionSource scans these columns, behind those of first.
func scanExecutionSource(rows *sql.Rows, first ...any) (ExecutionSource, error) {
	var s ExecutionSource
	var sbids string
	if err := rows.Scan(append(first, &s.SourceID, &s.Identifier, &sbids, &s.Signature, &s.Resigned, &s.Active)...); err != nil {
		return s, err
	}
	return s, scanJSON("SBIDs", sbids, &s.SBIDs)
}
