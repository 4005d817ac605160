package ledger

import (
	"bytes"
	"errors"
	"testing"

	"beampipe/fault"
)

func pack(t *testing.T, content string) Packed {
	t.Helper()
	p, err := Pack("application/json", []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnArtifactIsStoredOnceAndComesBackByItsDigest(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	f.discover("B", OutcomeChanged, "s1")
	a, b := f.admit("A"), f.admit("B")
	content := string(bytes.Repeat([]byte(`{"nodeDataArray":[]}`), 1000))
	attach := func(e Execution, attempt int, content string) error {
		return f.try(func(tx *Tx) error { return tx.AttachArtifact(e.ID, attempt, ArtifactManifest, pack(t, content)) })
	}
	for _, err := range []error{attach(a, 1, content), attach(a, 1, content), attach(b, 1, content), attach(a, 2, "{}"), attach(a, 3, "")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, attach(a, 1, "other"), fault.Conflict, a.ID, "another manifest")
	var n int
	if err := f.raw().QueryRow("SELECT count(*) FROM artifacts").Scan(&n); n != 3 || err != nil {
		t.Errorf("%d artifacts, %v", n, err)
	}
	got, digest, err := f.view().ArtifactOf(b.ID, ArtifactManifest)
	if string(got) != content || digest != pack(t, content).SHA256 || err != nil {
		t.Errorf("%d bytes, %s, %v", len(got), digest, err)
	}
	if got, _, err := f.view().ArtifactOf(a.ID, ArtifactManifest); len(got) != 0 || err != nil {
		t.Errorf("the newest attempt's: %q, %v", got, err)
	}
	list, err := f.view().Artifacts(a.ID)
	if err != nil || len(list) != 3 || list[0].Attempt != 3 || list[2].Size != int64(len(content)) {
		t.Errorf("%+v %v", list, err)
	}
	if _, _, err := f.view().ArtifactOf(a.ID, ArtifactProducts); !errors.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
}

func TestADamagedArtifactIsNotHandedOut(t *testing.T) {
	for name, data := range map[string][]byte{"no zstd": []byte("junk"), "other content": pack(t, "other").data} {
		f := newFixture(t)
		p := pack(t, "content")
		digest := p.SHA256
		p.data = data
		f.write(func(tx *Tx) error { return tx.PutPacked(p) })
		if _, err := f.view().Content(digest); !errors.Is(err, fault.Invalid) || len(fault.Hints(err)) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnArtifactPastTheLimitIsRefused(t *testing.T) {
	_, err := Pack("x", make([]byte, MaxArtifactBytes+1))
	wantKind(t, err, fault.Invalid, "MaxArtifactBytes")
}
