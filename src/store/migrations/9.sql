-- Version 9: lists that stay quick however long they are. Accounts and clients get a number of their own (`seq`, in the
-- order of their making), and an index of their names by every three characters.
-- Foreign keys are off meanwhile, and looked over before the commit.

CREATE TABLE service_account_before AS SELECT * FROM service_account;
DROP TABLE service_account;
CREATE TABLE service_account (
    seq            INTEGER PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE CHECK (length(id) = 22),
    user_name      TEXT NOT NULL COLLATE NOCASE UNIQUE,
    display_name   TEXT NOT NULL,
    active         INTEGER NOT NULL CHECK (active IN (0, 1)),
    attributes     TEXT NOT NULL CHECK (json_type(attributes) = 'object'),
    revision       INTEGER NOT NULL CHECK (revision >= 1),
    created_at_ms  INTEGER NOT NULL,
    modified_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX service_account_active ON service_account (active);
CREATE INDEX service_account_active_name ON service_account (active, user_name);
CREATE VIRTUAL TABLE service_account_gram USING fts5 (user_name, display_name, content = 'service_account',
    content_rowid = 'seq', tokenize = 'trigram', detail = 'none', columnsize = 0);
INSERT INTO service_account (id, user_name, display_name, active, attributes, revision, created_at_ms, modified_at_ms)
    SELECT id, user_name, display_name, active, attributes, revision, created_at_ms, modified_at_ms
    FROM service_account_before ORDER BY id;
DROP TABLE service_account_before;
INSERT INTO service_account_gram (service_account_gram) VALUES ('rebuild');
CREATE TRIGGER service_account_ins AFTER INSERT ON service_account
    BEGIN UPDATE generation SET value = value + 1, accounts = accounts + 1; END;
CREATE TRIGGER service_account_upd AFTER UPDATE ON service_account BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER service_account_del AFTER DELETE ON service_account
    BEGIN UPDATE generation SET value = value + 1, accounts = accounts - 1; END;
CREATE TRIGGER service_account_unmanage AFTER DELETE ON service_account BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER service_account_gram_ins AFTER INSERT ON service_account BEGIN
    INSERT INTO service_account_gram (rowid, user_name, display_name) VALUES (NEW.seq, NEW.user_name, NEW.display_name);
END;
CREATE TRIGGER service_account_gram_upd AFTER UPDATE ON service_account
    WHEN NEW.user_name IS NOT OLD.user_name OR NEW.display_name IS NOT OLD.display_name BEGIN
    INSERT INTO service_account_gram (service_account_gram, rowid, user_name, display_name)
        VALUES ('delete', OLD.seq, OLD.user_name, OLD.display_name);
    INSERT INTO service_account_gram (rowid, user_name, display_name) VALUES (NEW.seq, NEW.user_name, NEW.display_name);
END;
CREATE TRIGGER service_account_gram_del AFTER DELETE ON service_account BEGIN
    INSERT INTO service_account_gram (service_account_gram, rowid, user_name, display_name)
        VALUES ('delete', OLD.seq, OLD.user_name, OLD.display_name);
END;

CREATE TABLE machine_to_machine_before AS SELECT * FROM machine_to_machine;
DROP TABLE machine_to_machine;
CREATE TABLE machine_to_machine (
    seq                  INTEGER PRIMARY KEY,
    id                   TEXT NOT NULL UNIQUE CHECK (length(id) = 22),
    client_id            TEXT NOT NULL UNIQUE,
    display_name         TEXT NOT NULL,
    service_account_id   TEXT NOT NULL REFERENCES service_account (id) ON DELETE RESTRICT,
    active               INTEGER NOT NULL CHECK (active IN (0, 1)),
    allowed_auth_methods TEXT NOT NULL CHECK (json_type(allowed_auth_methods) = 'array'),
    attributes           TEXT NOT NULL CHECK (json_type(attributes) = 'object'),
    revision             INTEGER NOT NULL CHECK (revision >= 1),
    created_at_ms        INTEGER NOT NULL,
    modified_at_ms       INTEGER NOT NULL
) STRICT;
CREATE INDEX machine_to_machine_account ON machine_to_machine (service_account_id);
CREATE VIRTUAL TABLE machine_to_machine_gram USING fts5 (client_id, display_name, content = 'machine_to_machine',
    content_rowid = 'seq', tokenize = 'trigram', detail = 'none', columnsize = 0);
INSERT INTO machine_to_machine (id, client_id, display_name, service_account_id, active, allowed_auth_methods, attributes,
    revision, created_at_ms, modified_at_ms)
    SELECT id, client_id, display_name, service_account_id, active, allowed_auth_methods, attributes,
    revision, created_at_ms, modified_at_ms FROM machine_to_machine_before ORDER BY id;
DROP TABLE machine_to_machine_before;
INSERT INTO machine_to_machine_gram (machine_to_machine_gram) VALUES ('rebuild');
CREATE TRIGGER machine_to_machine_ins AFTER INSERT ON machine_to_machine
    BEGIN UPDATE generation SET value = value + 1, clients = clients + 1; END;
CREATE TRIGGER machine_to_machine_upd AFTER UPDATE ON machine_to_machine BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER machine_to_machine_del AFTER DELETE ON machine_to_machine
    BEGIN UPDATE generation SET value = value + 1, clients = clients - 1; END;
CREATE TRIGGER machine_to_machine_unmanage AFTER DELETE ON machine_to_machine BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER machine_to_machine_gram_ins AFTER INSERT ON machine_to_machine BEGIN
    INSERT INTO machine_to_machine_gram (rowid, client_id, display_name) VALUES (NEW.seq, NEW.client_id, NEW.display_name);
END;
CREATE TRIGGER machine_to_machine_gram_upd AFTER UPDATE ON machine_to_machine
    WHEN NEW.client_id IS NOT OLD.client_id OR NEW.display_name IS NOT OLD.display_name BEGIN
    INSERT INTO machine_to_machine_gram (machine_to_machine_gram, rowid, client_id, display_name)
        VALUES ('delete', OLD.seq, OLD.client_id, OLD.display_name);
    INSERT INTO machine_to_machine_gram (rowid, client_id, display_name) VALUES (NEW.seq, NEW.client_id, NEW.display_name);
END;
CREATE TRIGGER machine_to_machine_gram_del AFTER DELETE ON machine_to_machine BEGIN
    INSERT INTO machine_to_machine_gram (machine_to_machine_gram, rowid, client_id, display_name)
        VALUES ('delete', OLD.seq, OLD.client_id, OLD.display_name);
END;

-- Changes to API tokens alone, and how many there are of what there are most of.
CREATE TABLE generation_before AS SELECT value FROM generation;
DROP TABLE generation;
CREATE TABLE generation (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    value      INTEGER NOT NULL,
    api_tokens INTEGER NOT NULL,
    accounts   INTEGER NOT NULL,
    clients    INTEGER NOT NULL,
    grants     INTEGER NOT NULL
) STRICT;
INSERT INTO generation (only_row, value, api_tokens, accounts, clients, grants)
    SELECT 1, value, 0, (SELECT COUNT(*) FROM service_account), (SELECT COUNT(*) FROM machine_to_machine),
    (SELECT COUNT(*) FROM access_grant) FROM generation_before;
DROP TABLE generation_before;
DROP TRIGGER access_grant_ins;
DROP TRIGGER access_grant_del;
DROP TRIGGER api_token_ins;
DROP TRIGGER api_token_upd;
DROP TRIGGER api_token_del;
CREATE TRIGGER api_token_ins AFTER INSERT ON api_token
    BEGIN UPDATE generation SET value = value + 1, api_tokens = api_tokens + 1; END;
CREATE TRIGGER api_token_upd AFTER UPDATE OF id, display_name, role, active, hash, expires_at_ms ON api_token
    BEGIN UPDATE generation SET value = value + 1, api_tokens = api_tokens + 1; END;
CREATE TRIGGER api_token_del AFTER DELETE ON api_token
    BEGIN UPDATE generation SET value = value + 1, api_tokens = api_tokens + 1; END;
CREATE TRIGGER access_grant_ins AFTER INSERT ON access_grant
    BEGIN UPDATE generation SET value = value + 1, grants = grants + 1; END;
CREATE TRIGGER access_grant_del AFTER DELETE ON access_grant
    BEGIN UPDATE generation SET value = value + 1, grants = grants - 1; END;

-- An API's grants, in the order of their making.
DROP INDEX access_grant_api;
CREATE INDEX access_grant_api ON access_grant (api_id, id);
-- Denials are found among any number of tokens; a token pays nothing for it.
CREATE INDEX decision_denied ON decision (outcome) WHERE outcome <> 'issued';
