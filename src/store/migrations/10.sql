-- Version 10: admin writes touch fewer pages. What a commit is about is written by the server, not by a trigger that takes its
-- JSON apart; and events, which come in the order of their ids, are kept in it.

DROP TRIGGER audit_commit_subject;
CREATE TABLE audit_subject_before AS SELECT resource_id, seq FROM audit_subject;
DROP TABLE audit_subject;
CREATE TABLE audit_subject (
    resource_id TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    PRIMARY KEY (resource_id, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO audit_subject (resource_id, seq) SELECT resource_id, seq FROM audit_subject_before ORDER BY resource_id, seq;
DROP TABLE audit_subject_before;

CREATE TABLE event_log_before AS SELECT * FROM event_log;
DROP TABLE event_log;
CREATE TABLE event_log (
    id           TEXT PRIMARY KEY CHECK (length(id) = 22),
    at_ms        INTEGER NOT NULL,
    type         TEXT NOT NULL,
    display_name TEXT NOT NULL,
    severity     TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
    request_id   TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('success', 'failure')),
    actor_id     TEXT NOT NULL,
    actor_name   TEXT NOT NULL,
    actor_type   TEXT NOT NULL,
    client_ip    TEXT,
    user_agent   TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO event_log SELECT * FROM event_log_before ORDER BY id;
DROP TABLE event_log_before;

-- The index of decisions by client in blocks of 2,048 rows.
DROP INDEX decision_client;
CREATE INDEX decision_client ON decision (seq >> 11, client_id, seq);
