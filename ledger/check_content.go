package ledger

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

const (
	contentPage  = 500 // digests that are read at once
	recipesSince = 6   // the schema version from which on an artifact says in which form it is stored
)

// content reads every artifact, as whoever asks for it does, and every archive answer, one at a time.
func (c *checker) content() error {
	var artifacts, answers int64
	if err := c.view().get("artifacts", "SELECT (SELECT count(*) FROM artifacts), (SELECT count(*) FROM archive_answers)", nil, &artifacts, &answers); err != nil {
		return err
	}
	if c.version > 0 && c.version < recipesSince {
		c.note("%d artifacts were not read: their table is of a schema before version %d; open the ledger with beampipe once to upgrade it", artifacts, recipesSince)
		return c.answers(answers)
	}
	notRebuilt, err := c.artifacts(artifacts + answers)
	if err != nil {
		return err
	}
	if notRebuilt > 0 {
		c.note("%d artifacts are stored as recipes, and were not made again: this program was not given what does that", notRebuilt)
	}
	return c.answers(artifacts + answers)
}

// artifacts checks every artifact, and counts those that cannot be made again from their recipe here.
func (c *checker) artifacts(total int64) (notRebuilt int64, err error) {
	type artifact struct {
		digest string
		size   int64
	}
	for after := ""; ; {
		var page []artifact
		err := c.view().list("artifacts", "SELECT sha256, size FROM artifacts WHERE sha256 > ? ORDER BY sha256 LIMIT ?", []any{after, contentPage}, func(rows *sql.Rows) error {
			var a artifact
			err := rows.Scan(&a.digest, &a.size)
			page = append(page, a)
			return err
		})
		if err != nil {
			return notRebuilt, err
		}
		for _, a := range page {
			after = a.digest
			content, err := c.view().Content(a.digest)
			switch {
			case c.ctx.Err() != nil:
				return notRebuilt, err
			case err != nil && c.l.rebuild == nil && errors.Is(err, fault.Unavailable):
				notRebuilt++
			case err != nil && !c.stillThere(a.digest): // a pruning took it meanwhile
			case err != nil:
				c.found("artifact %s: %v; restore the ledger from a backup, or see which executions it belongs to", a.digest, err)
			case int64(len(content)) != a.size:
				c.found("artifact %s: it has %d bytes, its row says %d", a.digest, len(content), a.size)
			}
			c.step.Checked++
		}
		c.progress(c.step.Checked, max(total, c.step.Checked))
		if len(page) < contentPage {
			return notRebuilt, nil
		}
	}
}

// stillThere tells whether an artifact has a row. One of which that cannot be told has one.
func (c *checker) stillThere(digest string) bool {
	there := true
	err := c.view().get("artifact", "SELECT EXISTS (SELECT 1 FROM artifacts WHERE sha256 = ?)", []any{digest}, &there)
	return there || err != nil
}

// answers checks the stored answers of archives.
func (c *checker) answers(total int64) error {
	for after := int64(0); ; {
		var page []int64
		err := c.view().list("archive answers", "SELECT source_id FROM archive_answers WHERE source_id > ? ORDER BY source_id LIMIT ?", []any{after, contentPage}, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			page = append(page, id)
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range page {
			after = id
			if err := c.answer(id); err != nil {
				return err
			}
			c.step.Checked++
		}
		c.progress(c.step.Checked, max(total, c.step.Checked))
		if len(page) < contentPage {
			return nil
		}
	}
}

func (c *checker) answer(source int64) error {
	var digest string
	var packed []byte
	err := c.view().list("archive answer", "SELECT sha256, answer FROM archive_answers WHERE source_id = ?", []any{source}, func(rows *sql.Rows) error { return rows.Scan(&digest, &packed) })
	if err != nil {
		c.found("source %d: its archive answer cannot be read: %v; the next discovery stores another", source, err)
		return c.ctx.Err()
	}
	if packed == nil {
		return nil // it was replaced or taken away meanwhile
	}
	content, err := decompress(packed)
	if err != nil {
		c.found("source %d: its archive answer is damaged: %v; the next discovery stores another", source, err)
		return nil
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != digest {
		c.found("source %d: its archive answer has another digest than was stored with it; the next discovery stores another", source)
	}
	return nil
}

// derived are the tables that triggers keep beside the rows that they count: a name for what is counted, and
// how often. Groups of none may be there or not.
var derived = []struct{ table, stored, recount string }{
	{
		"source_counts", "SELECT project, enabled FROM source_counts WHERE enabled <> 0",
		"SELECT project, count(*) FROM sources WHERE enabled = 1 AND removed_at IS NULL GROUP BY 1",
	},
	{
		"execution_counts", "SELECT status || ' ' || project || ' ' || profile || ' ' || target || ' ' || failure_class, n FROM execution_counts WHERE n <> 0",
		"SELECT status || ' ' || project || ' ' || profile || ' ' || target || ' ' || failure_class, count(*) FROM batch_execution_record GROUP BY 1",
	},
	{
		"source_groups", "SELECT project || ' ' || last_outcome || ' ' || marks, n FROM source_groups WHERE n <> 0",
		"SELECT project || ' ' || last_outcome || ' ' || marks, count(*) FROM sources GROUP BY 1",
	},
}

// counts counts anew what triggers count.
func (c *checker) counts() error {
	for _, d := range derived {
		there, err := c.view().hasTable(d.table)
		if err != nil {
			return err
		}
		if !there {
			continue // a schema of before
		}
		err = c.long(func(v View) error {
			return v.list("recount "+d.table, `WITH stored (k, n) AS (`+d.stored+`), counted (k, n) AS (`+d.recount+`)
				SELECT k, max(s), max(c) FROM (SELECT k, n AS s, 0 AS c FROM stored UNION ALL SELECT k, 0, n FROM counted) GROUP BY k`, nil, func(rows *sql.Rows) error {
				var key string
				var stored, counted int64
				err := rows.Scan(&key, &stored, &counted)
				if c.step.Checked++; err == nil && stored != counted {
					c.found("table %s says %d for %q, counted they are %d: limits and lists use it; restore a backup, or report it", d.table, stored, key, counted)
				}
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// claims looks for claims that nobody could have made. A claim stays as a row when it is given back.
func (c *checker) claims() error {
	err := c.long(func(v View) error {
		return v.list("claims", `SELECT subject, kind, owner, fence, expires_at,
			CASE kind WHEN '`+ClaimExecution+`' THEN NOT EXISTS (SELECT 1 FROM batch_execution_record WHERE 'execution:' || uuid = subject AND uuid = substr(subject, 11))
			WHEN '`+ClaimDiscovery+`' THEN NOT EXISTS (SELECT 1 FROM sources WHERE id = CAST(substr(subject, 8) AS INTEGER) AND 'source:' || id = subject) ELSE 0 END
			FROM claims`, nil, func(rows *sql.Rows) error {
			var subject, kind, owner, expires string
			var fence int64
			var orphan bool
			if err := rows.Scan(&subject, &kind, &owner, &fence, &expires, &orphan); err != nil {
				return err
			}
			c.step.Checked++
			_, badTime := time.Parse(provenance.TimeFormat, expires)
			switch {
			case fence < 1:
				c.found("claim of %s: its fence is %d; it grows from 1", subject, fence)
			case owner != "" && badTime != nil:
				c.found("claim of %s: %s holds it until %q, which is no time: nobody can take it over", subject, owner, expires)
			case owner != "" && orphan:
				c.found("claim of %s: %s holds it, but there is no such thing", subject, owner)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	there, err := c.view().hasTable("daemon_lease")
	if err != nil || !there {
		return err
	}
	return c.view().list("lease", "SELECT epoch, owner, expires_at FROM daemon_lease", nil, func(rows *sql.Rows) error {
		var epoch int64
		var owner, expires string
		err := rows.Scan(&epoch, &owner, &expires)
		if err != nil || owner == "" {
			return err
		}
		c.step.Checked++
		if _, bad := time.Parse(provenance.TimeFormat, expires); bad != nil || epoch < 1 {
			c.found("the daemon's lease: %s holds it (epoch %d) until %q, which cannot be", owner, epoch, expires)
		}
		return nil
	})
}
