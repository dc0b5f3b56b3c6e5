//! The hot read for many accounts at once: who might get a token at one API. It reads pages in the order of the accounts'
//! ids, keeps nothing, and leaves the cache of the clients that do ask as it is.

use std::collections::HashMap;
use std::sync::Arc;

use super::api::{ApiView, view_from_row};
use super::client::{ClientView, Grants, client_from_row, push_scope};
use super::engine::{EngineError, Row, Statement, params};
use super::entity::json_array;
use super::policy::PolicyView;
use super::{Store, plain_error};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::id::Id;
use crate::model::policy::Level;

/// Accounts after ?3 that hold scope ?2 at API ?1. It walks the index in the order of the accounts, so that all pages
/// together walk it once.
const HOLDERS: &str = "SELECT DISTINCT g.service_account_id FROM access_grant AS g INDEXED BY access_grant_account \
    WHERE g.service_account_id > ?3 AND g.api_id = ?1 \
    AND EXISTS (SELECT 1 FROM grant_scope AS s WHERE s.grant_id = g.id AND s.scope = ?2) \
    ORDER BY g.service_account_id LIMIT ?4";
const COUNT_HOLDERS: &str = "SELECT COUNT(DISTINCT g.service_account_id) FROM grant_scope AS s \
    JOIN access_grant AS g ON g.id = s.grant_id WHERE s.api_id = ?1 AND s.scope = ?2";
const API: &str = "SELECT p.id, p.app_id, p.audience, p.display_name, p.active, p.signing_alg, \
    p.token_lifetime_seconds, p.claims, p.attributes, p.built_in, \
    (SELECT json_group_array(identifier ORDER BY position) FROM api_scope WHERE api_id = p.id) \
    FROM api AS p WHERE p.id = ?1";
// `CROSS JOIN` is SQLite's word for: in this order. It takes a list of accounts for long, and would walk over every grant
// at the API instead.

/// Each account with each of its clients, and whether a secret of it is valid at ?2; once without one that has none.
const ACCOUNTS: &str = "SELECT m.id, m.client_id, m.display_name, m.active, m.allowed_auth_methods, m.attributes, \
    a.id, a.user_name, a.display_name, a.active, a.attributes, \
    EXISTS (SELECT 1 FROM credential AS c WHERE c.machine_to_machine_id = m.id AND c.kind = 'secret' \
        AND (c.not_before_ms IS NULL OR c.not_before_ms <= ?2) AND (c.expires_at_ms IS NULL OR ?2 < c.expires_at_ms)) \
    FROM json_each(?1) AS j CROSS JOIN service_account AS a ON a.id = j.value \
    LEFT JOIN machine_to_machine AS m ON m.service_account_id = a.id ORDER BY a.id, m.id";
const GRANTS: &str = "SELECT g.id, g.not_before_ms, g.expires_at_ms, s.scope, d.is_default, g.service_account_id \
    FROM json_each(?1) AS j CROSS JOIN access_grant AS g ON g.service_account_id = j.value AND g.api_id = ?2 \
    CROSS JOIN grant_scope AS s ON s.grant_id = g.id \
    CROSS JOIN api_scope AS d ON d.api_id = g.api_id AND d.identifier = s.scope \
    ORDER BY g.service_account_id, g.id, d.position";
/// Those of the server and of API ?2, and those of the accounts ?1 and of their clients, each with its owner.
const POLICIES: &str = "SELECT p.id, p.name, p.module_digest, s.settings, s.digest, p.attached_to, p.api_id, p.mode, \
    p.revision, COALESCE(p.machine_to_machine_id, p.service_account_id), \
    CASE p.attached_to WHEN 'server' THEN 0 WHEN 'api' THEN 1 WHEN 'client' THEN 2 ELSE 3 END AS level \
    FROM policy AS p JOIN policy_settings AS s ON s.digest = p.settings_digest \
    WHERE p.active = 1 AND p.mode <> 'off' AND p.id IN (\
        SELECT id FROM policy WHERE attached_to = 'server' \
        UNION ALL SELECT id FROM policy WHERE api_id = ?2 \
        UNION ALL SELECT q.id FROM json_each(?1) AS j CROSS JOIN policy AS q ON q.service_account_id = j.value \
        UNION ALL SELECT q.id FROM json_each(?1) AS j \
            CROSS JOIN machine_to_machine AS m ON m.service_account_id = j.value \
            CROSS JOIN policy AS q ON q.machine_to_machine_id = m.id) \
    ORDER BY level, p.position, p.id";

/// A service account that holds something at an API.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) account_id: Id,
    pub(crate) user_name: String,
    pub(crate) active: bool,
    /// Its grants at the API, whether valid now or not.
    pub(crate) grants: Grants,
    pub(crate) clients: Vec<CandidateClient>,
}

/// A client of a candidate.
#[derive(Debug)]
pub(crate) struct CandidateClient {
    /// As token requests see it, but for its secrets. Its digest is nobody's.
    pub(crate) view: Arc<ClientView>,
    /// Whether it has a secret that is valid at the time that was asked about.
    pub(crate) has_secret: bool,
}

impl Store {
    /// The accounts after one (`""` for the first) that hold a scope at an API, in the order of their ids.
    pub(crate) fn candidate_ids(&self, api: &Id, scope: &str, after: &str, count: u32) -> Result<Vec<String>> {
        let rows = self.read(&Statement::new(HOLDERS, params![api, scope, after, i64::from(count)]))?;
        rows.iter().map(|row| row.text(0).map_err(plain_error)).collect()
    }

    /// How many accounts hold a scope at an API.
    pub(crate) fn candidate_count(&self, api: &Id, scope: &str) -> Result<i64> {
        let row = self.read_one(&Statement::new(COUNT_HOLDERS, params![api, scope]))?;
        row.map_or(Ok(0), |row| row.integer(0)).map_err(plain_error)
    }

    /// These accounts with what token requests of their clients would see at one API, as of one moment; secrets are looked
    /// at as of `at`.
    pub(crate) fn candidates(&self, api: &Id, accounts: &[String], at: Timestamp) -> Result<Vec<Candidate>> {
        let ids = json_array(accounts.iter().map(String::as_str));
        let statements = [
            Statement::new(API, params![api]),
            Statement::new(ACCOUNTS, params![ids.as_str(), at]),
            Statement::new(GRANTS, params![ids.as_str(), api]),
            Statement::new(POLICIES, params![ids.as_str(), api]),
        ];
        let (_, answers) = self.engine.read_together(&statements).map_err(plain_error)?;
        let [api, accounts, grants, policies] = answers.as_slice() else {
            return Err(Error::Internal("four statements have four answers".to_owned()));
        };
        let Some(api) = api.first() else { return Ok(Vec::new()) };
        self.candidates_from_rows(api, accounts, grants, policies).map_err(plain_error)
    }

    fn candidates_from_rows(
        &self,
        api: &Row,
        accounts: &[Row],
        grants: &[Row],
        policies: &[Row],
    ) -> Result<Vec<Candidate>, EngineError> {
        let api = Arc::new(view_from_row(api)?);
        let mut grants = grants_by_account(grants, &api)?;
        let views = self.policies_from_rows(policies)?;
        let mut owned: HashMap<String, Vec<Arc<PolicyView>>> = HashMap::new();
        let mut common = Vec::new();
        for (row, view) in policies.iter().zip(views) {
            match row.optional_text(9)? {
                Some(owner) => owned.entry(owner).or_default().push(view),
                None => common.push(view),
            }
        }
        let mut candidates: Vec<Candidate> = Vec::new();
        for row in accounts {
            let account_id = row.id(6)?;
            if candidates.last().is_none_or(|last| last.account_id != account_id) {
                candidates.push(Candidate {
                    grants: grants.remove(account_id.as_str()).unwrap_or_default(),
                    user_name: row.text(7)?,
                    active: row.flag(9)?,
                    clients: Vec::new(),
                    account_id,
                });
            }
            if row.is_null(0) {
                continue;
            }
            if let Some(candidate) = candidates.last_mut() {
                let policies = policies_of(&row.id(0)?, &candidate.account_id, &common, &owned);
                let view = Arc::new(client_from_row(row, candidate.grants.clone(), policies)?);
                candidate.clients.push(CandidateClient { view, has_secret: row.flag(11)? });
            }
        }
        Ok(candidates)
    }
}

fn grants_by_account(rows: &[Row], api: &Arc<ApiView>) -> Result<HashMap<String, Grants>, EngineError> {
    let mut all: HashMap<String, Grants> = HashMap::new();
    for row in rows.iter().filter(|_| api.active) {
        push_scope(all.entry(row.text(5)?).or_default(), row, Arc::clone(api))?;
    }
    Ok(all)
}

/// The policies that apply to a client, in the order of their levels.
fn policies_of(
    client: &Id,
    account: &Id,
    common: &[Arc<PolicyView>],
    owned: &HashMap<String, Vec<Arc<PolicyView>>>,
) -> Vec<Arc<PolicyView>> {
    let mut policies = common.to_vec();
    for (owner, level) in [(client, Level::Client), (account, Level::Account)] {
        let own = owned.get(owner.as_str()).into_iter().flatten();
        policies.extend(own.filter(|policy| policy.level == level).cloned());
    }
    policies
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each account of a list by an index: with any other way, a page takes longer the more accounts there are.
    #[test]
    fn a_list_of_accounts_walks_over_no_table() {
        let walks = ["SCAN j", "SCAN policy USING COVERING INDEX policy_server"];
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database.execute_batch(crate::store::schema::SCHEMA).unwrap();
        for sql in [HOLDERS, ACCOUNTS, GRANTS, POLICIES] {
            let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let nothing = vec![""; plan.parameter_count()];
            let steps = plan.query_map(rusqlite::params_from_iter(nothing), |row| row.get(3)).unwrap();
            for step in steps.map(|step: rusqlite::Result<String>| step.unwrap()) {
                assert!(!step.starts_with("SCAN") || walks.iter().any(|walk| step.starts_with(walk)), "{step}: {sql}");
                assert!(!step.contains("access_grant_api"), "every grant at the API: {step}: {sql}");
            }
        }
    }
}
