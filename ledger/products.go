package ledger

import (
	"cmp"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"beampipe/fault"
	"beampipe/provenance"
)

// Limits of products.
const (
	MaxProducts  = 100_000 // of one attempt
	MaxWithdrawn = 10_000  // marked by one call

	maxListedPaths = 100 // paths that one event of a mark names
)

// Product is a file that an attempt made.
type Product struct {
	Execution string `json:"execution_id"`
	Attempt   int    `json:"attempt"`
	Path      string `json:"path"` // relative to the attempt's folder, with slashes
	SHA256    string `json:"sha256"`
	Bytes     int64  `json:"bytes"`
	Drop      string `json:"drop,omitempty"`      // oid
	URI       string `json:"uri,omitempty"`       // where it was made
	Withdrawn *Mark  `json:"withdrawn,omitempty"` // it came of bad data
}

// AddProducts says what an attempt made. What is known of the attempt already is left as it is.
func (tx *Tx) AddProducts(execution string, attempt int, list []Product) error {
	if len(list) > MaxProducts {
		return fault.New(fault.Invalid, fmt.Sprintf("products of execution %s: %d, the limit is %d (MaxProducts)", execution, len(list), MaxProducts), "")
	}
	for _, p := range list {
		if _, err := tx.exec("add product of execution "+execution, `INSERT INTO products (execution, attempt, path, sha256, bytes, drop_oid, uri)
			SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM products WHERE execution = ? AND attempt = ? AND path = ?)`,
			execution, attempt, p.Path, p.SHA256, p.Bytes, p.Drop, p.URI, execution, attempt, p.Path); err != nil {
			return err
		}
	}
	return nil
}

// ProductFilter narrows a list of products; empty fields do not narrow.
type ProductFilter struct {
	Execution string
	SHA256    string
	URI       string
	Path      string
	Withdrawn bool     // only those
	After     *Product // the last of the page before: its execution, attempt and path
	Newest    bool     // the newest execution first, and all else in reverse as well
	Limit     int      // 0 = all
}

// Products lists products by execution, attempt and path.
func (v View) Products(f ProductFilter) ([]Product, error) {
	query, args := f.query()
	var list []Product
	err := v.list("products", query, args, func(rows *sql.Rows) error {
		var p Product
		var m Mark
		var at timeText
		err := rows.Scan(&p.Execution, &p.Attempt, &p.Path, &p.SHA256, &p.Bytes, &p.Drop, &p.URI, &at, &m.By, &m.Reason)
		if at.t != nil {
			m.At = *at.t
			p.Withdrawn = &m
		}
		list = append(list, p)
		return err
	})
	return list, err
}

func (f ProductFilter) query() (string, []any) {
	var where []string
	var args []any
	add := func(cond string, a ...any) { where, args = append(where, cond), append(args, a...) }
	for _, c := range []struct{ column, value string }{{"execution", f.Execution}, {"sha256", f.SHA256}, {"path", f.Path}} {
		if c.value != "" {
			add(c.column+" = ?", c.value)
		}
	}
	if f.URI != "" {
		add("uri = ? AND uri <> ''", f.URI)
	}
	if f.Withdrawn {
		add("withdrawn_at IS NOT NULL")
	}
	order, after := "ASC", ">"
	if f.Newest {
		order, after = "DESC", "<"
	}
	switch {
	case f.After != nil:
		add("(execution, attempt, path) "+after+" (?, ?, ?)", f.After.Execution, f.After.Attempt, f.After.Path)
	case f.Execution == "":
		add("execution >= ''") // all of them, in the order of an index
	}
	query := `SELECT execution, attempt, path, sha256, bytes, drop_oid, uri, withdrawn_at, withdrawn_by, withdraw_reason FROM products
		WHERE ` + strings.Join(where, " AND ") + fmt.Sprintf(" ORDER BY execution %s, attempt %s, path %s", order, order, order)
	if f.Limit > 0 {
		query += " LIMIT ?"
		args = append(args, f.Limit)
	}
	return query, args
}

// CountProducts counts an execution's products, and those of them that are withdrawn.
func (v View) CountProducts(execution string) (all, withdrawn int, err error) {
	err = v.get("products of execution "+execution, "SELECT count(*), count(withdrawn_at) FROM products WHERE execution = ?", []any{execution}, &all, &withdrawn)
	return all, withdrawn, err
}

// WithdrawProducts marks products as withdrawn; list names them by execution, attempt and path. One
// event per attempt says which, and why. What is withdrawn already stays as it was marked; n is how many
// were marked now. Nothing is deleted.
func (tx *Tx) WithdrawProducts(list []Product, cause map[string]any, reason, actor string) (n int, err error) {
	return tx.markProducts(list, provenance.ProductWithdrawn, cause, reason, actor, func(p Product) (int64, error) {
		return tx.exec("withdraw product", `UPDATE products SET withdrawn_at = ?, withdrawn_by = ?, withdraw_reason = ?
			WHERE execution = ? AND attempt = ? AND path = ? AND withdrawn_at IS NULL`,
			Stamp(tx.now), actor, reason, p.Execution, p.Attempt, p.Path)
	})
}

// RestoreProducts takes withdrawals back; the rest is as of WithdrawProducts.
func (tx *Tx) RestoreProducts(list []Product, cause map[string]any, reason, actor string) (n int, err error) {
	return tx.markProducts(list, provenance.ProductRestored, cause, reason, actor, func(p Product) (int64, error) {
		return tx.exec("restore product", `UPDATE products SET withdrawn_at = NULL, withdrawn_by = '', withdraw_reason = ''
			WHERE execution = ? AND attempt = ? AND path = ? AND withdrawn_at IS NOT NULL`, p.Execution, p.Attempt, p.Path)
	})
}

// attemptOf names an attempt.
type attemptOf struct {
	execution string
	attempt   int
}

func (tx *Tx) markProducts(list []Product, kind string, cause map[string]any, reason, actor string, mark func(Product) (int64, error)) (n int, err error) {
	if len(list) > MaxWithdrawn {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("%s: %d products, the limit is %d (MaxWithdrawn)", kind, len(list), MaxWithdrawn), "name fewer at once")
	}
	var order []attemptOf
	marked := map[attemptOf][]string{}
	for _, p := range list {
		changed, err := mark(p)
		if err != nil {
			return 0, err
		}
		if changed == 0 {
			continue
		}
		key := attemptOf{p.Execution, p.Attempt}
		if marked[key] == nil {
			order = append(order, key)
		}
		marked[key] = append(marked[key], p.Path)
		n++
	}
	slices.SortFunc(order, func(a, b attemptOf) int {
		return cmp.Or(cmp.Compare(a.execution, b.execution), cmp.Compare(a.attempt, b.attempt))
	})
	for _, key := range order {
		if err := tx.markEvent(key, marked[key], kind, cause, reason, actor); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// markEvent records what was marked of one attempt: all of it, or the paths.
func (tx *Tx) markEvent(of attemptOf, paths []string, kind string, cause map[string]any, reason, actor string) error {
	e, err := tx.Execution(of.execution)
	if err != nil {
		return err
	}
	var all int
	if err := tx.get("products", "SELECT count(*) FROM products WHERE execution = ? AND attempt = ?", []any{of.execution, of.attempt}, &all); err != nil {
		return err
	}
	payload := map[string]any{"attempt": of.attempt, "reason": reason, "products": len(paths)}
	for key, value := range cause {
		payload[key] = value
	}
	if len(paths) == all {
		payload["all"] = true
	} else {
		slices.Sort(paths)
		payload["paths"] = paths[:min(len(paths), maxListedPaths)]
	}
	return tx.Append(provenance.Event{
		Type: kind, Project: e.Project, Execution: e.ID, Actor: actor, Correlation: SubmissionID(e.ID, of.attempt),
	}, payload)
}
