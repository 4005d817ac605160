package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// querier is what a transaction and a pool of connections have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// View reads the ledger. It is made by Ledger.View, Ledger.Snapshot or, inside a write, is part of Tx.
type View struct {
	ctx   context.Context
	q     querier
	reads *readings // bounds each query; nil in a transaction, which is bounded as a whole
	now   time.Time
	path  string

	rebuild Rebuilder // nil = artifacts that are stored as a recipe cannot be read
}

// Now is the instant at which this view was made, UTC in milliseconds.
func (v View) Now() time.Time { return v.now }

// Tx is a write transaction. It reads what it has written.
type Tx struct {
	View
	newID func() string

	// The last event, once it was read: nobody else writes while this transaction is open.
	headKnown bool
	headSeq   int64
	headHash  string
}

// exec runs a statement and gives the number of rows it touched.
func (tx *Tx) exec(what, query string, args ...any) (int64, error) {
	res, err := tx.q.ExecContext(tx.ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return res.RowsAffected()
}

// execOne runs a statement that must touch exactly one row; none is a Conflict: someone else moved it.
func (tx *Tx) execOne(what, query string, args ...any) error {
	n, err := tx.exec(what, query, args...)
	if err != nil {
		return err
	}
	if n != 1 {
		return fault.New(fault.Conflict, what+": it has changed meanwhile", "read it again")
	}
	return nil
}

// get scans one row; no row is a NotFound error.
func (v View) get(what, query string, args []any, dest ...any) error {
	return readError(v.path, what, v.row(query, args...)(dest...))
}

// row gives what scans the one row of a query; no row is sql.ErrNoRows.
func (v View) row(query string, args ...any) (scan func(dest ...any) error) {
	return func(dest ...any) error {
		ctx, done := v.reads.begin(v.ctx)
		defer done()
		err := v.q.QueryRowContext(ctx, query, args...).Scan(dest...)
		v.noted(err)
		return v.reads.ageError(ctx, v.path, err)
	}
}

// list runs a query and calls scan for each row.
func (v View) list(what, query string, args []any, scan func(rows *sql.Rows) error) error {
	ctx, done := v.reads.begin(v.ctx)
	defer done()
	err := v.each(ctx, query, args, scan)
	v.noted(err)
	return v.reads.ageError(ctx, v.path, readError(v.path, what, err))
}

func (v View) each(ctx context.Context, query string, args []any, scan func(rows *sql.Rows) error) error {
	rows, err := v.q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// noted tells the write transaction, where there is one, of an error that came with a row.
func (v View) noted(err error) {
	if t, writes := v.q.(*turn); writes {
		t.noted(err)
	}
}

// Stamp writes a time as the ledger stores it.
func Stamp(t time.Time) string { return t.UTC().Format(provenance.TimeFormat) }

// stampOrNull is nil, stored as NULL, for no time.
func stampOrNull(t *time.Time) any {
	if t == nil {
		return nil
	}
	return Stamp(*t)
}

// Minute writes a time for a person, in a sentence.
func Minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// timeText scans a stored time, NULL or "" becoming nil.
type timeText struct{ t *time.Time }

// Scan implements sql.Scanner.
func (x *timeText) Scan(src any) error {
	x.t = nil
	var s string
	switch v := src.(type) {
	case nil:
		return nil
	case string:
		s = v
	case []byte:
		s = string(v)
	case time.Time:
		u := v.UTC()
		x.t = &u
		return nil
	default:
		return fmt.Errorf("a time is stored as text, not %T", src)
	}
	if s == "" {
		return nil
	}
	t, err := time.Parse(provenance.TimeFormat, s)
	if err != nil {
		return fmt.Errorf("stored time %q: %w", s, err)
	}
	x.t = &t
	return nil
}

func (x timeText) value() time.Time {
	if x.t == nil {
		return time.Time{}
	}
	return *x.t
}

// jsonText encodes for a JSON column: compact, keys of maps sorted, & < > as they are.
func jsonText(v any) (string, error) {
	b, err := Canonical(v)
	return string(b), err
}

// scanJSON decodes a JSON column.
func scanJSON(what, text string, into any) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("stored %s: %w", what, err)
	}
	return nil
}
