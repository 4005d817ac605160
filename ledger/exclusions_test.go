package ledger

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
	"beampipe/provenance"
)

// excluded says which of the records of SBIDs 100 (a, b, one without a name) and 200 (c) can be used.
func excluded(f *fixture) string {
	f.Helper()
	list, err := f.view().Metadata(f.source("A").ID)
	if err != nil {
		f.Fatal(err)
	}
	var parts []string
	for _, m := range list {
		parts = append(parts, fmt.Sprintf("%s: %d of %d usable, excluded %v", m.SBID, len(m.Usable()), len(m.Records), m.Excluded))
	}
	return strings.Join(parts, "; ")
}

func TestExclusionsKeepDatasetsOutAndStored(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1", func(d *Discovery) {
		d.Metadata = []Metadata{
			{SBID: "100", Records: []map[string]any{{"dataset_id": "a"}, {"visibility_filename": " b "}, {"other": "x"}}},
			{SBID: "200", Records: []map[string]any{{"dataset_id": "c"}}},
		}
	})
	for i, tt := range []struct {
		include bool
		list    []Exclusion
		n       int
		want    string
		event   string // payloads
	}{
		{false, []Exclusion{{SBID: "100", Dataset: "b"}}, 1, "100: 2 of 3 usable, excluded [b]; 200: 1 of 1 usable, excluded []", `{"datasets":["b"],"reason":"bad flux","sbid":"100"}`},
		{false, []Exclusion{{SBID: "100", Dataset: "b"}}, 0, "100: 2 of 3 usable, excluded [b]; 200: 1 of 1 usable, excluded []", ""},
		{
			false,
			[]Exclusion{{SBID: "200"}, {SBID: "100", Dataset: "none"}, {SBID: "200", Dataset: "c"}},
			3,
			"100: 2 of 3 usable, excluded [b]; 200: 0 of 1 usable, excluded [c]",
			`{"datasets":["none"],"reason":"bad flux","sbid":"100"} {"datasets":["c"],"reason":"bad flux","sbid":"200","whole_sbid":true}`,
		},
		{true, []Exclusion{{SBID: "200"}}, 1, "100: 2 of 3 usable, excluded [b]; 200: 0 of 1 usable, excluded [c]", `{"reason":"bad flux","sbid":"200","whole_sbid":true}`},
		{true, []Exclusion{{SBID: "200", Dataset: "c"}, {SBID: "300"}}, 1, "100: 2 of 3 usable, excluded [b]; 200: 1 of 1 usable, excluded []", `{"datasets":["c"],"reason":"bad flux","sbid":"200"}`},
		{false, []Exclusion{{SBID: "100"}}, 1, "100: 0 of 3 usable, excluded [a b]; 200: 1 of 1 usable, excluded []", `{"reason":"bad flux","sbid":"100","whole_sbid":true}`},
	} {
		before, n := f.head(), 0
		f.write(func(tx *Tx) (err error) {
			if tt.include {
				n, err = tx.IncludeDatasets(project, tt.list, "bad flux", person)
			} else {
				n, err = tx.ExcludeDatasets(project, tt.list, "bad flux", person)
			}
			return err
		})
		if got := excluded(f); got != tt.want || n != tt.n {
			t.Errorf("step %d: %d news, %s; want %d, %s", i, n, got, tt.n, tt.want)
		}
		events, err := f.view().Events(EventFilter{After: before})
		if err != nil {
			t.Fatal(err)
		}
		var payloads []string
		kind := map[bool]string{false: provenance.DatasetExcluded, true: provenance.DatasetIncluded}[tt.include]
		for _, e := range events {
			payloads = append(payloads, string(e.Payload))
			if e.Type != kind || e.Actor != person {
				t.Errorf("step %d: %+v", i, e)
			}
		}
		if got := strings.Join(payloads, " "); got != tt.event {
			t.Errorf("step %d: events %s, want %s", i, got, tt.event)
		}
	}
	list, err := f.view().Exclusions(ExclusionFilter{Project: project})
	want := []Exclusion{
		{Project: project, SBID: "100", Reason: "bad flux", Actor: person, At: f.Now()},
		{Project: project, SBID: "100", Dataset: "b", Reason: "bad flux", Actor: person, At: f.Now()},
		{Project: project, SBID: "100", Dataset: "none", Reason: "bad flux", Actor: person, At: f.Now()},
	}
	if diff := cmp.Diff(want, list); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	// What the archive shows next does not end them.
	f.discover("A", OutcomeChanged, "s2", func(d *Discovery) {
		d.Metadata = []Metadata{{SBID: "100", Records: []map[string]any{{"dataset_id": "a"}, {"dataset_id": "d"}}}}
	})
	if got, want := excluded(f), "100: 0 of 2 usable, excluded [a d]; 200: 1 of 1 usable, excluded []"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestExclusionsOfAnotherProjectAreItsOwn(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	f.write(func(tx *Tx) error {
		if _, _, err := tx.AddConfig(NewConfig{Project: "other", Digest: "c", Spec: []byte("{}"), File: []byte("x")}, person); err != nil {
			return err
		}
		_, err := tx.ExcludeDatasets("other", []Exclusion{{SBID: "100"}}, "", person)
		return err
	})
	list, err := f.view().Metadata(f.source("A").ID)
	if err != nil || list[0].SBIDExcluded || len(list[0].Usable()) != 1 {
		t.Errorf("%+v %v", list, err)
	}
}

func TestExclusionsThatMakeNoSenseAreRefused(t *testing.T) {
	f := newFixture(t)
	for _, change := range []func(tx *Tx, project string, list []Exclusion) error{
		func(tx *Tx, project string, list []Exclusion) error {
			_, err := tx.ExcludeDatasets(project, list, "r", person)
			return err
		},
		func(tx *Tx, project string, list []Exclusion) error {
			_, err := tx.IncludeDatasets(project, list, "r", person)
			return err
		},
	} {
		try := func(project string, list []Exclusion) error {
			return f.try(func(tx *Tx) error { return change(tx, project, list) })
		}
		wantKind(t, try(project, []Exclusion{{SBID: "1"}, {Dataset: "a"}}), fault.Invalid, "entry 2 has no SBID")
		wantKind(t, try(project, make([]Exclusion, MaxExclusions+1)), fault.Invalid, "10001 entries, the limit is 10000")
		wantKind(t, try("none", []Exclusion{{SBID: "1"}}), fault.NotFound)
	}
	if list, err := f.view().Exclusions(ExclusionFilter{Project: project}); len(list) != 0 || err != nil {
		t.Errorf("%v %v", list, err)
	}
}

func TestAnExclusionSupersedesWhatWouldRunTheDataset(t *testing.T) {
	record := func(d *Discovery) {
		d.Metadata = []Metadata{{SBID: "100", Records: []map[string]any{{"dataset_id": "a"}}}, {SBID: "200", Records: []map[string]any{{"dataset_id": "b"}}}}
	}
	for name, tt := range map[string]struct {
		state State
		x     Exclusion
		hit   bool
	}{
		"pending":                   {Pending, Exclusion{SBID: "100", Dataset: "a"}, true},
		"ready":                     {Ready, Exclusion{SBID: "100", Dataset: "a"}, true},
		"the whole SBID":            {Preparing, Exclusion{SBID: "100"}, true},
		"submitted":                 {Queued, Exclusion{SBID: "100", Dataset: "a"}, false},
		"failed":                    {Failed, Exclusion{SBID: "100", Dataset: "a"}, false},
		"a dataset of another":      {Ready, Exclusion{SBID: "100", Dataset: "z"}, false},
		"an SBID that is not run":   {Ready, Exclusion{SBID: "200"}, false},
		"an SBID that nobody knows": {Ready, Exclusion{SBID: "300"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.discover("A", OutcomeChanged, "s1", record)
			e := f.walk(f.admit("A"), pathTo(tt.state)...) // which pins SBID 100
			f.write(func(tx *Tx) error {
				_, err := tx.ExcludeDatasets(project, []Exclusion{tt.x}, "bad flux", person)
				return err
			})
			got := f.reread(e)
			if !tt.hit {
				if got.State != tt.state || got.Version != e.Version {
					t.Errorf("it is %s", got.State)
				}
				return
			}
			events, err := f.view().Events(EventFilter{Execution: e.ID, Newest: true, Limit: 1})
			if got.State != Cancelled || !f.source("A").Pending || err != nil || !strings.Contains(string(events[0].Payload), "superseded: datasets of SBID 100 were excluded: bad flux") {
				t.Errorf("it is %s, %s %v", got.State, events[0].Payload, err)
			}
		})
	}
}

func TestARecordIsNamedByItsDatasetOrItsFile(t *testing.T) {
	for name, tt := range map[string]struct {
		record string
		want   string
	}{
		"both":            {`{"dataset_id":"a","visibility_filename":"b"}`, "a"},
		"a file only":     {`{"visibility_filename":"b"}`, "b"},
		"a blank dataset": {`{"dataset_id":" ","visibility_filename":"b"}`, "b"},
		"space around it": {`{"dataset_id":" a "}`, "a"},
		"a number":        {`{"dataset_id":100000000000}`, "100000000000"},
		"a broken number": {`{"dataset_id":1.5}`, "1.5"},
		"true":            {`{"dataset_id":true}`, "true"},
		"null":            {`{"dataset_id":null}`, ""},
		"a list":          {`{"dataset_id":["a"]}`, ""},
		"neither":         {`{"other":"a"}`, ""},
	} {
		var record map[string]any
		if err := json.Unmarshal([]byte(tt.record), &record); err != nil {
			t.Fatal(err)
		}
		if got, ok := RecordIdentity(record); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q %v", name, got, ok)
		}
	}
}

func TestTheSBIDsOfAProjectAreThoseOfWhichAnythingIsKnown(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1", shows("100", "200"))
	f.discover("A", OutcomeMissing, "", gone("200"))
	got, err := f.view().SBIDs(project)
	if diff := cmp.Diff(map[string]bool{"100": true, "200": true}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
