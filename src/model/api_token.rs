//! ApiToken: a bearer for the admin API, and what roles may do.

use serde_json::{Value, json};

use super::id::Id;
use crate::clock::Timestamp;

/// What a bearer may do; each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Reader,
    /// Writes resources and secrets.
    Editor,
    /// Also handles API tokens and keys.
    Admin,
}

impl Role {
    pub(crate) const WORDS: &'static [(&'static str, Self)] =
        &[("admin", Self::Admin), ("editor", Self::Editor), ("reader", Self::Reader)];

    /// As stored and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, role)| *role)
    }
}

/// A bearer token for the admin API, without the token.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiToken {
    /// Its id.
    pub id: Id,
    /// For people.
    pub display_name: String,
    /// What it may do.
    pub role: Role,
    /// An inactive one is refused.
    pub active: bool,
    /// The token's last four characters.
    pub last4: String,
    /// When it was made.
    pub issued_at: Timestamp,
    /// Not accepted from this on.
    pub expires_at: Option<Timestamp>,
    /// When it was last accepted; written behind the requests, so up to a minute old.
    pub last_used_at: Option<Timestamp>,
}

impl ApiToken {
    /// Whether it is accepted now.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.active && self.expires_at.is_none_or(|end| now < end)
    }

    /// As the admin API shows it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        json!({
            "id": self.id.as_str(),
            "displayName": self.display_name,
            "role": self.role.as_str(),
            "active": self.active,
            "last4": self.last4,
            "issuedAt": self.issued_at.to_string(),
            "expiresAt": time(self.expires_at),
            "lastUsedAt": time(self.last_used_at),
            "meta": { "resourceType": "ApiToken" },
        })
    }
}
