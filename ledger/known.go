package ledger

import (
	"database/sql"

	"beampipe/fault"
)

// Metadata reads what is known of a source, by SBID, missing and excluded ones included.
func (v View) Metadata(sourceID int64) ([]Metadata, error) {
	var list []Metadata
	err := v.list("metadata", "SELECT sbid, records, flags, first_seen_at, changed_at, missing_since FROM archive_metadata WHERE source_id = ? ORDER BY sbid",
		[]any{sourceID}, func(rows *sql.Rows) error {
			var m Metadata
			var records, flags string
			var first, changed, missing timeText
			if err := rows.Scan(&m.SBID, &records, &flags, &first, &changed, &missing); err != nil {
				return err
			}
			m.FirstSeenAt, m.ChangedAt, m.MissingSince = first.value(), changed.value(), missing.t
			if err := scanJSON("records", records, &m.Records); err != nil {
				return err
			}
			if err := scanJSON("flags", flags, &m.Flags); err != nil {
				return err
			}
			list = append(list, m)
			return nil
		})
	if err != nil {
		return nil, err
	}
	return list, v.markExcluded(sourceID, list)
}

// Answer reads the stored rows of a source as JSON, with their digest; nil when there are none.
func (v View) Answer(sourceID int64) (answer []byte, digest string, err error) {
	var packed []byte
	err = v.list("stored answer", "SELECT sha256, answer FROM archive_answers WHERE source_id = ?", []any{sourceID},
		func(rows *sql.Rows) error { return rows.Scan(&digest, &packed) })
	if err != nil || packed == nil {
		return nil, "", err
	}
	answer, err = decompress(packed)
	return answer, digest, fault.Wrap(fault.Invalid, err, "read stored answer: it is damaged", "restore the ledger from a backup")
}

// AnswerDigests gives the SHA-256 of the stored answer of each of these sources that has one.
func (v View) AnswerDigests(sourceIDs []int64) (map[int64]string, error) {
	list, err := jsonText(sourceIDs)
	if err != nil {
		return nil, err
	}
	digests := make(map[int64]string, len(sourceIDs))
	err = v.list("digests of stored answers", "SELECT a.source_id, a.sha256 FROM json_each(?) j CROSS JOIN archive_answers a ON a.source_id = j.value", []any{list},
		func(rows *sql.Rows) error {
			var id int64
			var digest string
			err := rows.Scan(&id, &digest)
			digests[id] = digest
			return err
		})
	return digests, err
}

// Changes lists the recorded changes of a source, the newest first.
func (v View) Changes(sourceID int64, limit int) ([]ChangeSet, error) {
	var list []ChangeSet
	err := v.list("changes", "SELECT at, outcome, before, after, changes FROM discovery_changes WHERE source_id = ? ORDER BY id DESC LIMIT ?",
		[]any{sourceID, limit}, func(rows *sql.Rows) error {
			var c ChangeSet
			var at timeText
			var changes string
			if err := rows.Scan(&at, &c.Outcome, &c.Before, &c.After, &changes); err != nil {
				return err
			}
			c.At = at.value()
			err := scanJSON("changes", changes, &c.Changes)
			list = append(list, c)
			return err
		})
	return list, err
}
