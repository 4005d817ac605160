package ledger

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"beampipe/fault"
)

// archivedExecutions bounds one archive file, and how many are found before they are deleted.
const archivedExecutions = 5_000

// over is what must hold of an execution b that may go: it has ended and is not retried by itself, is neither
// the last nor the last completed one of a source, and none was made again from it.
const over = `b.status IN ('completed', 'cancelled', 'failed') AND b.next_retry_at IS NULL
	AND NOT EXISTS (SELECT 1 FROM execution_sources s WHERE s.execution = b.uuid AND (s.active = 1
		OR NOT EXISTS (SELECT 1 FROM execution_sources n WHERE n.source_id = s.source_id AND n.execution > s.execution)
		OR EXISTS (SELECT 1 FROM sources x WHERE x.id = s.source_id AND x.last_execution = b.uuid)))
	AND NOT EXISTS (SELECT 1 FROM batch_execution_record r WHERE r.rerun_of = b.uuid AND r.rerun_of <> '')`

// unneeded is what must hold besides where nothing is archived: no product is left that it explains.
const unneeded = ` AND NOT EXISTS (SELECT 1 FROM products p WHERE p.execution = b.uuid AND p.withdrawn_at IS NULL)`

// oldExecution is one that may go, as it was seen.
type oldExecution struct {
	id      string
	version int64
}

// executions prunes executions with all that hangs on them. Their events stay in the log.
func (w walk) executions() (Pruned, error) {
	pruned := Pruned{Kind: w.policy.Kind}
	surplus, err := w.surplusExecution()
	if err != nil {
		return pruned, err
	}
	for after := ""; ; {
		list, next, err := w.oldExecutions(after, surplus)
		if err != nil {
			return pruned, err
		}
		n := int64(len(list))
		if n > 0 && !w.o.DryRun {
			var file ArchiveFile
			if w.policy.Archive != "" {
				if file, err = w.archiveExecutions(list); err != nil {
					return pruned, err
				}
				pruned.Archives = append(pruned.Archives, file)
				w.ledger.pass("prune.archived")
			}
			if n, err = w.removeExecutions(list, file); err != nil {
				pruned.Rows += n
				return pruned, err
			}
		}
		pruned.Rows += n
		if after = next; next == "" {
			return pruned, nil
		}
	}
}

// surplusExecution gives the newest execution that is more than the policy's rows or bytes; "" = none is.
func (w walk) surplusExecution() (id string, err error) {
	keep, err := w.rowsToKeep("batch_execution_record", "uuid", `1500 + coalesce((SELECT sum(length(a.data)) FROM execution_artifacts x
		JOIN artifacts a ON a.sha256 = x.sha256 WHERE x.execution = uuid), 0)`)
	if err != nil || keep == 0 {
		return "", err
	}
	err = w.view().list("surplus executions", "SELECT uuid FROM batch_execution_record ORDER BY uuid DESC LIMIT 1 OFFSET ?", []any{keep},
		func(rows *sql.Rows) error { return rows.Scan(&id) })
	return id, err
}

// condition is what must hold of an execution b that may go.
func (w walk) condition() string {
	if w.policy.Archive != "" {
		return over
	}
	return over + unneeded
}

// oldExecutions lists executions that may go behind after; next is where to go on, "" at the end. An id
// begins with the time at which it was made, so that behind a young one all are young.
func (w walk) oldExecutions(after, surplus string) (list []oldExecution, next string, err error) {
	const page = 500
	query := "SELECT b.uuid, b.version, b.created_at, coalesce(b.completed_at, b.updated_at), (" + w.condition() + ") FROM batch_execution_record b WHERE b.uuid > ? ORDER BY b.uuid LIMIT ?"
	for len(list) < archivedExecutions {
		n, young := 0, false
		err := w.view().list("executions to prune", query, []any{after, page}, func(rows *sql.Rows) error {
			var e oldExecution
			var created, ended timeText
			var may bool
			if err := rows.Scan(&e.id, &e.version, &created, &ended, &may); err != nil {
				return err
			}
			n, after = n+1, e.id
			tooMany, tooOld := e.id <= surplus, !ended.value().After(w.cutoff)
			young = !tooMany && created.value().After(w.cutoff)
			if may && (tooMany || tooOld) && !ended.value().After(w.young) {
				list = append(list, e)
			}
			return nil
		})
		if err != nil || n < page || young {
			return list, "", err
		}
	}
	return list, after, nil
}

// removeExecutions deletes those that are still as they were seen.
func (w walk) removeExecutions(list []oldExecution, file ArchiveFile) (total int64, err error) {
	for len(list) > 0 {
		part := list[:min(prunedExecutions, len(list))]
		list = list[len(part):]
		var gone []any
		err := w.write(func(tx *Tx) error {
			gone = nil
			for _, e := range part {
				keys, err := tx.keysOf("execution to prune", "SELECT b.uuid FROM batch_execution_record b WHERE b.uuid = ? AND b.version = ? AND "+w.condition(), e.id, e.version)
				if err != nil {
					return err
				}
				gone = append(gone, keys...)
			}
			if len(gone) == 0 {
				return nil
			}
			return tx.prune(pruning{kind: KeepExecutions, count: int64(len(gone)), archive: file, more: map[string]any{"executions": gone}}, w.o,
				func() (int64, error) { return tx.removeExecutions(gone) })
		})
		if err != nil {
			return total, err
		}
		total += int64(len(gone))
	}
	return total, nil
}

// hanging lists the tables whose rows go with an execution. Products and inputs go by their foreign keys.
var hanging = []string{"execution_artifacts", "execution_sources", "execution_observations", "run_records"}

func (tx *Tx) removeExecutions(ids []any) (int64, error) {
	for _, table := range hanging {
		if _, err := tx.each("prune "+table, "DELETE FROM "+table+" WHERE execution = ?", ids); err != nil {
			return 0, err
		}
	}
	return tx.each("prune execution", "DELETE FROM batch_execution_record WHERE uuid = ?", ids)
}

// archiveExecutions writes one line of JSON for each execution: its row, what hangs on it, and its artifacts.
func (w walk) archiveExecutions(list []oldExecution) (ArchiveFile, error) {
	first, last := list[0].id, list[len(list)-1].id
	a, err := newArchive(w.policy.Archive, "executions-"+first)
	if err != nil {
		return ArchiveFile{}, err
	}
	enc := json.NewEncoder(a)
	enc.SetEscapeHTML(false)
	v := w.view()
	for _, e := range list {
		line, err := v.executionLine(e.id)
		if err == nil {
			err = enc.Encode(line)
		}
		if err != nil {
			a.drop()
			return ArchiveFile{}, fault.Wrap(fault.KindOf(err), err, "archive execution "+e.id, "")
		}
		a.rows++
	}
	return a.finish(fmt.Sprintf("executions-%s-%s.jsonl.zst", first, last))
}

// executionLine is an execution in an archive: every table's rows by the names of their columns, and the
// content of artifacts as text, or in base64 where it is not text.
func (v View) executionLine(id string) (map[string]any, error) {
	line := map[string]any{}
	for _, part := range []struct{ name, query string }{
		{"execution", "SELECT * FROM batch_execution_record WHERE uuid = ?"},
		{"sources", "SELECT * FROM execution_sources WHERE execution = ?"},
		{"observations", "SELECT * FROM execution_observations WHERE execution = ? ORDER BY id"},
		{"run_record", "SELECT * FROM run_records WHERE execution = ?"},
		{"products", "SELECT * FROM products WHERE execution = ?"},
		{"inputs", "SELECT * FROM execution_inputs WHERE execution = ?"},
		{"artifacts", "SELECT e.*, a.media_type FROM execution_artifacts e JOIN artifacts a ON a.sha256 = e.sha256 WHERE e.execution = ?"},
	} {
		rows, err := v.objects(part.name, part.query, id)
		if err != nil {
			return nil, err
		}
		line[part.name] = rows
	}
	for _, artifact := range line["artifacts"].([]map[string]any) {
		content, err := v.Content(fmt.Sprint(artifact["sha256"]))
		if err != nil {
			return nil, err
		}
		if utf8.Valid(content) {
			artifact["content"] = string(content)
		} else {
			artifact["content_base64"] = base64.StdEncoding.EncodeToString(content)
		}
	}
	return line, nil
}

// objects lists rows by the names of their columns.
func (v View) objects(what, query string, args ...any) ([]map[string]any, error) {
	list := []map[string]any{}
	err := v.list(what, query, args, func(rows *sql.Rows) error {
		names, err := rows.Columns()
		if err != nil {
			return err
		}
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row := map[string]any{}
		for i, name := range names {
			row[name] = values[i]
		}
		list = append(list, row)
		return nil
	})
	return list, err
}
