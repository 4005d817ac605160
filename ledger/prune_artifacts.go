package ledger

import (
	"database/sql"
	"time"
)

// unused is what must hold of an artifact a that may go: no execution, no config revision, and no recipe
// refers to it.
const unused = `NOT EXISTS (SELECT 1 FROM execution_artifacts e WHERE e.sha256 = a.sha256)
	AND NOT EXISTS (SELECT 1 FROM project_configs c WHERE c.graph_sha256 = a.sha256)
	AND NOT EXISTS (SELECT 1 FROM artifact_parts p WHERE p.part = a.sha256)`

// recipePasses is how often artifacts are looked through: once one is gone that was made from others, these
// may be unused.
const recipePasses = 3

// UnusedArtifacts gives digests of content that nothing refers to, in their order behind after, of what was
// stored before a time: among the next pruneWindow artifacts, at most limit. next is where to go on, "" at
// the end.
func (v View) UnusedArtifacts(after string, before time.Time, limit int) (list []string, next string, err error) {
	err = v.list("artifacts", "SELECT sha256 FROM artifacts WHERE sha256 > ? ORDER BY sha256 LIMIT 1 OFFSET ?", []any{after, pruneWindow},
		func(rows *sql.Rows) error { return rows.Scan(&next) })
	if err != nil {
		return nil, "", err
	}
	until := next
	if until == "" {
		until = "g" // behind every digest
	}
	// The time stands behind the content in a row: it is read of those alone that nothing refers to.
	err = v.list("unused artifacts", `WITH u AS MATERIALIZED (SELECT sha256 FROM artifacts a WHERE sha256 > ? AND sha256 <= ? AND `+unused+`)
		SELECT a.sha256 FROM u JOIN artifacts a ON a.sha256 = u.sha256 WHERE a.created_at <= ? ORDER BY a.sha256 LIMIT ?`,
		[]any{after, until, Stamp(before), limit}, func(rows *sql.Rows) error {
			var digest string
			err := rows.Scan(&digest)
			list = append(list, digest)
			return err
		})
	if len(list) == limit && limit > 0 {
		next = list[limit-1]
	}
	return list, next, err
}

// artifacts prunes content that nothing refers to and that was stored long enough ago: content is stored
// shortly before what refers to it.
func (w walk) artifacts() (Pruned, error) {
	pruned := Pruned{Kind: w.policy.Kind}
	for range recipePasses {
		found := int64(0)
		for after := ""; ; {
			digests, next, err := w.view().UnusedArtifacts(after, w.cutoff, prunedRows)
			if err != nil {
				return pruned, err
			}
			n := int64(len(digests))
			if n > 0 && !w.o.DryRun {
				if n, err = w.removeArtifacts(digests); err != nil {
					return pruned, err
				}
			}
			found += n
			if after = next; next == "" {
				break
			}
		}
		pruned.Rows += found
		if found == 0 || w.o.DryRun {
			break
		}
	}
	return pruned, nil
}

func (w walk) removeArtifacts(digests []string) (n int64, err error) {
	err = w.write(func(tx *Tx) error {
		var still []any // those that were not referred to meanwhile
		for _, digest := range digests {
			keys, err := tx.keysOf("unused artifact", "SELECT sha256 FROM artifacts a WHERE sha256 = ? AND "+unused, digest)
			if err != nil {
				return err
			}
			still = append(still, keys...)
		}
		if n = int64(len(still)); n == 0 {
			return nil
		}
		return tx.prune(pruning{kind: KeepArtifacts, count: n}, w.o, func() (int64, error) {
			return tx.each("prune artifact", "DELETE FROM artifacts WHERE sha256 = ?", still)
		})
	})
	return n, err
}

// physicalGraph names one in a list of them by age.
type physicalGraph struct {
	created, execution string
	attempt            int
}

// physicalGraphs takes the physical graphs from executions that ended long ago; their content goes with
// what nothing refers to.
func (w walk) physicalGraphs() (Pruned, error) {
	pruned := Pruned{Kind: w.policy.Kind}
	const ended = "EXISTS (SELECT 1 FROM batch_execution_record b WHERE b.uuid = e.execution AND b.status IN ('completed', 'cancelled', 'failed'))"
	for after := (physicalGraph{}); ; {
		var page []physicalGraph
		err := w.view().list("physical graphs to prune", `SELECT created_at, execution, attempt FROM execution_artifacts e
			WHERE kind = 'physical_graph' AND created_at <= ? AND (created_at, execution, attempt) > (?, ?, ?) AND `+ended+`
			ORDER BY created_at, execution, attempt LIMIT ?`, []any{Stamp(w.cutoff), after.created, after.execution, after.attempt, prunedRows},
			func(rows *sql.Rows) error {
				var g physicalGraph
				err := rows.Scan(&g.created, &g.execution, &g.attempt)
				page = append(page, g)
				return err
			})
		if err != nil || len(page) == 0 {
			return pruned, err
		}
		n := int64(len(page))
		if !w.o.DryRun {
			if n, err = w.removeGraphs(page, ended); err != nil {
				return pruned, err
			}
		}
		pruned.Rows += n
		after = page[len(page)-1]
	}
}

func (w walk) removeGraphs(page []physicalGraph, ended string) (n int64, err error) {
	err = w.write(func(tx *Tx) error {
		var still []physicalGraph
		for _, g := range page {
			keys, err := tx.keysOf("physical graph", "SELECT 1 FROM execution_artifacts e WHERE execution = ? AND kind = 'physical_graph' AND attempt = ? AND "+ended, g.execution, g.attempt)
			if err != nil {
				return err
			}
			if len(keys) > 0 {
				still = append(still, g)
			}
		}
		if n = int64(len(still)); n == 0 {
			return nil
		}
		return tx.prune(pruning{kind: KeepPhysicalGraphs, count: n}, w.o, func() (total int64, err error) {
			for _, g := range still {
				n, err := tx.exec("prune physical graph", "DELETE FROM execution_artifacts WHERE execution = ? AND kind = 'physical_graph' AND attempt = ?", g.execution, g.attempt)
				if err != nil {
					return total, err
				}
				total += n
			}
			return total, nil
		})
	})
	return n, err
}
