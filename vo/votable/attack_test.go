package votable_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"beampipe/vo/votable"
)

// endless gives head, then body for ever.
type endless struct{ head, body string }

func (e *endless) Read(p []byte) (int, error) {
	if e.head == "" {
		e.head = strings.Repeat(e.body, 1+len(p)/len(e.body))
	}
	n := copy(p, e.head)
	e.head = e.head[n:]
	return n, nil
}

// Each of these would fill the memory, or never end, without a limit.
func TestADocumentWithoutEndMeetsALimit(t *testing.T) {
	const table = `<VOTABLE><RESOURCE type="results"><TABLE>`
	for name, doc := range map[string]*endless{
		"elements inside each other": {"<VOTABLE>", "<GROUP>"},
		"an attribute":               {`<VOTABLE ID="`, "x"},
		"attributes":                 {`<VOTABLE a="1"`, ` xmlns:` + strings.Repeat("y", 40) + `="z"`},
		"references in an attribute": {`<VOTABLE ID="`, "&#120;"},
		"the name of an element":     {"<", "x"},
		"the name of an attribute":   {"<VOTABLE ", "x"},
		"a document type":            {"<!DOCTYPE VOTABLE SYSTEM '", "x"},
		"an entity":                  {"<VOTABLE>&", "x"},
		"FIELDs":                     {table, `<FIELD name="f" datatype="int"/>`},
		"descriptions of a FIELD":    {table + `<FIELD name="f">`, "<DESCRIPTION>" + strings.Repeat("x", 1<<19) + "</DESCRIPTION>"},
		"a cell":                     {table + fieldsAB + "<DATA><TABLEDATA><TR><TD>", "x"},
		"a cell in CDATA":            {table + fieldsAB + "<DATA><TABLEDATA><TR><TD><![CDATA[", "x"},
		"a cell in base64":           {table + fieldsAB + `<DATA><TABLEDATA><TR><TD encoding="base64">`, "AAAA"},
		"cells":                      {table + fieldsAB + "<DATA><TABLEDATA><TR>", "<TD/>"},
		"a row of a stream":          {table + `<FIELD name="f" datatype="char" arraysize="*"/><DATA><BINARY><STREAM>`, "////"},
	} {
		rd, err := votable.NewReader(doc, votable.Limits{})
		for n := 0; err == nil && n < 1000; n++ {
			err = rd.Next(nil)
		}
		var syntax *votable.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsOnlyPassedOverTakesNoMemory(t *testing.T) {
	for name, filler := range map[string]string{
		"comments":                "<!-- " + strings.Repeat("x", 100) + " -->",
		"processing instructions": "<?pi " + strings.Repeat("x", 100) + "?>",
		"INFOs":                   `<INFO name="a" value="b"/>`,
		"PARAMs":                  `<PARAM name="a" datatype="int" value="1"/>`,
		"tables with an ID":       `<TABLE ID="t">` + fieldsAB + `</TABLE>`,
		"another vocabulary":      `<m:a xmlns:m="http://example.org"/>`,
	} {
		read := func(n int) float64 {
			doc := "<VOTABLE><RESOURCE>" + strings.Repeat(filler, n) + "</RESOURCE></VOTABLE>"
			rd, err := votable.NewReader(strings.NewReader(doc), votable.Limits{})
			if err != nil {
				t.Fatal(name, err)
			}
			return float64(len(rd.Infos()) + len(rd.Params()))
		}
		if kept := read(20_000); kept > 1000 {
			t.Errorf("%s: %v kept", name, kept)
		}
	}
}

func TestADocumentTypeIsPassedOverWhereItNamesADTDAlone(t *testing.T) {
	for doctype, good := range map[string]bool{
		`<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd">`: true,
		`<!DOCTYPE VOTABLE PUBLIC "a>b[" 'c'>`:                         true,
		`<!DOCTYPE VOTABLE SYSTEM "a" [<!ENTITY e "x">]>`:              false,
		`<!DOCTYPE VOTABLE [`:                                          false,
	} {
		doc := `<?xml version="1.0"?>` + doctype + results(`<TR><TD>x</TD></TR>`)
		for _, r := range []io.Reader{strings.NewReader(doc), iotest.OneByteReader(strings.NewReader(doc))} {
			if rows, err := texts(r, votable.Limits{}); errors.Is(err, io.EOF) != good {
				t.Errorf("%s: %q, %v", doctype, rows, err)
			}
		}
		if !good {
			continue
		}
		for cut := range strings.Index(doc, "<VOTABLE>") {
			if _, err := texts(strings.NewReader(doc[:cut]), votable.Limits{}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
		}
	}
	if _, err := texts(strings.NewReader("<VOTABLE><!DOCTYPE a></VOTABLE>"), votable.Limits{}); errors.Is(err, io.EOF) {
		t.Error("a document type inside the root element was taken")
	}
}

func TestAGzippedDocumentIsRead(t *testing.T) {
	doc := results(strings.Repeat(`<TR><TD>x</TD><TD>1</TD></TR>`, 5000))
	data := zipped(t, doc)
	for _, r := range []io.Reader{strings.NewReader(data), iotest.OneByteReader(strings.NewReader(data))} {
		if rows, err := texts(r, votable.Limits{}); !errors.Is(err, io.EOF) || len(rows) != 5000 {
			t.Errorf("%d rows, %v", len(rows), err)
		}
	}
	for cut := range len(data) {
		_, err := texts(strings.NewReader(data[:cut]), votable.Limits{})
		var syntax *votable.SyntaxError
		if !errors.As(err, &syntax) || cut != 1 && !errors.Is(err, io.ErrUnexpectedEOF) || syntax.Line < 1 {
			t.Fatalf("cut at %d of %d: %v", cut, len(data), err)
		}
	}
	if _, err := texts(strings.NewReader(data+"more"), votable.Limits{}); err == nil || !strings.Contains(err.Error(), "not good gzip data") {
		t.Errorf("data behind it: %v", err)
	}
	broken := errors.New("connection reset")
	for _, cut := range []int{2, 30, len(data) - 3, len(data)} {
		_, err := texts(io.MultiReader(strings.NewReader(data[:cut]), iotest.ErrReader(broken)), votable.Limits{})
		if !errors.Is(err, broken) {
			t.Errorf("the source breaks at %d: %v", cut, err)
		}
	}
}

func TestASinThatCannotBeMisreadIsForgiven(t *testing.T) {
	doc := `<VOTABLE><RESOURCE><TABLE nrows="9"><FIELD name="n" datatype="integer"/><FIELD name="c" datatype="char"/><FIELD name="m" datatype="char" arraysize="94x11"/><FIELD name="x" datatype="double"/><FIELD name="b" datatype="boolean"/><FIELD name="s" datatype="char" arraysize="*"/>
	<DATA><TABLEDATA><TR><TD>NULL</TD><TD>several</TD><TD>a string</TD><TD>null</TD><TD>Null</TD><TD>NULL</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`
	rd, err := votable.NewReader(strings.NewReader(doc), votable.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]any, 6)
	if err := rd.Next(got); err != nil || got[0] != nil || got[1] != "several" || got[3] != nil || got[4] != nil || got[5] != "NULL" {
		t.Errorf("%#v, %v", got, err)
	}
	if text := strings.Join(rd.Text(), "|"); text != "|several|a string|||NULL" {
		t.Errorf("%s", text)
	}
}
