package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"beampipe/fault"
)

// Stats says how large a ledger is, of what, and how fast it grows.
type Stats struct {
	At            time.Time       `json:"at"`
	Path          string          `json:"path"`
	LedgerID      string          `json:"ledger_id"`
	SchemaVersion int64           `json:"schema_version"`
	FileBytes     int64           `json:"file_bytes"`
	WALBytes      int64           `json:"wal_bytes"`
	FreeBytes     int64           `json:"free_bytes"` // of the file: in pages that hold nothing, which vacuum gives back
	DiskFreeBytes int64           `json:"disk_free_bytes"`
	Head          Head            `json:"head"`
	Events        EventStats      `json:"events"`
	Tables        []TableStats    `json:"tables"`    // the largest first
	Artifacts     []ArtifactStats `json:"artifacts"` // by kind, the largest first
	Backups       []BackupFile    `json:"backups"`   // beside the ledger, the newest first
	LastPruned    *time.Time      `json:"last_pruned,omitempty"`
	Notes         []string        `json:"notes,omitempty"` // what could not be found out, and why
}

// EventStats says how many events there are and how fast they come.
type EventStats struct {
	Kept           int64      `json:"kept"`
	First          int64      `json:"first_seq"`
	Oldest         *time.Time `json:"oldest,omitempty"`
	Newest         *time.Time `json:"newest,omitempty"`
	LastDay        int64      `json:"last_day"`
	Last30Days     int64      `json:"last_30_days"`
	GrowthPerMonth int64      `json:"growth_per_month_bytes"` // if the next 30 days are as the last ones; an estimate
}

// TableStats is what a table takes, with its indexes.
type TableStats struct {
	Name       string `json:"name"`
	Rows       int64  `json:"rows"`
	Bytes      int64  `json:"bytes"`
	IndexBytes int64  `json:"index_bytes"` // of Bytes
}

// ArtifactStats is what the artifacts of a kind take. Content that several refer to counts for each.
type ArtifactStats struct {
	Kind   string `json:"kind"`
	Count  int64  `json:"count"`
	Plain  int64  `json:"plain_bytes"`
	Stored int64  `json:"stored_bytes"`
}

// BackupFile is a copy that an upgrade or a restore has left beside the ledger.
type BackupFile struct {
	Path  string    `json:"path"`
	Bytes int64     `json:"bytes"`
	At    time.Time `json:"at"`
}

// Stats looks at every page of the ledger, table by table, beside whoever uses it. What takes longer than a
// read may is left out, and a note says so.
func (l *Ledger) Stats(ctx context.Context) (Stats, error) {
	v := l.View(ctx)
	s := Stats{At: v.Now(), Path: l.path, Tables: []TableStats{}, Artifacts: []ArtifactStats{}}
	s.FileBytes, s.WALBytes = l.Size()
	var err error
	if s.LedgerID, err = v.LedgerID(); err != nil {
		return s, err
	}
	if s.SchemaVersion, _, err = l.SchemaVersion(ctx); err != nil {
		return s, err
	}
	if err := v.get("free pages", "SELECT (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)", nil, &s.FreeBytes); err != nil {
		return s, err
	}
	if s.DiskFreeBytes, err = freeBytes(filepath.Dir(l.path)); err != nil {
		return s, fault.Wrap(fault.Unavailable, err, "ask how much room folder "+filepath.Dir(l.path)+" has", "")
	}
	if s.Head.Seq, s.Head.Hash, err = v.Head(); err != nil {
		return s, err
	}
	if s.Tables, err = v.tableStats(&s.Notes); err != nil {
		return s, err
	}
	if s.Events, err = v.eventStats(s.Head.Seq, s.FileBytes-s.FreeBytes); err != nil {
		return s, err
	}
	if err := s.note("artifacts by kind", v.artifactStats(&s.Artifacts)); err != nil {
		return s, err
	}
	s.Backups = backupsBeside(l.path)
	s.LastPruned, err = v.lastPruned()
	return s, err
}

// note keeps what took too long out of the answer; any other error ends it.
func (s *Stats) note(what string, err error) error {
	if errors.Is(err, errReadAge) {
		s.Notes = append(s.Notes, what+": not counted, which takes longer than a read may")
		return nil
	}
	return err
}

// tableStats asks SQLite for the pages of each table and index. Each is a read of its own.
func (v View) tableStats(notes *[]string) ([]TableStats, error) {
	type tree struct {
		name, table string
		index       bool
	}
	trees := []tree{{name: "sqlite_schema", table: "sqlite_schema"}}
	err := v.list("tables and indexes", "SELECT name, tbl_name, type = 'index' FROM sqlite_master WHERE rootpage > 0 ORDER BY type DESC, name", nil, func(rows *sql.Rows) error {
		var t tree
		err := rows.Scan(&t.name, &t.table, &t.index)
		trees = append(trees, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	tables := map[string]*TableStats{}
	for _, t := range trees {
		stats := tables[t.table]
		if stats == nil {
			stats = &TableStats{Name: t.table}
			tables[t.table] = stats
		}
		// The cells of the leaves are a table's rows; where it has no row ids, those of the inner pages are as well.
		var bytes, leaves, inner int64
		err := v.get("pages of "+t.name, `SELECT coalesce(sum(pgsize), 0), coalesce(sum(ncell) FILTER (WHERE pagetype = 'leaf'), 0),
			coalesce(sum(ncell) FILTER (WHERE pagetype = 'internal'), 0) FROM dbstat WHERE name = ?`, []any{t.name}, &bytes, &leaves, &inner)
		if errors.Is(err, errReadAge) {
			*notes = append(*notes, t.name+": its pages are not counted, which takes longer than a read may")
			continue
		}
		if err != nil {
			return nil, err
		}
		stats.Bytes += bytes
		if t.index {
			stats.IndexBytes += bytes
			continue
		}
		if stats.Rows = leaves; v.withoutRowID(t.name) {
			stats.Rows += inner
		}
	}
	list := make([]TableStats, 0, len(tables))
	for _, stats := range tables {
		list = append(list, *stats)
	}
	slices.SortFunc(list, func(a, b TableStats) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

// withoutRowID tells whether a table is stored by its primary key.
func (v View) withoutRowID(table string) (is bool) {
	err := v.get("kind of table "+table, "SELECT wr FROM pragma_table_list WHERE name = ? AND schema = 'main'", []any{table}, &is)
	return err == nil && is
}

// eventStats looks up times by halving: events are in the order of their times, but where a clock was set back.
func (v View) eventStats(head, bytes int64) (s EventStats, err error) {
	var oldest, newest timeText
	err = v.list("first event", "SELECT seq, occurred_at FROM provenance_events ORDER BY seq LIMIT 1", nil, func(rows *sql.Rows) error { return rows.Scan(&s.First, &oldest) })
	if err != nil || s.First == 0 {
		return s, err
	}
	if err := v.get("last event", "SELECT occurred_at FROM provenance_events WHERE seq = ?", []any{head}, &newest); err != nil {
		return s, err
	}
	s.Oldest, s.Newest, s.Kept = oldest.t, newest.t, head-s.First+1
	since := func(d time.Duration) (int64, error) {
		at := Stamp(v.now.Add(-d))
		low, high := s.First, head+1 // the first event that is younger lies in between
		for low < high {
			middle := low + (high-low)/2
			var when string
			if err := v.get("time of an event", "SELECT occurred_at FROM provenance_events WHERE seq >= ? ORDER BY seq LIMIT 1", []any{middle}, &when); err != nil {
				return 0, err
			}
			if when <= at {
				low = middle + 1
			} else {
				high = middle
			}
		}
		return head + 1 - low, nil
	}
	if s.LastDay, err = since(day); err != nil {
		return s, err
	}
	if s.Last30Days, err = since(30 * day); err != nil {
		return s, err
	}
	s.GrowthPerMonth = int64(float64(bytes) / float64(s.Kept) * float64(s.Last30Days))
	// What is younger than a month has not had the time to show what a month brings.
	if age := v.now.Sub(*s.Oldest); age > 0 && age < 30*day {
		s.GrowthPerMonth = int64(float64(s.GrowthPerMonth) * float64(30*day) / float64(max(age, day)))
	}
	return s, nil
}

func (v View) artifactStats(into *[]ArtifactStats) error {
	return v.list("artifacts by kind", `SELECT e.kind, count(*), sum(a.size), sum(length(a.data)) FROM execution_artifacts e
		JOIN artifacts a ON a.sha256 = e.sha256 GROUP BY e.kind ORDER BY 4 DESC, 1`, nil, func(rows *sql.Rows) error {
		var a ArtifactStats
		err := rows.Scan(&a.Kind, &a.Count, &a.Plain, &a.Stored)
		*into = append(*into, a)
		return err
	})
}

func (v View) lastPruned() (*time.Time, error) {
	var at timeText
	if there, err := v.hasTable("prunings"); err != nil || !there {
		return nil, err
	}
	err := v.list("last pruning", "SELECT at FROM prunings ORDER BY id DESC LIMIT 1", nil, func(rows *sql.Rows) error { return rows.Scan(&at) })
	return at.t, err
}

// backupsBeside lists the copies that upgrades and restores have left.
func backupsBeside(path string) []BackupFile {
	list := []BackupFile{}
	names, err := filepath.Glob(globEscape(path) + ".before-*")
	if err != nil {
		return list
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() || strings.Contains(name, ".part-") {
			continue
		}
		list = append(list, BackupFile{Path: name, Bytes: info.Size(), At: info.ModTime().UTC()})
	}
	slices.SortFunc(list, func(a, b BackupFile) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Path, b.Path))
	})
	return list
}
