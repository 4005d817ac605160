package ledger

import (
	"context"
	"database/sql"
	"errors"
)

// maxStatements bounds the prepared statements that are kept; the texts are our own, so that they are
// few, but for those of filters. Past it a statement is prepared for each use.
const maxStatements = 256

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
	return &writer{pool: pool, conn: conn, stmts: map[string]*sql.Stmt{}}, nil
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

// ExecContext runs a statement in the transaction that is open on the connection.
func (w *writer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := w.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return w.conn.ExecContext(ctx, query, args...)
	}
	return s.ExecContext(ctx, args...)
}

// QueryContext runs a query in the transaction that is open on the connection.
func (w *writer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := w.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return w.conn.QueryContext(ctx, query, args...)
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext runs a query for one row in the transaction that is open on the connection.
func (w *writer) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := w.prepared(ctx, query)
	if err != nil || s == nil {
		return w.conn.QueryRowContext(ctx, query, args...) // says what is wrong with it once more
	}
	return s.QueryRowContext(ctx, args...)
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
