package control_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beampipe/control"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
)

// made makes an execution of each source that made one file, all of them the same.
func made(t *testing.T, c *control.Local, sources ...string) []string {
	t.Helper()
	var ids []string
	must(t, c.Ledger().Write(t.Context(), func(tx *ledger.Tx) error {
		ids = nil
		for _, name := range sources {
			s, err := tx.Source(project, name)
			if err != nil {
				return err
			}
			e, err := tx.CreateExecution(ledger.NewExecution{
				Project: project, ConfigRevision: 1, Profile: "here", ProfileRevision: 1, Target: "local:runs", Actor: "user:ada", Why: "test",
				Sources: []ledger.ExecutionSource{{SourceID: s.ID, Identifier: name, SBIDs: []string{"1"}, Signature: "s1"}},
			})
			if err != nil {
				return err
			}
			ids = append(ids, e.ID)
			err = tx.AddProducts(e.ID, 1, []ledger.Product{{Path: "data/image.fits", SHA256: sameDigest, Bytes: 7, URI: "https://store.example.org/" + name}})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	return ids
}

const sameDigest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestAnExportIsFoundByItsExecutionOrByWhatItMade(t *testing.T) {
	c, _ := registered(t)
	ids := made(t, c, "A", "B")
	for name, tt := range map[string]struct {
		what string
		kind fault.Kind
		want string // the execution, or what the error says
	}{
		"its id":               {what: ids[0], want: ids[0]},
		"the end of its id":    {what: ids[1][24:], want: ids[1]},
		"where a product is":   {what: "https://store.example.org/B", want: ids[1]},
		"a file of two":        {what: "sha256:" + sameDigest, kind: fault.Invalid, want: "2 executions made the same file"},
		"a file of none":       {what: "sha256:" + strings.Repeat("0", 64), kind: fault.NotFound, want: "no execution in this ledger"},
		"a place of none":      {what: "file:///nowhere", kind: fault.NotFound, want: "no execution in this ledger"},
		"no digest":            {what: "sha256:xyz", kind: fault.Invalid, want: "64 hexadecimal digits"},
		"an id that is not it": {what: "ffffffff", kind: fault.NotFound, want: "no execution"},
	} {
		var out bytes.Buffer
		answer, err := c.ExportProvenance(t.Context(), control.ExportRequest{What: tt.what, Format: control.FormatProvJSON}, &out)
		switch {
		case tt.kind == "" && (err != nil || answer.Execution != tt.want || answer.Bytes != int64(out.Len()) || out.Len() == 0):
			t.Errorf("%s: %+v, %v", name, answer, err)
		case tt.kind != "" && (!errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) || out.Len() > 0):
			t.Errorf("%s: %v, %d bytes written", name, err, out.Len())
		}
	}
	_, err := c.ExportProvenance(t.Context(), control.ExportRequest{What: ids[0], Format: "pdf"}, io.Discard)
	if !errors.Is(err, fault.Invalid) {
		t.Errorf("another format: %v", err)
	}
}

func TestAnExportSaysWhatIsNotInIt(t *testing.T) {
	c, _ := registered(t)
	ids := made(t, c, "A")
	must(t, c.Ledger().Write(t.Context(), func(tx *ledger.Tx) error {
		_, err := tx.WithdrawProducts([]ledger.Product{{Execution: ids[0], Attempt: 1, Path: "data/image.fits"}}, nil, "SB1 is bad", "user:ada")
		return err
	}))
	var out bytes.Buffer
	answer, err := c.ExportProvenance(t.Context(), control.ExportRequest{What: ids[0], Format: control.FormatROCrate}, &out)
	must(t, err)
	said := strings.Join(answer.Missing, "\n")
	for _, want := range []string{"names no graph", "no manifest", "no patched graph", "no record of the archives' answers", "Of its lineage: it has no manifest yet"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q: %s", want, said)
		}
	}
	if answer.Products != 1 || answer.Withdrawn != 1 || answer.Status != "pending" || answer.Events != 2 {
		t.Errorf("%+v", answer)
	}
	r, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	must(t, err)
	f, err := r.Open("products.json")
	must(t, err)
	list, err := io.ReadAll(f)
	must(t, err)
	if !strings.Contains(string(list), `"withdrawn_because": "SB1 is bad"`) {
		t.Errorf("the inventory is %s", list)
	}
}

func TestAnExportOfARunWhoseEventsWerePrunedSaysSo(t *testing.T) {
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	l, err := ledger.Create(t.Context(), filepath.Join(t.TempDir(), "beampipe.db"), ledger.Options{Rebuild: execution.Rebuild, Now: func() time.Time { return now }})
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	c, err := control.NewLocal(control.LocalOptions{Ledger: l, Actor: "user:test"})
	must(t, err)
	_, err = c.AddProject(t.Context(), control.ProjectFile{Name: "survey.yaml", Content: []byte(text)})
	must(t, err)
	_, err = c.AddProfile(t.Context(), control.ProfileFile{Name: "here.json", Content: []byte(`{"name": "here", "deployment": {"kind": "local"}}`)})
	must(t, err)
	_, err = c.AddSources(t.Context(), project, []string{"A"})
	must(t, err)
	ids := made(t, c, "A")
	_, err = c.CancelExecution(t.Context(), ids[0], "the events of what goes on stay", false)
	must(t, err)
	_, err = c.StartProject(t.Context(), project, "so that its own are not the newest events")
	must(t, err)
	now = now.AddDate(1, 0, 0) // what is young is not pruned
	_, err = c.Ledger().Prune(t.Context(), ledger.PruneOptions{
		Policies: []ledger.Policy{{Kind: ledger.KeepEvents, MaxRows: 1}}, Actor: "user:ada", Reason: "test",
	})
	must(t, err)
	answer, err := c.ExportProvenance(t.Context(), control.ExportRequest{What: ids[0], Format: control.FormatROCrate}, io.Discard)
	must(t, err)
	if said := strings.Join(answer.Missing, "\n"); !strings.Contains(said, "they were pruned") || answer.Events != 0 {
		t.Errorf("%d events; it says %s", answer.Events, said)
	}
}
