package configs

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEachKindOfTransform(t *testing.T) {
	p := transforms(t, `
    same: {kind: identity}
    trim: {kind: trim}
    lower: {kind: lowercase}
    upper: {kind: uppercase}
    dash: {kind: replace, from: "-", to: "_"}
    drop: {kind: replace, from: "a"}
    pre: {kind: add_prefix, prefix: "SB"}
    suf: {kind: add_suffix, suffix: ".ms"}
    hipass: {kind: strip_prefix, prefix: HIPASS}
    fallback: {kind: default_if_empty, default: none}
    last: {kind: split_last, separators: ["/", ":", "#"]}
    set: {kind: split_last, separators: ["ab"]}
    year: {kind: regex_extract, pattern: "_(\\d{4})-(\\d\\d)"}
    month: {kind: regex_extract, pattern: "_(\\d{4})-(\\d\\d)", group: 2}
    whole: {kind: regex_extract, pattern: "[0-9]+", group: 0}
    either: {kind: regex_extract, pattern: "(a)|(b)"}
    sbid: {kind: chain, steps: [digits, trim]}
    deep: {kind: chain, steps: [sbid, pre]}
`)
	type object = map[string]any
	none := "no value"
	for _, tt := range []struct {
		names string
		in    any
		want  any
	}{
		{"hipass", "HIPASSJ1313-15", "J1313-15"},
		{"hipass", "hipassJ1313", "hipassJ1313"},
		{"hipass", "HIPASSHIPASSJ1", "HIPASSJ1"},
		{"hipass", nil, none},
		{"digits", "SB123", "123"},
		{"digits", "SB1-2", "12"},
		{"digits", "٣", none}, // not an ASCII digit
		{"digits", "SB", none},
		{"digits", 45.0, "45"},
		{"last", "a/b", "b"},
		{"last", "ivo://x/y#scan-1 ", "scan-1"},
		{"last", "plain", "plain"},
		{"last", "a/", ""},
		{"set", "x b y", "y"},
		{"sbid", " ASKAP-123 ", "123"},
		{"sbid", "ASKAP", none},
		{"deep", "ASKAP-9", "SB9"},
		{"same", " x ", " x "},
		{"same", nil, nil},
		{"trim", " x\t", "x"},
		{"trim", "  ", none},
		{"trim", true, "true"},
		{"trim", []any{"x"}, none},
		{"trim", object{"x": "y"}, none},
		{"trim", json.Number("1.50"), "1.50"},
		{"trim", int64(7), "7"},
		{"trim", 0.1, "0.1"},
		{"trim", math.NaN(), none},
		{"lower", "ÄBC-Z", "Äbc-z"},
		{"upper", "äbc-z", "äBC-Z"},
		{"dash", "a-b-c", "a_b_c"},
		{"drop", "banana", "bnn"},
		{"pre", " 1 ", "SB1"},
		{"suf", "x", "x.ms"},
		{"fallback", nil, "none"},
		{"fallback", " ", "none"},
		{"fallback", []any{}, "none"},
		{"fallback", object{}, "none"},
		{"fallback", false, false},
		{"fallback", 0.0, 0.0},
		{"fallback", " x ", " x "},
		{"present", nil, false},
		{"present", "", false},
		{"present", []any{}, false},
		{"present", []any{object{"RAJ2000": "1"}}, true},
		{"present", false, true},
		{"year", "f_2021-12.tar", "2021"},
		{"month", "f_2021-12.tar", "12"},
		{"month", "f", none},
		{"whole", "a12b3", "12"},
		{"either", "b", none}, // the group took no part in the match
		{"digits trim pre", "x5", "SB5"},
		{"nope", "x", none},
		{"", "x", "x"},
	} {
		t.Run(fmt.Sprintf("%s of %v", tt.names, tt.in), func(t *testing.T) {
			got, ok := p.Apply(strings.Fields(tt.names), tt.in)
			if !ok {
				got = none
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAChainThatNamesItselfEndsWithoutAValue(t *testing.T) {
	p := transforms(t, "    a: {kind: chain, steps: [b]}\n    b: {kind: chain, steps: [a]}\n")
	if v, ok := p.Apply([]string{"a"}, "x"); ok {
		t.Errorf("got %v", v)
	}
}

func TestAChainThatGrowsWithoutBoundEndsWithoutAValue(t *testing.T) {
	var b strings.Builder
	b.WriteString("    c0: {kind: identity}\n")
	for i := 1; i <= 30; i++ {
		fmt.Fprintf(&b, "    c%d: {kind: chain, steps: [c%d, c%d]}\n", i, i-1, i-1)
	}
	p := transforms(t, b.String())
	if _, ok := p.Apply([]string{"c30"}, "x"); ok {
		t.Error("a billion steps were taken")
	}
	if got := codes(p.RefuseDiscovery()); !contains(got, CodeTransformCycle) {
		t.Errorf("not refused: %v", got)
	}
	if _, ok := p.Apply([]string{"c5"}, "x"); !ok {
		t.Error("32 steps are fine")
	}
}

func TestATextCannotGrowPastItsLimit(t *testing.T) {
	p := transforms(t, "    a: {kind: replace, from: x, to: "+strings.Repeat("x", 3000)+"}\n")
	if _, ok := p.Apply([]string{"a", "a", "a"}, "x"); ok {
		t.Error("27 GB of text were made")
	}
}

func row(format, name, url string, more ...any) map[string]any {
	r := map[string]any{"format": format, "filename": name, "access_url": url}
	for i := 0; i < len(more); i += 2 {
		r[more[i].(string)] = more[i+1]
	}
	return r
}

func TestTheLargestEvaluationFileIsSelected(t *testing.T) {
	p := transforms(t, "    pick: {kind: select_eval_file_by_size}\n    other: {kind: select_eval_file_by_size, prefix: cal-, suffix: .zip}\n")
	const a, b = "calibration-metadata-processing-logs-SB1_2021-01-01.tar", "calibration-metadata-processing-logs-SB1_2022-01-01.tar"
	for _, tt := range []struct {
		name      string
		rows      any
		transform string
		want      string
	}{
		{"the larger wins", []any{row("calibration", a, "u", "filesize", "20"), row("calibration", b, "u", "filesize", "10")}, "pick", a},
		{"of equal ones the later name", []any{row("calibration", a, "u", "filesize", 10.0), row("calibration", b, "u", "filesize", "10")}, "pick", b},
		{"never another format", []any{row("science", a, "u", "filesize", "99"), row("CALIBRATION", b, "u", "size", json.Number("1"))}, "pick", b},
		{"one object", row("calibration", a, "u", "access_estsize", 10.9), "pick", a},
		{"upper case columns", map[string]any{"FORMAT": "calibration", "FILE_NAME": a, "ACCESS_URL": "u", "FILESIZE": "5"}, "pick", a},
		{"the first size that is one", []any{row("calibration", a, "u", "filesize", "big", "size", "5")}, "pick", a},
		{"a negative size", []any{row("calibration", a, "u", "filesize", "-1", "size", "5")}, "pick", ""},
		{"no size", []any{row("calibration", a, "u")}, "pick", ""},
		{"no access URL", []any{row("calibration", a, " ", "size", 1.0)}, "pick", ""},
		{"another name", []any{row("calibration", "cal-1.zip", "u", "size", 1.0)}, "pick", ""},
		{"another name that is declared", []any{row("calibration", "cal-1.zip", "u", "size", 1.0)}, "other", "cal-1.zip"},
		{"nothing", nil, "pick", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := p.Apply([]string{tt.transform}, tt.rows)
			if ok != (tt.want != "") || ok && got != tt.want {
				t.Errorf("got %v %v, want %q", got, ok, tt.want)
			}
		})
	}
	twice := []any{row("calibration", a, "u", "filesize", "20"), row("calibration", b, "u", "filesize", "1"), row("calibration", a, "v", "filesize", "20")}
	if rows := EvaluationRows(twice, "calibration-metadata-processing-logs-SB1_"); len(rows) != 2 {
		t.Errorf("the winner is listed twice, got %v", rows)
	}
	if rows := EvaluationRows(twice, "calibration-metadata-processing-logs-SB2_"); rows != nil {
		t.Errorf("no file of SB2, got %v", rows)
	}
}

func TestTruthyIsPythons(t *testing.T) {
	for _, v := range []any{nil, false, 0.0, int64(0), 0, json.Number("0.0"), "", " ", []any{}, map[string]any{}} {
		if Truthy(v) {
			t.Errorf("%#v holds", v)
		}
	}
	for _, v := range []any{true, 1.0, int64(-1), json.Number("2"), "x", "false", []any{nil}, map[string]any{"a": nil}} {
		if !Truthy(v) {
			t.Errorf("%#v does not hold", v)
		}
	}
}
