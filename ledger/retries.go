package ledger

// endRetries says that older executions of a source that failed are no longer retried by themselves: it
// has newer data, or a newer execution. The other sources of those executions wait for a run of their
// own then, where their data was not executed.
func (tx *Tx) endRetries(sourceID int64) error {
	if _, err := tx.exec("free the companions of a source", `UPDATE sources SET workflow_run_pending = 1,
		workflow_run_pending_at = coalesce(workflow_run_pending_at, ?)
		WHERE removed_at IS NULL AND last_executed_signature <> signature AND id IN (
			SELECT theirs.source_id FROM execution_sources mine
			JOIN batch_execution_record x ON x.uuid = mine.execution AND x.status = 'failed' AND x.next_retry_at IS NOT NULL
			JOIN execution_sources theirs ON theirs.execution = x.uuid AND theirs.source_id <> mine.source_id
			WHERE mine.source_id = ?)
		AND NOT EXISTS (SELECT 1 FROM execution_sources busy WHERE busy.source_id = sources.id AND busy.active = 1)`, Stamp(tx.now), sourceID); err != nil {
		return err
	}
	_, err := tx.exec("end retries of a source", `UPDATE batch_execution_record SET next_retry_at = NULL
		WHERE next_retry_at IS NOT NULL AND status = 'failed' AND uuid IN (SELECT execution FROM execution_sources WHERE source_id = ?)`, sourceID)
	return err
}
