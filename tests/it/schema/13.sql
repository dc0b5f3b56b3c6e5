-- The whole schema of a grantd database (user_version 13).
--
-- Rules (a test holds them): every table is STRICT; no clock and no randomness in SQL, both come in as
-- parameters; every admin write carries one row of audit_commit, whose `guard` fails when the write's
-- condition does, so that the whole batch rolls back.
-- Times are Unix milliseconds (`_ms`). Ids are 22 URL-safe characters, ordered by time of making.

-- One row. `value` counts the committed changes that a token or an admin answer may depend on, whoever
-- made them: the triggers at the end of this file move it. Caches are valid while it stands still. `api_tokens`
-- counts those changes to API tokens alone: whoever writes much is not looked up anew each time. Beside them, how many there
-- are of what there are most of: counting them would be a walk; and the last `seq` of accounts and of clients whose names
-- are indexed.
CREATE TABLE generation (
    only_row         INTEGER PRIMARY KEY CHECK (only_row = 1),
    value            INTEGER NOT NULL,
    api_tokens       INTEGER NOT NULL,
    accounts         INTEGER NOT NULL,
    clients          INTEGER NOT NULL,
    grants           INTEGER NOT NULL,
    accounts_indexed INTEGER NOT NULL,
    clients_indexed  INTEGER NOT NULL
) STRICT;
INSERT INTO generation (only_row, value, api_tokens, accounts, clients, grants, accounts_indexed, clients_indexed)
    VALUES (1, 0, 0, 0, 0, 0, 0, 0);

-- What belongs to the database as a whole: the check value of its master key, the sample that `dev` made.
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Who a token is about (`sub`).
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
-- Every three characters that a name has in a row, folded: where a text stands in one, all of the text's are found here.
-- It holds no copy of the names. New rows are added a moment behind (`store/name_index.rs`), many at a time: with each of
-- them it is a seventh of what an account costs. Whoever looks here looks at the rows after `accounts_indexed` too.
CREATE VIRTUAL TABLE service_account_gram USING fts5 (user_name, display_name, content = 'service_account',
    content_rowid = 'seq', tokenize = 'trigram', detail = 'none', columnsize = 0);

-- An OAuth client: lets one service account authenticate.
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

-- One way to authenticate as a client. A secret keeps only a hash: a keyed one when it was generated
-- (256 random bits need no slow hash), Argon2id when a person chose it. `public` is the JSON of the other kinds.
CREATE TABLE credential (
    id                    TEXT PRIMARY KEY CHECK (length(id) = 22),
    machine_to_machine_id TEXT NOT NULL REFERENCES machine_to_machine (id) ON DELETE CASCADE,
    kind                  TEXT NOT NULL CHECK (kind IN ('secret', 'jwk', 'jwksUri', 'certificate', 'federated')),
    hash_kind             TEXT CHECK (hash_kind IN ('hmac-sha256', 'argon2id')),
    hash                  BLOB,
    last4                 TEXT,
    public                TEXT CHECK (public IS NULL OR json_valid(public)),
    not_before_ms         INTEGER,
    expires_at_ms         INTEGER,
    last_used_at_ms       INTEGER,
    created_at_ms         INTEGER NOT NULL,
    CHECK ((kind = 'secret') = (hash IS NOT NULL AND hash_kind IS NOT NULL AND last4 IS NOT NULL)),
    CHECK ((kind = 'secret') = (public IS NULL))
) STRICT;
CREATE INDEX credential_client ON credential (machine_to_machine_id);
-- Answers "is any imported secret in use?": where none is, no request ever pays for a slow hash.
CREATE INDEX credential_imported ON credential (id) WHERE hash_kind = 'argon2id';
-- What ends soon is found without looking at what does not.
CREATE INDEX credential_expiry ON credential (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- An OAuth resource server.
CREATE TABLE api (
    id                     TEXT PRIMARY KEY CHECK (length(id) = 22),
    app_id                 TEXT NOT NULL UNIQUE,
    audience               TEXT UNIQUE,
    display_name           TEXT NOT NULL,
    active                 INTEGER NOT NULL CHECK (active IN (0, 1)),
    signing_alg            TEXT NOT NULL CHECK (signing_alg IN ('RS256', 'ES256', 'EdDSA')),
    token_format           TEXT NOT NULL CHECK (token_format IN ('jwt', 'opaque')),
    token_lifetime_seconds INTEGER NOT NULL CHECK (token_lifetime_seconds > 0),
    claims                 TEXT NOT NULL CHECK (json_type(claims) = 'object'),
    attributes             TEXT NOT NULL CHECK (json_type(attributes) = 'object'),
    built_in               INTEGER NOT NULL DEFAULT 0 CHECK (built_in IN (0, 1)),
    revision               INTEGER NOT NULL CHECK (revision >= 1),
    created_at_ms          INTEGER NOT NULL,
    modified_at_ms         INTEGER NOT NULL
) STRICT;

CREATE TABLE api_scope (
    api_id       TEXT NOT NULL REFERENCES api (id) ON DELETE CASCADE,
    identifier   TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description  TEXT NOT NULL,
    sensitivity  TEXT NOT NULL CHECK (sensitivity IN ('low', 'medium', 'high')),
    is_default   INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    position     INTEGER NOT NULL,
    PRIMARY KEY (api_id, identifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX api_scope_identifier ON api_scope (identifier);

-- This account may have these scopes at this API, within this window.
CREATE TABLE access_grant (
    id                 TEXT PRIMARY KEY CHECK (length(id) = 22),
    service_account_id TEXT NOT NULL REFERENCES service_account (id) ON DELETE RESTRICT,
    api_id             TEXT NOT NULL REFERENCES api (id) ON DELETE RESTRICT,
    not_before_ms      INTEGER,
    expires_at_ms      INTEGER,
    reason             TEXT NOT NULL,
    revision           INTEGER NOT NULL CHECK (revision >= 1),
    created_at_ms      INTEGER NOT NULL,
    modified_at_ms     INTEGER NOT NULL,
    UNIQUE (id, api_id),
    CHECK (not_before_ms IS NULL OR expires_at_ms IS NULL OR not_before_ms < expires_at_ms)
) STRICT;
CREATE INDEX access_grant_account ON access_grant (service_account_id, api_id);
CREATE INDEX access_grant_api ON access_grant (api_id, id);
CREATE INDEX access_grant_expiry ON access_grant (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- The second key makes it impossible to grant a scope that the API does not define, or to drop one in use.
CREATE TABLE grant_scope (
    grant_id TEXT NOT NULL,
    api_id   TEXT NOT NULL,
    scope    TEXT NOT NULL,
    PRIMARY KEY (grant_id, scope),
    FOREIGN KEY (grant_id, api_id) REFERENCES access_grant (id, api_id) ON DELETE CASCADE,
    FOREIGN KEY (api_id, scope) REFERENCES api_scope (api_id, identifier) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE INDEX grant_scope_scope ON grant_scope (api_id, scope);

-- A WebAssembly component, known by the SHA-256 of its bytes.
CREATE TABLE policy_module (
    digest        TEXT PRIMARY KEY CHECK (length(digest) = 64),
    name          TEXT NOT NULL,
    version       TEXT NOT NULL,
    manifest      TEXT NOT NULL CHECK (json_valid(manifest)),
    wasm          BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- The signature that a module was handed in with: Ed25519 over its bytes. Whether it is good is asked when the module is
-- loaded, by the keys that are trusted then.
CREATE TABLE policy_signature (
    digest        TEXT PRIMARY KEY REFERENCES policy_module (digest) ON DELETE CASCADE,
    signature     BLOB NOT NULL CHECK (length(signature) = 64),
    created_at_ms INTEGER NOT NULL
) STRICT;

-- Its compiled form for one build of the engine, authenticated by the server's key. May be deleted at any time.
CREATE TABLE policy_artifact (
    digest        TEXT NOT NULL REFERENCES policy_module (digest) ON DELETE CASCADE,
    engine        TEXT NOT NULL,
    artifact      BLOB NOT NULL,
    mac           BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (digest, engine)
) STRICT;

-- The settings of policies, known by the SHA-256 of their text. A recorded decision names its settings so: they stay
-- while a policy uses them, and after that (`released_at_ms`) while a decision from before is kept.
CREATE TABLE policy_settings (
    digest         TEXT PRIMARY KEY CHECK (length(digest) = 64),
    settings       TEXT NOT NULL CHECK (json_type(settings) = 'object'),
    released_at_ms INTEGER
) STRICT;

-- A module with settings, attached in one place.
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

-- Why one token request ended as it did; its id is the `jti` of the token, if it issued one. No foreign keys: a
-- decision outlives what it is about. A row for every token, so it holds what is its own, and no more: an index costs about
-- 0.8 µs of a token, so there is one; and IN (...), for which SQLite makes a table each time, costs 1.4 µs.
CREATE TABLE decision (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE CHECK (length(id) = 22),
    at_ms      INTEGER NOT NULL,
    outcome    TEXT NOT NULL CHECK (outcome = 'issued' OR outcome = 'refused' OR outcome = 'failed'),
    client_id  TEXT,
    request_id TEXT NOT NULL,
    content    INTEGER NOT NULL CHECK (content <= seq)
) STRICT;
-- In blocks of 2,048 rows: clients come in any order, and what is added stays near the end, on a few pages of the index,
-- instead of one page for each of them. With 100,000 clients that is a third of what their records cost.
CREATE INDEX decision_client ON decision (seq >> 11, client_id, seq);
-- Denials are found among any number of tokens; a token pays nothing for it.
CREATE INDEX decision_denied ON decision (outcome) WHERE outcome <> 'issued';

-- What a decision says beside that: from request to request of a client it is mostly the same, and kept once for many of
-- them, as `seq` of the one that said it first. The columns are what lists filter by; `rest` is the other members, in JSON.
CREATE TABLE decision_content (
    seq                INTEGER PRIMARY KEY,
    error              TEXT,
    service_account_id TEXT,
    api_id             TEXT,
    explanation        BLOB,
    rest               TEXT NOT NULL
) STRICT;

-- What the policies of a request were given and said, known by its SHA-256: the same for as long as answers are
-- reused, and kept once for all that rests on it. `seq` is that of the youngest content that does.
CREATE TABLE decision_explanation (
    digest      BLOB PRIMARY KEY CHECK (length(digest) = 32),
    seq         INTEGER NOT NULL,
    policies    TEXT NOT NULL CHECK (json_type(policies) = 'array'),
    explanation TEXT NOT NULL CHECK (json_type(explanation) = 'object')
) STRICT;
CREATE INDEX decision_explanation_age ON decision_explanation (seq);

-- How many token requests ended how in each hour: what charts are drawn from. It outlives the decisions themselves.
CREATE TABLE decision_tally (
    hour_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('issued', 'refused', 'failed')),
    count   INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (hour_ms, outcome)
) STRICT, WITHOUT ROWID;

-- One admin write. `guard` is NULL, and so refused, when the write's condition does not hold.
CREATE TABLE audit_commit (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE CHECK (length(id) = 22),
    at_ms       INTEGER NOT NULL,
    actor_id    TEXT NOT NULL,
    actor_name  TEXT NOT NULL,
    actor_type  TEXT NOT NULL CHECK (actor_type IN ('apiToken', 'serviceAccount', 'system')),
    reason      TEXT,
    correlation TEXT,
    request_id  TEXT NOT NULL,
    changes     TEXT NOT NULL CHECK (json_type(changes) = 'array'),
    guard       INTEGER NOT NULL CHECK (guard = 1)
) STRICT;

-- What each commit is about, so that the history of one thing is found without reading all of it: what changed,
-- and what that belongs to. Written in the commit's batch: it follows from audit_commit alone, from which nothing is removed.
CREATE TABLE audit_subject (
    resource_id TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    PRIMARY KEY (resource_id, seq)
) STRICT, WITHOUT ROWID;

-- The hash chain over the commits in order, sealed behind the writers: `hash` is keyed and covers the one before.
CREATE TABLE audit_seal (
    seq  INTEGER PRIMARY KEY REFERENCES audit_commit (seq) ON DELETE RESTRICT,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- What happened, for people and collectors. Written in the batch of what it tells of.
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

-- A key pair with a life: next (published) -> active (signs) -> retired (published until `remove_at_ms`).
CREATE TABLE signing_key (
    kid             TEXT PRIMARY KEY CHECK (length(kid) = 22),
    alg             TEXT NOT NULL CHECK (alg IN ('RS256', 'ES256', 'EdDSA')),
    state           TEXT NOT NULL CHECK (state IN ('next', 'active', 'retired')),
    public_jwk      TEXT NOT NULL CHECK (json_type(public_jwk) = 'object'),
    private_sealed  BLOB NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    activated_at_ms INTEGER,
    retired_at_ms   INTEGER,
    remove_at_ms    INTEGER,
    CHECK ((state = 'next') = (activated_at_ms IS NULL)),
    CHECK ((state = 'retired') = (retired_at_ms IS NOT NULL AND remove_at_ms IS NOT NULL))
) STRICT;
-- One key of an algorithm signs, and at most one waits.
CREATE UNIQUE INDEX signing_key_turn ON signing_key (alg, state) WHERE state IN ('next', 'active');

-- A bearer for the admin API.
CREATE TABLE api_token (
    id              TEXT PRIMARY KEY CHECK (length(id) = 22),
    display_name    TEXT NOT NULL,
    role            TEXT NOT NULL CHECK (role IN ('admin', 'editor', 'reader')),
    active          INTEGER NOT NULL CHECK (active IN (0, 1)),
    hash            BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    last4           TEXT NOT NULL,
    issued_at_ms    INTEGER NOT NULL,
    expires_at_ms   INTEGER,
    last_used_at_ms INTEGER
) STRICT;

-- Access tokens that their clients revoked (RFC 7009), until some time after they would have expired. They move
-- no generation: no cached answer depends on them, since each look at a token asks here.
CREATE TABLE revoked_token (
    jti           TEXT PRIMARY KEY CHECK (length(jti) = 22),
    client_id     TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_token_client ON revoked_token (client_id);
CREATE INDEX revoked_token_expiry ON revoked_token (expires_at_ms);

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

-- The triggers that move `generation`. `last_used_at_ms` is left out: it changes no answer.
CREATE TRIGGER service_account_ins AFTER INSERT ON service_account
    BEGIN UPDATE generation SET value = value + 1, accounts = accounts + 1; END;
CREATE TRIGGER service_account_upd AFTER UPDATE ON service_account BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER service_account_del AFTER DELETE ON service_account
    BEGIN UPDATE generation SET value = value + 1, accounts = accounts - 1; END;
CREATE TRIGGER machine_to_machine_ins AFTER INSERT ON machine_to_machine
    BEGIN UPDATE generation SET value = value + 1, clients = clients + 1; END;
CREATE TRIGGER machine_to_machine_upd AFTER UPDATE ON machine_to_machine BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER machine_to_machine_del AFTER DELETE ON machine_to_machine
    BEGIN UPDATE generation SET value = value + 1, clients = clients - 1; END;
CREATE TRIGGER credential_ins AFTER INSERT ON credential BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER credential_upd AFTER UPDATE OF id, machine_to_machine_id, kind, hash_kind, hash, public, not_before_ms, expires_at_ms ON credential
    BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER credential_del AFTER DELETE ON credential BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER api_ins AFTER INSERT ON api BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER api_upd AFTER UPDATE ON api BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER api_del AFTER DELETE ON api BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER api_scope_ins AFTER INSERT ON api_scope BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER api_scope_upd AFTER UPDATE ON api_scope BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER api_scope_del AFTER DELETE ON api_scope BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER access_grant_ins AFTER INSERT ON access_grant
    BEGIN UPDATE generation SET value = value + 1, grants = grants + 1; END;
CREATE TRIGGER access_grant_upd AFTER UPDATE ON access_grant BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER access_grant_del AFTER DELETE ON access_grant
    BEGIN UPDATE generation SET value = value + 1, grants = grants - 1; END;
CREATE TRIGGER grant_scope_ins AFTER INSERT ON grant_scope BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER grant_scope_upd AFTER UPDATE ON grant_scope BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER grant_scope_del AFTER DELETE ON grant_scope BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER policy_ins AFTER INSERT ON policy BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER policy_upd AFTER UPDATE ON policy BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER policy_del AFTER DELETE ON policy BEGIN UPDATE generation SET value = value + 1; END;
CREATE TRIGGER api_token_ins AFTER INSERT ON api_token
    BEGIN UPDATE generation SET value = value + 1, api_tokens = api_tokens + 1; END;
CREATE TRIGGER api_token_upd AFTER UPDATE OF id, display_name, role, active, hash, expires_at_ms ON api_token
    BEGIN UPDATE generation SET value = value + 1, api_tokens = api_tokens + 1; END;
CREATE TRIGGER api_token_del AFTER DELETE ON api_token
    BEGIN UPDATE generation SET value = value + 1, api_tokens = api_tokens + 1; END;

-- What an apply made, and under which name: a later apply under that name may prune it, and nothing else.
CREATE TABLE managed (
    id            TEXT PRIMARY KEY CHECK (length(id) = 22),
    resource_type TEXT NOT NULL
        CHECK (resource_type IN ('ServiceAccount', 'MachineToMachine', 'Credential', 'Api', 'Grant', 'Policy')),
    owner         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX managed_owner ON managed (owner, resource_type);

-- The triggers that let go of what is gone, however it went.
CREATE TRIGGER service_account_unmanage AFTER DELETE ON service_account BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER machine_to_machine_unmanage AFTER DELETE ON machine_to_machine BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER credential_unmanage AFTER DELETE ON credential BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER api_unmanage AFTER DELETE ON api BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER access_grant_unmanage AFTER DELETE ON access_grant BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER policy_unmanage AFTER DELETE ON policy BEGIN DELETE FROM managed WHERE id = OLD.id; END;

-- `aud` tells resource servers apart: what one API is called must not be what another's tokens say.
CREATE TRIGGER api_names_ins BEFORE INSERT ON api BEGIN
    SELECT RAISE(ABORT, 'another API is named so: api.app_id')
        WHERE EXISTS (SELECT 1 FROM api WHERE audience = NEW.app_id AND id <> NEW.id);
    SELECT RAISE(ABORT, 'another API is named so: api.audience')
        WHERE EXISTS (SELECT 1 FROM api WHERE app_id = NEW.audience AND id <> NEW.id);
END;
CREATE TRIGGER api_names_upd BEFORE UPDATE OF app_id, audience ON api BEGIN
    SELECT RAISE(ABORT, 'another API is named so: api.app_id')
        WHERE EXISTS (SELECT 1 FROM api WHERE audience = NEW.app_id AND id <> NEW.id);
    SELECT RAISE(ABORT, 'another API is named so: api.audience')
        WHERE EXISTS (SELECT 1 FROM api WHERE app_id = NEW.audience AND id <> NEW.id);
END;

-- The triggers that keep the three-character indexes, as far as they have come. The `seq` of the last row is used again
-- when that is deleted: how far they have come never goes beyond it. None is put by hand where it would not be indexed.
CREATE TRIGGER service_account_seq BEFORE INSERT ON service_account
    WHEN NEW.seq > 0 AND NEW.seq <= (SELECT accounts_indexed FROM generation) BEGIN
    SELECT RAISE(FAIL, 'a new row of service_account comes last: leave out seq');
END;
CREATE TRIGGER service_account_gram_upd AFTER UPDATE ON service_account
    WHEN (NEW.user_name IS NOT OLD.user_name OR NEW.display_name IS NOT OLD.display_name)
    AND OLD.seq <= (SELECT accounts_indexed FROM generation) BEGIN
    INSERT INTO service_account_gram (service_account_gram, rowid, user_name, display_name)
        VALUES ('delete', OLD.seq, OLD.user_name, OLD.display_name);
    INSERT INTO service_account_gram (rowid, user_name, display_name) VALUES (NEW.seq, NEW.user_name, NEW.display_name);
END;
CREATE TRIGGER service_account_gram_del AFTER DELETE ON service_account BEGIN
    INSERT INTO service_account_gram (service_account_gram, rowid, user_name, display_name)
        SELECT 'delete', OLD.seq, OLD.user_name, OLD.display_name WHERE OLD.seq <= (SELECT accounts_indexed FROM generation);
    UPDATE generation SET accounts_indexed = min(accounts_indexed, (SELECT COALESCE(max(seq), 0) FROM service_account));
END;
CREATE TRIGGER machine_to_machine_seq BEFORE INSERT ON machine_to_machine
    WHEN NEW.seq > 0 AND NEW.seq <= (SELECT clients_indexed FROM generation) BEGIN
    SELECT RAISE(FAIL, 'a new row of machine_to_machine comes last: leave out seq');
END;
CREATE TRIGGER machine_to_machine_gram_upd AFTER UPDATE ON machine_to_machine
    WHEN (NEW.client_id IS NOT OLD.client_id OR NEW.display_name IS NOT OLD.display_name)
    AND OLD.seq <= (SELECT clients_indexed FROM generation) BEGIN
    INSERT INTO machine_to_machine_gram (machine_to_machine_gram, rowid, client_id, display_name)
        VALUES ('delete', OLD.seq, OLD.client_id, OLD.display_name);
    INSERT INTO machine_to_machine_gram (rowid, client_id, display_name) VALUES (NEW.seq, NEW.client_id, NEW.display_name);
END;
CREATE TRIGGER machine_to_machine_gram_del AFTER DELETE ON machine_to_machine BEGIN
    INSERT INTO machine_to_machine_gram (machine_to_machine_gram, rowid, client_id, display_name)
        SELECT 'delete', OLD.seq, OLD.client_id, OLD.display_name WHERE OLD.seq <= (SELECT clients_indexed FROM generation);
    UPDATE generation SET clients_indexed = min(clients_indexed, (SELECT COALESCE(max(seq), 0) FROM machine_to_machine));
END;
