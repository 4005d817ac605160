package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"beampipe/fault"
	"beampipe/provenance"
)

const (
	verifyPage   = 10_000 // events that are read by one query
	maxVerifiers = 3      // pages at once: one reader is left to others
	maxVerifies  = 3      // a log that is pruned while it is verified is begun anew this often
)

// VerifyOptions say what else is to be proved, and who is told how far it is.
type VerifyOptions struct {
	Contains *Head                   // a head that was kept elsewhere; nil = none
	Progress func(done, total int64) // called between pages; nil = nobody
}

// Verified is what a walk over the whole provenance log found.
type Verified struct {
	First    int64               `json:"first"`              // the number of the first event; more than 1 when the log was pruned, 0 when it is empty
	Events   int64               `json:"events"`             // so many are as they were written, and in order
	Head     Head                `json:"head"`               // the last of them
	Finding  *provenance.Finding `json:"finding,omitempty"`  // the first broken event; nil: none is
	Contains *bool               `json:"contains,omitempty"` // whether the log contains the head that was given, and all before it
	Witness  WitnessState        `json:"witness"`
}

// Intact tells whether nothing speaks against the log: no event is broken or missing, the witness file is
// not of another ledger, and the log contains the head that was given.
func (v Verified) Intact() bool {
	return v.Finding == nil && !v.Witness.Lost() && (v.Contains == nil || *v.Contains)
}

// Verify walks the provenance log from its first event to its last, in constant memory, and compares it with
// the witness file and with a head that was kept elsewhere. What is wrong with the log is a Finding and no
// error; an error says that it could not be read. A given head whose event was pruned is a NotFound error.
func (l *Ledger) Verify(ctx context.Context, o VerifyOptions) (Verified, error) {
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	var err error
	for range maxVerifies {
		var answer Verified
		var begin, again Head
		if answer, begin, err = l.verifyOnce(ctx, o); err != nil || answer.Finding == nil {
			return answer, err
		}
		if again, err = l.View(ctx).chainBegin(); err != nil || again == begin {
			return answer, err
		}
	}
	return Verified{}, fault.New(fault.Conflict, "verify ledger "+l.path+": its log is pruned again and again meanwhile", "try again when no pruning is going on")
}

func (l *Ledger) verifyOnce(ctx context.Context, o VerifyOptions) (answer Verified, begin Head, err error) {
	v := l.View(ctx)
	// The witness first: it never runs ahead of the log, so that what is committed meanwhile does no harm.
	seen := readWitness(l.path)
	if begin, err = v.chainBegin(); err != nil {
		return answer, begin, err
	}
	first, end, err := v.chainEnds()
	if err != nil {
		return answer, begin, err
	}
	last := end.Int64
	if err := checkGiven(o.Contains, begin); err != nil {
		return answer, begin, err
	}
	answer.First, answer.Head = first.Int64, begin
	whole := !first.Valid && begin.Seq == 0 || first.Int64 == begin.Seq+1
	if whole {
		answer.Head, whole, err = l.walk(ctx, begin, last, o.Progress)
	}
	answer.Events = answer.Head.Seq - begin.Seq
	if err == nil && !whole {
		answer.Finding, err = l.diagnose(ctx, answer.Head, begin, last)
	}
	if err == nil && whole {
		answer.Finding, err = v.checkPruning(begin)
	}
	if err != nil {
		return answer, begin, err
	}
	if answer.Witness, err = v.compareWitness(seen, begin, last); err != nil {
		return answer, begin, err
	}
	if answer.Finding == nil {
		answer.Finding = answer.Witness.finding
	}
	return answer, begin, v.findGiven(&answer, o.Contains, begin, last)
}

// chainBegin gives the event behind which the log begins: none, or the last one that was pruned.
func (v View) chainBegin() (begin Head, err error) {
	if there, err := v.hasTable("prunings"); err != nil || !there {
		return begin, err
	}
	err = v.list("last pruning of events", "SELECT upto_seq, hash FROM prunings WHERE kind = 'events' ORDER BY id DESC LIMIT 1", nil,
		func(rows *sql.Rows) error { return rows.Scan(&begin.Seq, &begin.Hash) })
	return begin, err
}

// hasTable tells whether the file's schema has a table: one of an older version may be read without it.
func (v View) hasTable(name string) (there bool, err error) {
	err = v.get("schema", "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?)", []any{name}, &there)
	return there, err
}

// chainEnds gives the least and the greatest number of an event, none at all for an empty log.
func (v View) chainEnds() (first, last sql.NullInt64, err error) {
	err = v.get("ends of the provenance log", "SELECT (SELECT min(seq) FROM provenance_events), (SELECT max(seq) FROM provenance_events)", nil, &first, &last)
	return first, last, err
}

// walk checks the events behind begin up to number last, several pages at once, and links the pages in their
// order. It gives the last event up to which all is well, and whether that is all of them.
func (l *Ledger) walk(ctx context.Context, begin Head, last int64, progress func(done, total int64)) (good Head, whole bool, err error) {
	good = begin
	pages := make([]page, min(runtime.GOMAXPROCS(0), maxVerifiers))
	for good.Seq < last {
		progress(good.Seq-begin.Seq, last-begin.Seq)
		group, inGroup := errgroup.WithContext(ctx)
		for i := range pages {
			from := good.Seq + int64(i)*verifyPage
			group.Go(func() (err error) {
				pages[i], err = l.checkPage(inGroup, from, min(from+verifyPage, last))
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return good, false, err
		}
		for _, p := range pages {
			switch {
			case good.Seq >= last:
			case p.before != good: // it is empty, or does not follow
				return good, false, nil
			case !p.whole:
				return p.good, false, nil
			default:
				good = p.good
			}
		}
	}
	progress(good.Seq-begin.Seq, last-begin.Seq)
	return good, true, nil
}

// page is what was found of the events in a range of numbers.
type page struct {
	before Head // what the first event names as the one before it
	good   Head // the last event that follows the one before it
	whole  bool // all of them are there and do
}

// errBroken ends the reading of a page.
var errBroken = errors.New("the chain is broken")

// checkPage checks the events with the numbers behind from, up to and with to, among each other.
func (l *Ledger) checkPage(ctx context.Context, from, to int64) (page, error) {
	var p page
	var chain *provenance.Verifier
	if from >= to {
		return p, nil
	}
	err := l.eachRecord(ctx, from, to, func(r *provenance.Record) error {
		if chain == nil {
			p.before = Head{r.Seq - 1, r.PrevHash}
			p.good = p.before
			chain = provenance.Follow(p.before.Seq, p.before.Hash)
		}
		if err := chain.NextRecord(r); err != nil {
			return errBroken
		}
		return nil
	})
	if chain != nil {
		p.good.Seq, p.good.Hash = chain.Head()
	}
	p.whole = err == nil && p.good.Seq == to
	if errors.Is(err, errBroken) {
		err = nil
	}
	return p, err
}

// diagnose says what is wrong behind the last event in order.
func (l *Ledger) diagnose(ctx context.Context, good, begin Head, last int64) (*provenance.Finding, error) {
	v := l.View(ctx)
	next := func(seq int64) (r provenance.Record, there bool, err error) {
		number := int64(0)
		err = v.list("next event", "SELECT seq FROM provenance_events WHERE seq > ? ORDER BY seq LIMIT 1", []any{seq}, func(rows *sql.Rows) error {
			there = true
			return rows.Scan(&number)
		})
		if err == nil && there {
			err = l.eachRecord(ctx, number-1, number, func(found *provenance.Record) error { r = *found; return nil })
		}
		return r, there, err
	}
	byHash := func(hash string) (seq int64, there bool, err error) {
		if hash == begin.Hash {
			return begin.Seq, true, nil
		}
		err = v.list("event by its hash", "SELECT seq FROM provenance_events WHERE hash = ? LIMIT 1", []any{hash}, func(rows *sql.Rows) error {
			there = true
			return rows.Scan(&seq)
		})
		return seq, there, err
	}
	first, _, err := v.chainEnds()
	if err != nil {
		return nil, err
	}
	if first.Valid && first.Int64 <= begin.Seq {
		return &provenance.Finding{Seq: first.Int64, Problem: provenance.Inserted, Detail: fmt.Sprintf("event %d stands before the first one of this log, %d: it was put in", first.Int64, begin.Seq+1)}, nil
	}
	f, err := provenance.Diagnose(good.Seq, good.Hash, provenance.Log{Begin: begin.Seq, Last: last, Next: next, ByHash: byHash})
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// checkPruning looks for the event that tells of the pruning behind which the log begins.
func (v View) checkPruning(begin Head) (*provenance.Finding, error) {
	if begin.Seq == 0 {
		return nil, nil
	}
	told := false
	err := v.list("events that tell of prunings", `SELECT payload FROM provenance_events WHERE event_type = 'ledger.pruned' AND seq > ?`, []any{begin.Seq}, func(rows *sql.Rows) error {
		var text string
		var payload struct {
			Kind string `json:"kind"`
			Seq  int64  `json:"upto_seq"`
			Hash string `json:"hash"`
		}
		err := rows.Scan(&text)
		if err == nil {
			err = scanJSON("payload of ledger.pruned", text, &payload)
		}
		told = told || payload.Kind == "events" && payload.Seq == begin.Seq && payload.Hash == begin.Hash
		return err
	})
	if err != nil || told {
		return nil, err
	}
	return &provenance.Finding{
		Seq: begin.Seq + 1, Problem: provenance.Pruning,
		Detail: fmt.Sprintf("event %d is the first one, and no event tells of a pruning up to event %d: the events before it were removed", begin.Seq+1, begin.Seq),
	}, nil
}

// checkGiven refuses a head that cannot be looked for.
func checkGiven(given *Head, begin Head) error {
	if given == nil || given.Seq >= begin.Seq || given.Seq == 0 {
		return nil
	}
	return fault.New(fault.NotFound, fmt.Sprintf("look for event %d: the log was pruned up to event %d", given.Seq, begin.Seq),
		"look for its hash in the archive of that pruning, or give a head that was kept later")
}

// findGiven says whether the log contains the head that was given.
func (v View) findGiven(answer *Verified, given *Head, begin Head, last int64) error {
	if given == nil {
		return nil
	}
	has := *given == begin || given.Seq == 0
	var hash, kind string
	if !has && given.Seq > begin.Seq {
		err := v.list("event of the given head", "SELECT hash, event_type FROM provenance_events WHERE seq = ?", []any{given.Seq}, func(rows *sql.Rows) error { return rows.Scan(&hash, &kind) })
		if err != nil {
			return err
		}
		has = hash == given.Hash
	}
	if answer.Finding != nil && answer.Finding.Seq <= given.Seq {
		has = false // the event is there, but what led to it is not what it was
	}
	answer.Contains = &has
	switch {
	case has || answer.Finding != nil:
	case given.Seq > last:
		answer.Finding = tailMissing(last, given.Seq, "the head that was given")
	default:
		answer.Finding = &provenance.Finding{Seq: given.Seq, Type: kind, Problem: provenance.Changed, Detail: fmt.Sprintf(
			"event %d (%s) has not the hash of the head that was given: it, or an event before it, was changed and every hash since then made to fit", given.Seq, kind)}
	}
	return nil
}

// tailMissing is the finding on a log that once went on to a later event.
func tailMissing(last, once int64, says string) *provenance.Finding {
	return &provenance.Finding{Seq: last + 1, Problem: provenance.TailMissing, Detail: fmt.Sprintf(
		"the log ends with event %d, and %s is of event %d: the last events (%d of them) are missing", last, says, once, once-last)}
}
