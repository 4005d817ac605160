-- +goose Up
-- Times are UTC text with milliseconds (2026-11-20T04:00:00.000Z): their text order is their time order.
-- No statement of this file or of the program reads a clock.

CREATE TABLE ledger_info (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Content by digest. data is zstd; size is that of the plain bytes.
CREATE TABLE artifacts (
    sha256     TEXT PRIMARY KEY CHECK (length(sha256) = 64),
    media_type TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    data       BLOB    NOT NULL,
    created_at TEXT    NOT NULL
);

CREATE TABLE project_configs (
    project       TEXT    NOT NULL,
    revision      INTEGER NOT NULL,
    digest        TEXT    NOT NULL,
    spec          TEXT    NOT NULL, -- canonical JSON
    file          BLOB    NOT NULL, -- as the operator gave it
    file_name     TEXT    NOT NULL,
    graph_sha256  TEXT REFERENCES artifacts (sha256),
    graph_origin  TEXT    NOT NULL DEFAULT '',
    created_at    TEXT    NOT NULL,
    created_by    TEXT    NOT NULL,
    PRIMARY KEY (project, revision)
) WITHOUT ROWID;

CREATE TABLE projects (
    project      TEXT PRIMARY KEY,
    revision     INTEGER NOT NULL,
    admitting    INTEGER NOT NULL DEFAULT 0, -- 0 until "project start"
    admit_reason TEXT    NOT NULL DEFAULT '',
    admit_by     TEXT    NOT NULL DEFAULT '',
    admit_at     TEXT,
    created_at   TEXT    NOT NULL,
    FOREIGN KEY (project, revision) REFERENCES project_configs (project, revision)
) WITHOUT ROWID;

CREATE TABLE profile_revisions (
    name       TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    digest     TEXT    NOT NULL,
    spec       TEXT    NOT NULL, -- canonical JSON
    created_at TEXT    NOT NULL,
    created_by TEXT    NOT NULL,
    PRIMARY KEY (name, revision)
) WITHOUT ROWID;

CREATE TABLE profiles (
    name       TEXT PRIMARY KEY,
    revision   INTEGER NOT NULL,
    project    TEXT    NOT NULL DEFAULT '', -- '' = usable by all
    is_default INTEGER NOT NULL DEFAULT 0,
    FOREIGN KEY (name, revision) REFERENCES profile_revisions (name, revision)
) WITHOUT ROWID;

CREATE UNIQUE INDEX profiles_one_default ON profiles (project) WHERE is_default = 1;

CREATE TABLE sources (
    id                      INTEGER PRIMARY KEY,
    project                 TEXT    NOT NULL REFERENCES projects (project),
    identifier              TEXT    NOT NULL,
    enabled                 INTEGER NOT NULL DEFAULT 1,
    removed_at              TEXT,
    registered_at           TEXT    NOT NULL,
    registered_by           TEXT    NOT NULL,
    signature               TEXT    NOT NULL DEFAULT '',
    signature_rule          TEXT    NOT NULL DEFAULT '',
    last_checked_at         TEXT, -- last conclusive answer
    last_attempted_at       TEXT,
    next_due_at             TEXT    NOT NULL,
    last_outcome            TEXT    NOT NULL DEFAULT '',
    last_error              TEXT    NOT NULL DEFAULT '',
    failures                INTEGER NOT NULL DEFAULT 0, -- in a row
    missing_since           TEXT,
    workflow_run_pending    INTEGER NOT NULL DEFAULT 0,
    workflow_run_pending_at TEXT,
    last_executed_signature TEXT    NOT NULL DEFAULT '',
    last_execution          TEXT    NOT NULL DEFAULT '',
    report                  TEXT    NOT NULL DEFAULT '', -- JSON: what the last discovery did
    UNIQUE (project, identifier)
);

CREATE INDEX sources_due ON sources (project, next_due_at, id) WHERE enabled = 1 AND removed_at IS NULL;
CREATE INDEX sources_pending ON sources (project, workflow_run_pending_at, id) WHERE workflow_run_pending = 1;

-- What the archives said about a source: its records per SBID, kept when an archive no longer shows them.
CREATE TABLE archive_metadata (
    source_id     INTEGER NOT NULL REFERENCES sources (id),
    sbid          TEXT    NOT NULL,
    records       TEXT    NOT NULL, -- JSON list, full records
    flags         TEXT    NOT NULL, -- JSON object: discovery flags
    first_seen_at TEXT    NOT NULL,
    changed_at    TEXT    NOT NULL,
    missing_since TEXT,
    PRIMARY KEY (source_id, sbid)
) WITHOUT ROWID;

-- The rows as they came (text cells), so that stored data can be mapped and signed under another rule.
CREATE TABLE archive_answers (
    source_id INTEGER PRIMARY KEY REFERENCES sources (id),
    sha256    TEXT NOT NULL,
    answer    BLOB NOT NULL, -- zstd JSON
    stored_at TEXT NOT NULL
);

CREATE TABLE signature_rules (
    project    TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    rule       TEXT    NOT NULL,
    content    TEXT    NOT NULL, -- JSON
    created_at TEXT    NOT NULL,
    PRIMARY KEY (project, revision)
) WITHOUT ROWID;

CREATE TABLE discovery_changes (
    id        INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES sources (id),
    at        TEXT    NOT NULL,
    outcome   TEXT    NOT NULL,
    before    TEXT    NOT NULL,
    after     TEXT    NOT NULL,
    changes   TEXT    NOT NULL -- JSON list
);

CREATE INDEX discovery_changes_source ON discovery_changes (source_id, id);

-- STRICT, because the triggers calculate with attempt and version.
CREATE TABLE batch_execution_record (
    uuid                TEXT PRIMARY KEY,
    project             TEXT    NOT NULL REFERENCES projects (project),
    config_revision     INTEGER NOT NULL,
    profile             TEXT    NOT NULL,
    profile_revision    INTEGER NOT NULL,
    target              TEXT    NOT NULL DEFAULT '', -- where it goes: one poll question per target
    status              TEXT    NOT NULL,
    attempt             INTEGER NOT NULL,
    version             INTEGER NOT NULL,
    discovery_signature TEXT    NOT NULL,
    failure_class       TEXT    NOT NULL DEFAULT '' CHECK (failure_class IN ('', 'plumbing', 'science')),
    last_error          TEXT    NOT NULL DEFAULT '',
    auto_retries        INTEGER NOT NULL DEFAULT 0,
    next_retry_at       TEXT,
    not_before          TEXT, -- a refused submission or an unanswered question is tried again then
    refusals            INTEGER NOT NULL DEFAULT 0,
    held_at             TEXT,
    held_by             TEXT    NOT NULL DEFAULT '',
    hold_reason         TEXT    NOT NULL DEFAULT '',
    hold_at_ready       INTEGER NOT NULL DEFAULT 0,
    cancel_wanted_at    TEXT,
    cancel_wanted_by    TEXT    NOT NULL DEFAULT '',
    cancel_reason       TEXT    NOT NULL DEFAULT '',
    rerun_of            TEXT    NOT NULL DEFAULT '',
    submission_id       TEXT    NOT NULL DEFAULT '', -- bp-<uuid>-<attempt>, set with the intent
    external_id         TEXT    NOT NULL DEFAULT '',
    folder              TEXT    NOT NULL DEFAULT '',
    checkpoint          TEXT    NOT NULL DEFAULT '', -- JSON: the preparation as far as it came
    created_at          TEXT    NOT NULL,
    created_by          TEXT    NOT NULL,
    updated_at          TEXT    NOT NULL,
    started_at          TEXT,
    completed_at        TEXT,
    FOREIGN KEY (project, config_revision) REFERENCES project_configs (project, revision),
    FOREIGN KEY (profile, profile_revision) REFERENCES profile_revisions (name, revision)
) STRICT, WITHOUT ROWID;

CREATE INDEX executions_status ON batch_execution_record (status, project, uuid);
CREATE INDEX executions_project ON batch_execution_record (project, uuid);
CREATE INDEX executions_target ON batch_execution_record (target, status, uuid);
CREATE INDEX executions_retry ON batch_execution_record (next_retry_at) WHERE next_retry_at IS NOT NULL;

CREATE TABLE execution_sources (
    execution  TEXT    NOT NULL REFERENCES batch_execution_record (uuid),
    source_id  INTEGER NOT NULL REFERENCES sources (id),
    project    TEXT    NOT NULL,
    identifier TEXT    NOT NULL,
    sbids      TEXT    NOT NULL, -- JSON list
    signature  TEXT    NOT NULL, -- pinned
    resigned   TEXT    NOT NULL DEFAULT '', -- that of the same data under a rule that came later
    active     INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (execution, source_id)
) WITHOUT ROWID;

-- At most one execution works on a source at a time.
CREATE UNIQUE INDEX execution_sources_active ON execution_sources (project, identifier) WHERE active = 1;
CREATE INDEX execution_sources_source ON execution_sources (source_id, execution);

CREATE TABLE execution_observations (
    id          INTEGER PRIMARY KEY,
    execution   TEXT    NOT NULL REFERENCES batch_execution_record (uuid),
    attempt     INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    raw         TEXT    NOT NULL,
    observed_at TEXT    NOT NULL
);

CREATE INDEX execution_observations_execution ON execution_observations (execution, id);

CREATE TABLE run_records (
    execution  TEXT PRIMARY KEY REFERENCES batch_execution_record (uuid),
    record     TEXT NOT NULL, -- JSON
    updated_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE execution_artifacts (
    execution  TEXT    NOT NULL REFERENCES batch_execution_record (uuid),
    kind       TEXT    NOT NULL,
    attempt    INTEGER NOT NULL,
    sha256     TEXT    NOT NULL REFERENCES artifacts (sha256),
    created_at TEXT    NOT NULL,
    PRIMARY KEY (execution, kind, attempt)
) WITHOUT ROWID;

-- A claim stays as a row when it is given back, so that its fence only grows.
CREATE TABLE claims (
    subject    TEXT PRIMARY KEY,
    kind       TEXT    NOT NULL,
    owner      TEXT    NOT NULL, -- '' = free
    batch      TEXT    NOT NULL,
    fence      INTEGER NOT NULL,
    expires_at TEXT    NOT NULL
) WITHOUT ROWID;

CREATE INDEX claims_live ON claims (kind, expires_at) WHERE owner <> '';

CREATE TABLE schedules (
    project        TEXT NOT NULL, -- '' = the whole daemon
    kind           TEXT NOT NULL,
    watermark      TEXT NOT NULL, -- the last scheduled time that was served
    last_run_at    TEXT,
    reason         TEXT NOT NULL DEFAULT '',
    reason_at      TEXT,
    counters       TEXT NOT NULL DEFAULT '{}', -- JSON
    PRIMARY KEY (project, kind)
) WITHOUT ROWID;

CREATE TABLE health_problems (
    code     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    title    TEXT NOT NULL,
    text     TEXT NOT NULL,
    severity TEXT NOT NULL,
    todo     TEXT NOT NULL,
    since    TEXT NOT NULL,
    seen_at  TEXT NOT NULL,
    PRIMARY KEY (code, subject)
) WITHOUT ROWID;

CREATE TABLE provenance_events (
    seq               INTEGER PRIMARY KEY,
    occurred_at       TEXT NOT NULL,
    event_type        TEXT NOT NULL,
    project_module    TEXT NOT NULL DEFAULT '',
    source_identifier TEXT NOT NULL DEFAULT '',
    execution_id      TEXT NOT NULL DEFAULT '',
    actor             TEXT NOT NULL,
    correlation_id    TEXT NOT NULL DEFAULT '',
    payload           TEXT NOT NULL DEFAULT '',
    prev_hash         TEXT NOT NULL,
    hash              TEXT NOT NULL
);

CREATE INDEX provenance_execution ON provenance_events (execution_id, seq) WHERE execution_id <> '';
CREATE INDEX provenance_source ON provenance_events (project_module, source_identifier, seq) WHERE source_identifier <> '';
CREATE INDEX provenance_type ON provenance_events (event_type, seq);

-- The state machine. The list of steps is compared with Transitions() by a test.

-- +goose StatementBegin
CREATE TRIGGER execution_birth BEFORE INSERT ON batch_execution_record
BEGIN
    SELECT RAISE(ABORT, 'an execution is born in state pending, attempt 1, version 1')
     WHERE NEW.status <> 'pending' OR NEW.attempt <> 1 OR NEW.version <> 1 OR NEW.submission_id <> '';
    SELECT RAISE(ABORT, 'an execution cannot be replaced')
     WHERE EXISTS (SELECT 1 FROM batch_execution_record WHERE uuid = NEW.uuid);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_step BEFORE UPDATE OF status, attempt ON batch_execution_record
WHEN NEW.status <> OLD.status OR NEW.attempt <> OLD.attempt
BEGIN
    SELECT RAISE(ABORT, 'the state machine does not list this step')
     WHERE OLD.status || '>' || NEW.status || '+' || (NEW.attempt - OLD.attempt) NOT IN (
        'pending>preparing+0', 'preparing>ready+0', 'ready>submitting+0', 'submitting>queued+0',
        'submitting>ready+0', 'submitting>uncertain+0', 'uncertain>queued+0', 'uncertain>ready+1',
        'uncertain>failed+0', 'queued>running+0', 'running>queued+0', 'verifying>completed+0',
        'failed>pending+1', 'failed>verifying+0',
        'queued>verifying+0', 'queued>cancelled+0', 'running>verifying+0', 'running>cancelled+0',
        'cancelling>verifying+0', 'cancelling>cancelled+0',
        'pending>cancelled+0', 'preparing>cancelled+0', 'ready>cancelled+0', 'verifying>cancelled+0',
        'queued>cancelling+0', 'running>cancelling+0',
        'pending>failed+0', 'preparing>failed+0', 'ready>failed+0', 'submitting>failed+0',
        'queued>failed+0', 'running>failed+0', 'cancelling>failed+0', 'verifying>failed+0');
    SELECT RAISE(ABORT, 'a step raises the version by one')
     WHERE NEW.version <> OLD.version + 1;
    SELECT RAISE(ABORT, 'an intent carries the submission id of its attempt')
     WHERE NEW.status = 'submitting' AND NEW.submission_id <> 'bp-' || NEW.uuid || '-' || NEW.attempt;
    SELECT RAISE(ABORT, 'a held execution is not submitted')
     WHERE NEW.status = 'submitting' AND NEW.held_at IS NOT NULL;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_fixed BEFORE UPDATE ON batch_execution_record
WHEN NEW.uuid <> OLD.uuid OR NEW.project <> OLD.project OR NEW.config_revision <> OLD.config_revision
  OR NEW.discovery_signature <> OLD.discovery_signature OR NEW.rerun_of <> OLD.rerun_of
  OR NEW.created_at <> OLD.created_at OR NEW.created_by <> OLD.created_by
  OR (NEW.submission_id <> OLD.submission_id AND NEW.status = OLD.status)
  OR NEW.version < OLD.version OR NEW.version > OLD.version + 1
BEGIN
    SELECT RAISE(ABORT, 'what an execution was made from and is called cannot be changed, its version grows by one');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_kept BEFORE DELETE ON batch_execution_record
BEGIN
    SELECT RAISE(ABORT, 'an execution is not deleted');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER event_chained BEFORE INSERT ON provenance_events
BEGIN
    SELECT RAISE(ABORT, 'an event continues the chain')
     WHERE NEW.seq <> coalesce((SELECT max(seq) FROM provenance_events), 0) + 1
        OR NEW.prev_hash <> coalesce((SELECT hash FROM provenance_events ORDER BY seq DESC LIMIT 1), '');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER event_fixed BEFORE UPDATE ON provenance_events
BEGIN
    SELECT RAISE(ABORT, 'an event is not changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER event_kept BEFORE DELETE ON provenance_events
BEGIN
    SELECT RAISE(ABORT, 'an event is not deleted');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER artifact_fixed BEFORE UPDATE ON artifacts
BEGIN
    SELECT RAISE(ABORT, 'an artifact is not changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER artifact_kept BEFORE DELETE ON artifacts
BEGIN
    SELECT RAISE(ABORT, 'an artifact is not deleted');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER artifact_once BEFORE INSERT ON artifacts
WHEN EXISTS (SELECT 1 FROM artifacts WHERE sha256 = NEW.sha256)
BEGIN
    SELECT RAISE(IGNORE);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_artifact_fixed BEFORE UPDATE ON execution_artifacts
BEGIN
    SELECT RAISE(ABORT, 'an execution''s artifact is not changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER project_config_fixed BEFORE UPDATE ON project_configs
BEGIN
    SELECT RAISE(ABORT, 'a config revision is not changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER project_config_kept BEFORE DELETE ON project_configs
BEGIN
    SELECT RAISE(ABORT, 'a config revision is not deleted');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER profile_revision_fixed BEFORE UPDATE ON profile_revisions
BEGIN
    SELECT RAISE(ABORT, 'a profile revision is not changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER profile_revision_kept BEFORE DELETE ON profile_revisions
BEGIN
    SELECT RAISE(ABORT, 'a profile revision is not deleted');
END;
-- +goose StatementEnd

-- REPLACE deletes without asking the triggers for DELETE, so inserting a known key is refused as well.

-- +goose StatementBegin
CREATE TRIGGER project_config_once BEFORE INSERT ON project_configs
WHEN EXISTS (SELECT 1 FROM project_configs WHERE project = NEW.project AND revision = NEW.revision)
BEGIN
    SELECT RAISE(ABORT, 'a config revision is not replaced');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER profile_revision_once BEFORE INSERT ON profile_revisions
WHEN EXISTS (SELECT 1 FROM profile_revisions WHERE name = NEW.name AND revision = NEW.revision)
BEGIN
    SELECT RAISE(ABORT, 'a profile revision is not replaced');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_artifact_once BEFORE INSERT ON execution_artifacts
WHEN EXISTS (SELECT 1 FROM execution_artifacts WHERE execution = NEW.execution AND kind = NEW.kind AND attempt = NEW.attempt)
BEGIN
    SELECT RAISE(ABORT, 'an execution''s artifact is not replaced');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_artifact_kept BEFORE DELETE ON execution_artifacts
BEGIN
    SELECT RAISE(ABORT, 'an execution''s artifact is not deleted');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_source_once BEFORE INSERT ON execution_sources
WHEN EXISTS (SELECT 1 FROM execution_sources WHERE execution = NEW.execution AND source_id = NEW.source_id)
BEGIN
    SELECT RAISE(ABORT, 'an execution''s source is not replaced');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_source_fixed BEFORE UPDATE OF execution, source_id, project, identifier, sbids, signature ON execution_sources
BEGIN
    SELECT RAISE(ABORT, 'what an execution pinned of a source is not changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_source_kept BEFORE DELETE ON execution_sources
BEGIN
    SELECT RAISE(ABORT, 'an execution''s source is not deleted');
END;
-- +goose StatementEnd

-- +goose Down
-- A ledger is never migrated down: an older program refuses a newer file.
