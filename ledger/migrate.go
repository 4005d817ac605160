package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/pressly/goose/v3"

	"beampipe/fault"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// maxUpTries bounds how often a migration is tried that another process got ahead of.
const maxUpTries = 3

// migrate brings the file to this program's schema. A file of a newer schema, or of another program,
// is refused.
func migrate(ctx context.Context, path string, o Options) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	return migrateWith(ctx, path, o, files)
}

// migrateWith works on a pool of its own: goose keeps one connection while a migration without a
// transaction takes another.
func migrateWith(ctx context.Context, path string, o Options, files fs.FS, more ...*goose.Migration) error {
	db, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		return openError(path, err)
	}
	defer db.Close()
	empty, err := checkOwner(ctx, db, path)
	if err != nil {
		return err
	}
	if err := readVersions(ctx, db); err != nil {
		return openError(path, err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithGoMigrations(more...))
	if err != nil {
		return fmt.Errorf("ledger migrations: %w", err)
	}
	for range maxUpTries {
		var have, want int64
		have, want, err = versions(ctx, provider, empty)
		switch {
		case err != nil:
			return openError(path, err)
		case have > want:
			return newerError(path, have, want)
		case have == want:
			return nil
		}
		if there, err := hasEvents(ctx, db, have); err != nil {
			return openError(path, err)
		} else if there && !o.private {
			return upgrade(ctx, path, o, db, provider)
		}
		if _, err = provider.Up(ctx); err == nil {
			return nil
		}
		err = openError(path, fmt.Errorf("migrate ledger %s from version %d to %d: %w", path, have, want, err))
		empty = false // another process may have made the same step at the same time: look again
	}
	return err
}

// readVersions reads the table of migrations, if there is one: goose takes one that is damaged for one that
// is missing, and would make it.
func readVersions(ctx context.Context, db *sql.DB) error {
	var there bool
	err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'goose_db_version')").Scan(&there)
	if err != nil || !there {
		return err
	}
	var rows int64
	return db.QueryRowContext(ctx, "SELECT count(*) FROM goose_db_version").Scan(&rows)
}

func newerError(path string, have, known int64) error {
	return fault.New(fault.Invalid, fmt.Sprintf("open ledger %s: its schema is version %d, this program knows up to %d", path, have, known),
		"use the newer beampipe that wrote it, or restore a backup made before the upgrade")
}

// versions gives the file's schema version and this program's.
func versions(ctx context.Context, provider *goose.Provider, empty bool) (have, want int64, err error) {
	sources := provider.ListSources()
	want = sources[len(sources)-1].Version
	if empty {
		return 0, want, nil
	}
	have, err = provider.GetDBVersion(ctx)
	return have, want, err
}

// checkContent refuses what is no database, another program's, one without any table (unless create says
// that it may be filled) and one that cannot be written to. It looks through a connection that changes
// nothing: ours switches a file to WAL mode as soon as it opens it. It does not open the file itself:
// closing that would drop the locks that this process's other connections hold.
func checkContent(ctx context.Context, path string, create bool) error {
	if info, err := os.Stat(path); create && (err != nil || info.Size() == 0) {
		return nil // there is nothing of anybody's in it
	}
	q := url.Values{"mode": {"rw"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "query_only(ON)"}}
	db, err := sql.Open("sqlite", fileURI(path, q))
	if err != nil {
		return openError(path, err)
	}
	defer db.Close()
	if err := checkWritable(ctx, db, path); err != nil { // first: even reading leaves files beside one in WAL mode
		return err
	}
	_, empty, err := owner(ctx, db, path)
	if err == nil && empty && !create {
		return fault.New(fault.Invalid, fmt.Sprintf("open ledger %s: the file holds no ledger", path), "make one with: beampipe init --ledger "+path)
	}
	return err
}

// checkWritable refuses a file that SQLite could open for reading only; a WAL database would else be
// opened, and fail at its first write.
func checkWritable(ctx context.Context, db *sql.DB, path string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return openError(path, err)
	}
	defer conn.Close()
	readOnly := false
	err = conn.Raw(func(driverConn any) (err error) {
		c, ok := driverConn.(interface {
			IsReadOnly(schema string) (bool, error)
		})
		if !ok {
			return fmt.Errorf("%T does not tell whether a file is read-only", driverConn)
		}
		readOnly, err = c.IsReadOnly("main")
		return err
	})
	if err == nil && readOnly {
		return fault.Wrap(fault.Unavailable, &troubled{TroubleReadOnly, errors.New("it is read-only for this user")}, "open ledger "+path, writeAccessHint)
	}
	return openError(path, err)
}

// owner reads the application id and the number of tables, and refuses those of another program.
func owner(ctx context.Context, db *sql.DB, path string) (ours, empty bool, err error) {
	var id, tables int64
	// One statement, so that both are from one instant while another process fills the file.
	if err := db.QueryRowContext(ctx, "SELECT (SELECT application_id FROM pragma_application_id), count(*) FROM sqlite_master").Scan(&id, &tables); err != nil {
		return false, false, openError(path, err)
	}
	if id != applicationID && (tables > 0 || id != 0) {
		return false, false, fault.New(fault.Invalid, fmt.Sprintf("open ledger %s: it is a database of another program", path), "name a ledger file with --ledger or BEAMPIPE_LEDGER")
	}
	return id == applicationID, tables == 0, nil
}

// checkOwner tells a ledger from another program's database by the application id, and marks an empty
// file as ours. empty is true when the file has no table yet.
func checkOwner(ctx context.Context, db *sql.DB, path string) (empty bool, err error) {
	ours, empty, err := owner(ctx, db, path)
	if err != nil || ours {
		return empty, err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	return true, openError(path, err)
}

// rebuildTables makes a migration that rebuilds tables which others refer to. With foreign keys on,
// dropping the old table would take the children's rows with it; so it runs without goose's
// transaction, on a connection of its own with foreign keys off, and counts the rows of every listed
// table before and after. goose records the version afterwards, so the script must come to the same
// result when it is run again on its own result. It makes the triggers of a rebuilt table anew.
func rebuildTables(version int64, tables []string, script string) *goose.Migration {
	up := func(ctx context.Context, db *sql.DB) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = OFF"); err != nil {
			return err
		}
		err = rebuildOn(ctx, conn, tables, script)
		_, restore := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA foreign_keys = ON")
		return errors.Join(err, restore)
	}
	return goose.NewGoMigration(version, &goose.GoFunc{RunDB: up}, nil)
}

func rebuildOn(ctx context.Context, conn *sql.Conn, tables []string, script string) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it says so
	before, err := countRows(ctx, tx, tables)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	after, err := countRows(ctx, tx, tables)
	if err != nil {
		return err
	}
	for i, table := range tables {
		if before[i] != after[i] {
			return fmt.Errorf("rebuild: table %s had %d rows before and %d after", table, before[i], after[i])
		}
	}
	var table string
	err = tx.QueryRowContext(ctx, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`).Scan(&table)
	if !errors.Is(err, sql.ErrNoRows) {
		return errors.Join(err, fmt.Errorf("rebuild: table %s has rows whose parents are gone", table))
	}
	return tx.Commit()
}

func countRows(ctx context.Context, tx *sql.Tx, tables []string) ([]int64, error) {
	counts := make([]int64, len(tables))
	for i, table := range tables {
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM "`+table+`"`).Scan(&counts[i]); err != nil {
			return nil, fmt.Errorf("count rows of %s: %w", table, err)
		}
	}
	return counts, nil
}
