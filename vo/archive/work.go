package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// work runs a job, once there is a slot for it.
func (a *Archive) work(ctx context.Context, j *job) {
	select {
	case <-ctx.Done():
		a.stopped(j, "the service was shut down")
		return
	case a.jobs.slots <- struct{}{}:
	}
	defer func() { <-a.jobs.slots }()
	params, duration, spoilt, ok := a.beginWork(j)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	result, contentType, err := a.produce(ctx, params, spoilt)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		a.stopped(j, fmt.Sprintf("stopped after its execution duration of %s", duration))
	case ctx.Err() != nil:
		a.stopped(j, "the service was shut down")
	default:
		a.keep(j, result, contentType, err)
	}
}

// beginWork moves a job to EXECUTING, unless someone ended it before, and gives what it is about.
func (a *Archive) beginWork(j *job) (params parameters, duration time.Duration, spoilt Misbehaviour, ok bool) {
	a.jobs.mu.Lock()
	defer a.jobs.mu.Unlock()
	if j.phase != phaseQueued {
		return params, 0, spoilt, false
	}
	j.started = a.options.Now()
	j.move(phaseExecuting)
	return j.params, j.duration, j.spoilt, true
}

// produce runs a job's query and gives the document of its result.
func (a *Archive) produce(ctx context.Context, params parameters, spoilt Misbehaviour) ([]byte, string, error) {
	q, err := a.readQuestion(params, false)
	if err != nil {
		return nil, "", err
	}
	q.spoilt = spoilt
	if err := linger(ctx, spoilt.delay()); err != nil {
		return nil, "", err
	}
	if spoilt.Kind == Error200 {
		return nil, "", errors.New(spoilt.words())
	}
	res, err := a.ask(ctx, q)
	if err != nil {
		return nil, "", err
	}
	defer res.close()
	var document boundedBuffer
	if err := res.writeTo(&document); err != nil {
		return nil, "", err
	}
	return document.Bytes(), res.asked.format.mime, nil
}

// boundedBuffer holds the result of a job.
type boundedBuffer struct{ bytes.Buffer }

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxResultBytes {
		return 0, fmt.Errorf("the result is larger than %d bytes", maxResultBytes)
	}
	return b.Buffer.Write(p)
}

// keep ends a job with its result, or with what went wrong.
func (a *Archive) keep(j *job, result []byte, contentType string, err error) {
	a.jobs.mu.Lock()
	defer a.jobs.mu.Unlock()
	switch {
	case !j.ended.IsZero() || !slices.Contains(a.jobs.list, j):
		return // it was aborted or destroyed meanwhile
	case err != nil:
		a.end(j, phaseError, err.Error())
	case a.jobs.kept+int64(len(result)) > maxKeptBytes:
		a.end(j, phaseError, fmt.Sprintf("there is no room for a result of %d bytes; delete some jobs", len(result)))
	default:
		a.jobs.kept += int64(len(result))
		j.result, j.resultType = result, contentType
		a.end(j, phaseCompleted, "")
	}
}

// stopped ends a job that was not let run to its end (UWS 1.1 section 2.1.3: ABORTED).
func (a *Archive) stopped(j *job, words string) {
	a.jobs.mu.Lock()
	defer a.jobs.mu.Unlock()
	a.end(j, phaseAborted, words)
}
