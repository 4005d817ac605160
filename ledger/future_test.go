package ledger

import (
	"testing"
	"time"
)

func TestAfterTheClockWasSetBackNothingWaitsForATimeThatWas(t *testing.T) {
	f := newFixture(t)
	f.discover("before", OutcomeUnchanged, "s1")
	f.clock.forward(10 * 365 * 24 * time.Hour)
	f.discover("ahead", OutcomeChanged, "s1")
	x := f.walk(f.admit("ahead"), EventPrepare, EventPrepared)
	wait := f.view().Now().Add(time.Hour)
	f.write(func(tx *Tx) error { return tx.Delay(x, wait, "not now") })
	f.write(func(tx *Tx) error { return tx.SetWatermark(project, TickDiscovery, tx.Now()) })
	f.clock.forward(-10 * 365 * 24 * time.Hour)
	planned := f.source("before").NextDueAt

	f.write(func(tx *Tx) error { return tx.ForgetFuture() })
	now := f.view().Now()
	if s := f.source("ahead"); !s.NextDueAt.Equal(now) || s.Signature != "s1" {
		t.Errorf("source %+v", s)
	}
	if got := f.source("before").NextDueAt; !got.Equal(planned) {
		t.Errorf("a source that was asked at its time is due at %v, not %v", got, planned)
	}
	if x := f.reread(x); !x.NotBefore.Equal(now) {
		t.Errorf("the execution waits until %v", x.NotBefore)
	}
	schedules, err := f.view().Schedules()
	if err != nil || !schedules[0].Watermark.Equal(now) {
		t.Errorf("%+v %v", schedules, err)
	}
}
