package discovery

import (
	"bytes"
	"context"
	"slices"
	"time"

	"beampipe/ledger"
)

// conclude judges a complete answer about a source against what is known of it.
func (t *Tick) conclude(ctx context.Context, d *ledger.Discovery, a *asked) error {
	var err error
	if d.Answer, err = a.answer.encode(); err != nil {
		return err
	}
	m := mapper{project: t.project, identifier: d.Source.Identifier}
	if len(m.primary(a.answer).Rows) == 0 {
		k, err := t.engine.known(ctx, d.Source)
		if err == nil {
			t.concludeEmpty(d, k)
		}
		return err
	}
	r, err := t.ruleFor(ctx, a.answer)
	if err != nil {
		return err
	}
	t.describe(a, r)
	if t.asBefore(d, a, r) {
		return nil
	}
	return t.compare(ctx, d, a, r, m)
}

// describe reports what of an answer is signed.
func (t *Tick) describe(a *asked, r *rule) {
	a.report.Datasets = len(mapper{project: t.project}.primary(a.answer).Rows)
	a.report.NotInSignature = append(slices.Sorted(slices.Values(t.project.Discovery.PrepareMetadata.SignatureOptions().ExcludeFields)), r.extra(a.answer)...)
	a.report.MissingColumns = r.missing(a.answer)
}

// asBefore concludes about an answer that is, to the byte, the one that the source's signature was made
// from, under the same rule: most are, and nothing else needs to be looked at then.
func (t *Tick) asBefore(d *ledger.Discovery, a *asked, r *rule) bool {
	s := d.Source
	shown := s.LastOutcome != ledger.OutcomeMissing && s.MissingSince == nil && s.Signature != "" && s.Signature != NoDataSignature
	if !shown || s.SignatureRule != r.id || a.digest == "" || a.digest != digest(d.Answer) {
		return false
	}
	d.Outcome, d.Signature, d.Rule, d.Answer = ledger.OutcomeUnchanged, s.Signature, r.id, nil
	return true
}

// compare maps an answer, signs it, and judges it against what is known of the source.
func (t *Tick) compare(ctx context.Context, d *ledger.Discovery, a *asked, r *rule, m mapper) error {
	k, err := t.engine.known(ctx, d.Source)
	if err != nil {
		return err
	}
	shown := r.arrange(a.answer)
	full, err := m.mapAnswer(shown)
	if err != nil {
		return err
	}
	hashed, extra := full, r.extra(shown)
	if len(extra) > 0 {
		if hashed, err = m.mapAnswer(r.project(shown)); err != nil {
			return err
		}
	}
	d.Signature, d.Rule = m.signatureOf(hashed), r.id
	d.Metadata = full.metadata()
	d.Columns = k.unseen(r, extra)
	if k.answer != nil {
		dealt := a.owner.again(*k.answer)
		k.answer = &dealt
	}
	t.judge(d, k, r, m, shown, hashed)
	return nil
}

// concludeEmpty judges an answer without rows: no data, or known data that is not shown any more.
// Where it was accepted that all of it is gone, there is no data.
func (t *Tick) concludeEmpty(d *ledger.Discovery, k known) {
	d.Signature, d.Rule = NoDataSignature, d.Source.SignatureRule
	d.Metadata = []ledger.Metadata{}
	if len(k.metadata) == 0 || d.Source.Signature == NoDataSignature {
		d.Outcome, d.Metadata, d.Answer = ledger.OutcomeNoData, nil, nil
		return
	}
	d.Changes = differences(k.shown(), nil, nil, nil, func(string, string) any { return nil })
	t.missing(d, k)
}

// judge says whether data is unchanged, changed, or only less.
func (t *Tick) judge(d *ledger.Discovery, k known, r *rule, m mapper, shown answer, hashed mapped) {
	if d.Signature == d.Source.Signature {
		t.unchanged(d, k)
		return
	}
	exclude := m.project.Discovery.PrepareMetadata.SignatureOptions().ExcludeFields
	old, oldFlags, now, nowFlags := k.content(exclude), k.flags(), contentOf(hashed.records, exclude), hashed.flags
	less := func() bool { return onlyLess(d.Changes, false) }
	if k.answer != nil {
		p := newPair(m, r.project(r.arrange(*k.answer)), r.project(shown))
		if p.same() {
			t.unchanged(d, k)
			return
		}
		less = func() bool { return !p.gained(true, p.excluded()) }
		if !p.rows {
			old, oldFlags = contentOf(p.oldData.records, exclude), p.oldData.flags
			now, nowFlags = contentOf(p.newData.records, exclude), p.newData.flags
			less = func() bool { return onlyLess(d.Changes, p.gained(false, nil)) }
		}
	}
	d.Changes = differences(old, now, oldFlags, nowFlags, k.record)
	d.Outcome = ledger.OutcomeChanged
	if less() {
		t.missing(d, k)
	}
}

// unchanged stores the records again only where they, the answer or what is missing differ.
func (t *Tick) unchanged(d *ledger.Discovery, k known) {
	d.Outcome = ledger.OutcomeUnchanged
	if bytes.Equal(k.bytes, d.Answer) && d.Source.MissingSince == nil && k.holds(d.Metadata) {
		d.Metadata, d.Answer = nil, nil
	}
}

// stale is how long an answer about a source counts.
func (t *Tick) stale(s ledger.Source) time.Duration {
	hours := t.project.Automation.Discovery.StaleAfterHours
	if s.StaleAfterHours != nil {
		hours = *s.StaleAfterHours
	}
	return time.Duration(hours) * time.Hour
}

// nextDue is when a source is asked again: when the answer is stale, or as soon as a second equal answer
// settles data that changed less than settle_hours ago; after a failure as backoff says.
func (t *Tick) nextDue(d ledger.Discovery, now time.Time) time.Time {
	stale := t.stale(d.Source)
	due := now.Add(stale)
	var since time.Time
	switch d.Outcome {
	case ledger.OutcomeError, ledger.OutcomeRefused, ledger.OutcomeAmbiguous:
		return now.Add(backoff(d.Source.Identifier, d.Source.Failures, stale))
	case ledger.OutcomeChanged:
		since = now
	case ledger.OutcomeUnchanged:
		if d.Source.SignatureSince == nil {
			return due
		}
		since = *d.Source.SignatureSince
	default:
		return due
	}
	settled := since.Add(t.project.Automation.Execution.Settle())
	if second := settled.Add(time.Second); now.Before(settled) && second.Before(due) {
		return second
	}
	return due
}
