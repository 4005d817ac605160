package ledger

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"beampipe/fault"
)

// Bounds of the history of ticks.
const (
	MaxTickRuns    = 5_000 // rows that are kept per project, the newest
	MaxTickSources = 2_000 // sources that are listed of one tick
	MaxTickText    = 500   // bytes of a source's text

	tickPage = 100 // rows that are read where no number is asked for
)

// TickRun is one tick that did something: it worked on sources, or its reason changed.
type TickRun struct {
	ID       int64          `json:"id"`
	Project  string         `json:"project,omitempty"`
	Kind     string         `json:"kind"`
	Reason   string         `json:"reason"`
	BeganAt  time.Time      `json:"began_at"`
	EndedAt  time.Time      `json:"ended_at"`
	Counters map[string]int `json:"counters,omitempty"`
	Sources  []TickSource   `json:"sources,omitempty"` // at most MaxTickSources
	Note     string         `json:"note,omitempty"`
}

// TickSource is what a tick concluded about one source.
type TickSource struct {
	Identifier string `json:"source_identifier"`
	Outcome    string `json:"outcome"`
	Text       string `json:"text,omitempty"`
}

// TickFilter narrows a list of ticks; empty fields do not narrow.
type TickFilter struct {
	Project string
	Kind    string
	Before  int64 // ids before this one: the cursor of a page
	Limit   int   // 0 = 100
}

// RecordTickRun keeps what a tick did: as RecordTick, and in the history when it did something, which is
// when it lists sources or its reason has changed. id is 0 when there is no row of it. Times that are not
// set are now; sources past MaxTickSources are left out, and the note says how many. The newest
// MaxTickRuns rows of a project are kept.
func (tx *Tx) RecordTickRun(t TickRun) (id int64, err error) {
	news, err := tx.recordTick(t.Project, t.Kind, t.Reason, t.Counters)
	if err != nil || (!news && len(t.Sources) == 0) {
		return 0, err
	}
	if t.BeganAt.IsZero() {
		t.BeganAt = tx.now
	}
	if t.EndedAt.IsZero() {
		t.EndedAt = tx.now
	}
	counters, err := jsonText(t.Counters)
	if err != nil {
		return 0, err
	}
	sources, err := t.packSources()
	if err != nil {
		return 0, err
	}
	var last int64
	if err := tx.get("last tick of "+t.Project, "SELECT coalesce(max(number), 0) FROM tick_runs WHERE project = ?", []any{t.Project}, &last); err != nil {
		return 0, err
	}
	if err := tx.list("record tick", `INSERT INTO tick_runs (project, number, kind, began_at, ended_at, reason, counters, note, sources)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		[]any{t.Project, last + 1, t.Kind, Stamp(t.BeganAt), Stamp(t.EndedAt), t.Reason, counters, t.Note, sources},
		func(rows *sql.Rows) error { return rows.Scan(&id) }); err != nil {
		return 0, err
	}
	_, err = tx.exec("forget old ticks", "DELETE FROM tick_runs WHERE project = ? AND number <= ?", t.Project, last+1-MaxTickRuns)
	return id, err
}

// packSources bounds the list and compresses it; what is left out is told in the note.
func (t *TickRun) packSources() ([]byte, error) {
	list := t.Sources
	if more := len(list) - MaxTickSources; more > 0 {
		list = list[:MaxTickSources]
		if t.Note != "" {
			t.Note += "; "
		}
		t.Note += fmt.Sprintf("%d more sources are not listed", more)
	}
	bounded := make([]TickSource, len(list))
	for i, s := range list {
		s.Text = Excerpt(s.Text, MaxTickText)
		bounded[i] = s
	}
	text, err := Canonical(bounded)
	if err != nil {
		return nil, err
	}
	return compress(text)
}

const tickColumns = "id, project, kind, reason, began_at, ended_at, counters, note"

func (t *TickRun) scan(scan func(...any) error, more ...any) error {
	var began, ended timeText
	var counters string
	dest := append([]any{&t.ID, &t.Project, &t.Kind, &t.Reason, &began, &ended, &counters, &t.Note}, more...)
	if err := scan(dest...); err != nil {
		return err
	}
	t.BeganAt, t.EndedAt = began.value(), ended.value()
	return scanJSON("counters", counters, &t.Counters)
}

// TickRuns lists ticks without their sources, the newest first.
func (v View) TickRuns(f TickFilter) ([]TickRun, error) {
	query, args := f.query()
	var list []TickRun
	err := v.list("ticks", query, args, func(rows *sql.Rows) error {
		var t TickRun
		err := t.scan(rows.Scan)
		list = append(list, t)
		return err
	})
	return list, err
}

func (f TickFilter) query() (string, []any) {
	if f.Limit <= 0 {
		f.Limit = tickPage
	}
	if f.Before <= 0 {
		f.Before = behindSeqs
	}
	b := &binds{}
	m := merge{
		table: "tick_runs", index: "tick_runs_kind", key: "id", desc: true, low: b.add(0), high: b.add(f.Before), limit: b.add(f.Limit),
		columns: tickColumns, from: "tick_runs ON id = page.key",
	}
	if f.Kind == "" && f.Project == "" {
		return m.byID("tick_runs"), b.args
	}
	m.alike, m.groups = []string{"kind", "project"}, m.pairs("kind", f.Kind, "project", f.Project, b)
	return m.text(), b.args
}

// TickRun reads one tick with its sources.
func (v View) TickRun(id int64) (TickRun, error) {
	var t TickRun
	var packed []byte
	err := v.list(fmt.Sprintf("tick %d", id), "SELECT "+tickColumns+", sources FROM tick_runs WHERE id = ?", []any{id},
		func(rows *sql.Rows) error { return t.scan(rows.Scan, &packed) })
	if err != nil {
		return t, err
	}
	if t.ID == 0 {
		return t, fault.New(fault.NotFound, fmt.Sprintf("there is no tick %d in this ledger's history", id), "list them with: beampipe tick list")
	}
	text, err := decompress(packed)
	if err == nil {
		err = json.Unmarshal(text, &t.Sources)
	}
	return t, fault.Wrap(fault.Invalid, err, fmt.Sprintf("read tick %d: it is damaged", id), "restore the ledger from a backup")
}
