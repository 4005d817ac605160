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
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	sqlite3 "modernc.org/sqlite/lib"

	"beampipe/fault"
)

// applicationID marks a SQLite file as a Beampipe ledger ("bpip").
const applicationID = 0x62706970

// Limits of a ledger. Each has a clear error or wait past it.
const (
	busyTimeout    = 10 * time.Second // wait for another process, of a reader or while a ledger is opened
	lockPatience   = 30 * time.Second // wait for another process's write
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

	// Upgraded is told when opening has brought a file of an older schema to this program's, and where the
	// copy of before that is. nil = nobody
	Upgraded func(from, to int64, copied string)

	private bool // nobody else knows of the file: it is upgraded without a copy
}

// Rebuilder makes an artifact again from its recipe. content gives what the recipe names by digest.
type Rebuilder func(recipe []byte, content func(sha256 string) ([]byte, error)) ([]byte, error)

// Head is an event's place in the provenance log, and its hash: whoever keeps one elsewhere can tell
// later whether the log still contains it. The zero value is the head of an empty log.
type Head struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

// Ledger is an open ledger file. It is safe for concurrent use; writes share one connection.
type Ledger struct {
	path    string
	writer  *writer
	readers *sql.DB
	now     func() time.Time
	newID   func() string
	rebuild Rebuilder
	pass    func(point string)

	hostID string
	lease  atomic.Pointer[Lease] // set while this process leads

	closeOnce sync.Once

	// The writer's goroutine, and what it alone touches.
	queue        *queue
	ran          chan struct{} // told when a caller's function has been run
	closing      chan struct{}
	served       chan struct{} // closed when the goroutine has ended
	idle         *time.Timer
	files        files
	lastGroup    int // calls in it
	pagesPending int // written since the last checkpoint

	patience  time.Duration // how long a write waits for another process
	groupTime time.Duration // then nobody else is let into a transaction
	reads     *readings
	stats     writerStats

	guard    func(tx *Tx) error // asked first in every write transaction; nil = nothing to ask
	onCommit func(Head)         // told the head of what was just made durable; nil = nobody
	witness  *witness           // where it is noted; nil on a ledger that is open for reading only
}

// Create opens the ledger at path and makes it when it is not there. Its folder must be there.
func Create(ctx context.Context, path string, o Options) (*Ledger, error) {
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "create ledger "+path, "")
	}
	if err := checkPlace(path); err != nil {
		return nil, err
	}
	return open(ctx, path, o, true)
}

// checkPlace refuses a path that no ledger can be at. A folder that is missing is more often a slip of the pen
// than a wish.
func checkPlace(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return folderError(path)
	}
	folder := filepath.Dir(path)
	if info, err := os.Stat(folder); err == nil && !info.IsDir() {
		return fault.New(fault.Invalid, fmt.Sprintf("create ledger %s: %s is not a directory", path, folder), "name a file in a folder")
	} else if err != nil {
		return fault.New(fault.NotFound, fmt.Sprintf("create ledger %s: there is no folder %s", path, folder), "make the folder first, or name another with --ledger FILE or BEAMPIPE_LEDGER")
	}
	return nil
}

// Open opens an existing ledger. It is a NotFound error when the file is not there: only a few
// commands create one.
func Open(ctx context.Context, path string, o Options) (*Ledger, error) {
	abs, err := existing(path)
	if err != nil {
		return nil, err
	}
	return open(ctx, abs, o, false)
}

// existing gives the absolute name of a file that is there.
func existing(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fault.New(fault.NotFound, fmt.Sprintf("open ledger %s: there is no such file", path),
			"make one with: beampipe init --ledger "+path+", or name another with --ledger FILE or BEAMPIPE_LEDGER")
	case err != nil:
		return "", fault.Wrap(fault.Unavailable, err, "open ledger "+path, "check the path and its permissions")
	case info.IsDir():
		return "", folderError(path)
	}
	abs, err := filepath.Abs(path)
	return abs, fault.Wrap(fault.Invalid, err, "open ledger "+path, "")
}

func folderError(path string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("open ledger %s: it is a folder", path), "name the file in it, for example "+filepath.Join(path, "beampipe.db"))
}

func open(ctx context.Context, path string, o Options, create bool) (*Ledger, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "open ledger "+path, "")
	}
	if err := prepareFile(ctx, abs, o, create); err != nil {
		return nil, err
	}
	l := &Ledger{path: abs, now: o.Now, newID: o.NewID, rebuild: o.Rebuild, pass: o.Pass, hostID: o.HostID, patience: lockPatience, groupTime: maxGroupTime, reads: newReadings()}
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
	setReaders(l.readers, o.Readers)
	if err := l.openWitness(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := l.startWriter(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := l.settle(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := l.fill(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func setReaders(pool *sql.DB, n int) {
	if n <= 0 {
		n = defaultReaders
	}
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
}

// startWriter starts the goroutine that writes.
func (l *Ledger) startWriter() (err error) {
	if l.files.ledger, _, err = idOf(l.path); err != nil {
		return fault.Wrap(fault.Unavailable, err, "open ledger "+l.path, "see why its folder cannot be read")
	}
	l.queue, l.ran = newQueue(l.path), make(chan struct{}, 1)
	l.closing, l.served = make(chan struct{}), make(chan struct{})
	l.idle = time.NewTimer(idleAfter)
	go l.serve()
	return nil
}

// prepareFile checks the file and brings it to this program's schema.
func prepareFile(ctx context.Context, path string, o Options, create bool) error {
	giveUp := time.Now().Add(busyTimeout)
	for {
		err := checkContent(ctx, path, create)
		if err == nil {
			err = migrate(ctx, path, o)
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

// Close waits for the transaction that is going on, refuses who still waits, and closes the file. Closing
// twice is no error.
func (l *Ledger) Close() (err error) {
	l.closeOnce.Do(func() { err = l.close() })
	return err
}

func (l *Ledger) close() error {
	if l.queue != nil {
		close(l.closing)
		<-l.served
	}
	err := l.readers.Close()
	if l.writer != nil {
		err = errors.Join(err, l.writer.close())
	}
	if l.witness != nil {
		err = errors.Join(err, l.witness.close())
	}
	return err
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
