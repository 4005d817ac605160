package drive

import (
	"context"
	"time"
)

// standby waits until this process leads, and hands over to the next driver then.
type standby struct {
	lead  func(ctx context.Context) (bool, error)
	pause time.Duration
	next  Driver
	leads bool
	end   ended
}

// Standby makes a driver that does nothing while another process leads: it asks lead again and again,
// with a pause between, and is the next driver once lead has said yes. lead's error ends it.
func Standby(lead func(ctx context.Context) (bool, error), pause time.Duration, next Driver) Driver {
	return &standby{lead: lead, pause: pause, next: next}
}

// Drive implements Driver. One call asks once; the end of ctx while waiting is Failed.
func (s *standby) Drive(ctx context.Context) (State, error) {
	if s.leads {
		return s.next.Drive(ctx)
	}
	if state, err, done := s.end.state(); done {
		return state, err
	}
	if ctx.Err() != nil {
		return s.end.with(Failed, context.Cause(ctx))
	}
	var err error
	if s.leads, err = s.lead(ctx); err != nil {
		return s.end.with(Failed, err)
	}
	if s.leads {
		return Continue, nil
	}
	timer := time.NewTimer(s.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return Continue, nil
	case <-ctx.Done():
		return s.end.with(Failed, context.Cause(ctx))
	}
}
