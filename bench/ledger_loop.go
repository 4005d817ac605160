package bench

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	_ "modernc.org/sqlite" // the driver

	"beampipe/ledger"
	"beampipe/provenance"
)

// loop is what somebody would write who needs the same rows and knows that nobody else writes: one
// connection, two prepared statements, everything else in memory. It checks nothing.
type loop struct {
	path       string
	db         *sql.DB
	conn       *sql.Conn
	begin      *sql.Stmt
	commit     *sql.Stmt
	update     *sql.Stmt
	insert     *sql.Stmt
	executions []ledger.Execution
	turn       int
	seq        int64
	hash       string
}

const (
	loopUpdate = `UPDATE batch_execution_record SET status = ?, version = ?, updated_at = ?, not_before = ?, next_retry_at = ?, refusals = ?, last_error = ?
		WHERE uuid = ? AND status = ? AND attempt = ? AND version = ?`
	loopInsert = `INSERT INTO provenance_events
		(seq, occurred_at, event_type, project_module, source_identifier, execution_id, actor, correlation_id, payload, prev_hash, hash)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// newLoop makes a ledger of the same content as the one that is measured and opens it by itself, with the
// same settings of SQLite.
func newLoop(ctx context.Context, path string) (*loop, error) {
	l, err := ledger.Create(ctx, path, ledger.Options{})
	if err != nil {
		return nil, err
	}
	p := &loop{path: path}
	p.executions, err = queuedExecutions(ctx, l, ledgerExecutions)
	if err == nil {
		p.seq, p.hash, err = l.View(ctx).Head()
	}
	if err := errors.Join(err, l.Close()); err != nil {
		return nil, err
	}
	settings := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "journal_size_limit(67108864)"}}
	if p.db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+settings.Encode()); err != nil {
		return nil, err
	}
	if p.conn, err = p.db.Conn(ctx); err != nil {
		return nil, errors.Join(err, p.db.Close())
	}
	for text, into := range map[string]**sql.Stmt{"BEGIN IMMEDIATE": &p.begin, "COMMIT": &p.commit, loopUpdate: &p.update, loopInsert: &p.insert} {
		if *into, err = p.conn.PrepareContext(ctx, text); err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	return p, nil
}

func (p *loop) close() error { return errors.Join(p.conn.Close(), p.db.Close()) }

// rate is how many transitions it makes in a second with a commit after every batch of them.
func (p *loop) rate(ctx context.Context, batch int, slice time.Duration) (float64, error) {
	begun, n := time.Now(), 0
	for time.Since(begun) < slice {
		if err := p.transaction(ctx, batch); err != nil {
			return 0, err
		}
		n += batch
	}
	return float64(n) / seconds(begun), nil
}

// p99 is that of arrivals at arrivalRate which wait for the loop, in ms.
func (p *loop) p99(ctx context.Context) (float64, error) {
	n := int(arrivalSlice.Seconds() * arrivalRate)
	took := make([]float64, n)
	due := make(chan time.Time, n)
	done := make(chan error, 1)
	go func() {
		var failed error
		k := 0
		for t := range due {
			if failed == nil {
				failed = p.transaction(ctx, 1)
			}
			took[k] = seconds(t) * 1e3
			k++
		}
		done <- failed
	}()
	arrivals(n, func(_ int, t time.Time) { due <- t })
	close(due)
	err := <-done
	return percentile(took, 0.99), err
}

func (p *loop) transaction(ctx context.Context, n int) error {
	if _, err := p.begin.ExecContext(ctx); err != nil {
		return err
	}
	for range n {
		if err := p.step(ctx); err != nil {
			return err
		}
	}
	_, err := p.commit.ExecContext(ctx)
	return err
}

// step writes what Tx.Move writes.
func (p *loop) step(ctx context.Context) error {
	e := &p.executions[p.turn]
	p.turn = (p.turn + 1) % loopExecutions
	now := time.Now().UTC().Truncate(time.Millisecond)
	from, event := e.State, nextEvent(e.State)
	e.State = map[ledger.Event]ledger.State{ledger.EventStarted: ledger.Running, ledger.EventRequeued: ledger.Queued}[event]
	e.Version++
	_, err := p.update.ExecContext(ctx, string(e.State), e.Version, ledger.Stamp(now), nil, nil, e.Refusals, e.Error, e.ID, string(from), e.Attempt, e.Version-1)
	if err != nil {
		return err
	}
	return p.event(ctx, e, now, event, map[string]any{"from": string(from), "to": string(e.State), "attempt": e.Attempt, "why": benchStep.Why})
}

func (p *loop) event(ctx context.Context, x *ledger.Execution, now time.Time, event ledger.Event, payload map[string]any) error {
	text, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	e := provenance.Event{
		Seq: p.seq + 1, OccurredAt: now, Type: "execution." + string(event), Project: x.Project, Source: x.Sources[0].Identifier,
		Execution: x.ID, Actor: benchActor, Correlation: x.SubmissionID, Payload: text, PrevHash: p.hash,
	}
	e.Hash = e.ChainHash()
	_, err = p.insert.ExecContext(ctx, e.Seq, ledger.Stamp(now), e.Type, e.Project, e.Source, e.Execution, e.Actor, e.Correlation, string(e.Payload), e.PrevHash, e.Hash)
	p.seq, p.hash = e.Seq, e.Hash
	return err
}
