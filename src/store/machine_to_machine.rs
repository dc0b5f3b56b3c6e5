//! How clients and their credentials are kept.

use serde_json::Map;

use super::audit::{guarded_commit, write_of};
use super::engine::{Batch, EngineError, Row, Statement, Value, params};
use super::entity::{Dependent, Entity, meta_params, unchanged};
use super::list::{Attribute, Kind};
use super::reach::{By, Reach, Source};
use super::{Change, Origin, Store, plain_error};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result, Violation};
use crate::model::Record;
use crate::model::credential::{Credential, SecretHash};
use crate::model::grant::Grant;
use crate::model::id::{Id, new_client_id};
use crate::model::machine_to_machine::{AuthMethod, CREDENTIALS_MAX, MachineToMachine};
use crate::model::policy::Policy;
use crate::secret::ServerKeys;

const CREDENTIAL_COLUMNS: &str = "SELECT id, hash_kind, hash, last4, not_before_ms, expires_at_ms, last_used_at_ms, \
    created_at_ms FROM credential WHERE machine_to_machine_id = ?1 AND kind = 'secret' ORDER BY id";
const INSERT_CREDENTIAL: &str = "INSERT INTO credential (id, machine_to_machine_id, kind, hash_kind, hash, last4, \
    not_before_ms, expires_at_ms, created_at_ms) VALUES (?1, ?2, 'secret', ?3, ?4, ?5, ?6, ?7, ?8)";
/// Holds while the client is of the account that it was read with, under which the trail files the credential; while it has room
/// for one more; and while no other that still works is the same: whoever ends one of two ends nothing.
const GUARD_ROOM: &str = guarded_commit!(
    "(SELECT 1 FROM machine_to_machine WHERE id = ?10 AND service_account_id = ?11 AND \
     (SELECT COUNT(*) FROM credential WHERE machine_to_machine_id = ?10) < ?12 AND NOT EXISTS \
     (SELECT 1 FROM credential WHERE machine_to_machine_id = ?10 AND hash = ?13 \
      AND (expires_at_ms IS NULL OR expires_at_ms > ?14)))"
);
/// Holds while the credential ends as it did when it was read, and its client is of the account that it was read with.
const GUARD_CREDENTIAL: &str = guarded_commit!(
    "(SELECT 1 FROM credential WHERE id = ?10 AND expires_at_ms IS ?11 AND machine_to_machine_id = \
     (SELECT id FROM machine_to_machine WHERE id = ?12 AND service_account_id = ?13))"
);
const TOUCH_CREDENTIAL: &str = "UPDATE credential SET last_used_at_ms = ?2 WHERE id = ?1 \
    AND (last_used_at_ms IS NULL OR last_used_at_ms < ?2)";

static REACH: Reach = Reach {
    newest: "t.seq > (SELECT max(seq) FROM machine_to_machine) - ",
    span: "SELECT (SELECT max(seq) FROM machine_to_machine) - (SELECT min(seq) FROM machine_to_machine)",
    rows: 2000,
    ordered: &["serviceAccountId"],
    unique: &["id", "clientId"],
    sources: &[Source {
        attributes: &["clientId", "displayName"],
        by: By::Grams,
        always: true,
        select: "SELECT seq FROM machine_to_machine WHERE seq > (SELECT clients_indexed FROM generation) UNION ALL \
            SELECT rowid FROM (SELECT rowid FROM machine_to_machine_gram WHERE machine_to_machine_gram MATCH ?1 \
            ORDER BY rowid DESC LIMIT ?2)",
        count: "SELECT COUNT(*) FROM (SELECT rowid FROM machine_to_machine_gram WHERE machine_to_machine_gram MATCH ?1 LIMIT ?2)",
    }],
};

impl Entity for MachineToMachine {
    /// The last column carries the credentials as JSON, hashes in hexadecimal, so that a page is one statement.
    const SELECT: &'static str = "SELECT t.id, t.created_at_ms, t.modified_at_ms, t.revision, t.client_id, \
        t.display_name, t.service_account_id, t.active, t.allowed_auth_methods, t.attributes, \
        (SELECT json_group_array(json_array(id, hash_kind, hex(hash), last4, not_before_ms, expires_at_ms, \
        last_used_at_ms, created_at_ms) ORDER BY id) FROM credential \
        WHERE machine_to_machine_id = t.id AND kind = 'secret') FROM machine_to_machine AS t";
    const FROM: &'static str = " FROM machine_to_machine AS t";
    const TOTAL: Option<&'static str> = Some("SELECT clients FROM generation");
    const KEY: &'static str = "t.seq";
    const REACH: Option<&'static Reach> = Some(&REACH);
    const GUARD: &'static str = guarded_commit!("(SELECT 1 FROM machine_to_machine WHERE id = ?10 AND revision = ?11)");
    const UNCHANGED: &'static str = unchanged!("machine_to_machine");
    const ATTRIBUTES: &'static [Attribute] = &[
        Attribute { name: "clientId", expr: "t.client_id", kind: Kind::Exact },
        Attribute { name: "displayName", expr: "t.display_name", kind: Kind::Text },
        Attribute { name: "serviceAccountId", expr: "t.service_account_id", kind: Kind::Exact },
        Attribute { name: "active", expr: "t.active", kind: Kind::Flag },
        Attribute { name: "attributes", expr: "t.attributes", kind: Kind::Json },
        Attribute {
            name: "allowedAuthMethods",
            expr: "EXISTS (SELECT 1 FROM json_each(t.allowed_auth_methods) AS s WHERE 1",
            kind: Kind::Many(&[Attribute { name: "value", expr: "s.value", kind: Kind::Exact }]),
        },
        Attribute {
            name: "credentials",
            expr: "EXISTS (SELECT 1 FROM credential AS s WHERE s.machine_to_machine_id = t.id",
            kind: Kind::Many(&[
                Attribute { name: "id", expr: "s.id", kind: Kind::Exact },
                Attribute { name: "kind", expr: "s.kind", kind: Kind::Exact },
                Attribute { name: "last4", expr: "s.last4", kind: Kind::Exact },
                Attribute { name: "notBefore", expr: "s.not_before_ms", kind: Kind::Time },
                Attribute { name: "expiresAt", expr: "s.expires_at_ms", kind: Kind::Time },
                Attribute { name: "lastUsedAt", expr: "s.last_used_at_ms", kind: Kind::Time },
                Attribute { name: "createdAt", expr: "s.created_at_ms", kind: Kind::Time },
            ]),
        },
    ];

    // A secret that its client brings is hashed slowly.
    fn is_quick(body: &serde_json::Value) -> bool {
        body.get("clientSecret").is_none_or(serde_json::Value::is_null)
    }

    fn value_from_row(row: &Row) -> Result<Self, EngineError> {
        let methods: Vec<String> = row.parsed(8)?;
        let credentials: Vec<CredentialColumns> = row.parsed(10)?;
        Ok(Self {
            client_id: row.text(4)?,
            display_name: row.text(5)?,
            service_account_id: row.text(6)?,
            active: row.flag(7)?,
            allowed_auth_methods: methods.iter().filter_map(|method| AuthMethod::parse(method)).collect(),
            attributes: row.object(9)?,
            credentials: credentials.into_iter().map(from_columns).collect::<Result<_, _>>()?,
            brought_secret: None,
        })
    }

    fn insert(record: &Record<Self>) -> Batch {
        const INSERT: &str = "INSERT INTO machine_to_machine (id, created_at_ms, modified_at_ms, revision, client_id, \
            display_name, service_account_id, active, allowed_auth_methods, attributes) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let mut batch = vec![Statement::new(INSERT, columns(record))];
        batch.extend(record.value.credentials.iter().map(|credential| insert_credential(&record.id, credential)));
        batch
    }

    fn update(record: &Record<Self>) -> Batch {
        const UPDATE: &str = "UPDATE machine_to_machine SET created_at_ms = ?2, modified_at_ms = ?3, revision = ?4, \
            client_id = ?5, display_name = ?6, service_account_id = ?7, active = ?8, allowed_auth_methods = ?9, \
            attributes = ?10 WHERE id = ?1";
        vec![Statement::new(UPDATE, columns(record))]
    }

    fn delete(id: &Id) -> Batch {
        vec![Statement::new("DELETE FROM machine_to_machine WHERE id = ?1", params![id])]
    }

    fn name(&self) -> &str {
        &self.display_name
    }

    fn resolve(&mut self, store: &Store, _: Option<&Self>) -> Result<()> {
        match store.service_account_named(&self.service_account_id)? {
            Some(id) => self.service_account_id = id.to_string(),
            None => {
                return Err(Error::Invalid(vec![Violation::new(
                    "/serviceAccountId",
                    self.service_account_id.as_str().into(),
                    "there is no ServiceAccount with this id or userName",
                )]));
            }
        }
        Ok(())
    }

    /// A client id, unless the caller brought one, and its first secret.
    fn complete_new(&mut self, clock: &Clock, keys: &ServerKeys) -> Result<Map<String, serde_json::Value>> {
        let mut once = Map::new();
        if self.client_id.is_empty() {
            self.client_id = new_client_id(clock);
        }
        let brought = self.brought_secret.take();
        let generated = brought.is_none();
        let (credential, secret) = Credential::for_secret(clock, keys, &self.client_id, brought, None)?;
        self.credentials.push(credential);
        if generated {
            once.insert("clientSecret".to_owned(), secret.expose().into());
        }
        Ok(once)
    }

    fn leads_to_admin(&self, store: &Store) -> Result<bool> {
        const AT_BUILT_IN: &str =
            "t.service_account_id = ?1 AND EXISTS (SELECT 1 FROM api WHERE id = t.api_id AND built_in = 1)";
        let grants = store.resources_where::<Grant>(AT_BUILT_IN, params![self.service_account_id.as_str()])?;
        Ok(!grants.is_empty())
    }

    fn dependents(store: &Store, id: &Id, count_max: usize) -> Result<Vec<Dependent>> {
        store.dependents_where::<Policy>("t.machine_to_machine_id = ?1", id.as_str(), count_max)
    }
}

fn columns(record: &Record<MachineToMachine>) -> Vec<Value> {
    let mut all = meta_params(record);
    let client = &record.value;
    let methods: Vec<&str> = client.allowed_auth_methods.iter().map(|method| method.as_str()).collect();
    all.extend(params![
        client.client_id.as_str(),
        client.display_name.as_str(),
        client.service_account_id.as_str(),
        client.active,
        serde_json::Value::from(methods).to_string(),
        serde_json::Value::from(client.attributes.clone()).to_string(),
    ]);
    all
}

/// A credential in the JSON column of [`MachineToMachine::SELECT`], in the order of its statement.
type CredentialColumns = (String, String, String, String, Option<i64>, Option<i64>, Option<i64>, i64);

fn from_columns(columns: CredentialColumns) -> Result<Credential, EngineError> {
    let (id, hash_kind, hash, last4, not_before, expires_at, last_used_at, created_at) = columns;
    let bytes = (0..hash.len() / 2).filter_map(|at| u8::from_str_radix(hash.get(at * 2..at * 2 + 2)?, 16).ok());
    let row = Row(params![
        id,
        hash_kind,
        bytes.collect::<Vec<u8>>(),
        last4,
        not_before,
        expires_at,
        last_used_at,
        created_at
    ]);
    credential_from_row(&row)
}

/// Reads the columns of [`CREDENTIAL_COLUMNS`].
pub(super) fn credential_from_row(row: &Row) -> Result<Credential, EngineError> {
    let damaged = |what: &str| EngineError::Damaged(format!("a credential's {what} is not one"));
    let hash = row.blob(2)?.try_into().map_err(|_| damaged("hash"))?;
    Ok(Credential {
        id: row.id(0)?,
        hash: match row.text(1)?.as_str() {
            "hmac-sha256" => SecretHash::Keyed(hash),
            "argon2id" => SecretHash::Slow(hash),
            _ => return Err(damaged("hash kind")),
        },
        last4: row.text(3)?,
        not_before: row.optional_time(4)?,
        expires_at: row.optional_time(5)?,
        last_used_at: row.optional_time(6)?,
        created_at: row.time(7)?,
    })
}

/// The kind of a secret's hash, and the hash.
fn hash_of(credential: &Credential) -> (&'static str, Vec<u8>) {
    match &credential.hash {
        SecretHash::Keyed(hash) => ("hmac-sha256", hash.to_vec()),
        SecretHash::Slow(hash) => ("argon2id", hash.to_vec()),
    }
}

pub(super) fn insert_credential(client: &Id, credential: &Credential) -> Statement {
    let (kind, hash) = hash_of(credential);
    Statement::new(
        INSERT_CREDENTIAL,
        params![
            &credential.id,
            client,
            kind,
            hash,
            credential.last4.as_str(),
            credential.not_before,
            credential.expires_at,
            credential.created_at,
        ],
    )
}

/// A secret in the audit trail, with what it belongs to, so that it is found in the history of both.
fn credential_snapshot(client: &Record<MachineToMachine>, credential: &Credential) -> serde_json::Value {
    let mut shown = credential.to_json();
    if let Some(members) = shown.as_object_mut() {
        members.insert("machineToMachineId".to_owned(), client.id.as_str().into());
        members.insert("serviceAccountId".to_owned(), client.value.service_account_id.as_str().into());
    }
    shown
}

fn guard_of(client: &Record<MachineToMachine>, credential: &Credential) -> Statement {
    let account = client.value.service_account_id.as_str();
    Statement::new(GUARD_CREDENTIAL, params![&credential.id, credential.expires_at, &client.id, account])
}

pub(super) fn end_credential(credential: &Credential) -> Statement {
    const UPDATE: &str = "UPDATE credential SET expires_at_ms = ?2 WHERE id = ?1";
    Statement::new(UPDATE, params![&credential.id, credential.expires_at])
}

pub(super) fn delete_credential(id: &Id) -> Statement {
    Statement::new("DELETE FROM credential WHERE id = ?1", params![id])
}

pub(super) fn credential_change(
    client: &Record<MachineToMachine>,
    before: Option<&Credential>,
    after: Option<&Credential>,
) -> Option<Change> {
    let shown = after.or(before)?;
    Some(Change {
        resource_type: "Credential",
        id: shown.id.to_string(),
        name: format!("…{} of {}", shown.last4, client.value.display_name),
        before: before.map(|credential| credential_snapshot(client, credential)),
        after: after.map(|credential| credential_snapshot(client, credential)),
    })
}

impl Store {
    /// The id of the client that a caller names by id or clientId.
    pub(crate) fn client_named(&self, name: &str) -> Result<Option<Id>> {
        self.id_where::<MachineToMachine>("t.id = ?1 OR t.client_id = ?1", name)
    }

    /// The oldest client of the account that a caller names by id or userName.
    pub(crate) fn client_of_account_named(&self, name: &str) -> Result<Option<Id>> {
        let Some(account) = self.service_account_named(name)? else { return Ok(None) };
        let clients = self.resources_where::<MachineToMachine>("t.service_account_id = ?1", params![&account])?;
        Ok(clients.first().map(|client| client.id.clone()))
    }

    /// The secrets of a client, oldest first.
    pub(crate) fn credential_list_of(&self, client: &Id) -> Result<Vec<Credential>> {
        let rows = self.read(&Statement::new(CREDENTIAL_COLUMNS, params![client]))?;
        rows.iter().map(|row| credential_from_row(row).map_err(plain_error)).collect()
    }

    /// Adds a secret to a client.
    ///
    /// # Errors
    /// `Taken` when it is a secret of the client already, `InUse` when there is no room, `Stale` when the client moved.
    pub(crate) fn credential_insert(
        &self,
        client: &Record<MachineToMachine>,
        credential: &Credential,
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        let (account, now) = (client.value.service_account_id.as_str(), clock.now());
        let guard = params![&client.id, account, CREDENTIALS_MAX as i64, hash_of(credential).1, now.ms()];
        let guard = Statement::new(GUARD_ROOM, guard);
        let changes = credential_change(client, None, Some(credential)).into_iter().collect();
        let write = write_of(clock, changes, guard, vec![insert_credential(&client.id, credential)]);
        let written = self.write_audited(write, origin);
        if matches!(written, Err(EngineError::Guard)) {
            let all = self.credential_list_of(&client.id)?;
            let works = |other: &&Credential| other.expires_at.is_none_or(|end| now < end);
            if let Some(same) = all.iter().filter(works).find(|other| other.hash == credential.hash) {
                let message = format!("is a secret of this client already, {}: give that another end instead", same.id);
                return Err(Error::Taken(Violation::new("/clientSecret", serde_json::Value::Null, &message)));
            }
            if all.len() >= CREDENTIALS_MAX {
                let detail = format!("a client has at most {CREDENTIALS_MAX} secrets: end one of them first");
                return Err(Error::InUse { detail });
            }
        }
        written.map_err(plain_error)
    }

    /// Gives a secret another end, unless that changed meanwhile.
    pub(crate) fn credential_update(
        &self,
        client: &Record<MachineToMachine>,
        before: &Credential,
        after: &Credential,
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        let guard = guard_of(client, before);
        let update = end_credential(after);
        let changes = credential_change(client, Some(before), Some(after)).into_iter().collect();
        self.write_audited(write_of(clock, changes, guard, vec![update]), origin).map_err(plain_error)
    }

    /// Ends a secret: the next request that uses it is refused.
    pub(crate) fn credential_delete(
        &self,
        client: &Record<MachineToMachine>,
        credential: &Credential,
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        let guard = guard_of(client, credential);
        let delete = delete_credential(&credential.id);
        let changes = credential_change(client, Some(credential), None).into_iter().collect();
        let write = write_of(clock, changes, guard, vec![delete]);
        self.write_audited(write, origin).map_err(plain_error)
    }

    /// Notes when credentials, API tokens and sessions were last used. Tells of the past only, so it has no audit commit.
    pub(crate) fn last_used_update(
        &self,
        credentials: &[(Id, Timestamp)],
        api_tokens: &[(Id, Timestamp)],
        sessions: &[(Id, Timestamp)],
    ) -> Result<()> {
        let touch = |sql| move |(id, at): &(Id, Timestamp)| Statement::new(sql, params![id, *at]);
        let mut batch: Batch = credentials.iter().map(touch(TOUCH_CREDENTIAL)).collect();
        batch.extend(api_tokens.iter().map(touch(super::api_token::TOUCH)));
        batch.extend(sessions.iter().map(touch(super::console_session::TOUCH)));
        self.write(batch).map_err(plain_error)
    }
}
