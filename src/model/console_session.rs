//! ConsoleSession: a person signed in to the console. It stands for an API token, and never outlives it.

use serde_json::{Value, json};

use super::api_token::ApiToken;
use super::id::Id;
use crate::clock::Timestamp;

/// A signed-in browser, without its cookie.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsoleSession {
    /// Its id.
    pub id: Id,
    /// The API token that it stands for: its role is the session's.
    pub api_token: ApiToken,
    /// Where it was made from.
    pub client_ip: Option<String>,
    /// The browser that made it.
    pub user_agent: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Ends at this moment at the latest.
    pub expires_at: Timestamp,
    /// When it last asked for a page; written behind the requests, so up to a minute old.
    pub last_used_at: Timestamp,
}

impl ConsoleSession {
    /// Whether it opens the console now, when it may rest for `idle_seconds`.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp, idle_seconds: i64) -> bool {
        now < self.expires_at && now < self.last_used_at.plus_seconds(idle_seconds) && self.api_token.is_valid_at(now)
    }

    /// As the audit trail shows it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id.as_str(),
            "apiTokenId": self.api_token.id.as_str(),
            "displayName": self.api_token.display_name,
            "role": self.api_token.role.as_str(),
            "clientIp": self.client_ip,
            "userAgent": self.user_agent,
            "createdAt": self.created_at.to_string(),
            "expiresAt": self.expires_at.to_string(),
        })
    }
}
