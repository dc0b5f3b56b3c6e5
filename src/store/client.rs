//! The hot read: everything a token request needs to know of a client, as of one moment, kept until
//! anything is committed that could change it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use super::api::{ApiView, view_from_row};
use super::engine::{EngineError, Row, Statement, params};
use super::machine_to_machine::credential_from_row;
use super::policy::{APPLYING, PolicyView};
use super::{Store, plain_error};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::credential::Credential;
use crate::model::id::Id;
use crate::model::machine_to_machine::AuthMethod;
use crate::secret::Hash;

const CLIENT: &str = "SELECT m.id, m.client_id, m.display_name, m.active, m.allowed_auth_methods, m.attributes, \
    a.id, a.user_name, a.display_name, a.active, a.attributes \
    FROM machine_to_machine AS m JOIN service_account AS a ON a.id = m.service_account_id WHERE m.client_id = ?1";
const CREDENTIALS: &str = "SELECT c.id, c.hash_kind, c.hash, c.last4, c.not_before_ms, c.expires_at_ms, \
    c.last_used_at_ms, c.created_at_ms FROM credential AS c JOIN machine_to_machine AS m \
    ON m.id = c.machine_to_machine_id WHERE m.client_id = ?1 AND c.kind = 'secret' ORDER BY c.id";
/// One row for each granted scope, its API's id beside it.
const GRANTS: &str = "SELECT g.id, g.not_before_ms, g.expires_at_ms, s.scope, d.is_default, p.id \
    FROM machine_to_machine AS m \
    JOIN access_grant AS g ON g.service_account_id = m.service_account_id \
    JOIN api AS p ON p.id = g.api_id \
    JOIN grant_scope AS s ON s.grant_id = g.id \
    JOIN api_scope AS d ON d.api_id = g.api_id AND d.identifier = s.scope \
    WHERE m.client_id = ?1 AND p.active = 1 ORDER BY g.id, d.position";
/// The APIs of the grants. Many clients share one: it is read again only when something changed.
const APIS: &str = "SELECT DISTINCT p.id, p.app_id, p.audience, p.display_name, p.active, p.signing_alg, \
    p.token_lifetime_seconds, p.claims, p.attributes, p.built_in, \
    (SELECT json_group_array(identifier ORDER BY position) FROM api_scope WHERE api_id = p.id) \
    FROM machine_to_machine AS m \
    JOIN access_grant AS g ON g.service_account_id = m.service_account_id \
    JOIN api AS p ON p.id = g.api_id WHERE m.client_id = ?1 AND p.active = 1";
/// Whether there is any policy at all.
const POLICY: &str = "SELECT 1 FROM policy LIMIT 1";
const IMPORTED: &str = "SELECT EXISTS (SELECT 1 FROM credential WHERE hash_kind = 'argon2id')";

/// A client with its account, its secrets and what is granted to it.
///
/// Most clients have one secret and one grant, and these lie in the view itself: it takes a third less memory so, and where very
/// many clients ask in turn, less has to come from afar for each.
#[derive(Debug)]
pub struct ClientView {
    /// The integration's id.
    pub id: Id,
    /// The OAuth `client_id`.
    pub client_id: String,
    /// The integration's name.
    pub display_name: String,
    /// Whether the client may get tokens.
    pub active: bool,
    /// How it may authenticate.
    pub allowed_auth_methods: ArrayVec<AuthMethod, { AuthMethod::ALL.len() }>,
    /// Free members.
    pub attributes: serde_json::Map<String, serde_json::Value>,
    /// The `sub` of its tokens.
    pub account_id: Id,
    /// The account's unique name.
    pub account_user_name: String,
    /// The account's name for people.
    pub account_display_name: String,
    /// Whether the account may get tokens.
    pub account_active: bool,
    /// The account's free members, from which claims can be mapped.
    pub account_attributes: serde_json::Map<String, serde_json::Value>,
    /// Every secret, whether valid now or not.
    pub credentials: SmallVec<[Credential; 1]>,
    /// Every grant at an active API, whether valid now or not.
    pub grants: Grants,
    /// The policies that may apply, in the order in which they are asked: those of the server, of every granted
    /// API, of the client, of the account. Of those with an `api_id`, only the ones of the token's API do.
    pub policies: Vec<Arc<PolicyView>>,
    /// Digest of the client's and the account's rows: the same as long as nothing about them changes.
    pub digest: Hash,
    /// When the use of each secret was last noted, in Unix milliseconds.
    pub(super) noted_ms: SmallVec<[AtomicI64; 1]>,
}

impl ClientView {
    /// Whether a use of a secret is new: none was noted for so long. Then it is noted now.
    pub(crate) fn is_new_use(&self, credential: usize, now: Timestamp, grain_ms: u64) -> bool {
        let Some(noted_ms) = self.noted_ms.get(credential) else { return false };
        if now.ms().abs_diff(noted_ms.load(Ordering::Relaxed)) < grain_ms {
            return false;
        }
        noted_ms.store(now.ms(), Ordering::Relaxed);
        true
    }
}

/// The grants of one account.
pub type Grants = SmallVec<[GrantView; 1]>;

/// A grant with the API it is at.
#[derive(Clone, Debug)]
pub struct GrantView {
    /// The grant's id.
    pub id: Id,
    /// The API.
    pub api: Arc<ApiView>,
    /// Not before this.
    pub not_before: Option<Timestamp>,
    /// Not from this on.
    pub expires_at: Option<Timestamp>,
    /// The granted scopes, each with whether the API gives it by default.
    pub scopes: Vec<(String, bool)>,
    /// What every token of this client at this API says, once the first was made: `token/claims.rs` owns it.
    pub(crate) fixed_claims: OnceLock<Box<[u8]>>,
}

impl GrantView {
    /// Whether it holds now.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= now) && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether this scope is among those that it grants.
    pub(crate) fn includes(&self, scope: &str) -> bool {
        self.scopes.iter().any(|(granted, _)| granted == scope)
    }

    /// Why it does not hold now, to follow after its name.
    pub(crate) fn not_now(&self, now: Timestamp) -> Option<String> {
        match (self.not_before, self.expires_at) {
            (Some(start), _) if start > now => Some(format!("begins at {start}")),
            (_, Some(end)) if end <= now => Some(format!("ended at {end}")),
            _ => None,
        }
    }
}

impl Store {
    /// The client with this `client_id`, as committed now; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn client_by_client_id(&self, client_id: &str) -> Result<Option<Arc<ClientView>>> {
        let generation = self.engine.generation().map_err(plain_error)?.value;
        if let Some((read_in, view)) = self.clients.get(client_id.as_bytes())
            && read_in == generation
        {
            return Ok(Some(view));
        }
        let (generation, read) = self.client_read(client_id, generation)?;
        let Some(view) = read else {
            // Not remembered: guesses at client ids must not push real clients out.
            return Ok(None);
        };
        let view = Arc::new(view);
        self.clients.insert(client_id.as_bytes().into(), (generation, Arc::clone(&view)));
        Ok(Some(view))
    }

    /// The client, and the generation that it is of. What it shares with other clients is not read where it is known to
    /// be of the same generation: `latest`, or whatever is committed meanwhile.
    fn client_read(&self, client_id: &str, latest: i64) -> Result<(i64, Option<ClientView>)> {
        let without_policies = self.without_policies.load(Ordering::Acquire) == latest;
        let of_client = |sql| Statement::new(sql, params![client_id]);
        let own = [CLIENT, CREDENTIALS, GRANTS].into_iter().chain((!without_policies).then_some(APPLYING));
        let (generation, answers) = self.read_at(&own.map(of_client).collect::<Vec<_>>())?;
        let [client, credentials, grants, rest @ ..] = answers.as_slice() else { return Err(miscounted()) };
        if !without_policies || generation == latest {
            let known = |id: &Id| self.apis.get(id).filter(|(read_in, _)| *read_in == generation).map(|(_, api)| api);
            let policies = rest.first().map_or(&[][..], Vec::as_slice);
            if let Some(grants) = grants_from_rows(grants, known).map_err(plain_error)? {
                let view = self.client_from_rows(client, credentials, grants, policies).map_err(plain_error)?;
                return Ok((generation, view));
            }
        }
        let all = [CLIENT, CREDENTIALS, GRANTS, APPLYING, APIS].map(of_client);
        let all: Vec<Statement> = all.into_iter().chain([Statement::new(POLICY, Vec::new())]).collect();
        let (generation, answers) = self.read_at(&all)?;
        let [client, credentials, grants, policies, apis, any_policy] = answers.as_slice() else {
            return Err(miscounted());
        };
        let apis = apis_from_rows(apis).map_err(plain_error)?;
        let grants = grants_from_rows(grants, |id| apis.get(id).cloned()).map_err(plain_error)?;
        let grants = grants.ok_or_else(|| Error::Internal("a grant is at no API".to_owned()))?;
        let view = self.client_from_rows(client, credentials, grants, policies).map_err(plain_error)?;
        for (id, api) in apis {
            self.apis.insert(id, (generation, api));
        }
        if any_policy.is_empty() {
            self.without_policies.store(generation, Ordering::Release);
        }
        Ok((generation, view))
    }

    /// The rows of each statement as of one moment, and its generation.
    fn read_at(&self, statements: &[Statement]) -> Result<(i64, Vec<Vec<Row>>)> {
        let (generation, answers) = self.engine.read_together(statements).map_err(plain_error)?;
        Ok((generation.value, answers))
    }

    /// Whether there is a client with this `client_id`.
    pub(crate) fn client_exists(&self, client_id: &str) -> Result<bool> {
        const EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM machine_to_machine WHERE client_id = ?1)";
        let row = self.read_one(&Statement::new(EXISTS, params![client_id]))?;
        row.map_or(Ok(false), |row| row.flag(0)).map_err(plain_error)
    }

    /// Whether any client has a secret that is hashed slowly.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn imported_secret_exists(&self) -> Result<bool> {
        let row = self.read_one(&Statement::new(IMPORTED, Vec::new()))?;
        row.map_or(Ok(false), |row| row.flag(0)).map_err(plain_error)
    }

    fn client_from_rows(
        &self,
        client: &[Row],
        credentials: &[Row],
        grants: Grants,
        policies: &[Row],
    ) -> Result<Option<ClientView>, EngineError> {
        let Some(row) = client.first() else { return Ok(None) };
        let credentials: SmallVec<_> = credentials.iter().map(credential_from_row).collect::<Result<_, _>>()?;
        let mut view = client_from_row(row, grants, self.policies_from_rows(policies)?)?;
        view.noted_ms = credentials.iter().map(last_noted_ms).collect();
        view.credentials = credentials;
        view.digest = row.digest();
        Ok(Some(view))
    }
}

/// A client without its secrets, out of the columns of [`CLIENT`]. Its digest is nobody's.
pub(super) fn client_from_row(
    row: &Row,
    grants: Grants,
    policies: Vec<Arc<PolicyView>>,
) -> Result<ClientView, EngineError> {
    let methods: Vec<String> = row.parsed(4)?;
    let allowed = methods.iter().filter_map(|method| AuthMethod::parse(method));
    Ok(ClientView {
        id: row.id(0)?,
        client_id: row.text(1)?,
        display_name: row.text(2)?,
        active: row.flag(3)?,
        // More than there are would be an edited database.
        allowed_auth_methods: allowed.take(AuthMethod::ALL.len()).collect(),
        attributes: row.object(5)?,
        account_id: row.id(6)?,
        account_user_name: row.text(7)?,
        account_display_name: row.text(8)?,
        account_active: row.flag(9)?,
        account_attributes: row.object(10)?,
        noted_ms: SmallVec::new(),
        credentials: SmallVec::new(),
        grants,
        policies,
        digest: Hash::default(),
    })
}

fn last_noted_ms(credential: &Credential) -> AtomicI64 {
    AtomicI64::new(credential.last_used_at.map_or(i64::MIN, Timestamp::ms))
}

fn miscounted() -> Error {
    Error::Internal("every statement has one answer".to_owned())
}

fn apis_from_rows(rows: &[Row]) -> Result<HashMap<Id, Arc<ApiView>>, EngineError> {
    let api = |row: &Row| {
        let view = view_from_row(row)?;
        Ok((view.id.clone(), Arc::new(view)))
    };
    rows.iter().map(api).collect()
}

/// The grants of the rows, with the APIs that `known` has; `None` when it lacks one.
fn grants_from_rows(rows: &[Row], known: impl Fn(&Id) -> Option<Arc<ApiView>>) -> Result<Option<Grants>, EngineError> {
    let mut grants = Grants::new();
    for row in rows {
        let Some(api) = known(&row.id(5)?) else { return Ok(None) };
        push_scope(&mut grants, row, api)?;
    }
    Ok(Some(grants))
}

/// Adds the scope of a row to the last grant, or with it the next grant: their columns are the first five of [`GRANTS`].
pub(super) fn push_scope(grants: &mut Grants, row: &Row, api: Arc<ApiView>) -> Result<(), EngineError> {
    let (id, scope) = (row.id(0)?, (row.text(3)?, row.flag(4)?));
    match grants.last_mut() {
        Some(last) if last.id == id => last.scopes.push(scope),
        _ => grants.push(GrantView {
            id,
            api,
            not_before: row.optional_time(1)?,
            expires_at: row.optional_time(2)?,
            scopes: vec![scope],
            fixed_claims: OnceLock::new(),
        }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreLimits;

    /// A statement that walks over a table takes longer the more accounts there are: none on the way to a token may.
    #[test]
    fn the_hot_read_walks_over_no_table() {
        // One client and what belongs to it; and the policies of the server, which are for everybody.
        let walks =
            ["SCAN m", "SCAN g", "SCAN found", "SCAN policy USING COVERING INDEX policy_server", "SCAN CONSTANT ROW"];
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database.execute_batch(crate::store::schema::SCHEMA).unwrap();
        for sql in [CLIENT, CREDENTIALS, GRANTS, APIS, APPLYING] {
            let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let nothing = vec![""; plan.parameter_count()];
            let steps = plan.query_map(rusqlite::params_from_iter(nothing), |row| row.get(3)).unwrap();
            for step in steps.map(|step: rusqlite::Result<String>| step.unwrap()) {
                assert!(!step.starts_with("SCAN") || walks.contains(&step.as_str()), "{step}: {sql}");
            }
        }
    }

    /// A client that may read; and it may write while a policy is attached.
    const SETUP: [&str; 9] = [
        "INSERT INTO service_account VALUES (1, 'account000000000000000', 'its-account', 'x', 1, '{}', 1, 1, 1)",
        "INSERT INTO machine_to_machine VALUES (1, 'client0000000000000000', 'its-client', 'x', 'account000000000000000', 1, \
         '[]', '{}', 1, 1, 1)",
        "INSERT INTO api VALUES ('api0000000000000000000', 'its-api', NULL, 'x', 1, 'EdDSA', 'jwt', 60, '{}', '{}', 0, 1, 1, 1)",
        "INSERT INTO api_scope VALUES ('api0000000000000000000', 'read', 'x', 'x', 'low', 0, 0)",
        "INSERT INTO api_scope VALUES ('api0000000000000000000', 'write', 'x', 'x', 'low', 0, 1)",
        "INSERT INTO access_grant VALUES ('grant00000000000000000', 'account000000000000000', 'api0000000000000000000', NULL, \
         NULL, 'x', 1, 1, 1)",
        "INSERT INTO grant_scope VALUES ('grant00000000000000000', 'api0000000000000000000', 'read')",
        "INSERT INTO policy_module VALUES (hex(zeroblob(32)), 'module', '1', '{}', x'00', 1)",
        "INSERT INTO policy_settings VALUES (hex(zeroblob(32)), '{}', NULL)",
    ];
    const GUARDED: [&str; 2] = [
        "INSERT INTO policy VALUES ('policy0000000000000000', 'guard', hex(zeroblob(32)), hex(zeroblob(32)), 'server', NULL, \
         NULL, NULL, 0, 'enforce', 1, 1, 1, 1)",
        "INSERT INTO grant_scope VALUES ('grant00000000000000000', 'api0000000000000000000', 'write')",
    ];
    const PLAIN: [&str; 2] = ["DELETE FROM policy", "DELETE FROM grant_scope WHERE scope = 'write'"];

    #[test]
    fn what_is_committed_between_two_reads_of_a_client_is_seen_whole() {
        let dir = tempfile::tempdir().unwrap();
        let limits = StoreLimits { clients_cached: 10, page_cache_kib: 100 };
        let (store, _) = Store::open(&dir.path().join("grantd.db"), true, limits).unwrap();
        let write = |batch: &[&'static str]| {
            store.write(batch.iter().map(|sql| Statement::new(sql, Vec::new())).collect()).unwrap();
        };
        write(&SETUP);
        let look = || {
            // With no API in memory there are always two reads.
            store.apis.clear();
            let view = store.client_by_client_id("its-client").unwrap().unwrap();
            let scopes: Vec<&str> = view.grants[0].scopes.iter().map(|(scope, _)| scope.as_str()).collect();
            match view.policies.len() {
                0 => assert_eq!(scopes, ["read"]),
                _ => assert_eq!(scopes, ["read", "write"]),
            }
            view.policies.len()
        };
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for _ in 0..200 {
                    write(&GUARDED);
                    write(&PLAIN);
                }
            });
            while !writer.is_finished() {
                look();
            }
        });
        assert_eq!(look(), 0);
        write(&GUARDED);
        assert_eq!(look(), 1);
    }
}
