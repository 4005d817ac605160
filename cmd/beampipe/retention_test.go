package main

import "testing"

func TestAgesAndSizesAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "1d": 86400, "90d": 90 * 86400, "36h": 36 * 3600, "90m": 5400, "0d": -1, "-3d": -1, "d": -1, "1.5d": -1, "soon": -1, "99999999999d": -1, "0s": -1, "-36h": -1} {
		got, err := parseAge(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("age %q: %d, want %d (%v)", text, got, want, err)
		}
	}
	for text, want := range map[string]int64{"": 0, "5": 5, "1K": 1024, "500M": 500 << 20, "2G": 2 << 30, "1T": 1 << 40, "0": -1, "-5": -1, "K": -1, "5k": -1, "5MB": -1, "9999999999T": -1} {
		got, err := parseBytes(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("size %q: %d, want %d (%v)", text, got, want, err)
		}
	}
}
