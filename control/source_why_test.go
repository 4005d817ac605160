package control

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/ledger"
)

func TestTheSignedFieldsAreThoseOfTheRecordsThatWereNotLeftOut(t *testing.T) {
	gone := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	known := []ledger.Metadata{
		{SBID: "1", Records: []map[string]any{{"sbid": "1", "dataset_id": "a", "t_max": "59000.5", "late": "x"}}},
		{SBID: "2", Records: []map[string]any{{"sbid": "2", "dataset_id": "b", "beam": "7"}}},
		{SBID: "3", Records: []map[string]any{{"only_gone": "z"}}, MissingSince: &gone},
	}
	got := signedFields(known, []string{"t_max", "visibility.LATE"})
	if diff := cmp.Diff([]string{"beam", "dataset_id", "sbid"}, got); diff != "" {
		t.Error(diff)
	}
}
