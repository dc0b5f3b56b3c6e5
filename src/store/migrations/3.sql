-- Versions 1 and 2 had a table for decisions and wrote none: they get the shape that they are written in.
DROP TABLE decision;
CREATE TABLE decision (
    seq                INTEGER PRIMARY KEY,
    id                 TEXT NOT NULL UNIQUE CHECK (length(id) = 22),
    at_ms              INTEGER NOT NULL,
    outcome            TEXT NOT NULL CHECK (outcome IN ('issued', 'refused', 'failed')),
    error              TEXT,
    client_id          TEXT,
    service_account_id TEXT,
    api_id             TEXT,
    request_id         TEXT NOT NULL,
    policies           TEXT
) STRICT;
CREATE INDEX decision_client ON decision (client_id);

CREATE TABLE decision_detail (
    seq    INTEGER PRIMARY KEY,
    record TEXT NOT NULL
) STRICT;

CREATE TABLE decision_text (
    digest       TEXT PRIMARY KEY CHECK (length(digest) = 64),
    last_used_ms INTEGER NOT NULL,
    text         TEXT NOT NULL
) STRICT;

-- Policies of the server are read with every client.
CREATE INDEX policy_server ON policy (position, id) WHERE attached_to = 'server';
