//! Credential: one way to authenticate as a client.

use serde_json::{Value, json};

use super::id::Id;
use crate::clock::{Clock, Timestamp};
use crate::secret::{Hash, Secret, SecretKind, ServerKeys, generate, is_generated};

/// How a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretHash {
    /// HMAC-SHA-256 of a generated secret.
    Keyed(Hash),
    /// Argon2id of one that a person chose.
    Slow(Hash),
}

/// A client secret: its hash, and what people may see of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Credential {
    /// Its id.
    pub id: Id,
    /// The stored form.
    pub hash: SecretHash,
    /// The secret's last four characters.
    pub last4: String,
    /// Not accepted before this.
    pub not_before: Option<Timestamp>,
    /// Not accepted from this on.
    pub expires_at: Option<Timestamp>,
    /// When it last authenticated a client; written behind the requests, so up to a minute old.
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Credential {
    /// A new secret, made here or brought along. A secret of the generated form carries 256 random bits,
    /// wherever it was made, and is hashed as one.
    ///
    /// # Errors
    /// `Internal` when hashing fails.
    pub fn for_secret(
        clock: &Clock,
        keys: &ServerKeys,
        client_id: &str,
        brought: Option<Secret>,
        expires_at: Option<Timestamp>,
    ) -> crate::error::Result<(Self, Secret)> {
        let now = clock.now();
        let secret = brought.unwrap_or_else(|| generate(clock, SecretKind::Client));
        let hash = if is_generated(SecretKind::Client, secret.expose()) {
            SecretHash::Keyed(keys.hash(secret.expose()))
        } else {
            SecretHash::Slow(keys.hash_slowly(client_id, secret.expose())?)
        };
        let credential = Self {
            id: Id::new(clock, now),
            hash,
            last4: secret.last4(),
            not_before: None,
            expires_at,
            last_used_at: None,
            created_at: now,
        };
        Ok((credential, secret))
    }

    /// Whether it may authenticate a client now.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= now) && self.expires_at.is_none_or(|end| now < end)
    }

    /// What people may see.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        json!({
            "id": self.id.as_str(),
            "kind": "secret",
            "last4": self.last4,
            "imported": matches!(self.hash, SecretHash::Slow(_)),
            "notBefore": time(self.not_before),
            "expiresAt": time(self.expires_at),
            "lastUsedAt": time(self.last_used_at),
            "createdAt": self.created_at.to_string(),
        })
    }
}
