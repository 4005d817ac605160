package votable_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"beampipe/fault"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
)

// sharedDir gives the folder of shared data, or skips the test.
func sharedDir(t *testing.T, parts ...string) string {
	t.Helper()
	root := os.Getenv("BEAMPIPE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	dir := filepath.Join(append([]string{root}, parts...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("shared data not there: %v", err)
	}
	return dir
}

func TestSamplesGiveTheCellsThatTheirTSVExpects(t *testing.T) {
	dir := sharedDir(t, "rigs", "tap", "samples", "votable")
	expected, err := filepath.Glob(filepath.Join(dir, "*.tsv"))
	if err != nil || len(expected) == 0 {
		t.Fatalf("no samples in %s: %v", dir, err)
	}
	for _, tsv := range expected {
		name := strings.TrimSuffix(filepath.Base(tsv), ".tsv")
		t.Run(name, func(t *testing.T) {
			want := readTSV(t, tsv)
			got, err := renderAll(openSample(t, strings.TrimSuffix(tsv, ".tsv")))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestOneTableHasTheSameTextInEverySerialization reads what stilts and DaCHS wrote of one table.
func TestOneTableHasTheSameTextInEverySerialization(t *testing.T) {
	dir := sharedDir(t, "rigs", "tap", "samples")
	for _, name := range []string{"arrays2", "strarrays", "bitscalar", "http/one", "http/odd", "http/uni", "http/empty", "http/overflow"} {
		tabledata, binaries := name+"-td.vot", []string{name + "-binary2.vot"}
		if !strings.HasPrefix(name, "http/") {
			name = "votable/" + name
			tabledata = name + "-td.vot"
			binaries = []string{name + "-binary.vot", name + "-binary2.vot"}
		}
		want, wantEnd := textsOf(t, filepath.Join(dir, tabledata))
		for _, binary := range binaries {
			got, end := textsOf(t, filepath.Join(dir, binary))
			if !errors.Is(end, wantEnd) {
				t.Errorf("%s: %v, want %v", binary, end, wantEnd)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", binary, diff)
			}
		}
	}
}

// TestWhatStiltsWroteHasEqualCellsInEverySerialization compares values: stilts' own exponents and
// nulls (NaN for a missing float) differ as text.
func TestWhatStiltsWroteHasEqualCellsInEverySerialization(t *testing.T) {
	dir := sharedDir(t, "rigs", "tap", "samples", "votable")
	for _, name := range []string{"alltypes", "arrays", "arrays2", "strarrays", "bitscalar"} {
		want, err := renderAll(openSample(t, filepath.Join(dir, name+"-stilts-tabledata")))
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"binary", "binary2"} {
			got, err := renderAll(openSample(t, filepath.Join(dir, name+"-stilts-"+form)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s in %s: %s", name, form, diff)
			}
		}
	}
}

func TestASampleThatIsCutIsNeverTheEndOfData(t *testing.T) {
	dir := sharedDir(t, "rigs", "tap", "samples", "votable")
	for _, name := range []string{"alltypes-td.vot", "alltypes-binary.vot", "alltypes-binary2.vot", "arrays-stilts-binary2.vot"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		whole := strings.TrimSpace(string(raw))
		for cut := range len(whole) {
			if _, err := texts(strings.NewReader(whole[:cut]), votable.Limits{}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s cut at %d of %d: %v", name, cut, len(whole), err)
			}
		}
	}
}

func TestAnUploadJoinInBINARY2IsReadToItsEnd(t *testing.T) {
	rows, err := textsOf(t, filepath.Join(sharedDir(t, "rigs", "tap", "samples", "http"), "upload-eq-20-b2.vot"))
	want := []string{"HIPASSJ1313-15", "ASKAP-72962", "HIPASSJ1313-15_A_beam12_10arc_split.ms.tar", "2464891"}
	if !errors.Is(err, io.EOF) || len(rows) == 0 || !cmp.Equal(rows[0], want) {
		t.Errorf("%d rows, %v; the first: %q", len(rows), err, rows)
	}
}

func textsOf(t *testing.T, path string) ([][]string, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return texts(f, votable.Limits{})
}

// TestAnswersOfARealServiceEndAsTheirIndexSays reads what a DaCHS server answered.
func TestAnswersOfARealServiceEndAsTheirIndexSays(t *testing.T) {
	dir := sharedDir(t, "rigs", "tap", "samples")
	raw, err := os.ReadFile(filepath.Join(dir, "index.tsv"))
	if errors.Is(err, os.ErrNotExist) {
		raw, err = os.ReadFile(filepath.Join(dir, "http", "index.tsv"))
	}
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, line := range strings.Split(string(raw), "\n")[1:] {
		cols := strings.Split(line, "\t")
		if len(cols) < 7 || cols[6] == "" {
			continue
		}
		name, status := cols[0], cols[6]
		paths, _ := filepath.Glob(filepath.Join(dir, "http", name+".*"))
		for _, path := range paths {
			if ext := filepath.Ext(path); ext != ".vot" && ext != ".xml" {
				continue
			}
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := verdict(string(body))
			seen[status]++
			if strings.Contains(string(body), "<STREAM") {
				seen["in a stream"]++
			}
			if got != status {
				t.Errorf("%s: %s, want %s", name, got, status)
			}
		}
	}
	for _, status := range []string{"OK", "OK+OVERFLOW", "ERROR", "in a stream"} {
		if seen[status] == 0 {
			t.Errorf("no sample with status %s among %v", status, seen)
		}
	}
}

// verdict reads a document and says how it ended, in the words of index.tsv.
func verdict(doc string) string {
	rd, err := votable.NewReader(strings.NewReader(doc), votable.Limits{})
	for err == nil {
		err = rd.Next(nil)
	}
	var status *votable.StatusError
	switch {
	case errors.Is(err, io.EOF):
		return "OK"
	case errors.Is(err, votable.ErrOverflow):
		return "OK+OVERFLOW"
	case errors.As(err, &status):
		return "ERROR"
	case errors.Is(err, fault.Invalid):
		return "unsupported"
	}
	return err.Error()
}

func openSample(t *testing.T, stem string) io.Reader {
	t.Helper()
	path, zipped := stem+".vot", false
	if _, err := os.Stat(path); err != nil {
		path, zipped = stem+".vot.gz", true
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if !zipped {
		return f
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// readTSV gives the expected rows. An empty cell and \N are alike here: TABLEDATA cannot tell them.
func readTSV(t *testing.T, path string) [][]string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	unescape := strings.NewReplacer(`\t`, "\t", `\n`, "\n", `\r`, "\r", `\\`, `\`, `\N`, "")
	for _, line := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n") {
		cells := strings.Split(line, "\t")
		for i := range cells {
			cells[i] = unescape.Replace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// renderAll gives the names and the typed rows of a document in the TSV's notation.
func renderAll(r io.Reader) ([][]string, error) {
	rd, err := votable.NewReader(r, votable.Limits{})
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, f := range rd.Fields() {
		names = append(names, f.Name)
	}
	rows := [][]string{names}
	values := make([]any, len(names))
	for {
		err := rd.Next(values)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = render(v, rd.Fields()[i].Datatype == "bit")
		}
		rows = append(rows, row)
	}
}

func render(v any, bit bool) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if bit {
			return map[bool]string{true: "1", false: "0"}[v]
		}
		return map[bool]string{true: "T", false: "F"}[v]
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return renderFloat(v)
	case complex128:
		return renderFloat(real(v)) + " " + renderFloat(imag(v))
	case string:
		return v
	case []string:
		return strings.Join(v, "|")
	case []bool:
		return joined(v, func(b bool) string { return render(b, bit) })
	case []int64:
		return joined(v, func(n int64) string { return render(n, false) })
	case []float64:
		return joined(v, renderFloat)
	case []complex128:
		return joined(v, func(c complex128) string { return render(c, false) })
	}
	return fmt.Sprintf("unexpected %T", v)
}

func joined[T any](list []T, one func(T) string) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = one(v)
	}
	return strings.Join(parts, " ")
}

// renderFloat writes a number as Python's repr does.
func renderFloat(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return strings.TrimPrefix(fmt.Sprintf("%v", v), "+")
	case v != 0 && (math.Abs(v) >= 1e16 || math.Abs(v) < 1e-4):
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
