package bench

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"beampipe/fault"
	"beampipe/vo/votable"
)

func TestTheVotableBenchReadsEveryCellThatItWrote(t *testing.T) {
	const n = 221
	for _, f := range votableForms {
		nulls := 221/13 + 221/17
		if f.form == votable.Binary { // where a missing double is a NaN
			nulls = 221 / 17
		}
		path := filepath.Join(t.TempDir(), "table.vot")
		if err := writeVotable(t.Context(), path, f.form, n); err != nil {
			t.Fatal(err)
		}
		report, err := Run(t.Context(), "votable", Options{Dir: t.TempDir(), Flags: map[string]string{"read": path}})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, row := range report.Rows {
			got[row.Name] = row.Value
		}
		if got["read_rows"] != n || got["read_nulls"] != float64(nulls) || got["read_rss_mb"] <= 0 {
			t.Errorf("%s: %v", f.form, got)
		}
	}
}

func TestTheVotableBenchDoesNotTakeATestForTheProgram(t *testing.T) {
	_, err := Run(t.Context(), "votable", Options{Dir: t.TempDir()})
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "not beampipe") {
		t.Errorf("%v", err)
	}
	_, err = Run(t.Context(), "votable", Options{Dir: t.TempDir(), Flags: map[string]string{"program": "/nowhere/beampipe", "rows": "1", "runs": "1"}})
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "/nowhere/beampipe") {
		t.Errorf("%v", err)
	}
	if _, err := Run(t.Context(), "votable", Options{Dir: t.TempDir(), Flags: map[string]string{"rows": "none"}}); !errors.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}

func TestARatioNeedsStilts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "table.vot")
	if err := writeVotable(t.Context(), path, votable.Binary2, 10); err != nil {
		t.Fatal(err)
	}
	without, err := votableBench{}.row("binary2_mb_s", path, reading{seconds: 1}, reading{})
	if err != nil || without.Met || without.Skipped == "" || without.Ratio != 0 {
		t.Errorf("%+v, %v", without, err)
	}
	for seconds, met := range map[float64]bool{2.9: false, 3: true} {
		with, err := votableBench{stilts: "/usr/bin/stilts"}.row("binary2_mb_s", path, reading{seconds: 1}, reading{seconds: seconds})
		if err != nil || with.Met != met || with.Ratio != seconds || with.Skipped != "" {
			t.Errorf("%+v, %v", with, err)
		}
	}
}
