-- +goose Up
-- The triggers of the state machine, made from the one table in the program (ledger.BirthTrigger, ledger.StepTrigger),
-- and the ledger's own id: the witness file beside it names it, and every copy of the ledger keeps it.

DROP TRIGGER execution_birth;
DROP TRIGGER execution_step;

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
     WHERE NEW.status GLOB '*[^a-z]*'
        OR instr('|pending>preparing+0|preparing>ready+0|ready>submitting+0|
        |submitting>queued+0|submitting>ready+0|submitting>uncertain+0|
        |uncertain>queued+0|uncertain>ready+1|uncertain>failed+0|
        |queued>running+0|running>queued+0|verifying>completed+0|
        |failed>pending+1|failed>verifying+0|queued>verifying+0|
        |queued>cancelled+0|running>verifying+0|running>cancelled+0|
        |cancelling>verifying+0|cancelling>cancelled+0|pending>cancelled+0|
        |preparing>cancelled+0|ready>cancelled+0|verifying>cancelled+0|
        |queued>cancelling+0|running>cancelling+0|pending>failed+0|
        |preparing>failed+0|ready>failed+0|submitting>failed+0|
        |queued>failed+0|running>failed+0|cancelling>failed+0|
        |verifying>failed+0|',
        '|' || OLD.status || '>' || NEW.status || '+' || (NEW.attempt - OLD.attempt) || '|') = 0;
    SELECT RAISE(ABORT, 'a step raises the version by one')
     WHERE NEW.version <> OLD.version + 1;
    SELECT RAISE(ABORT, 'an intent carries the submission id of its attempt')
     WHERE NEW.status = 'submitting' AND NEW.submission_id <> 'bp-' || NEW.uuid || '-' || NEW.attempt;
    SELECT RAISE(ABORT, 'a held execution is not submitted')
     WHERE NEW.status = 'submitting' AND NEW.held_at IS NOT NULL;
END;
-- +goose StatementEnd

INSERT INTO ledger_info (key, value) VALUES ('ledger_id', lower(hex(randomblob(16))));

-- +goose StatementBegin
CREATE TRIGGER ledger_id_fixed BEFORE UPDATE ON ledger_info WHEN OLD.key = 'ledger_id' OR NEW.key = 'ledger_id'
BEGIN
    SELECT RAISE(ABORT, 'the id of a ledger is not changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER ledger_id_once BEFORE INSERT ON ledger_info WHEN NEW.key = 'ledger_id'
BEGIN
    SELECT RAISE(ABORT, 'the id of a ledger is not replaced');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER ledger_id_kept BEFORE DELETE ON ledger_info WHEN OLD.key = 'ledger_id'
BEGIN
    SELECT RAISE(ABORT, 'the id of a ledger is not deleted');
END;
-- +goose StatementEnd

-- +goose Down
-- A ledger is never migrated down: an older program refuses a newer file.
