package discovery

import (
	"bytes"
	"context"

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
		k, err = readKnown(v, s)
		return err
	})
	return k, err
}

func readKnown(v ledger.View, s ledger.Source) (k known, err error) {
	if k.metadata, err = v.Metadata(s.ID); err != nil {
		return k, err
	}
	if k.bytes, _, err = v.Answer(s.ID); err != nil {
		return k, err
	}
	k.answer, err = decodeAnswer(k.bytes)
	return k, err
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
