package tap

import (
	"context"
	"time"

	"beampipe/fault"
)

const (
	// DocumentFresh is how long what an archive says about itself is taken for true.
	DocumentFresh = 24 * time.Hour
	// failureFresh is how long a document that could not be read is not asked for again.
	failureFresh = time.Minute
)

// cached keeps one document. Of callers that want it at the same time, one asks.
type cached[T any] struct {
	turn  chan struct{} // holds one token while a caller asks
	read  bool
	at    time.Time
	value T
	err   error
}

func newCached[T any]() *cached[T] { return &cached[T]{turn: make(chan struct{}, 1)} }

// get gives the document, and asks for it with fetch where it is missing or old.
func (k *cached[T]) get(ctx context.Context, now func() time.Time, fetch func(context.Context) (T, error)) (T, error) {
	var none T
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return none, fault.Wrap(fault.Unavailable, ctx.Err(), "wait for what the archive says about itself", "")
	}
	fresh := DocumentFresh
	if k.err != nil {
		fresh = failureFresh
	}
	if age := now().Sub(k.at); k.read && age >= 0 && age < fresh {
		return k.value, k.err
	}
	value, err := fetch(ctx)
	if err != nil && ctx.Err() != nil {
		return none, err // the caller's haste says nothing about the document
	}
	k.value, k.err, k.at, k.read = value, err, now(), true
	return value, err
}
