-- +goose Up
-- Which machine and which file a ledger is at home on is kept in ledger_info (home_host, home_name, home_path,
-- home_since), and that it was restored (restored_from, restored_at, restored_by); see home.go.

-- Who leads: one row, updated in place. Its epoch grows with every new leader, and every write of a leader
-- checks it, so that one that was paused past its lease loses.
CREATE TABLE daemon_lease (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    epoch      INTEGER NOT NULL,
    owner      TEXT    NOT NULL, -- '' = nobody leads
    host       TEXT    NOT NULL,
    host_name  TEXT    NOT NULL,
    pid        INTEGER NOT NULL,
    process    TEXT    NOT NULL, -- boot, pid namespace and start of the process, so that its end can be told
    version    TEXT    NOT NULL,
    taken_at   TEXT    NOT NULL,
    expires_at TEXT    NOT NULL
) STRICT;

INSERT INTO daemon_lease VALUES (1, 0, '', '', '', 0, '', '', '', '');

-- +goose StatementBegin
CREATE TRIGGER daemon_lease_grows BEFORE UPDATE ON daemon_lease
WHEN NEW.epoch < OLD.epoch OR (NEW.epoch = OLD.epoch AND NEW.owner <> OLD.owner AND NEW.owner <> '')
BEGIN
    SELECT RAISE(ABORT, 'a new leader has a greater epoch');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER daemon_lease_kept BEFORE DELETE ON daemon_lease
BEGIN
    SELECT RAISE(ABORT, 'the lease is not deleted');
END;
-- +goose StatementEnd

-- REPLACE deletes without asking the trigger for DELETE.

-- +goose StatementBegin
CREATE TRIGGER daemon_lease_once BEFORE INSERT ON daemon_lease
WHEN EXISTS (SELECT 1 FROM daemon_lease)
BEGIN
    SELECT RAISE(ABORT, 'there is one lease');
END;
-- +goose StatementEnd
