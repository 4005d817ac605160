package configs

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

func TestRenderTemplateReplacesWholeTextsOnly(t *testing.T) {
	values := map[string]any{"id": "A", "n": json.Number("3"), "flags.vsys": nil, "list": []any{"x"}}
	lookup := func(key string) (any, bool) { v, ok := values[key]; return v, ok }
	tmpl := map[string]any{
		"id": "{id}", "n": "{n}", "vsys": "{flags.vsys}", "list": "{list}",
		"partial": "a {id}", "two": "{id}{n}", "empty": "{}", "number": 5.0,
		"nested": []any{map[string]any{"again": "{id}"}, "{gone}", "{gone}", "{also.gone}"},
	}
	out, unresolved := RenderTemplate(tmpl, lookup)
	want := map[string]any{
		"id": "A", "n": json.Number("3"), "vsys": nil, "list": []any{"x"},
		"partial": "a {id}", "two": "{id}{n}", "empty": "{}", "number": 5.0,
		"nested": []any{map[string]any{"again": "A"}, "{gone}", "{gone}", "{also.gone}"},
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"also.gone", "gone"}, unresolved); diff != "" {
		t.Error(diff)
	}
	if tmpl["id"] != "{id}" {
		t.Error("the template was changed")
	}
}

func TestExpressions(t *testing.T) {
	type object = map[string]any
	doc := object{
		"sbids": []any{
			object{"datasets": []any{1.0, 2.0}, "beam_count": int64(2)},
			object{"datasets": []any{3.0}, "beam_count": json.Number("3")},
		},
		"odd": []any{1.9, -4.0, "7", nil, true, json.Number("2.5"), math.NaN(), object{}},
		"big": []any{math.MaxFloat64, int64(math.MaxInt64), 1.0},
		"n":   nil,
	}
	for _, tt := range []struct {
		text string
		want int64
	}{
		{"$count(sbids[].datasets[])", 3},
		{"$sum(sbids[].beam_count)", 5},
		{"$count(sbids[])", 2},
		{"$count(sbids)", 1},
		{"$count(n)", 1},
		{"$count(gone[].datasets[])", 0},
		{"$count(sbids.datasets)", 0},
		{"$sum(odd[])", 3},
		{"$sum(big[])", math.MaxInt64},
	} {
		t.Run(tt.text, func(t *testing.T) {
			e, ok := ParseExpression(tt.text)
			if !ok {
				t.Fatal("does not parse")
			}
			if got := e.Eval(doc); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if e, ok := ParseExpression("$count([].x)"); !ok || e.Eval([]any{object{"x": 1.0}, object{}}) != 1 {
		t.Error("[] goes into the document itself")
	}
	for _, text := range []string{"", "count(a)", "$count", "$count(", "$count()", "$count(a", "$count(a)b", "$avg(a)", "$count(a..b)", "$count(a+1)", "$count($sum(a))", "$count(a[0])", "$count(a[][])", " $count(a)"} {
		if _, ok := ParseExpression(text); ok {
			t.Errorf("%q is no expression", text)
		}
	}
}

func FuzzParseExpression(f *testing.F) {
	f.Add("$count(a[].b[])")
	f.Add("$sum([])")
	f.Fuzz(func(_ *testing.T, text string) {
		if e, ok := ParseExpression(text); ok {
			e.Eval(map[string]any{"a": []any{map[string]any{"b": 1.0}}})
		}
	})
}

func TestAdapterURL(t *testing.T) {
	p := mustLoad(t, edit(t, "[casda]", "[casda]\n  vizier_tap_url: https://mirror.example/tap\n  tap_url: {local: 'http://127.0.0.1:8080/tap', bad: 'ftp://x', casda: 'http://second/tap'}"))
	for _, tt := range []struct {
		name      string
		overrides map[string]string
		want      string // or "!" and a part of the error
	}{
		{"casda", nil, "http://second/tap"},
		{"vizier", nil, "https://mirror.example/tap"},
		{"local", nil, "http://127.0.0.1:8080/tap"},
		{"local", map[string]string{"local": "https://other/tap"}, "https://other/tap"},
		{"casda", map[string]string{"casda": "http://u:p@h/tap"}, "!user or password"},
		{"bad", nil, "!adapters.tap_url.bad"},
		{"gone", nil, "!no TAP URL"},
		{"gone", nil, "!adapters.tap_url.gone in the project config, or give --archive gone=URL"},
	} {
		got, err := p.AdapterURL(tt.name, tt.overrides)
		if part, ok := strings.CutPrefix(tt.want, "!"); ok {
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error()+strings.Join(fault.Hints(err), ""), part) {
				t.Errorf("%s: got %q, %v; want %q", tt.name, got, err, part)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	for _, name := range []string{AdapterCasda, AdapterVizier} {
		if got, err := (&Project{}).AdapterURL(name, nil); err != nil || !strings.HasPrefix(got, "https://") {
			t.Errorf("%s has no public endpoint: %q, %v", name, got, err)
		}
	}
}

func TestParseSchedule(t *testing.T) {
	for _, text := range []string{"*/5 * * * *", "@every 5m", "@hourly", "CRON_TZ=UTC 0 4 * * *", "0 0 29 2 *"} {
		if _, err := ParseSchedule(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "TZ=", "CRON_TZ=UTC", "TZ=Nowhere 0 0 * * *", "* * * *", "60 * * * *", "@every", "@every x", "0 0 30 2 *", "* * * * * *", strings.Repeat("*", 1000)} {
		if _, err := ParseSchedule(text); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q is refused, got %v", text, err)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, seed := range []string{"*/5 * * * *", "@every 5m", "TZ=", "TZ=UTC ", "1-2/3 * * * MON"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseSchedule(text); (s == nil) == (err == nil) {
			t.Fatalf("got %v and %v", s, err)
		}
	})
}
