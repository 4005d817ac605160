package ledger

import (
	"database/sql"
	"fmt"

	"beampipe/fault"
	"beampipe/provenance"
)

// EventFilter narrows a list of events; empty fields do not narrow. Any of them may be combined.
type EventFilter struct {
	Project   string
	Source    string // of the project, which must be given with it
	Execution string
	Type      string
	After     int64 // events with a greater sequence number
	Before    int64 // events with a smaller one; 0 = all
	Limit     int   // 0 = 1000
	Newest    bool  // newest first
}

const eventColumns = "seq, occurred_at, event_type, project_module, source_identifier, execution_id, actor, correlation_id, payload, prev_hash, hash"

// Events lists events in the order in which they happened, or the newest first. A page costs what it
// shows, however many there are.
func (v View) Events(f EventFilter) ([]provenance.Event, error) {
	if f.Source != "" && f.Project == "" {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("list the events of source %s: no project is named", f.Source), "name its project")
	}
	query, args := f.query()
	var events []provenance.Event
	err := v.list("provenance events", query, args, func(rows *sql.Rows) error {
		e, err := scanEvent(rows)
		events = append(events, e)
		return err
	})
	return events, err
}

// behindSeqs comes after every sequence number.
const behindSeqs = 1<<63 - 1

// query reads the events of an execution or of a source, which are few; else those of a type or of a
// project, which are merged; else the log.
func (f EventFilter) query() (string, []any) {
	if f.Limit <= 0 {
		f.Limit = eventPage
	}
	if f.Before <= 0 {
		f.Before = behindSeqs
	}
	b := &binds{}
	m := merge{
		table: "provenance_events", index: "provenance_type", key: "seq", desc: f.Newest, low: b.add(f.After + 1), high: b.add(f.Before), limit: b.add(f.Limit),
		columns: eventColumns, from: "provenance_events ON seq = page.key",
	}
	var conds []string
	for _, c := range []struct{ column, value string }{
		{"execution_id", f.Execution}, {"source_identifier", f.Source}, {"project_module", f.Project}, {"event_type", f.Type},
	} {
		if c.value != "" {
			conds = append(conds, c.column+" = "+b.add(c.value))
		}
	}
	m.where = and(conds)
	switch {
	case f.Execution != "":
		m.where += " AND execution_id <> ''"
		return m.byID("provenance_events INDEXED BY provenance_execution"), b.args
	case f.Source != "":
		m.where += " AND source_identifier <> ''"
		return m.byID("provenance_events INDEXED BY provenance_source"), b.args
	case len(conds) == 0:
		return m.byID("provenance_events"), b.args
	}
	m.where, m.alike = "", []string{"event_type", "project_module"}
	m.groups = m.pairs("event_type", f.Type, "project_module", f.Project, b)
	return m.text(), b.args
}
