package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// What a witness file says of its ledger.
const (
	WitnessAgrees     = "agrees"     // the ledger contains every head that it holds
	WitnessBehind     = "behind"     // the ledger does not: it lost its tail, or went back in time
	WitnessOther      = "other"      // it is of another ledger
	WitnessMissing    = "missing"    // there is none, and the ledger has events: the next one begins it
	WitnessUnreadable = "unreadable" // it cannot be read, or no slot of it is valid
)

// WitnessState is what the witness file beside a ledger says of it.
type WitnessState struct {
	Path    string    `json:"path"`
	State   string    `json:"state"`
	Head    Head      `json:"head"`              // the latest that it holds
	At      time.Time `json:"at,omitzero"`       // when that one was made durable
	Detail  string    `json:"detail,omitempty"`  // what is wrong, one sentence
	Unnoted int64     `json:"unnoted,omitempty"` // events of the ledger behind that one: a few at most, unless it cannot be written
	Problem string    `json:"problem,omitempty"` // why this process could not write it; "" = it could

	finding *provenance.Finding // of a ledger that is behind
}

// Lost tells whether the witness speaks against the ledger: it went back, or is another one.
func (s WitnessState) Lost() bool { return s.State == WitnessBehind || s.State == WitnessOther }

// Witness compares the ledger with the witness file beside it. The error says that the ledger could not be
// read; what is wrong with the witness file is a state.
func (l *Ledger) Witness() (WitnessState, error) {
	v := l.View(context.Background())
	seen := readWitness(l.path) // first: it never runs ahead of the ledger
	begin, err := v.chainBegin()
	if err != nil {
		return WitnessState{}, err
	}
	_, last, err := v.chainEnds()
	if err != nil {
		return WitnessState{}, err
	}
	state, err := v.compareWitness(seen, begin, last.Int64)
	if l.witness != nil {
		state.Problem = l.witness.trouble()
	}
	return state, err
}

// compareWitness says whether the log, whose last event is number last, contains what the witness file holds.
func (v View) compareWitness(seen witnessed, begin Head, last int64) (WitnessState, error) {
	s := WitnessState{Path: seen.path, State: WitnessAgrees}
	switch {
	case seen.err != nil:
		s.State, s.Detail = WitnessUnreadable, fmt.Sprintf("the witness file cannot be read: %v", seen.err)
		return s, nil
	case seen.missing && last > 0:
		s.State, s.Detail = WitnessMissing, "there is no witness file: nothing says whether this ledger lost its last events; the next event begins a new one"
		return s, nil
	case seen.missing:
		return s, nil
	case len(seen.slots) == 0 && last > 0:
		s.State, s.Detail = WitnessUnreadable, "the witness file has no valid line"
		return s, nil
	case len(seen.slots) == 0:
		return s, nil
	}
	latest := seen.slots[0]
	s.Head, s.At = latest.head, latest.at
	id, err := v.LedgerID()
	if err != nil {
		return s, err
	}
	if latest.ledger != id {
		s.State, s.Detail = WitnessOther, "the witness file is of another ledger: one of the two was replaced"
		return s, nil
	}
	if latest.head.Seq > last {
		s.State = WitnessBehind
		s.finding = tailMissing(last, latest.head.Seq, "the witness file beside it")
		s.Detail = s.finding.Detail
		return s, nil
	}
	if s.Unnoted = last - latest.head.Seq; s.Unnoted > 0 { // they may have been noted meanwhile
		if now := readWitness(v.path); len(now.slots) > 0 {
			s.Unnoted = max(0, last-now.slots[0].head.Seq)
		}
	}
	return v.compareSlots(s, seen.slots, begin)
}

// compareSlots looks each witnessed head up in the log.
func (v View) compareSlots(s WitnessState, slots []slot, begin Head) (WitnessState, error) {
	for _, w := range slots {
		if w.head.Seq < begin.Seq || w.ledger != slots[0].ledger {
			continue // pruned since
		}
		has, kind := begin.Hash, ""
		if w.head.Seq > begin.Seq {
			has = ""
			err := v.list("witnessed event", "SELECT hash, event_type FROM provenance_events WHERE seq = ?", []any{w.head.Seq}, func(rows *sql.Rows) error { return rows.Scan(&has, &kind) })
			if err != nil {
				return s, err
			}
		}
		if has == w.head.Hash || s.finding != nil && s.finding.Seq < w.head.Seq {
			continue
		}
		s.State, s.Unnoted = WitnessBehind, 0
		s.finding = &provenance.Finding{Seq: w.head.Seq, Type: kind, Problem: provenance.Changed, Detail: fmt.Sprintf(
			"event %d (%s) is not the one that the witness file noted on %s: the ledger went back and took another way, or it was written anew", w.head.Seq, kind, Minute(w.at))}
		s.Detail = s.finding.Detail
	}
	return s, nil
}

// LedgerID is the ledger's own id, made with the file and kept in every copy of it; "" in a file of a schema
// before version 3.
func (v View) LedgerID() (id string, err error) {
	err = v.list("ledger id", "SELECT value FROM ledger_info WHERE key = 'ledger_id'", nil, func(rows *sql.Rows) error { return rows.Scan(&id) })
	return id, err
}

// openWitness makes the ledger note each head. What the file says against the ledger stays in it.
func (l *Ledger) openWitness(ctx context.Context) error {
	id, err := l.View(ctx).LedgerID()
	if err != nil {
		return err
	}
	l.witness = &witness{path: witnessPath(l.path), ledger: id, mode: 0o644}
	if info, err := os.Stat(l.path); err == nil {
		l.witness.mode = info.Mode().Perm()
	}
	state, err := l.Witness()
	if err != nil {
		return err
	}
	l.witness.kept = state.Lost()
	l.onCommit = l.note
	return nil
}

// note tells the witness file what was made durable. As long as the file speaks against the ledger it is
// looked at each time: a person may have renewed it with another process.
func (l *Ledger) note(h Head) {
	if l.witness.keeps() {
		state, err := l.Witness()
		if err != nil || state.Lost() {
			return
		}
		l.witness.goOn()
	}
	l.witness.note(h, l.Now())
}

// RenewWitness begins the witness file anew from the ledger as it is now: after a restore, or when a person
// has taken over a ledger that went back. What the file held against the ledger is gone then. It is an
// Invalid error on a ledger that is open for reading only.
func (l *Ledger) RenewWitness() error {
	if l.witness == nil {
		return fault.New(fault.Invalid, "renew the witness file of ledger "+l.path+": the ledger is open for reading only", "")
	}
	l.witness.mu.Lock()
	defer l.witness.mu.Unlock()
	v := l.View(context.Background())
	seq, hash, err := v.Head()
	if err != nil {
		return err
	}
	if l.witness.ledger, err = v.LedgerID(); err != nil {
		return err
	}
	if err := l.witness.renew(Head{seq, hash}, l.Now()); err != nil {
		return fault.Wrap(fault.Unavailable, err, "renew the witness file of ledger "+l.path, "check its permissions and the room on the disk")
	}
	return nil
}
