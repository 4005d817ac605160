package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"beampipe/fault"
)

// world is what vertices with effects change: how often each effect was made, and what came of it.
type world struct {
	mu    sync.Mutex
	made  map[string]int
	gives map[string]any
}

func newWorld() *world { return &world{made: map[string]int{}, gives: map[string]any{}} }

func (w *world) probe(key string) func(context.Context, Values) (Values, bool, error) {
	return func(context.Context, Values) (Values, bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return Values{"out": w.gives[key]}, w.made[key] > 0, nil
	}
}

func (w *world) make(key string, value any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made[key]++
	w.gives[key] = value
}

// drawn is a random graph, as data, so that it can be built anew for another world.
type drawn struct {
	sources [][]int
	kinds   []string // "", "fails", "effect", "pure"
	groups  []string
	names   []string
}

func draw(t *rapid.T, kinds ...string) drawn {
	n := rapid.IntRange(1, 10).Draw(t, "vertices")
	d := drawn{sources: make([][]int, n), kinds: make([]string, n), groups: make([]string, n), names: make([]string, n)}
	order := rapid.Permutation(slices.Collect(func(yield func(int) bool) {
		for i := 0; i < n && yield(i); i++ {
		}
	})).Draw(t, "names")
	for i := range n {
		d.names[i] = fmt.Sprintf("v%02d", order[i])
		for j := range i {
			if rapid.IntRange(0, 3).Draw(t, "bound") == 0 {
				d.sources[i] = append(d.sources[i], j)
			}
		}
		d.kinds[i] = rapid.SampledFrom(kinds).Draw(t, "kind")
		d.groups[i] = rapid.SampledFrom([]string{"", "", "", "g", "h"}).Draw(t, "group")
	}
	return d
}

func (d drawn) build(w *world) (*Graph, error) {
	vertices := make([]Vertex, len(d.names))
	for i, name := range d.names {
		sources := []string{"$seed"}
		for _, j := range d.sources[i] {
			sources = append(sources, d.names[j]+".out")
		}
		v := vertex(name, sources...)
		v.Group, v.Pure, v.Version = d.groups[i], d.kinds[i] == "pure", "1"
		if d.kinds[i] == "effect" {
			v.Effect = &Effect{Key: name, Probe: w.probe(name)}
		}
		v.Run = func(_ context.Context, in Values) (Values, error) {
			if d.kinds[i] == "fails" {
				return nil, fault.New(fault.Conflict, "drawn to fail", "")
			}
			raw, err := canonical(in)
			if err != nil {
				return nil, err
			}
			out := map[string]any{"by": name, "of": digest(raw), "n": i}
			if v.Effect != nil {
				w.make(name, out)
			}
			return Values{"out": out}, nil
		}
		vertices[i] = v
	}
	return New(vertices...)
}

// graphOf builds d, without its groups where they would be split.
func graphOf(t *rapid.T, d drawn, w *world) (drawn, *Graph) {
	g, err := d.build(w)
	if err != nil {
		d.groups = make([]string, len(d.names))
		if g, err = d.build(w); err != nil {
			t.Fatal(err)
		}
	}
	return d, g
}

// plain gives a result's data as canonical JSON.
func plain(t *rapid.T, r *Result) map[string]string {
	texts := map[string]string{}
	for name, value := range r.Data {
		raw, err := canonical(value)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(raw)
	}
	return texts
}

func TestParallelEqualsSerial(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, g := graphOf(t, draw(t, "", "", "pure", "effect", "fails"), newWorld())
		o := Options{Data: Values{"seed": "s"}, Now: frozen, KeepGoing: true}
		serial, serialErr := Run(context.Background(), g, o)
		_, g = graphOf(t, d, newWorld())
		o.Workers = rapid.IntRange(2, 8).Draw(t, "workers")
		parallel, parallelErr := Run(context.Background(), g, o)
		// Which member of a broken group failed by itself depends on who came first; that it failed does not.
		if (serialErr == nil) != (parallelErr == nil) || fault.KindOf(serialErr) != fault.KindOf(parallelErr) {
			t.Fatalf("serial: %v, parallel: %v", serialErr, parallelErr)
		}
		if diff := cmp.Diff(serial.Data, parallel.Data); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(serial.Lineage, parallel.Lineage); diff != "" {
			t.Fatal(diff)
		}
		if len(serial.States) != len(d.names) || len(d.groups) == 0 {
			t.Fatal("a vertex has no state")
		}
		if diff := cmp.Diff(serial.States, parallel.States); diff != "" {
			t.Fatal(diff)
		}
	})
}

func sameRecord(a, b Record) bool {
	return a.Output == b.Output && a.Vertex == b.Vertex && a.Digest == b.Digest && a.At.Equal(b.At) && maps.Equal(a.Inputs, b.Inputs)
}

var errKilled = errors.New("killed")

func TestARunKilledAtAnyCheckpointGoesOnWithoutRepeatingEffects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 4).Draw(t, "workers")
		o := Options{Data: Values{"seed": "s"}, Now: frozen, Workers: workers}
		d, g := graphOf(t, draw(t, "", "pure", "effect"), newWorld())
		whole, err := Run(context.Background(), g, o)
		if err != nil {
			t.Fatal(err)
		}
		want := plain(t, whole)
		for kill := range len(d.names) {
			for _, durable := range []bool{true, false} { // killed after, and before the checkpoint was durable
				w := newWorld()
				_, g := graphOf(t, d, w)
				stored := interrupted(t, g, o, kill, durable)
				resumed := o
				resumed.Resume = stored
				result, err := Run(context.Background(), g, resumed)
				if err != nil {
					t.Fatal(err)
				}
				if got := plain(t, result); !maps.Equal(want, got) {
					t.Fatal(cmp.Diff(want, got))
				}
				if !slices.EqualFunc(whole.Lineage, result.Lineage, sameRecord) {
					t.Fatal(cmp.Diff(whole.Lineage, result.Lineage))
				}
				for key, times := range w.made {
					if times != 1 {
						t.Fatalf("the effect of %s was made %d times", key, times)
					}
				}
			}
		}
	})
}

// interrupted runs g until its checkpoint number kill and gives what was stored by then, put together
// from steps and after a way through JSON.
func interrupted(t *rapid.T, g *Graph, o Options, kill int, durable bool) *Checkpoint {
	var stored Checkpoint
	calls := 0
	o.Checkpoint = func(_ context.Context, c Checkpoint) error {
		if calls++; calls > kill {
			if durable {
				stored.Merge(c.Step())
			}
			return errKilled
		}
		stored.Merge(c.Step())
		if len(c.Outputs) != len(stored.Outputs) || len(c.Lineage) != len(stored.Lineage) {
			t.Fatalf("the steps do not add up to the checkpoint after %s", c.Ended)
		}
		return nil
	}
	if _, err := Run(context.Background(), g, o); err != nil && !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	raw, err := json.MarshalIndent(stored, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var back Checkpoint
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	return &back
}

func TestAFailedVertexRunsAgainOnResumeAndACompletedOneDoesNot(t *testing.T) {
	runs := map[string]int{}
	broken := true
	a, b := vertex("a", "$seed"), vertex("b", "a.out")
	a.Run = func(context.Context, Values) (Values, error) { runs["a"]++; return Values{"out": []byte("bytes")}, nil }
	b.Run = func(_ context.Context, in Values) (Values, error) {
		runs["b"]++
		if broken {
			return nil, errors.New("not yet")
		}
		got, err := Get[[]byte](in, "from a.out")
		return Values{"out": string(got)}, err
	}
	g := mustNew(t, a, b)
	var last Checkpoint
	o := Options{Data: Values{"seed": 1}, Checkpoint: func(_ context.Context, c Checkpoint) error { last = c.Clone(); return nil }}
	if _, err := Run(t.Context(), g, o); err == nil {
		t.Fatal("no error")
	}
	broken = false
	o.Resume = &last
	result, err := Run(t.Context(), g, o)
	if err != nil || result.Data["b.out"] != "bytes" {
		t.Errorf("got %v, %v", result.Data, err)
	}
	if !maps.Equal(runs, map[string]int{"a": 1, "b": 2}) {
		t.Errorf("runs: %v", runs)
	}
}

func TestACheckpointOfSomethingElseIsRefused(t *testing.T) {
	g := mustNew(t, adding("a", "$seed"), adding("b", "a.out"))
	seven := digest([]byte("7"))
	one := json.RawMessage("1")
	for _, tt := range []struct {
		name string
		from Checkpoint
		want string
	}{
		{"another graph", Checkpoint{States: map[string]State{"x": Completed}}, `vertex "x" is not in this graph`},
		{"another seed", Checkpoint{Seeds: map[string]string{"seed": seven}}, `seed "seed" has another value now`},
		{"an output is missing", Checkpoint{States: map[string]State{"a": Completed}}, "output a.out is not there"},
		{"an output is broken", Checkpoint{
			States: map[string]State{"a": Completed}, Outputs: map[string]json.RawMessage{"a.out": []byte("{")},
		}, "a.out is no JSON"},
		{"a source is missing", Checkpoint{
			States: map[string]State{"b": Completed}, Outputs: map[string]json.RawMessage{"b.out": one},
		}, `its source "a" is not`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Run(t.Context(), g, Options{Data: Values{"seed": 8}, Resume: &tt.from})
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// BenchmarkRun measures the engine's own cost: ns/op is per run of 10,000 vertices.
func BenchmarkRun(b *testing.B) {
	vertices := make([]Vertex, 10_000)
	for i := range vertices {
		if i == 0 {
			vertices[i] = adding("v0")
			continue
		}
		vertices[i] = adding(fmt.Sprint("v", i), fmt.Sprintf("v%d.out", i/2))
	}
	g := mustNew(b, vertices...)
	o := Options{Checkpoint: func(context.Context, Checkpoint) error { return nil }}
	for b.Loop() {
		if _, err := Run(b.Context(), g, o); err != nil {
			b.Fatal(err)
		}
	}
}
