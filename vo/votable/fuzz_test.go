package votable_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"beampipe/vo/votable"
)

// FuzzReader holds that no input makes the Reader panic, that its end is one of the documented
// ones, and that what it takes to its end encoding/xml takes as well-formed too.
func FuzzReader(f *testing.F) {
	f.Add([]byte(results(`<TR><TD>x&amp;y</TD><TD>1</TD></TR>`)))
	f.Add([]byte(results(`<TR><TD><![CDATA[x]]>&#65;</TD><TD/></TR>` + "\r\n")))
	f.Add([]byte(`<?xml version="1.0" encoding="latin1"?><v:VOTABLE xmlns:v="x"><v:RESOURCE><v:TABLE><v:FIELD name='a' datatype="float" arraysize="2x*"><v:VALUES null="1"/></v:FIELD><v:DATA><v:TABLEDATA><v:TR><v:TD>1 2</v:TD></v:TR></v:TABLEDATA></v:DATA></v:TABLE></v:RESOURCE></v:VOTABLE>`))
	f.Add([]byte(`<VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">a<!-- b -->c</INFO></RESOURCE></VOTABLE>`))
	f.Add([]byte("\xff\xfe<\x00V\x00"))
	f.Add([]byte(streamed(fieldsAB, "BINARY", ` encoding="base64"`, in64(twoRows))))
	f.Add([]byte(streamed(fieldsAB, "BINARY2", "", "\n"+in64("\x40"+twoRows[:9])+"\n")))
	f.Add([]byte(streamed(fieldsAB, "BINARY", ` encoding="gzip"`, in64(zipped(f, twoRows)))))
	for _, field := range []string{`"boolean" arraysize="*"`, `"bit" arraysize="9"`, `"bit" arraysize="*"`, `"unsignedByte"`, `"long" arraysize="2x*"`, `"char" arraysize="2x2"`, `"unicodeChar" arraysize="2x*"`, `"float"`, `"doubleComplex" arraysize="1*"`} {
		f.Add([]byte(streamed(`<FIELD name="f" datatype=`+field+`><VALUES null="1"/></FIELD>`, "BINARY2", "", "AAAAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")))
	}
	f.Add([]byte(streamed(fieldsAB, "BINARY", "", in64(twoRows[:5]))))
	f.Fuzz(func(t *testing.T, doc []byte) {
		rd, err := votable.NewReader(bytes.NewReader(doc), votable.Limits{CellBytes: 1 << 10, RowBytes: 1 << 12})
		if err == nil {
			dst := make([]any, len(rd.Fields()))
			for err == nil {
				err = rd.Next(dst)
				_ = rd.Text()
			}
		}
		if !errors.Is(err, io.EOF) || bytes.HasPrefix(doc, []byte{0xff, 0xfe}) || bytes.HasPrefix(doc, []byte{0xfe, 0xff}) {
			return
		}
		if err := wellFormed(doc); err != nil && !lenient(err) && bytes.IndexByte(doc, 0) < 0 {
			t.Errorf("read to its end, but encoding/xml says: %v", err)
		}
	})
}

func wellFormed(doc []byte) error {
	dec := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf"))))
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		if _, err := dec.Token(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// lenient names what the Reader lets pass because it cannot be misread.
func lenient(err error) bool {
	for _, known := range []string{"unescaped ]]>", "invalid XML name", "not allowed in comments", "expected element name", "expected attribute name", "invalid UTF-8", "illegal character code", "unsupported version", "expected target name", "invalid sequence"} {
		if strings.Contains(err.Error(), known) {
			return true
		}
	}
	return false
}

// FuzzCheck holds that no input makes Check panic or list more than it may, and that a document without
// a finding is one that the Reader reads to its end.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(results(`<TR><TD>x&amp;y</TD><TD>1</TD></TR>`)))
	f.Add([]byte(library))
	f.Add([]byte(strictly(`<TABLE nrows="2">` + fieldsAB + `<DATA><BINARY><STREAM encoding="base64">` + in64(twoRows) + `</STREAM></BINARY></DATA></TABLE>`)))
	f.Add([]byte(strictly(`<TABLE nrows="1">` + fieldsAB + `<DATA><BINARY2><STREAM encoding="gzip">` + in64(zipped(f, "\x40"+twoRows[:9])) + `</STREAM></BINARY2></DATA></TABLE>`)))
	f.Add([]byte(cellOf(`datatype="float" arraysize="2x*"`, "1 2")))
	f.Fuzz(func(t *testing.T, doc []byte) {
		limits := votable.Limits{CellBytes: 1 << 10, RowBytes: 1 << 12}
		found, err := votable.Check(bytes.NewReader(doc), limits)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || len(found) > votable.MaxFindings+1 {
			t.Fatalf("%d findings, %v", len(found), err)
		}
		described, failed := votable.Describe(bytes.NewReader(doc), limits)
		if err != nil || len(found) > 0 || described.Status == votable.StatusFailed {
			return
		}
		if failed != nil && !strings.Contains(failed.Error(), "Limits.RowBytes") {
			t.Fatalf("Check finds nothing, Describe says: %v", failed)
		}
	})
}
