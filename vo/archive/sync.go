package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"beampipe/vo/votable"

	"modernc.org/sqlite"
)

const (
	maxFormBytes  = 1 << 20          // of a POST
	longestQuery  = 60 * time.Second // a query that runs longer is stopped
	votableFormat = "application/x-votable+xml;serialization=TABLEDATA"
)

// refusal is an error that the client can do something about.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// serveSync answers a synchronous query (TAP 1.1 section 2).
func (a *Archive) serveSync(w http.ResponseWriter, r *http.Request) {
	a.queries.Add(1)
	ctx, cancel := context.WithTimeout(r.Context(), longestQuery)
	defer cancel()
	answer, err := a.prepare(ctx, w, r)
	if err != nil {
		serveError(w, err)
		return
	}
	defer answer.rows.Close()
	w.Header().Set("Content-Type", votableFormat)
	status, message := votable.StatusOK, ""
	out := votable.NewWriter(w, answer.fields)
	overflow, err := answer.writeTo(out)
	switch {
	case err != nil:
		status, message = votable.StatusFailed, err.Error()
	case overflow:
		status = votable.StatusOverflow
	}
	// An error here means that the client has gone, or that it sees a cut document.
	_ = out.Close(status, message)
}

// serveError answers with an ERROR document.
func serveError(w http.ResponseWriter, err error) {
	code := http.StatusServiceUnavailable
	var refused *refusal
	if errors.As(err, &refused) {
		code = http.StatusBadRequest
	}
	w.Header().Set("Content-Type", votableFormat)
	w.WriteHeader(code)
	_ = votable.WriteError(w, err.Error()) // the client has gone
}

// result is a query that runs: its columns, and its first row where there is one.
type result struct {
	rows   *sql.Rows
	fields []votable.Field
	more   bool // a row is in values
	values []any
	limit  int
}

// prepare reads the parameters, runs the query and reads its first row.
func (a *Archive) prepare(ctx context.Context, w http.ResponseWriter, r *http.Request) (*result, error) {
	params, err := parameters(w, r)
	if err != nil {
		return nil, err
	}
	limit, err := a.check(params)
	if err != nil {
		return nil, err
	}
	query, err := translate(params["QUERY"])
	if err != nil {
		return nil, refuse("ADQL: %s", err)
	}
	rows, err := a.read.QueryContext(ctx, query)
	if err != nil {
		return nil, queryFailed(err)
	}
	res := &result{rows: rows, limit: limit}
	if err := res.begin(); err != nil {
		_ = rows.Close()
		return nil, queryFailed(err)
	}
	return res, nil
}

// parameters gives the parameters of a request by their names in upper case (DALI 1.1 section 3:
// names have no case). Where one comes twice the first counts.
func parameters(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		return nil, refuse("read the parameters: %s", err)
	}
	params := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(r.Form)) {
		upper := strings.ToUpper(name)
		if _, twice := params[upper]; !twice {
			params[upper] = r.Form.Get(name)
		}
	}
	return params, nil
}

// check reads everything but the query, and gives the row limit.
func (a *Archive) check(params map[string]string) (limit int, err error) {
	if v, given := params["REQUEST"]; given && !strings.EqualFold(v, "doQuery") {
		return 0, refuse("REQUEST %q is not supported; expected doQuery", v)
	}
	if v := strings.ToUpper(params["LANG"]); v != "ADQL" && !strings.HasPrefix(v, "ADQL-") {
		return 0, refuse("LANG %q is not supported; expected ADQL", params["LANG"])
	}
	if params["UPLOAD"] != "" {
		return 0, refuse("UPLOAD is not supported")
	}
	if strings.TrimSpace(params["QUERY"]) == "" {
		return 0, refuse("QUERY is missing")
	}
	for _, name := range []string{"FORMAT", "RESPONSEFORMAT"} {
		if err := checkFormat(name, params[name]); err != nil {
			return 0, err
		}
	}
	v, given := params["MAXREC"]
	if !given || v == "" {
		return a.options.MaxRec, nil
	}
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return 0, refuse("MAXREC %q is not a whole number of at least 0", v)
	}
	return min(int(n), a.options.MaxRec), nil
}

func checkFormat(name, format string) error {
	switch strings.ToLower(strings.ReplaceAll(format, " ", "")) {
	case "", "votable", "votable/td", "text/xml", "application/x-votable+xml", strings.ToLower(votableFormat):
		return nil
	}
	return refuse("%s %q is not supported; expected %s", name, format, votableFormat)
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
	r.values = make([]any, len(types))
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
	into := make([]any, len(r.values))
	for i := range into {
		into[i] = &r.values[i]
	}
	return r.rows.Scan(into...)
}

// writeTo writes the rows, and says whether the limit left some out.
func (r *result) writeTo(out *votable.Writer) (overflow bool, err error) {
	cells := make([]string, len(r.values))
	for n := 0; r.more; n++ {
		if n == r.limit {
			return true, nil
		}
		for i, v := range r.values {
			cells[i] = lexical(v)
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
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
