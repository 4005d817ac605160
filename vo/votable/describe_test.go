package votable_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"beampipe/fault"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
)

// library has several RESOURCEs and TABLEs, in every serialization.
var library = `<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<INFO name="whole" value="document"/><PARAM ID="pp" name="p" datatype="int" value=" 7 " unit="deg"><DESCRIPTION>why</DESCRIPTION><VALUES null="-1"/></PARAM>
<RESOURCE name="outer"><GROUP><PARAM name="inner" datatype="char" arraysize="*" value="g"/></GROUP>
<TABLE ID="layout" name="empty"><DESCRIPTION>only <b>columns</b></DESCRIPTION>` + fieldsAB + `</TABLE>
<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/>
<TABLE name="td" nrows="3"><FIELD name="x" datatype="int"><VALUES ID="none" null="-9"/></FIELD><DATA><TABLEDATA><TR><TD>1</TD></TR><TR><TD>-9</TD></TR></TABLEDATA></DATA></TABLE>
<TABLE name="same" ref="layout"><DATA><BINARY><STREAM encoding="base64">` + in64(twoRows) + `</STREAM></BINARY></DATA></TABLE>
</RESOURCE>
<TABLE><FIELD name="y" datatype="long"><VALUES ref="none"/></FIELD><DATA><BINARY2><STREAM encoding="base64">` + in64("\x00\xff\xff\xff\xff\xff\xff\xff\xf7") + `</STREAM></BINARY2></DATA></TABLE>
<TABLE>` + fieldsAB + `<DATA><FITS><STREAM href="a"/></FITS></DATA></TABLE>
</RESOURCE></VOTABLE>`

func TestDescribeTellsWhatADocumentHolds(t *testing.T) {
	got, err := votable.Describe(strings.NewReader(library), votable.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ab := []votable.Field{{Name: "a", Datatype: "char", Arraysize: "*"}, {Name: "b", Datatype: "int"}}
	want := votable.Document{
		Version: "1.4", Namespace: "http://www.ivoa.net/xml/VOTable/v1.3", Status: "OK",
		Resources: []votable.Resource{{Name: "outer", Parent: -1}, {Type: "results"}},
		Tables: []votable.Table{
			{Number: 1, Name: "empty", ID: "layout", Description: "only", Fields: ab, Declared: -1, Rows: -1},
			{Number: 2, Name: "td", Resource: 1, Fields: []votable.Field{{Name: "x", Datatype: "int", Null: "-9"}}, Serialization: "TABLEDATA", Declared: 3, Rows: 2},
			{Number: 3, Name: "same", Resource: 1, Fields: ab, Serialization: "BINARY", Declared: -1, Rows: 2},
			{Number: 4, Fields: []votable.Field{{Name: "y", Datatype: "long", Null: "-9"}}, Serialization: "BINARY2", Declared: -1, Rows: 1},
			{Number: 5, Fields: ab, Serialization: "FITS", Declared: -1, Rows: -1, Unread: "unsupported: FITS serialization in a VOTable"},
		},
		Infos:  []votable.Info{{Name: "whole", Value: "document"}, {Name: "QUERY_STATUS", Value: "OK"}},
		Params: []votable.Param{{Field: votable.Field{Name: "p", ID: "pp", Datatype: "int", Unit: "deg", Description: "why", Null: "-1"}, Value: "7"}, {Field: votable.Field{Name: "inner", Datatype: "char", Arraysize: "*"}, Value: "g"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDescribeTellsTheStatus(t *testing.T) {
	status := func(value string) string {
		return strings.Replace(results(`<TR><TD>x</TD></TR>`), "</RESOURCE>", `<INFO name="QUERY_STATUS" value="`+value+`">why</INFO></RESOURCE>`, 1)
	}
	for value, want := range map[string]string{"OVERFLOW": "", "ERROR": "why"} {
		got, err := votable.Describe(strings.NewReader(status(value)), votable.Limits{})
		if err != nil || got.Status != value || got.Message != want || got.Tables[0].Rows != 1 {
			t.Errorf("%s: %+v, %v", value, got, err)
		}
	}
	got, err := votable.Describe(strings.NewReader(results("")[:200]), votable.Limits{})
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got.Tables) != 1 {
		t.Errorf("cut: %+v, %v", got, err)
	}
}

func TestATableIsReadByItsNumber(t *testing.T) {
	for number, want := range map[int][][]string{
		1: nil,
		2: {{"1"}, {""}},
		3: {{"x", "1"}, {"yz", "2"}},
		4: {{""}},
	} {
		rd, err := votable.NewTableReader(strings.NewReader(library), number, votable.Limits{})
		if err != nil {
			t.Fatal(number, err)
		}
		var got [][]string
		for err = rd.Next(nil); err == nil; err = rd.Next(nil) {
			got = append(got, rd.Text())
		}
		if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, io.EOF) {
			t.Errorf("table %d: %v %s", number, err, diff)
		}
	}
	_, err := votable.NewTableReader(strings.NewReader(library), 5, votable.Limits{})
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "FITS") {
		t.Errorf("table 5: %v", err)
	}
	_, err = votable.NewTableReader(strings.NewReader(library), 6, votable.Limits{})
	if !errors.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "no table 6; the document has 5") {
		t.Errorf("table 6: %v", err)
	}
	if _, err := votable.NewTableReader(strings.NewReader(library), 0, votable.Limits{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("table 0: %v", err)
	}
}

func TestParamsAreKept(t *testing.T) {
	rd, err := votable.NewReader(strings.NewReader(library), votable.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := rd.Params(); len(got) != 2 || got[0].Value != "7" || got[1].Name != "inner" {
		t.Errorf("%+v", got)
	}
}

func TestRowsWithoutColumnsAreNoEmptyAnswer(t *testing.T) {
	doc := `<VOTABLE><RESOURCE type="results"><TABLE ref="gone"><DATA><TABLEDATA><TR><TD>1</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`
	_, err := texts(strings.NewReader(doc), votable.Limits{})
	var syntax *votable.SyntaxError
	if !errors.As(err, &syntax) || !strings.Contains(syntax.Msg, "has no FIELD") {
		t.Errorf("%v", err)
	}
}

func TestATableMayReferToTheColumnsOfAnother(t *testing.T) {
	doc := `<VOTABLE><RESOURCE><TABLE ID="l">` + fieldsAB + `</TABLE></RESOURCE><RESOURCE type="results"><TABLE ref="l"><DATA><TABLEDATA><TR><TD>x</TD><TD>1</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`
	rows, err := texts(strings.NewReader(doc), votable.Limits{})
	if !errors.Is(err, io.EOF) || !cmp.Equal(rows, [][]string{{"x", "1"}}) {
		t.Errorf("%q, %v", rows, err)
	}
}

func TestACellInBase64IsItsBinaryForm(t *testing.T) {
	for _, tt := range []struct {
		field, raw, text string
		value            any
	}{
		{`datatype="float" arraysize="*"`, "\x3f\xc0\x00\x00\xc0\x00\x00\x00", "1.5 -2.0", []float64{1.5, -2}},
		{`datatype="int"`, "\x00\x00\x00\x07", "7", int64(7)},
		{`datatype="short" arraysize="2"`, "\x00\x07\xff\xff", "7 -1", []int64{7, -1}},
		{`datatype="bit" arraysize="*"`, "\xa0", "1 0 1 0 0 0 0 0", []bool{true, false, true, false, false, false, false, false}},
		{`datatype="char" arraysize="*"`, "<a&b>", "<a&b>", "<a&b>"},
		{`datatype="unicodeChar" arraysize="3"`, "\x03\xb1", "α", "α"},
		{`datatype="boolean"`, "T", "T", true},
		{`datatype="double"`, "", "", nil},
	} {
		doc := fmt.Sprintf(`<VOTABLE><RESOURCE><TABLE><FIELD name="f" %s/><FIELD name="g" datatype="int"/><DATA><TABLEDATA><TR><TD encoding="base64">%s</TD><TD>3</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`, tt.field, in64(tt.raw))
		rd, err := votable.NewReader(strings.NewReader(doc), votable.Limits{})
		if err != nil {
			t.Fatal(tt.field, err)
		}
		got := make([]any, 2)
		if err := rd.Next(got); err != nil || !cmp.Equal(got, []any{tt.value, int64(3)}) || !cmp.Equal(rd.Text(), []string{tt.text, "3"}) {
			t.Errorf("%s: %#v, %q, %v", tt.field, got, rd.Text(), err)
		}
	}
}

func TestACellInBase64ThatDoesNotFitIsRefused(t *testing.T) {
	for _, tt := range []struct{ field, cell, want string }{
		{`datatype="int"`, in64("abc"), "3 bytes in a cell encoded as base64, where its field needs 4"},
		{`datatype="int" arraysize="*"`, in64("abcde"), "where its field needs 4"},
		{`datatype="int"`, "!!!!", "is not base64"},
		{`datatype="int"`, "AAA", "the base64 text of the TD ends inside a group"},
		{`datatype="int"`, "AA<b/>AA", "<b> inside a TD"},
		{`datatype="strange"`, in64("abcd"), "its datatype is not"},
		{`datatype="char" arraysize="*"`, in64(strings.Repeat("x", 2000)), "Limits.CellBytes"},
	} {
		doc := fmt.Sprintf(`<VOTABLE><RESOURCE type="results"><TABLE><FIELD name="f" %s/><DATA><TABLEDATA><TR><TD encoding="base64">%s</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`, tt.field, tt.cell)
		_, err := texts(strings.NewReader(doc), votable.Limits{CellBytes: 1000})
		var syntax *votable.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(syntax.Msg, tt.want) {
			t.Errorf("%s: %v, want %q", tt.field, err, tt.want)
		}
	}
	doc := results(`<TR><TD encoding="gzip">AAAA</TD></TR>`)
	if _, err := texts(strings.NewReader(doc), votable.Limits{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("gzip: %v", err)
	}
}
