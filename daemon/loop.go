package daemon

import (
	"context"
	"errors"
	"os"
	"time"

	"beampipe/fault"
	"beampipe/ledger"
)

// leadLook is how often it is looked whether a paused ledger was adopted, and whether another leader's
// lease has ended.
const leadLook = time.Second

// run is the loop: lead, look what is due, start it, wait for the next thing.
func (d *Daemon) run(ctx context.Context) {
	defer close(d.ended)
	defer d.jobs.wait()
	d.log.Info("daemon started", "ledger", d.ledger.Path(), "process", os.Getpid())
	d.systemd.ready()
	for {
		sleep := d.turn(ctx)
		if d.failure != nil {
			d.log.Error("daemon must end", "error", d.failure)
			d.cancel()
			return
		}
		d.systemd.alive()
		timer := time.NewTimer(d.systemd.bound(sleep))
		select {
		case <-ctx.Done():
			timer.Stop()
			if d.lease != nil && d.trouble.kind == "" {
				d.flushHealth(context.WithoutCancel(ctx))
			}
			d.log.Info("daemon stopping")
			return
		case <-d.lost():
		case <-d.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// turn does what is to be done now and gives how long nothing else will be.
func (d *Daemon) turn(ctx context.Context) time.Duration {
	if tried, err := d.web.openSometimes(); tried && err == nil {
		d.health.Clear(codeMetrics, d.o.Listen)
	}
	if d.leaseLost() {
		d.failure = d.lease.Renew(ctx) // says who leads
		return 0
	}
	if wait := d.recover(ctx); wait > 0 || d.failure != nil {
		return wait
	}
	if led, wait := d.lead(ctx); !led {
		return wait
	}
	d.standing.set(StateLeading, "")
	return min(d.look(ctx), max(time.Until(d.renewAt), 0))
}

// lead sees to it that this process leads a ledger that may act; else nothing is started, and wait says
// when to look again.
func (d *Daemon) lead(ctx context.Context) (led bool, wait time.Duration) {
	if d.lease != nil && time.Until(d.renewAt) > 0 {
		return true, 0
	}
	pause, err := d.ledger.Paused(ctx)
	switch {
	case err != nil:
		return false, d.troubled(ctx, err)
	case pause.Reason != "":
		return false, d.rest(ctx, pause)
	case d.lease == nil:
		return d.tryLead(ctx)
	}
	d.renewAt = time.Now().Add(d.o.Lease / 3)
	if err := d.lease.Renew(ctx); err != nil {
		return false, d.troubled(ctx, err)
	}
	return true, 0
}

// rest leaves a paused ledger alone: not even its health problems are written, because another daemon may
// lead it elsewhere.
func (d *Daemon) rest(ctx context.Context, pause ledger.Pause) time.Duration {
	if d.lease != nil { // it was restored or taken elsewhere while it was led
		if err := d.lease.Release(ctx); err != nil {
			d.log.Warn("give the lease back", "error", err)
		}
		d.lease = nil
	}
	d.standing.set(StatePaused, pause.Reason+"; "+ledger.AdoptHint)
	return leadLook
}

// tryLead takes the lease if nobody else can have it any more, and what those who died had claimed.
func (d *Daemon) tryLead(ctx context.Context) (led bool, wait time.Duration) {
	lease, before, err := d.candidate.Try(ctx)
	if err != nil {
		return false, d.troubled(ctx, err)
	}
	if lease == nil {
		d.standing.set(StateStandby, "standby, "+before.String()+" leads until "+before.ExpiresAt.Format("15:04:05 UTC"))
		return false, leadLook
	}
	d.lease, d.renewAt = lease, time.Now().Add(d.o.Lease/3)
	d.log.Info("daemon leads", "epoch", lease.Epoch(), "before", before.String())
	if err := d.releaseDead(ctx, before.Owner); err != nil {
		return false, d.troubled(ctx, err)
	}
	return true, 0
}

// lost is closed when another process leads; nil, which never is, while this one does not.
func (d *Daemon) lost() <-chan struct{} {
	if d.lease == nil {
		return nil
	}
	return d.lease.Lost()
}

// look starts what is due and gives how long nothing else will be.
func (d *Daemon) look(ctx context.Context) time.Duration {
	sleep := min(maxSleep, d.o.Interval)
	d.sweep()
	d.retain()
	next, err := d.startDue(ctx)
	switch {
	case err == nil:
		d.trouble.pause = 0
		d.health.Clear(codeLedger, "")
	case ctx.Err() != nil:
	case ledger.TroubleOf(err) != "" || d.leaseLost():
		return d.troubled(ctx, err)
	default:
		d.log.Error("look what is due", "error", err)
		d.health.Problem(ledgerProblem(err))
	}
	if !next.IsZero() {
		sleep = min(sleep, max(next.Sub(d.ledger.Now()), 0))
	}
	d.flushHealth(ctx)
	return sleep
}

func (d *Daemon) leaseLost() bool {
	select {
	case <-d.lost():
		return true
	default:
		return false
	}
}

// flushHealth stores the health problems when they have changed, for the command line to show.
func (d *Daemon) flushHealth(ctx context.Context) {
	problems, changed := d.health.take()
	if !changed {
		return
	}
	if err := d.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.SetProblems(problems) }); err != nil && ctx.Err() == nil {
		d.health.again()
		if d.troubled(ctx, err) == 0 && !errors.Is(err, fault.Conflict) {
			d.log.Error("store health problems", "error", err)
		}
	}
}
