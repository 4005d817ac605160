package ledger

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"beampipe/provenance"
)

const recordSQL = `SELECT seq, prev_hash, hash, occurred_at, event_type, project_module, source_identifier, execution_id, actor, correlation_id, payload
	FROM provenance_events WHERE seq > ? AND seq <= ? ORDER BY seq`

// recordTexts is the number of columns of recordSQL behind seq.
const recordTexts = 10

// eachRecord calls fn with each event whose number is greater than from and at most to, in their order, and
// stops with its error. The record is valid until fn returns. It asks the driver itself: database/sql costs
// as much again as reading and hashing an event. As any read it is ended when it takes longer than 30 s.
func (l *Ledger) eachRecord(ctx context.Context, from, to int64, fn func(r *provenance.Record) error) error {
	ctx, done := l.reads.begin(ctx)
	defer done()
	conn, err := l.readers.Conn(ctx)
	if err != nil {
		return readError(l.path, "provenance events", err)
	}
	defer conn.Close()
	var stopped error // fn's own, which is not of the file
	err = conn.Raw(func(c any) (err error) {
		asked, ok := c.(driver.QueryerContext)
		if !ok {
			return fmt.Errorf("%T cannot be asked", c)
		}
		rows, err := asked.QueryContext(ctx, recordSQL, []driver.NamedValue{{Ordinal: 1, Value: from}, {Ordinal: 2, Value: to}})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		var r provenance.Record
		values := make([]driver.Value, 1+recordTexts)
		for {
			if err := rows.Next(values); err != nil {
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
			r.Seq, _ = values[0].(int64)
			r.PrevHash, r.Hash = text(values[1]), text(values[2])
			for i := range r.Fields {
				r.Fields[i] = text(values[3+i])
			}
			if stopped = fn(&r); stopped != nil {
				return nil
			}
		}
	})
	if stopped != nil {
		return stopped
	}
	return l.reads.ageError(ctx, l.path, readError(l.path, "provenance events", err))
}

// text gives a stored value as the ledger would have written it. Nothing but text is there unless someone
// else wrote it; what it then is does not fit its hash.
func text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return "blob:" + string(v)
	}
	return fmt.Sprintf("%T:%v", v, v)
}
