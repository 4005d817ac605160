package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	"beampipe/fault"
)

// schema compares the tables, indexes and triggers of the file with those that this program makes.
func (c *checker) schema() error {
	v := c.view()
	if err := v.get("schema version", "SELECT max(version_id) FROM goose_db_version", nil, &c.version); err != nil {
		return err
	}
	have := map[string]string{}
	if err := v.readSchema(have); err != nil {
		return err
	}
	want, err := freshSchema(c.ctx, c.version)
	if err != nil {
		return err
	}
	c.step.Checked = int64(len(have))
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch text, there := have[name]; {
		case !there:
			c.found("%s is missing: someone has dropped it; a new ledger has it (beampipe init), and what it guards may have been changed since", name)
		case text != want[name]:
			c.found("%s was changed; it must read: %s", name, strings.Join(strings.Fields(want[name]), " "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ours := want[name]; !ours {
			c.found("%s is not of this program: drop it, unless you know what it is for", name)
		}
	}
	return c.openPruning()
}

// openPruning looks for a pruning that somebody has left open: while it is, histories can be deleted.
func (c *checker) openPruning() error {
	v := c.view()
	if there, err := v.hasTable("prunings"); err != nil || !there {
		return err
	}
	return v.list("open prunings", "SELECT id, kind FROM prunings WHERE open = 1", nil, func(rows *sql.Rows) error {
		var id int64
		var kind string
		err := rows.Scan(&id, &kind)
		c.found("pruning %d of %s is open, which this program never leaves: whoever can write plain SQL can delete %s now; close it with: UPDATE prunings SET open = 0 WHERE id = %d", id, kind, kind, id)
		return err
	})
}

// readSchema reads the text of every table, index and trigger, but for what SQLite keeps for itself.
func (v View) readSchema(into map[string]string) error {
	return v.list("schema", "SELECT type, name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'", nil, func(rows *sql.Rows) error {
		var kind, name, text string
		err := rows.Scan(&kind, &name, &text)
		into[kind+" "+name] = text
		return err
	})
}

// freshSchema gives the schema of a version as this program's migrations make it.
func freshSchema(ctx context.Context, version int64) (schema map[string]string, err error) {
	folder, err := os.MkdirTemp("", "beampipe-schema-")
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make a ledger to compare with", "make room in the temporary folder, or set TMPDIR")
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "fresh.db")
	db, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		return nil, openError(path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return nil, fmt.Errorf("ledger migrations: %w", err)
	}
	if sources := provider.ListSources(); version > sources[len(sources)-1].Version {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("the schema is version %d, this program knows up to %d", version, sources[len(sources)-1].Version), "use the newer beampipe that wrote it")
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		return nil, fmt.Errorf("make a ledger to compare with: %w", err)
	}
	schema = map[string]string{}
	return schema, View{ctx: ctx, q: db, path: path}.readSchema(schema)
}
