package votable_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"beampipe/fault"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	char := rapid.OneOf(rapid.SampledFrom([]rune("<>&\"'\t\n\r ]]aα🌌\uFFFD")), rapid.Rune().Filter(legal))
	cell := rapid.Map(rapid.SliceOfN(char, 0, 12), func(r []rune) string { return string(r) })
	rapid.Check(t, func(t *rapid.T) {
		fields := []votable.Field{
			{Name: cell.Draw(t, "name"), ID: "one", Datatype: "char", Arraysize: "*", Unit: "deg", Description: strings.TrimSpace(cell.Draw(t, "description"))},
			{Name: "n", Datatype: "unicodeChar", Arraysize: "*"},
		}
		var doc bytes.Buffer
		w := votable.NewWriter(&doc, fields)
		want := [][]any{}
		for range rapid.IntRange(0, 4).Draw(t, "rows") {
			row := []string{cell.Draw(t, "a"), cell.Draw(t, "b")}
			if err := w.WriteText(row); err != nil {
				t.Fatal(err)
			}
			want = append(want, []any{orNil(row[0]), orNil(row[1])})
		}
		if err := w.Close(votable.StatusOK, ""); err != nil {
			t.Fatal(err)
		}
		rd, err := votable.NewReader(&doc, votable.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fields, rd.Fields()); diff != "" {
			t.Fatal(diff)
		}
		got := [][]any{}
		for {
			row := make([]any, 2)
			if err := rd.Next(row); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			got = append(got, row)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func legal(r rune) bool {
	return r >= 0x20 && (r < 0xD800 || r > 0xDFFF) && r != 0xFFFE && r != 0xFFFF
}

func TestAStatusBehindTheRowsIsReadBack(t *testing.T) {
	for status, want := range map[string]string{votable.StatusOK: "OK", votable.StatusOverflow: "OK+OVERFLOW", votable.StatusFailed: "ERROR"} {
		var doc bytes.Buffer
		w := votable.NewWriter(&doc, []votable.Field{{Name: "a", Datatype: "char", Arraysize: "*"}})
		if err := w.WriteText([]string{"x"}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(status, "what <happened>"); err != nil {
			t.Fatal(err)
		}
		if got := verdict(doc.String()); got != want {
			t.Errorf("%s: %s", status, got)
		}
	}
}

func TestAnErrorDocumentIsReadAsItsMessage(t *testing.T) {
	var doc bytes.Buffer
	if err := votable.WriteError(&doc, "bad <query> \x00\xff&"); err != nil {
		t.Fatal(err)
	}
	_, err := votable.NewReader(&doc, votable.Limits{})
	var status *votable.StatusError
	if !errors.As(err, &status) || status.Message != "bad <query> \uFFFD\uFFFD&" {
		t.Errorf("%v", err)
	}
}

func TestTheWriterRefusesWhatItCannotWrite(t *testing.T) {
	fields := []votable.Field{{Name: "a", Datatype: "char", Arraysize: "*"}}
	for name, row := range map[string][]string{
		"too many cells":      {"a", "b"},
		"too few cells":       {},
		"a control character": {"a\x00"},
		"invalid UTF-8":       {"a\xff"},
	} {
		w := votable.NewWriter(io.Discard, fields)
		if err := w.WriteText(row); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.Close(votable.StatusOK, ""); err == nil {
			t.Errorf("%s: the broken document was closed without an error", name)
		}
	}
	w := votable.NewWriter(io.Discard, fields)
	if err := w.Close("FINE", ""); !errors.Is(err, fault.Invalid) {
		t.Errorf("unknown status: %v", err)
	}
}
