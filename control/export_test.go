package control_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"beampipe/control"
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
	for _, want := range []string{"names no graph", "no manifest", "no patched graph", "no record of the archives' answers", "software were not recorded"} {
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
