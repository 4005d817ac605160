package discovery

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/ledger"
)

func TestReviewHasARowForEachSourceAndSBID(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock("HIPASSJ0001-01", "30001")
	w.observe("HIPASSJ0001-01_B.ms.tar", "30011", 59001)
	w.evaluate("30011")
	w.observe("HIPASSJ0002-02_A.ms.tar", "30002", 59000) // not in the catalogue
	w.evaluate("30002")
	w.stock("HIPASSJ0004-04", "30004")
	w.catalogue("J0004-04", 10, 100) // an impossible declination
	w.register("HIPASSJ0001-01", "HIPASSJ0002-02", "HIPASSJ0003-03", "HIPASSJ0004-04")
	w.tick()
	w.register("HIPASSJ0005-05")
	must(t, w.ledger.Write(t.Context(), func(tx *ledger.Tx) error {
		_, err := tx.ExcludeDatasets("survey", []ledger.Exclusion{{SBID: "30001", Dataset: "HIPASSJ0001-01_A_beam01.ms.tar"}, {SBID: "30011"}}, "bad", "user:test")
		return err
	}))
	rows, err := Review(w.ledger.View(t.Context()), "survey")
	must(t, err)
	var got []string
	for _, r := range rows {
		why, _, _ := strings.Cut(r.Why, ",")
		got = append(got, fmt.Sprintf("%s %s %d-%d %v ready=%v %s: %s", r.Source, r.SBID, r.Datasets, r.Excluded, r.Flags["catalogued"], r.Ready, r.Outcome, why))
	}
	want := []string{
		"HIPASSJ0001-01 30001 2-1 true ready=true changed: ",
		"HIPASSJ0001-01 30011 1-1 true ready=false changed: SBID 30011: every dataset is excluded",
		"HIPASSJ0002-02 30002 1-0 false ready=false changed: SBID 30002: discovery flag catalogued is false",
		"HIPASSJ0003-03  0-0 <nil> ready=false no_data: no datasets",
		`HIPASSJ0004-04  0-0 <nil> ready=false refused: read column "DEJ2000" of query "ra_dec_vsys" for HIPASSJ0004-04: 100 is no declination`,
		"HIPASSJ0005-05  0-0 <nil> ready=false : not discovered yet",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
