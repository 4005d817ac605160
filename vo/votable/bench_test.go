package votable_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"testing"

	"beampipe/vo/votable"
)

// bigTable makes a document of 20 columns.
func bigTable(b *testing.B, rows int) []byte {
	b.Helper()
	fields := make([]votable.Field, 20)
	for i := range fields {
		fields[i] = votable.Field{Name: fmt.Sprintf("c%d", i), Datatype: []string{"char", "double", "long", "float"}[i%4]}
	}
	var doc bytes.Buffer
	w := votable.NewWriter(&doc, fields)
	for r := range rows {
		row := make([]string, len(fields))
		for i := range row {
			row[i] = []string{"HIPASSJ1313-15_A_beam12_10arc_split.ms.tar", "198.32917", fmt.Sprint(r * 1000), "5338.9"}[i%4]
		}
		if err := w.WriteText(row); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(votable.StatusOK, ""); err != nil {
		b.Fatal(err)
	}
	return doc.Bytes()
}

func BenchmarkReader(b *testing.B) {
	doc := bigTable(b, 5000)
	for _, mode := range []string{"text", "values"} {
		b.Run(mode, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				rd, err := votable.NewReader(bytes.NewReader(doc), votable.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				var dst []any
				if mode == "values" {
					dst = make([]any, len(rd.Fields()))
				}
				for err = rd.Next(dst); err == nil; err = rd.Next(dst) {
					if mode == "text" {
						_ = rd.Text()
					}
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEncodingXML is the reference: the standard library's tokens of the same document.
func BenchmarkEncodingXML(b *testing.B) {
	doc := bigTable(b, 5000)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		dec := xml.NewDecoder(bytes.NewReader(doc))
		for {
			if _, err := dec.RawToken(); err != nil {
				break
			}
		}
	}
}
