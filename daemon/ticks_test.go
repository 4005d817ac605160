package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"beampipe/configs"
	"beampipe/control"
)

func TestMissedTimesAreCaughtUpOnce(t *testing.T) {
	day := func(hour, minute int) time.Time { return time.Date(2026, 11, 20, hour, minute, 0, 0, time.UTC) }
	for _, tt := range []struct {
		name       string
		expression string
		mark, now  time.Time
		due, next  time.Time
	}{
		{name: "nothing is due yet", expression: "0 * * * *", mark: day(4, 0), now: day(4, 30), next: day(5, 0)},
		{name: "one time has come", expression: "0 * * * *", mark: day(4, 0), now: day(5, 0), due: day(5, 0), next: day(6, 0)},
		{name: "five times were missed", expression: "0 * * * *", mark: day(4, 0), now: day(9, 59), due: day(9, 0), next: day(10, 0)},
		{name: "a clock that went back waits", expression: "0 * * * *", mark: day(9, 0), now: day(5, 0), next: day(10, 0)},
		{name: "an interval", expression: "@every 10m", mark: day(4, 5), now: day(4, 31), due: day(4, 25), next: day(4, 35)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			schedule, err := configs.ParseSchedule(tt.expression)
			if err != nil {
				t.Fatal(err)
			}
			due, next := dueTime(schedule, tt.mark, tt.now)
			if !due.Equal(tt.due) || !next.Equal(tt.next) {
				t.Errorf("due %v, next %v; want %v, %v", due, next, tt.due, tt.next)
			}
		})
	}
}

func TestYearsOfMissedTimesEndAtOnce(t *testing.T) {
	mark := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	now := time.Date(2026, 11, 20, 0, 0, 30, 0, time.UTC)
	due, next := dueTime(cron.Every(time.Second), mark, now)
	if !due.Equal(now) || next.Sub(now) > time.Second {
		t.Errorf("due %v, next %v", due, next)
	}
}

func TestTheLogAccountsForEverySourceThatATickClaimed(t *testing.T) {
	got := fmt.Sprint(discoveryLine(control.DiscoveryTick{Project: "p", Reason: "r", Claimed: 3, Changed: 1, Refused: 2}))
	if want := "[project p reason r claimed 3 changed 1 unchanged 0 no_data 0 refused 2 failed 0 requests 0]"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}
