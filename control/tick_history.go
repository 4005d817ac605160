package control

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"beampipe/fault"
	"beampipe/ledger"
)

// tickKinds are the kinds of tick that have a history.
var tickKinds = []string{ledger.TickDiscovery, ledger.TickExecution, ledger.TickPoll}

// ListTicks implements Ticks.
func (c *Local) ListTicks(ctx context.Context, q TickQuery) (TickList, error) {
	if err := c.needLedger(); err != nil {
		return TickList{}, err
	}
	if q.Kind != "" && !slices.Contains(tickKinds, q.Kind) {
		return TickList{}, fault.New(fault.Invalid, fmt.Sprintf("list ticks: there is no kind %.40q", q.Kind), "choose one of: "+strings.Join(tickKinds, ", "))
	}
	v := c.ledger.View(ctx)
	if err := knownProject(v, q.Project); err != nil {
		return TickList{}, err
	}
	size, err := pageSize("ticks", q.Limit)
	if err != nil {
		return TickList{}, err
	}
	list, err := v.TickRuns(ledger.TickFilter{Project: q.Project, Kind: q.Kind, Before: q.Before, Limit: size + 1})
	if err != nil {
		return TickList{}, err
	}
	answer := TickList{At: v.Now(), Now: []ledger.Schedule{}}
	answer.Ticks, answer.More = cut(list, size)
	schedules, err := v.Schedules()
	for _, s := range schedules {
		if (q.Project == "" || s.Project == q.Project) && (q.Kind == "" || s.Kind == q.Kind) {
			answer.Now = append(answer.Now, s)
		}
	}
	return answer, err
}

// ShowTick implements Ticks.
func (c *Local) ShowTick(ctx context.Context, id int64) (TickDetail, error) {
	if err := c.needLedger(); err != nil {
		return TickDetail{}, err
	}
	v := c.ledger.View(ctx)
	t, err := v.TickRun(id)
	return TickDetail{At: v.Now(), Tick: t}, err
}
