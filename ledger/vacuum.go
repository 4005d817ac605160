package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"beampipe/fault"
)

// VacuumReport says what a vacuum gave back.
type VacuumReport struct {
	Path        string `json:"path"`
	BytesBefore int64  `json:"bytes_before"`
	BytesAfter  int64  `json:"bytes_after"`
}

// Vacuum writes the ledger anew without its free pages. It holds every other write up for as long as it
// takes, so that it is a Conflict while a daemon runs. It needs the ledger's size twice over: in the
// folder, for the write-ahead log, and where SQLite keeps temporary files (SQLITE_TMPDIR, TMPDIR, /var/tmp).
func (l *Ledger) Vacuum(ctx context.Context) (report VacuumReport, err error) {
	what := "vacuum ledger " + l.path
	if l.writer == nil {
		return report, fault.New(fault.Invalid, what+": it was opened for reading only", "")
	}
	lock, err := LockDaemon(l.path)
	if err != nil {
		return report, fault.Wrap(fault.KindOf(err), err, what+", which holds up every write", "")
	}
	defer lock.Release() //nolint:errcheck // the end of the process would release it as well
	if err := l.Checkpoint(ctx); err != nil {
		return report, fault.Wrap(fault.KindOf(err), err, what, "")
	}
	size := databaseBytes(l.path)
	for _, folder := range []string{filepath.Dir(l.path), sqliteTemp()} {
		if err := needRoom(what, folder, 2*size); err != nil {
			return report, err
		}
	}
	report.Path = l.path
	report.BytesBefore, _ = l.Size()
	db, err := sql.Open("sqlite", dsn(l.path, false))
	if err != nil {
		return report, openError(l.path, err)
	}
	defer db.Close()
	// Cutting it off would leave the ledger as it was, and nothing won: it is carried to its end.
	if _, err := db.ExecContext(context.WithoutCancel(ctx), "VACUUM"); err != nil {
		return report, fault.Wrap(fault.Unavailable, writeError(l.path, err), what, "the ledger is as it was")
	}
	if err := l.Checkpoint(ctx); err != nil {
		return report, fault.Wrap(fault.KindOf(err), err, fmt.Sprintf("%s: it is done, and the file is cut short with the next checkpoint", what), "")
	}
	report.BytesAfter, _ = l.Size()
	return report, nil
}

// sqliteTemp is the folder in which SQLite keeps its temporary files, by its own rules.
func sqliteTemp() string {
	for _, folder := range []string{os.Getenv("SQLITE_TMPDIR"), os.Getenv("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp"} {
		if info, err := os.Stat(folder); folder != "" && err == nil && info.IsDir() && unix.Access(folder, unix.W_OK|unix.X_OK) == nil {
			return folder
		}
	}
	return "."
}
