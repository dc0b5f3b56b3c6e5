//! Access tokens that their clients revoked. A bounded list: what cannot be kept is refused, not forgotten.

use super::engine::{EngineError, Statement, params};
use super::{Store, plain_error};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// Revoked tokens that are kept at a time.
const KEPT_MAX: i64 = 200_000;
/// Those of one client, so that one alone cannot fill the list.
const KEPT_PER_CLIENT_MAX: i64 = 10_000;
/// How long after its token's end an entry stays: a clock that steps back must not bring a token back.
const KEPT_AFTER_END_SECONDS: i64 = 3600;

/// Where there is no room, the NULL is refused by the column.
const INSERT: &str = "INSERT INTO revoked_token (jti, client_id, revoked_at_ms, expires_at_ms) VALUES (?1, ?2, ?3, \
    CASE WHEN (SELECT COUNT(*) FROM revoked_token) < ?5 \
    AND (SELECT COUNT(*) FROM revoked_token WHERE client_id = ?2) < ?6 THEN ?4 END) ON CONFLICT (jti) DO NOTHING";
const EXISTS: &str = "SELECT 1 FROM revoked_token WHERE jti = ?1";
const PRUNE: &str = "DELETE FROM revoked_token WHERE expires_at_ms <= ?1";
const PRUNABLE: &str = "SELECT 1 FROM revoked_token WHERE expires_at_ms <= ?1 LIMIT 1";

/// A token on its way to the list.
pub(crate) struct RevokedToken {
    /// Its `jti`.
    pub(crate) jti: String,
    /// The client it was issued to.
    pub(crate) client_id: String,
    /// Its `exp`.
    pub(crate) expires_at: Timestamp,
}

impl Store {
    /// Whether the token with this `jti` was revoked.
    pub(crate) fn revoked_token_exists(&self, jti: &str) -> Result<bool> {
        Ok(self.read_one(&Statement::new(EXISTS, params![jti]))?.is_some())
    }

    /// Puts a token on the list. Once is enough: a second time changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when the list is full: the token is not revoked then.
    pub(crate) fn revoked_token_insert(&self, token: &RevokedToken, now: Timestamp) -> Result<()> {
        if self.revoked_token_exists(&token.jti)? {
            return Ok(());
        }
        let (jti, client_id) = (token.jti.as_str(), token.client_id.as_str());
        let values = params![jti, client_id, now, token.expires_at, KEPT_MAX, KEPT_PER_CLIENT_MAX];
        self.write(vec![Statement::new(INSERT, values)]).map_err(|error| match error {
            EngineError::Constraint(cause) => Error::Unavailable {
                detail: "the list of revoked tokens is full, and this token is not on it: try again when others have \
                         expired, or have an administrator switch the client off"
                    .to_owned(),
                cause,
            },
            other => plain_error(other),
        })
    }

    /// Forgets tokens that have expired some time ago.
    pub(crate) fn revoked_token_prune(&self, now: Timestamp) -> Result<()> {
        let ended = now.plus_seconds(-KEPT_AFTER_END_SECONDS);
        if self.read_one(&Statement::new(PRUNABLE, params![ended]))?.is_none() {
            return Ok(());
        }
        self.write(vec![Statement::new(PRUNE, params![ended])]).map_err(plain_error)
    }
}
