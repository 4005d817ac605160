package bench

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

func TestABenchThatThereIsNotIsRefusedWithTheNamesThatThereAre(t *testing.T) {
	dir := t.TempDir()
	report, err := Run(t.Context(), "speed", Options{Dir: dir})
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `"speed"`) || !strings.Contains(strings.Join(fault.Hints(err), ""), "lifecycle") {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(dir); len(report.Rows) != 0 || err != nil || len(left) != 0 {
		t.Errorf("it did something: %+v, %v, %v", report, left, err)
	}
	if !slices.Contains(Names(), "lifecycle") || !slices.IsSorted(Names()) {
		t.Errorf("names: %v", Names())
	}
}

func TestASettingOfABenchThatCannotBeUsedIsAnErrorThatNamesTheFile(t *testing.T) {
	for _, flag := range []string{"config", "graph"} {
		path := t.TempDir() + "/none.file"
		_, err := Run(t.Context(), "lifecycle", Options{Dir: t.TempDir(), Flags: map[string]string{flag: path}})
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// The names are a contract: figures are read by other programs.
func TestAReportsJSONHasTheNamesThatWerePromised(t *testing.T) {
	report := Report{Bench: "lifecycle", Host: host(), Rows: []Row{
		under("wall_s", 4, "s", 10, "the queries alone", 2),
		{Name: "peer_s", Unit: "s", Skipped: "it is not installed"},
	}}
	raw, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Bench string           `json:"bench"`
		Host  map[string]any   `json:"host"`
		Rows  []map[string]any `json:"rows"`
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got.Bench != "lifecycle" || got.Host["cores"] == nil || got.Host["os"] == nil || got.Host["go"] == nil {
		t.Errorf("%s", raw)
	}
	want := []map[string]any{
		{
			"name": "wall_s", "value": 4.0, "unit": "s", "reference": "the queries alone", "reference_value": 2.0, "ratio": 2.0,
			"goal": "under 10 s", "met": true, "skipped": "",
		},
		{
			"name": "peer_s", "value": 0.0, "unit": "s", "reference": "", "reference_value": 0.0, "ratio": 0.0,
			"goal": "", "met": false, "skipped": "it is not installed",
		},
	}
	if diff := cmp.Diff(want, got.Rows); diff != "" {
		t.Error(diff)
	}
	if names := slices.Sorted(maps.Keys(want[0])); len(names) != 9 {
		t.Errorf("names: %v", names)
	}
}

func TestAGoalIsMetBelowItsBoundAlone(t *testing.T) {
	for value, met := range map[float64]bool{0: true, 9.999: true, 10: false, 11: false} {
		if r := under("wall_s", value, "s", 10, "", 0); r.Met != met || r.Ratio != 0 {
			t.Errorf("%g: %+v", value, r)
		}
	}
}

func TestTheTextTellsWhatWasMetMissedAndSkipped(t *testing.T) {
	text := Report{Bench: "b", Host: host(), Rows: []Row{
		under("fast", 1, "s", 10, "plain", 2), under("slow", 11, "s", 10, "", 0),
		{Name: "absent", Skipped: "no such program"},
		{Name: "counted", Value: 42},
	}}.Text()
	for _, want := range []string{"met", "missed", "0.5 × plain (2.000)", "skipped: no such program", "42.000"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}

func TestThePeakOfThisProcessIsMoreThanNothing(t *testing.T) {
	if mb, err := peakRSS(); err != nil || mb < 1 {
		t.Errorf("%g MB, %v", mb, err)
	}
}
