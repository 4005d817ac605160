package votable_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
)

func csvRows(r io.Reader, o votable.CSVOptions) (names []string, rows [][]string, err error) {
	rd, err := votable.NewCSVReader(r, o)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range rd.Fields() {
		names = append(names, f.Name)
	}
	for err = rd.Next(); err == nil; err = rd.Next() {
		rows = append(rows, rd.Text())
	}
	if !errors.Is(rd.Next(), err) {
		return names, rows, errors.New("the second Next ended in another way")
	}
	return names, rows, err
}

func TestCSVIsRead(t *testing.T) {
	wide := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune("a,b\nα,\"🌌\"\n")) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	names := []votable.Field{{Name: "a"}, {Name: "b"}}
	for _, tt := range []struct {
		name, doc string
		options   votable.CSVOptions
		want      [][]string
	}{
		{"plain", "a,b\n1,x\n2,y\n", votable.CSVOptions{}, [][]string{{"1", "x"}, {"2", "y"}}},
		{"line ends of RFC 4180", "a,b\r\n1,x\r\n", votable.CSVOptions{}, [][]string{{"1", "x"}}},
		{"no line end at the end", "a,b\n1,x", votable.CSVOptions{}, [][]string{{"1", "x"}}},
		{"no rows", "a,b\n", votable.CSVOptions{}, nil},
		{"quotes", "\"a\",b\n\"x, \"\"y\"\"\n\r\nz\",\"\"\n", votable.CSVOptions{}, [][]string{{"x, \"y\"\n\r\nz", ""}}},
		{"nulls, and blanks at the ends", "a,b\n, x \n,\n", votable.CSVOptions{}, [][]string{{"", "x"}, {"", ""}}},
		{"empty lines among several columns", "a,b\n1,x\n\n\r\n2,y\n\n", votable.CSVOptions{}, [][]string{{"1", "x"}, {"2", "y"}}},
		{"a byte order mark", "\xef\xbb\xbfa,b\n1,é\n", votable.CSVOptions{}, [][]string{{"1", "é"}}},
		{"UTF-16", string(wide), votable.CSVOptions{}, [][]string{{"α", "🌌"}}},
		{"Latin-1", "a,b\n1,\xe9\n", votable.CSVOptions{Latin1: true}, [][]string{{"1", "é"}}},
		{"tabs", "a\tb\n1,2\tx\n", votable.CSVOptions{Comma: '\t'}, [][]string{{"1,2", "x"}}},
		{"no header line", "1,x\n", votable.CSVOptions{Fields: names}, [][]string{{"1", "x"}}},
		{"no header line, and nothing else", "", votable.CSVOptions{Fields: names}, nil},
		{"gzip", zipped(t, "a,b\n1,x\n"), votable.CSVOptions{}, [][]string{{"1", "x"}}},
	} {
		for _, r := range []io.Reader{strings.NewReader(tt.doc), iotest.OneByteReader(strings.NewReader(tt.doc))} {
			names, rows, err := csvRows(r, tt.options)
			if !errors.Is(err, io.EOF) || !cmp.Equal(names, []string{"a", "b"}) || !cmp.Equal(rows, tt.want) {
				t.Errorf("%s: %q %q, %v", tt.name, names, rows, err)
			}
		}
	}
	_, rows, err := csvRows(strings.NewReader("a\n\n1\n\n"), votable.CSVOptions{})
	if !errors.Is(err, io.EOF) || !cmp.Equal(rows, [][]string{{""}, {"1"}, {""}}) {
		t.Errorf("an empty line in one column: %q, %v", rows, err)
	}
}

func TestWhatIsNoCSVIsNamedWithItsPlace(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, tt := range []struct {
		doc       string
		line, col int
		want      string
		cut       bool
	}{
		{"<?xml version='1.0'?><VOTABLE>", 1, 1, `the document begins with "<?xml`, false},
		{"\n <html>", 1, 1, "not CSV", false},
		{"", 1, 1, "before its header line", true},
		{"a,b\n1\n2,x\n", 2, 1, "a row of 1 cells where there are 2 columns", false},
		{"a,b\n1,2,3\n", 2, 1, "a row of 3 cells", false},
		{"a,b\n1,2\n1", 3, 2, "inside its last row: 1 of 2 cells", true},
		{"a,b\n1,\"x\ny", 3, 2, "inside the quoted cell that begins at line 2 column 3", true},
		{"a,b\n1,x\"y\n", 2, 5, "a quote inside a cell", false},
		{"a,b\n1,\"x\"y\n", 2, 7, `'y' behind the closing quote`, false},
		{"a,b\n1\r2,x\n", 2, 4, "a carriage return", false},
		{"a,b\n1,2\r", 2, 5, "between the two characters", true},
		{"a,b\n1,\xe9\n", 3, 1, "not valid UTF-8", false},
		{"a,b\n1,\x00\n", 3, 1, "NUL", false},
		{"a,b\n1," + long, 2, 104, "Limits.CellBytes", false},
		{"a,b\n1,\"" + long, 2, 105, "Limits.CellBytes", false},
		{"a,b\n" + strings.Repeat(long[:90]+",", 3), 2, 153, "Limits.RowBytes", false},
		{"a,b,c,d,e\n", 2, 1, "Limits.Fields", false},
		{zipped(t, "a,b\n1,x\n")[:20], 1, 1, "not good gzip data", true},
	} {
		_, _, err := csvRows(strings.NewReader(tt.doc), votable.CSVOptions{Limits: votable.Limits{CellBytes: 100, RowBytes: 150, Fields: 4}})
		var syntax *votable.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(syntax.Error(), tt.want) || !strings.HasPrefix(syntax.Error(), "CSV line ") || errors.Is(err, io.ErrUnexpectedEOF) != tt.cut {
			t.Errorf("%.40q: %v, want %q", tt.doc, err, tt.want)
			continue
		}
		if syntax.Line != tt.line || syntax.Column != tt.col {
			t.Errorf("%.40q: at %d:%d, want %d:%d", tt.doc, syntax.Line, syntax.Column, tt.line, tt.col)
		}
	}
	broken := errors.New("connection reset")
	for _, cut := range []int{0, 3, 6} {
		_, _, err := csvRows(io.MultiReader(strings.NewReader("a,b\n1,x\n"[:cut]), iotest.ErrReader(broken)), votable.CSVOptions{})
		if !errors.Is(err, broken) {
			t.Errorf("the source breaks at %d: %v", cut, err)
		}
	}
}

// The service's CSV and TABLEDATA of one table have equal text, but for what CSV writes as it likes.
func TestTheCSVOfARealServiceIsRead(t *testing.T) {
	dir := sharedDir(t, "rigs", "tap", "samples", "http")
	for _, name := range []string{"one", "uni"} {
		rd, err := os.Open(filepath.Join(dir, name+"-csv.csv"))
		if err != nil {
			t.Fatal(err)
		}
		names, rows, err := csvRows(rd, votable.CSVOptions{})
		rd.Close()
		want, _ := textsOf(t, filepath.Join(dir, name+"-td.vot"))
		if !errors.Is(err, io.EOF) || len(names) != len(want[0]) || len(rows) != len(want) {
			t.Errorf("%s: %d names, %d rows of %d, %v", name, len(names), len(rows), len(want), err)
			continue
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// FuzzCSV holds that no input makes the CSVReader panic, and that what it reads to the end has the cells
// that encoding/csv finds.
func FuzzCSV(f *testing.F) {
	for _, doc := range []string{"a,b\n1,x\n", "a\n\n1", "\"a\"\"\",\"b\nc\"\r\n,\n", "\xef\xbb\xbfa\tb", "\xff\xfea\x00", "<a", "a,b\n1,\"x"} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		names, rows, err := csvRows(strings.NewReader(string(doc)), votable.CSVOptions{Limits: votable.Limits{CellBytes: 1 << 10, RowBytes: 1 << 12}})
		if !errors.Is(err, io.EOF) || len(names) < 2 || bytes.ContainsAny(doc[:1], "\xff\xfe\x1f") {
			return // one column has empty lines, which encoding/csv drops
		}
		reference := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(doc), "\xef\xbb\xbf")))
		want, err := reference.ReadAll()
		if err != nil {
			t.Fatalf("read to its end, but encoding/csv says: %v", err)
		}
		for i := range want {
			for k := range want[i] {
				want[i][k] = strings.TrimSpace(want[i][k])
			}
		}
		got := append([][]string{names}, rows...)
		for i := range got {
			for k := range got[i] { // encoding/csv makes one character of a line end in a cell
				got[i][k] = strings.ReplaceAll(got[i][k], "\r\n", "\n")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
