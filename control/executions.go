package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
)

// CreateExecution implements Executions.
func (c *Local) CreateExecution(ctx context.Context, q CreateRequest) (Created, error) {
	if err := c.needLedger(); err != nil {
		return Created{}, err
	}
	r := execution.CreateRequest{Project: q.Project, Profile: q.Profile, Hold: q.Hold, Actor: c.o.Actor, Reason: q.Reason}
	for _, s := range q.Sources {
		r.Sources = append(r.Sources, execution.SourceSelection{Identifier: s.Identifier, SBIDs: s.SBIDs})
	}
	if q.DryRun {
		plan, err := c.execution.Plan(ctx, r)
		return Created{At: c.now(), Plan: plan}, err
	}
	if err := c.awake(ctx, "create execution"); err != nil {
		return Created{}, err
	}
	e, plan, err := c.execution.Create(ctx, r)
	if err != nil {
		return Created{At: c.now(), Plan: plan}, err
	}
	return Created{At: c.now(), Plan: plan, Execution: &e}, nil
}

// find resolves an id that may be given in part.
func (c *Local) find(ctx context.Context, id string) (ledger.Execution, ledger.View, error) {
	if err := c.needLedger(); err != nil {
		return ledger.Execution{}, ledger.View{}, err
	}
	v := c.ledger.View(ctx)
	full, err := v.ResolveExecution(id)
	if err != nil {
		return ledger.Execution{}, v, err
	}
	e, err := v.Execution(full)
	return e, v, err
}

// ShowExecution implements Executions.
func (c *Local) ShowExecution(ctx context.Context, id string) (ExecutionDetail, error) {
	e, v, err := c.find(ctx, id)
	if err != nil {
		return ExecutionDetail{}, err
	}
	d := ExecutionDetail{At: v.Now(), Execution: e}
	record, err := v.RunRecord(e.ID)
	if err != nil {
		return d, err
	}
	if record != nil {
		d.RunRecord = record
	}
	if d.Artifacts, err = v.Artifacts(e.ID); err != nil {
		return d, err
	}
	if d.Products, d.Withdrawn, err = v.CountProducts(e.ID); err != nil {
		return d, err
	}
	d.Observations, err = v.Observations(e.ID)
	return d, err
}

// Artifact implements Executions.
func (c *Local) Artifact(ctx context.Context, id, kind string, w io.Writer) error {
	e, v, err := c.find(ctx, id)
	if err != nil {
		return err
	}
	content, _, err := v.ArtifactOf(e.ID, kind)
	if err != nil {
		have, listErr := v.Artifacts(e.ID)
		if listErr == nil && fault.KindOf(err) == fault.NotFound {
			kinds := make([]string, len(have))
			for i, a := range have {
				kinds[i] = a.Kind
			}
			return fault.New(fault.NotFound, fmt.Sprintf("execution %s has no artifact %q", e.ID, kind), "it has: "+fallback(strings.Join(kinds, ", "), "none yet"))
		}
		return err
	}
	_, err = w.Write(content)
	return err
}

// HoldExecution implements Executions.
func (c *Local) HoldExecution(ctx context.Context, id, reason string) (ExecutionChange, error) {
	return c.act(ctx, id, "held", reason, func(e ledger.Execution) (ledger.Execution, error) {
		return c.execution.Hold(ctx, e.ID, reason, c.o.Actor)
	})
}

// ReleaseExecution implements Executions.
func (c *Local) ReleaseExecution(ctx context.Context, id, reason string) (ExecutionChange, error) {
	return c.act(ctx, id, "released", reason, func(e ledger.Execution) (ledger.Execution, error) {
		return c.execution.Release(ctx, e.ID, reason, c.o.Actor)
	})
}

// CancelExecution implements Executions.
func (c *Local) CancelExecution(ctx context.Context, id, reason string, requeue bool) (ExecutionChange, error) {
	if err := c.awake(ctx, "cancel execution "+id); err != nil {
		return ExecutionChange{}, err
	}
	return c.act(ctx, id, "cancel asked for", reason, func(e ledger.Execution) (ledger.Execution, error) {
		return c.execution.Cancel(ctx, e.ID, reason, c.o.Actor, requeue)
	})
}

// RetryExecution implements Executions.
func (c *Local) RetryExecution(ctx context.Context, id, reason string) (ExecutionChange, error) {
	if err := c.awake(ctx, "retry execution "+id); err != nil {
		return ExecutionChange{}, err
	}
	return c.act(ctx, id, "retried", reason, func(e ledger.Execution) (ledger.Execution, error) {
		return c.execution.Retry(ctx, e.ID, reason, c.o.Actor)
	})
}

func (c *Local) act(ctx context.Context, id, done, reason string, do func(ledger.Execution) (ledger.Execution, error)) (ExecutionChange, error) {
	if err := checkReason("change execution "+id, reason); err != nil {
		return ExecutionChange{}, err
	}
	before, _, err := c.find(ctx, id)
	if err != nil {
		return ExecutionChange{}, err
	}
	after, err := do(before)
	if err != nil {
		return ExecutionChange{}, err
	}
	change := ExecutionChange{At: c.now(), Execution: after, Changed: after.Version != before.Version}
	switch {
	case !change.Changed:
		change.Sentence = fmt.Sprintf("nothing changed: it is %s", after.State)
	case after.State != before.State:
		change.Sentence = fmt.Sprintf("%s: %s → %s, attempt %d", done, before.State, after.State, after.Attempt)
	default:
		change.Sentence = fmt.Sprintf("%s: it is %s, attempt %d", done, after.State, after.Attempt)
	}
	return change, nil
}

// WhyExecution implements Executions.
func (c *Local) WhyExecution(ctx context.Context, id string) (ExecutionWhy, error) {
	e, v, err := c.find(ctx, id)
	if err != nil {
		return ExecutionWhy{}, err
	}
	w := ExecutionWhy{At: v.Now(), Execution: e}
	if w.Readiness, err = readiness(v, e); err != nil {
		return w, err
	}
	if w.Figures, err = c.figures(v, e); err != nil {
		return w, err
	}
	if w.Events, err = lastEvents(v, ledger.EventFilter{Execution: e.ID, Limit: 8}); err != nil {
		return w, err
	}
	record, err := v.RunRecord(e.ID)
	if err != nil {
		return w, err
	}
	if record != nil {
		w.RunRecord = record
		if w.Failed, err = failedDrops(record); err != nil {
			return w, err
		}
	}
	w.Sentence, w.Next = explainExecution(e, w.At)
	if e.State == ledger.Ready && e.Held == nil {
		kept, err := c.execution.Waiting(ctx, e)
		if err != nil {
			return w, err
		}
		if kept != "" {
			w.Sentence = "ready: prepared; what keeps it is " + kept
		}
	}
	return w, nil
}

// failedDrops finds the failed applications in a run record, whichever place wrote it.
func failedDrops(raw json.RawMessage) ([]FailedDrop, error) {
	record, err := execution.ReadRunRecord(raw)
	if err != nil {
		return nil, err
	}
	var drops []FailedDrop
	for _, place := range []*execution.PlaceRecord{record.Local, record.DIM, record.Slurm} {
		if place == nil || place.Terminal == nil {
			continue
		}
		for _, d := range place.Terminal.FailedDrops {
			drops = append(drops, FailedDrop{OID: d.OID, Name: d.Name, Reason: d.Reason, Log: d.LogTail})
		}
	}
	return drops, nil
}

// explainExecution says where an execution stands and what to try next.
func explainExecution(e ledger.Execution, now time.Time) (string, []string) {
	id := e.ID
	if e.Held != nil {
		return fmt.Sprintf("%s, held by %s: %s", e.State, e.Held.By, fallback(e.Held.Reason, "no reason given")), []string{"beampipe execution release " + id}
	}
	wait := ""
	if e.NotBefore != nil && e.NotBefore.After(now) {
		wait = fmt.Sprintf("; it is tried again at %s", e.NotBefore.Format("15:04:05"))
	}
	reason := ""
	if e.Error != "" {
		reason = ": " + e.Error
	}
	switch e.State {
	case ledger.Pending, ledger.Preparing:
		return fmt.Sprintf("%s: its manifest and graph are made at the next execution tick%s", e.State, wait), []string{"beampipe tick execution --project " + e.Project}
	case ledger.Ready:
		return "ready: prepared and waiting to be submitted" + reason + wait, []string{"beampipe tick execution --project " + e.Project}
	case ledger.Submitting, ledger.Uncertain:
		return string(e.State) + ": it may or may not have been submitted; the next poll asks for " + e.SubmissionID + reason + wait, []string{"beampipe tick poll"}
	case ledger.Queued, ledger.Running, ledger.Cancelling, ledger.Verifying:
		return fmt.Sprintf("%s at %s as %s", e.State, e.Target, e.SubmissionID) + reason, []string{"beampipe tick poll", "beampipe timeline execution " + id}
	case ledger.Failed:
		if e.NextRetryAt != nil {
			return fmt.Sprintf("failed (%s)%s; it is retried by itself at %s", e.Class, reason, e.NextRetryAt.Format("2006-01-02 15:04:05 UTC")), []string{"beampipe timeline execution " + id}
		}
		return fmt.Sprintf("failed (%s)%s; it waits for a person", e.Class, reason), []string{"beampipe execution retry " + id + " --reason TEXT"}
	case ledger.Cancelled:
		return "cancelled" + reason, []string{"beampipe timeline execution " + id}
	}
	return string(e.State), []string{"beampipe execution artifact " + id + " products"}
}
