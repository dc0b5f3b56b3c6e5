//! How the console's sessions are kept: by the hash of their cookie.

use super::api_token;
use super::audit::{guarded_commit, unguarded, write_of};
use super::engine::{EngineError, Row, Statement, params};
use super::{Change, Origin, Store, plain_error};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::model::console_session::ConsoleSession;
use crate::secret::Hash;

/// Sessions that one API token may have: the oldest makes room for another.
const PER_TOKEN_MAX: i64 = 20;
/// Sessions that a list shows.
const LISTED_MAX: i64 = 500;

/// The API token's columns first, as `api_token.rs` reads them.
const SELECT: &str = "SELECT t.id, t.display_name, t.role, t.active, t.last4, t.issued_at_ms, t.expires_at_ms, \
    t.last_used_at_ms, s.id, s.client_ip, s.user_agent, s.created_at_ms, s.expires_at_ms, s.last_used_at_ms \
    FROM console_session AS s JOIN api_token AS t ON t.id = s.api_token_id";
const INSERT: &str = "INSERT INTO console_session (id, hash, api_token_id, client_ip, user_agent, created_at_ms, \
    expires_at_ms, last_used_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const DELETE: &str = "DELETE FROM console_session WHERE id = ?1";
const DELETE_EXPIRED: &str = "DELETE FROM console_session WHERE expires_at_ms <= ?1";
const DELETE_SURPLUS: &str = "DELETE FROM console_session WHERE api_token_id = ?1 AND id NOT IN \
    (SELECT id FROM console_session WHERE api_token_id = ?1 ORDER BY id DESC LIMIT ?2)";
const GUARD: &str = guarded_commit!("(SELECT 1 FROM console_session WHERE id = ?10)");
pub(super) const TOUCH: &str = "UPDATE console_session SET last_used_at_ms = ?2 WHERE id = ?1 AND last_used_at_ms < ?2";

fn from_row(row: &Row) -> Result<ConsoleSession, EngineError> {
    Ok(ConsoleSession {
        api_token: api_token::from_row(row)?,
        id: row.id(8)?,
        client_ip: row.optional_text(9)?,
        user_agent: row.optional_text(10)?,
        created_at: row.time(11)?,
        expires_at: row.time(12)?,
        last_used_at: row.time(13)?,
    })
}

fn change(session: &ConsoleSession, added: bool) -> Change {
    let shown = Some(session.to_json());
    Change {
        resource_type: "ConsoleSession",
        id: session.id.to_string(),
        name: format!("of {}", session.api_token.display_name),
        before: if added { None } else { shown.clone() },
        after: if added { shown } else { None },
    }
}

impl Store {
    /// The session whose cookie has this hash, valid or not.
    pub(crate) fn console_session_by_hash(&self, hash: &Hash) -> Result<Option<ConsoleSession>> {
        self.console_session_where(" WHERE s.hash = ?1", params![hash.to_vec()])
    }

    /// The session with this id.
    pub(crate) fn console_session_by_id(&self, id: &str) -> Result<ConsoleSession> {
        let found = self.console_session_where(" WHERE s.id = ?1", params![id])?;
        found.ok_or_else(|| Error::NotFound(format!("there is no session with the id {id}")))
    }

    fn console_session_where(
        &self,
        condition: &'static str,
        params: Vec<super::engine::Value>,
    ) -> Result<Option<ConsoleSession>> {
        let row = self.read_one(&Statement { sql: [SELECT, condition].concat().into(), params })?;
        row.map(|row| from_row(&row)).transpose().map_err(plain_error)
    }

    /// The sessions that have not run out and were used after a time, newest first: all, or those of one API token.
    pub(crate) fn console_session_list(
        &self,
        api_token_id: Option<&str>,
        used_after: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<ConsoleSession>> {
        const CONDITION: &str = " WHERE s.expires_at_ms > ?1 AND s.last_used_at_ms > ?2 \
            AND (?3 IS NULL OR s.api_token_id = ?3) ORDER BY s.id DESC LIMIT ?4";
        let params = params![now, used_after, api_token_id, LISTED_MAX];
        let rows = self.read(&Statement { sql: [SELECT, CONDITION].concat().into(), params })?;
        rows.iter().map(|row| from_row(row).map_err(plain_error)).collect()
    }

    /// Stores a new session; those that have run out, and the oldest of too many, go in the same batch.
    pub(crate) fn console_session_insert(
        &self,
        session: &ConsoleSession,
        hash: &Hash,
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        let token = &session.api_token.id;
        let insert = Statement::new(
            INSERT,
            params![
                &session.id,
                hash.to_vec(),
                token,
                session.client_ip.clone(),
                session.user_agent.clone(),
                session.created_at,
                session.expires_at,
                session.last_used_at,
            ],
        );
        let expired = Statement::new(DELETE_EXPIRED, params![session.created_at]);
        let surplus = Statement::new(DELETE_SURPLUS, params![token, PER_TOKEN_MAX]);
        let write = write_of(clock, vec![change(session, true)], unguarded(), vec![insert, expired, surplus]);
        self.write_audited(write, origin).map_err(plain_error)
    }

    /// Ends a session: the next request that bears its cookie is sent to sign in.
    pub(crate) fn console_session_delete(
        &self,
        session: &ConsoleSession,
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        let guard = Statement::new(GUARD, params![&session.id]);
        let delete = Statement::new(DELETE, params![&session.id]);
        let write = write_of(clock, vec![change(session, false)], guard, vec![delete]);
        self.write_audited(write, origin).map_err(plain_error)
    }
}
