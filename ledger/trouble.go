package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"beampipe/fault"
)

// Trouble says what is wrong with the ledger's file, apart from what was asked of it. It is the code of
// the health problem as well. The list is closed.
type Trouble string

// The troubles. After all but damaged and gone, writing goes on by itself once the cause is gone.
const (
	TroubleFull        Trouble = "ledger_full"
	TroubleReadOnly    Trouble = "ledger_read_only"
	TroubleLocked      Trouble = "ledger_locked"      // another process writes, for longer than is waited for
	TroubleDamaged     Trouble = "ledger_damaged"     // a page, or the file, is not what SQLite wrote
	TroubleGone        Trouble = "ledger_gone"        // the file was removed or replaced under us: open it again
	TroubleUnavailable Trouble = "ledger_unavailable" // the disk refuses for another reason
)

// troubled marks an error with the trouble that it comes of.
type troubled struct {
	Trouble
	err error
}

func (t *troubled) Error() string { return t.err.Error() }
func (t *troubled) Unwrap() error { return t.err }

// TroubleOf gives the trouble that an error of this package comes of; "" when it is not the file's fault.
func TroubleOf(err error) Trouble {
	var t *troubled
	if errors.As(err, &t) {
		return t.Trouble
	}
	var e *sqlite.Error
	if errors.As(err, &e) {
		return troubleOfCode(e.Code())
	}
	return ""
}

func troubleOfCode(code int) Trouble {
	switch code & 0xff {
	case sqlite3.SQLITE_FULL:
		return TroubleFull
	case sqlite3.SQLITE_READONLY:
		if code == sqlite3.SQLITE_READONLY_DBMOVED {
			return TroubleGone
		}
		return TroubleReadOnly
	case sqlite3.SQLITE_PERM:
		return TroubleReadOnly
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return TroubleLocked
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return TroubleDamaged
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOLFS:
		return TroubleUnavailable
	}
	return ""
}

// noRoom is the free space below which a failed write is put down to a full disk.
const noRoom = 64 << 10

// diagnose gives the trouble of an error. SQLite says "disk I/O error" for much: the file system is asked
// whether it, or a file, has turned read-only, or has no room.
func diagnose(path string, err error) Trouble {
	t := TroubleOf(err)
	if t != TroubleUnavailable {
		return t
	}
	for _, name := range []string{path, path + "-wal"} {
		switch unix.Access(name, unix.W_OK) {
		case unix.EROFS, unix.EPERM, unix.EACCES:
			return TroubleReadOnly
		}
	}
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) == nil && fs.Bavail*uint64(fs.Bsize) < noRoom {
		return TroubleFull
	}
	return t
}

// isCode reports whether err is SQLite's with that primary result code.
func isCode(err error, code int) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == code
}

// What an operator can do, and what happens then.
const (
	writeAccessHint = "give the user of this process write access to the file and its folder"
	damagedHint     = "stop the daemon and restore the ledger from a backup"
	goesOnHint      = "; writing goes on by itself when that is done"
)

// openError says what an error means for somebody who opens a ledger.
func openError(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case isCode(err, sqlite3.SQLITE_NOTADB):
		return fault.Wrap(fault.Invalid, &troubled{TroubleDamaged, err}, "open ledger "+path+": it is not a SQLite database", "name a ledger file, or restore this one from a backup")
	case isCode(err, sqlite3.SQLITE_READONLY), isCode(err, sqlite3.SQLITE_CANTOPEN), isCode(err, sqlite3.SQLITE_PERM):
		return fault.Wrap(fault.Unavailable, &troubled{TroubleReadOnly, err}, "open ledger "+path+": it, or its folder, cannot be written to",
			writeAccessHint)
	}
	if diagnose(path, err) == TroubleDamaged {
		return fault.Wrap(fault.Invalid, &troubled{TroubleDamaged, err}, "open ledger "+path+": the file is damaged", damagedHint)
	}
	return writeError(path, err)
}

// causeOf gives what SQLite said, without what we said of it.
func causeOf(err error) string {
	var t *troubled
	if errors.As(err, &t) {
		return t.Error()
	}
	return err.Error()
}

// writeError says what a failed write means for the operator. Errors that are not SQLite's, and those that
// were told of already, pass unchanged.
func writeError(path string, err error) error {
	var told *troubled
	if err == nil || errors.As(err, &told) {
		return err
	}
	what := "write to ledger " + path
	trouble := diagnose(path, err)
	cause := &troubled{trouble, err}
	switch trouble {
	case TroubleLocked:
		return fault.Wrap(fault.Unavailable, cause, what+": another process holds it locked", "end the other process, or try again")
	case TroubleFull:
		return fault.Wrap(fault.Unavailable, cause, what+": the disk is full", "make room on the ledger's disk"+goesOnHint)
	case TroubleReadOnly:
		return fault.Wrap(fault.Unavailable, cause, what+": the file cannot be written to", writeAccessHint+", and see that its file system is not mounted read-only"+goesOnHint)
	case TroubleDamaged:
		return fault.Wrap(fault.Invalid, cause, what+": the file is damaged", damagedHint)
	case TroubleGone:
		return goneError(path, err)
	case TroubleUnavailable:
		return fault.Wrap(fault.Unavailable, cause, what+": the disk refuses", "see the system's log for errors of the ledger's disk"+goesOnHint)
	}
	if isCode(err, sqlite3.SQLITE_CONSTRAINT) {
		return fault.Wrap(fault.Conflict, err, what, "")
	}
	return err
}

func readError(path, what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "ledger "+path+": "+what, "")
	}
	if errors.Is(err, errReadAge) {
		return err // it says all there is to say
	}
	trouble := diagnose(path, err)
	if trouble == TroubleDamaged {
		return fault.Wrap(fault.Invalid, &troubled{trouble, err}, "read ledger "+path+": "+what+": the file is damaged", damagedHint)
	}
	if trouble != "" {
		err = &troubled{trouble, err}
	}
	return fault.Wrap(fault.Unavailable, err, "read ledger "+path+": "+what, "")
}

func goneError(path string, err error) error {
	return fault.Wrap(fault.Unavailable, &troubled{TroubleGone, err}, "use ledger "+path,
		"put the file back or restore a backup, then start again: what has it open now cannot go on with another file")
}

// fileID is which file a name stands for.
type fileID struct{ device, inode uint64 }

// files are the ledger's file and its write-ahead log as they were when they were opened. SQLite goes on
// writing to a file that was removed, and nobody would ever read it.
type files struct {
	ledger, wal fileID
	walSize     int64
}

func idOf(path string) (fileID, int64, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return fileID{}, 0, err
	}
	return fileID{uint64(s.Dev), s.Ino}, s.Size, nil //nolint:unconvert // Dev is signed on some systems
}

// know takes the log's identity: it is there once a transaction was begun.
func (f *files) know(path string) {
	if f.wal == (fileID{}) {
		f.wal, f.walSize, _ = idOf(path + "-wal") // without it there is nothing to compare
	}
}

// there looks whether the files are still the same ones.
func (f *files) there(path string) error {
	if err := sameFile(path, f.ledger, nil); err != nil {
		return err
	}
	if f.wal == (fileID{}) {
		return nil
	}
	return sameFile(path+"-wal", f.wal, &f.walSize)
}

func sameFile(path string, known fileID, size *int64) error {
	now, bytes, err := idOf(path)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return goneError(path, fmt.Errorf("the file was removed while it was open"))
	case err != nil:
		return fault.Wrap(fault.Unavailable, &troubled{TroubleUnavailable, err}, "use ledger "+path, "see why its folder cannot be read"+goesOnHint)
	case now != known:
		return goneError(path, fmt.Errorf("another file was put in its place while it was open"))
	}
	if size != nil {
		*size = bytes
	}
	return nil
}

// Probe makes one small durable write that changes nothing: it is nil when the ledger can be written to
// now. TroubleOf tells what is wrong with it otherwise.
func (l *Ledger) Probe(ctx context.Context) error {
	return l.Write(ctx, func(tx *Tx) error {
		var version int64
		if err := tx.get("user version", "PRAGMA user_version", nil, &version); err != nil {
			return err
		}
		_, err := tx.exec("write it again", fmt.Sprintf("PRAGMA user_version = %d", version))
		return err
	})
}
