package discovery

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/vo/tap"
)

// table is the answer to one query: text cells by column, columns and rows in canonical order, so
// that the order in which an archive gives them means nothing.
type table struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// namedTable is a table with the query, and for an enrichment the SBID, that it answers.
type namedTable struct {
	Name string `json:"name"`
	SBID string `json:"sbid,omitempty"`
	table
}

// answer is all that the archives said about one source: enough to map and sign it again under
// another config. Queries are in the config's order, the primary one first; Enrichments by SBID.
type answer struct {
	Queries     []namedTable `json:"queries"`
	Enrichments []namedTable `json:"enrichments,omitempty"`
}

// newTable makes an archive's answer canonical. Two columns of one name must say the same.
func newTable(t *tap.Table) (table, error) {
	var names []string
	var from []int
	for i, f := range t.Fields {
		name := strings.TrimSpace(f.Name)
		if name == "" {
			name = strings.TrimSpace(f.ID)
		}
		if name == "" {
			return table{}, fault.New(fault.Invalid, fmt.Sprintf("column %d of the answer has no name", i+1), "give it one in the query: … AS name")
		}
		if at := slices.Index(names, name); at >= 0 {
			for _, row := range t.Rows {
				if row[from[at]] != row[i] {
					return table{}, fault.New(fault.Invalid, fmt.Sprintf("two columns of the answer are named %q and differ", name), "tell them apart in the query: … AS name")
				}
			}
			continue
		}
		names, from = append(names, name), append(from, i)
	}
	rows := make([][]string, len(t.Rows))
	for i, row := range t.Rows {
		cells := make([]string, len(from))
		for j, at := range from {
			cells[j] = strings.TrimSpace(row[at])
		}
		rows[i] = cells
	}
	return table{Columns: names, Rows: rows}.arrange(nil), nil
}

// arrange sorts the columns by name, those in first before the others, and then the rows.
func (t table) arrange(first columnSet) table {
	order := make([]int, len(t.Columns))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := t.Columns[a], t.Columns[b]
		if in := first.has(x); in != first.has(y) {
			if in {
				return -1
			}
			return 1
		}
		return strings.Compare(x, y)
	})
	if slices.IsSorted(order) && slices.IsSortedFunc(t.Rows, slices.Compare) {
		return t
	}
	return t.pick(order)
}

// only keeps the columns for which keep is true.
func (t table) only(keep func(column string) bool) table {
	var order []int
	for i, name := range t.Columns {
		if keep(name) {
			order = append(order, i)
		}
	}
	if len(order) == len(t.Columns) {
		return t
	}
	return t.pick(order)
}

// pick takes columns by index and sorts the rows anew.
func (t table) pick(order []int) table {
	out := table{Columns: make([]string, len(order)), Rows: make([][]string, len(t.Rows))}
	for i, at := range order {
		out.Columns[i] = t.Columns[at]
	}
	for i, row := range t.Rows {
		cells := make([]string, len(order))
		for j, at := range order {
			cells[j] = row[at]
		}
		out.Rows[i] = cells
	}
	slices.SortFunc(out.Rows, slices.Compare)
	return out
}

// column finds a column as given, in lower case, in upper case, and else in any case; -1 for none.
func (t table) column(name string) int {
	for _, try := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
		if at := slices.Index(t.Columns, try); at >= 0 {
			return at
		}
	}
	return slices.IndexFunc(t.Columns, func(c string) bool { return strings.EqualFold(c, name) })
}

// object gives a row as column name to cell.
func (t table) object(row []string) map[string]any {
	o := make(map[string]any, len(t.Columns))
	for i, name := range t.Columns {
		o[name] = row[i]
	}
	return o
}

func (t table) objects() []any {
	list := make([]any, len(t.Rows))
	for i, row := range t.Rows {
		list[i] = t.object(row)
	}
	return list
}

// columnSet holds lower-case column names: archives are not steady in their case.
type columnSet map[string]bool

func newColumnSet(names []string) columnSet {
	s := columnSet{}
	for _, name := range names {
		s[strings.ToLower(name)] = true
	}
	return s
}

func (s columnSet) has(name string) bool { return len(s) > 0 && s[strings.ToLower(name)] }

// each gives every table of the answer, changed by fn.
func (a answer) each(fn func(t namedTable) table) answer {
	apply := func(list []namedTable) []namedTable {
		if list == nil {
			return nil
		}
		out := make([]namedTable, len(list))
		for i, t := range list {
			out[i] = namedTable{Name: t.Name, SBID: t.SBID, table: fn(t)}
		}
		return out
	}
	return answer{Queries: apply(a.Queries), Enrichments: apply(a.Enrichments)}
}

// query finds the answer to a query.
func (a answer) query(name string) (table, bool) {
	for _, t := range a.Queries {
		if t.Name == name {
			return t.table, true
		}
	}
	return table{}, false
}

// enrichment finds the answer to an enrichment for an SBID.
func (a answer) enrichment(name, sbid string) (table, bool) {
	for _, t := range a.Enrichments {
		if t.Name == name && t.SBID == sbid {
			return t.table, true
		}
	}
	return table{}, false
}

// columns gives the lower-case columns of each query and enrichment by its name.
func (a answer) columns() map[string]columnSet {
	all := map[string]columnSet{}
	for _, list := range [][]namedTable{a.Queries, a.Enrichments} {
		for _, t := range list {
			if all[t.Name] == nil {
				all[t.Name] = columnSet{}
			}
			for _, name := range t.Columns {
				all[t.Name][strings.ToLower(name)] = true
			}
		}
	}
	return all
}

// encode gives the answer as it is stored. Its tables must be in the order that newTable gave them.
func (a answer) encode() ([]byte, error) {
	b, err := ledger.Canonical(a)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return b, nil
}

// decodeAnswer reads a stored answer; nil bytes are no answer.
func decodeAnswer(b []byte) (*answer, error) {
	if b == nil {
		return nil, nil
	}
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read the stored answer", "restore the ledger from a backup")
	}
	for _, list := range [][]namedTable{a.Queries, a.Enrichments} {
		for _, t := range list {
			for _, row := range t.Rows {
				if len(row) != len(t.Columns) {
					return nil, fault.New(fault.Invalid, fmt.Sprintf("read the stored answer: a row of %q has %d cells for %d columns", t.Name, len(row), len(t.Columns)),
						"restore the ledger from a backup")
				}
			}
		}
	}
	return &a, nil
}
