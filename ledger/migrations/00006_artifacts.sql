-- +goose Up
-- Artifacts that are kept as the recipe from which they are made again; what runs made, and what they
-- were made from, so that both can be asked for in either direction.

-- form says what data holds: 'plain' is zstd of the content, 'recipe' zstd of the recipe that makes it.
-- size and sha256 are of the content in both.
ALTER TABLE artifacts ADD COLUMN form TEXT NOT NULL DEFAULT 'plain' CHECK (form IN ('plain', 'recipe'));

-- What a recipe needs is kept as long as the artifact that it makes.
CREATE TABLE artifact_parts (
    artifact TEXT NOT NULL REFERENCES artifacts (sha256) ON DELETE CASCADE,
    part     TEXT NOT NULL REFERENCES artifacts (sha256),
    PRIMARY KEY (artifact, part)
) WITHOUT ROWID;

CREATE INDEX artifact_parts_part ON artifact_parts (part);
CREATE INDEX project_configs_graph ON project_configs (graph_sha256) WHERE graph_sha256 IS NOT NULL;

-- A file that an attempt made. What came of bad data is marked as withdrawn, never deleted.
CREATE TABLE products (
    execution       TEXT    NOT NULL REFERENCES batch_execution_record (uuid) ON DELETE CASCADE,
    attempt         INTEGER NOT NULL,
    path            TEXT    NOT NULL, -- relative to the attempt's folder, with slashes
    sha256          TEXT    NOT NULL,
    bytes           INTEGER NOT NULL,
    drop_oid        TEXT    NOT NULL DEFAULT '',
    uri             TEXT    NOT NULL DEFAULT '', -- where it was made, '' where that has no URI
    withdrawn_at    TEXT,
    withdrawn_by    TEXT    NOT NULL DEFAULT '',
    withdraw_reason TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (execution, attempt, path)
) WITHOUT ROWID;

CREATE INDEX products_sha256 ON products (sha256, execution, attempt, path);
CREATE INDEX products_uri ON products (uri, execution, attempt, path) WHERE uri <> '';
CREATE INDEX products_path ON products (path, execution, attempt);
CREATE INDEX products_withdrawn ON products (execution, attempt, path) WHERE withdrawn_at IS NOT NULL;

-- What an execution was made from: kind is 'sbid', 'dataset' (the identity of a record, as exclusions
-- name it) or 'evaluation' (the name of an evaluation file).
CREATE TABLE execution_inputs (
    kind      TEXT    NOT NULL CHECK (kind IN ('sbid', 'dataset', 'evaluation')),
    value     TEXT    NOT NULL,
    execution TEXT    NOT NULL REFERENCES batch_execution_record (uuid) ON DELETE CASCADE,
    source    INTEGER NOT NULL, -- its id; no foreign key, which would cost every change of a source a look here
    PRIMARY KEY (kind, value, execution, source)
) WITHOUT ROWID;

CREATE INDEX execution_inputs_execution ON execution_inputs (execution);

INSERT INTO execution_inputs (kind, value, execution, source)
SELECT DISTINCT 'sbid', j.value, e.execution, e.source_id FROM execution_sources e, json_each(e.sbids) j;

-- Datasets, evaluation files and products stand in compressed documents: they are read when the ledger is
-- first opened, from here on.
INSERT INTO ledger_info (key, value) SELECT 'documents_unread_after', ''
 WHERE EXISTS (SELECT 1 FROM execution_artifacts WHERE kind IN ('manifest', 'products'));

-- Rows go only with what they are of: an artifact or an execution that a pruning takes.

-- +goose StatementBegin
CREATE TRIGGER artifact_part_fixed BEFORE UPDATE ON artifact_parts
BEGIN
    SELECT RAISE(ABORT, 'what an artifact is made from is not changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER artifact_part_kept BEFORE DELETE ON artifact_parts
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE open = 1 AND kind = 'artifacts')
BEGIN
    SELECT RAISE(ABORT, 'what an artifact is made from is not deleted outside of a pruning');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER product_once BEFORE INSERT ON products
WHEN EXISTS (SELECT 1 FROM products WHERE execution = NEW.execution AND attempt = NEW.attempt AND path = NEW.path)
BEGIN
    SELECT RAISE(ABORT, 'a product is not replaced');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER product_fixed BEFORE UPDATE OF execution, attempt, path, sha256, bytes, drop_oid, uri ON products
BEGIN
    SELECT RAISE(ABORT, 'a product is not changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER product_kept BEFORE DELETE ON products
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE open = 1 AND kind = 'executions')
BEGIN
    SELECT RAISE(ABORT, 'a product is not deleted outside of a pruning');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_input_fixed BEFORE UPDATE ON execution_inputs
BEGIN
    SELECT RAISE(ABORT, 'what an execution was made from is not changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER execution_input_kept BEFORE DELETE ON execution_inputs
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE open = 1 AND kind = 'executions')
BEGIN
    SELECT RAISE(ABORT, 'what an execution was made from is not deleted outside of a pruning');
END;
-- +goose StatementEnd

-- +goose Down
-- A ledger is never migrated down: an older program refuses a newer file.
