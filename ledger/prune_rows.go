package ledger

import (
	"database/sql"
	"fmt"
	"strconv"
)

// logTable is a table whose rows are numbered in the order of their times.
type logTable struct {
	table string
	at    string // the column of the time
	free  string // what must hold of a row t that may go
	bytes string // what a row takes
}

var logs = map[string]logTable{
	KeepObservations: {
		table: "execution_observations", at: "observed_at", bytes: "length(reason) + length(raw) + 150",
		free: `EXISTS (SELECT 1 FROM batch_execution_record e WHERE e.uuid = t.execution AND e.status IN ('completed', 'cancelled', 'failed'))
			AND EXISTS (SELECT 1 FROM execution_observations n WHERE n.execution = t.execution AND n.kind = t.kind AND n.id > t.id)`,
	},
	KeepChanges: {
		table: "discovery_changes", at: "at", bytes: "length(changes) + 200",
		free: "EXISTS (SELECT 1 FROM discovery_changes n WHERE n.source_id = t.source_id AND n.id > t.id)",
	},
	KeepTickRuns: {
		table: "tick_runs", at: "ended_at", bytes: "length(counters) + length(note) + length(sources) + 150",
		free: "EXISTS (SELECT 1 FROM tick_runs n WHERE n.project = t.project AND n.number > t.number)",
	},
}

// rows prunes a log. Both its numbers and its times grow, so that what is too old is found by halving;
// where a clock was set back a row goes a little later.
func (w walk) rows(t logTable) (Pruned, error) {
	pruned := Pruned{Kind: w.policy.Kind}
	v := w.view()
	old, err := v.lastBefore(t, Stamp(w.cutoff))
	if err != nil {
		return pruned, err
	}
	surplus, err := w.surplus(t.table, "id", t.bytes)
	if err != nil {
		return pruned, err
	}
	const too = " AND (t.%[1]s <= ? OR t.id <= ?) AND t.%[1]s <= ? AND "
	which := fmt.Sprintf(too, t.at) + t.free
	args := []any{Stamp(w.cutoff), surplus, Stamp(w.young)}
	last := max(old, surplus)
	for after := int64(0); after < last; {
		until := min(after+pruneWindow, last)
		keys, err := v.keysOf("rows to prune", "SELECT t.id FROM "+t.table+" t WHERE t.id > ? AND t.id <= ?"+which+" ORDER BY t.id LIMIT ?",
			append(append([]any{after, until}, args...), prunedRows)...)
		if err != nil {
			return pruned, err
		}
		if len(keys) == prunedRows {
			until = keys[len(keys)-1].(int64)
		}
		n, err := w.remove(keys, "DELETE FROM "+t.table+" AS t WHERE t.id = ?"+which, args...)
		pruned.Rows += n
		if err != nil {
			return pruned, err
		}
		if after = until; len(keys) == 0 && after < last {
			if after, err = v.skipTo(t.table, after, last); err != nil {
				return pruned, err
			}
		}
	}
	return pruned, nil
}

// skipTo gives the number before the next row: numbers that are gone are not walked over.
func (v View) skipTo(table string, after, last int64) (int64, error) {
	next := last + 1
	err := v.list("next row", "SELECT id FROM "+table+" WHERE id > ? ORDER BY id LIMIT 1", []any{after}, func(rows *sql.Rows) error { return rows.Scan(&next) })
	return next - 1, err
}

// remove deletes rows by their keys in one write; what has changed meanwhile stays. In a dry run it counts.
func (w walk) remove(keys []any, query string, args ...any) (n int64, err error) {
	if len(keys) == 0 || w.o.DryRun {
		return int64(len(keys)), nil
	}
	err = w.write(func(tx *Tx) error {
		n, err = tx.each("prune "+w.policy.Kind, query, keys, args...)
		return err
	})
	return n, err
}

// lastBefore gives the number of the last row that is not younger than a time, as if all were in order.
func (v View) lastBefore(t logTable, at string) (last int64, err error) {
	var low, high int64
	if err := v.get("ends of "+t.table, "SELECT coalesce((SELECT min(id) FROM "+t.table+"), 0), coalesce((SELECT max(id) FROM "+t.table+"), 0)", nil, &low, &high); err != nil {
		return 0, err
	}
	for low <= high {
		middle := low + (high-low)/2
		id, when := high, ""
		if err := v.list("a row of "+t.table, "SELECT id, "+t.at+" FROM "+t.table+" WHERE id >= ? ORDER BY id LIMIT 1", []any{middle},
			func(rows *sql.Rows) error { return rows.Scan(&id, &when) }); err != nil {
			return 0, err
		}
		if when != "" && when <= at {
			last, low = id, id+1
		} else {
			high = middle - 1
		}
	}
	return last, nil
}

// surplus gives the number of the newest row that is more than the policy's rows or bytes; 0 = none is.
// Rows are numbered one by one, and only old ones are gone.
func (w walk) surplus(table, key, bytes string) (int64, error) {
	keep, err := w.rowsToKeep(table, key, bytes)
	if err != nil || keep == 0 {
		return 0, err
	}
	var last int64
	err = w.view().get("last row of "+table, "SELECT coalesce(max("+key+"), 0) FROM "+table, nil, &last)
	return max(last-keep, 0), err
}

// rowsToKeep gives the smaller of the policy's two limits, in rows; 0 = there is none.
func (w walk) rowsToKeep(table, key, bytes string) (int64, error) {
	keep := w.policy.MaxRows
	if w.policy.MaxBytes == 0 {
		return keep, nil
	}
	var each sql.NullFloat64
	if err := w.view().get("size of rows of "+table, "SELECT avg(n) FROM (SELECT "+bytes+" AS n FROM "+table+" ORDER BY "+key+" DESC LIMIT 1000)", nil, &each); err != nil {
		return 0, err
	}
	if byBytes := max(int64(float64(w.policy.MaxBytes)/max(each.Float64, 1)), 1); keep == 0 || byBytes < keep {
		keep = byBytes
	}
	return keep, nil
}

// answers prunes what archives said of sources that were removed long ago. A source that is registered
// again is asked again.
func (w walk) answers() (Pruned, error) {
	pruned := Pruned{Kind: w.policy.Kind}
	for after := any(int64(0)); ; {
		keys, err := w.view().keysOf("answers to prune", `SELECT id FROM sources WHERE id > ? AND removed_at <= ?
			AND EXISTS (SELECT 1 FROM archive_answers WHERE source_id = sources.id) ORDER BY id LIMIT ?`, after, Stamp(w.cutoff), prunedRows)
		if err != nil || len(keys) == 0 {
			return pruned, err
		}
		n, err := w.remove(keys, "DELETE FROM archive_answers WHERE source_id = ?1 AND EXISTS (SELECT 1 FROM sources s WHERE s.id = ?1 AND s.removed_at <= ?2)", Stamp(w.cutoff))
		pruned.Rows += n
		if err != nil {
			return pruned, err
		}
		after = keys[len(keys)-1]
	}
}

// infoFence is the greatest fence of a claim that was pruned: a subject that is claimed anew goes on from there.
const infoFence = "claims_fence"

// claims prunes claims that nobody has held for long. Fences still only grow: see infoFence.
func (w walk) claims() (Pruned, error) {
	pruned := Pruned{Kind: w.policy.Kind}
	const free = "owner = '' AND expires_at <= ?"
	for after := any(""); ; {
		// The window bounds what one read looks at; most claims belong to sources that are asked again and again.
		window, err := w.view().keysOf("claims", "SELECT subject FROM claims WHERE subject > ? ORDER BY subject LIMIT 1 OFFSET ?", after, pruneWindow)
		if err != nil {
			return pruned, err
		}
		until := any("\U0010ffff")
		if len(window) > 0 {
			until = window[0]
		}
		keys, err := w.view().keysOf("claims to prune", "SELECT subject FROM claims WHERE subject > ? AND subject <= ? AND "+free+" ORDER BY subject LIMIT ?", after, until, Stamp(w.cutoff), prunedRows)
		if err != nil {
			return pruned, err
		}
		if len(keys) == prunedRows {
			until = keys[len(keys)-1]
		} else if len(window) == 0 {
			until = nil
		}
		n := int64(len(keys))
		if n > 0 && !w.o.DryRun {
			err = w.write(func(tx *Tx) (err error) {
				n, err = tx.pruneClaims(keys, free, Stamp(w.cutoff))
				return err
			})
		}
		pruned.Rows += n
		if err != nil || until == nil {
			return pruned, err
		}
		after = until
	}
}

func (tx *Tx) pruneClaims(subjects []any, free, cutoff string) (n int64, err error) {
	fence, err := tx.fenceFloor()
	if err != nil {
		return 0, err
	}
	for _, subject := range subjects {
		err := tx.list("prune claim", "DELETE FROM claims WHERE subject = ? AND "+free+" RETURNING fence", []any{subject, cutoff}, func(rows *sql.Rows) error {
			var was int64
			n++
			err := rows.Scan(&was)
			fence = max(fence, was)
			return err
		})
		if err != nil {
			return n, err
		}
	}
	return n, tx.setInfo(infoFence, strconv.FormatInt(fence, 10))
}

// fenceFloor is the fence behind which that of a new claim begins.
func (v View) fenceFloor() (floor int64, err error) {
	err = v.list("fence of pruned claims", "SELECT CAST(value AS INTEGER) FROM ledger_info WHERE key = ?", []any{infoFence},
		func(rows *sql.Rows) error { return rows.Scan(&floor) })
	return floor, err
}
