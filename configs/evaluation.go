package configs

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// How the name of a CASDA calibration archive begins and ends. A transform of kind
// select_eval_file_by_size may give another prefix and suffix, an evaluation block another prefix.
const (
	evaluationPrefix = "calibration-metadata-processing-logs-SB"
	evaluationSuffix = ".tar"
	evaluationFormat = "calibration"
)

// EvaluationRows gives those of the rows (a list of objects or one object) that carry the winning
// evaluation file: format "calibration", a name with the prefix that ends ".tar", an access URL and
// a size; the largest wins, of equal ones the lexically greatest name. No row qualifies: nil. More
// than one row: the archive lists the winner twice.
func EvaluationRows(rows any, prefix string) []map[string]any {
	return evaluationRows(rows, prefix, evaluationSuffix)
}

// EvaluationFilename gives a row's file name, "" when it has none.
func EvaluationFilename(row map[string]any) string {
	for _, key := range []string{"filename", "file_name"} {
		if name, ok := Text(column(row, key)); ok {
			return name
		}
	}
	return ""
}

// PrefixFor gives the prefix for one SBID.
func (e Evaluation) PrefixFor(sbid string) string {
	return strings.ReplaceAll(e.Prefix, "{sbid}", sbid)
}

func (t Transform) evaluationFile(v any) (any, bool) {
	prefix, suffix := evaluationPrefix, evaluationSuffix
	if t.Prefix != nil {
		prefix = *t.Prefix
	}
	if t.Suffix != nil {
		suffix = *t.Suffix
	}
	rows := evaluationRows(v, prefix, suffix)
	if len(rows) == 0 {
		return nil, false
	}
	return EvaluationFilename(rows[0]), true
}

func evaluationRows(rows any, prefix, suffix string) []map[string]any {
	var best map[string]any
	var bestName string
	var bestSize int64
	var qualified []map[string]any
	for _, row := range objects(rows) {
		name, size, ok := qualify(row, prefix, suffix)
		if !ok {
			continue
		}
		if best == nil || size > bestSize || (size == bestSize && name > bestName) {
			best, bestName, bestSize = row, name, size
		}
		qualified = append(qualified, row)
	}
	var winners []map[string]any
	for _, row := range qualified {
		if EvaluationFilename(row) == bestName {
			winners = append(winners, row)
		}
	}
	return winners
}

func qualify(row map[string]any, prefix, suffix string) (name string, size int64, ok bool) {
	format, _ := Text(column(row, "format"))
	_, hasURL := Text(column(row, "access_url"))
	name = EvaluationFilename(row)
	if !strings.EqualFold(format, evaluationFormat) || !hasURL ||
		!strings.HasPrefix(name, prefix) || !strings.HasSuffix(name, suffix) {
		return "", 0, false
	}
	for _, key := range []string{"filesize", "file_size", "access_estsize", "size"} {
		if size, ok := wholeNumber(column(row, key)); ok {
			return name, size, size >= 0
		}
	}
	return "", 0, false
}

// column gives a row's value under a name or the name in upper case.
func column(row map[string]any, name string) any {
	if v, ok := row[name]; ok {
		return v
	}
	return row[strings.ToUpper(name)]
}

// wholeNumber reads a number or the text of an integer; a float is truncated.
func wholeNumber(v any) (int64, bool) {
	switch v := v.(type) {
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n, err == nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, true
		}
		f, err := v.Float64()
		return truncate(f), err == nil
	case int:
		return int64(v), true
	case int64:
		return v, true
	case float64:
		return truncate(v), !math.IsNaN(v)
	}
	return 0, false
}

// truncate gives the integer part, at the ends of int64 the nearest int64.
func truncate(f float64) int64 {
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}
