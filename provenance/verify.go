package provenance

import "fmt"

// Verifier checks a chain event by event, in constant memory. The zero value begins at event 1. It is not
// safe for concurrent use.
type Verifier struct {
	seq    int64
	hash   string
	hasher hasher
}

// Follow gives a Verifier for the part of a chain that follows event seq, which has that hash.
func Follow(seq int64, hash string) *Verifier { return &Verifier{seq: seq, hash: hash} }

// Next checks one event against the one before it. The first event has Seq 1 and no PrevHash. The
// error names the event and what is wrong with it.
func (v *Verifier) Next(e Event) error {
	r := e.record()
	return v.NextRecord(&r)
}

// NextRecord is Next for an event as it is stored.
func (v *Verifier) NextRecord(r *Record) error {
	switch {
	case r.Seq > v.seq+1:
		return fmt.Errorf("event %d (%s): follows event %d, so %d before it are missing", r.Seq, r.Type(), v.seq, r.Seq-v.seq-1)
	case r.Seq <= v.seq:
		return fmt.Errorf("event %d (%s): follows event %d, so it is out of order or there twice", r.Seq, r.Type(), v.seq)
	case r.PrevHash != v.hash:
		return fmt.Errorf("event %d (%s): its prev_hash is not the hash of event %d", r.Seq, r.Type(), v.seq)
	case string(v.hasher.sum(r, r.Seq)) != r.Hash:
		return fmt.Errorf("event %d (%s): its content does not match its hash", r.Seq, r.Type())
	}
	v.seq, v.hash = r.Seq, r.Hash
	return nil
}

// Head gives the sequence number and the hash of the last event that was checked.
func (v *Verifier) Head() (seq int64, hash string) { return v.seq, v.hash }
