package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// maxStatements bounds the prepared statements that are kept; the texts are our own, so that they are
// few, but for those of filters. Past it a statement is prepared for each use.
const maxStatements = 512

// writer is the one connection that writes, with the statements that were prepared on it. Preparing
// took more time than all else in a small transaction but the wait for the disk. A kept statement
// serves one use at a time, so that no code runs while the rows of one are open (View.list).
type writer struct {
	pool  *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func openWriter(ctx context.Context, path string) (*writer, error) {
	pool, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(ctx)
	if err != nil {
		pool.Close()
		return nil, err
	}
	w := &writer{pool: pool, conn: conn, stmts: map[string]*sql.Stmt{}}
	// Who waits to write can leave, so that SQLite must not wait by itself; and its checkpoints come after
	// COMMIT's answer, not before.
	for _, pragma := range []string{"PRAGMA busy_timeout = 0", "PRAGMA wal_autocheckpoint = 0"} {
		if _, err := conn.ExecContext(ctx, pragma); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

// prepared gives the kept statement for a query, or nil when it is not to be kept.
func (w *writer) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := w.stmts[query]; ok {
		return s, nil
	}
	if len(w.stmts) >= maxStatements {
		return nil, nil
	}
	s, err := w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	w.stmts[query] = s
	return s, nil
}

func (w *writer) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := w.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return w.conn.ExecContext(ctx, query, args...)
	}
	return s.ExecContext(ctx, args...)
}

func (w *writer) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := w.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return w.conn.QueryContext(ctx, query, args...)
	}
	return s.QueryContext(ctx, args...)
}

func (w *writer) queryRow(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := w.prepared(ctx, query)
	if err != nil || s == nil {
		return w.conn.QueryRowContext(ctx, query, args...) // says what is wrong with it once more
	}
	return s.QueryRowContext(ctx, args...)
}

// do runs a statement that has neither arguments nor rows.
func (w *writer) do(statement string) error {
	_, err := w.exec(context.Background(), statement)
	return err
}

// begin opens a write transaction, or says that another process has one (SQLITE_BUSY).
func (w *writer) begin() error {
	err := w.do("BEGIN IMMEDIATE")
	if isCode(err, sqlite3.SQLITE_ERROR) { // one is open that could not be rolled back
		w.rollback()
		err = w.do("BEGIN IMMEDIATE")
	}
	return err
}

// rollback ends the transaction. SQLite may have done so already, which it says by an error; one that it
// could not end is tried again before the next begins.
func (w *writer) rollback() {
	_ = w.do("ROLLBACK")
}

// inTransaction asks by what cannot be done inside of a transaction.
func (w *writer) inTransaction() bool {
	if w.do("BEGIN") != nil {
		return true
	}
	w.rollback()
	return false
}

// pagesWritten is how many pages this connection has written into the write-ahead log since it was asked
// the last time.
func (w *writer) pagesWritten() (pages int, err error) {
	err = w.conn.Raw(func(driverConn any) (err error) {
		c, ok := driverConn.(sqlite.DBStatus)
		if !ok {
			return fmt.Errorf("%T does not tell how many pages it wrote", driverConn)
		}
		pages, _, err = c.Status(sqlite.DBStatusCacheWrite, true)
		return err
	})
	return pages, err
}

func (w *writer) close() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	if err := w.conn.Close(); !errors.Is(err, sql.ErrConnDone) { // closing twice is no error
		errs = append(errs, err)
	}
	return errors.Join(append(errs, w.pool.Close())...)
}

// turn is one function's use of the connection that writes. It ends with the function, or when SQLite has
// ended the transaction, or may have: the next statement would be durable by itself.
type turn struct {
	w     *writer
	ended error // why nothing may be run any more
}

var errTurnOver = errors.New("the write transaction is over: its Tx was used after its function had returned")

// ExecContext runs a statement in the transaction.
func (t *turn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if t.ended != nil {
		return nil, t.ended
	}
	res, err := t.w.exec(ctx, query, args...)
	t.noted(err)
	return res, err
}

// QueryContext runs a query in the transaction.
func (t *turn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if t.ended != nil {
		return nil, t.ended
	}
	rows, err := t.w.query(ctx, query, args...)
	t.noted(err)
	return rows, err
}

// QueryRowContext runs a query for one row in the transaction.
func (t *turn) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if t.ended != nil {
		var cancel context.CancelFunc // a row cannot be made with an error of our own
		ctx, cancel = context.WithCancel(ctx)
		cancel()
	}
	row := t.w.queryRow(ctx, query, args...)
	t.noted(row.Err())
	return row
}

// noted looks whether an error of a statement has ended the transaction. Some errors may end it, by
// SQLite's documentation ("Response To Errors Within A Transaction"); of those that abort one statement it
// is asked, because a trigger or a conflict clause can say ROLLBACK.
func (t *turn) noted(err error) {
	var e *sqlite.Error
	if t.ended != nil || !errors.As(err, &e) {
		return
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_TOOBIG,
		sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_AUTH:
		if t.w.inTransaction() {
			return
		}
	}
	t.ended = err
}

// close ends the turn and gives the error that has ended the transaction, if any.
func (t *turn) close() error {
	err := t.ended
	t.ended = errTurnOver
	return err
}
