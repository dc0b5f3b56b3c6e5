//! How APIs and their scopes are kept.

use std::ops::Deref;

use serde_json::json;

use super::Store;
use super::audit::guarded_commit;
use super::engine::{Batch, EngineError, Row, Statement, Value, params};
use super::entity::{Dependent, Entity, json_array, meta_params, unchanged};
use super::list::{Attribute, Kind};
use crate::error::{Error, Result, Violation};
use crate::model::Record;
use crate::model::api::{Api, SigningAlg};
use crate::model::grant::Grant;
use crate::model::id::Id;
use crate::model::policy::Policy;
use crate::secret::Hash;

/// Scopes that a refusal names.
const NAMED_MAX: usize = 5;

/// An API as a token request sees it.
#[derive(Debug)]
pub struct ApiView {
    /// Its id.
    pub id: Id,
    /// Its members. `scopes` are left empty: a request needs no more of them than stands beside.
    pub api: Api,
    /// The identifiers of all scopes that it defines.
    pub scopes: Vec<String>,
    /// Digest of its row and its scopes: the same as long as nothing about it changes.
    pub digest: Hash,
}

impl Deref for ApiView {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Entity for Api {
    /// The last column carries the scopes as JSON, so that a page is one statement.
    const SELECT: &'static str = "SELECT t.id, t.created_at_ms, t.modified_at_ms, t.revision, t.app_id, t.audience, \
        t.display_name, t.active, t.signing_alg, t.token_lifetime_seconds, t.claims, t.attributes, t.built_in, \
        (SELECT json_group_array(json_object('identifier', identifier, 'displayName', display_name, 'description', \
        description, 'sensitivity', sensitivity, 'default', json(iif(is_default, 'true', 'false'))) ORDER BY position) \
        FROM api_scope WHERE api_id = t.id) FROM api AS t";
    const FROM: &'static str = " FROM api AS t";
    const GUARD: &'static str = guarded_commit!("(SELECT 1 FROM api WHERE id = ?10 AND revision = ?11)");
    const UNCHANGED: &'static str = unchanged!("api");
    const ATTRIBUTES: &'static [Attribute] = &[
        Attribute { name: "appId", expr: "t.app_id", kind: Kind::Exact },
        Attribute { name: "audience", expr: "t.audience", kind: Kind::Exact },
        Attribute { name: "displayName", expr: "t.display_name", kind: Kind::Text },
        Attribute { name: "active", expr: "t.active", kind: Kind::Flag },
        Attribute { name: "signingAlg", expr: "t.signing_alg", kind: Kind::Exact },
        Attribute { name: "tokenFormat", expr: "t.token_format", kind: Kind::Exact },
        Attribute { name: "tokenLifetimeSeconds", expr: "t.token_lifetime_seconds", kind: Kind::Integer },
        Attribute { name: "attributes", expr: "t.attributes", kind: Kind::Json },
        Attribute { name: "builtIn", expr: "t.built_in", kind: Kind::Flag },
        Attribute {
            name: "scopes",
            expr: "EXISTS (SELECT 1 FROM api_scope AS s WHERE s.api_id = t.id",
            kind: Kind::Many(&[
                Attribute { name: "value", expr: "s.identifier", kind: Kind::Exact },
                Attribute { name: "identifier", expr: "s.identifier", kind: Kind::Exact },
                Attribute { name: "displayName", expr: "s.display_name", kind: Kind::Text },
                Attribute { name: "description", expr: "s.description", kind: Kind::Text },
                Attribute { name: "sensitivity", expr: "s.sensitivity", kind: Kind::Exact },
                Attribute { name: "default", expr: "s.is_default", kind: Kind::Flag },
            ]),
        },
    ];

    fn value_from_row(row: &Row) -> Result<Self, EngineError> {
        let alg = row.text(8)?;
        Ok(Self {
            app_id: row.text(4)?,
            audience: row.optional_text(5)?,
            display_name: row.text(6)?,
            active: row.flag(7)?,
            signing_alg: SigningAlg::parse(&alg).ok_or_else(|| EngineError::Damaged(format!("signing_alg {alg}")))?,
            token_lifetime_seconds: row.integer(9)?,
            claims: row.parsed(10)?,
            attributes: row.object(11)?,
            built_in: row.flag(12)?,
            scopes: row.parsed(13)?,
        })
    }

    fn insert(record: &Record<Self>) -> Batch {
        const INSERT: &str = "INSERT INTO api (id, created_at_ms, modified_at_ms, revision, app_id, audience, \
            display_name, active, signing_alg, token_lifetime_seconds, claims, attributes, built_in, token_format) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'jwt')";
        let mut batch = vec![Statement::new(INSERT, columns(record))];
        batch.extend(upsert_scopes(record));
        batch
    }

    fn update(record: &Record<Self>) -> Batch {
        const UPDATE: &str = "UPDATE api SET created_at_ms = ?2, modified_at_ms = ?3, revision = ?4, app_id = ?5, \
            audience = ?6, display_name = ?7, active = ?8, signing_alg = ?9, token_lifetime_seconds = ?10, \
            claims = ?11, attributes = ?12, built_in = ?13 WHERE id = ?1";
        // Only what is no longer there is removed: a scope that stays keeps the grants that hold it.
        const DROP_SCOPES: &str =
            "DELETE FROM api_scope WHERE api_id = ?1 AND identifier NOT IN (SELECT value FROM json_each(?2))";
        let kept = json_array(record.value.scopes.iter().map(|scope| scope.identifier.as_str()));
        let mut batch =
            vec![Statement::new(UPDATE, columns(record)), Statement::new(DROP_SCOPES, params![&record.id, kept])];
        batch.extend(upsert_scopes(record));
        batch
    }

    fn delete(id: &Id) -> Batch {
        vec![Statement::new("DELETE FROM api WHERE id = ?1 AND built_in = 0", params![id])]
    }

    fn name(&self) -> &str {
        &self.app_id
    }

    /// Refuses to drop a scope that a grant holds: the foreign key would too, but could not name it.
    fn resolve(&mut self, store: &Store, current: Option<&Self>) -> Result<()> {
        let Some(current) = current else { return Ok(()) };
        let kept = |identifier: &str| self.scopes.iter().any(|scope| scope.identifier == identifier);
        let dropped: Vec<&str> = current
            .scopes
            .iter()
            .map(|scope| scope.identifier.as_str())
            .filter(|identifier| !kept(identifier))
            .collect();
        if current.built_in && !dropped.is_empty() {
            return Err(Error::Invalid(vec![Violation::new(
                "/scopes",
                json!(dropped),
                "the built-in API keeps its scopes",
            )]));
        }
        let in_use = store.scopes_in_use(&current.app_id, &dropped)?;
        if in_use.is_empty() {
            return Ok(());
        }
        let named: Vec<&str> = in_use.iter().take(NAMED_MAX).map(String::as_str).collect();
        Err(Error::InUse {
            detail: format!("grants hold the scope {}; narrow or delete those grants first", named.join(", ")),
        })
    }

    fn leads_to_admin(&self, _: &Store) -> Result<bool> {
        Ok(self.built_in)
    }

    fn dependents(store: &Store, id: &Id, count_max: usize) -> Result<Vec<Dependent>> {
        let api = store.resource_by_id::<Self>(id.as_str())?;
        if api.value.built_in {
            return Err(Error::InUse {
                detail:
                    "this API guards the admin API itself and cannot be deleted; set it inactive to refuse its tokens"
                        .to_owned(),
            });
        }
        let mut found = store.dependents_where::<Grant>("t.api_id = ?1", id.as_str(), count_max)?;
        found.extend(store.dependents_where::<Policy>("t.api_id = ?1", id.as_str(), count_max - found.len())?);
        Ok(found)
    }
}

/// An API as the hot read has it, out of the columns of its statements.
pub(super) fn view_from_row(row: &Row) -> Result<ApiView, EngineError> {
    let alg = row.text(5)?;
    let api = Api {
        app_id: row.text(1)?,
        audience: row.optional_text(2)?,
        display_name: row.text(3)?,
        active: row.flag(4)?,
        scopes: Vec::new(),
        signing_alg: SigningAlg::parse(&alg).ok_or_else(|| EngineError::Damaged(format!("signing_alg {alg}")))?,
        token_lifetime_seconds: row.integer(6)?,
        claims: row.parsed(7)?,
        attributes: row.object(8)?,
        built_in: row.flag(9)?,
    };
    Ok(ApiView { id: row.id(0)?, api, scopes: row.parsed(10)?, digest: row.digest() })
}

fn columns(record: &Record<Api>) -> Vec<Value> {
    let mut all = meta_params(record);
    let api = &record.value;
    all.extend(params![
        api.app_id.as_str(),
        api.audience.as_deref(),
        api.display_name.as_str(),
        api.active,
        api.signing_alg.as_str(),
        api.token_lifetime_seconds,
        json!(api.claims).to_string(),
        serde_json::Value::from(api.attributes.clone()).to_string(),
        api.built_in,
    ]);
    all
}

pub(super) fn upsert_scopes(record: &Record<Api>) -> impl Iterator<Item = Statement> {
    const UPSERT_SCOPE: &str = "INSERT INTO api_scope (api_id, identifier, display_name, description, sensitivity, \
        is_default, position) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (api_id, identifier) DO UPDATE SET \
        display_name = excluded.display_name, description = excluded.description, sensitivity = excluded.sensitivity, \
        is_default = excluded.is_default, position = excluded.position";
    (0_i64..).zip(&record.value.scopes).map(|(position, scope)| {
        Statement::new(
            UPSERT_SCOPE,
            params![
                &record.id,
                scope.identifier.as_str(),
                scope.display_name.as_str(),
                scope.description.as_str(),
                scope.sensitivity.as_str(),
                scope.default,
                position,
            ],
        )
    })
}

impl Store {
    /// The id of the API that a caller names by id or appId.
    pub(crate) fn api_named(&self, name: &str) -> Result<Option<Id>> {
        self.id_where::<Api>("t.id = ?1 OR t.app_id = ?1", name)
    }

    /// Those of `scopes` that a grant at the API holds.
    fn scopes_in_use(&self, app_id: &str, scopes: &[&str]) -> Result<Vec<String>> {
        const IN_USE: &str = "SELECT DISTINCT g.scope FROM grant_scope AS g JOIN api AS a ON a.id = g.api_id \
            WHERE a.app_id = ?1 AND g.scope IN (SELECT value FROM json_each(?2))";
        let rows = self.read(&Statement::new(IN_USE, params![app_id, json_array(scopes.iter().copied())]))?;
        rows.iter().map(|row| row.text(0).map_err(super::plain_error)).collect()
    }

    /// The grants at the API that hold some of `scopes`, each with the scope.
    pub(crate) fn scope_holders(&self, api: &Id, scopes: &[&str]) -> Result<Vec<(Id, String)>> {
        const HOLDERS: &str = "SELECT grant_id, scope FROM grant_scope \
            WHERE api_id = ?1 AND scope IN (SELECT value FROM json_each(?2))";
        let rows = self.read(&Statement::new(HOLDERS, params![api, json_array(scopes.iter().copied())]))?;
        rows.iter()
            .map(|row| Ok((row.id(0)?, row.text(1)?)))
            .collect::<Result<_, EngineError>>()
            .map_err(super::plain_error)
    }
}
