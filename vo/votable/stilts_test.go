package votable_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"beampipe/vo/votable"

	"pgregory.net/rapid"
)

// stiltsTables is how many generated tables stilts is given, of each kind and serialization.
const stiltsTables = 60

// TestStiltsSeesTheSameCells gives stilts (Debian's package), the reference among readers of VOTable,
// generated tables of every type in every serialization, and has it write what it saw in every
// serialization. What is read back then has gone through both readers and both writers, in all nine ways.
func TestStiltsSeesTheSameCells(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Java")
	}
	stilts, err := exec.LookPath("stilts")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("stilts is not installed, and CI needs it: apt-get install stilts")
		}
		t.Skip("stilts is not installed (apt-get install stilts)")
	}
	dir := t.TempDir()
	var given []drawnTable
	var list strings.Builder
	for seed := range stiltsTables {
		for _, form := range serializations {
			d := stiltsTable(form).Example(seed)
			doc, err := d.document(form)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, fmt.Sprintf("%s-%d.vot", form, seed))
			if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
				t.Fatal(err)
			}
			given = append(given, d)
			fmt.Fprintln(&list, path)
		}
	}
	names := filepath.Join(dir, "list")
	if err := os.WriteFile(names, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, form := range serializations {
		t.Run(form.String(), func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(dir, "out-"+form.String()+".vot")
			cmd := exec.CommandContext(t.Context(), stilts, "tmulti", "in=@"+names, "ifmt=votable", "out="+out, "ofmt=votable(format="+form.String()+")")
			if said, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", cmd, err, said)
			}
			for i, d := range given {
				compareWithStilts(t, d, form, i+1, out)
			}
		})
	}
}

// stiltsTable draws a table that stilts reads in a serialization as the standard has it. In BINARY it reads
// no single bit, and takes the count of a variable array of complex numbers for that of their parts.
func stiltsTable(form votable.Serialization) *rapid.Generator[drawnTable] {
	field := anyField.Filter(func(f votable.Field) bool {
		single := f.Arraysize == "" || f.Arraysize == "1"
		many := strings.HasSuffix(f.Datatype, "Complex") && strings.Contains(f.Arraysize, "*")
		return !(f.Datatype == "bit" && single) && !(many && form != votable.TableData)
	})
	return rapid.Custom(func(t *rapid.T) drawnTable { return drawTable(t, field, form != votable.Binary) })
}

func compareWithStilts(t *testing.T, d drawnTable, form votable.Serialization, number int, path string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rd, err := votable.NewTableReader(f, number, votable.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]any, len(rd.Fields()))
	for r, row := range d.rows {
		if err := rd.Next(got); err != nil {
			t.Errorf("table %d row %d: %v", number, r+1, err)
			return
		}
		for i := range row {
			if row[i] == nil && form == votable.Binary && hasNoNull(d.fields[i]) {
				continue
			}
			want, saw := common(row[i], d.fields[i]), common(got[i], rd.Fields()[i])
			if want != saw {
				t.Errorf("table %d row %d, %+v: stilts saw %q (%+v), written was %q", number, r+1, d.fields[i], saw, rd.Fields()[i], want)
			}
		}
	}
	if err := rd.Next(got); !errors.Is(err, io.EOF) {
		t.Errorf("table %d: %v behind the last row", number, err)
	}
}

// hasNoNull holds for the fields for whose nulls BINARY has nothing: stilts writes zeros there.
func hasNoNull(f votable.Field) bool {
	fixed := f.Arraysize == "3" || f.Arraysize == "2x2"
	return fixed && slices.Contains([]string{"boolean", "bit", "unsignedByte", "short", "int", "long"}, f.Datatype)
}

// common gives a value in a form in which the two readers' differences do not show: stilts makes booleans
// of bits, arrays of complex numbers, of a missing float a NaN, of missing strings empty ones, and of a
// single character that is missing in BINARY, where it is NUL, a "¿".
func common(v any, f votable.Field) string {
	switch v := v.(type) {
	case string:
		if v == "¿" {
			return ""
		}
	case []string:
		if strings.Join(v, "") == "" {
			return ""
		}
	case float64:
		if math.IsNaN(v) {
			return ""
		}
	case complex128:
		return common([]float64{real(v), imag(v)}, f)
	case []complex128:
		var parts []float64
		for _, c := range v {
			parts = append(parts, real(c), imag(c))
		}
		return common(parts, f)
	case []float64:
		if !slices.ContainsFunc(v, func(x float64) bool { return !math.IsNaN(x) }) {
			return ""
		}
	}
	return render(v, false)
}
