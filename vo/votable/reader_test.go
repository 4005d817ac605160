package votable_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
)

const fieldsAB = `<FIELD name="a" datatype="char" arraysize="*"/><FIELD name="b" datatype="int"/>`

// results wraps a table's DATA content in a document with two columns.
func results(rows string) string {
	return `<VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/><TABLE>` + fieldsAB +
		`<DATA><TABLEDATA>` + rows + `</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`
}

// texts gives the rows of a document as text, and how it ended (io.EOF is the good end).
func texts(r io.Reader, limits votable.Limits) ([][]string, error) {
	rd, err := votable.NewReader(r, limits)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for {
		if err := rd.Next(nil); err != nil {
			return rows, err
		}
		rows = append(rows, rd.Text())
	}
}

func TestTheReaderGivesTheTextOfCells(t *testing.T) {
	for _, tt := range []struct {
		name, doc string
		want      [][]string
	}{
		{"plain", results(`<TR><TD>x</TD><TD>1</TD></TR><TR><TD>y</TD><TD>2</TD></TR>`), [][]string{{"x", "1"}, {"y", "2"}}},
		{"no rows", results(``), nil},
		{"empty cells", results(`<TR><TD/><TD></TD></TR>`), [][]string{{"", ""}}},
		{"a short row is filled", results(`<TR><TD>x</TD></TR><TR/>`), [][]string{{"x", ""}, {"", ""}}},
		{"blanks at the ends are cut", results("<TR><TD> x y\n</TD><TD> 1 </TD></TR>"), [][]string{{"x y", "1"}}},
		{"entities, CDATA, comments and line ends", results("<TR><TD>&lt;&#945;&#x2192;<![CDATA[<b>&amp;]]]]><![CDATA[>]]>c<!-- - -- -->d\r\ne\rf</TD><TD>1</TD></TR>"), [][]string{{"<α→<b>&amp;]]>cd\ne\nf", "1"}}},
		{"attributes and blanks in tags", results(`<TR ID='r' ><TD  encoding = "utf8">x</TD ><TD>1</TD></TR>`), [][]string{{"x", "1"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.doc), iotest.OneByteReader(strings.NewReader(tt.doc)), iotest.DataErrReader(strings.NewReader(tt.doc))} {
				got, err := texts(r, votable.Limits{})
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestNullIsEmptyTextAndNil(t *testing.T) {
	doc := `<VOTABLE><RESOURCE type="results"><TABLE>
	<FIELD name="n" datatype="int"><VALUES null="-1"/></FIELD><FIELD name="b" datatype="boolean"/>
	<FIELD name="x" datatype="double"/><FIELD name="s" datatype="char" arraysize="*"><VALUES null="none"/></FIELD>
	<DATA><TABLEDATA><TR><TD>-1</TD><TD>?</TD><TD/><TD> none</TD></TR><TR><TD>-2</TD><TD>f</TD><TD>NaN</TD><TD>NULL</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`
	rd, err := votable.NewReader(strings.NewReader(doc), votable.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	values := make([]any, 4)
	if err := rd.Next(values); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{nil, nil, nil, nil}, values); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"", "", "", ""}, rd.Text()); diff != "" {
		t.Error(diff)
	}
	if err := rd.Next(values); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"-2", "f", "", "NULL"}, rd.Text()); diff != "" {
		t.Error(diff)
	}
	if x, ok := values[2].(float64); !ok || !math.IsNaN(x) {
		t.Errorf("the value of NaN is %v", values[2])
	}
}

func TestValuesHaveTheTypeOfTheirField(t *testing.T) {
	for _, tt := range []struct {
		datatype, arraysize, cell string
		want                      any
	}{
		{"int", "", "7", int64(7)},
		{"integer", "", " +7 ", int64(7)},
		{"INT", "1", "7", int64(7)},
		{"short", "", "0xffff", int64(-1)},
		{"unsignedByte", "", "0xff", int64(255)},
		{"long", "*", "1 -2", []int64{1, -2}},
		{"double", "", "1e-3", 0.001},
		{"float", "", "0.1", float64(float32(0.1))},
		{"double", "2", "1 2.5", []float64{1, 2.5}},
		{"boolean", "", "TRUE", true},
		{"bit", "4", "1010", []bool{true, false, true, false}},
		{"floatComplex", "", "1 -2", complex(1, -2)},
		{"char", "", "several", "several"},
		{"char", "*", " a ", " a "},
		{"char", "2x*", "a bbc", []string{"a", "bb", "c"}},
		{"", "", "no datatype", "no datatype"},
		{"string", "*", "unknown datatype", "unknown datatype"},
		{"int", "", "7.5", nil},
		{"short", "", "0x1ffff", nil},
		{"boolean", "", "maybe", nil},
		{"double", "", "1,5", nil},
		{"doubleComplex", "", "1", nil},
	} {
		doc := fmt.Sprintf(`<VOTABLE><RESOURCE><TABLE><FIELD name="f" datatype="%s" arraysize="%s"/><DATA><TABLEDATA>`+"\n<TR><TD>%s</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>", tt.datatype, tt.arraysize, tt.cell)
		rd, err := votable.NewReader(strings.NewReader(doc), votable.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]any, 1)
		err = rd.Next(got)
		if tt.want == nil {
			var syntax *votable.SyntaxError
			if !errors.As(err, &syntax) || syntax.Line != 2 || !strings.Contains(syntax.Msg, "field f") {
				t.Errorf("%s %q: %v, want a SyntaxError in line 2 that names field f", tt.datatype, tt.cell, err)
			}
			continue
		}
		if err != nil || !cmp.Equal(got[0], tt.want) {
			t.Errorf("%s[%s] %q: %#v, %v; want %#v", tt.datatype, tt.arraysize, tt.cell, got[0], err, tt.want)
		}
	}
}

func TestTheResultsTableIsChosen(t *testing.T) {
	table := func(cell string) string {
		return `<TABLE>` + fieldsAB + `<DATA><TABLEDATA><TR><TD>` + cell + `</TD><TD>1</TD></TR></TABLEDATA></DATA></TABLE>`
	}
	for _, tt := range []struct{ name, body, want string }{
		{"the only one", `<RESOURCE>` + table("x") + `</RESOURCE>`, "x"},
		{"the first of two untyped", `<RESOURCE>` + table("x") + table("y") + `</RESOURCE><RESOURCE>` + table("z") + `</RESOURCE>`, "x"},
		{"results behind untyped", `<RESOURCE>` + table("x") + `</RESOURCE><RESOURCE type="results">` + table("y") + `</RESOURCE>`, "y"},
		{"results behind meta", `<RESOURCE type="meta">` + table("x") + `</RESOURCE><RESOURCE type="results">` + table("y") + `</RESOURCE>`, "y"},
		{"the first of two results", `<RESOURCE type="results">` + table("x") + `</RESOURCE><RESOURCE type="results">` + table("y") + `</RESOURCE>`, "x"},
		{"a table without fields before", `<RESOURCE type="results"><TABLE><DATA><TABLEDATA><TR><TD>q</TD></TR></TABLEDATA></DATA></TABLE>` + table("x") + `</RESOURCE>`, "x"},
		{"nested", `<RESOURCE type="results"><RESOURCE>` + table("x") + `</RESOURCE></RESOURCE>`, "x"},
		{"binary behind, not chosen", `<RESOURCE type="results">` + table("x") + `<TABLE>` + fieldsAB + `<DATA><BINARY><STREAM>AAAA</STREAM></BINARY></DATA></TABLE></RESOURCE>`, "x"},
		{"FITS before, not results", `<RESOURCE><TABLE>` + fieldsAB + `<DATA><FITS><STREAM href="x"/></FITS></DATA></TABLE></RESOURCE><RESOURCE type="results">` + table("x") + `</RESOURCE>`, "x"},
		{"binary at another place before, not results", `<RESOURCE><TABLE>` + fieldsAB + `<DATA><BINARY><STREAM href="x"/></BINARY></DATA></TABLE></RESOURCE><RESOURCE type="results">` + table("x") + `</RESOURCE>`, "x"},
		{"binary, the only one, not results", `<RESOURCE><TABLE>` + fieldsAB + `<DATA><BINARY><STREAM>AAAAAXgAAAAB</STREAM></BINARY></DATA></TABLE></RESOURCE>`, "x"},
		{"binary before, not results", `<RESOURCE><TABLE>` + fieldsAB + `<DATA><BINARY><STREAM>AAAAAXgAAAAB</STREAM></BINARY></DATA></TABLE></RESOURCE><RESOURCE type="results">` + table("x") + `</RESOURCE>`, "x"},
		{"another vocabulary before", `<RESOURCE type="results"><m:VODML xmlns:m="http://example.org/mivot"><m:RESOURCE><m:TABLE>` + `<m:FIELD name="q"/></m:TABLE></m:RESOURCE></m:VODML>` + table("x") + `</RESOURCE>`, "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, err := texts(strings.NewReader(`<VOTABLE xmlns="http://www.ivoa.net/xml/VOTable/v1.3">`+tt.body+`</VOTABLE>`), votable.Limits{})
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]string{{tt.want, "1"}}, rows); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestALargeTableOutsideResultsIsStreamed(t *testing.T) {
	row := `<TR><TD>` + strings.Repeat("x", 1000) + `</TD><TD>1</TD></TR>`
	doc := `<VOTABLE><RESOURCE><TABLE>` + fieldsAB + `<DATA><TABLEDATA>` + strings.Repeat(row, 3000) + `</TABLEDATA></DATA></TABLE></RESOURCE>`
	rows, err := texts(strings.NewReader(doc+`</VOTABLE>`), votable.Limits{})
	if len(rows) != 3000 || !errors.Is(err, io.EOF) {
		t.Errorf("%d rows, %v; want 3000", len(rows), err)
	}
	_, err = texts(strings.NewReader(doc+`<RESOURCE type="results"><TABLE>`+fieldsAB+`</TABLE></RESOURCE></VOTABLE>`), votable.Limits{})
	if err == nil || !strings.Contains(err.Error(), "cannot be told") {
		t.Errorf("a results table behind it: %v", err)
	}
}

func TestTheStatusIsFoundWhereverItStands(t *testing.T) {
	row := `<TR><TD>x</TD><TD>1</TD></TR>`
	table := `<TABLE>` + fieldsAB + `<DATA><TABLEDATA>` + row + `</TABLEDATA></DATA></TABLE>`
	failed := `<INFO name="QUERY_STATUS" value="ERROR">no such &lt;table&gt;</INFO>`
	for _, tt := range []struct {
		name, body string
		rows       int
		want       string
	}{
		{"before the table", `<RESOURCE type="results">` + failed + table + `</RESOURCE>`, 0, "no such <table>"},
		{"without a table", `<RESOURCE type="results">` + failed + `</RESOURCE>`, 0, "no such <table>"},
		{"behind the table", `<RESOURCE type="results">` + table + failed + `</RESOURCE>`, 1, "no such <table>"},
		{"behind an untyped table", `<RESOURCE>` + table + failed + `</RESOURCE>`, 1, "no such <table>"},
		{"at the end of the document", `<RESOURCE type="results">` + table + `</RESOURCE>` + failed, 1, "no such <table>"},
		{"inside a table that has no rows", `<RESOURCE type="results"><TABLE>` + fieldsAB + `<DATA><TABLEDATA></TABLEDATA></DATA>` + failed + `</TABLE></RESOURCE>`, 0, "no such <table>"},
		{"without a message", `<RESOURCE type="results"><INFO name="QUERY_STATUS" value="error"/></RESOURCE>`, 0, "no message given"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, err := texts(strings.NewReader(`<VOTABLE>`+tt.body+`</VOTABLE>`), votable.Limits{})
			var status *votable.StatusError
			if !errors.As(err, &status) || status.Message != tt.want {
				t.Errorf("%v, want StatusError %q", err, tt.want)
			}
			if len(rows) != tt.rows {
				t.Errorf("%d rows, want %d", len(rows), tt.rows)
			}
		})
	}
	rows, err := texts(strings.NewReader(`<VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/>`+table+`<INFO name="QUERY_STATUS" value="OVERFLOW"/></RESOURCE></VOTABLE>`), votable.Limits{})
	if !errors.Is(err, votable.ErrOverflow) || len(rows) != 1 {
		t.Errorf("overflow: %d rows, %v", len(rows), err)
	}
}

func TestACutDocumentIsNeverTheEndOfData(t *testing.T) {
	whole := results(`<TR><TD>x&amp;α</TD><TD>1</TD></TR><TR><TD><![CDATA[y]]></TD><TD>2</TD></TR>`)
	for cut := range len(whole) {
		_, err := texts(strings.NewReader(whole[:cut]), votable.Limits{})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d of %d (%q): %v", cut, len(whole), whole[max(0, cut-20):cut], err)
		}
		var syntax *votable.SyntaxError
		if !errors.As(err, &syntax) {
			t.Fatalf("cut at %d: %T, want *SyntaxError", cut, err)
		}
	}
}

func TestAnErrorOfTheSourceIsNotASyntaxError(t *testing.T) {
	broken := errors.New("connection reset")
	for _, cut := range []int{0, 10, 200} {
		_, err := texts(io.MultiReader(strings.NewReader(results(`<TR><TD>x</TD><TD>1</TD></TR>`)[:cut]), iotest.ErrReader(broken)), votable.Limits{})
		var syntax *votable.SyntaxError
		if !errors.Is(err, broken) || errors.As(err, &syntax) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

func TestWhatIsWrongIsNamedWithItsPlace(t *testing.T) {
	for _, tt := range []struct {
		name, doc string
		line, col int
		want      string
	}{
		{"a web page", "<html><body>", 1, 7, "the document is a <html>"},
		{"plain text", "Service\nunavailable", 1, 1, `not XML: the document begins with "Service`},
		{"nothing", "", 1, 1, "ends before its first element"},
		{"a document type", "<?xml version='1.0'?>\n<!DOCTYPE VOTABLE [<!ENTITY a 'b'>]>\n<VOTABLE/>", 2, 1, "document type declarations are refused"},
		{"an unknown entity", "<VOTABLE>\n &nbsp;</VOTABLE>", 2, 2, "unknown entity &nbsp;"},
		{"a character reference to nothing", "<VOTABLE>&#0;</VOTABLE>", 1, 10, "unknown entity &#0;"},
		{"a lone ampersand", "<VOTABLE>a & b is not an entity</VOTABLE>", 1, 12, "plain one is written &amp;"},
		{"tags that cross", "<VOTABLE><RESOURCE>\n</VOTABLE></RESOURCE>", 2, 10, "</VOTABLE> where </RESOURCE> was expected"},
		{"text behind the document", "<VOTABLE/>\nWarning: disk full", 2, 1, "text after the end"},
		{"two documents", "<VOTABLE/><VOTABLE/>", 1, 12, "a second root element"},
		{"too many cells", results("\n<TR><TD>x</TD><TD>1</TD><TD>2</TD></TR>"), 2, 29, "more cells than the table has fields (2)"},
		{"markup in a cell", results("<TR><TD>a<b>c</b></TD></TR>"), 0, 0, "<b> inside a cell"},
		{"text between cells", results("<TR><TD>a</TD>b</TR>"), 0, 0, `text "b" between the elements of a TR`},
		{"a stranger among rows", results("<ROW/>"), 0, 0, "<ROW> where <TR> was expected"},
		{"a control character", results("<TR><TD>a\x01</TD></TR>"), 0, 0, "character 0x01 is not allowed"},
		{"a control character in CDATA", results("<TR><TD><![CDATA[a\x01]]></TD></TR>"), 0, 0, "character 0x01 is not allowed"},
		{"bytes that are not UTF-8", "<VOTABLE>\na\xe9b</VOTABLE>", 2, 2, "byte 0xe9 is not valid UTF-8"},
		{"an attribute twice", `<VOTABLE a="1" a="2"/>`, 0, 0, "attribute a twice"},
		{"an unquoted attribute", `<VOTABLE a=1/>`, 0, 0, "quoted value"},
		{"attributes that touch", `<VOTABLE a="1"b="2"/>`, 0, 0, "expected a blank"},
		{"a strange encoding", `<?xml version="1.0" encoding="EBCDIC"?><VOTABLE/>`, 1, 1, `unsupported encoding "EBCDIC"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := texts(strings.NewReader(tt.doc), votable.Limits{})
			var syntax *votable.SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(syntax.Msg, tt.want) {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			if tt.line != 0 && (syntax.Line != tt.line || syntax.Column != tt.col) {
				t.Errorf("at %d:%d, want %d:%d", syntax.Line, syntax.Column, tt.line, tt.col)
			}
		})
	}
}

func TestEveryLimitIsNamedWhenItIsPassed(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, tt := range []struct {
		limits votable.Limits
		doc    string
		want   string
	}{
		{votable.Limits{CellBytes: 100}, results(`<TR><TD>` + long + `</TD></TR>`), "Limits.CellBytes"},
		{votable.Limits{RowBytes: 100}, results(`<TR><TD>` + long + `</TD></TR>`), "Limits.RowBytes"},
		{votable.Limits{AttrBytes: 100}, `<VOTABLE><RESOURCE name="` + long + `"/></VOTABLE>`, "Limits.AttrBytes"},
		{votable.Limits{Depth: 3}, results(""), "Limits.Depth"},
		{votable.Limits{Fields: 1}, results(""), "Limits.Fields"},
		{votable.Limits{}, `<VOTABLE><RESOURCE><TABLE>` + strings.Repeat(`<FIELD name="f"><DESCRIPTION>`+strings.Repeat(long, 100)+`</DESCRIPTION></FIELD>`, 170) + `</TABLE></RESOURCE></VOTABLE>`, "say more than 16777216 bytes"},
		{votable.Limits{}, `<VOTABLE><` + long + `/></VOTABLE>`, "a name longer than 256 bytes"},
	} {
		_, err := texts(strings.NewReader(tt.doc), tt.limits)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
}

func TestInfoTextIsCutAtItsLimit(t *testing.T) {
	doc := `<VOTABLE><INFO name="QUERY_STATUS" value="ERROR">` + strings.Repeat("é", 1000) + `</INFO></VOTABLE>`
	_, err := texts(strings.NewReader(doc), votable.Limits{AttrBytes: 101})
	var status *votable.StatusError
	if !errors.As(err, &status) || status.Message != strings.Repeat("é", 50) {
		t.Errorf("%v", err)
	}
}

func TestEncodingsAreRead(t *testing.T) {
	latin1 := "<?xml version='1.0' encoding='ISO-8859-1'?>" + strings.ReplaceAll(results(`<TR><TD>naïve ÿ</TD><TD>1</TD></TR>`), "ï", "\xef")
	latin1 = strings.ReplaceAll(latin1, "ÿ", "\xff")
	utf16 := []byte{}
	for _, r := range "<?xml version='1.0'?>" + results(`<TR><TD>naïve ÿ</TD><TD>1</TD></TR>`) {
		utf16 = append(utf16, byte(r), byte(r>>8))
	}
	for name, doc := range map[string]string{
		"Latin-1":                           latin1,
		"UTF-8 with a byte order mark":      "\xef\xbb\xbf" + results(`<TR><TD>naïve ÿ</TD><TD>1</TD></TR>`),
		"UTF-16 with a byte order mark":     "\xff\xfe" + string(utf16),
		"UTF-16 without one":                string(utf16),
		"UTF-8 with blanks before":          "\n<?xml version='1.0' encoding='utf-8'?>" + results(`<TR><TD>naïve ÿ</TD><TD>1</TD></TR>`),
		"UTF-8 declared ASCII, by mistake ": "<?xml version='1.0' encoding='us-ascii'?>" + results(`<TR><TD>naïve ÿ</TD><TD>1</TD></TR>`),
	} {
		for _, r := range []io.Reader{strings.NewReader(doc), iotest.OneByteReader(strings.NewReader(doc))} {
			rows, err := texts(r, votable.Limits{})
			if !errors.Is(err, io.EOF) || len(rows) != 1 || rows[0][0] != "naïve ÿ" {
				t.Errorf("%s: %q, %v", name, rows, err)
			}
		}
	}
}

func TestFieldsAndInfosAreKept(t *testing.T) {
	doc := `<v:VOTABLE xmlns:v="http://www.ivoa.net/xml/VOTable/v1.2"><v:RESOURCE type="results"><v:INFO name="query" value="SELECT &lt;"> why </v:INFO>
	<v:TABLE><v:FIELD ID="i" name="n" datatype="int" unit="km/s" ucd="u" utype="t" xtype="x" ref="r"><v:DESCRIPTION> about <![CDATA[n]]> </v:DESCRIPTION><v:VALUES null="-9"/></v:FIELD></v:TABLE>
	<v:INFO name="after" value="v"/></v:RESOURCE></v:VOTABLE>`
	rd, err := votable.NewReader(strings.NewReader(doc), votable.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := rd.Next(nil); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	wantFields := []votable.Field{{Name: "n", ID: "i", Datatype: "int", Unit: "km/s", UCD: "u", Utype: "t", Xtype: "x", Ref: "r", Description: "about n", Null: "-9"}}
	if diff := cmp.Diff(wantFields, rd.Fields()); diff != "" {
		t.Error(diff)
	}
	wantInfos := []votable.Info{{Name: "query", Value: "SELECT <", Text: "why"}, {Name: "after", Value: "v"}}
	if diff := cmp.Diff(wantInfos, rd.Infos()); diff != "" {
		t.Error(diff)
	}
}
