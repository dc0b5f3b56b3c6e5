//! How signing keys are kept: public half readable, private half sealed by the caller.

use serde_json::{Value, json};

use super::audit::{guarded_commit, unguarded, write_of};
use super::engine::{Batch, EngineError, Row, Statement, params};
use super::{Change, Origin, Store, plain_error};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::model::api::SigningAlg;
use crate::model::id::Id;

/// In the order of the JWKS. Some verifiers take the first key, or stop at one of a kind that they do not know: the
/// RSA key that signs comes first.
const SELECT: &str = "SELECT kid, alg, state, public_jwk, private_sealed, created_at_ms, activated_at_ms, \
    retired_at_ms, remove_at_ms FROM signing_key \
    ORDER BY CASE alg WHEN 'RS256' THEN 1 WHEN 'ES256' THEN 2 ELSE 3 END, state, kid";
const INSERT: &str = "INSERT INTO signing_key (kid, alg, state, public_jwk, private_sealed, created_at_ms, \
    activated_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const RETIRE: &str = "UPDATE signing_key SET state = 'retired', retired_at_ms = ?2, remove_at_ms = ?3 WHERE kid = ?1";
const ACTIVATE: &str = "UPDATE signing_key SET state = 'active', activated_at_ms = ?2 WHERE kid = ?1";
const DELETE: &str = "DELETE FROM signing_key WHERE kid = ?1";
/// Holds while ?10 is the active key and ?11 waits to follow it.
const GUARD_ROTATE: &str = guarded_commit!(
    "(SELECT 1 FROM signing_key AS a JOIN signing_key AS n ON n.alg = a.alg AND n.state = 'next' AND n.kid = ?11 \
     WHERE a.kid = ?10 AND a.state = 'active')"
);
/// Holds while ?10 is retired.
const GUARD_REMOVE: &str = guarded_commit!("(SELECT 1 FROM signing_key WHERE kid = ?10 AND state = 'retired')");

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, so that verifiers know it before it signs.
    Next,
    /// Signs.
    Active,
    /// Published until the last token it signed has expired.
    Retired,
}

impl KeyState {
    /// As stored and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// A signing key as stored.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Its id, in the header of what it signs.
    pub kid: Id,
    /// Its algorithm.
    pub alg: SigningAlg,
    /// Where it stands.
    pub state: KeyState,
    /// The public half, as in the JWKS.
    pub public_jwk: Value,
    /// The private half, sealed.
    pub private_sealed: Vec<u8>,
    /// When it was made, and first published.
    pub created_at: Timestamp,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// When it stopped.
    pub retired_at: Option<Timestamp>,
    /// When it leaves the JWKS.
    pub remove_at: Option<Timestamp>,
}

impl KeyRow {
    /// The key as the admin API shows it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        json!({
            "id": self.kid.as_str(),
            "kid": self.kid.as_str(),
            "alg": self.alg.as_str(),
            "state": self.state.as_str(),
            "publicJwk": self.public_jwk,
            "createdAt": self.created_at.to_string(),
            "activatedAt": time(self.activated_at),
            "retiredAt": time(self.retired_at),
            "removeAt": time(self.remove_at),
            "meta": {"resourceType": "SigningKey"},
        })
    }
}

fn from_row(row: &Row) -> Result<KeyRow, EngineError> {
    let (alg, state) = (row.text(1)?, row.text(2)?);
    let states = [KeyState::Next, KeyState::Active, KeyState::Retired];
    Ok(KeyRow {
        kid: row.id(0)?,
        alg: SigningAlg::parse(&alg).ok_or_else(|| EngineError::Damaged(format!("alg {alg}")))?,
        state: states
            .into_iter()
            .find(|known| known.as_str() == state)
            .ok_or_else(|| EngineError::Damaged(format!("state {state}")))?,
        public_jwk: row.json(3)?,
        private_sealed: row.blob(4)?,
        created_at: row.time(5)?,
        activated_at: row.optional_time(6)?,
        retired_at: row.optional_time(7)?,
        remove_at: row.optional_time(8)?,
    })
}

fn change(before: Option<&KeyRow>, after: Option<&KeyRow>) -> Option<Change> {
    let shown = after.or(before)?;
    Some(Change {
        resource_type: "SigningKey",
        id: shown.kid.to_string(),
        name: format!("{} {}", shown.alg.as_str(), shown.kid),
        before: before.map(KeyRow::to_json),
        after: after.map(KeyRow::to_json),
    })
}

impl Store {
    /// Every key, of every algorithm and state.
    pub(crate) fn signing_key_list(&self) -> Result<Vec<KeyRow>> {
        let rows = self.read(&Statement::new(SELECT, Vec::new()))?;
        rows.iter().map(|row| from_row(row).map_err(plain_error)).collect()
    }

    /// Stores new keys, all or none.
    pub(crate) fn signing_key_insert(&self, keys: &[KeyRow], clock: &Clock, origin: &Origin) -> Result<()> {
        let changes = keys.iter().filter_map(|key| change(None, Some(key))).collect();
        let write = write_of(clock, changes, unguarded(), keys.iter().map(insert).collect());
        self.write_audited(write, origin).map_err(plain_error)
    }

    /// `active` retires, `next` takes its place, `following` becomes the next; unless another did so first.
    pub(crate) fn signing_key_rotate(
        &self,
        active: &KeyRow,
        next: &KeyRow,
        following: &KeyRow,
        remove_at: Timestamp,
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        let now = clock.now();
        let retired =
            KeyRow { state: KeyState::Retired, retired_at: Some(now), remove_at: Some(remove_at), ..active.clone() };
        let activated = KeyRow { state: KeyState::Active, activated_at: Some(now), ..next.clone() };
        let changes = [(Some(active), Some(&retired)), (None, Some(following)), (Some(next), Some(&activated))];
        let changes = changes.into_iter().filter_map(|(before, after)| change(before, after)).collect();
        let statements: Batch = vec![
            Statement::new(RETIRE, params![&active.kid, now, remove_at]),
            Statement::new(ACTIVATE, params![&next.kid, now]),
            insert(following),
        ];
        let guard = Statement::new(GUARD_ROTATE, params![&active.kid, &next.kid]);
        self.write_audited(write_of(clock, changes, guard, statements), origin).map_err(|error| match error {
            EngineError::Guard => Error::Stale("another rotation came first; look at the keys again".to_owned()),
            other => plain_error(other),
        })
    }

    /// Removes a retired key.
    pub(crate) fn signing_key_delete(&self, key: &KeyRow, clock: &Clock, origin: &Origin) -> Result<()> {
        let changes = change(Some(key), None).into_iter().collect();
        let guard = Statement::new(GUARD_REMOVE, params![&key.kid]);
        let write = write_of(clock, changes, guard, vec![Statement::new(DELETE, params![&key.kid])]);
        self.write_audited(write, origin).map_err(plain_error)
    }
}

fn insert(key: &KeyRow) -> Statement {
    Statement::new(
        INSERT,
        params![
            &key.kid,
            key.alg.as_str(),
            key.state.as_str(),
            key.public_jwk.to_string(),
            key.private_sealed.clone(),
            key.created_at,
            key.activated_at,
        ],
    )
}
