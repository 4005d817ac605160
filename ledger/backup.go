package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"beampipe/fault"
)

// How a copy is made: so many pages at once, and between them a pause for those who wait for the disk.
const (
	copyPages = 1024 // 4 MiB
	copyPause = 2 * time.Millisecond
)

// BackupReport says what a backup is of.
type BackupReport struct {
	Path          string    `json:"path"`
	Bytes         int64     `json:"bytes"`
	SHA256        string    `json:"sha256"` // of the file
	SchemaVersion int64     `json:"schema_version"`
	Head          Head      `json:"head"` // the last event in it
	At            time.Time `json:"at"`   // the instant that it shows
}

// Backup writes the ledger as it is now into the new file to, while others go on writing to it: one file,
// checked, durable, with nothing beside it. It is a Conflict error when to is there already. progress, which
// may be nil, is told bytes. The copy is of one instant: reading it keeps the write-ahead log from being cut
// short until the copy is made.
func (l *Ledger) Backup(ctx context.Context, to string, progress func(done, total int64)) (BackupReport, error) {
	return l.backup(ctx, to, false, progress)
}

// BackupOver is Backup that takes the place of an earlier file in one step.
func (l *Ledger) BackupOver(ctx context.Context, to string, progress func(done, total int64)) (BackupReport, error) {
	return l.backup(ctx, to, true, progress)
}

func (l *Ledger) backup(ctx context.Context, to string, over bool, progress func(done, total int64)) (BackupReport, error) {
	to, err := filepath.Abs(to)
	if err != nil {
		return BackupReport{}, fault.Wrap(fault.Invalid, err, "back up ledger "+l.path, "")
	}
	if err := l.checkTarget(to, over); err != nil {
		return BackupReport{}, err
	}
	source := dsn(l.path, true)
	if l.writer == nil {
		source = readerDSN(l.path)
	}
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return BackupReport{}, openError(l.path, err)
	}
	defer db.Close()
	report, err := writeCopy(ctx, db, l.path, to, progress, l.pass)
	report.At = l.Now()
	return report, err
}

// checkTarget refuses to write over the ledger itself, and over what is there when that was not asked for.
func (l *Ledger) checkTarget(to string, over bool) error {
	what := fmt.Sprintf("back up ledger %s to %s", l.path, to)
	info, err := os.Stat(to)
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(filepath.Dir(to)); err != nil {
			return fault.Wrap(fault.Unavailable, err, what, "name a file in a folder that is there and can be written to")
		}
		for _, end := range []string{"-wal", "-shm", "-journal", ".lock"} {
			if to == l.path+end {
				return fault.New(fault.Invalid, what+": that name belongs to the ledger", "name another file")
			}
		}
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, what, "name a file in a folder that can be written to")
	}
	own, err := os.Stat(l.path)
	switch {
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, what, "")
	case os.SameFile(info, own):
		return fault.New(fault.Invalid, what+": that is the ledger itself", "name another file")
	case !info.Mode().IsRegular():
		return fault.New(fault.Invalid, what+": that is no file", "name a new file")
	case !over:
		return fault.New(fault.Conflict, what+": there is a file of that name", "name another, or replace it with --force")
	}
	return nil
}

// writeCopy copies the database that db reads to a file, in the order: copied under another name, checked,
// made durable, renamed. pass is told when it is copied and when it is renamed.
func writeCopy(ctx context.Context, db *sql.DB, from, to string, progress func(done, total int64), pass func(string)) (BackupReport, error) {
	what := fmt.Sprintf("copy ledger %s to %s", from, to)
	info, err := os.Stat(from)
	if err != nil {
		return BackupReport{}, fault.Wrap(fault.Unavailable, err, what, "")
	}
	if err := needRoom(what, filepath.Dir(to), databaseBytes(from)); err != nil {
		return BackupReport{}, err
	}
	select {
	case makingCopies <- struct{}{}:
		defer func() { <-makingCopies }()
	case <-ctx.Done():
		return BackupReport{}, fault.Wrap(fault.Unavailable, context.Cause(ctx), what+": waiting for another copy", "")
	}
	part, err := newPart(to, info.Mode().Perm())
	if err != nil {
		return BackupReport{}, err
	}
	defer part.drop()
	var head Head
	if err := copyDatabase(ctx, db, part.part, progress, func(tx *sql.Tx) (err error) {
		head, err = headOn(ctx, tx)
		return err
	}); err != nil {
		return BackupReport{}, copyError(what, err)
	}
	report, err := checkCopy(ctx, part.part)
	if err == nil && report.Head != head {
		err = fault.New(fault.Invalid, fmt.Sprintf("its last event is %d, the ledger's was %d", report.Head.Seq, head.Seq), "")
	}
	if err != nil {
		return report, fault.Wrap(fault.Invalid, err, what+": the copy is not good", "look at the ledger with: beampipe ledger check")
	}
	pass("backup.copied")
	if err := part.finish(); err != nil {
		return report, err
	}
	report.Path = to
	pass("backup.renamed")
	return report, nil
}

// copyError says what ended a copy. The cause is on one of two files, so that the text names both.
func copyError(what string, err error) error {
	switch {
	case isCode(err, sqlite3.SQLITE_FULL):
		return fault.Wrap(fault.Unavailable, err, what+": the disk is full", "make room there, or name another disk")
	case isCode(err, sqlite3.SQLITE_CORRUPT), isCode(err, sqlite3.SQLITE_NOTADB):
		return fault.Wrap(fault.Invalid, err, what+": the first is damaged", "look at it with: beampipe ledger check; an earlier backup may be whole")
	}
	return fault.Wrap(fault.Unavailable, err, what, "")
}

// databaseBytes gives what a database and its write-ahead log take.
func databaseBytes(path string) (n int64) {
	for _, end := range []string{"", "-wal"} {
		if info, err := os.Stat(path + end); err == nil {
			n += info.Size()
		}
	}
	return n
}

// copyDatabase copies the pages of one instant into an empty file; look is given that instant first.
func copyDatabase(ctx context.Context, db *sql.DB, to string, progress func(done, total int64), look func(tx *sql.Tx) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// In one read transaction all steps are of one instant. Without it each write of another process would
	// begin the copy anew.
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	if err := look(tx); err != nil {
		return err
	}
	return conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(interface {
			NewBackup(uri string) (*sqlite.Backup, error)
		})
		if !ok {
			return fmt.Errorf("%T cannot copy a database", driverConn)
		}
		b, err := c.NewBackup(fileURI(to, url.Values{"mode": {"rw"}}))
		if err != nil {
			return err
		}
		if err := stepAll(ctx, b, progress); err != nil {
			return errors.Join(err, b.Finish())
		}
		copied, err := b.Commit()
		if err != nil {
			return err
		}
		return errors.Join(singleFile(ctx, copied), copied.Close())
	})
}

func stepAll(ctx context.Context, b *sqlite.Backup, progress func(done, total int64)) error {
	timer := time.NewTimer(copyPause)
	defer timer.Stop()
	for {
		more, err := b.Step(copyPages)
		if err != nil {
			return err
		}
		if total := int64(b.PageCount()); progress != nil {
			progress((total-int64(b.Remaining()))*pageSize, total*pageSize)
		}
		if !more {
			return nil
		}
		timer.Reset(copyPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// pageSize is SQLite's own, which every ledger has.
const pageSize = 4096

// singleFile takes a copy out of WAL mode, so that whoever reads it makes no files beside it.
func singleFile(ctx context.Context, c driver.Conn) error {
	e, ok := c.(driver.ExecerContext)
	if !ok {
		return fmt.Errorf("%T runs no statements", c)
	}
	_, err := e.ExecContext(ctx, "PRAGMA journal_mode = DELETE", nil)
	return err
}

// rowQuerier is what a pool, a connection and a transaction have in common.
type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func headOn(ctx context.Context, q rowQuerier) (h Head, err error) {
	err = q.QueryRowContext(ctx, "SELECT seq, hash FROM provenance_events ORDER BY seq DESC LIMIT 1").Scan(&h.Seq, &h.Hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return h, err
}

// checkCopy checks a file that nobody has open: its pages, and the chain of its events. It leaves nothing
// beside it.
func checkCopy(ctx context.Context, path string) (BackupReport, error) {
	db, err := sql.Open("sqlite", fileURI(path, url.Values{"mode": {"ro"}, "immutable": {"1"}}))
	if err != nil {
		return BackupReport{}, openError(path, err)
	}
	defer db.Close()
	report := BackupReport{Path: path}
	if err := quickCheck(ctx, db); err != nil {
		return report, err
	}
	if err := db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&report.SchemaVersion); err != nil {
		return report, readError(path, "schema version", err)
	}
	if report.Head, err = verifyFile(ctx, path, nil); err != nil {
		return report, err
	}
	report.Bytes, report.SHA256, err = digestFile(path)
	return report, err
}

// quickCheck is an Invalid error when pages of the database are damaged.
func quickCheck(ctx context.Context, db *sql.DB) error {
	return checkPages(ctx, db, "PRAGMA quick_check(5)")
}

func checkPages(ctx context.Context, db *sql.DB, pragma string) error {
	v := View{ctx: ctx, q: db}
	var found []string
	err := v.list("check pages", pragma, nil, func(rows *sql.Rows) error {
		var text string
		err := rows.Scan(&text)
		if text != "ok" {
			found = append(found, text)
		}
		return err
	})
	if err == nil && len(found) > 0 {
		err = fault.New(fault.Invalid, fmt.Sprintf("the file is damaged: %s", found[0]), "")
	}
	return err
}

// verifyFile verifies the provenance log of a file and gives its last event.
func verifyFile(ctx context.Context, path string, progress func(done, total int64)) (head Head, err error) {
	l, err := OpenReader(ctx, path, Options{})
	if err != nil {
		return Head{}, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	found, err := l.Verify(ctx, VerifyOptions{Progress: progress})
	if err == nil && found.Finding != nil {
		err = fault.New(fault.Invalid, "its provenance log is broken: "+found.Finding.Detail, "")
	}
	return found.Head, err
}

func digestFile(path string) (int64, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", fault.Wrap(fault.Unavailable, err, "read "+path, "")
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return 0, "", fault.Wrap(fault.Unavailable, err, "read "+path, "")
	}
	return n, hex.EncodeToString(sum.Sum(nil)), nil
}
