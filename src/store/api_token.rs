//! How the admin API's bearers are kept.

use std::sync::Arc;

use super::audit::{guarded_commit, unguarded, write_of};
use super::engine::{EngineError, Row, Statement, Value, params};
use super::entity::{Page, Query};
use super::list::{Attribute, Kind, Listing};
use super::{Change, Origin, Store, plain_error};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::model::api_token::{ApiToken, Role};
use crate::secret::Hash;

const SELECT: &str = "SELECT t.id, t.display_name, t.role, t.active, t.last4, t.issued_at_ms, t.expires_at_ms, \
    t.last_used_at_ms FROM api_token AS t";
pub(crate) static API_TOKENS: Listing = Listing {
    from: " FROM api_token AS t",
    select: SELECT,
    key: "t.id",
    attributes: ATTRIBUTES,
    has_meta: false,
    total: None,
    reach: None,
};
const ADMIN_EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM api_token WHERE role = 'admin' AND active = 1 \
    AND (expires_at_ms IS NULL OR expires_at_ms > ?1))";
const INSERT: &str = "INSERT INTO api_token (id, display_name, role, active, hash, last4, issued_at_ms, expires_at_ms) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const UPDATE: &str = "UPDATE api_token SET display_name = ?2, role = ?3, active = ?4, expires_at_ms = ?5 WHERE id = ?1";
/// Holds while the token is what the change began with: it has no revision.
const GUARD: &str = guarded_commit!(
    "(SELECT 1 FROM api_token WHERE id = ?10 AND display_name = ?11 AND role = ?12 AND active = ?13 \
     AND expires_at_ms IS ?14)"
);
pub(super) const TOUCH: &str = "UPDATE api_token SET last_used_at_ms = ?2 WHERE id = ?1 \
    AND (last_used_at_ms IS NULL OR last_used_at_ms < ?2)";
static ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "id", expr: "t.id", kind: Kind::Exact },
    Attribute { name: "displayName", expr: "t.display_name", kind: Kind::Text },
    Attribute { name: "role", expr: "t.role", kind: Kind::Exact },
    Attribute { name: "active", expr: "t.active", kind: Kind::Flag },
    Attribute { name: "issuedAt", expr: "t.issued_at_ms", kind: Kind::Time },
    Attribute { name: "expiresAt", expr: "t.expires_at_ms", kind: Kind::Time },
    Attribute { name: "lastUsedAt", expr: "t.last_used_at_ms", kind: Kind::Time },
];

/// Reads the columns 0 to 7.
pub(super) fn from_row(row: &Row) -> Result<ApiToken, EngineError> {
    let role = row.text(2)?;
    Ok(ApiToken {
        id: row.id(0)?,
        display_name: row.text(1)?,
        role: Role::parse(&role).ok_or_else(|| EngineError::Damaged(format!("role {role}")))?,
        active: row.flag(3)?,
        last4: row.text(4)?,
        issued_at: row.time(5)?,
        expires_at: row.optional_time(6)?,
        last_used_at: row.optional_time(7)?,
    })
}

/// What may change of a token, after its id.
fn members(token: &ApiToken) -> Vec<Value> {
    params![&token.id, token.display_name.as_str(), token.role.as_str(), token.active, token.expires_at]
}

fn change(before: Option<&ApiToken>, after: Option<&ApiToken>) -> Option<Change> {
    let shown = after.or(before)?;
    Some(Change {
        resource_type: "ApiToken",
        id: shown.id.to_string(),
        name: shown.display_name.clone(),
        before: before.map(ApiToken::to_json),
        after: after.map(ApiToken::to_json),
    })
}

impl Store {
    /// Whether there is an API token with the role admin that is good now.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn admin_token_exists(&self, now: Timestamp) -> Result<bool> {
        let row = self.read_one(&Statement::new(ADMIN_EXISTS, params![now.ms()]))?;
        row.map_or(Ok(false), |row| row.flag(0)).map_err(plain_error)
    }

    /// The token with this hash, as committed now.
    pub(crate) fn api_token_by_hash(&self, hash: &Hash) -> Result<Option<Arc<ApiToken>>> {
        // Of API tokens alone: whoever writes much makes many generations.
        let generation = self.engine.generation().map_err(plain_error)?.api_tokens;
        if let Some((read_in, token)) = self.api_tokens.get(hash)
            && read_in == generation
        {
            return Ok(Some(token));
        }
        let sql = [SELECT, " WHERE t.hash = ?1"].concat();
        let statement = Statement { sql: sql.into(), params: params![hash.to_vec()] };
        let (generation, answers) = self.engine.read_together(&[statement]).map_err(plain_error)?;
        let Some(row) = answers.first().and_then(|rows| rows.first()) else { return Ok(None) };
        let token = Arc::new(from_row(row).map_err(plain_error)?);
        self.api_tokens.insert(*hash, (generation.api_tokens, Arc::clone(&token)));
        Ok(Some(token))
    }

    /// The token with this id.
    pub(crate) fn api_token_by_id(&self, id: &str) -> Result<ApiToken> {
        let sql = [SELECT, " WHERE t.id = ?1"].concat();
        let row = self.read_one(&Statement { sql: sql.into(), params: params![id] })?;
        let row = row.ok_or_else(|| Error::NotFound(format!("there is no API token with the id {id}")))?;
        from_row(&row).map_err(plain_error)
    }

    /// One page of tokens.
    pub(crate) fn api_token_list(&self, query: &Query) -> Result<Page<ApiToken>> {
        self.page(&API_TOKENS, query, from_row)
    }

    /// Stores a new token under its hash.
    pub(crate) fn api_token_insert(&self, token: &ApiToken, hash: &Hash, clock: &Clock, origin: &Origin) -> Result<()> {
        let insert = Statement::new(
            INSERT,
            params![
                &token.id,
                token.display_name.as_str(),
                token.role.as_str(),
                token.active,
                hash.to_vec(),
                token.last4.as_str(),
                token.issued_at,
                token.expires_at,
            ],
        );
        let changes = change(None, Some(token)).into_iter().collect();
        self.write_audited(write_of(clock, changes, unguarded(), vec![insert]), origin).map_err(plain_error)
    }

    /// Changes a token, unless another did so meanwhile: the next request that bears it is judged by what it is now.
    pub(crate) fn api_token_update(
        &self,
        before: &ApiToken,
        after: &ApiToken,
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        let (update, guard) = (Statement::new(UPDATE, members(after)), Statement::new(GUARD, members(before)));
        let changes = change(Some(before), Some(after)).into_iter().collect();
        self.write_audited(write_of(clock, changes, guard, vec![update]), origin).map_err(plain_error)
    }

    /// Ends a token: the next request that bears it is refused.
    pub(crate) fn api_token_delete(&self, token: &ApiToken, clock: &Clock, origin: &Origin) -> Result<()> {
        let delete = Statement::new("DELETE FROM api_token WHERE id = ?1", params![&token.id]);
        let guard = Statement::new(GUARD, members(token));
        let changes = change(Some(token), None).into_iter().collect();
        self.write_audited(write_of(clock, changes, guard, vec![delete]), origin).map_err(plain_error)
    }
}
