package control

import (
	"context"
	"fmt"

	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
)

// Adopting is what is done about a ledger that does not act because it is not at home, or went back.
type Adopting interface {
	// AdoptLedger asks every place what runs there, brings the ledger up to it and lets it act from here.
	// It is a Conflict while a daemon may lead it elsewhere, or while attempts outside are not known to
	// it, and Unavailable while a place cannot be asked; the answer then says what was found. A ledger
	// that is not paused stays as it is.
	AdoptLedger(ctx context.Context, q AdoptRequest) (Adoption, error)
}

// problemPaused is the code of the health problem of a ledger that is paused.
const problemPaused = "ledger_paused"

// AdoptLedger implements Adopting.
func (c *Local) AdoptLedger(ctx context.Context, q AdoptRequest) (Adoption, error) {
	if err := c.needLedger(); err != nil {
		return Adoption{}, err
	}
	what := "adopt ledger " + c.ledger.Path()
	if err := needReason(what, q.Reason); err != nil && !q.DryRun {
		return Adoption{}, err
	}
	answer := Adoption{At: c.now(), To: c.ledger.Here(), Found: execution.NothingFound()}
	var err error
	if answer.From, err = c.ledger.View(ctx).Home(); err != nil {
		return answer, err
	}
	if answer.Paused, err = c.ledger.Paused(ctx); err != nil || answer.Paused.Reason == "" {
		return answer, err
	}
	if err := c.ledElsewhere(ctx, what, answer); err != nil {
		return answer, err
	}
	moved := answer.From.HostID != answer.To.HostID || answer.From.Path != answer.To.Path
	answer.Found, err = c.execution.Reconcile(ctx, execution.ReconcileOptions{
		Moved: moved, OtherHost: answer.From.HostID != answer.To.HostID,
		ForgetStrangers: q.ForgetStrangers, DryRun: q.DryRun, Actor: c.o.Actor,
	})
	if err != nil {
		return answer, fault.Wrap(fault.KindOf(err), err, what, "")
	}
	if q.DryRun {
		return answer, nil
	}
	found := answer.Found
	err = c.ledger.Write(ctx, func(tx *ledger.Tx) error {
		return tx.Adopt(ledger.Adoption{Here: answer.To, Pause: answer.Paused, Reason: q.Reason, Actor: c.o.Actor, Counts: map[string]int{
			"places": len(found.Places), "strangers": len(found.Strangers), "behind": len(found.Behind), "asked": found.Poll.Asked, "moved": found.Poll.Moved,
		}})
	})
	if err != nil {
		return answer, err
	}
	answer.Adopted = true
	return answer, c.ledger.RenewWitness()
}

// ledElsewhere refuses while a daemon may act on this ledger, or on the one that it is a copy of.
func (c *Local) ledElsewhere(ctx context.Context, what string, a Adoption) error {
	v := c.ledger.View(ctx)
	leader, err := v.Leader()
	if err != nil {
		return err
	}
	if leader.HostID != a.To.HostID && leader.Leads(v.Now()) {
		return fault.New(fault.Conflict, fmt.Sprintf("%s: %s may lead it until %s", what, leader, leader.ExpiresAt.Format("15:04:05 UTC")),
			"stop that daemon; its lease ends by then if it does not renew it")
	}
	if a.From.HostID == a.To.HostID && a.From.Path != a.To.Path {
		if holder, runs := ledger.DaemonRuns(a.From.Path); runs {
			return fault.New(fault.Conflict, fmt.Sprintf("%s: a daemon (process %s) works on %s, of which this is a copy: both would run the same sources", what, holder, a.From.Path),
				"stop that daemon first, or go on with its ledger")
		}
	}
	return nil
}

// awake refuses what acts outside, or makes work, on a ledger that is paused.
func (c *Local) awake(ctx context.Context, what string) error {
	if err := c.needLedger(); err != nil {
		return err
	}
	pause, err := c.ledger.Paused(ctx)
	if err != nil {
		return err
	}
	return pause.Err(what)
}

// mayAsk is awake for what asks archives: a tape asks none.
func (c *Local) mayAsk(ctx context.Context, what string) error {
	if c.o.Offline {
		return c.needLedger()
	}
	return c.awake(ctx, what)
}

// pausedProblem is the health problem of a paused ledger.
func pausedProblem(p ledger.Pause, v ledger.View) ledger.Problem {
	since := p.Since
	if since.IsZero() {
		since = v.Now()
	}
	return ledger.Problem{
		Code: problemPaused, Title: "The ledger is paused: no tick runs", Text: p.Reason, Severity: "error",
		Todo: ledger.AdoptHint, Since: since, SeenAt: v.Now(),
	}
}

// pause is why the ledger is paused; nil when it is not.
func (c *Local) pause(ctx context.Context) (*ledger.Pause, error) {
	p, err := c.ledger.Paused(ctx)
	if err != nil || p.Reason == "" {
		return nil, err
	}
	return &p, nil
}
