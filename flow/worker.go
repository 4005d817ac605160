package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"beampipe/fault"
)

// Waits before retries.
const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// worker runs one node once, retries included.
type worker struct {
	node    *node
	o       *Options
	in      Values
	digests map[string]string // of the inputs, by input name; "" for one that is no JSON
}

// outcome is what a worker answers.
type outcome struct {
	index   int
	outputs []output // in the order of Vertex.Outputs
	cached  bool
	err     error
}

// output is one checked output. raw is nil, and digest empty, when the value is no JSON.
type output struct {
	name   string
	value  any
	raw    json.RawMessage
	digest string
}

func (w *worker) work(ctx context.Context) outcome {
	key := w.cacheKey()
	if key != "" {
		outputs, found, err := w.fromCache(ctx, key)
		if err != nil || found {
			return outcome{outputs: outputs, cached: found, err: err}
		}
	}
	outputs, err := w.attempts(ctx)
	if err == nil && key != "" {
		err = w.toCache(ctx, key, outputs)
	}
	return outcome{outputs: outputs, err: err}
}

// attempts calls the vertex until it succeeds or may not be called again.
func (w *worker) attempts(ctx context.Context) ([]output, error) {
	backoff := firstBackoff
	for left := w.node.Retries; ; left-- {
		outputs, err := w.attempt(ctx)
		if err == nil {
			return outputs, nil
		}
		if left == 0 || ctx.Err() != nil || !w.retryable(err) {
			return nil, err
		}
		if w.o.Sleep(ctx, backoff) != nil {
			return nil, err // stopped while waiting: the failure is what is known
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

func (w *worker) retryable(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Conflict:
		return false
	case fault.Uncertain:
		return w.node.Effect != nil // the probe will tell
	default:
		return true
	}
}

// attempt asks the probe, if there is one, and runs the vertex if it has not happened.
func (w *worker) attempt(ctx context.Context) ([]output, error) {
	if w.node.Effect != nil {
		values, happened, err := w.probe(ctx)
		if err != nil {
			return nil, fmt.Errorf("probe effect %q: %w", w.node.Effect.Key, err)
		}
		if happened {
			return w.check(values)
		}
	}
	values, err := w.call(ctx)
	if err != nil {
		return nil, err
	}
	return w.check(values)
}

func (w *worker) probe(ctx context.Context) (values Values, happened bool, err error) {
	defer recovered(&err)
	return w.node.Effect.Probe(ctx, w.in)
}

func (w *worker) call(ctx context.Context) (values Values, err error) {
	defer recovered(&err)
	if w.node.Timeout == 0 {
		return w.node.Run(ctx, w.in)
	}
	limited, cancel := context.WithTimeoutCause(ctx, w.node.Timeout, ErrTimeout)
	defer cancel()
	values, err = w.node.Run(limited, w.in)
	if err == nil || ctx.Err() != nil || !errors.Is(context.Cause(limited), ErrTimeout) {
		return values, err
	}
	kind := fault.Unavailable
	if w.node.Effect != nil {
		kind = fault.Uncertain
	}
	if !errors.Is(err, ErrTimeout) {
		err = errors.Join(ErrTimeout, err)
	}
	return nil, fault.Wrap(kind, err, fmt.Sprintf("no result within %s", w.node.Timeout), "")
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("it panicked: %v", p)
	}
}

// check holds values against what the vertex declared.
func (w *worker) check(values Values) ([]output, error) {
	if len(values) != len(w.node.Outputs) {
		for name := range values {
			if !slices.Contains(w.node.Outputs, name) {
				return nil, fault.New(fault.Invalid, fmt.Sprintf("it gave an output %q that it does not declare", name), "")
			}
		}
	}
	outputs := make([]output, 0, len(w.node.Outputs))
	for _, name := range w.node.Outputs {
		value, ok := values[name]
		if !ok {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("it did not give its output %q", name), "")
		}
		o, err := w.checkOutput(name, value)
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, o)
	}
	return outputs, nil
}

func (w *worker) checkOutput(name string, value any) (output, error) {
	o := output{name: name, value: value}
	raw, err := canonical(value)
	contract := w.node.contracts[name]
	if err != nil {
		if contract != nil || w.o.Checkpoint != nil {
			return o, fault.Wrap(fault.Invalid, err, fmt.Sprintf("output %q cannot be kept as JSON", name), "")
		}
		return o, nil
	}
	o.raw, o.digest = raw, digest(raw)
	if contract == nil {
		return o, nil
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return o, fault.Wrap(fault.Invalid, err, fmt.Sprintf("output %q: its JSON cannot be read back", name), "")
	}
	if err := contract.Validate(plain); err != nil {
		return o, fault.Wrap(fault.Invalid, err, fmt.Sprintf("output %q breaks its contract", name), "")
	}
	return o, nil
}

// cacheKey is "" when the vertex must run: it is not pure, there is no cache, or an input is no JSON.
func (w *worker) cacheKey() string {
	if !w.node.Pure || w.o.Cache == nil {
		return ""
	}
	for _, digest := range w.digests {
		if digest == "" {
			return ""
		}
	}
	raw, err := canonical(map[string]any{"vertex": w.node.Name, "version": w.node.Version, "inputs": w.digests})
	if err != nil {
		return ""
	}
	return digest(raw)
}

func (w *worker) fromCache(ctx context.Context, key string) ([]output, bool, error) {
	stored, found, err := w.o.Cache.Get(ctx, key)
	if err != nil {
		return nil, false, fmt.Errorf("ask the cache: %w", err)
	}
	if !found {
		return nil, false, nil
	}
	values := make(Values, len(stored))
	for name, raw := range stored {
		if values[name], err = decode(raw); err != nil {
			return nil, false, fmt.Errorf("output %q from the cache: %w", name, err)
		}
	}
	outputs, err := w.check(values)
	return outputs, err == nil, err
}

func (w *worker) toCache(ctx context.Context, key string, outputs []output) error {
	stored := make(map[string]json.RawMessage, len(outputs))
	for _, o := range outputs {
		if o.raw == nil {
			return nil // cannot be kept; it runs again next time
		}
		stored[o.name] = o.raw
	}
	if err := w.o.Cache.Put(ctx, key, stored); err != nil {
		return fmt.Errorf("fill the cache: %w", err)
	}
	return nil
}
