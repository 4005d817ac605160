package ledger

import (
	"database/sql"
	"fmt"

	"beampipe/fault"
	"beampipe/provenance"
)

// archivedEvents bounds one archive file.
const archivedEvents = 1_000_000

// eventChunk is what one write deletes: the events up to a head.
type eventChunk struct {
	upto    Head
	count   int64
	archive int // which of the archives holds them
}

// events prunes the beginning of the log: as far as the policy says, and before the first event of an
// execution that has not ended. What is deleted was read and its chain checked: a broken log is not pruned.
// It is archived where that is asked for, and the archive is read again before anything is deleted.
func (w walk) events() (Pruned, error) {
	pruned := Pruned{Kind: w.policy.Kind}
	begin, head, err := w.eventBounds(&pruned)
	if err != nil {
		return pruned, err
	}
	p := prefix{walk: w, last: begin}
	defer p.drop()
	if err := p.read(head); err != nil {
		return pruned, err
	}
	pruned.Rows, pruned.Archives = p.last.Seq-begin.Seq, p.archives
	if pruned.Rows > 0 {
		pruned.UptoSeq = p.last.Seq
	}
	if w.o.DryRun || pruned.Rows == 0 {
		return pruned, nil
	}
	if len(p.archives) > 0 {
		w.ledger.pass("prune.archived")
	}
	for i, c := range p.chunks {
		var file ArchiveFile
		if c.archive < len(p.archives) {
			file = p.archives[c.archive]
		}
		if err := w.removeEvents(c, file); err != nil {
			pruned.Rows, pruned.UptoSeq = 0, 0 // what was deleted before that
			for _, done := range p.chunks[:i] {
				pruned.Rows, pruned.UptoSeq = pruned.Rows+done.count, done.upto.Seq
			}
			return pruned, err
		}
	}
	return pruned, nil
}

// eventBounds gives the head behind which the log begins, and the last event that may go for any reason but
// its time.
func (w walk) eventBounds(pruned *Pruned) (begin Head, last int64, err error) {
	v := w.view()
	err = v.list("begin of the provenance log", "SELECT seq - 1, prev_hash FROM provenance_events ORDER BY seq LIMIT 1", nil,
		func(rows *sql.Rows) error { return rows.Scan(&begin.Seq, &begin.Hash) })
	if err != nil {
		return begin, 0, err
	}
	if last, _, err = v.Head(); err != nil {
		return begin, 0, err
	}
	last-- // a pruning does not take what it follows
	live, execution, err := v.firstLiveEvent()
	if err == nil && live > 0 && live <= last {
		last = live - 1
		pruned.Note = fmt.Sprintf("events are kept from %d on, which is of execution %s: it has not ended, or is retried by itself", live, execution)
	}
	return begin, last, err
}

// firstLiveEvent gives the first event of an execution that is not over, and which that is; 0 = none.
func (v View) firstLiveEvent() (seq int64, execution string, err error) {
	const first = "SELECT uuid, (SELECT min(seq) FROM provenance_events WHERE execution_id = uuid AND execution_id <> '') AS first FROM batch_execution_record WHERE "
	err = v.list("first event of what is going on", "SELECT first, uuid FROM ("+
		first+"status IN ('pending', 'preparing', 'ready', 'submitting', 'uncertain', 'queued', 'running', 'cancelling', 'verifying') UNION ALL "+
		first+"next_retry_at IS NOT NULL) WHERE first IS NOT NULL ORDER BY first LIMIT 1", nil,
		func(rows *sql.Rows) error { return rows.Scan(&seq, &execution) })
	return seq, execution, err
}

// prefix is the beginning of the log as it is read before it is deleted.
type prefix struct {
	walk
	last     Head
	chunks   []eventChunk
	archive  *archive
	archives []ArchiveFile
}

// read goes through the log as far as the policy reaches.
func (p *prefix) read(last int64) error {
	surplus, err := p.surplus("provenance_events", "seq", "length(payload) + length(source_identifier) + 450")
	if err != nil {
		return err
	}
	for p.last.Seq < last {
		page, err := p.view().Events(EventFilter{After: p.last.Seq, Limit: min(prunedEvents, int(last-p.last.Seq))})
		if err != nil {
			return err
		}
		begin := p.last.Seq
		for _, e := range page {
			if e.OccurredAt.After(p.young) || (e.Seq > surplus && e.OccurredAt.After(p.cutoff)) {
				last = p.last.Seq
				break
			}
			if err := p.take(e); err != nil {
				return err
			}
		}
		if p.last.Seq > begin {
			p.chunks = append(p.chunks, eventChunk{p.last, p.last.Seq - begin, len(p.archives)})
		}
		full := p.archive != nil && p.archive.rows >= archivedEvents
		if full || p.last.Seq >= last || len(page) == 0 {
			if err := p.endArchive(); err != nil {
				return err
			}
		}
		if len(page) == 0 {
			return fault.New(fault.Invalid, fmt.Sprintf("there is no event behind %d, and the log goes on to %d", p.last.Seq, last), verifyHint)
		}
	}
	return nil
}

const verifyHint = "see what is wrong with: beampipe provenance verify"

// take checks one event, and archives it.
func (p *prefix) take(e provenance.Event) error {
	if e.Seq != p.last.Seq+1 || e.PrevHash != p.last.Hash || e.ChainHash() != e.Hash {
		return fault.New(fault.Invalid, fmt.Sprintf("the log is broken at event %d: it is not pruned", e.Seq), verifyHint)
	}
	p.last = Head{e.Seq, e.Hash}
	if p.policy.Archive == "" || p.o.DryRun {
		return nil
	}
	if p.archive == nil {
		var err error
		if p.archive, err = newArchive(p.policy.Archive, fmt.Sprintf("events-%d", e.Seq)); err != nil {
			return err
		}
	}
	p.archive.rows++
	return provenance.WriteArchiveLine(p.archive, e)
}

// endArchive makes the file durable and reads it again.
func (p *prefix) endArchive() error {
	if p.archive == nil {
		return nil
	}
	a := p.archive
	p.archive = nil
	file, err := a.finish(fmt.Sprintf("events-%d-%d.jsonl.zst", p.last.Seq-a.rows+1, p.last.Seq))
	if err != nil {
		return err
	}
	p.archives = append(p.archives, file)
	got, sum, err := VerifyArchive(file.Path)
	if err == nil && (sum != file.SHA256 || got.Last != p.last.Seq || got.Hash != p.last.Hash || got.Last-got.First+1 != file.Rows) {
		err = fault.New(fault.Invalid, fmt.Sprintf("archive %s holds other events than were written", file.Path), "see to its disk; nothing was deleted")
	}
	return err
}

func (p *prefix) drop() {
	if p.archive != nil {
		p.archive.drop()
	}
}

// removeEvents deletes one part of the prefix, unless an execution that has events in it lives again.
func (w walk) removeEvents(c eventChunk, file ArchiveFile) error {
	return w.write(func(tx *Tx) error {
		live, execution, err := tx.firstLiveEvent()
		if err != nil {
			return err
		}
		if live > 0 && live <= c.upto.Seq {
			return fault.New(fault.Conflict, fmt.Sprintf("event %d is of execution %s, which goes on again", live, execution), "the next pruning takes what is left")
		}
		return tx.prune(pruning{kind: KeepEvents, upto: c.upto, count: c.count, archive: file}, w.o, func() (int64, error) {
			return tx.exec("prune events", "DELETE FROM provenance_events WHERE seq <= ?", c.upto.Seq)
		})
	})
}
