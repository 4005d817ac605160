package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"beampipe/fault"
)

var epoch = time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)

func frozen() time.Time { return epoch }

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// adding makes a vertex that adds its inputs up, plus one.
func adding(name string, sources ...string) Vertex {
	v := vertex(name, sources...)
	v.Run = func(_ context.Context, in Values) (Values, error) {
		sum := 1
		for input := range in {
			n, err := Get[int](in, input)
			if err != nil {
				return nil, err
			}
			sum += n
		}
		return Values{"out": sum}, nil
	}
	return v
}

func failing(name string, err error, sources ...string) Vertex {
	v := vertex(name, sources...)
	v.Run = func(context.Context, Values) (Values, error) { return nil, err }
	return v
}

func TestRunGivesOutputsStatesAndLineage(t *testing.T) {
	g := mustNew(t, adding("c", "a.out", "b.out"), adding("b", "a.out"), adding("a", "$start"))
	for _, key := range []string{"start", "$start"} {
		result, err := Run(t.Context(), g, Options{Data: Values{key: 10}, Now: frozen})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Values{"a.out": 11, "b.out": 12, "c.out": 24}, result.Data); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(map[string]State{"a": Completed, "b": Completed, "c": Completed}, result.States); diff != "" {
			t.Error(diff)
		}
		var trace []string
		for _, record := range result.Trace("c.out") {
			trace = append(trace, record.Output)
			if record.Digest == "" || !record.At.Equal(epoch) {
				t.Errorf("record without digest or time: %+v", record)
			}
		}
		if diff := cmp.Diff([]string{"c.out", "a.out", "b.out", "$start"}, trace); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(map[string]string{"from a.out": "a.out"}, result.Trace("b.out")[0].Inputs); diff != "" {
			t.Error(diff)
		}
		if got := result.Trace("nobody.out"); got != nil {
			t.Errorf("a trace of nothing: %v", got)
		}
	}
}

func TestRunRefusesOptionsThatDoNotFit(t *testing.T) {
	g := mustNew(t, adding("a", "$one", "$two"))
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Data: Values{"on": 1}}, "seeds one, two"},
		{Options{Data: Values{"one": 1, "$one": 2, "two": 3}}, `seed "one" is given twice`},
		{Options{Data: Values{"one": 1, "two": 2}, Workers: -1}, "-1 workers"},
		{Options{Data: Values{"one": 1, "two": 2}, Workers: MaxWorkers + 1}, "1025 workers"},
	} {
		result, err := Run(t.Context(), g, tt.o)
		if result != nil || !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want an Invalid error with %q", err, tt.want)
		}
	}
}

func TestAFailureKeepsItsKindAndStopsWhatIsBehindIt(t *testing.T) {
	broken := fault.New(fault.Uncertain, "the answer was lost", "")
	g := mustNew(t, failing("a", broken), adding("behind", "a.out"), adding("far", "behind.out"), adding("b"), adding("c", "b.out"))
	for _, tt := range []struct {
		keepGoing bool
		other     State
	}{{false, Pending}, {true, Completed}} {
		result, err := Run(t.Context(), g, Options{KeepGoing: tt.keepGoing})
		if !errors.Is(err, fault.Uncertain) || err.Error() != `vertex "a": the answer was lost` {
			t.Errorf("got %v", err)
		}
		want := map[string]State{"a": Failed, "behind": Failed, "far": Failed, "b": tt.other, "c": tt.other}
		if diff := cmp.Diff(want, result.States); diff != "" {
			t.Error(diff)
		}
		if !errors.Is(result.Errors["far"], ErrUpstream) {
			t.Errorf("far failed with %v", result.Errors["far"])
		}
	}
}

func TestRunningVerticesFinishWhenAnotherFails(t *testing.T) {
	started, failed := make(chan struct{}), make(chan struct{})
	slow := vertex("slow")
	slow.Run = func(context.Context, Values) (Values, error) {
		close(started)
		<-failed
		return Values{"out": "done"}, nil
	}
	bad := vertex("bad")
	bad.Run = func(context.Context, Values) (Values, error) {
		<-started
		return nil, errors.New("broken")
	}
	observer := func(e Event) {
		if e.Vertex == "bad" && e.State == Failed {
			close(failed)
		}
	}
	result, err := Run(t.Context(), mustNew(t, slow, bad, vertex("later", "slow.out")), Options{Workers: 2, Observer: observer})
	if err == nil || result.States["slow"] != Completed || result.States["later"] != Pending {
		t.Errorf("got %v, %v", result.States, err)
	}
}

func TestAVertexStartsAsSoonAsItsInputsAreThere(t *testing.T) {
	secondStage := make(chan struct{})
	slow := vertex("slow") // ends only after a vertex of the stage behind it ran
	slow.Run = func(ctx context.Context, _ Values) (Values, error) {
		<-secondStage
		return Values{"out": 1}, nil
	}
	second := vertex("second", "quick.out")
	second.Run = func(context.Context, Values) (Values, error) {
		close(secondStage)
		return Values{"out": 1}, nil
	}
	if _, err := Run(t.Context(), mustNew(t, slow, adding("quick"), second), Options{Workers: 2}); err != nil {
		t.Error(err)
	}
}

func TestNoMoreVerticesRunAtOnceThanThereAreWorkers(t *testing.T) {
	var running, most atomic.Int32
	var vertices []Vertex
	for i := range 40 {
		v := vertex(fmt.Sprint("v", i))
		v.Run = func(context.Context, Values) (Values, error) {
			now := running.Add(1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			running.Add(-1)
			return Values{"out": 1}, nil
		}
		vertices = append(vertices, v)
	}
	for _, workers := range []int{0, 1, 3} {
		most.Store(0)
		if _, err := Run(t.Context(), mustNew(t, vertices...), Options{Workers: workers}); err != nil {
			t.Fatal(err)
		}
		if got := int(most.Load()); got > max(workers, 1) {
			t.Errorf("%d at once with %d workers", got, workers)
		}
	}
}

func TestCancelWaitsForWhatRunsAndStartsNothingElse(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the operator said so")
	waiting := vertex("waiting")
	waiting.Run = func(ctx context.Context, _ Values) (Values, error) {
		cancel(why)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var kept []Checkpoint
	o := Options{KeepGoing: true, Checkpoint: func(ctx context.Context, c Checkpoint) error {
		kept = append(kept, c.Clone())
		return ctx.Err()
	}}
	result, err := Run(ctx, mustNew(t, adding("before"), waiting, adding("zlast", "before.out"), adding("behind", "waiting.out")), o)
	if !errors.Is(err, why) || errors.As(err, new(*fault.Error)) {
		t.Errorf("got %v", err)
	}
	want := map[string]State{"before": Completed, "waiting": Failed, "zlast": Pending, "behind": Pending}
	if diff := cmp.Diff(want, result.States); diff != "" {
		t.Error(diff)
	}
	if len(kept) != 2 || kept[1].States["waiting"] != Failed {
		t.Errorf("checkpoints: %+v", kept)
	}
}

func TestPanicsHarmTheirVertexOnlyAndObserversNothing(t *testing.T) {
	bad := vertex("bad")
	bad.Run = func(context.Context, Values) (Values, error) { panic("out of cheese") }
	_, err := Run(t.Context(), mustNew(t, bad), Options{Observer: func(Event) { panic("observer") }})
	if err == nil || err.Error() != `vertex "bad": it panicked: out of cheese` {
		t.Errorf("got %v", err)
	}
}

func TestOutputsAreHeldAgainstDeclarationAndContract(t *testing.T) {
	for _, tt := range []struct {
		name  string
		given Values
		want  string
	}{
		{"missing", Values{}, `did not give its output "out"`},
		{"undeclared", Values{"out": map[string]int{"n": 1}, "more": 2}, `"more" that it does not declare`},
		{"breaks the contract", Values{"out": map[string]any{"n": "text"}}, `output "out" breaks its contract`},
		{"no JSON", Values{"out": func() {}}, `output "out" cannot be kept as JSON`},
		{"good, a struct", Values{"out": struct {
			N int `json:"n"`
		}{4}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := vertex("v")
			v.Retries = 3
			v.Contract = map[string]*jsonschema.Schema{"out": {
				Type: "object", Properties: map[string]*jsonschema.Schema{"n": {Type: "integer"}}, Required: []string{"n"},
			}}
			calls := 0
			v.Run = func(context.Context, Values) (Values, error) { calls++; return tt.given, nil }
			_, err := Run(t.Context(), mustNew(t, v), Options{Sleep: noSleep})
			if tt.want == "" && err == nil {
				return
			}
			if err == nil || tt.want == "" || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, fault.Invalid) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if calls != 1 {
				t.Errorf("called %d times", calls)
			}
		})
	}
}

func TestRetriesFollowTheKindOfTheError(t *testing.T) {
	for _, tt := range []struct {
		kind   fault.Kind
		effect bool
		want   int
	}{
		{"", false, 3},
		{fault.Unavailable, false, 3},
		{fault.Uncertain, false, 1},
		{fault.Uncertain, true, 3},
		{fault.Invalid, false, 1},
		{fault.NotFound, false, 1},
		{fault.Conflict, true, 1},
	} {
		calls, probes := 0, 0
		v := vertex("v")
		v.Retries = 2
		v.Run = func(context.Context, Values) (Values, error) {
			calls++
			if tt.kind == "" {
				return nil, errors.New("plain")
			}
			return nil, fault.New(tt.kind, "no", "")
		}
		if tt.effect {
			v.Effect = &Effect{Key: "k", Probe: func(context.Context, Values) (Values, bool, error) { probes++; return nil, false, nil }}
		}
		var waits []time.Duration
		o := Options{Sleep: func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }}
		if _, err := Run(t.Context(), mustNew(t, v), o); err == nil {
			t.Error("no error")
		}
		if calls != tt.want || len(waits) != tt.want-1 || (tt.effect && probes != calls) {
			t.Errorf("%+v: %d calls, %d probes, waits %v", tt, calls, probes, waits)
		}
		if len(waits) == 2 && !slices.Equal(waits, []time.Duration{firstBackoff, 2 * firstBackoff}) {
			t.Errorf("waits %v", waits)
		}
	}
}

func TestAVertexThatTakesTooLongIsUnavailableOrUncertain(t *testing.T) {
	for _, tt := range []struct {
		effect bool
		want   fault.Kind
	}{{false, fault.Unavailable}, {true, fault.Uncertain}} {
		v := vertex("v")
		v.Timeout = time.Millisecond
		v.Run = func(ctx context.Context, _ Values) (Values, error) { <-ctx.Done(); return nil, ctx.Err() }
		if tt.effect {
			v.Effect = &Effect{Key: "k", Probe: func(context.Context, Values) (Values, bool, error) { return nil, false, nil }}
		}
		_, err := Run(t.Context(), mustNew(t, v), Options{})
		if fault.KindOf(err) != tt.want || !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "no result within 1ms") {
			t.Errorf("got %v", err)
		}
	}
}

func TestAProbeThatCannotTellFailsTheVertexWithoutRunningIt(t *testing.T) {
	v := vertex("v")
	v.Effect = &Effect{Key: "bp-1", Probe: func(context.Context, Values) (Values, bool, error) {
		return nil, false, fault.New(fault.Unavailable, "no answer", "")
	}}
	v.Run = func(context.Context, Values) (Values, error) { t.Error("it ran"); return nil, nil }
	_, err := Run(t.Context(), mustNew(t, v), Options{})
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), `probe effect "bp-1"`) {
		t.Errorf("got %v", err)
	}
}

func TestPureVerticesComeFromTheCacheUntilInputOrVersionChanges(t *testing.T) {
	cache := NewMemoryCache(10)
	calls := 0
	try := func(version string, seed any) (int, int) {
		t.Helper()
		v := vertex("v", "$seed")
		v.Pure, v.Version = true, version
		v.Run = func(_ context.Context, in Values) (Values, error) {
			calls++
			return Values{"out": in["from $seed"]}, nil
		}
		result, err := Run(t.Context(), mustNew(t, v), Options{Cache: cache, Data: Values{"seed": seed}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Get[int](result.Data, "v.out")
		if err != nil {
			t.Fatal(err)
		}
		return got, result.Cached
	}
	for i, tt := range []struct {
		version string
		seed    any
		cached  int
		calls   int
	}{{"1", 7, 0, 1}, {"1", 7, 1, 1}, {"1", json.Number("7"), 1, 1}, {"2", 7, 0, 2}, {"1", 8, 0, 3}} {
		got, cached := try(tt.version, tt.seed)
		if cached != tt.cached || calls != tt.calls || fmt.Sprint(got) != fmt.Sprint(tt.seed) {
			t.Errorf("step %d: got %d, cached %d, %d calls", i, got, cached, calls)
		}
	}
}

func TestTheMemoryCacheForgetsItsOldestEntry(t *testing.T) {
	cache := NewMemoryCache(2)
	for _, key := range []string{"a", "b", "a", "c"} {
		if err := cache.Put(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string]bool{"a": false, "b": true, "c": true} {
		if _, found, _ := cache.Get(t.Context(), key); found != want {
			t.Errorf("%s: found %v", key, found)
		}
	}
}

func TestAGroupCountsOnlyAsAWhole(t *testing.T) {
	for _, fails := range []bool{false, true} {
		second := adding("b", "a.out")
		if fails {
			second = failing("b", errors.New("broken"), "a.out")
		}
		g := mustNew(t, grouped(adding("a"), "g"), grouped(second, "g"), adding("reader", "a.out"), adding("other"))
		var completed []string
		o := Options{
			KeepGoing: true,
			Observer: func(e Event) {
				if e.State == Completed {
					completed = append(completed, e.Vertex)
				}
			},
			Checkpoint: func(_ context.Context, c Checkpoint) error {
				if _, a := c.Outputs["a.out"]; a != (c.States["b"] == Completed) {
					t.Errorf("after %s: half a group in the checkpoint: %v", c.Ended, c.States)
				}
				return nil
			},
		}
		result, err := Run(t.Context(), g, o)
		if fails {
			if err == nil || err.Error() != `vertex "b": broken` || !errors.Is(result.Errors["a"], ErrRolledBack) || !errors.Is(result.Errors["reader"], ErrUpstream) {
				t.Errorf("got %v, %v", err, result.Errors)
			}
			if diff := cmp.Diff(Values{"other.out": 1}, result.Data); diff != "" {
				t.Error(diff)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"other", "a", "b", "reader"}, completed); diff != "" {
			t.Error(diff)
		}
	}
}

func TestGetReadsAValueAndItsPlainForm(t *testing.T) {
	type thing struct {
		Name string
		Raw  []byte
	}
	want := thing{"x", []byte{0, 255}}
	raw, err := canonical(want)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []any{want, plain} {
		got, err := Get[thing](Values{"v": value}, "v")
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	for name, values := range map[string]Values{"absent": {}, "another type": {"v": "text"}, "no JSON": {"v": func() {}}} {
		if _, err := Get[thing](values, "v"); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
