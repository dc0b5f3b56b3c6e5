-- Version 7: the outcome of a decision is checked without IN (...), for which SQLite makes a table at every row.

DROP INDEX decision_client;
ALTER TABLE decision RENAME TO decision_before;
CREATE TABLE decision (
    seq                INTEGER PRIMARY KEY,
    id                 TEXT NOT NULL UNIQUE CHECK (length(id) = 22),
    at_ms              INTEGER NOT NULL,
    outcome            TEXT NOT NULL CHECK (outcome = 'issued' OR outcome = 'refused' OR outcome = 'failed'),
    error              TEXT,
    client_id          TEXT,
    service_account_id TEXT,
    api_id             TEXT,
    request_id         TEXT NOT NULL,
    explanation        BLOB,
    rest               TEXT NOT NULL
) STRICT;
CREATE INDEX decision_client ON decision (client_id);
INSERT INTO decision SELECT * FROM decision_before;
DROP TABLE decision_before;
