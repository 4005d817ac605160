package graph

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzParseAndUnroll(f *testing.F) {
	for _, doc := range []obj{
		document(nodes(data("d"), scatter("s", 2, inputApp("s")), app("a", "x", "y", in("s")), data("e", in("s")), gather("g", 2)),
			"d.io s.in", "d.io a.x", "a.y e.io", "e.io g.in"),
		with(document(nodes(ingest("i"), construct("v", "GlobalVariable", field("v1", "n", "Integer", "NoPort", "1")))),
			obj{"activeGraphConfigId": "c", "graphConfigurations": obj{"c": obj{"nodes": obj{"i": obj{"fields": obj{"i.m": obj{"value": "{n}"}}}}}}}),
		document(nodes(scatter("s", 1, in("r")), scatter("r", 1, in("s")))),
	} {
		raw, err := json.Marshal(doc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"modelData":{},"nodeDataArray":[{"fields":[{"usage":"InputPort"}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, err := Parse(raw, "fuzz")
		if err != nil {
			wantInvalid(t, err)
			return
		}
		once := g.Encode()
		again, err := Parse(once, "fuzz")
		if err != nil || !bytes.Equal(again.Encode(), once) {
			t.Fatalf("not stable: %v", err)
		}
		if changes := Diff(g, again); len(changes) != 0 {
			t.Fatalf("differs from itself: %v", changes)
		}
		const most = 1000
		p, err := g.Unroll("p", most)
		if err != nil {
			wantInvalid(t, err)
		} else if len(p.Drops) > most || p.Stats().Drops != len(p.Drops) || len(p.Roots()) > len(p.Drops) {
			t.Fatalf("%d drops", len(p.Drops))
		}
		if err := g.Inject(injection); err != nil {
			wantInvalid(t, err)
		}
	})
}
