//! Fills a database of grantd's with accounts, each with a client, a secret and a grant, without asking grantd: a
//! million of them in a minute or two. Nothing of it is audited: it is what a database of that size looks like to a token.
//!
//! The index of names is made at the end, over all of them, and the database has no journal and much memory meanwhile: ids
//! made in one moment come in no order, and with the usual cache each row would write a dozen pages.

use std::path::Path;

use grantd::clock::Clock;
use grantd::model::id::Id;
use grantd::secret::{Secret, SecretKind, ServerKeys, generate, master};
use rusqlite::{Connection, Transaction, params};

use crate::Fallible;
use crate::subject::Setup;

/// Cache of the database while it is filled.
const CACHE_KIB: i64 = 1024 * 1024;
/// What the server does a moment behind its writes, for all rows at once.
const INDEX_NAMES: &str = "INSERT INTO service_account_gram (service_account_gram) VALUES ('rebuild'); \
    INSERT INTO machine_to_machine_gram (machine_to_machine_gram) VALUES ('rebuild'); \
    UPDATE generation SET accounts_indexed = (SELECT max(seq) FROM service_account), \
    clients_indexed = (SELECT max(seq) FROM machine_to_machine);";

/// Adds what `setup` lacks, granted `scope` at the API, and answers the credentials of the clients that are to ask: from
/// all over the accounts, so that they do not lie side by side.
pub(crate) fn accounts(database: &Path, app_id: &str, scope: &str, setup: &Setup) -> Fallible<Vec<(String, Secret)>> {
    let source = master::source(None, database);
    let keys = ServerKeys::derive(&master::read(&source)?.ok_or("the master key is missing")?)?;
    let mut connection = Connection::open(database)?;
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let api: String = connection.query_row("SELECT id FROM api WHERE app_id = ?1", [app_id], |row| row.get(0))?;
    let transaction = connection.transaction()?;
    let asking = insert(&transaction, &keys, [&api, scope], setup)?;
    transaction.execute_batch(INDEX_NAMES)?;
    transaction.commit()?;
    connection.execute_batch("PRAGMA journal_mode = WAL")?;
    Ok(asking)
}

fn insert(
    transaction: &Transaction<'_>,
    keys: &ServerKeys,
    [api, scope]: [&str; 2],
    setup: &Setup,
) -> Fallible<Vec<(String, Secret)>> {
    let clock = Clock::system();
    let now = clock.now();
    let mut asking = Vec::with_capacity(setup.asking);
    let every = setup.accounts / setup.asking;
    let mut account = transaction.prepare(
        "INSERT INTO service_account (id, user_name, display_name, active, attributes, revision, created_at_ms, \
         modified_at_ms) VALUES (?1, ?2, ?2, 1, '{}', 1, ?3, ?3)",
    )?;
    let mut client = transaction.prepare(
        "INSERT INTO machine_to_machine (id, client_id, display_name, service_account_id, active, \
         allowed_auth_methods, attributes, revision, created_at_ms, modified_at_ms) \
         VALUES (?1, ?2, ?2, ?3, 1, '[\"client_secret_basic\",\"client_secret_post\"]', '{}', 1, ?4, ?4)",
    )?;
    let mut credential = transaction.prepare(
        "INSERT INTO credential (id, machine_to_machine_id, kind, hash_kind, hash, last4, created_at_ms) \
         VALUES (?1, ?2, 'secret', 'hmac-sha256', ?3, ?4, ?5)",
    )?;
    let mut grant = transaction.prepare(
        "INSERT INTO access_grant (id, service_account_id, api_id, reason, revision, created_at_ms, \
         modified_at_ms) VALUES (?1, ?2, ?3, '', 1, ?4, ?4)",
    )?;
    let mut granted = transaction.prepare("INSERT INTO grant_scope (grant_id, api_id, scope) VALUES (?1, ?2, ?3)")?;
    for number in 0..setup.accounts {
        let [account_id, m2m_id, credential_id, grant_id] = std::array::from_fn(|_| Id::new(&clock, now).to_string());
        let client_id = format!("bench{number:027}");
        let secret = generate(&clock, SecretKind::Client);
        account.execute(params![account_id, format!("bench-{number}"), now.ms()])?;
        client.execute(params![m2m_id, client_id, account_id, now.ms()])?;
        let hash = keys.hash(secret.expose());
        credential.execute(params![credential_id, m2m_id, hash.as_slice(), secret.last4(), now.ms()])?;
        grant.execute(params![grant_id, account_id, api, now.ms()])?;
        granted.execute(params![grant_id, api, scope])?;
        if number % every == 0 && asking.len() < setup.asking {
            asking.push((client_id, secret));
        }
    }
    Ok(asking)
}
