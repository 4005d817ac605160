package graph

import (
	"bytes"
	"strings"
	"testing"
)

func TestParseNamesThePlaceOfWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		want      []string
	}{
		{"nothing", "", []string{"x.graph", "line 1, column 1", "not JSON"}},
		{"broken JSON", "{\n \"modelData\": {,}\n}", []string{"x.graph", "line 2, column 16"}},
		{"cut short", "{\n\"nodeDataArray\": [", []string{"line 2"}},
		{"something after the document", "{}\n{}", []string{"line 2, column 1"}},
		{"not UTF-8", "{\n\"a\": \"\xff\"}", []string{"line 2, column 7", "not UTF-8"}},
		{"a list", "[]", []string{"found a list, expected a JSON object"}},
		{"no modelData", `{"nodeDataArray":[]}`, []string{"modelData: found nothing"}},
		{"modelData is text", `{"modelData":"x","nodeDataArray":[]}`, []string{"modelData: found a string"}},
		{"no nodes", `{"modelData":{}}`, []string{"nodeDataArray: missing"}},
		{"nodes are an object", `{"modelData":{},"nodeDataArray":{}}`, []string{"nodeDataArray: found an object, expected a list"}},
		{"a node is a number", `{"modelData":{},"nodeDataArray":[{},7]}`, []string{"nodeDataArray[1]: found a number"}},
		{"a field is null", `{"modelData":{},"nodeDataArray":[{"fields":[null]}]}`, []string{"nodeDataArray[0].fields[0]: found null"}},
		{"links are text", `{"modelData":{},"nodeDataArray":[],"linkDataArray":"x"}`, []string{"linkDataArray: found a string"}},
		{"too long", `{"a":"` + strings.Repeat("x", MaxBytes) + `"}`, []string{"more than the limit of 16777216 (MaxBytes)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.raw), "x.graph")
			wantInvalid(t, err, tt.want...)
		})
	}
}

func TestEncodeKeepsWhatItDoesNotUnderstand(t *testing.T) {
	raw := `{"zeta":{"b":1.0,"a":1e5,"c":12345678901234567890},"nodeDataArray":[{"odd":[null,true,"<&>"]}],"modelData":{}}`
	want := `{"modelData":{},"nodeDataArray":[{"odd":[null,true,"<&>"]}],"zeta":{"a":1e5,"b":1.0,"c":12345678901234567890}}`
	g, err := Parse([]byte(raw), "x.graph")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(g.Encode()); got != want {
		t.Errorf("encoded\n %s\nwant\n %s", got, want)
	}
	again, err := Parse(g.Encode(), "x.graph")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Encode(), g.Encode()) {
		t.Error("reading and writing again gave other bytes")
	}
}

func TestACloneChangesByItself(t *testing.T) {
	g := drawn(t, nodes(scatter("S", 3)))
	before := g.Encode()
	c := g.Clone()
	if _, err := c.Patch([]Patch{{Match: "S", Fields: []FieldValue{{"num_of_copies", 7}}}}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g.Encode(), before) {
		t.Error("the original changed with its clone")
	}
	if bytes.Equal(c.Encode(), before) {
		t.Error("the clone did not change")
	}
}

func TestVerifyHoldsTheBytesAgainstThePin(t *testing.T) {
	raw := []byte("abc")
	const sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if got := Digest(raw); got != sum {
		t.Fatalf("digest %s, want %s", got, sum)
	}
	for _, pin := range []string{sum, strings.ToUpper(sum), " " + sum + "\n"} {
		if err := Verify(raw, pin, "x.graph"); err != nil {
			t.Errorf("pin %q: %v", pin, err)
		}
	}
	wantInvalid(t, Verify([]byte("abd"), sum, "x.graph"), "x.graph", "graph SHA-256 mismatch: "+sum+" pinned, "+Digest([]byte("abd"))+" found")
	wantInvalid(t, Verify(raw, "", "x.graph"), `graph.sha256 is "", expected 64 hexadecimal digits`)
	wantInvalid(t, Verify(raw, sum[:63]+"g", "x.graph"), "expected 64 hexadecimal digits")
}

func TestTheProductionGraphIsTheOneThatIsPinned(t *testing.T) {
	raw := shared(t, "data", "wallaby", "graphs", production)
	if err := Verify(raw, "56faf68f4e22bab5a5976c081f54ad8c2dd4c17c71d02c9b6843c531d2f9a47b", production); err != nil {
		t.Error(err)
	}
}

func TestNodesReadsConstructsAndTheirApplications(t *testing.T) {
	got := drawn(t, nodes(
		scatter("S", 3, inputApp("S")),
		app("a", "x", "", in("S"), obj{"inputApplicationType": "None", "id": 12}),
	)).Nodes()
	s, a := got[0], got[1]
	if !s.IsGroup || s.Category != "Scatter" || s.InputAppType != "DALiuGEApp" || s.InputAppName != "copier" || len(s.InputAppFields) != 2 {
		t.Errorf("scatter read as %+v", s)
	}
	if a.ParentID != "S" || a.InputAppType != "" || a.ID != "12" || !a.Fields[0].IsPort() {
		t.Errorf("application read as %+v", a)
	}
}
