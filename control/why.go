package control

import (
	"fmt"
	"strconv"

	"beampipe/discovery"
	"beampipe/ledger"
	"beampipe/profiles"
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

// figures are the limits that decide about an execution, with what is used of them.
func (c *Local) figures(v ledger.View, e ledger.Execution) ([]ExplainLimit, error) {
	project, err := v.CountInFlight(e.Project, "")
	if err != nil {
		return nil, err
	}
	onProfile, err := v.CountInFlight("", e.Profile)
	if err != nil {
		return nil, err
	}
	all, err := v.CountInFlight("", "")
	if err != nil {
		return nil, err
	}
	stored, err := v.ProfileRevision(e.Profile, e.ProfileRevision)
	if err != nil {
		return nil, err
	}
	p, err := profiles.FromCanonical(stored.Spec)
	if err != nil {
		return nil, err
	}
	limit := "no limit"
	if p.MaxConcurrent != nil {
		limit = strconv.Itoa(*p.MaxConcurrent)
	}
	return []ExplainLimit{
		{Name: "attempt", Value: strconv.Itoa(e.Attempt), From: fmt.Sprintf("%d retried by themselves", e.AutoRetries)},
		{Name: "in flight, all", Value: strconv.Itoa(all), From: "BEAMPIPE_SHAPING_EXECUTION_MAX_IN_FLIGHT_RUNS"},
		{Name: "in flight, project " + e.Project, Value: strconv.Itoa(project), From: "automation.execution.concurrent_execution_run_limit"},
		{Name: "in flight, profile " + e.Profile, Value: fmt.Sprintf("%d of %s", onProfile, limit), From: fmt.Sprintf("profile revision %d, max_concurrent_executions", e.ProfileRevision)},
		{Name: "config", Value: fmt.Sprintf("revision %d", e.ConfigRevision), From: "pinned when it was made"},
	}, nil
}
