package votable_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
)

// strictly wraps content of a RESOURCE in a document that has nothing else to find.
func strictly(content string) string { return strictlyAs("1.4", content) }

func strictlyAs(version, content string) string {
	namespace := map[string]string{"1.1": "1.1", "1.2": "1.2"}[version]
	if namespace == "" {
		namespace = "1.3"
	}
	return `<VOTABLE version="` + version + `" xmlns="http://www.ivoa.net/xml/VOTable/v` + namespace + `"><RESOURCE>` + content + `</RESOURCE></VOTABLE>`
}

// rowsOf makes a table of one field.
func rowsOf(field, rows string) string {
	return strictly(`<TABLE><FIELD name="f" ` + field + `<DATA><TABLEDATA>` + rows + `</TABLEDATA></DATA></TABLE>`)
}

func cellOf(field, cell string) string {
	return rowsOf(field+"/>", "<TR><TD>"+cell+"</TD></TR>")
}

func TestADocumentThatIsRightHasNoFindings(t *testing.T) {
	for name, doc := range map[string]string{
		"1.5 with everything": `<?xml version="1.0"?><v:VOTABLE version="1.5" xmlns:v="http://www.ivoa.net/xml/VOTable/v1.3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">
			<v:DESCRIPTION>with <p>markup</p></v:DESCRIPTION><v:COOSYS ID="c" system="ICRS" refposition="BARYCENTER"/><v:INFO name="i" value="">text</v:INFO>
			<v:RESOURCE type="results"><v:INFO name="QUERY_STATUS" value="OK"/><v:TIMESYS ID="t" timeorigin="MJD-origin" timescale="UTC" refposition="TOPOCENTER"/>
			<v:PARAM name="p" datatype="int" arraysize="2" value="1 2"/><v:LINK href="http://example.org"/>
			<v:TABLE ID="one" nrows="1"><v:FIELD ID="a" name="a" datatype="char" arraysize="4x*" ref="c"><v:VALUES ID="v"><v:MIN value="0"/></v:VALUES></v:FIELD><v:FIELD name="b" datatype="double" ref="t"/>
			<v:GROUP><v:FIELDref ref="a"/></v:GROUP><v:DATA><v:TABLEDATA><v:TR><v:TD>abcd</v:TD><v:TD> +1.5E3 </v:TD></v:TR></v:TABLEDATA><v:INFO name="x" value="y"/></v:DATA></v:TABLE>
			<v:TABLE ref="one"><v:DATA><v:TABLEDATA><v:TR><v:TD/><v:TD>NaN</v:TD></v:TR></v:TABLEDATA></v:DATA></v:TABLE>
			<v:INFO name="QUERY_STATUS" value="OVERFLOW"/><m:VODML xmlns:m="http://example.org/mivot"><m:TABLE/></m:VODML></v:RESOURCE></v:VOTABLE>`,
		"1.0 without a namespace": `<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd"><VOTABLE version="1.0"><DEFINITIONS><COOSYS ID="x"/></DEFINITIONS><RESOURCE><TABLE><FIELD name="a" datatype="int"/></TABLE></RESOURCE></VOTABLE>`,
		"literals": strictly(`<TABLE><FIELD name="a" datatype="boolean"/><FIELD name="b" datatype="bit" arraysize="*"/><FIELD name="c" datatype="unsignedByte" arraysize="2"/><FIELD name="d" datatype="floatComplex"/><FIELD name="e" datatype="float" arraysize="2x*"/>
			<DATA><TABLEDATA><TR><TD>TRUE</TD><TD>1010</TD><TD>0xff 255</TD><TD>1 -2e-3</TD><TD>+Inf -Inf NaN .5</TD></TR><TR><TD>?</TD><TD>1 0</TD><TD>0 1</TD><TD>1. 2</TD><TD></TD></TR></TABLEDATA></DATA></TABLE>`),
		"declared null": rowsOf(`datatype="int"><VALUES null="-1"/></FIELD>`, "<TR><TD>-1</TD></TR>"),
		"binary":        strictly(`<TABLE nrows="2">` + fieldsAB + `<DATA><BINARY><STREAM encoding="base64">` + in64(twoRows) + `</STREAM></BINARY></DATA></TABLE>`),
		"binary2":       strictly(`<TABLE nrows="1">` + fieldsAB + `<DATA><BINARY2><STREAM encoding="base64">` + in64("\x40"+twoRows[:9]) + `</STREAM></BINARY2></DATA></TABLE>`),
	} {
		found, err := votable.Check(strings.NewReader(doc), votable.Limits{})
		if err != nil || len(found) > 0 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}

func TestEveryFaultIsFound(t *testing.T) {
	for _, tt := range []struct {
		doc  string
		want []string // each a part of a message, in order
	}{
		{`<VOTABLE><RESOURCE/></VOTABLE>`, []string{"has no version"}},
		{`<VOTABLE version="1.9"><RESOURCE/></VOTABLE>`, []string{`version "1.9" is not one`}},
		{`<VOTABLE version="1.4"><RESOURCE/></VOTABLE>`, []string{`namespace "" where VOTable 1.4 has "http://www.ivoa.net/xml/VOTable/v1.3"`}},
		{`<VOTABLE version="1.2" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE/></VOTABLE>`, []string{"VOTable 1.2 has"}},
		{`<v:VOTABLE version="1.0"><v:RESOURCE/></v:VOTABLE>`, []string{"prefix of <v:VOTABLE> is not declared"}},
		{strictly(`<x:TABLE><x:FIELD name="f" datatype="int"/></x:TABLE>`), []string{"prefix of <x:TABLE> is not declared"}},
		{strings.Replace(strictly(``), "<RESOURCE></RESOURCE>", "", 1), []string{"<VOTABLE> has no RESOURCE"}},
		{strictly(`<TABLE/>`), []string{"has no FIELD"}},
		{strictly(`<ROW/>`), []string{"<ROW> is not an element of VOTable"}},
		{strictly(`<FIELD name="f" datatype="int"/>`), []string{"<FIELD> is not allowed in <RESOURCE>"}},
		{strictly(`<PARAM name="p" datatype="int" value="1"/><DESCRIPTION/>`), []string{"<DESCRIPTION> stands too late"}},
		{strictly(`<DESCRIPTION/><DESCRIPTION/>`), []string{"a second <DESCRIPTION>"}},
		{strictly(`text<INFO name="a" value="b"/>more`), []string{`text "text" in <RESOURCE>`}},
		{strictly(`<INFO name="a"/>`), []string{"<INFO> has no value"}},
		{strictly(`<INFO name="a" value="b" colour="red"/>`), []string{"attribute colour"}},
		{strings.Replace(strictly(``), "<RESOURCE>", `<RESOURCE type="result">`, 1), []string{`type="result" of <RESOURCE>: expected results, meta`}},
		{strictlyAs("1.1", `<TABLE><FIELD name="f" datatype="int" xtype="x"/></TABLE>`), []string{"xtype of <FIELD> came with VOTable 1.2, and the document says 1.1"}},
		{strictlyAs("1.2", `<TABLE><FIELD name="f" datatype="int"/><DATA><BINARY2><STREAM encoding="base64"></STREAM></BINARY2></DATA></TABLE>`), []string{"<BINARY2> came with VOTable 1.3"}},
		{strictlyAs("1.1", `<GROUP/>`), []string{"<GROUP> in <RESOURCE> came with VOTable 1.2"}},
		{cellOf(`datatype="integer"`, "1"), []string{`datatype="integer" of <FIELD> f: expected int`}},
		{cellOf(`datatype="string"`, "x"), []string{`datatype="string" of <FIELD> f: expected one of boolean`}},
		{cellOf(``, "x"), []string{"<FIELD> has no datatype"}},
		{cellOf(`datatype="int" arraysize="many"`, "1"), []string{`arraysize "many"`}},
		{cellOf(`datatype="int" arraysize=""`, "1"), []string{`arraysize=""`}},
		{rowsOf(`datatype="char"/>`, "<TR><TD>ab</TD></TR><TR><TD>cd</TD></TR>"), []string{"arraysize=\"*\" is missing"}},
		{cellOf(`datatype="char" arraysize="*"`, "é"), []string{"not ASCII"}},
		{cellOf(`datatype="char" arraysize="2"`, "abc"), []string{"3 characters where the field has at most 2"}},
		{cellOf(`datatype="char" arraysize="94x11"`, "abc"), nil},
		{rowsOf(`datatype="int"/>`, "<TR><TD>1</TD><TD>2</TD></TR><TR/>"), []string{"row 1 has 2 cells where the table has 1 fields", "row 2 has 0 cells"}},
		{cellOf(`datatype="int"`, "1.5"), []string{`field f: "1.5" is not a whole number`}},
		{cellOf(`datatype="short"`, "40000"), []string{"40000 is not between -32768 and 32767"}},
		{cellOf(`datatype="unsignedByte"`, "-1"), []string{"not between 0 and 255"}},
		{cellOf(`datatype="short"`, "0x12345"), []string{"hexadecimal digits"}},
		{cellOf(`datatype="int"`, "NULL"), []string{"an empty cell is one"}},
		{cellOf(`datatype="double"`, "1,5"), []string{"is not a number"}},
		{cellOf(`datatype="double"`, "inf"), []string{"expected NaN, +Inf or -Inf"}},
		{cellOf(`datatype="float"`, "1e39"), []string{"beyond the range"}},
		{cellOf(`datatype="boolean"`, "yes"), []string{"is not a boolean"}},
		{cellOf(`datatype="bit" arraysize="3"`, "102"), []string{"not a sequence of 0 and 1"}},
		{cellOf(`datatype="int" arraysize="3"`, "1 2"), []string{"2 elements where the field has 3"}},
		{cellOf(`datatype="int" arraysize="2*"`, "1 2 3"), []string{"at most 2"}},
		{cellOf(`datatype="int" arraysize="2x*"`, "1 2 3"), []string{"not a multiple of 2"}},
		{cellOf(`datatype="int"`, "1 2"), []string{"2 elements where the field has one"}},
		{cellOf(`datatype="doubleComplex"`, "1"), []string{"not pairs"}},
		{strictlyAs("1.1", `<TABLE><FIELD name="f" datatype="int"/><DATA><TABLEDATA><TR><TD/></TR></TABLEDATA></DATA></TABLE>`), []string{"an empty cell of integers"}},
		{rowsOf(`datatype="int"><VALUES null="none"/></FIELD>`, ""), []string{`null="none" of <VALUES>`}},
		{rowsOf(`datatype="float"><VALUES null="-99"/></FIELD>`, ""), []string{"only integers should have one"}},
		{strictly(`<PARAM name="p" datatype="int" value="x"/>`), []string{`value="x" of <PARAM> p`}},
		{strictly(`<TABLE nrows="2"><FIELD name="f" datatype="int"/><DATA><TABLEDATA><TR><TD>1</TD></TR></TABLEDATA></DATA></TABLE>`), []string{`nrows="2" of <TABLE>, which has 1`}},
		{strictly(`<INFO name="QUERY_STATUS" value="OK"/><INFO name="QUERY_STATUS" value="OK"/>`), []string{"QUERY_STATUS twice before the table"}},
		{strictly(`<INFO name="QUERY_STATUS" value="FINE"/>`), []string{`QUERY_STATUS "FINE"`}},
		{strictly(`<INFO name="QUERY_STATUS" value="OK"/><TABLE><FIELD name="f" datatype="int"/></TABLE><INFO name="QUERY_STATUS" value="OK"/>`), []string{"only OVERFLOW and ERROR"}},
		{strictly(`<TABLE><FIELD name="f" datatype="int"/></TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/><INFO name="QUERY_STATUS" value="ERROR"/>`), []string{"QUERY_STATUS twice behind the table"}},
		{strictly(`<TABLE ID="a"><FIELD ID="a" name="f" datatype="int"/></TABLE>`), []string{`ID="a" of <FIELD> is that of the <TABLE>`}},
		{strictly(`<TABLE ID="1"><FIELD name="f" datatype="int"/></TABLE>`), []string{"an ID begins with a letter"}},
		{strictly(`<TABLE><FIELD name="f" datatype="int" ref="nowhere"/></TABLE>`), []string{"nothing in the document has that ID"}},
		{strictly(`<TABLE ID="t"><FIELD name="f" datatype="int"/><GROUP><FIELDref ref="t"/></GROUP></TABLE>`), []string{"is the ID of a <TABLE>; expected a <FIELD>"}},
		{strictly(`<TABLE><FIELD ID="a" name="f" datatype="int"/></TABLE><TABLE><FIELD name="f" datatype="int"/><GROUP><FIELDref ref="a"/></GROUP></TABLE>`), []string{"of another <TABLE>"}},
		{strictly(`<TABLE ref="t"/><TABLE ID="t"><FIELD name="f" datatype="int"/></TABLE>`), []string{"must stand before it"}},
		{strictly(`<TABLE><FIELD name="f" datatype="int"/><FIELD name="f" datatype="int"/></TABLE>`), []string{`a second <FIELD> named "f"`}},
		{strictly(`<TABLE><FIELD name="f" datatype="int" unit="km / s" ucd="a b" width="0" precision="x"/></TABLE>`), []string{"without blanks", "a UCD has", "width=", "precision="}},
		{strings.Replace(strictly(`<TABLE><FIELD name="f" datatype="int"/><DATA><TABLEDATA/></DATA></TABLE>`), "<RESOURCE>", `<RESOURCE type="meta">`, 1), []string{"which has no data"}},
		{strictly(`<TABLE><FIELD name="f" datatype="int"/><DATA/></TABLE>`), []string{"<DATA> has no TABLEDATA"}},
		{strictly(`<TABLE><FIELD name="f" datatype="int"/><DATA><FITS><STREAM href="x"/></FITS></DATA></TABLE>`), []string{"in FITS, and were not looked at", "at an href"}},
		{strictly(`<m:X xmlns:m="http://example.org"/><TABLE><m:X xmlns:m="http://example.org"/><FIELD name="f" datatype="int"/></TABLE>`), []string{"of another vocabulary in <TABLE>"}},
	} {
		var got []string
		found, err := votable.Check(strings.NewReader(tt.doc), votable.Limits{})
		if err != nil {
			t.Errorf("%s: %v", tt.doc, err)
		}
		for _, f := range found {
			got = append(got, f.Msg)
		}
		same := len(got) == len(tt.want)
		for i := range tt.want {
			same = same && strings.Contains(got[i], tt.want[i])
		}
		if !same {
			t.Errorf("%s:\n got %q\nwant %q", tt.doc, got, tt.want)
		}
	}
}

func TestWhatIsWrongInAStreamIsFound(t *testing.T) {
	table := func(field, form, content string) string {
		return strictly(`<TABLE nrows="7"><FIELD name="f" ` + field + `/><DATA><` + form + `><STREAM encoding="base64">` + content + `</STREAM></` + form + `></DATA></TABLE><INFO name="behind" value=""/><INFO name="wrong"/>`)
	}
	for _, tt := range []struct{ doc, want string }{
		{table(`datatype="boolean"`, "BINARY", in64("TTTTTTx")), "row 7 of the STREAM, field f: byte 0x78 is not a boolean"},
		{table(`datatype="char"`, "BINARY", in64("aaaaaa\xe9")), "not ASCII"},
		{table(`datatype="bit" arraysize="3"`, "BINARY", in64("\xe0\xe0\xe0\xe0\xe0\xe0\xff")), "a bit behind the last"},
		{table(`datatype="unsignedByte"`, "BINARY2", in64("\x00a\x00a\x00a\x00a\x00a\x00a\x01a")), "in its null mask"},
		{table(`datatype="unsignedByte" arraysize="1*"`, "BINARY", in64(strings.Repeat("\x00\x00\x00\x01a", 6)+"\x00\x00\x00\x02ab")), "at most 1"},
		{table(`datatype="int"`, "BINARY", in64("\x00\x00")), "the STREAM ends inside row 1"},
		{table(`datatype="int"`, "BINARY", "!!!!"), "is not base64"},
		{table(`datatype="int"`, "BINARY", "AAAA<TD>AA</TD>AA"), "<TD> inside a STREAM"},
		{table(`datatype="strange"`, "BINARY", "AAAA"), "field f: its datatype"},
		{strings.Replace(table(`datatype="unsignedByte"`, "BINARY", in64("1234567")), ` encoding="base64"`, "", 1), `without encoding="base64"`},
		{strings.Replace(table(`datatype="unsignedByte"`, "BINARY", in64("1234567")), `"base64"`, `"none"`, 1), "only base64 can stand there"},
	} {
		found, err := votable.Check(strings.NewReader(tt.doc), votable.Limits{})
		if err != nil || len(found) < 2 || !strings.Contains(fmt.Sprint(found[:len(found)-1]), tt.want) {
			t.Errorf("%v, %v; want %q", found, err, tt.want)
			continue
		}
		if last := found[len(found)-1].Msg; last != "<INFO> has no value" {
			t.Errorf("%s: what stands behind the STREAM was not looked at; the last finding is %q", tt.want, last)
		}
	}
}

func TestAFindingHasThePlaceOfItsElement(t *testing.T) {
	doc := strings.Replace(strictly("\n <TABLE>\n  <FIELD name=\"α\" datatype=\"int\"/><FIELD name='b' datatype='in'/>\n<DATA><TABLEDATA>\n<TR>\n<TD>1</TD> <TD>2</TD></TR><TR><TD>x</TD></TR></TABLEDATA></DATA></TABLE>"), "<VOT", "\n<VOT", 1)
	found, err := votable.Check(strings.NewReader(doc), votable.Limits{})
	want := []votable.Finding{
		{4, 36, `datatype="in" of <FIELD> b: expected one of boolean, bit, unsignedByte, short, int, long, char, unicodeChar, float, double, floatComplex, doubleComplex`, "error"},
		{7, 27, "row 2 has 1 cells where the table has 2 fields", "error"},
		{7, 31, `field α: "x" is not a whole number`, "error"},
	}
	if diff := cmp.Diff(want, found); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestCheckEndsWhereTheDocumentDoes(t *testing.T) {
	for _, tt := range []struct{ doc, want string }{
		{`<html>`, "not a VOTable: the document is a <html>"},
		{``, "the document ends before its first element"},
		{`<VOTABLE version="1.9"><RESOURCE>`, "the document ends inside <RESOURCE>"},
		{`<VOTABLE version="1.9"><!DOCTYPE a [<!ENTITY b "c">]>`, "document type declarations are refused"},
		{`<VOTABLE>` + strings.Repeat("<RESOURCE>", 70), "Limits.Depth"},
		{streamed(fieldsAB, "BINARY", ` encoding="base64"`, "AAAA")[:130], "the document ends inside"},
	} {
		found, err := votable.Check(strings.NewReader(tt.doc), votable.Limits{})
		if err != nil || len(found) == 0 || !strings.Contains(found[len(found)-1].Msg, tt.want) {
			t.Errorf("%q: %v, %v", tt.doc, found, err)
		}
	}
	broken := errors.New("connection reset")
	if _, err := votable.Check(iotest.ErrReader(broken), votable.Limits{}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestFindingsAreListedUpToTheirLimit(t *testing.T) {
	doc := rowsOf(`datatype="int"/>`, strings.Repeat("<TR><TD>x</TD></TR>\n", votable.MaxFindings+5))
	found, err := votable.Check(strings.NewReader(doc), votable.Limits{})
	if err != nil || len(found) != votable.MaxFindings+1 || !strings.Contains(found[votable.MaxFindings].Msg, "more than 1000 findings") {
		t.Errorf("%d findings, %v", len(found), err)
	}
}

func TestWhatTheWriterWritesHasNoFindings(t *testing.T) {
	for _, form := range serializations {
		for _, null := range []string{"", "-1"} {
			var doc strings.Builder
			w := votable.NewBinaryWriter(&doc, []votable.Field{{Name: "n", Datatype: "int", Null: null}, {Name: "s", Datatype: "char", Arraysize: "*", Description: "a <b>"}}, form)
			for _, row := range [][]any{{int64(1), "x"}, {int64(2), nil}} {
				if err := w.Write(row); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(votable.StatusOverflow, ""); err != nil {
				t.Fatal(err)
			}
			if found, err := votable.Check(strings.NewReader(doc.String()), votable.Limits{}); err != nil || len(found) > 0 {
				t.Errorf("%s: %v, %v\n%s", form, found, err, doc.String())
			}
		}
	}
}

// What a real service and another writer made is right but for what their README tells.
func TestTheSamplesHaveTheirKnownFindingsAlone(t *testing.T) {
	dir := sharedDir(t, "rigs", "tap", "samples")
	for _, pattern := range []string{"http/*.vot", "votable/*.vot"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			found, err := votable.Check(f, votable.Limits{})
			f.Close()
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			for _, f := range found {
				known := strings.Contains(f.Msg, `encoding="utf8" of <TD>`) || // no value of the schema
					strings.HasSuffix(path, "text-no-ns.vot") && strings.HasPrefix(f.Msg, `namespace ""`) ||
					strings.HasSuffix(path, "aggregate-td.vot") && (strings.Contains(f.Msg, "is not a whole number") || f.Severity == votable.SeverityWarning)
				if !known {
					t.Errorf("%s: %+v", filepath.Base(path), f)
				}
			}
		}
	}
}
