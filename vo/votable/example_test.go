package votable_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"beampipe/vo/votable"
)

// A table is read row by row. That it is whole is known at its end.
func ExampleReader() {
	const answer = `<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/>
<TABLE><FIELD name="name" datatype="char" arraysize="*"/><FIELD name="ra" datatype="double" unit="deg"/><FIELD name="n" datatype="int"/>
<DATA><TABLEDATA><TR><TD>HIPASSJ1313-15</TD><TD>198.290</TD><TD/></TR></TABLEDATA></DATA></TABLE>
</RESOURCE></VOTABLE>`
	rd, err := votable.NewReader(strings.NewReader(answer), votable.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	values := make([]any, len(rd.Fields()))
	for err = rd.Next(values); err == nil; err = rd.Next(values) {
		fmt.Printf("%q %v\n", rd.Text(), values)
	}
	switch {
	case errors.Is(err, io.EOF):
		fmt.Println("that is all there is")
	case errors.Is(err, votable.ErrOverflow):
		fmt.Println("there is more, which the service did not give")
	default:
		fmt.Println(err) // the rows before it are no answer
	}
	// Output:
	// ["HIPASSJ1313-15" "198.290" ""] [HIPASSJ1313-15 198.29 <nil>]
	// that is all there is
}

func ExampleWriter() {
	w := votable.NewBinaryWriter(os.Stdout, []votable.Field{{Name: "n", Datatype: "int"}}, votable.Binary2)
	for _, row := range [][]any{{int64(7)}, {nil}} {
		if err := w.Write(row); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := w.Close(votable.StatusOK, ""); err != nil {
		fmt.Println(err)
	}
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?>
	// <VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
	// <RESOURCE type="results">
	// <INFO name="QUERY_STATUS" value="OK"/>
	// <TABLE>
	// <FIELD name="n" datatype="int"/>
	// <DATA><BINARY2><STREAM encoding="base64">AAAAAAeAAAAAAA==</STREAM></BINARY2></DATA>
	// </TABLE>
	// </RESOURCE>
	// </VOTABLE>
}

func ExampleCheck() {
	const doc = `<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>
<TABLE nrows="2"><FIELD name="n" datatype="integer"/>
<DATA><TABLEDATA><TR><TD>NULL</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`
	findings, err := votable.Check(strings.NewReader(doc), votable.Limits{})
	if err != nil {
		fmt.Println(err)
	}
	for _, f := range findings {
		fmt.Printf("%d:%d: %s: %s\n", f.Line, f.Column, f.Severity, f.Msg)
	}
	// Output:
	// 2:1: error: nrows="2" of <TABLE>, which has 1
	// 2:18: error: datatype="integer" of <FIELD> n: expected int
	// 3:22: error: field n: "NULL" is not how a null is written; an empty cell is one
}
