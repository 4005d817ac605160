package configs

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"beampipe/fault"
)

func TestTheDigestIsOfTheMeaning(t *testing.T) {
	a := mustLoad(t, small)
	for _, tt := range []struct{ name, old, replacement string }{
		{"a default written out", "[casda]", "[casda]\n  tap: {timeout_seconds: 30}"},
		{"a comment", "  id: small", "  id: 'small' # it"},
		{"one name as a list", "{from: obs_id, transform: digits}", "{transform: [digits], from: obs_id}"},
		{"upper case hexadecimal", "56faf68f4e22", "56FAF68F4E22"},
		{"null for an absent option", "  id: small", "  id: small\n  description: null"},
	} {
		if b := mustLoad(t, edit(t, tt.old, tt.replacement)); a.Digest() != b.Digest() {
			t.Errorf("%s changes the digest:\n%s\n%s", tt.name, a.Canonical(), b.Canonical())
		}
	}
	if b := mustLoad(t, edit(t, "  id: small", "  id: smaller")); a.Digest() == b.Digest() {
		t.Error("another id keeps the digest")
	}
}

func TestCanonicalReadsBack(t *testing.T) {
	texts := []string{small, edit(t, `"$count(sbids[].datasets[])"`, "{a: [1, 1.0, 1e3, -0.5, null, true, '<&>']}")}
	for _, name := range []string{"wallaby_hires.v2.yaml", "wallaby_hires.v1.yaml", "minimal_survey.v2.yaml"} {
		texts = append(texts, string(shared(t, name)))
	}
	for _, text := range texts {
		p := mustLoad(t, text)
		again, err := FromCanonical(p.Canonical())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, again, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		if !bytes.Equal(p.Canonical(), again.Canonical()) {
			t.Error("the canonical form is not stable")
		}
	}
}

func TestCanonicalHasSortedKeysAndNoHTMLEscapes(t *testing.T) {
	text := string(mustLoad(t, edit(t, "  id: small", "  id: small\n  description: a < b & c")).Canonical())
	if !strings.HasPrefix(text, `{"adapters":{"required":["casda"],"tap":{"fail_open":false,"retries":1,"timeout_seconds":30}},"apiVersion":"beampipe.dev/v2","automation":`) ||
		!strings.Contains(text, "a < b & c") || !strings.Contains(text, `"canonical":1`) {
		t.Error(text)
	}
}

func TestDiffNamesEachKeyThatChanged(t *testing.T) {
	old := mustLoad(t, small)
	now := mustLoad(t, edit(t, "      dataset_id: {from: filename}\n", "      dataset_id: {from: name}\n      scan_id: {from: did}\n"))
	want := []Change{
		{Path: "discovery.prepare_metadata.field_map.dataset_id.from", Old: `"filename"`, New: `"name"`},
		{Path: "discovery.prepare_metadata.field_map.scan_id.from", New: `"did"`},
	}
	if diff := cmp.Diff(want, now.Diff(old)); diff != "" {
		t.Error(diff)
	}
	if got := codes(now.ChangesFrom(old)); len(got) != 1 || got[0] != CodeFieldMapChanged {
		t.Errorf("warned of %v", got)
	}
	if got := append(old.ChangesFrom(old), old.ChangesFrom(nil)...); got != nil {
		t.Errorf("nothing changed, warned of %v", got)
	}
}

func TestASignatureBlockThatSaysTheDefaultIsNoChange(t *testing.T) {
	old := mustLoad(t, small)
	same := mustLoad(t, edit(t, "    field_map:", "    signature: {}\n    field_map:"))
	if got := same.ChangesFrom(old); got != nil {
		t.Errorf("warned of %v", got)
	}
	other := mustLoad(t, edit(t, "    field_map:", "    signature: {exclude_fields: [t_max]}\n    field_map:"))
	if got := codes(other.ChangesFrom(old)); len(got) != 1 || got[0] != CodeSignatureChanged {
		t.Errorf("warned of %v", got)
	}
}

func TestFromCanonicalRefusesWhatItDidNotWrite(t *testing.T) {
	for _, text := range []string{"", "{", "[]", `{"canonical":2}`, `{"canonical":1,"colour":2}`} {
		if _, err := FromCanonical([]byte(text)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
