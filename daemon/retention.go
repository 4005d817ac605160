package daemon

import (
	"context"
	"time"
)

// kindRetention is not a scheduled tick: it prunes what the retention policies do not keep.
const kindRetention = "retention"

// How often the ledger is pruned, and how often it is looked whether the time has come: a daemon that is
// started again and again prunes no more often.
const (
	retentionInterval = 24 * time.Hour
	retentionLook     = time.Hour
)

func (d *Daemon) retain() {
	d.every(tickKey{"", kindRetention}, retentionLook, d.ledger.Now(), func(ctx context.Context) error {
		due, err := d.control.RetentionDue(ctx, retentionInterval)
		if err != nil || !due {
			return err
		}
		report, err := d.control.Retain(ctx)
		line := []any{}
		for _, k := range report.Kinds {
			if k.Rows > 0 {
				line = append(line, k.Kind, k.Rows)
			}
		}
		d.log.Log(ctx, loud(len(line) > 0), "retention", line...)
		return err
	})
}
