package control

import (
	"fmt"
	"strconv"

	"beampipe/discovery"
	"beampipe/ledger"
)

// readiness says of each source of an execution whether it still is what was pinned.
func readiness(v ledger.View, e ledger.Execution) ([]SourceReadiness, error) {
	var list []SourceReadiness
	for _, s := range e.Sources {
		source, err := v.SourceByID(s.SourceID)
		if err != nil {
			return nil, err
		}
		meta, err := v.Metadata(s.SourceID)
		if err != nil {
			return nil, err
		}
		list = append(list, SourceReadiness{Identifier: s.Identifier, Current: source.Signature == s.Current(), NotReady: discovery.Ready(source, meta, s.SBIDs)})
	}
	return list, nil
}

// figures are what decides about an execution: its attempt, its config, and each limit with what is used of it.
func (c *Local) figures(v ledger.View, e ledger.Execution) ([]ExplainLimit, error) {
	list := []ExplainLimit{
		{Name: "attempt", Value: strconv.Itoa(e.Attempt), From: fmt.Sprintf("%d retried by themselves", e.AutoRetries)},
		{Name: "config", Value: fmt.Sprintf("revision %d", e.ConfigRevision), From: "pinned when it was made"},
		{Name: "profile", Value: fmt.Sprintf("%s, revision %d", e.Profile, e.ProfileRevision), From: "of this attempt"},
	}
	limits, err := c.execution.Limits(v, e)
	for _, l := range limits {
		list = append(list, ExplainLimit{Name: l.Code, Value: fmt.Sprintf("%d of %d", l.Used, l.Bound), From: l.From})
	}
	return list, err
}
