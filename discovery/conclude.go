package discovery

import (
	"bytes"
	"context"
	"slices"
	"time"

	"beampipe/ledger"
)

// known is what the ledger holds of a source.
type known struct {
	metadata []ledger.Metadata
	bytes    []byte  // of the stored answer
	answer   *answer // nil when there is none
}

func (e *Engine) known(ctx context.Context, s ledger.Source) (known, error) {
	var k known
	err := e.ledger.Snapshot(ctx, func(v ledger.View) error {
		var err error
		if k.metadata, err = v.Metadata(s.ID); err != nil {
			return err
		}
		k.bytes, _, err = v.Answer(s.ID)
		return err
	})
	if err != nil {
		return k, err
	}
	k.answer, err = decodeAnswer(k.bytes)
	return k, err
}

// conclude judges a complete answer about a source against what is known of it.
func (t *Tick) conclude(ctx context.Context, d *ledger.Discovery, n *inquiry) error {
	k, err := t.engine.known(ctx, d.Source)
	if err != nil {
		return err
	}
	d.NextDue = t.engine.ledger.Now().Add(t.stale())
	m := mapper{project: t.project, identifier: d.Source.Identifier}
	if len(m.primary(n.answer).Rows) == 0 {
		t.concludeEmpty(d, k)
		return nil
	}
	r, err := t.ruleFor(ctx, n.answer)
	if err != nil {
		return err
	}
	shown := r.arrange(n.answer)
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
	if d.Answer, err = n.answer.encode(); err != nil {
		return err
	}
	n.report.Datasets = len(full.records)
	n.report.NotInSignature = append(slices.Sorted(slices.Values(t.project.Discovery.PrepareMetadata.SignatureOptions().ExcludeFields)), extra...)
	n.report.MissingColumns = r.missing(shown)
	d.Columns = k.unseen(r, extra)
	if k.answer != nil {
		dealt := n.owner.again(*k.answer)
		k.answer = &dealt
	}
	t.judge(d, k, r, m, shown, hashed)
	return nil
}

// concludeEmpty judges an answer without rows: no data, or known data that is not shown any more.
func (t *Tick) concludeEmpty(d *ledger.Discovery, k known) {
	if len(k.metadata) == 0 {
		d.Outcome, d.Signature, d.Rule = ledger.OutcomeNoData, NoDataSignature, d.Source.SignatureRule
		return
	}
	d.Outcome = ledger.OutcomeMissing
	d.Changes = differences(k.shown(), nil, nil, nil, func(string, string) any { return nil })
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
		d.Outcome = ledger.OutcomeMissing
		d.Columns = nil // the answer is not stored, so they would be reported again
	}
}

// unchanged stores the records again only where they, the answer or what is missing differ.
func (t *Tick) unchanged(d *ledger.Discovery, k known) {
	d.Outcome = ledger.OutcomeUnchanged
	if bytes.Equal(k.bytes, d.Answer) && d.Source.MissingSince == nil && k.holds(d.Metadata) {
		d.Metadata, d.Answer = nil, nil
	}
}

// holds reports whether the ledger has exactly this metadata, none of it missing.
func (k known) holds(list []ledger.Metadata) bool {
	at := 0
	for _, have := range k.metadata {
		if at < len(list) && have.SBID == list[at].SBID {
			if have.MissingSince != nil || !sameJSON(have.Records, list[at].Records) || !sameJSON(have.Flags, list[at].Flags) {
				return false
			}
			at++
			continue
		}
		if have.MissingSince == nil {
			return false
		}
	}
	return at == len(list)
}

func sameJSON(a, b any) bool { return bytes.Equal(canonical(a), canonical(b)) }

// unseen gives the columns that neither the rule nor the stored answer knows.
func (k known) unseen(r *rule, extra []string) []string {
	if k.answer == nil {
		return extra
	}
	before := newColumnSet(r.extra(*k.answer))
	var list []string
	for _, name := range extra {
		if !before.has(name) {
			list = append(list, name)
		}
	}
	return list
}

// shown gives the datasets that are known and were not missing already.
func (k known) shown() content {
	c := content{}
	for _, m := range k.metadata {
		if m.MissingSince == nil {
			c[m.SBID] = contentOf(m.Records, nil)[m.SBID]
			if c[m.SBID] == nil {
				c[m.SBID] = map[string]map[string]any{}
			}
		}
	}
	return c
}

// content gives the known records without the fields that are not signed.
func (k known) content(exclude []string) content {
	var all []map[string]any
	for _, m := range k.metadata {
		if m.MissingSince == nil {
			all = append(all, m.Records...)
		}
	}
	return contentOf(all, exclude)
}

func (k known) flags() map[string]any {
	for _, m := range k.metadata {
		if m.MissingSince == nil {
			return m.Flags
		}
	}
	return nil
}

// record gives a known record in full.
func (k known) record(sbid, id string) any {
	for _, m := range k.metadata {
		for _, record := range m.Records {
			if name, _ := identity(record); m.SBID == sbid && name == id {
				return record
			}
		}
	}
	return nil
}

// stale is how long an answer counts.
func (t *Tick) stale() time.Duration {
	return time.Duration(t.project.Automation.Discovery.StaleAfterHours) * time.Hour
}
