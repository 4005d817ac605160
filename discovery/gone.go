package discovery

import (
	"slices"
	"time"

	"beampipe/ledger"
)

// Vanished data is accepted as gone after so many complete answers that agree on what is left, the
// first of which is so long ago; or at once when an operator said so.
const (
	GoneAnswers = 3
	GoneAfter   = 48 * time.Hour
)

// missing judges an answer that shows less than what is known: what is known is kept and marked, until
// it is accepted as gone. Two answers agree when what they show has the same signature.
func (t *Tick) missing(d *ledger.Discovery, k known) {
	if acceptedGone(d.Source, d.Signature, t.engine.ledger.Now()) {
		d.Outcome = ledger.OutcomeGone
		d.Changes = append(d.Changes, k.unlisted(d)...)
		return
	}
	stillMissing(d)
}

// stillMissing leaves what is known as it is; columns that came would be reported again.
func stillMissing(d *ledger.Discovery) {
	d.Outcome, d.GoneDigest = ledger.OutcomeMissing, d.Signature
	d.Answer, d.Columns = nil, nil
}

// acceptedGone reports whether an answer that shows this much, together with those before it, is enough.
// An operator accepted what was missing then: an answer that shows other data, or none at all, is not it.
// Answers that an older version stored have no digest.
func acceptedGone(s ledger.Source, digest string, now time.Time) bool {
	if s.AcceptMissingAt != nil && (s.GoneDigest == digest || s.GoneDigest == "") {
		return true
	}
	return s.GoneDigest == digest && s.GoneAnswers >= GoneAnswers-1 && s.GoneSince != nil && !s.GoneSince.After(now.Add(-GoneAfter))
}

// unlisted gives the SBIDs that went missing with the source and still are, as changes that d does not
// list yet.
func (k known) unlisted(d *ledger.Discovery) []ledger.Change {
	since := d.Source.MissingSince
	var list []ledger.Change
	for _, m := range k.metadata {
		if since == nil || m.MissingSince == nil || m.MissingSince.Before(*since) {
			continue
		}
		shown := slices.ContainsFunc(d.Metadata, func(now ledger.Metadata) bool { return now.SBID == m.SBID })
		listed := slices.ContainsFunc(d.Changes, func(c ledger.Change) bool { return c.Kind == ChangeSBIDGone && c.SBID == m.SBID })
		if !shown && !listed {
			list = append(list, ledger.Change{Kind: ChangeSBIDGone, SBID: m.SBID})
		}
	}
	return list
}
