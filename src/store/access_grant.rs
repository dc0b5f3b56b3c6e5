//! How grants are kept.

use super::audit::guarded_commit;
use super::engine::{Batch, EngineError, Row, Statement, Value, params};
use super::entity::{Dependent, Entity, json_array, meta_params, unchanged};
use super::list::{Attribute, Kind};
use super::reach::COUNTED_MAX;
use super::{Store, Total, plain_error};
use crate::error::{Error, Result, Violation};
use crate::model::Record;
use crate::model::api::Api;
use crate::model::fields::nearest;
use crate::model::grant::Grant;
use crate::model::id::Id;

impl Entity for Grant {
    const SELECT: &'static str = "SELECT t.id, t.created_at_ms, t.modified_at_ms, t.revision, t.service_account_id, \
        t.api_id, t.not_before_ms, t.expires_at_ms, t.reason, \
        (SELECT json_group_array(scope ORDER BY scope) FROM grant_scope WHERE grant_id = t.id) FROM access_grant AS t";
    const FROM: &'static str = " FROM access_grant AS t";
    const TOTAL: Option<&'static str> = Some("SELECT grants FROM generation");
    const GUARD: &'static str = guarded_commit!("(SELECT 1 FROM access_grant WHERE id = ?10 AND revision = ?11)");
    const UNCHANGED: &'static str = unchanged!("access_grant");
    const ATTRIBUTES: &'static [Attribute] = &[
        Attribute { name: "serviceAccountId", expr: "t.service_account_id", kind: Kind::Exact },
        Attribute { name: "apiId", expr: "t.api_id", kind: Kind::Exact },
        Attribute { name: "notBefore", expr: "t.not_before_ms", kind: Kind::Time },
        Attribute { name: "expiresAt", expr: "t.expires_at_ms", kind: Kind::Time },
        Attribute { name: "reason", expr: "t.reason", kind: Kind::Text },
        Attribute {
            name: "scopes",
            expr: "EXISTS (SELECT 1 FROM grant_scope AS s WHERE s.grant_id = t.id",
            kind: Kind::Many(&[Attribute { name: "value", expr: "s.scope", kind: Kind::Exact }]),
        },
    ];

    fn value_from_row(row: &Row) -> Result<Self, EngineError> {
        Ok(Self {
            service_account_id: row.text(4)?,
            api_id: row.text(5)?,
            not_before: row.optional_time(6)?,
            expires_at: row.optional_time(7)?,
            reason: row.text(8)?,
            scopes: row.parsed(9)?,
        })
    }

    fn insert(record: &Record<Self>) -> Batch {
        const INSERT: &str = "INSERT INTO access_grant (id, created_at_ms, modified_at_ms, revision, \
            service_account_id, api_id, not_before_ms, expires_at_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        vec![Statement::new(INSERT, columns(record)), insert_scopes(record)]
    }

    fn update(record: &Record<Self>) -> Batch {
        const UPDATE: &str = "UPDATE access_grant SET created_at_ms = ?2, modified_at_ms = ?3, revision = ?4, \
            service_account_id = ?5, api_id = ?6, not_before_ms = ?7, expires_at_ms = ?8, reason = ?9 WHERE id = ?1";
        const DROP_SCOPES: &str = "DELETE FROM grant_scope WHERE grant_id = ?1";
        vec![
            Statement::new(UPDATE, columns(record)),
            Statement::new(DROP_SCOPES, params![&record.id]),
            insert_scopes(record),
        ]
    }

    fn delete(id: &Id) -> Batch {
        vec![Statement::new("DELETE FROM access_grant WHERE id = ?1", params![id])]
    }

    fn name(&self) -> &str {
        &self.reason
    }

    fn resolve(&mut self, store: &Store, current: Option<&Self>) -> Result<()> {
        let mut violations = Vec::new();
        let account = store.service_account_named(&self.service_account_id)?;
        let api = store.api_named(&self.api_id)?;
        let mut check = |member: &str, value: &str, found: Option<&Id>, kept: Option<&str>, missing: &str| {
            let problem = match (found, kept) {
                (None, _) => missing.to_owned(),
                (Some(id), Some(kept)) if id.as_str() != kept => {
                    "a grant keeps its account and its API: make another grant, and delete this one".to_owned()
                }
                _ => return,
            };
            violations.push(Violation::new(format!("/{member}"), value.into(), problem));
        };
        let missing = "there is no ServiceAccount with this id or userName";
        let kept = current.map(|current| current.service_account_id.as_str());
        check("serviceAccountId", &self.service_account_id, account.as_ref(), kept, missing);
        let kept = current.map(|current| current.api_id.as_str());
        check("apiId", &self.api_id, api.as_ref(), kept, "there is no Api with this id or appId");
        if let (Some(account), Some(api)) = (account, api) {
            let api = store.resource_by_id::<Api>(api.as_str())?;
            violations.extend(unknown_scopes(&self.scopes, &api.value));
            self.service_account_id = account.to_string();
            self.api_id = api.id.to_string();
        }
        // Kept sorted, so that the same scopes in another order are the same grant.
        self.scopes.sort_unstable();
        if violations.is_empty() { Ok(()) } else { Err(Error::Invalid(violations)) }
    }

    fn leads_to_admin(&self, store: &Store) -> Result<bool> {
        Ok(store.resource_by_id::<Api>(&self.api_id)?.value.built_in)
    }

    fn dependents(_: &Store, _: &Id, _: usize) -> Result<Vec<Dependent>> {
        Ok(Vec::new())
    }
}

pub(crate) fn unknown_scopes(scopes: &[String], api: &Api) -> Vec<Violation> {
    let defined = || api.scopes.iter().map(|scope| scope.identifier.as_str());
    let unknown = scopes.iter().enumerate().filter(|(_, scope)| !defined().any(|known| known == *scope));
    unknown
        .map(|(index, scope)| {
            let hint = nearest(scope, defined()).map_or_else(String::new, |near| format!("; did you mean {near}?"));
            Violation::new(
                format!("/scopes/{index}"),
                scope.as_str().into(),
                format!("the API {} does not define this scope{hint}", api.app_id),
            )
        })
        .collect()
}

fn columns(record: &Record<Grant>) -> Vec<Value> {
    let mut all = meta_params(record);
    let grant = &record.value;
    all.extend(params![
        grant.service_account_id.as_str(),
        grant.api_id.as_str(),
        grant.not_before,
        grant.expires_at,
        grant.reason.as_str(),
    ]);
    all
}

fn insert_scopes(record: &Record<Grant>) -> Statement {
    const INSERT_SCOPES: &str =
        "INSERT INTO grant_scope (grant_id, api_id, scope) SELECT ?1, ?2, value FROM json_each(?3)";
    let scopes = json_array(record.value.scopes.iter().map(String::as_str));
    Statement::new(INSERT_SCOPES, params![&record.id, record.value.api_id.as_str(), scopes])
}

impl Store {
    /// How many grants hold a scope of an API, counted as far as a page goes.
    pub(crate) fn grant_count_of_scope(&self, api_id: &Id, scope: &str) -> Result<Total> {
        const COUNT: &str =
            "SELECT COUNT(*) FROM (SELECT 1 FROM grant_scope WHERE api_id = ?1 AND scope = ?2 LIMIT ?3)";
        let row = self.read_one(&Statement::new(COUNT, params![api_id, scope, COUNTED_MAX + 1]))?;
        let count = row.map_or(Ok(0), |row| row.integer(0)).map_err(plain_error)?;
        Ok(Total { count: count.min(COUNTED_MAX), has_more: count > COUNTED_MAX })
    }
}
