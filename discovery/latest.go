package discovery

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
)

// latest keeps the rows with the largest number in the query's latest_by column, where it has one. It
// sees the rows of one source only, so that no other can decide. Rows without a number do not count;
// where none has one, nothing says which rows are meant: fault.Invalid.
func latest(q configs.Query, t table) (table, error) {
	if q.LatestBy == nil || len(t.Rows) == 0 {
		return t, nil
	}
	at := t.column(*q.LatestBy)
	if at < 0 {
		return table{}, fault.New(fault.Invalid, fmt.Sprintf("query %q: its answer has no column %q, which is its latest_by; it has %s", q.Name, *q.LatestBy, strings.Join(t.Columns, ", ")),
			"select that column, or correct latest_by")
	}
	out := table{Columns: t.Columns}
	var most number
	for _, row := range t.Rows {
		n, ok := readNumber(row[at])
		if !ok {
			continue
		}
		order := 1
		if out.Rows != nil {
			order = n.compare(most)
		}
		switch {
		case order > 0:
			most, out.Rows = n, [][]string{row}
		case order == 0:
			out.Rows = append(out.Rows, row)
		}
	}
	if out.Rows == nil {
		return table{}, fault.New(fault.Invalid, fmt.Sprintf("query %q: the %s of none of its %d rows is a number, so none is the latest; the first is %.60q", q.Name, t.Columns[at], len(t.Rows), t.Rows[0][at]),
			"correct latest_by, or ask for the rows that have one")
	}
	return out, nil
}

// number is a cell's value: whole numbers are compared to the last digit.
type number struct {
	whole bool
	i     int64
	f     float64
}

func readNumber(cell string) (number, bool) {
	f, err := strconv.ParseFloat(cell, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return number{}, false
	}
	i, err := strconv.ParseInt(cell, 10, 64)
	return number{whole: err == nil, i: i, f: f}, true
}

func (a number) compare(b number) int {
	if a.whole && b.whole {
		return cmp.Compare(a.i, b.i)
	}
	return cmp.Compare(a.f, b.f)
}
