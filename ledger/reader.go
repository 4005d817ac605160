package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
	sqlite3 "modernc.org/sqlite/lib"

	"beampipe/fault"
)

// OpenReader opens a ledger for reading only, of this program's schema version or an older one, on a file
// and in a folder that may be read-only, and beside a daemon. Nothing is migrated and nothing can be
// written: Write and what writes are Invalid errors. Of Options it takes Now, NewID, Readers and Rebuild.
//
// SQLite keeps its index of the write-ahead log beside the file, so that files ending in -shm and -wal
// may be left there.
func OpenReader(ctx context.Context, path string, o Options) (*Ledger, error) {
	abs, err := existing(path)
	if err != nil {
		return nil, err
	}
	l := &Ledger{path: abs, now: o.Now, newID: o.NewID, rebuild: o.Rebuild, hostID: o.HostID, pass: func(string) {}, reads: newReadings()}
	if l.hostID == "" {
		l.hostID = MachineID()
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.newID == nil {
		l.newID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if l.readers, err = sql.Open("sqlite", readerDSN(abs)); err != nil {
		return nil, readerError(abs, err)
	}
	setReaders(l.readers, o.Readers)
	if err := l.checkReadable(ctx); err != nil {
		return nil, errors.Join(err, l.readers.Close())
	}
	return l, nil
}

// readerDSN opens for reading only. A folder that cannot be written to has no place for SQLite's index;
// where there is no log either, nobody can change the file, and it is read as it is.
func readerDSN(path string) string {
	q := url.Values{"mode": {"ro"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "query_only(ON)"}}
	wal, err := os.Stat(path + "-wal")
	noLog := errors.Is(err, fs.ErrNotExist) || err == nil && wal.Size() == 0
	if noLog && unix.Faccessat(unix.AT_FDCWD, filepath.Dir(path), unix.W_OK, unix.AT_EACCESS) != nil {
		q.Set("immutable", "1")
	}
	return fileURI(path, q)
}

// checkReadable refuses what is no ledger, and one of a newer program.
func (l *Ledger) checkReadable(ctx context.Context) error {
	ours, _, err := owner(ctx, l.readers, l.path)
	switch {
	case isCode(err, sqlite3.SQLITE_CANTOPEN), isCode(err, sqlite3.SQLITE_READONLY):
		return readerError(l.path, err)
	case err != nil:
		return err
	case !ours:
		return fault.New(fault.Invalid, fmt.Sprintf("open ledger %s: the file holds no ledger", l.path), "name a ledger file with --ledger or BEAMPIPE_LEDGER")
	}
	have, known, err := l.SchemaVersion(ctx)
	if err == nil && have > known {
		return newerError(l.path, have, known)
	}
	return err
}

func readerError(path string, err error) error {
	return fault.Wrap(fault.Unavailable, &troubled{TroubleUnavailable, err}, "open ledger "+path+" for reading",
		"give the user of this process read access to the file; when a log lies beside it (-wal), copy both to a folder that can be written to and read them there")
}

// SchemaVersion gives the version of the file's schema and the newest that this program knows.
func (l *Ledger) SchemaVersion(ctx context.Context) (have, known int64, err error) {
	if known, err = knownVersion(); err != nil {
		return 0, 0, err
	}
	err = l.View(ctx).get("schema version", "SELECT coalesce(max(version_id), 0) FROM goose_db_version", nil, &have)
	return have, known, err
}

// knownVersion is that of the last migration: its file's name begins with it.
func knownVersion() (version int64, err error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		number, _, _ := strings.Cut(filepath.Base(name), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("ledger migrations: %w", err)
		}
		version = max(version, n)
	}
	return version, nil
}
