-- +goose Up
-- What is kept for how long, and what was deleted. Histories are deleted by a pruning alone: one
-- transaction that appends the event 'ledger.pruned', opens a row here, deletes, and closes the row.

CREATE TABLE retention_policies (
    kind      TEXT PRIMARY KEY,
    max_age_s INTEGER NOT NULL, -- 0 = no limit, as for the other two
    max_rows  INTEGER NOT NULL,
    max_bytes INTEGER NOT NULL,
    archive   TEXT    NOT NULL, -- the folder that rows are written to first; '' = they are not
    set_at    TEXT    NOT NULL,
    set_by    TEXT    NOT NULL,
    reason    TEXT    NOT NULL
) WITHOUT ROWID;

CREATE TABLE prunings (
    id             INTEGER PRIMARY KEY,
    at             TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    event          INTEGER NOT NULL UNIQUE, -- seq of its 'ledger.pruned'
    upto_seq       INTEGER NOT NULL, -- kind 'events': the last one that was deleted; else 0
    hash           TEXT    NOT NULL, -- of that event; else ''
    count          INTEGER NOT NULL,
    archive        TEXT    NOT NULL,
    archive_sha256 TEXT    NOT NULL,
    actor          TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    open           INTEGER NOT NULL
);

CREATE INDEX prunings_kind ON prunings (kind, id);
CREATE UNIQUE INDEX prunings_open ON prunings (open) WHERE open = 1;

-- Whether an artifact, or an execution that others were made again from, is still referred to must not
-- cost a walk.
CREATE INDEX IF NOT EXISTS execution_artifacts_sha256 ON execution_artifacts (sha256);
CREATE INDEX IF NOT EXISTS execution_artifacts_physical ON execution_artifacts (created_at) WHERE kind = 'physical_graph';
CREATE INDEX IF NOT EXISTS executions_rerun ON batch_execution_record (rerun_of) WHERE rerun_of <> '';

-- +goose StatementBegin
CREATE TRIGGER pruning_begins BEFORE INSERT ON prunings
BEGIN
    SELECT RAISE(ABORT, 'a pruning begins open, and alone')
     WHERE NEW.open <> 1 OR EXISTS (SELECT 1 FROM prunings WHERE open = 1 OR id = NEW.id OR event = NEW.event);
    SELECT RAISE(ABORT, 'a pruning follows its own event, which is the newest')
     WHERE NOT EXISTS (SELECT 1 FROM provenance_events
        WHERE seq = (SELECT max(seq) FROM provenance_events) AND seq = NEW.event AND event_type = 'ledger.pruned'
          AND json_extract(payload, '$.kind') = NEW.kind AND json_extract(payload, '$.upto_seq') = NEW.upto_seq
          AND json_extract(payload, '$.hash') = NEW.hash AND json_extract(payload, '$.count') = NEW.count);
    SELECT RAISE(ABORT, 'a pruning of events ends before its own, at one that is there')
     WHERE NEW.kind = 'events' AND (NEW.upto_seq >= NEW.event
        OR NOT EXISTS (SELECT 1 FROM provenance_events WHERE seq = NEW.upto_seq AND hash = NEW.hash));
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER pruning_fixed BEFORE UPDATE ON prunings
BEGIN
    SELECT RAISE(ABORT, 'a pruning is closed once, and else not changed')
     WHERE OLD.open <> 1 OR NEW.open <> 0 OR NEW.id <> OLD.id OR NEW.at <> OLD.at OR NEW.kind <> OLD.kind OR NEW.event <> OLD.event
        OR NEW.upto_seq <> OLD.upto_seq OR NEW.hash <> OLD.hash OR NEW.count <> OLD.count OR NEW.archive <> OLD.archive
        OR NEW.archive_sha256 <> OLD.archive_sha256 OR NEW.actor <> OLD.actor OR NEW.reason <> OLD.reason;
    SELECT RAISE(ABORT, 'a pruning of events is closed when all of them are gone')
     WHERE OLD.kind = 'events' AND EXISTS (SELECT 1 FROM provenance_events WHERE seq <= OLD.upto_seq);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER pruning_kept BEFORE DELETE ON prunings
BEGIN
    SELECT RAISE(ABORT, 'a pruning is not forgotten');
END;
-- +goose StatementEnd

DROP TRIGGER event_kept;

-- +goose StatementBegin
CREATE TRIGGER event_kept BEFORE DELETE ON provenance_events
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE open = 1 AND kind = 'events' AND OLD.seq <= upto_seq)
BEGIN
    SELECT RAISE(ABORT, 'an event is not deleted outside of a pruning');
END;
-- +goose StatementEnd

DROP TRIGGER execution_kept;

-- +goose StatementBegin
CREATE TRIGGER execution_kept BEFORE DELETE ON batch_execution_record
WHEN OLD.status NOT IN ('completed', 'cancelled', 'failed')
  OR NOT EXISTS (SELECT 1 FROM prunings WHERE open = 1 AND kind = 'executions')
BEGIN
    SELECT RAISE(ABORT, 'an execution is not deleted, but by a pruning after its end');
END;
-- +goose StatementEnd

DROP TRIGGER execution_source_kept;

-- +goose StatementBegin
CREATE TRIGGER execution_source_kept BEFORE DELETE ON execution_sources
WHEN OLD.active <> 0 OR NOT EXISTS (SELECT 1 FROM prunings WHERE open = 1 AND kind = 'executions')
BEGIN
    SELECT RAISE(ABORT, 'an execution''s source is not deleted, but by a pruning after its end');
END;
-- +goose StatementEnd

DROP TRIGGER execution_artifact_kept;

-- +goose StatementBegin
CREATE TRIGGER execution_artifact_kept BEFORE DELETE ON execution_artifacts
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE open = 1 AND (kind = 'executions' OR (kind = 'physical_graphs' AND OLD.kind = 'physical_graph')))
BEGIN
    SELECT RAISE(ABORT, 'an execution''s artifact is not deleted outside of a pruning');
END;
-- +goose StatementEnd

DROP TRIGGER artifact_kept;

-- +goose StatementBegin
CREATE TRIGGER artifact_kept BEFORE DELETE ON artifacts
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE open = 1 AND kind = 'artifacts')
BEGIN
    SELECT RAISE(ABORT, 'an artifact is not deleted outside of a pruning');
END;
-- +goose StatementEnd

-- +goose Down
-- A ledger is never migrated down: an older program refuses a newer file.
