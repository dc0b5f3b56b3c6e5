-- Version 5: sessions of the console, the history of each thing, and indexes for what its pages look for.

-- A person signed in to the console: known by the hash of the cookie, standing for an API token.
CREATE TABLE console_session (
    id              TEXT PRIMARY KEY CHECK (length(id) = 22),
    hash            BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    api_token_id    TEXT NOT NULL REFERENCES api_token (id) ON DELETE CASCADE,
    client_ip       TEXT,
    user_agent      TEXT,
    created_at_ms   INTEGER NOT NULL,
    expires_at_ms   INTEGER NOT NULL,
    last_used_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX console_session_api_token ON console_session (api_token_id);

-- What each commit is about, so that the history of one thing is found without reading all of it: what changed,
-- and what that belongs to. It follows from audit_commit alone.
CREATE TABLE audit_subject (
    resource_id TEXT NOT NULL,
    seq         INTEGER NOT NULL REFERENCES audit_commit (seq) ON DELETE CASCADE,
    PRIMARY KEY (resource_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_subject_seq ON audit_subject (seq);
CREATE TRIGGER audit_commit_subject AFTER INSERT ON audit_commit BEGIN
    INSERT OR IGNORE INTO audit_subject (resource_id, seq)
        SELECT s.value, NEW.seq FROM json_each(NEW.changes) AS c, json_each(json_array(
            c.value ->> '$.id',
            c.value ->> '$.before.serviceAccountId', c.value ->> '$.after.serviceAccountId',
            c.value ->> '$.before.machineToMachineId', c.value ->> '$.after.machineToMachineId',
            c.value ->> '$.before.apiId', c.value ->> '$.after.apiId')) AS s
        WHERE s.value IS NOT NULL;
END;
INSERT INTO audit_subject (resource_id, seq)
    SELECT DISTINCT s.value, t.seq FROM audit_commit AS t, json_each(t.changes) AS c, json_each(json_array(
        c.value ->> '$.id',
        c.value ->> '$.before.serviceAccountId', c.value ->> '$.after.serviceAccountId',
        c.value ->> '$.before.machineToMachineId', c.value ->> '$.after.machineToMachineId',
        c.value ->> '$.before.apiId', c.value ->> '$.after.apiId')) AS s
    WHERE s.value IS NOT NULL;

CREATE INDEX service_account_active ON service_account (active, id);
-- What ends soon is found without looking at what does not.
CREATE INDEX credential_expiry ON credential (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
CREATE INDEX access_grant_expiry ON access_grant (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
