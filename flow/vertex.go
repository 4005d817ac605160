package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"beampipe/fault"
)

// MaxRetries is the highest Vertex.Retries.
const MaxRetries = 100

// Values are named inputs or outputs of a vertex. A value may be handed to several vertices at
// once: nobody may change it after it was given.
type Values map[string]any

// Vertex is one step of a Graph.
type Vertex struct {
	Name    string            // unique in the graph
	Inputs  map[string]string // input name -> "vertex.output", or "$seed" for a value given in Options.Data
	Outputs []string          // what Run gives: all of these and nothing else

	// Pure says that the outputs depend on the inputs and on Version alone: they may be taken
	// from Options.Cache. Change Version whenever Run would give something else.
	Pure    bool
	Version string

	// Effect is set for a vertex that changes something outside the process.
	Effect *Effect

	// Group names vertices that count only together: their outputs are seen outside the group, and
	// kept in a checkpoint, once all of them completed; when one fails, all have failed.
	Group string

	// Contract gives a JSON Schema per output (draft-07 or 2020-12); an output that breaks it
	// fails the vertex. Outputs without one are not checked.
	Contract map[string]*jsonschema.Schema

	// Retries is how often Run may be called again after a failure (0 to MaxRetries). Errors of
	// kind Invalid, NotFound and Conflict are never retried, Uncertain only with an Effect.
	Retries int

	// Timeout bounds one call of Run; 0 is none. Run must return soon after its context ends.
	Timeout time.Duration

	// Run does the work.
	Run func(ctx context.Context, in Values) (Values, error)
}

// Effect identifies what a vertex does outside, and can tell whether it was done.
type Effect struct {
	// Key names the effect outside; unique in the graph.
	Key string

	// Probe is asked before each call of Run, also the first: an earlier process may have died after
	// the effect and before its checkpoint. True means that it happened, with these outputs; an error
	// means that it could not be found out, and fails the vertex.
	Probe func(ctx context.Context, in Values) (Values, bool, error)
}

// Get gives the value called name as a T. It takes the value as the vertex gave it, and also its
// plain JSON form, in which it comes back from a checkpoint or a cache.
func Get[T any](values Values, name string) (T, error) {
	var zero T
	value, ok := values[name]
	if !ok {
		return zero, fault.New(fault.Invalid, fmt.Sprintf("read value %q: there is none of that name", name), "")
	}
	if typed, ok := value.(T); ok {
		return typed, nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return zero, fault.Wrap(fault.Invalid, err, fmt.Sprintf("read value %q: %T is not a %T", name, value, zero), "")
	}
	var typed T
	if err := json.Unmarshal(raw, &typed); err != nil {
		return zero, fault.Wrap(fault.Invalid, err, fmt.Sprintf("read value %q as %T", name, zero), "")
	}
	return typed, nil
}
