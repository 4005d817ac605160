package votable_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"beampipe/fault"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
)

// streamed wraps a stream in a document.
func streamed(fields, form, attrs, content string) string {
	return `<VOTABLE><RESOURCE type="results"><TABLE>` + fields + `<DATA><` + form + `><STREAM` + attrs + `>` + content +
		`</STREAM></` + form + `></DATA></TABLE></RESOURCE></VOTABLE>`
}

func in64(raw string) string { return base64.StdEncoding.EncodeToString([]byte(raw)) }

// twoRows are ("x", 1) and ("yz", 2) of fieldsAB.
const twoRows = "\x00\x00\x00\x01x\x00\x00\x00\x01" + "\x00\x00\x00\x02yz\x00\x00\x00\x02"

func TestTheTextOfAStreamMayBeBrokenAnywhere(t *testing.T) {
	text := in64(twoRows)
	every := func(n int, by string) string {
		var b strings.Builder
		for i, c := range text {
			if i > 0 && i%n == 0 {
				b.WriteString(by)
			}
			b.WriteRune(c)
		}
		return b.String()
	}
	for name, content := range map[string]string{
		"in one line":       text,
		"lines":             "\n" + every(8, "\n") + "\n",
		"lines off a group": every(7, "\r\n"),
		"single characters": every(1, " "),
		"blanks and tabs":   every(5, " \t"),
		"comments":          every(3, "<!-- - -->"),
		"CDATA":             "<![CDATA[" + text + "]]>",
		"references":        strings.ReplaceAll(text, "A", "&#65;"),
	} {
		doc := streamed(fieldsAB, "BINARY", ` encoding="base64"`, content)
		for _, r := range []io.Reader{strings.NewReader(doc), iotest.OneByteReader(strings.NewReader(doc))} {
			rows, err := texts(r, votable.Limits{})
			if !errors.Is(err, io.EOF) || !cmp.Equal(rows, [][]string{{"x", "1"}, {"yz", "2"}}) {
				t.Errorf("%s: %q, %v", name, rows, err)
			}
		}
	}
}

func zipped(t testing.TB, raw string) string {
	t.Helper()
	var data bytes.Buffer
	z := gzip.NewWriter(&data)
	if _, err := z.Write([]byte(raw)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return data.String()
}

func TestMoreRowsTakeNoMoreMemory(t *testing.T) {
	allocations := func(form string, rows int) float64 {
		var doc string
		switch form {
		case "TABLEDATA":
			doc = results(strings.Repeat("<TR><TD>x</TD><TD>1</TD></TR>\n", rows))
		case "BINARY2":
			doc = streamed(fieldsAB, form, "", in64(strings.Repeat("\x00"+twoRows[:9], rows)))
		default:
			doc = streamed(fieldsAB, form, ` encoding="gzip"`, in64(zipped(t, strings.Repeat(twoRows[:9], rows))))
		}
		return testing.AllocsPerRun(1, func() {
			rd, err := votable.NewReader(strings.NewReader(doc), votable.Limits{})
			for err == nil {
				err = rd.Next(nil)
			}
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		})
	}
	for _, form := range []string{"TABLEDATA", "BINARY", "BINARY2"} {
		if few, many := allocations(form, 100), allocations(form, 50_000); many > few+100 {
			t.Errorf("%s: %v allocations for 100 rows, %v for 50000", form, few, many)
		}
	}
}

func TestAGzippedStreamIsRead(t *testing.T) {
	data := zipped(t, strings.Repeat(twoRows, 1000))
	doc := func(raw string) string { return streamed(fieldsAB, "BINARY", ` encoding="gzip"`, in64(raw)) }
	rows, err := texts(strings.NewReader(doc(data)), votable.Limits{})
	if !errors.Is(err, io.EOF) || len(rows) != 2000 || rows[1999][0] != "yz" {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if rows, err := texts(strings.NewReader(doc("")), votable.Limits{}); !errors.Is(err, io.EOF) || len(rows) != 0 {
		t.Errorf("empty: %d rows, %v", len(rows), err)
	}
	for cut := 1; cut < len(data); cut++ {
		if _, err := texts(strings.NewReader(doc(data[:cut])), votable.Limits{}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("gzip data cut at %d: %v", cut, err)
		}
	}
	if _, err := texts(strings.NewReader(doc("not gzip data")), votable.Limits{}); err == nil || !strings.Contains(err.Error(), "not good gzip") {
		t.Errorf("not gzip: %v", err)
	}
}

func TestALongStreamOutsideResultsIsRead(t *testing.T) {
	const n = 100_000
	doc := strings.Replace(streamed(fieldsAB, "BINARY", "", in64(strings.Repeat(twoRows, n/2))), ` type="results"`, "", 1)
	rows, err := texts(strings.NewReader(doc), votable.Limits{})
	if !errors.Is(err, io.EOF) || len(rows) != n || !cmp.Equal(rows[n-2:], [][]string{{"x", "1"}, {"yz", "2"}}) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestAStreamThatEndsInsideARowIsCut(t *testing.T) {
	for _, form := range []string{"BINARY", "BINARY2"} {
		row := twoRows[:9]
		if form == "BINARY2" {
			row = "\x00" + row
		}
		for cut := range 2 * len(row) {
			rows, err := texts(strings.NewReader(streamed(fieldsAB, form, "", in64((row + row)[:cut]))), votable.Limits{})
			var syntax *votable.SyntaxError
			switch {
			case cut%len(row) == 0 && (!errors.Is(err, io.EOF) || len(rows) != cut/len(row)):
				t.Errorf("%s cut behind row %d: %d rows, %v", form, cut/len(row), len(rows), err)
			case cut%len(row) != 0 && (!errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &syntax) || len(rows) != cut/len(row)):
				t.Errorf("%s cut at %d: %d rows, %v", form, cut, len(rows), err)
			}
		}
	}
}

func TestACutDocumentWithAStreamIsNeverTheEndOfData(t *testing.T) {
	for _, resource := range []string{`<RESOURCE type="results">`, `<RESOURCE>`} {
		whole := strings.Replace(streamed(fieldsAB, "BINARY", ` encoding="base64"`, in64(twoRows)), `<RESOURCE type="results">`, resource, 1)
		for cut := range len(whole) {
			_, err := texts(strings.NewReader(whole[:cut]), votable.Limits{})
			var syntax *votable.SyntaxError
			if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &syntax) {
				t.Fatalf("cut at %d of %d (%q): %v", cut, len(whole), whole[max(0, cut-20):cut], err)
			}
		}
	}
}

func TestTextBehindTheEndIsTheLastRow(t *testing.T) {
	for cut := 9; cut < 19; cut++ {
		rd, err := votable.NewReader(strings.NewReader(streamed(fieldsAB, "BINARY", "", in64(twoRows[:cut]))), votable.Limits{})
		for err == nil {
			err = rd.Next(nil)
		}
		if got := rd.Text(); !cmp.Equal(got, []string{"x", "1"}) {
			t.Errorf("cut at %d: %q after %v", cut, got, err)
		}
	}
}

func TestABinaryCellHasAValueAndAText(t *testing.T) {
	u16 := func(s string) string { return string(binary.BigEndian.AppendUint16(nil, uint16([]rune(s)[0]))) }
	f32 := func(v float32) string { return string(binary.BigEndian.AppendUint32(nil, math.Float32bits(v))) }
	f64 := func(v float64) string { return string(binary.BigEndian.AppendUint64(nil, math.Float64bits(v))) }
	for _, tt := range []struct {
		datatype, arraysize, null string
		raw                       string
		value                     any
		text                      string
	}{
		{"boolean", "", "", "1", true, "1"},
		{"boolean", "", "", "t", true, "t"},
		{"boolean", "", "", "\x00", nil, ""},
		{"boolean", "", "", " ", nil, ""},
		{"boolean", "3", "", "TF?", []bool{true, false, false}, "T F ?"},
		{"bit", "", "", "\x80", true, "1"},
		{"bit", "", "", "\x08", false, "0"},
		{"bit", "9", "", "\xa0\x80", []bool{true, false, true, false, false, false, false, false, true}, "1 0 1 0 0 0 0 0 1"},
		{"bit", "*", "", "\x00\x00\x00\x03\xe0", []bool{true, true, true}, "1 1 1"},
		{"bit", "*", "", "\x00\x00\x00\x00", nil, ""},
		{"unsignedByte", "", "", "\xff", int64(255), "255"},
		{"unsignedByte", "", "0xff", "\xff", nil, ""},
		{"short", "", "", "\xff\xff", int64(-1), "-1"},
		{"int", "1", "-2", "\xff\xff\xff\xfe", nil, ""},
		{"int", "2", "-2", "\xff\xff\xff\xfe\x00\x00\x00\x00", []int64{-2, 0}, "-2 0"},
		{"long", "2x*", "", "\x00\x00\x00\x02" + strings.Repeat("\x00", 8) + "\x80" + strings.Repeat("\x00", 7), []int64{0, math.MinInt64}, "0 -9223372036854775808"},
		{"float", "", "", f32(0.1), float64(float32(0.1)), "0.1"},
		{"float", "", "-999.9", f32(-999.9), nil, ""},
		{"float", "2", "", f32(12357.4) + f32(float32(math.NaN())), nil, "12357.4 NaN"},
		{"double", "", "", f64(198.32917), 198.32917, "198.32917"},
		{"double", "", "", f64(30579118245), 30579118245.0, "30579118245.0"},
		{"double", "", "", f64(1e16), 1e16, "1e+16"},
		{"double", "", "", f64(0.00001), 1e-05, "1e-05"},
		{"double", "", "", f64(math.Copysign(0, -1)), math.Copysign(0, -1), "-0.0"},
		{"double", "", "", f64(math.Inf(1)), math.Inf(1), "+Inf"},
		{"double", "", "", f64(math.NaN()), nil, ""},
		{"floatComplex", "", "", f32(1) + f32(-0.1), complex(1, float64(float32(-0.1))), "1.0 -0.1"},
		{"doubleComplex", "*", "", "\x00\x00\x00\x01" + f64(1) + f64(2.5), []complex128{1 + 2.5i}, "1.0 2.5"},
		{"char", "", "", "a", "a", "a"},
		{"char", "4", "", "ab\x00z", "ab", "ab"},
		{"char", "4", "", " ab ", " ab ", "ab"},
		{"char", "*", "none", "\x00\x00\x00\x05none ", nil, ""},
		{"char", "*", "", "\x00\x00\x00\x02\xc3\xa9", "é", "é"},
		{"char", "2", "", "\xe9a", "éa", "éa"},
		{"char", "2x2", "", "a\x00bc", []string{"a", "bc"}, "a bc"},
		{"char", "2x*", "", "\x00\x00\x00\x04\xc3\xa9xy", []string{"é", "xy"}, "é xy"},
		{"unicodeChar", "", "", u16("α"), "α", "α"},
		{"unicodeChar", "3", "", u16("α") + "\x00\x00" + u16("β"), "α", "α"},
		{"unicodeChar", "*", "", "\x00\x00\x00\x03\xd8\x3c\xdf\x0c\xd8\x3c", "🌌\uFFFD", "🌌\uFFFD"},
		{"unicodeChar", "2x2", "", u16("α") + "\x00\x00" + u16("β") + u16("γ"), []string{"α", "βγ"}, "α βγ"},
	} {
		name := fmt.Sprintf("%s[%s] %q", tt.datatype, tt.arraysize, tt.raw)
		doc := streamed(fmt.Sprintf(`<FIELD name="f" datatype="%s" arraysize="%s"><VALUES null="%s"/></FIELD>`, tt.datatype, tt.arraysize, tt.null), "BINARY", "", in64(tt.raw))
		rd, err := votable.NewReader(strings.NewReader(doc), votable.Limits{})
		if err != nil {
			t.Fatal(name, err)
		}
		got := make([]any, 1)
		if err := rd.Next(got); err != nil {
			t.Fatal(name, err)
		}
		if !strings.Contains(fmt.Sprint(got[0]), "NaN") && !cmp.Equal(got[0], tt.value) {
			t.Errorf("%s: %#v, want %#v", name, got[0], tt.value)
		}
		if text := rd.Text()[0]; text != tt.text {
			t.Errorf("%s: text %q, want %q", name, text, tt.text)
		}
	}
}

func TestAMaskedCellIsNullWhateverItsBytes(t *testing.T) {
	fields := strings.Repeat(`<FIELD name="f" datatype="unsignedByte"/>`, 9)
	doc := streamed(fields, "BINARY2", "", in64("\x40\x80"+"123456789"))
	rows, err := texts(strings.NewReader(doc), votable.Limits{})
	if !errors.Is(err, io.EOF) || !cmp.Equal(rows, [][]string{{"49", "", "51", "52", "53", "54", "55", "56", ""}}) {
		t.Errorf("%q, %v", rows, err)
	}
}

func TestWhatIsWrongInAStreamIsNamed(t *testing.T) {
	one := func(attrs string) string { return `<FIELD name="f" ` + attrs + `/>` }
	for _, tt := range []struct{ name, doc, want string }{
		{"not base64", streamed(fieldsAB, "BINARY", "", "AAAA!AAA"), `is not base64`},
		{"data behind padding", streamed(fieldsAB, "BINARY", "", "AAAAAQ==AAAA"), "behind the padding"},
		{"data behind padding, apart", streamed(fieldsAB, "BINARY", "", "AAAAAQ==\nAAAA"), "behind the padding"},
		{"half a group", streamed(fieldsAB, "BINARY", "", "AAAAAAAAAAAAA"), "inside a group"},
		{"an element", streamed(fieldsAB, "BINARY", "", "AAAA<TR/>"), "<TR> inside a STREAM"},
		{"a negative count", streamed(fieldsAB, "BINARY", "", "/////w=="), "row 1 of the STREAM, field a, -1 elements"},
		{"no datatype", streamed(one(``), "BINARY", "", ""), "field f: its datatype"},
		{"a strange arraysize", streamed(one(`datatype="int" arraysize="many"`), "BINARY", "", ""), `field f: arraysize "many"`},
		{"a variable dimension first", streamed(one(`datatype="int" arraysize="*x2"`), "BINARY", "", ""), "variable dimension before its last"},
		{"an arraysize beyond all limits", streamed(one(`datatype="int" arraysize="99999x99999x99999"`), "BINARY", "", ""), "larger than any cell"},
		{"a fixed cell beyond the limit", streamed(one(`datatype="long" arraysize="1000000"`), "BINARY", "", ""), "Limits.CellBytes"},
		{"rows without bytes", streamed(one(`datatype="int" arraysize="0"`), "BINARY", "", "AAAA"), "rows have no bytes"},
		{"two streams", strings.Replace(streamed(fieldsAB, "BINARY", "", ""), "</BINARY>", "<STREAM/></BINARY>", 1), "a second STREAM"},
		{"rows in two serializations", strings.Replace(streamed(fieldsAB, "BINARY", "", ""), "</DATA>", "<TABLEDATA/></DATA>", 1), "a second STREAM or TABLEDATA"},
	} {
		_, err := texts(strings.NewReader(tt.doc), votable.Limits{})
		var syntax *votable.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(syntax.Msg, tt.want) {
			t.Errorf("%s: %v, want a SyntaxError with %q", tt.name, err, tt.want)
		}
	}
}

func TestABadBooleanIsNamedWithItsRow(t *testing.T) {
	rd, err := votable.NewReader(strings.NewReader(streamed(`<FIELD name="f" datatype="boolean"/>`, "BINARY", "", in64("Tx"))), votable.Limits{})
	dst := make([]any, 1)
	for err == nil {
		err = rd.Next(dst)
	}
	if want := "row 2 of the STREAM, which has been read to here, field f: byte 0x78"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

func TestRowsThatAreNotInTheDocumentAreRefusedByName(t *testing.T) {
	for _, tt := range []struct{ doc, want string }{
		{streamed(fieldsAB, "FITS", "", ""), "unsupported: FITS serialization"},
		{streamed(fieldsAB, "BINARY", ` href="file:///etc/passwd"`, ""), "unsupported: a STREAM with href"},
		{streamed(fieldsAB, "BINARY2", ` encoding="dynamic"`, ""), "unsupported: dynamic encoding"},
		{streamed(fieldsAB, "BINARY2", ` encoding="none"`, ""), "unsupported: none encoding"},
	} {
		for _, doc := range []string{tt.doc, strings.Replace(tt.doc, ` type="results"`, "", 1)} {
			_, err := texts(strings.NewReader(doc), votable.Limits{})
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want fault.Invalid with %q", err, tt.want)
			}
		}
	}
}

func TestAStreamCannotPromiseMoreThanTheLimits(t *testing.T) {
	promise := func(n uint32) string { return in64(string(binary.BigEndian.AppendUint32(nil, n)) + "x") }
	limits := votable.Limits{CellBytes: 1000, RowBytes: 1500}
	for _, tt := range []struct{ datatype, content, want string }{
		{"char", promise(1001), "Limits.CellBytes"},
		{"double", promise(126), "Limits.CellBytes"},
		{"bit", promise(1001), "Limits.CellBytes"},
		{"char", promise(math.MaxInt32), "Limits.CellBytes"},
		{"char", in64("\x00\x00\x03\xe8" + strings.Repeat("x", 1000) + "\x00\x00\x03\xe8"), "Limits.RowBytes"},
	} {
		field := `<FIELD name="f" datatype="` + tt.datatype + `" arraysize="*"/>`
		_, err := texts(strings.NewReader(streamed(field+field, "BINARY", "", tt.content)), limits)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.datatype, err, tt.want)
		}
	}
}

func TestALongRowIsReadThroughASmallBuffer(t *testing.T) {
	long := strings.Repeat("0123456789", 50_000)
	var doc bytes.Buffer
	w := votable.NewBinaryWriter(&doc, []votable.Field{{Name: "a", Datatype: "char", Arraysize: "*"}}, votable.Binary2)
	for _, cell := range []string{"x", long, "y", long[1:]} {
		if err := w.WriteText([]string{cell}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(votable.StatusOK, ""); err != nil {
		t.Fatal(err)
	}
	rows, err := texts(&doc, votable.Limits{})
	if !errors.Is(err, io.EOF) || !cmp.Equal(rows, [][]string{{"x"}, {long}, {"y"}, {long[1:]}}) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}
