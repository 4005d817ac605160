-- +goose Up
-- What discovery judges by: settling, quarantine, vanished data, cadence, the brake on mass changes,
-- exclusions; and what it did: the history of ticks, and the jobs that run in archives.

ALTER TABLE sources ADD COLUMN signature_since TEXT; -- since when the archive shows what is signed
ALTER TABLE sources ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0; -- unusable answers since the last usable one
ALTER TABLE sources ADD COLUMN quarantined_at TEXT;
ALTER TABLE sources ADD COLUMN stale_after_hours INTEGER; -- NULL = the project's
ALTER TABLE sources ADD COLUMN gone_answers INTEGER NOT NULL DEFAULT 0; -- complete answers in a row that show the same too little
ALTER TABLE sources ADD COLUMN gone_since TEXT;
ALTER TABLE sources ADD COLUMN gone_digest TEXT NOT NULL DEFAULT ''; -- of what they show
ALTER TABLE sources ADD COLUMN accept_missing_at TEXT; -- a person said that what is missing is gone
ALTER TABLE sources ADD COLUMN executed_before_gone TEXT NOT NULL DEFAULT ''; -- last executed signature of the data before some of it was gone

UPDATE sources SET signature_since = coalesce(
    (SELECT max(c.at) FROM discovery_changes c WHERE c.source_id = sources.id AND c.outcome = 'changed'), last_checked_at, registered_at)
 WHERE signature <> '';
UPDATE sources SET refusals = max(failures, 1) WHERE last_outcome = 'ambiguous';

DROP INDEX sources_due;
CREATE INDEX sources_due ON sources (project, next_due_at, id) WHERE enabled = 1 AND removed_at IS NULL AND quarantined_at IS NULL;
CREATE INDEX sources_refused ON sources (project, identifier) WHERE refusals > 0;
CREATE INDEX sources_quarantined ON sources (project, identifier) WHERE quarantined_at IS NOT NULL;
CREATE INDEX sources_missing ON sources (project, identifier) WHERE missing_since IS NOT NULL;

-- How many sources of a project are enabled and not removed: a share of them must not cost a walk over all.
CREATE TABLE source_counts (
    project TEXT PRIMARY KEY,
    enabled INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO source_counts (project, enabled)
SELECT project, count(*) FROM sources WHERE enabled = 1 AND removed_at IS NULL GROUP BY project;

-- +goose StatementBegin
CREATE TRIGGER source_counted_in AFTER INSERT ON sources
WHEN NEW.enabled = 1 AND NEW.removed_at IS NULL
BEGIN
    INSERT INTO source_counts (project, enabled) VALUES (NEW.project, 1)
        ON CONFLICT (project) DO UPDATE SET enabled = enabled + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER source_counted_again AFTER UPDATE OF project, enabled, removed_at ON sources
WHEN (OLD.enabled = 1 AND OLD.removed_at IS NULL) <> (NEW.enabled = 1 AND NEW.removed_at IS NULL) OR OLD.project <> NEW.project
BEGIN
    UPDATE source_counts SET enabled = enabled - 1 WHERE project = OLD.project AND OLD.enabled = 1 AND OLD.removed_at IS NULL;
    INSERT INTO source_counts (project, enabled) SELECT NEW.project, 1 WHERE NEW.enabled = 1 AND NEW.removed_at IS NULL
        ON CONFLICT (project) DO UPDATE SET enabled = enabled + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER source_counted_out AFTER DELETE ON sources
WHEN OLD.enabled = 1 AND OLD.removed_at IS NULL
BEGIN
    UPDATE source_counts SET enabled = enabled - 1 WHERE project = OLD.project;
END;
-- +goose StatementEnd

ALTER TABLE projects ADD COLUMN brake_at TEXT;
ALTER TABLE projects ADD COLUMN brake_reason TEXT NOT NULL DEFAULT '';

-- Datasets that are kept out of readiness and manifests. They stay stored.
CREATE TABLE dataset_exclusions (
    project TEXT NOT NULL REFERENCES projects (project),
    sbid    TEXT NOT NULL,
    dataset TEXT NOT NULL, -- '' = the whole SBID
    reason  TEXT NOT NULL,
    actor   TEXT NOT NULL,
    at      TEXT NOT NULL,
    PRIMARY KEY (project, sbid, dataset)
) WITHOUT ROWID;

-- What ticks did: those that did something. number counts per project, so that the oldest go without a count.
CREATE TABLE tick_runs (
    id       INTEGER PRIMARY KEY,
    project  TEXT    NOT NULL,
    number   INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    began_at TEXT    NOT NULL,
    ended_at TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    counters TEXT    NOT NULL, -- JSON
    note     TEXT    NOT NULL,
    sources  BLOB    NOT NULL  -- zstd JSON list; last, so that lists do not read it
);

CREATE UNIQUE INDEX tick_runs_project ON tick_runs (project, number);

-- Jobs that run in archives: a later process goes on with them instead of starting others.
CREATE TABLE archive_jobs (
    key      TEXT PRIMARY KEY,
    archive  TEXT NOT NULL,
    url      TEXT NOT NULL,
    project  TEXT NOT NULL DEFAULT '',
    began_at TEXT NOT NULL,
    seen_at  TEXT NOT NULL
) WITHOUT ROWID;

-- +goose Down
-- A ledger is never migrated down: an older program refuses a newer file.
