-- Version 11: what decisions say alike is kept once. Those from before keep one content each.

ALTER TABLE decision RENAME TO decision_before;
CREATE TABLE decision (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE CHECK (length(id) = 22),
    at_ms      INTEGER NOT NULL,
    outcome    TEXT NOT NULL CHECK (outcome = 'issued' OR outcome = 'refused' OR outcome = 'failed'),
    client_id  TEXT,
    request_id TEXT NOT NULL,
    content    INTEGER NOT NULL
) STRICT;
CREATE TABLE decision_content (
    number             INTEGER PRIMARY KEY,
    at_ms              INTEGER NOT NULL,
    error              TEXT,
    service_account_id TEXT,
    api_id             TEXT,
    explanation        BLOB,
    rest               TEXT NOT NULL
) STRICT;
INSERT INTO decision_content SELECT seq, at_ms, error, service_account_id, api_id, explanation, rest FROM decision_before;
INSERT INTO decision SELECT seq, id, at_ms, outcome, client_id, request_id, seq FROM decision_before;
DROP TABLE decision_before;
CREATE INDEX decision_client ON decision (seq >> 11, client_id, seq);
CREATE INDEX decision_denied ON decision (outcome) WHERE outcome <> 'issued';
-- An explanation was up to an hour behind the decisions that rest on it: no longer than what they say.
UPDATE decision_explanation SET at_ms = max(at_ms, (SELECT max(at_ms) FROM decision_content WHERE explanation = digest))
    WHERE digest IN (SELECT explanation FROM decision_content);
