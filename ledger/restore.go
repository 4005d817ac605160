package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"beampipe/fault"
)

// RestoreOptions are what a restore is given.
type RestoreOptions struct {
	Actor    string
	Reason   string
	Now      func() time.Time // nil = time.Now
	NewID    func() string    // nil = UUIDv7
	HostID   string           // "" = MachineID()
	Rebuild  Rebuilder
	Progress func(done, total int64) // events that were checked; nil = nobody
	Pass     func(point string)      // nil = nobody
}

// RestoreReport says what was put back.
type RestoreReport struct {
	At            time.Time `json:"at"`
	From          string    `json:"from"`
	Ledger        string    `json:"ledger"`
	Kept          string    `json:"kept,omitempty"`   // the ledger that was there before; "" = none was
	SchemaVersion int64     `json:"schema_version"`   // of the backup
	Head          Head      `json:"head"`             // the last event in the backup
	Before        *Head     `json:"before,omitempty"` // the last event in the ledger that was there; nil = none was, or it could not be read
}

// exclusiveWait is how long a restore waits for who uses the ledger.
const exclusiveWait = 2 * time.Second

// Restore puts a backup, or another whole ledger file, in the place of the ledger to, which is then paused
// until it is adopted. The file from is only read. What is damaged, is no ledger or comes of a newer program
// is an Invalid error, a daemon or another process on the ledger a Conflict; nothing has changed then. The
// ledger that was there is kept beside the new one. After a crash it is the one or the other. This process
// must not have the ledger open.
func Restore(ctx context.Context, from, to string, o RestoreOptions) (report RestoreReport, err error) {
	if o.Pass == nil {
		o.Pass = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if from, err = filepath.Abs(from); err == nil {
		to, err = filepath.Abs(to)
	}
	if err != nil {
		return report, fault.Wrap(fault.Invalid, err, "restore a ledger", "")
	}
	what := fmt.Sprintf("restore ledger %s from %s", to, from)
	if err := checkSource(what, from, to); err != nil {
		return report, err
	}
	lock, err := LockDaemon(to)
	if err != nil {
		return report, fault.Wrap(fault.KindOf(err), err, what, "")
	}
	defer lock.Release() //nolint:errcheck // the end of the process would release it as well
	staged := to + ".restoring"
	defer removeStaged(staged)
	if report, err = stage(ctx, from, staged, o); err != nil {
		return report, fault.Wrap(fault.KindOf(err), err, what, "nothing was changed; take another backup")
	}
	report.At, report.From, report.Ledger = o.Now().UTC().Truncate(time.Millisecond), from, to
	if report.Kept, report.Before, err = replace(ctx, staged, to, report.At, o.Pass); err != nil {
		return report, fault.Wrap(fault.KindOf(err), err, what, "")
	}
	return report, nil
}

func checkSource(what, from, to string) error {
	info, err := os.Stat(from)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fault.New(fault.NotFound, what+": there is no such file to restore from", "name the file that beampipe ledger backup has written")
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, what, "")
	case !info.Mode().IsRegular():
		return fault.New(fault.Invalid, what+": what is to be restored is no file", "name the file that beampipe ledger backup has written")
	}
	if present, err := os.Stat(to); err == nil && os.SameFile(info, present) {
		return fault.New(fault.Invalid, what+": that is the ledger itself", "name a backup of it")
	}
	if holder, runs := DaemonRuns(from); runs {
		return fault.New(fault.Conflict, fmt.Sprintf("%s: a daemon runs on the file to restore from (process %s)", what, holder), "make a backup of it: beampipe ledger backup FILE --ledger "+from)
	}
	// Both copies, and the log of the transaction that writes the one over the other.
	return needRoom(what, filepath.Dir(to), 2*databaseBytes(from)+2*databaseBytes(to))
}

// removeStaged removes a staged file with all that opening it has left beside it.
func removeStaged(staged string) {
	removeDatabase(staged)
	os.Remove(lockPath(staged))
	os.Remove(witnessPath(staged))
}

// stage copies the backup beside the ledger, checks the copy, brings it to this program's schema and marks it
// as restored. What is checked is what is put in place, whatever happens to the backup meanwhile.
func stage(ctx context.Context, from, staged string, o RestoreOptions) (report RestoreReport, err error) {
	removeStaged(staged)
	for _, end := range []string{"", "-wal"} { // a ledger file that was copied by other means may have its log beside it
		if err := copyBytes(from+end, staged+end); err != nil && (end == "" || !errors.Is(err, os.ErrNotExist)) {
			return report, fault.Wrap(fault.Unavailable, err, "copy it", "")
		}
	}
	if err := checkStaged(ctx, staged); err != nil {
		return report, err
	}
	if report.Head, err = verifyFile(ctx, staged, o.Progress); err != nil {
		return report, err
	}
	if report.SchemaVersion, err = fileVersion(ctx, staged); err != nil {
		return report, err
	}
	l, err := Open(ctx, staged, Options{Now: o.Now, NewID: o.NewID, HostID: o.HostID, Rebuild: o.Rebuild, private: true})
	if err != nil {
		return report, err
	}
	err = l.Write(ctx, func(tx *Tx) error { return tx.MarkRestored(from, o.Reason, o.Actor) })
	if err = errors.Join(err, l.Close()); err != nil {
		return report, err
	}
	return report, leaveWAL(ctx, staged)
}

func copyBytes(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// checkStaged refuses a file that is no ledger, or damaged in its pages or references.
func checkStaged(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", fileURI(path, url.Values{"mode": {"rw"}}))
	if err != nil {
		return openError(path, err)
	}
	defer db.Close()
	ours, empty, err := owner(ctx, db, path)
	switch {
	case isCode(err, sqlite3.SQLITE_NOTADB), isCode(err, sqlite3.SQLITE_CORRUPT):
		return fault.New(fault.Invalid, "it is damaged, or no ledger: "+causeOf(err), "")
	case errors.Is(err, fault.Invalid):
		return fault.New(fault.Invalid, "it is a database of another program", "")
	case err != nil:
		return err
	case !ours || empty:
		return fault.New(fault.Invalid, "it holds no ledger", "")
	}
	if err := checkPages(ctx, db, "PRAGMA integrity_check(5)"); err != nil {
		return err
	}
	return checkReferences(ctx, db)
}

func fileVersion(ctx context.Context, path string) (version int64, err error) {
	l, err := OpenReader(ctx, path, Options{})
	if err != nil {
		return 0, err
	}
	version, _, err = l.SchemaVersion(ctx)
	return version, errors.Join(err, l.Close())
}

// leaveWAL makes one file of a database that nobody else has open.
func leaveWAL(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", fileURI(path, url.Values{"mode": {"rw"}}))
	if err != nil {
		return openError(path, err)
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "PRAGMA journal_mode = DELETE")
	return openError(path, err)
}

// replace puts the staged file in the place of the ledger and gives the name under which that is kept, and
// its last event.
func replace(ctx context.Context, staged, to string, now time.Time, pass func(string)) (kept string, last *Head, err error) {
	present, err := os.Stat(to)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", nil, putNew(staged, to, now, pass)
	case err != nil:
		return "", nil, fault.Wrap(fault.Unavailable, err, "look at the present ledger", "")
	}
	if kept, err = keptName(to, now); err != nil {
		return "", nil, err
	}
	db, err := sql.Open("sqlite", fileURI(to, url.Values{"mode": {"rw"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", exclusiveWait.Milliseconds()), "locking_mode(EXCLUSIVE)", "synchronous(FULL)"}}))
	if err != nil {
		return "", nil, openError(to, err)
	}
	db.SetMaxOpenConns(1) // it holds the lock from its first statement on
	defer db.Close()
	err = takeAlone(ctx, db, to)
	if TroubleOf(err) == TroubleDamaged || TroubleOf(err) == TroubleUnavailable {
		return kept, nil, errors.Join(db.Close(), replaceDamaged(staged, to, kept, pass))
	}
	if err != nil {
		return "", nil, err
	}
	part, err := newPart(kept, present.Mode().Perm())
	if err != nil {
		return "", nil, err
	}
	defer part.drop()
	if err := copyDatabase(ctx, db, part.part, nil, func(tx *sql.Tx) error {
		if h, err := headOn(ctx, tx); err == nil { // a log that cannot be read is a reason to restore, and none not to
			last = &h
		}
		return nil
	}); err != nil {
		return "", nil, copyError("keep the present ledger as "+kept, err)
	}
	if err := part.finish(); err != nil {
		return "", nil, err
	}
	pass("restore.kept_old")
	// From here on it is carried to its end.
	if err := overwrite(context.WithoutCancel(ctx), db, staged); err != nil {
		return kept, nil, fault.Wrap(fault.Unavailable, err, "write over the ledger", "the ledger is as it was")
	}
	pass("restore.replaced")
	return kept, last, db.Close()
}

// takeAlone locks a ledger for this connection alone and brings its write-ahead log into the file.
func takeAlone(ctx context.Context, db *sql.DB, path string) error {
	_, _, err := owner(ctx, db, path)
	if err == nil {
		if _, err = db.ExecContext(ctx, "PRAGMA journal_mode = DELETE"); err == nil {
			_, err = db.ExecContext(ctx, "BEGIN EXCLUSIVE; COMMIT")
		}
		err = openError(path, err)
	}
	if TroubleOf(err) == TroubleLocked {
		return fault.Wrap(fault.Conflict, err, "another process uses ledger "+path, "end it, then try again; nothing was changed")
	}
	return err
}

// putNew puts the staged file where there is no ledger. A write-ahead log of one that is gone would be taken
// for the new one's.
func putNew(staged, to string, now time.Time, pass func(string)) error {
	var errs []error
	for _, end := range []string{"-wal", "-journal"} {
		if err := os.Rename(to+end, fmt.Sprintf("%s.before-restore-%s%s", to, now.UTC().Format(keptFormat), end)); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	err := errors.Join(append(errs, syncFile(staged))...)
	if err == nil {
		err = os.Rename(staged, to)
	}
	if err == nil {
		pass("restore.replaced")
		err = syncFile(filepath.Dir(to))
	}
	return fault.Wrap(fault.Unavailable, err, "put the copy in place", "see to the folder of "+to)
}

// replaceDamaged puts the staged file in the place of one that SQLite cannot read, which is kept with its log.
func replaceDamaged(staged, to, kept string, pass func(string)) error {
	for _, end := range []string{"-wal", "-journal", ""} {
		if err := os.Link(to+end, kept+end); err != nil && (end == "" || !errors.Is(err, os.ErrNotExist)) {
			return fault.Wrap(fault.Unavailable, err, "keep the damaged ledger as "+kept, "move it away by hand, then try again")
		}
	}
	err := errors.Join(syncFile(staged), syncFile(filepath.Dir(to)))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "keep the damaged ledger as "+kept, "")
	}
	pass("restore.kept_old")
	for _, end := range []string{"-wal", "-shm", "-journal"} { // they are kept, and must not be taken for the new one's
		if err := os.Remove(to + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fault.Wrap(fault.Unavailable, err, "take the log of the damaged ledger away", "")
		}
	}
	if err := os.Rename(staged, to); err != nil {
		return fault.Wrap(fault.Unavailable, err, "put the copy in place", "")
	}
	pass("restore.replaced")
	return fault.Wrap(fault.Unavailable, syncFile(filepath.Dir(to)), "put the copy in place", "")
}

const keptFormat = "20060102T150405Z"

// keptName gives a name beside the ledger that is not taken yet.
func keptName(to string, now time.Time) (string, error) {
	const tries = 100
	begin := to + ".before-restore-" + now.UTC().Format(keptFormat)
	for n := range tries {
		name := begin
		if n > 0 {
			name = fmt.Sprintf("%s-%d", begin, n+1)
		}
		if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
			return name, nil
		}
	}
	return "", fault.New(fault.Conflict, fmt.Sprintf("keep the present ledger: %s and %d names like it are taken", begin, tries-1), "move old ones away")
}
