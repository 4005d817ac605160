package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"beampipe/vo/votable"

	"modernc.org/sqlite"
)

// question is a query with everything that its request asks for.
type question struct {
	adql    string
	limit   int
	format  format
	uploads []uploaded
	spoilt  Misbehaviour // its Kind is "" where the archive behaves
}

// readQuestion checks the parameters of a query.
func (a *Archive) readQuestion(p parameters, sync bool) (question, error) {
	q := question{adql: p.get("QUERY"), limit: a.options.Limits.OutputRows}
	if v, given := p.values["REQUEST"]; given && !strings.EqualFold(v[0], "doQuery") {
		return q, refuse("REQUEST %q is not supported; expected doQuery", v[0])
	}
	if v := strings.ToUpper(p.get("LANG")); v != "ADQL" && !strings.HasPrefix(v, "ADQL-") {
		return q, refuse("LANG %q is not supported; expected ADQL", p.get("LANG"))
	}
	if strings.TrimSpace(q.adql) == "" {
		return q, refuse("QUERY is missing")
	}
	var err error
	if q.format, err = formatOf(p); err != nil {
		return q, err
	}
	if v := p.get("MAXREC"); v != "" {
		n, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			return q, refuse("MAXREC %q is not a whole number of at least 0", v)
		}
		q.limit = min(int(n), a.options.MaxRec)
	}
	q.uploads, err = a.readUploads(p, sync)
	return q, err
}

// result is a query that runs: its columns, and its first row where there is one.
type result struct {
	rows   *sql.Rows
	tables *uploadedTables // nil without uploads
	fields []votable.Field
	more   bool // a row is in values
	values []any
	into   []any // where a row is scanned to: values
	asked  question
}

// ask runs the query and reads its first row. The result is to be closed.
func (a *Archive) ask(ctx context.Context, q question) (*result, error) {
	res := &result{asked: q}
	if err := a.begin(ctx, res); err != nil {
		res.close()
		return nil, err
	}
	res.spoil()
	return res, nil
}

func (a *Archive) begin(ctx context.Context, res *result) (err error) {
	run, prefixed := a.read.QueryContext, prefixColumns()
	if len(res.asked.uploads) > 0 {
		if res.tables, err = a.load(ctx, res.asked.uploads); err != nil {
			return err
		}
		run, prefixed = res.tables.conn.QueryContext, res.tables.prefixed()
	}
	query, err := translate(res.asked.adql, prefixed...)
	if err != nil {
		return refuse("ADQL: %s", err)
	}
	if res.rows, err = run(ctx, query); err != nil {
		return queryFailed(err)
	}
	if err := res.begin(); err != nil {
		return queryFailed(err)
	}
	return nil
}

// close ends the query. What fails then is nothing that a client could be told.
func (r *result) close() {
	if r.rows != nil {
		_ = r.rows.Close()
	}
	if r.tables != nil {
		_ = r.tables.close()
	}
}

// queryFailed tells what SQLite did not understand from what went wrong.
func queryFailed(err error) error {
	const sqliteError = 1 // SQLITE_ERROR: the statement is wrong
	var failed *sqlite.Error
	if errors.As(err, &failed) && failed.Code() == sqliteError {
		return refuse("ADQL: %s", err)
	}
	return fmt.Errorf("the query failed: %w", err)
}

// begin reads the first row and finds the columns' types: a column's declared one, for an
// expression that of its first value.
func (r *result) begin() error {
	types, err := r.rows.ColumnTypes()
	if err != nil {
		return err
	}
	r.values, r.into = make([]any, len(types)), make([]any, len(types))
	for i := range r.values {
		r.into[i] = &r.values[i]
	}
	if err := r.next(); err != nil {
		return err
	}
	for i, column := range types {
		known, ok := votableTypes[strings.ToUpper(column.DatabaseTypeName())]
		if !ok {
			known = votableTypes[typeOf(r.values[i])]
		}
		r.fields = append(r.fields, votable.Field{Name: column.Name(), Datatype: known.datatype, Arraysize: known.arraysize})
	}
	return nil
}

func typeOf(v any) string {
	switch v.(type) {
	case int64:
		return "BIGINT"
	case float64:
		return "DOUBLE"
	}
	return "TEXT"
}

// next reads a row into values.
func (r *result) next() error {
	if r.more = r.rows.Next(); !r.more {
		return r.rows.Err()
	}
	return r.rows.Scan(r.into...)
}

// writeTo writes the answer as a whole document. An error means that it is not whole: the client has
// gone, or the format cannot say that the query failed.
func (r *result) writeTo(w io.Writer) error {
	out := r.asked.format.writer(w, r.fields)
	overflow, err := r.writeRows(out)
	spoilt := r.asked.spoilt
	switch {
	case err != nil:
		return out.Close(votable.StatusFailed, err.Error())
	case spoilt.Kind == LateError:
		return out.Close(votable.StatusFailed, spoilt.words())
	case overflow || spoilt.Kind == Overflow:
		return out.Close(votable.StatusOverflow, "")
	}
	return out.Close(votable.StatusOK, "")
}

// writeRows writes the rows, and says whether the limit left some out.
func (r *result) writeRows(out tableWriter) (overflow bool, err error) {
	cells := make([]string, len(r.fields))
	for n := 0; r.more; n++ {
		if n == r.asked.limit {
			return true, nil
		}
		for i, v := range r.values {
			cells[i] = lexical(v)
		}
		if len(cells) > len(r.values) {
			cells[len(r.values)] = newColumnText
		}
		if err := out.WriteText(cells); err != nil {
			return false, err
		}
		if err := r.next(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// lexical writes a value of SQLite as VOTable text, null as "".
func lexical(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		if size := math.Abs(v); size != 0 && (size < 1e-4 || size >= 1e15) {
			return strconv.FormatFloat(v, 'e', -1, 64)
		}
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if v == math.Trunc(v) && !math.IsInf(v, 0) {
			text += ".0" // as services in Java and Python write it
		}
		return text
	}
	return fmt.Sprint(v)
}

// serveError answers with an ERROR document.
func serveError(w http.ResponseWriter, err error) {
	code := http.StatusServiceUnavailable
	var refused *refusal
	if errors.As(err, &refused) {
		code = refused.code
	}
	serveErrorDocument(w, code, err.Error())
}

func serveErrorDocument(w http.ResponseWriter, code int, words string) {
	w.Header().Set("Content-Type", votableFormat)
	w.WriteHeader(code)
	_ = votable.WriteError(w, words) // an error here: the client has gone
}
