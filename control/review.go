package control

import (
	"context"
	"time"

	"beampipe/discovery"
	"beampipe/ledger"
)

// Review is the first look at a survey: its sources and SBIDs, with what is known of each.
type Review struct {
	At      time.Time             `json:"at"`
	Project string                `json:"project"`
	Sources int                   `json:"sources"`
	Ready   int                   `json:"ready"` // rows
	Rows    []discovery.ReviewRow `json:"rows"`
}

// ReviewSources implements Sources.
func (c *Local) ReviewSources(ctx context.Context, project string) (Review, error) {
	if err := c.needLedger(); err != nil {
		return Review{}, err
	}
	answer := Review{Project: project}
	err := c.ledger.Snapshot(ctx, func(v ledger.View) error {
		var err error
		answer.At = v.Now()
		answer.Rows, err = discovery.Review(v, project)
		return err
	})
	seen := map[string]bool{}
	for _, r := range answer.Rows {
		if r.Ready {
			answer.Ready++
		}
		seen[r.Source] = true
	}
	answer.Sources = len(seen)
	return answer, err
}
