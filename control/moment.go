package control

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"beampipe/fault"
)

// maxAge bounds an age that is given in place of a time: a hundred years.
const maxAge = 100 * 365 * 24 * time.Hour

// moments are the forms of a time that a person gives; without a zone it is UTC.
var moments = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// moment reads a time, or an age before now such as 90m, 24h, 7d. Of text "" it is the zero time.
func moment(what, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range moments {
		if t, err := time.Parse(form, strings.TrimSuffix(text, " UTC")); err == nil {
			return t.UTC(), nil
		}
	}
	if age, ok := ageOf(text); ok {
		return now.Add(-age), nil
	}
	return time.Time{}, fault.New(fault.Invalid, fmt.Sprintf("%s: %.40q is no time", what, text),
		"give a time in UTC, such as 2026-11-20 or '2026-11-20 04:00', or an age, such as 90m, 24h or 7d")
}

func ageOf(text string) (time.Duration, bool) {
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil && n <= uint64(maxAge/(24*time.Hour))
	}
	age, err := time.ParseDuration(text)
	return age, err == nil && age >= 0 && age <= maxAge
}
