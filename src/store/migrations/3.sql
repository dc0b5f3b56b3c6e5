-- Versions 1 and 2 had tables for policies and decisions, and wrote neither: they get the shape in which they are
-- written.
DROP TABLE policy;
CREATE TABLE policy_settings (
    digest         TEXT PRIMARY KEY CHECK (length(digest) = 64),
    settings       TEXT NOT NULL CHECK (json_type(settings) = 'object'),
    released_at_ms INTEGER
) STRICT;

CREATE TABLE policy (
    id                    TEXT PRIMARY KEY CHECK (length(id) = 22),
    name                  TEXT NOT NULL UNIQUE,
    module_digest         TEXT NOT NULL REFERENCES policy_module (digest) ON DELETE RESTRICT,
    settings_digest       TEXT NOT NULL REFERENCES policy_settings (digest) ON DELETE RESTRICT,
    attached_to           TEXT NOT NULL CHECK (attached_to IN ('server', 'api', 'client', 'account')),
    api_id                TEXT REFERENCES api (id) ON DELETE RESTRICT,
    machine_to_machine_id TEXT REFERENCES machine_to_machine (id) ON DELETE RESTRICT,
    service_account_id    TEXT REFERENCES service_account (id) ON DELETE RESTRICT,
    position              INTEGER NOT NULL,
    mode                  TEXT NOT NULL CHECK (mode IN ('enforce', 'shadow', 'off')),
    active                INTEGER NOT NULL CHECK (active IN (0, 1)),
    revision              INTEGER NOT NULL CHECK (revision >= 1),
    created_at_ms         INTEGER NOT NULL,
    modified_at_ms        INTEGER NOT NULL,
    CHECK ((attached_to = 'api') = (api_id IS NOT NULL)),
    CHECK ((attached_to = 'client') = (machine_to_machine_id IS NOT NULL)),
    CHECK ((attached_to = 'account') = (service_account_id IS NOT NULL))
) STRICT;
CREATE INDEX policy_module_use ON policy (module_digest);
CREATE INDEX policy_settings_use ON policy (settings_digest);
CREATE INDEX policy_server ON policy (position, id) WHERE attached_to = 'server';
CREATE INDEX policy_api ON policy (api_id) WHERE api_id IS NOT NULL;
CREATE INDEX policy_client ON policy (machine_to_machine_id) WHERE machine_to_machine_id IS NOT NULL;
CREATE INDEX policy_account ON policy (service_account_id) WHERE service_account_id IS NOT NULL;
CREATE TRIGGER policy_ins AFTER INSERT ON policy BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER policy_upd AFTER UPDATE ON policy BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER policy_del AFTER DELETE ON policy BEGIN UPDATE generation SET value = value + 1; END;

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
    explanation        BLOB,
    rest               TEXT NOT NULL
) STRICT;
CREATE INDEX decision_client ON decision (client_id);

CREATE TABLE decision_explanation (
    digest      BLOB PRIMARY KEY CHECK (length(digest) = 32),
    at_ms       INTEGER NOT NULL,
    policies    TEXT NOT NULL CHECK (json_type(policies) = 'array'),
    explanation TEXT NOT NULL CHECK (json_type(explanation) = 'object')
) STRICT;
CREATE INDEX decision_explanation_age ON decision_explanation (at_ms);
