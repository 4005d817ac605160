// Package ledger is the one SQLite file that Beampipe keeps its truth in, and the only code that
// speaks SQL to it. Every change of state and the event that records it are one durable transaction;
// the state machine is held by compare-and-set here and by triggers in the file.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"beampipe/fault"
)

// applicationID marks a SQLite file as a Beampipe ledger ("bpip").
const applicationID = 0x62706970

// Limits of a ledger. Each has a clear error or wait past it.
const (
	busyTimeout    = 10 * time.Second // wait for another process's write
	maxBusyRetries = 5                // then a write is tried again this often
	defaultReaders = 4

	// Two processes that create one ledger get in each other's way at the switch to WAL mode, for which
	// SQLite does not wait by itself: they try again for busyTimeout, with this pause.
	openPause = 20 * time.Millisecond
)

// Options are what a ledger is given. The zero value is right for production.
type Options struct {
	Now     func() time.Time // nil = time.Now
	NewID   func() string    // nil = UUIDv7
	Readers int              // pooled read connections; 0 = 4

	Rebuild Rebuilder          // makes artifacts that are stored as a recipe; nil = those cannot be read
	HostID  string             // which machine this is; "" = MachineID()
	Holding bool               // the caller holds the daemon's lock on this ledger
	Pass    func(point string) // told at each named point of a write; tests end the process there. nil = nobody
}

// Rebuilder makes an artifact again from its recipe. content gives what the recipe names by digest.
type Rebuilder func(recipe []byte, content func(sha256 string) ([]byte, error)) ([]byte, error)

// Head is an event's place in the provenance log, and its hash: whoever keeps one elsewhere can tell
// later whether the log still contains it. The zero value is the head of an empty log.
type Head struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

// Ledger is an open ledger file. It is safe for concurrent use; writes queue for one connection.
type Ledger struct {
	path    string
	writer  *writer
	readers *sql.DB
	turn    chan struct{} // holds one token: whose turn it is to write
	now     func() time.Time
	newID   func() string
	rebuild Rebuilder
	pass    func(point string)

	hostID string
	lease  atomic.Pointer[Lease] // set while this process leads

	guard    func(tx *Tx) error // asked first in every write transaction; nil = nothing to ask
	onCommit func(Head)         // told the head of what was just made durable; nil = nobody
}

// Create opens the ledger at path and makes it when it is not there. Its folder must be there.
func Create(ctx context.Context, path string, o Options) (*Ledger, error) {
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "create ledger "+path, "")
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, folderError(path)
	}
	// A folder that is missing is more often a slip of the pen than a wish.
	folder := filepath.Dir(path)
	if info, err := os.Stat(folder); err == nil && !info.IsDir() {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("create ledger %s: %s is not a directory", path, folder), "name a file in a folder")
	} else if err != nil {
		return nil, fault.New(fault.NotFound, fmt.Sprintf("create ledger %s: there is no folder %s", path, folder), "make the folder first, or name another with --ledger FILE or BEAMPIPE_LEDGER")
	}
	return open(ctx, path, o, true)
}

// Open opens an existing ledger. It is a NotFound error when the file is not there: only a few
// commands create one.
func Open(ctx context.Context, path string, o Options) (*Ledger, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fault.New(fault.NotFound, fmt.Sprintf("open ledger %s: there is no such file", path),
			"make one with: beampipe init --ledger "+path+", or name another with --ledger FILE or BEAMPIPE_LEDGER")
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "open ledger "+path, "check the path and its permissions")
	case info.IsDir():
		return nil, folderError(path)
	}
	return open(ctx, path, o, false)
}

func folderError(path string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("open ledger %s: it is a folder", path), "name the file in it, for example "+filepath.Join(path, "beampipe.db"))
}

func open(ctx context.Context, path string, o Options, create bool) (*Ledger, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "open ledger "+path, "")
	}
	if err := prepareFile(ctx, abs, create); err != nil {
		return nil, err
	}
	l := &Ledger{path: abs, turn: make(chan struct{}, 1), now: o.Now, newID: o.NewID, rebuild: o.Rebuild, pass: o.Pass, hostID: o.HostID}
	l.guard = l.checkLease
	if l.hostID == "" {
		l.hostID = MachineID()
	}
	if l.pass == nil {
		l.pass = func(string) {}
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.newID == nil {
		l.newID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if l.writer, err = openWriter(ctx, abs); err != nil {
		return nil, openError(abs, err)
	}
	if l.readers, err = sql.Open("sqlite", dsn(abs, true)); err != nil {
		return nil, errors.Join(openError(abs, err), l.writer.close())
	}
	readers := o.Readers
	if readers <= 0 {
		readers = defaultReaders
	}
	l.readers.SetMaxOpenConns(readers)
	l.readers.SetMaxIdleConns(readers)
	if err := l.settle(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// prepareFile checks the file and brings it to this program's schema.
func prepareFile(ctx context.Context, path string, create bool) error {
	giveUp := time.Now().Add(busyTimeout)
	for {
		err := checkContent(ctx, path, create)
		if err == nil {
			err = migrate(ctx, path)
		}
		if !isCode(err, sqlite3.SQLITE_BUSY) || time.Now().After(giveUp) {
			return err
		}
		select {
		case <-time.After(openPause):
		case <-ctx.Done():
			return err
		}
	}
}

// dsn carries every pragma, because a PRAGMA statement would reach one pooled connection only.
func dsn(path string, readOnly bool) string {
	q := url.Values{}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	q.Add("_pragma", "journal_mode(WAL)")
	q.Add("_pragma", "synchronous(FULL)")
	q.Add("_pragma", "foreign_keys(ON)")
	q.Add("_pragma", "journal_size_limit(67108864)")
	if readOnly {
		q.Add("_pragma", "query_only(ON)")
	} else {
		q.Add("_txlock", "immediate")
	}
	return fileURI(path, q)
}

func fileURI(path string, q url.Values) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// Path is the ledger's absolute file name.
func (l *Ledger) Path() string { return l.path }

// Now is the ledger's clock, in UTC and cut to milliseconds as times are stored.
func (l *Ledger) Now() time.Time { return l.now().UTC().Truncate(time.Millisecond) }

// NewID gives a new UUIDv7.
func (l *Ledger) NewID() string { return l.newID() }

// Close waits for the write that is going on and closes the file.
func (l *Ledger) Close() error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	return errors.Join(l.readers.Close(), l.writer.close())
}

// Write runs fn in one write transaction and returns once it is durable. fn may be run more than
// once and must only touch the database through tx. ctx bounds the wait for a turn; once fn runs,
// the transaction is carried to its end, because a cancelled statement would roll all of it back.
func (l *Ledger) Write(ctx context.Context, fn func(tx *Tx) error) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, context.Cause(ctx), "write to ledger "+l.path+": waiting for a turn", "")
	}
	defer func() { <-l.turn }()
	var err error
	for range maxBusyRetries {
		// A select between a free turn and a context that has ended picks either.
		if ctx.Err() != nil {
			return fault.Wrap(fault.Unavailable, context.Cause(ctx), "write to ledger "+l.path+": waiting for a turn", "")
		}
		if err = l.writeOnce(fn); !isCode(err, sqlite3.SQLITE_BUSY) {
			break
		}
	}
	return writeError(l.path, err)
}

func (l *Ledger) writeOnce(fn func(tx *Tx) error) error {
	dbTx, err := l.writer.conn.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer dbTx.Rollback() //nolint:errcheck // after Commit it says so; otherwise the error that led here counts
	tx := &Tx{View: View{ctx: context.Background(), q: l.writer, now: l.Now(), path: l.path, rebuild: l.rebuild}, newID: l.newID}
	if l.guard != nil {
		if err := l.guard(tx); err != nil {
			return err
		}
	}
	if err := fn(tx); err != nil {
		return err
	}
	if err := dbTx.Commit(); err != nil {
		return err
	}
	if l.onCommit != nil && tx.headKnown {
		l.onCommit(Head{tx.headSeq, tx.headHash})
	}
	return nil
}

// View gives the reading half: each of its calls is a query of its own on a pooled connection.
func (l *Ledger) View(ctx context.Context) View {
	return View{ctx: ctx, q: l.readers, now: l.Now(), path: l.path, rebuild: l.rebuild}
}

// Snapshot runs fn on one read transaction, so that all that it reads is from one instant.
func (l *Ledger) Snapshot(ctx context.Context, fn func(v View) error) error {
	dbTx, err := l.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return readError(l.path, "begin", err)
	}
	defer dbTx.Rollback() //nolint:errcheck // nothing was written
	return fn(View{ctx: ctx, q: dbTx, now: l.Now(), path: l.path, rebuild: l.rebuild})
}

// Size gives the bytes of the ledger file and of its write-ahead log.
func (l *Ledger) Size() (file, wal int64) {
	if info, err := os.Stat(l.path); err == nil {
		file = info.Size()
	}
	if info, err := os.Stat(l.path + "-wal"); err == nil {
		wal = info.Size()
	}
	return file, wal
}

// isCode reports whether err is SQLite's with that primary result code.
func isCode(err error, code int) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == code
}

const writeAccessHint = "give the user of this process write access to the file and its folder"

func openError(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case isCode(err, sqlite3.SQLITE_NOTADB):
		return fault.Wrap(fault.Invalid, err, "open ledger "+path+": it is not a SQLite database", "name a ledger file, or restore this one from a backup")
	case isCode(err, sqlite3.SQLITE_READONLY), isCode(err, sqlite3.SQLITE_CANTOPEN), isCode(err, sqlite3.SQLITE_PERM):
		return fault.Wrap(fault.Unavailable, err, "open ledger "+path+": it, or its folder, cannot be written to",
			writeAccessHint)
	}
	return writeError(path, err)
}

// writeError says what a failed write means for the operator. Errors of fn itself pass unchanged.
func writeError(path string, err error) error {
	what := "write to ledger " + path
	switch {
	case err == nil:
		return nil
	case isCode(err, sqlite3.SQLITE_BUSY), isCode(err, sqlite3.SQLITE_LOCKED):
		return fault.Wrap(fault.Unavailable, err, what+": another process holds it locked", "end the other process, or try again")
	case isCode(err, sqlite3.SQLITE_FULL):
		return fault.Wrap(fault.Unavailable, err, what+": the disk is full", "make room on the ledger's disk")
	case isCode(err, sqlite3.SQLITE_READONLY), isCode(err, sqlite3.SQLITE_PERM):
		return fault.Wrap(fault.Unavailable, err, what+": the file cannot be written to", writeAccessHint)
	case isCode(err, sqlite3.SQLITE_CORRUPT), isCode(err, sqlite3.SQLITE_NOTADB):
		return fault.Wrap(fault.Invalid, err, what+": the file is damaged", "stop the daemon and restore the ledger from a backup")
	case isCode(err, sqlite3.SQLITE_CONSTRAINT):
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
	if isCode(err, sqlite3.SQLITE_CORRUPT) || isCode(err, sqlite3.SQLITE_NOTADB) {
		return fault.Wrap(fault.Invalid, err, "read ledger "+path+": "+what+": the file is damaged", "stop the daemon and restore the ledger from a backup")
	}
	return fault.Wrap(fault.Unavailable, err, "read ledger "+path+": "+what, "")
}
