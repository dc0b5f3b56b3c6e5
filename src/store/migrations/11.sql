-- Version 11: what decisions say alike is kept once, as that of the first of them. Those from before keep their own.

ALTER TABLE decision RENAME TO decision_before;
ALTER TABLE decision_explanation RENAME TO decision_explanation_before;
CREATE TABLE decision (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE CHECK (length(id) = 22),
    at_ms      INTEGER NOT NULL,
    outcome    TEXT NOT NULL CHECK (outcome = 'issued' OR outcome = 'refused' OR outcome = 'failed'),
    client_id  TEXT,
    request_id TEXT NOT NULL,
    content    INTEGER NOT NULL CHECK (content <= seq)
) STRICT;
CREATE TABLE decision_content (
    seq                INTEGER PRIMARY KEY,
    error              TEXT,
    service_account_id TEXT,
    api_id             TEXT,
    explanation        BLOB,
    rest               TEXT NOT NULL
) STRICT;
CREATE TABLE decision_explanation (
    digest      BLOB PRIMARY KEY CHECK (length(digest) = 32),
    seq         INTEGER NOT NULL,
    policies    TEXT NOT NULL CHECK (json_type(policies) = 'array'),
    explanation TEXT NOT NULL CHECK (json_type(explanation) = 'object')
) STRICT;
INSERT INTO decision_content SELECT seq, error, service_account_id, api_id, explanation, rest FROM decision_before;
INSERT INTO decision SELECT seq, id, at_ms, outcome, client_id, request_id, seq FROM decision_before;
INSERT INTO decision_explanation SELECT digest, max(c.seq), policies, e.explanation
    FROM decision_explanation_before AS e JOIN decision_before AS c ON c.explanation = digest GROUP BY digest;
DROP TABLE decision_before;
DROP TABLE decision_explanation_before;
CREATE INDEX decision_client ON decision (seq >> 11, client_id, seq);
CREATE INDEX decision_denied ON decision (outcome) WHERE outcome <> 'issued';
CREATE INDEX decision_explanation_age ON decision_explanation (seq);
