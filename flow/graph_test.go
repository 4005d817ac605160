package flow

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"go.uber.org/goleak"

	"beampipe/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func nothing(context.Context, Values) (Values, error) { return nil, nil }

// vertex makes a vertex with one output "out" and inputs bound to the given sources.
func vertex(name string, sources ...string) Vertex {
	inputs := map[string]string{}
	for _, source := range sources {
		inputs["from "+source] = source
	}
	return Vertex{Name: name, Inputs: inputs, Outputs: []string{"out"}, Run: nothing}
}

func grouped(v Vertex, group string) Vertex {
	v.Group = group
	return v
}

func mustNew(t testing.TB, vertices ...Vertex) *Graph {
	t.Helper()
	g, err := New(vertices...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestStagesHoldVerticesThatDependOnNothingInTheirStage(t *testing.T) {
	g := mustNew(t, vertex("d", "b.out", "c.out"), vertex("c", "a.out"), vertex("b", "a.out", "$two"), vertex("a", "$one"), vertex("z"))
	want := [][]string{{"a", "z"}, {"b", "c"}, {"d"}}
	if diff := cmp.Diff(want, g.Stages()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"one", "two"}, g.Seeds()); diff != "" {
		t.Error(diff)
	}
}

func TestNewNamesEveryProblemAtOnce(t *testing.T) {
	contract := vertex("k")
	contract.Contract = map[string]*jsonschema.Schema{"other": {}, "out": {Type: "string", Types: []string{"null"}}}
	effect := func(name, key string) Vertex {
		v := vertex(name)
		v.Effect = &Effect{Key: key, Probe: func(context.Context, Values) (Values, bool, error) { return nil, false, nil }}
		return v
	}
	pure := effect("p", "key p")
	pure.Pure = true
	for _, tt := range []struct {
		name     string
		vertices []Vertex
		want     []string
	}{
		{"cycles", []Vertex{
			vertex("a", "b.out"), vertex("b", "a.out"), vertex("x", "z.out"), vertex("y", "x.out"), vertex("z", "y.out"),
			vertex("self", "self.out"), vertex("behind", "a.out"),
		}, []string{"cycle: a → b → a", "cycle: x → y → z → x", "cycle: self → self"}},
		{"missing bindings", []Vertex{vertex("a", "nobody.out"), vertex("b", "a.oot"), vertex("c", "string"), vertex("d", "$")}, []string{
			`vertex "a": input "from nobody.out" is bound to "nobody.out", which nothing gives`,
			`"a.oot", which nothing gives (vertex "a" gives out)`, `"string"`, `"$"`,
		}},
		{"duplicate names", []Vertex{vertex("a"), vertex("a"), {Name: "b", Outputs: []string{"x", "x"}, Run: nothing}}, []string{
			`vertex "a": the name is given twice`, `vertex "b": output "x" is given twice`,
		}},
		{"a vertex that cannot run", []Vertex{{Name: "", Retries: -1, Timeout: -time.Second}, {Name: "$x", Run: nothing, Retries: MaxRetries + 1}}, []string{
			"must not be empty", "no Run", "-1 retries", "negative", "101 retries",
		}},
		{"contracts", []Vertex{contract}, []string{`a contract for "other"`, `output "out" is no usable schema`}},
		{"effects", []Vertex{effect("e", "one"), effect("f", "one"), effect("g", ""), pure}, []string{
			`its effect key "one" is that of vertex "e"`, `vertex "g": an effect needs a key`, `vertex "p": a pure vertex`,
		}},
		{"a group with a stranger inside", []Vertex{
			grouped(vertex("a"), "g"), vertex("stranger", "a.out"), grouped(vertex("b", "stranger.out"), "g"),
		}, []string{`group "g" is split by vertices that are not in it: g → stranger → g`}},
		{"two groups that need each other", []Vertex{
			grouped(vertex("a"), "g"), grouped(vertex("b", "a.out"), "h"), grouped(vertex("c"), "h"), grouped(vertex("d", "c.out"), "g"),
		}, []string{`g → h → g`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.vertices...)
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("got %v, want an Invalid error", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
}

func TestAnErrorWithManyProblemsIsBounded(t *testing.T) {
	var vertices []Vertex
	for range 200 {
		vertices = append(vertices, vertex("same"))
	}
	_, err := New(vertices...)
	if err == nil || !strings.Contains(err.Error(), "and 149 more") {
		t.Errorf("got %v", err)
	}
}

func TestAGroupBesideAStrangerIsFine(t *testing.T) {
	mustNew(t, grouped(vertex("a"), "g"), vertex("x"), vertex("y", "x.out"), grouped(vertex("b", "a.out", "y.out"), "g"))
}
