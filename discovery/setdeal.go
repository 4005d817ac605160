package discovery

import (
	"fmt"
	"slices"
	"strings"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/votable"
)

// deal gives each key of a set its rows, by the exact text of the key column, and answers its questions
// with them as if they had been asked alone. An answer that cannot be dealt, or the part of it that may
// have gone to nobody, is asked for in the next form.
func (n *inquiry) deal(r request, got *tap.Table) []request {
	config, _ := n.query(r.query)
	f := config.Batch[r.form]
	at, err := keyColumn(got, f.Key)
	if err != nil {
		n.forms.refuse(formID{r.query, r.form})
		return n.otherwise(r, err)
	}
	drop := at
	if f.InList || f.KeepKey {
		drop = -1
	}
	rows, strays := dealRows(r.keys, got, at)
	undealt, doubtful := r.undealt(rows, strays), n.doubtful(r, rows)
	stray := fault.New(fault.Invalid, fmt.Sprintf("the %q of %d of its %d rows is no value that was asked for", f.Key, len(strays), len(got.Rows)),
		"compare exactly (=), and select as the key what was asked for")
	for i, k := range r.keys {
		for _, q := range k.questions {
			q.report.Strays = len(strays)
			if !undealt[i] && !doubtful[i] {
				n.take(q, without(got.Fields, rows[i], drop))
			}
		}
	}
	again := n.apart(r, doubtful, undealt)
	if len(strays) == 0 {
		return again
	}
	n.engine.log.Warn("an answer for several sources holds rows of none of them", "project", n.project.Metadata.ID, "query", config.Name,
		"rows", len(strays), "first", strays[0], "asked again", len(undealt))
	var keys []key
	for i, k := range r.keys {
		if undealt[i] {
			keys = append(keys, k)
		}
	}
	n.note(questionsOf(keys), r, stray)
	return append(again, n.plan(r.query, r.form+1, questionsOf(keys), stray)...)
}

// keyColumn finds the column of the answer that says whose a row is. Two columns of that name must say
// the same.
func keyColumn(got *tap.Table, name string) (int, error) {
	var columns table
	for _, f := range got.Fields {
		column := strings.TrimSpace(f.Name)
		if column == "" {
			column = strings.TrimSpace(f.ID)
		}
		columns.Columns = append(columns.Columns, column)
	}
	at := columns.column(name)
	if at < 0 {
		return -1, fault.New(fault.Invalid, fmt.Sprintf("its answer has no column %q, which is the key of its batch; it has %s", name, strings.Join(columns.Columns, ", ")),
			"select that column, or correct key")
	}
	for i := at + 1; i < len(columns.Columns); i++ {
		if columns.Columns[i] == columns.Columns[at] && slices.ContainsFunc(got.Rows, func(row []string) bool { return row[i] != row[at] }) {
			return -1, fault.New(fault.Invalid, fmt.Sprintf("two columns of its answer are named %q, which is the key of its batch, and differ", name),
				"tell them apart in the query: … AS name")
		}
	}
	return at, nil
}

// dealRows gives the rows of each key, and the keys of the rows that are nobody's.
func dealRows(keys []key, got *tap.Table, at int) (rows [][][]string, strays []string) {
	byValue := make(map[string]int, len(keys))
	for i, k := range keys {
		byValue[strings.TrimSpace(k.value)] = i
	}
	rows = make([][][]string, len(keys))
	for _, row := range got.Rows {
		value := strings.TrimSpace(row[at])
		if i, ok := byValue[value]; ok {
			rows[i] = append(rows[i], row)
		} else {
			strays = append(strays, value)
		}
	}
	return rows, strays
}

// undealt gives the keys that a stray row may belong to: those without a row, and those that one differs
// from in case alone.
func (r request) undealt(rows [][][]string, strays []string) map[int]bool {
	list := map[int]bool{}
	if len(strays) == 0 {
		return list
	}
	alike := map[string]bool{}
	for _, value := range strays {
		alike[folded(value)] = true
	}
	for i, k := range r.keys {
		if len(rows[i]) == 0 || alike[folded(k.value)] {
			list[i] = true
		}
	}
	return list
}

// without makes a table of some rows, and leaves a column out; -1 leaves none out.
func without(fields []votable.Field, rows [][]string, drop int) *tap.Table {
	if drop < 0 {
		return &tap.Table{Fields: fields, Rows: rows}
	}
	t := &tap.Table{Fields: slices.Delete(slices.Clone(fields), drop, drop+1), Rows: make([][]string, len(rows))}
	for i, row := range rows {
		t.Rows[i] = slices.Delete(slices.Clone(row), drop, drop+1)
	}
	return t
}
