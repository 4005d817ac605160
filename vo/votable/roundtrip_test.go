package votable_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"beampipe/fault"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var serializations = []votable.Serialization{votable.TableData, votable.Binary, votable.Binary2}

func TestATableIsTheSameInEverySerialization(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkRoundTrip(t, drawTable(t, anyField, false), serializations)
	})
}

// BINARY has no null for many fields; the other serializations have one for each.
func TestEveryNullIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkRoundTrip(t, drawTable(t, anyField, true), []votable.Serialization{votable.TableData, votable.Binary2})
	})
}

// drawnTable is a table with its rows as values.
type drawnTable struct {
	fields []votable.Field
	rows   [][]any
}

// drawTable draws a table, with nulls wherever TABLEDATA and BINARY2 have one, or where BINARY has.
func drawTable(t *rapid.T, field *rapid.Generator[votable.Field], nulls bool) drawnTable {
	d := drawnTable{fields: rapid.SliceOfN(field, 1, 10).Draw(t, "fields")}
	for i := range d.fields {
		d.fields[i].Name = fmt.Sprint("f", i)
	}
	for range rapid.IntRange(0, 4).Draw(t, "rows") {
		var row []any
		for _, f := range d.fields {
			if nulls && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
				row = append(row, nil)
				continue
			}
			row = append(row, drawValue(t, f))
		}
		d.rows = append(d.rows, row)
	}
	return d
}

// document writes the table.
func (d drawnTable) document(form votable.Serialization) (string, error) {
	var doc strings.Builder
	w := votable.NewBinaryWriter(&doc, d.fields, form)
	for _, row := range d.rows {
		if err := w.Write(row); err != nil {
			return "", err
		}
	}
	err := w.Close(votable.StatusOK, "")
	return doc.String(), err
}

// checkRoundTrip holds that the table is read back as it was written, with equal text in all forms, and
// that a strict reader has nothing against it.
func checkRoundTrip(t *rapid.T, d drawnTable, forms []votable.Serialization) {
	var wantText [][]string
	for i, form := range forms {
		doc, err := d.document(form)
		if err != nil {
			t.Fatal(form, err)
		}
		gotValues, gotText := readAll(t, strings.NewReader(doc))
		complexNaNs := cmp.Comparer(func(a, b complex128) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
		if diff := cmp.Diff(d.rows, gotValues, cmpopts.EquateNaNs(), complexNaNs, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s: %s", form, diff)
		}
		if i == 0 {
			wantText = gotText
		}
		if diff := cmp.Diff(wantText, gotText); diff != "" {
			t.Fatalf("text of %s: %s", form, diff)
		}
		found, err := votable.Check(strings.NewReader(doc), votable.Limits{})
		for _, f := range found {
			t.Errorf("%s: %+v\n%s", form, f, doc)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func readAll(t *rapid.T, doc io.Reader) (values [][]any, texts [][]string) {
	rd, err := votable.NewReader(doc, votable.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		row := make([]any, len(rd.Fields()))
		if err := rd.Next(row); errors.Is(err, io.EOF) {
			return values, texts
		} else if err != nil {
			t.Fatal(err)
		}
		values, texts = append(values, row), append(texts, rd.Text())
	}
}

var anyField = rapid.Custom(drawField)

func drawField(t *rapid.T) votable.Field {
	var f votable.Field
	f.Datatype = rapid.SampledFrom([]string{
		"boolean", "bit", "unsignedByte", "short", "int", "long",
		"char", "unicodeChar", "float", "double", "floatComplex", "doubleComplex",
	}).Draw(t, "datatype")
	f.Arraysize = rapid.SampledFrom([]string{"", "1", "3", "2x2", "*", "4*", "2x*", "2x4*", "2x1x*"}).Draw(t, "arraysize")
	if scalar := f.Arraysize == "" || f.Arraysize == "1"; scalar && strings.Contains("unsignedByte short int long", f.Datatype) {
		f.Null = "77"
	}
	return f
}

// drawValue draws a value that every serialization can hold and give back: no empty arrays or
// strings, which are nulls; nulls only where BINARY has one.
func drawValue(t *rapid.T, f votable.Field) any {
	dims := map[string]int{"3": 3, "2x2": 4}
	n, array := dims[f.Arraysize], f.Arraysize != "" && f.Arraysize != "1"
	variable := strings.Contains(f.Arraysize, "*")
	if variable {
		n = 2 * rapid.IntRange(0, 2).Draw(t, "pairs")
	}
	if strings.Contains("char unicodeChar", f.Datatype) {
		return drawString(t, f, max(n, 1))
	}
	null := variable && n == 0 || f.Null != "" || f.Datatype == "boolean" && !array
	if null && (array || rapid.Bool().Draw(t, "null")) {
		return nil
	}
	switch f.Datatype {
	case "boolean", "bit":
		return drawn(t, rapid.Bool(), n, array)
	case "float", "floatComplex", "double", "doubleComplex":
		number := rapid.Map(rapid.Float32(), func(v float32) float64 { return float64(v) })
		if strings.HasPrefix(f.Datatype, "double") {
			number = rapid.Float64()
		}
		number = rapid.OneOf(number, rapid.SampledFrom([]float64{0, 1, math.NaN(), math.Inf(1), math.Inf(-1), 1 << 20}))
		if strings.HasSuffix(f.Datatype, "Complex") {
			return drawn(t, rapid.Custom(func(t *rapid.T) complex128 {
				return complex(number.Draw(t, "re"), number.Draw(t, "im"))
			}), n, array)
		}
		return drawn(t, number, n, array)
	}
	bits := map[string]int{"unsignedByte": 8, "short": 16, "int": 32, "long": 64}[f.Datatype]
	low, high := int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits)
	if bits == 8 {
		low, high = 0, 255
	}
	return drawn(t, rapid.Int64Range(low, high).Filter(func(n int64) bool { return n != 77 || array }), n, array)
}

func drawn[T any](t *rapid.T, one *rapid.Generator[T], n int, array bool) any {
	if array {
		return rapid.SliceOfN(one, n, n).Draw(t, "array")
	}
	return one.Draw(t, "scalar")
}

func drawString(t *rapid.T, f votable.Field, n int) any {
	letters := []rune("ab<&> ")
	if f.Datatype == "unicodeChar" {
		letters = []rune("aα中<")
	}
	letter := rapid.SampledFrom(letters)
	if !strings.HasPrefix(f.Arraysize, "2x") {
		return orNil(string(rapid.SliceOfN(letter, 0, n).Draw(t, "string")))
	}
	count := n / 2
	if count == 0 {
		return nil
	}
	list := make([]string, count)
	for i := range list {
		list[i] = strings.TrimRight(string(rapid.SliceOfN(letter, 1, 2).Draw(t, "string")), " ")
	}
	return list
}

func TestANullThatBINARYCannotSayIsRefused(t *testing.T) {
	for _, f := range []votable.Field{
		{Name: "f", Datatype: "int"},
		{Name: "f", Datatype: "int", Arraysize: "2", Null: "1"},
		{Name: "f", Datatype: "bit"},
		{Name: "f", Datatype: "boolean", Arraysize: "2"},
	} {
		w := votable.NewBinaryWriter(io.Discard, []votable.Field{f}, votable.Binary)
		if err := w.Write([]any{nil}); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "field f") {
			t.Errorf("%s[%s]: %v", f.Datatype, f.Arraysize, err)
		}
	}
}

func TestAMaskedNullOfEveryFieldIsReadBack(t *testing.T) {
	for _, arraysize := range []string{"", "3", "2x2", "*", "2x*"} {
		for _, datatype := range []string{"boolean", "bit", "unsignedByte", "short", "int", "long", "char", "unicodeChar", "float", "double", "floatComplex", "doubleComplex"} {
			var doc bytes.Buffer
			w := votable.NewBinaryWriter(&doc, []votable.Field{{Name: "f", Datatype: datatype, Arraysize: arraysize}}, votable.Binary2)
			if err := w.Write([]any{nil}); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(votable.StatusOK, ""); err != nil {
				t.Fatal(err)
			}
			rd, err := votable.NewReader(&doc, votable.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got := []any{"not nil"}
			if err := rd.Next(got); err != nil || got[0] != nil || rd.Text()[0] != "" {
				t.Errorf("%s[%s]: %v, %q, %v", datatype, arraysize, got, rd.Text(), err)
			}
			if err := rd.Next(got); !errors.Is(err, io.EOF) {
				t.Errorf("%s[%s]: %v at the end", datatype, arraysize, err)
			}
		}
	}
}

func TestAValueThatItsFieldCannotHoldIsRefused(t *testing.T) {
	for _, tt := range []struct {
		datatype, arraysize string
		value               any
	}{
		{"short", "", int64(40000)},
		{"unsignedByte", "", int64(-1)},
		{"int", "", "1"},
		{"int", "", 1.5},
		{"int", "", []int64{1}},
		{"int", "3", []int64{1}},
		{"int", "*", int64(1)},
		{"char", "2x*", []string{"abc"}},
		{"char", "2x2", "abcd"},
		{"double", "", 7},
	} {
		for _, form := range serializations {
			w := votable.NewBinaryWriter(io.Discard, []votable.Field{{Name: "f", Datatype: tt.datatype, Arraysize: tt.arraysize}}, form)
			if err := w.Write([]any{tt.value}); !errors.Is(err, fault.Invalid) {
				t.Errorf("%v as %s[%s] in %s: %v", tt.value, tt.datatype, tt.arraysize, form, err)
			}
		}
	}
	for _, long := range []string{"abc", "a\x00", "\xff"} {
		w := votable.NewBinaryWriter(io.Discard, []votable.Field{{Name: "f", Datatype: "char", Arraysize: "2"}}, votable.Binary2)
		if err := w.WriteText([]string{long}); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q as char[2]: %v", long, err)
		}
	}
	w := votable.NewBinaryWriter(io.Discard, []votable.Field{{Name: "f"}}, votable.Binary)
	if err := w.Close(votable.StatusOK, ""); !errors.Is(err, fault.Invalid) {
		t.Errorf("a field without a datatype: %v", err)
	}
}
