-- Version 8: signatures of policy modules.

-- The signature that a module was handed in with: Ed25519 over its bytes. Whether it is good is asked when the module is
-- loaded, by the keys that are trusted then.
CREATE TABLE policy_signature (
    digest        TEXT PRIMARY KEY REFERENCES policy_module (digest) ON DELETE CASCADE,
    signature     BLOB NOT NULL CHECK (length(signature) = 64),
    created_at_ms INTEGER NOT NULL
) STRICT;
