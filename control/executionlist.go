package control

import (
	"context"

	"beampipe/fault"
	"beampipe/ledger"
)

// ListExecutions implements Executions.
func (c *Local) ListExecutions(ctx context.Context, q ExecutionQuery) (ExecutionList, error) {
	if err := c.needLedger(); err != nil {
		return ExecutionList{}, err
	}
	v := c.ledger.View(ctx)
	if err := knownProject(v, q.Project); err != nil {
		return ExecutionList{}, err
	}
	size, err := pageSize("executions", q.Limit)
	if err != nil {
		return ExecutionList{}, err
	}
	f, err := executionFilter(v, q)
	if err != nil {
		return ExecutionList{}, err
	}
	f.Limit = size + 1
	list, err := v.Executions(f)
	if err != nil {
		return ExecutionList{}, err
	}
	answer := ExecutionList{At: v.Now()}
	answer.Executions, answer.More = cut(list, size)
	answer.Counts, err = v.CountExecutions(q.Project)
	return answer, err
}

// executionFilter reads what people write of times and ids.
func executionFilter(v ledger.View, q ExecutionQuery) (ledger.ExecutionFilter, error) {
	f := ledger.ExecutionFilter{
		Project: q.Project, Source: q.Source, States: q.States, Target: q.Target, Profile: q.Profile, Class: q.Class, Held: q.Held, Input: q.Input,
	}
	var err error
	if f.Since, err = moment("list executions since", q.Since, v.Now()); err != nil {
		return f, err
	}
	if f.Until, err = moment("list executions until", q.Until, v.Now()); err != nil {
		return f, err
	}
	if !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return f, fault.New(fault.Invalid, "list executions: nothing is both since "+q.Since+" and until "+q.Until, "give the earlier time as since")
	}
	for from, to := range map[string]*string{q.Before: &f.Before, q.RerunOf: &f.RerunOf} {
		if from == "" {
			continue
		}
		if *to, err = v.ResolveExecution(from); err != nil {
			return f, err
		}
	}
	return f, nil
}
