package ledger

import (
	"database/sql"
	"fmt"
	"strings"

	"beampipe/provenance"
)

// historyPage is how many executions are checked in one read transaction, with all their events.
const historyPage = 200

// history follows one execution through its events.
type history struct {
	pruned bool // it may begin later than with its creation

	known   bool // state and attempt are
	born    bool // the creation was seen, so that version is right
	state   State
	attempt int
	version int
	last    int64 // the number of its last event
	wrong   string
}

// moved is what a transition's event says of it.
type moved struct {
	From    State `json:"from"`
	To      State `json:"to"`
	Attempt int   `json:"attempt"`
}

// follow takes one event of the execution. What is wrong first stays: what follows may only be its consequence.
func (h *history) follow(seq int64, kind, payload string) {
	h.last = seq
	if h.wrong != "" {
		return
	}
	switch kind {
	case provenance.ExecutionCreated:
		if h.known {
			h.wrong = fmt.Sprintf("event %d says that it was created, but it had been before", seq)
			return
		}
		h.known, h.born, h.state, h.attempt, h.version = true, true, Pending, 1, 1
	case provenance.ExecutionHeld, provenance.ExecutionReleased, provenance.ExecutionCancelWanted:
		h.version++
	default:
		if event, ok := transitionOf(kind); ok {
			h.move(seq, event, payload)
		}
	}
}

// transitionOf gives the event of the state machine that an event of the log records.
func transitionOf(kind string) (Event, bool) {
	name, ok := strings.CutPrefix(kind, "execution.")
	if !ok {
		return "", false
	}
	for _, t := range Transitions() {
		if string(t.Event) == name {
			return t.Event, true
		}
	}
	return "", false
}

func (h *history) move(seq int64, event Event, payload string) {
	var m moved
	if err := scanJSON("payload", payload, &m); err != nil {
		h.wrong = fmt.Sprintf("event %d (%s): its payload cannot be read: %v", seq, event, err)
		return
	}
	t, err := next(m.From, event)
	switch {
	case err != nil:
		h.wrong = fmt.Sprintf("event %d: %v", seq, err)
		return
	case m.To != t.To:
		h.wrong = fmt.Sprintf("event %d: %s leads from %s to %s, not to %s", seq, event, t.From, t.To, m.To)
		return
	}
	before := m.Attempt
	if t.NextAttempt {
		before--
	}
	switch {
	case !h.known && !h.pruned:
		h.wrong = fmt.Sprintf("event %d (%s) is its first: there is none that says that it was created", seq, event)
	case h.known && h.state != m.From:
		h.wrong = fmt.Sprintf("event %d (%s) leads from %s, but it was %s", seq, event, m.From, h.state)
	case h.known && h.attempt != before:
		h.wrong = fmt.Sprintf("event %d (%s) is of attempt %d, but it was at attempt %d", seq, event, m.Attempt, h.attempt)
	}
	h.known, h.state, h.attempt, h.version = true, m.To, m.Attempt, h.version+1
}

// record is what an execution's row says of its state.
type record struct {
	id               string
	state            State
	attempt, version int
	submission       string
	sources, active  int
}

// against compares the history with the execution's row.
func (h *history) against(r record) string {
	switch {
	case h.wrong != "":
		return h.wrong
	case h.last == 0 && !h.pruned:
		return "no event tells of it: it was not made by the program"
	case h.known && h.state != r.state:
		return fmt.Sprintf("its record says %s, its last event (%d) left it %s", r.state, h.last, h.state)
	case h.known && h.attempt != r.attempt:
		return fmt.Sprintf("its record says attempt %d, its events lead to attempt %d", r.attempt, h.attempt)
	case h.born && h.version != r.version, h.version > r.version:
		return fmt.Sprintf("its record says version %d, its events lead to version %d", r.version, h.version)
	}
	return ""
}

// itself checks what a row says of itself.
func (r record) itself() string {
	own := SubmissionID(r.id, r.attempt)
	switch {
	case r.submission != "" && r.submission != own:
		return fmt.Sprintf("its submission id is %s, that of its attempt %s", r.submission, own)
	case r.submission == "" && r.state.Submitted():
		return fmt.Sprintf("it is %s and has no submission id", r.state)
	case r.state.Terminal() && r.active > 0:
		return fmt.Sprintf("it is %s, and %d of its sources are still marked as worked on: no other execution can take them", r.state, r.active)
	case !r.state.Terminal() && r.active < r.sources:
		return fmt.Sprintf("it is %s, and %d of its %d sources are not marked as worked on: another execution may take them", r.state, r.sources-r.active, r.sources)
	}
	return ""
}

// executions follows every execution's history, a page of executions at a time.
func (c *checker) executions() error {
	var total int64
	if err := c.view().get("executions", "SELECT count(*) FROM batch_execution_record", nil, &total); err != nil {
		return err
	}
	after := ""
	for {
		more := false
		err := c.l.Snapshot(c.ctx, func(v View) (err error) {
			after, more, err = c.historiesAfter(v, after)
			return err
		})
		if err != nil || !more {
			return err
		}
		c.progress(c.step.Checked, max(total, c.step.Checked))
	}
}

// historiesAfter checks the executions behind an id, a page of them.
func (c *checker) historiesAfter(v View, after string) (last string, more bool, err error) {
	begin, err := v.chainBegin()
	if err != nil {
		return after, false, err
	}
	page, err := v.recordsAfter(after)
	if err != nil {
		return after, false, err
	}
	more = len(page) == historyPage
	last = "\U0010FFFF" // behind every id: the last page also finds the events of executions that are not there
	if more {
		last = page[len(page)-1].id
	}
	histories := make(map[string]*history, len(page))
	for _, r := range page {
		histories[r.id] = &history{pruned: begin.Seq > 0}
	}
	if err := c.followAll(v, histories, after, last); err != nil {
		return after, false, err
	}
	for _, r := range page {
		c.step.Checked++
		for _, wrong := range []string{histories[r.id].against(r), r.itself()} {
			if wrong != "" {
				c.found("execution %s: %s; look at: beampipe timeline execution %s", r.id, wrong, r.id)
			}
		}
	}
	return last, more, nil
}

// recordsAfter reads a page of executions behind an id.
func (v View) recordsAfter(after string) ([]record, error) {
	var page []record
	err := v.list("executions", `SELECT uuid, status, attempt, version, submission_id,
		(SELECT count(*) FROM execution_sources s WHERE s.execution = uuid), (SELECT count(*) FROM execution_sources s WHERE s.execution = uuid AND s.active = 1)
		FROM batch_execution_record WHERE uuid > ? ORDER BY uuid LIMIT ?`, []any{after, historyPage}, func(rows *sql.Rows) error {
		var r record
		err := rows.Scan(&r.id, &r.state, &r.attempt, &r.version, &r.submission, &r.sources, &r.active)
		page = append(page, r)
		return err
	})
	return page, err
}

// followAll leads every event of the executions behind after, up to and with last, to its history.
func (c *checker) followAll(v View, histories map[string]*history, after, last string) error {
	stranger := ""
	return v.list("events of executions", `SELECT execution_id, seq, event_type, payload FROM provenance_events
		WHERE execution_id <> '' AND execution_id > ? AND execution_id <= ? ORDER BY execution_id, seq`, []any{after, last}, func(rows *sql.Rows) error {
		var id, kind, payload string
		var seq int64
		if err := rows.Scan(&id, &seq, &kind, &payload); err != nil {
			return err
		}
		if h, ok := histories[id]; ok {
			h.follow(seq, kind, payload)
			return nil
		}
		if id == stranger {
			return nil
		}
		stranger = id
		pruned, err := c.executionsPruned()
		if err == nil && !pruned {
			c.found("execution %s: event %d tells of it, but it is not in the ledger, and no pruning took it", id, seq)
		}
		return err
	})
}

// executionsPruned tells whether a pruning has ever taken executions: their events may still be there.
func (c *checker) executionsPruned() (bool, error) {
	if c.pruned != nil {
		return *c.pruned, nil
	}
	v := c.view()
	there, err := v.hasTable("prunings")
	if err == nil && there {
		err = v.get("prunings of executions", "SELECT EXISTS (SELECT 1 FROM prunings WHERE kind = 'executions')", nil, &there)
	}
	if err != nil {
		return false, err
	}
	c.pruned = &there
	return there, nil
}
