package control

import (
	"errors"
	"testing"
	"time"

	"beampipe/fault"
)

func TestATimeIsGivenAsTimeOrAsAge(t *testing.T) {
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
		"2026-11-19":                time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC),
		"2026-11-19 03:04":          time.Date(2026, 11, 19, 3, 4, 0, 0, time.UTC),
		"2026-11-19 03:04 UTC":      time.Date(2026, 11, 19, 3, 4, 0, 0, time.UTC),
		"2026-11-19T03:04:05Z":      time.Date(2026, 11, 19, 3, 4, 5, 0, time.UTC),
		"2026-11-19T11:04:05+08:00": time.Date(2026, 11, 19, 3, 4, 5, 0, time.UTC),
		"2026-11-19T03:04:05.250Z":  time.Date(2026, 11, 19, 3, 4, 5, 250e6, time.UTC),
		"90m":                       now.Add(-90 * time.Minute),
		"7d":                        now.AddDate(0, 0, -7),
		"0s":                        now,
	} {
		if got, err := moment("list", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"yesterday", "-5m", "99999999h", "40000d", "d", "1.5d", "2026-13-01", "20", " "} {
		if got, err := moment("list", text, now); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

func FuzzMoment(f *testing.F) {
	for _, text := range []string{"2026-11-19", "7d", "90m", "9223372036854775807ns", "65535d", "1e9h", "0001-01-01T00:00:00Z", "9999-12-31"} {
		f.Add(text)
	}
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := moment("list", text, now)
		if err == nil && at.Location() != time.UTC {
			t.Errorf("%q: %s", text, at)
		}
		if age, ok := ageOf(text); ok && (age < 0 || age > maxAge) {
			t.Errorf("%q: an age of %s", text, age)
		}
	})
}
