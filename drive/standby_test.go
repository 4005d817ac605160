package drive_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"beampipe/drive"
)

func TestAStandbyWaitsUntilItLeadsAndWorksThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, done := time.Now(), 0
		q := &queue{}
		q.add(func(context.Context) error { done++; return nil })
		lead := func(context.Context) (bool, error) { return time.Since(start) >= 3*time.Second, nil }
		if err := drive.Run(t.Context(), drive.Standby(lead, time.Second, drive.Serial(q, func(error) {}))); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 3*time.Second || done != 1 {
			t.Errorf("%d units after %v", done, took)
		}
	})
}

func TestAStandbyEndsWithItsContextOrWithWhatKeepsItFromLeading(t *testing.T) {
	gone := errors.New("the folder is gone")
	for name, tt := range map[string]struct {
		lead func(cancel func()) (bool, error)
		want error
	}{
		"stopped while it waits":     {func(cancel func()) (bool, error) { cancel(); return false, nil }, context.Canceled},
		"it can never be the leader": {func(func()) (bool, error) { return false, gone }, gone},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			d := drive.Standby(func(context.Context) (bool, error) { return tt.lead(cancel) }, time.Hour, drive.Serial(&queue{}, func(error) {}))
			for range 2 { // a terminal answer stays
				if state, err := d.Drive(ctx); state != drive.Failed || !errors.Is(err, tt.want) {
					t.Errorf("answered %s, %v", state, err)
				}
			}
		})
	}
}
