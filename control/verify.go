package control

import (
	"context"
	"fmt"
	"time"

	"beampipe/ledger"
)

// Verifying is how the ledger is asked whether it is what was written. None of it changes anything.
type Verifying interface {
	// ProvenanceHead gives the head of the provenance log, to be kept elsewhere.
	ProvenanceHead(ctx context.Context) (ProvenanceHead, error)
	// VerifyProvenance walks the whole log. progress, which may be nil, is told how many events it has checked.
	VerifyProvenance(ctx context.Context, q VerifyRequest, progress func(done, total int64)) (VerifyAnswer, error)
	// CheckLedger looks whether the whole ledger is sound. progress, which may be nil, is told the step that is
	// going on and how far it is; total 0: not known.
	CheckLedger(ctx context.Context, progress func(step string, done, total int64)) (CheckAnswer, error)
}

// ProvenanceHead implements Verifying.
func (c *Local) ProvenanceHead(ctx context.Context) (ProvenanceHead, error) {
	if err := c.needLedger(); err != nil {
		return ProvenanceHead{}, err
	}
	v := c.ledger.View(ctx)
	seq, hash, err := v.Head()
	if err != nil {
		return ProvenanceHead{}, err
	}
	id, err := v.LedgerID()
	h := ledger.Head{Seq: seq, Hash: hash}
	return ProvenanceHead{At: v.Now(), Ledger: c.ledger.Path(), LedgerID: id, Head: h, Text: h.String()}, err
}

// VerifyProvenance implements Verifying.
func (c *Local) VerifyProvenance(ctx context.Context, q VerifyRequest, progress func(done, total int64)) (VerifyAnswer, error) {
	if err := c.needLedger(); err != nil {
		return VerifyAnswer{}, err
	}
	o := ledger.VerifyOptions{Progress: progress}
	if q.Head != "" {
		given, err := ledger.ParseHead(q.Head)
		if err != nil {
			return VerifyAnswer{}, err
		}
		o.Contains = &given
	}
	found, err := c.ledger.Verify(ctx, o)
	answer := VerifyAnswer{At: c.now(), Ledger: c.ledger.Path(), Intact: found.Intact(), Verified: found}
	if err == nil && !answer.Intact {
		answer.Paused, err = c.pause(ctx)
	}
	return answer, err
}

// CheckLedger implements Verifying.
func (c *Local) CheckLedger(ctx context.Context, progress func(step string, done, total int64)) (CheckAnswer, error) {
	if err := c.needLedger(); err != nil {
		return CheckAnswer{}, err
	}
	report, err := c.ledger.Check(ctx, ledger.CheckOptions{Progress: progress})
	return CheckAnswer{Ledger: c.ledger.Path(), CheckReport: report}, err
}

// witnessProblem tells of a witness file that does not do its work. One that speaks against the ledger pauses
// it, which is another problem.
func witnessProblem(w ledger.WitnessState, now time.Time) (ledger.Problem, bool) {
	p := ledger.Problem{
		Code: "witness", Severity: "warning", Since: now, SeenAt: now, Title: "The witness file of the ledger does not do its work",
		Todo: "see that the user of beampipe may write to " + w.Path + " and that its disk has room; the next event is noted again",
	}
	if !w.At.IsZero() {
		p.Since = w.At
	}
	switch {
	case w.Lost():
		return p, false
	case w.Problem != "":
		p.Text = "it cannot be written: " + w.Problem
	case w.Detail != "":
		p.Text = w.Detail
	case w.Unnoted > 0:
		p.Text = fmt.Sprintf("the newest events (%d of them) are not noted in it: were they lost, nothing would say so", w.Unnoted)
	default:
		return p, false
	}
	return p, true
}
