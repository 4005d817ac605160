package graph

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFieldsTakeConfigurationThenGlobalsThenDefault(t *testing.T) {
	a := app("a", "", "")
	for _, f := range []obj{
		field("f1", "base", "String", "NoPort", "kept"),
		with(field("f2", "empty", "String", "NoPort", ""), obj{"defaultValue": "the default"}),
		with(field("f3", "null", "Integer", "NoPort", nil), obj{"defaultValue": "7"}),
		field("f4", "overlaid", "Integer", "NoPort", 1),
		field("f5", "greeting", "String", "NoPort", "hello {who}, {who}"),
		field("f6", "number", "String", "NoPort", "{n}"),
		field("f7", "other", "String", "NoPort", "{nobody}"),
		field("f8", "twice", "String", "NoPort", "first"),
		field("f9", "twice", "String", "NoPort", "last"),
	} {
		withField(a, f)
	}
	doc := document(nodes(a, obj{
		"id": "v", "name": "vars", "category": "GlobalVariable", "categoryType": "Data",
		"fields": []any{field("v1", "who", "String", "NoPort", "nobody yet"), field("v2", "n", "Integer", "NoPort", 42)},
	}))
	doc["activeGraphConfigId"] = "c"
	doc["graphConfigurations"] = obj{"c": obj{"nodes": obj{
		"a": obj{"fields": obj{"f4": obj{"value": "12"}}},
		"v": obj{"fields": obj{"v1": obj{"value": "world"}}},
	}}, "not active": obj{"nodes": obj{"a": obj{"fields": obj{"f1": obj{"value": "wrong"}}}}}}
	p, err := parsed(t, doc).Unroll("p", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Drops) != 1 {
		t.Fatalf("%d drops, want the application alone", len(p.Drops))
	}
	got := map[string]string{}
	for name, value := range p.Drops[0].Fields {
		got[name] = value.Type + " " + value.Text()
	}
	want := map[string]string{
		"base": "String kept", "empty": "String the default", "null": "Integer 7", "overlaid": "Integer 12",
		"greeting": "String hello world, world", "number": "Integer 42", "other": "String {nobody}", "twice": "String last",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if n, ok := p.Drops[0].Fields["number"].Int(); !ok || n != 42 {
		t.Errorf("number is %v, %v", n, ok)
	}
}

func TestAGlobalOfTheWrongTypeIsRefused(t *testing.T) {
	for typ, want := range map[string]string{
		"Integer": `"x1" is not of type Integer`,
		"Float":   `"x1" is not of type Float`,
		"Select":  `type "Select" cannot be used`,
	} {
		g := drawn(t, nodes(
			withField(app("a", "", ""), field("f", "command", "String", "NoPort", "x{n}")),
			construct("v", "GlobalVariable", field("v1", "n", typ, "NoPort", "1"), obj{"isGroup": false}),
		))
		_, err := g.Unroll("p", 0)
		wantInvalid(t, err, `field "command" of node "a"`, `global variable "n"`, want)
	}
}

func TestAValueReadsAsWhatItHolds(t *testing.T) {
	g := drawn(t, nodes(withField(withField(app("a", "", ""),
		field("1", "flag", "Boolean", "NoPort", "True")), field("2", "list", "Json", "NoPort", []any{1, "<"}))))
	p, err := g.Unroll("p", 0)
	if err != nil {
		t.Fatal(err)
	}
	f := p.Drops[0].Fields
	if !f["flag"].Bool() || f["list"].Bool() || f["list"].Text() != `[1,"<"]` {
		t.Errorf("fields %v", f)
	}
	if _, ok := f["list"].Int(); ok {
		t.Error("a list reads as a number")
	}
	for text, want := range map[string]int{"3": 3, " 4 ": 4, "3.0": 3, "-2": -2} {
		if n, ok := (Value{JSON: text}).Int(); !ok || n != want {
			t.Errorf("%q reads as %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "x", "2.5", "1e300", "NaN", "Inf"} {
		if n, ok := (Value{JSON: text}).Int(); ok {
			t.Errorf("%q reads as %d", text, n)
		}
	}
	if x, ok := (Value{JSON: "2.5"}).Float(); !ok || x != 2.5 {
		t.Errorf("2.5 reads as %v, %v", x, ok)
	}
}
