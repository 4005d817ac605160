package bench

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"beampipe/fault"
)

func rowsOf(t *testing.T, r Report) map[string]Row {
	t.Helper()
	rows := map[string]Row{}
	for _, row := range r.Rows {
		rows[row.Name] = row
	}
	return rows
}

func TestTheDiscoveryBenchTellsBothModesApart(t *testing.T) {
	report, err := Run(t.Context(), "discovery", Options{Dir: t.TempDir(), Flags: map[string]string{"count": "60", "latency_ms": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	rows := rowsOf(t, report)
	requests := rows["requests_set_based"]
	if requests.Value < 3 || requests.ReferenceValue < 3*60 || requests.Ratio != requests.Value/requests.ReferenceValue {
		t.Errorf("%+v", requests)
	}
	if wall := rows["wall_set_based"]; wall.Value <= 0 || wall.ReferenceValue <= 0 || wall.Unit != "s" {
		t.Errorf("%+v", wall)
	}
	if limit := rows["per_source_vs_limit"]; limit.Value <= 0 || limit.Value > 1.01 || limit.Skipped != "" {
		t.Errorf("%+v", limit)
	}
}

func TestASettingOfTheDiscoveryBenchThatCannotBeUsedIsAnErrorThatNamesIt(t *testing.T) {
	short := filepath.Join(t.TempDir(), "two")
	if err := os.WriteFile(short, []byte("HIPASSJ0001-01\nHIPASSJ0002-02\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		flags map[string]string
		want  string
	}{
		{map[string]string{"count": "0"}, `count="0"`},
		{map[string]string{"concurrency": "many"}, `concurrency="many"`},
		{map[string]string{"latency_ms": "-1"}, `latency_ms="-1"`},
		{map[string]string{"url": "http://archive.invalid/tap"}, "sources is not"},
		{map[string]string{"url": "http://archive.invalid/tap", "sources": short}, "has 2 identifiers, not 1000"},
		{map[string]string{"url": "http://archive.invalid/tap", "sources": short + ".none"}, short + ".none"},
	} {
		_, err := Run(t.Context(), "discovery", Options{Dir: t.TempDir(), Flags: tt.flags})
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v", tt.flags, err)
		}
	}
}

func TestTwoModesThatFindDifferentThingsGiveNoFigures(t *testing.T) {
	one := map[string]string{"a": "changed 1", "b": "no_data 2"}
	if err := sameConclusions(one, map[string]string{"a": "changed 1", "b": "no_data 2"}); err != nil {
		t.Error(err)
	}
	for _, other := range []map[string]string{{"a": "changed 1"}, {"a": "changed 1", "b": "changed 2"}, {"a": "changed 1", "c": "no_data 2"}} {
		if sameConclusions(one, other) == nil {
			t.Errorf("%v passes", other)
		}
	}
}

func TestAShareIsMetBelowItsPartAlone(t *testing.T) {
	for value, met := range map[float64]bool{1: true, 1.99: true, 2: false, 3: false} {
		if r := share("requests", value, "", 50, "the other way", 100); r.Met != met || r.Goal != "under 1/50 of it" {
			t.Errorf("%g: %+v", value, r)
		}
	}
	if r := share("requests", 1, "", 50, "nothing", 0); r.Met {
		t.Errorf("%+v", r)
	}
}
