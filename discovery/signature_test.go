package discovery

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func TestSignGivesThePredecessorsDigests(t *testing.T) {
	record := func(change map[string]any) map[string]any {
		r := map[string]any{"sbid": "123", "dataset_id": "dataset-1", "visibility_filename": "a.ms", "checksum": "abc"}
		for k, v := range change {
			r[k] = v
		}
		return r
	}
	flags := map[string]any{"ra_dec_vsys_complete": true}
	const vector = "4dcd5f3236aa5a13238e7df0a8d712e3026180576154104d2bf088ea3fa3ee85"
	for _, tt := range []struct {
		name    string
		records []map[string]any
		flags   map[string]any
		exclude []string
		same    bool
	}{
		{name: "the vector", records: []map[string]any{record(nil)}, flags: flags, same: true},
		{name: "an excluded field", records: []map[string]any{record(map[string]any{"access_url": "x"})}, flags: flags, exclude: []string{"access_url"}, same: true},
		{name: "a record without SBID", records: []map[string]any{record(nil), {"dataset_id": "lost"}}, flags: flags, same: true},
		{name: "another checksum", records: []map[string]any{record(map[string]any{"checksum": "abd"})}, flags: flags},
		{name: "another flag", records: []map[string]any{record(nil)}, flags: map[string]any{"ra_dec_vsys_complete": false}},
		{name: "no flag", records: []map[string]any{record(nil)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Sign(tt.records, tt.flags, tt.exclude, true)
			if (got == vector) != tt.same {
				t.Errorf("got %s; the vector is %s; want the same: %v", got, vector, tt.same)
			}
		})
	}
	if Sign([]map[string]any{record(nil)}, flags, nil, false) != Sign([]map[string]any{record(nil)}, nil, nil, true) {
		t.Error("flags are hashed although they are not included")
	}
}

func TestTheNoDataSignatureIsThatOfTheEmptyDocument(t *testing.T) {
	sum := sha256.Sum256([]byte(`{"0":{"datasets":[],"discovery_status":"no_datasets"}}`))
	if got := hex.EncodeToString(sum[:]); got != NoDataSignature {
		t.Errorf("got %s, want %s", got, NoDataSignature)
	}
}

func TestSignDoesNotDependOnTheOrderOfRecords(t *testing.T) {
	a := map[string]any{"sbid": "1", "dataset_id": "a", "n": "1"}
	b := map[string]any{"sbid": "1", "dataset_id": "a", "n": "2"}
	c := map[string]any{"sbid": "2", "visibility_filename": "c"}
	if Sign([]map[string]any{a, b, c}, nil, nil, true) != Sign([]map[string]any{c, b, a}, nil, nil, true) {
		t.Error("the order of records changes the signature")
	}
}

func TestExcludedFieldsAreLeftOutAtEveryDepth(t *testing.T) {
	with := map[string]any{"sbid": "1", "dataset_id": "a", "inner": map[string]any{"url": "x", "list": []any{map[string]any{"url": "y", "k": "v"}}}}
	without := map[string]any{"sbid": "1", "dataset_id": "a", "inner": map[string]any{"list": []any{map[string]any{"k": "v"}}}}
	if Sign([]map[string]any{with}, nil, []string{"url"}, true) != Sign([]map[string]any{without}, nil, nil, true) {
		t.Error("an excluded field inside a record is hashed")
	}
}

func TestCanonicalJSONEscapesOnlyWhatItMust(t *testing.T) {
	in := map[string]any{"b": "<&>é\u2028\u2029", "a": `\u2028`, "c": []any{nil, true}}
	want := "{\"a\":\"\\\\u2028\",\"b\":\"<&>é\u2028\u2029\",\"c\":[null,true]}"
	if got := string(canonical(in)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
