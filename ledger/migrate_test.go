package ledger

import (
	"context"
	"database/sql"
	"io/fs"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"
)

// rebuildProjects rebuilds a table that sources and executions refer to.
const rebuildProjects = `
	DROP TABLE IF EXISTS new_projects;
	CREATE TABLE new_projects (
		project TEXT PRIMARY KEY, revision INTEGER NOT NULL, admitting INTEGER NOT NULL DEFAULT 0, admit_reason TEXT NOT NULL DEFAULT '',
		admit_by TEXT NOT NULL DEFAULT '', admit_at TEXT, created_at TEXT NOT NULL, brake_at TEXT, brake_reason TEXT NOT NULL DEFAULT '',
		motto TEXT NOT NULL DEFAULT '',
		FOREIGN KEY (project, revision) REFERENCES project_configs (project, revision)
	) WITHOUT ROWID;
	INSERT INTO new_projects (project, revision, admitting, admit_reason, admit_by, admit_at, created_at, brake_at, brake_reason)
		SELECT project, revision, admitting, admit_reason, admit_by, admit_at, created_at, brake_at, brake_reason FROM projects;
	DROP TABLE projects;
	ALTER TABLE new_projects RENAME TO projects;`

var counted = []string{"projects", "sources", "batch_execution_record", "execution_sources", "provenance_events"}

// closedFixture makes a ledger with a project, a source and an execution, and closes it.
func closedFixture(t *testing.T) string {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	f.walk(f.admit("A"), EventPrepare)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Path()
}

// present is the schema version of this program; nextVersion is that of the migrations which these tests add.
var (
	present     = newest()
	nextVersion = present + 1
)

func newest() int64 {
	files, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		panic(err)
	}
	version, err := goose.NumericComponent(files[len(files)-1].Name())
	if err != nil {
		panic(err)
	}
	return version
}

func migrateOn(t *testing.T, path string, tables []string, script string) error {
	t.Helper()
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	return migrateWith(context.Background(), path, Options{}, files, rebuildTables(nextVersion, tables, script))
}

// rowsOf counts the rows of the counted tables and gives the schema version.
func rowsOf(t *testing.T, path string) (rows []int64, version int64) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range counted {
		var n int64
		if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, n)
	}
	if err := db.QueryRow("SELECT max(version_id) FROM goose_db_version").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return rows, version
}

func same(a, b []int64) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestRebuildingAParentTableKeepsItsChildren(t *testing.T) {
	path := closedFixture(t)
	before, _ := rowsOf(t, path)
	if err := migrateOn(t, path, counted, rebuildProjects); err != nil {
		t.Fatal(err)
	}
	after, version := rowsOf(t, path)
	if !same(before, after) || version != nextVersion || after[1] != 1 || after[2] != 1 {
		t.Errorf("rows %v, then %v at version %d", before, after, version)
	}
	db, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE projects SET motto = 'ad astra'"); err != nil {
		t.Errorf("the new column: %v", err)
	}
	if _, err := db.Exec("INSERT INTO sources (project, identifier, registered_at, registered_by, next_due_at) VALUES ('none', 'B', '', '', '')"); err == nil {
		t.Error("a source of no project was stored: the children no longer refer to the table")
	}
	// A second run finds nothing to do; a run that was cut off before the version was noted comes to the same.
	if err := migrateOn(t, path, counted, rebuildProjects); err != nil {
		t.Error(err)
	}
	if _, err := db.Exec("DELETE FROM goose_db_version WHERE version_id = ?", nextVersion); err != nil {
		t.Fatal(err)
	}
	if err := migrateOn(t, path, counted, rebuildProjects); err != nil {
		t.Error(err)
	}
	if again, version := rowsOf(t, path); !same(before, again) || version != nextVersion {
		t.Errorf("rows %v at version %d after the second run", again, version)
	}
}

func TestARebuildThatLosesRowsIsRefusedAndRolledBack(t *testing.T) {
	for name, tt := range map[string]struct {
		tables []string
		script string
		want   string
	}{
		"rows of the table": {counted, strings.Replace(rebuildProjects, "FROM projects;", "FROM projects WHERE 0;", 1), "table projects had 1 rows before and 0 after"},
		"rows of a child":   {counted, rebuildProjects + "DELETE FROM sources;", "table sources had 1 rows before and 0 after"},
		"orphans only":      {[]string{"sources"}, strings.Replace(rebuildProjects, "FROM projects;", "FROM projects WHERE 0;", 1), "whose parents are gone"},
		"a script error":    {counted, rebuildProjects + "SELECT nonsense;", "nonsense"},
		"no such table":     {[]string{"planets"}, rebuildProjects, "count rows of planets"},
	} {
		t.Run(name, func(t *testing.T) {
			path := closedFixture(t)
			before, _ := rowsOf(t, path)
			err := migrateOn(t, path, tt.tables, tt.script)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one that names %s and says %q", err, path, tt.want)
			}
			if after, version := rowsOf(t, path); !same(before, after) || version != present {
				t.Errorf("rows %v, then %v at version %d", before, after, version)
			}
			l, err := Open(context.Background(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			verify(t, l)
		})
	}
}

func TestWithForeignKeysOnTheSameRebuildFails(t *testing.T) {
	path := closedFixture(t)
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	inTx := goose.NewGoMigration(nextVersion, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, rebuildProjects)
		return err
	}}, nil)
	if err := migrateWith(context.Background(), path, Options{}, files, inTx); err == nil {
		t.Error("a rebuild inside goose's transaction passed; rebuildTables would not be needed")
	}
}
