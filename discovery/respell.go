package discovery

import (
	"math"
	"regexp"
	"slices"
	"strconv"
)

// realNumber is a number that is written as a real one: with a point or an exponent. Zeros in front are
// none of a number's.
var realNumber = regexp.MustCompile(`^[+-]?(0|[1-9][0-9]*)?(\.[0-9]*([eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)$`)

// exactWhole bounds the whole numbers that a real one holds exactly.
const exactWhole = 1 << 53

// respell writes a real number in one way, so that 59000.0, 5.9E4 and the whole number 59000 are alike:
// an archive that goes from one serialization to another writes the same numbers differently. Every other
// text stays what it is, also a whole number, which may be a name.
func respell(cell string) string {
	if !realNumber.MatchString(cell) {
		return cell
	}
	v, err := strconv.ParseFloat(cell, 64)
	switch {
	case err != nil:
		return cell
	case v == 0:
		return "0"
	case v == math.Trunc(v) && math.Abs(v) < exactWhole:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// respelled gives the answer with its numbers written in one way.
func (a answer) respelled() answer {
	return a.each(func(t namedTable) table {
		rows := make([][]string, len(t.Rows))
		for i, row := range t.Rows {
			cells := make([]string, len(row))
			for j, cell := range row {
				cells[j] = respell(cell)
			}
			rows[i] = cells
		}
		slices.SortFunc(rows, slices.Compare)
		return table{Columns: t.Columns, Rows: rows}
	})
}
