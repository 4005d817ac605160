package provenance

import "fmt"

// Problem says what was done to a chain. The list is closed.
type Problem string

// The problems.
const (
	Changed     Problem = "changed"      // an event is not what was written
	Removed     Problem = "removed"      // events are missing
	Inserted    Problem = "inserted"     // an event was not written by the ledger
	Reordered   Problem = "reordered"    // events stand in another order than they happened
	TailMissing Problem = "tail_missing" // the last events are missing: the log once went further
	Pruning     Problem = "pruning"      // the log does not begin where its last pruning ended
)

// Finding is the first event of a log that is not as it was written, and what is wrong with it. Of events
// that are missing, Seq is the number of the first.
type Finding struct {
	Seq     int64   `json:"seq"`
	Type    string  `json:"event_type,omitempty"`
	Problem Problem `json:"problem"`
	Detail  string  `json:"detail"` // a sentence that begins with the event
}

// Log is how Diagnose looks around in a log. Each of its questions may walk the whole log.
type Log struct {
	Begin int64 // the log's events begin behind this one; 0 unless it was pruned
	Last  int64 // the greatest number in it
	// Next gives the record with the smallest number greater than seq, false when there is none.
	Next func(seq int64) (Record, bool, error)
	// ByHash gives the number of the record that has that hash, false when there is none. The hash of event
	// Begin is known although it is no longer there; that of event 0 is "".
	ByHash func(hash string) (int64, bool, error)
}

// maxNumbers bounds the numbers that are tried for an event whose content does not match its own.
const maxNumbers = 20_000_000

// Diagnose says what is wrong behind event seq, which has that hash and up to which the chain is intact. It
// asks what the events around the break say of each other: every event holds the hash of the one before it,
// and its own number under its hash, so it tells where it once stood unless its hash was made anew.
func Diagnose(seq int64, hash string, log Log) (Finding, error) {
	r, there, err := log.Next(seq)
	if err != nil {
		return Finding{}, err
	}
	if !there {
		return finding(seq+1, "", Removed, "event %d is missing", seq+1), nil
	}
	next, more, err := log.Next(r.Seq)
	if err != nil {
		return Finding{}, err
	}
	d := diagnosis{seq: seq, hash: hash, r: &r, begin: log.Begin}
	if more {
		d.next = &next
	}
	if d.before, d.known, err = log.ByHash(r.PrevHash); err != nil {
		return Finding{}, err
	}
	d.number, d.fits = d.numberOf(&r, log.Last)
	switch {
	case !d.fits:
		return d.unreadable(), nil
	case d.number == r.Seq:
		return d.inPlace(), nil
	}
	return d.renumbered(), nil
}

// diagnosis is what is known around a break.
type diagnosis struct {
	seq   int64 // the last event in order, and its hash
	hash  string
	begin int64
	r     *Record // the first out of order
	next  *Record // the one behind it, nil at the end

	number int64 // the number under which r's content matches its hash
	fits   bool  // there is such a number
	before int64 // where the event stands that r names as the one before it
	known  bool  // it stands somewhere

	hasher hasher
}

func finding(seq int64, kind string, p Problem, format string, args ...any) Finding {
	return Finding{Seq: seq, Type: kind, Problem: p, Detail: fmt.Sprintf(format, args...)}
}

// numberOf finds the number under which a record's content matches its hash: its own, that behind the event
// which it names as the one before it, or, where that one is gone or was moved, any.
func (d *diagnosis) numberOf(r *Record, last int64) (int64, bool) {
	matches := func(n int64) bool { return n > 0 && string(d.hasher.sum(r, n)) == r.Hash }
	if matches(r.Seq) {
		return r.Seq, true
	}
	if d.known && d.before <= d.seq {
		return d.before + 1, matches(d.before + 1)
	}
	for away := int64(1); away <= min(last, maxNumbers); away++ {
		for _, n := range []int64{r.Seq - away, r.Seq + away} {
			if matches(n) {
				return n, true
			}
		}
	}
	return 0, false
}

// gap tells of numbers that are missing before r.
func (d *diagnosis) gap() bool { return d.r.Seq > d.seq+1 }

// missing is the verdict on events that are gone, from the one behind seq to that before number end.
func (d *diagnosis) missing(end int64, how string) Finding {
	first := d.seq + 1
	if n := end - first; n > 1 {
		return finding(first, "", Removed, "events %d to %d (%d of them) are missing%s", first, end-1, n, how)
	}
	return finding(first, "", Removed, "event %d is missing%s", first, how)
}

// vouched tells whether the event behind r speaks for r: it knows r by its hash, or it was moved by as many
// numbers as r itself, when it stands behind event before.
func (d *diagnosis) vouched() bool {
	if d.next == nil {
		return false
	}
	moved := d.r.Seq - (d.before + 1)
	return d.next.PrevHash == d.r.Hash || string(d.hasher.sum(d.next, d.next.Seq-moved)) == d.next.Hash
}

// unreadable judges a record whose content fits under no number: it was changed, or it never was an event.
func (d *diagnosis) unreadable() Finding {
	r := d.r
	switch {
	case d.next != nil && d.next.PrevHash == d.hash:
		return finding(r.Seq, r.Type(), Inserted, "event %d (%s) does not match its hash, and the event behind it follows event %d: it was put in between", r.Seq, r.Type(), d.seq)
	case d.gap() && r.PrevHash != d.hash:
		return d.missing(r.Seq, fmt.Sprintf(", and event %d behind them does not match its hash", r.Seq))
	case r.Seq <= d.begin:
		return finding(r.Seq, r.Type(), Inserted, "event %d (%s) stands where the log was pruned up to event %d, and does not match its hash", r.Seq, r.Type(), d.begin)
	}
	return finding(r.Seq, r.Type(), Changed, "event %d (%s) does not match its hash: its content, its number or its hash was changed", r.Seq, r.Type())
}

// inPlace judges a record that matches its hash under its own number, but does not follow event seq.
func (d *diagnosis) inPlace() Finding {
	r := d.r
	switch {
	case r.PrevHash == d.hash: // and its number is too great
		return finding(r.Seq, r.Type(), Inserted, "event %d (%s) names event %d as the one before it, but has not the number behind it: the ledger did not write it", r.Seq, r.Type(), d.seq)
	case d.known && d.before > r.Seq:
		return finding(d.seq+1, "", Reordered, "event %d (%s) names as the one before it the event that is now number %d", r.Seq, r.Type(), d.before)
	case d.next != nil && d.next.PrevHash == d.hash && d.seq > 0 && string(d.hasher.sum(d.next, r.Seq)) == d.next.Hash:
		return finding(r.Seq, r.Type(), Inserted, "event %d (%s) does not follow event %d, but the event behind it does, and had its number: it was put in between", r.Seq, r.Type(), d.seq)
	case d.known && d.before < d.seq && d.before > 0 && d.vouched():
		return finding(d.before+1, "", Inserted, "event %d (%s) follows event %d: what stands between them was put in", r.Seq, r.Type(), d.before)
	case d.gap():
		return d.missing(r.Seq, "")
	case d.seq == d.begin && d.begin > 0:
		return finding(r.Seq, r.Type(), Pruning, "event %d (%s), the first one, does not follow event %d, with which the last pruning ended", r.Seq, r.Type(), d.begin)
	case d.next != nil && d.next.PrevHash == d.hash && d.seq > 0:
		return finding(r.Seq, r.Type(), Reordered, "event %d (%s) does not follow event %d, but the event behind it does", r.Seq, r.Type(), d.seq)
	case d.seq == 0, d.known, d.next != nil && d.next.PrevHash != r.Hash:
		return finding(r.Seq, r.Type(), Changed, "event %d (%s) names another event before it than event %d, and its hash was made to fit", r.Seq, r.Type(), d.seq)
	}
	return finding(d.seq, "", Changed, "event %d was changed and its hash made to fit (or events up to it were): event %d (%s) behind it knows it by another hash", d.seq, r.Seq, r.Type())
}

// renumbered judges a record that matches its hash under another number: it, or what stands around it, was moved.
func (d *diagnosis) renumbered() Finding {
	r := d.r
	switch {
	case d.known && d.before > r.Seq:
		return finding(r.Seq, r.Type(), Reordered, "event %d (%s) was event %d when it was written; the event before it is now number %d", r.Seq, r.Type(), d.number, d.before)
	case d.known && d.before < d.seq && d.number == d.before+1:
		return finding(d.before+1, "", Inserted, "event %d (%s) was event %d when it was written and follows event %d: what stands between them was put in", r.Seq, r.Type(), d.number, d.before)
	case d.number > r.Seq && r.PrevHash != d.hash:
		return d.missing(d.number, fmt.Sprintf(": event %d (%s) was event %d when it was written", r.Seq, r.Type(), d.number))
	}
	return finding(r.Seq, r.Type(), Reordered, "event %d (%s) was event %d when it was written", r.Seq, r.Type(), d.number)
}
