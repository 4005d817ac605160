package control

import (
	"fmt"

	"beampipe/fault"
)

// maxPage bounds a page of a list, and is its size where none is asked for.
const maxPage = 10_000

// pageSize is how many rows a page of a list holds at most.
func pageSize(list string, limit int) (int, error) {
	switch {
	case limit == 0:
		return maxPage, nil
	case limit < 0 || limit > maxPage:
		return 0, fault.New(fault.Invalid, fmt.Sprintf("list %s: a page of %d, expected 1 to %d", list, limit, maxPage), "ask for the rest page by page; the command line does with --all")
	}
	return limit, nil
}

// cut gives the rows of a page, of which one more than size was asked for; more tells whether it is there.
func cut[T any](rows []T, size int) (page []T, more bool) {
	if len(rows) > size {
		return rows[:size], true
	}
	if rows == nil {
		rows = []T{} // an empty list in JSON
	}
	return rows, false
}
