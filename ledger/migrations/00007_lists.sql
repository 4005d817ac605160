-- +goose Up
-- Lists and counts that cost what they show, however much is stored. A list that is narrowed by columns of
-- few values (state, project, outcome) is the merge of groups: rows that are alike in all of these columns.
-- One index holds each group in the list's order, one table says which groups there are and how many rows
-- each has. So every combination of such filters, and every count of them, is exact and is read from there.

-- One index in place of three: 102 bytes a row where they took 193, and a transition moves one entry where
-- it moved two, 2 µs of its 36 (BenchmarkWhatListsCostATransition). Counting takes 6 µs of them.
DROP INDEX executions_status;
DROP INDEX executions_project;
DROP INDEX executions_target;
CREATE INDEX executions_listed ON batch_execution_record (status, project, profile, target, failure_class, uuid);

-- For those of few rows. None of them is touched by a transition.
CREATE INDEX executions_held ON batch_execution_record (uuid) WHERE held_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS executions_rerun ON batch_execution_record (rerun_of) WHERE rerun_of <> '';
-- An id is found by its end: the last four characters leave one of 65,536. It takes 47 bytes a row.
CREATE INDEX executions_tail ON batch_execution_record (substr(uuid, -4));

CREATE TABLE execution_counts (
    status        TEXT    NOT NULL,
    project       TEXT    NOT NULL,
    profile       TEXT    NOT NULL,
    target        TEXT    NOT NULL,
    failure_class TEXT    NOT NULL,
    n             INTEGER NOT NULL,
    PRIMARY KEY (status, project, profile, target, failure_class)
) STRICT, WITHOUT ROWID;

INSERT INTO execution_counts (status, project, profile, target, failure_class, n)
SELECT status, project, profile, target, failure_class, count(*) FROM batch_execution_record GROUP BY 1, 2, 3, 4, 5;

-- +goose StatementBegin
CREATE TRIGGER execution_counted_in AFTER INSERT ON batch_execution_record
BEGIN
    INSERT INTO execution_counts VALUES (NEW.status, NEW.project, NEW.profile, NEW.target, NEW.failure_class, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_counted_again AFTER UPDATE OF status, project, profile, target, failure_class ON batch_execution_record
WHEN NEW.status <> OLD.status OR NEW.project <> OLD.project OR NEW.profile <> OLD.profile OR NEW.target <> OLD.target OR NEW.failure_class <> OLD.failure_class
BEGIN
    UPDATE execution_counts SET n = n - 1 WHERE status = OLD.status AND project = OLD.project
        AND profile = OLD.profile AND target = OLD.target AND failure_class = OLD.failure_class;
    INSERT INTO execution_counts VALUES (NEW.status, NEW.project, NEW.profile, NEW.target, NEW.failure_class, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_counted_out AFTER DELETE ON batch_execution_record
BEGIN
    UPDATE execution_counts SET n = n - 1 WHERE status = OLD.status AND project = OLD.project
        AND profile = OLD.profile AND target = OLD.target AND failure_class = OLD.failure_class;
END;
-- +goose StatementEnd

-- What an operator tells sources apart by, as bits: 1 enabled, 2 waits for a run, 4 in quarantine,
-- 8 the archive no longer shows all, 16 removed.
ALTER TABLE sources ADD COLUMN marks INTEGER GENERATED ALWAYS AS (
    (enabled <> 0) + 2 * (workflow_run_pending <> 0) + 4 * (quarantined_at IS NOT NULL) + 8 * (missing_since IS NOT NULL) + 16 * (removed_at IS NOT NULL)) VIRTUAL;

DROP INDEX sources_missing; -- the list of them is a merge now
CREATE INDEX sources_listed ON sources (project, last_outcome, marks, identifier);

-- Beside source_counts, which counts the enabled ones alone.
CREATE TABLE source_groups (
    project      TEXT    NOT NULL,
    last_outcome TEXT    NOT NULL,
    marks        INTEGER NOT NULL,
    n            INTEGER NOT NULL,
    PRIMARY KEY (project, last_outcome, marks)
) STRICT, WITHOUT ROWID;

INSERT INTO source_groups (project, last_outcome, marks, n)
SELECT project, last_outcome, marks, count(*) FROM sources GROUP BY 1, 2, 3;

-- +goose StatementBegin
CREATE TRIGGER source_grouped_in AFTER INSERT ON sources
BEGIN
    INSERT INTO source_groups VALUES (NEW.project, NEW.last_outcome, NEW.marks, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER source_grouped_again AFTER UPDATE OF project, last_outcome, enabled, workflow_run_pending, quarantined_at, missing_since, removed_at ON sources
WHEN NEW.marks <> OLD.marks OR NEW.last_outcome <> OLD.last_outcome OR NEW.project <> OLD.project
BEGIN
    UPDATE source_groups SET n = n - 1 WHERE project = OLD.project AND last_outcome = OLD.last_outcome AND marks = OLD.marks;
    INSERT INTO source_groups VALUES (NEW.project, NEW.last_outcome, NEW.marks, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER source_grouped_out AFTER DELETE ON sources
BEGIN
    UPDATE source_groups SET n = n - 1 WHERE project = OLD.project AND last_outcome = OLD.last_outcome AND marks = OLD.marks;
END;
-- +goose StatementEnd

-- Events and ticks are merged as well; their groups are few and are found in the index itself. The project
-- in the index of types takes 13 bytes an event, and is in place of an index of its own.
DROP INDEX provenance_type;
CREATE INDEX provenance_type ON provenance_events (event_type, project_module, seq);
CREATE INDEX tick_runs_kind ON tick_runs (kind, project, id);

-- +goose Down
-- A ledger is never migrated down: an older program refuses a newer file.
