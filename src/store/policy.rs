//! How policies are kept, and the part of the hot read that finds those which apply to a client.

use std::sync::Arc;

use super::audit::guarded_commit;
use super::engine::{Batch, EngineError, Row, Statement, Value, params};
use super::entity::{Dependent, Entity, meta_params, unchanged};
use super::list::{Attribute, Kind};
use super::{Store, plain_error};
use crate::clock::Timestamp;
use crate::error::{Error, Result, Violation};
use crate::model::Record;
use crate::model::digest::sha256_hex;
use crate::model::id::Id;
use crate::model::policy::{Attachment, Level, Mode, Policy};

/// Policies that apply to the client ?1, in the order in which they are asked. Four reads by index: left to itself, SQLite
/// walks over every grant in the order of APIs, and CROSS JOIN makes it begin with the client.
pub(super) const APPLYING: &str = "WITH m AS (SELECT id, service_account_id FROM machine_to_machine WHERE client_id = ?1), \
    found AS (\
    SELECT 0 AS level, id FROM policy WHERE attached_to = 'server' AND EXISTS (SELECT 1 FROM m) UNION ALL \
    SELECT 1, p.id FROM (SELECT DISTINCT api_id FROM m CROSS JOIN access_grant USING (service_account_id)) AS g \
        JOIN policy AS p ON p.api_id = g.api_id UNION ALL \
    SELECT 2, p.id FROM m JOIN policy AS p ON p.machine_to_machine_id = m.id UNION ALL \
    SELECT 3, p.id FROM m JOIN policy AS p ON p.service_account_id = m.service_account_id) \
    SELECT p.id, p.name, p.module_digest, s.settings, s.digest, p.attached_to, p.api_id, p.mode, p.revision \
    FROM found JOIN policy AS p ON p.id = found.id JOIN policy_settings AS s ON s.digest = p.settings_digest WHERE p.active = 1 AND p.mode <> 'off' \
    ORDER BY found.level, p.position, p.id";

/// How long settings are kept at least after their last policy let go of them.
const SETTINGS_GRACE_MS: i64 = 3_600_000;

/// A policy as a token request sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct PolicyView {
    /// The policy's id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Where it is attached.
    pub level: Level,
    /// The API, if it is attached to one.
    pub api_id: Option<Id>,
    /// The module.
    pub module_digest: String,
    /// What the module is told, in JSON.
    pub settings: Arc<str>,
    /// The SHA-256 of `settings`.
    pub settings_digest: String,
    /// Counts the changes of the policy.
    pub revision: i64,
    /// Enforced or in the shadow; one that is off is not here.
    pub mode: Mode,
}

fn damaged(what: &str, text: &str) -> EngineError {
    EngineError::Damaged(format!("{what} {text}"))
}

fn level_from(row: &Row, column: usize) -> Result<Level, EngineError> {
    let text = row.text(column)?;
    Level::parse(&text).ok_or_else(|| damaged("attached_to", &text))
}

fn mode_from(row: &Row, column: usize) -> Result<Mode, EngineError> {
    let text = row.text(column)?;
    Mode::parse(&text).ok_or_else(|| damaged("mode", &text))
}

impl Entity for Policy {
    const SELECT: &'static str = "SELECT t.id, t.created_at_ms, t.modified_at_ms, t.revision, t.name, t.module_digest, \
        (SELECT name FROM policy_module WHERE digest = t.module_digest), \
        (SELECT version FROM policy_module WHERE digest = t.module_digest), \
        (SELECT settings FROM policy_settings WHERE digest = t.settings_digest), t.attached_to, \
        COALESCE(t.api_id, t.machine_to_machine_id, t.service_account_id), t.position, t.mode, t.active FROM policy AS t";
    const FROM: &'static str = " FROM policy AS t";
    const GUARD: &'static str = guarded_commit!("(SELECT 1 FROM policy WHERE id = ?10 AND revision = ?11)");
    const UNCHANGED: &'static str = unchanged!("policy");
    const DELETING_WIDENS: bool = true;
    const ATTRIBUTES: &'static [Attribute] = &[
        Attribute { name: "name", expr: "t.name", kind: Kind::Text },
        Attribute { name: "moduleDigest", expr: "t.module_digest", kind: Kind::Exact },
        Attribute {
            name: "moduleName",
            expr: "(SELECT name FROM policy_module WHERE digest = t.module_digest)",
            kind: Kind::Exact,
        },
        Attribute { name: "attachedTo.type", expr: "t.attached_to", kind: Kind::Exact },
        Attribute {
            name: "attachedTo.id",
            expr: "COALESCE(t.api_id, t.machine_to_machine_id, t.service_account_id)",
            kind: Kind::Exact,
        },
        Attribute {
            name: "settings",
            expr: "(SELECT settings FROM policy_settings WHERE digest = t.settings_digest)",
            kind: Kind::Json,
        },
        Attribute { name: "order", expr: "t.position", kind: Kind::Integer },
        Attribute { name: "mode", expr: "t.mode", kind: Kind::Exact },
        Attribute { name: "active", expr: "t.active", kind: Kind::Flag },
    ];

    // Its module is asked about the settings.
    fn is_quick(_body: &serde_json::Value) -> bool {
        false
    }

    fn value_from_row(row: &Row) -> Result<Self, EngineError> {
        Ok(Self {
            name: row.text(4)?,
            module_digest: row.text(5)?,
            module_name: row.text(6)?,
            module_version: row.text(7)?,
            settings: row.object(8)?,
            attached_to: Attachment { level: level_from(row, 9)?, id: row.optional_text(10)? },
            order: row.integer(11)?,
            mode: mode_from(row, 12)?,
            active: row.flag(13)?,
        })
    }

    fn insert(record: &Record<Self>) -> Batch {
        const INSERT: &str = "INSERT INTO policy (id, created_at_ms, modified_at_ms, revision, name, module_digest, \
            settings_digest, attached_to, api_id, machine_to_machine_id, service_account_id, position, mode, active) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
        vec![keep_settings(record), Statement::new(INSERT, columns(record))]
    }

    fn update(record: &Record<Self>) -> Batch {
        const UPDATE: &str = "UPDATE policy SET created_at_ms = ?2, modified_at_ms = ?3, revision = ?4, name = ?5, \
            module_digest = ?6, settings_digest = ?7, attached_to = ?8, api_id = ?9, machine_to_machine_id = ?10, \
            service_account_id = ?11, position = ?12, mode = ?13, active = ?14 WHERE id = ?1";
        vec![keep_settings(record), Statement::new(UPDATE, columns(record))]
    }

    fn delete(id: &Id) -> Batch {
        vec![Statement::new("DELETE FROM policy WHERE id = ?1", params![id])]
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn resolve(&mut self, store: &Store, _: Option<&Self>) -> Result<()> {
        let mut violations = Vec::new();
        match store.policy_module_named(&self.module_digest)? {
            Ok(module) => {
                (self.module_digest, self.module_name, self.module_version) =
                    (module.digest, module.name, module.version);
            }
            Err(message) => {
                violations.push(Violation::new("/moduleDigest", self.module_digest.as_str().into(), message));
            }
        }
        if let Some(named) = &self.attached_to.id {
            let (found, missing) = match self.attached_to.level {
                Level::Api => (store.api_named(named)?, "there is no Api with this id or appId"),
                Level::Client => (store.client_named(named)?, "there is no MachineToMachine with this id or clientId"),
                Level::Account | Level::Server => {
                    (store.service_account_named(named)?, "there is no ServiceAccount with this id or userName")
                }
            };
            match found {
                Some(id) => self.attached_to.id = Some(id.to_string()),
                None => violations.push(Violation::new("/attachedTo/id", named.as_str().into(), missing)),
            }
        }
        if violations.is_empty() { Ok(()) } else { Err(Error::Invalid(violations)) }
    }

    fn module_settings(&self) -> Option<(&str, String)> {
        Some((&self.module_digest, self.settings_text()))
    }

    /// Who takes a policy away from tokens for the built-in API widens what they may: it guards a way in.
    fn leads_to_admin(&self, store: &Store) -> Result<bool> {
        const GUARDS_ADMIN: &str = "WITH g AS (SELECT a.service_account_id FROM access_grant AS a \
            JOIN grant_scope AS s ON s.grant_id = a.id JOIN api AS p ON p.id = a.api_id \
            WHERE p.built_in = 1 AND s.scope = 'admin') SELECT CASE ?1 \
            WHEN 'api' THEN EXISTS (SELECT 1 FROM api WHERE id = ?2 AND built_in = 1) \
            WHEN 'client' THEN EXISTS (SELECT 1 FROM g JOIN machine_to_machine USING (service_account_id) WHERE id = ?2) \
            WHEN 'account' THEN EXISTS (SELECT 1 FROM g WHERE service_account_id = ?2) \
            ELSE EXISTS (SELECT 1 FROM g) END";
        let Attachment { level, id } = &self.attached_to;
        let row = store.read_one(&Statement::new(GUARDS_ADMIN, params![level.as_str(), id.as_deref()]))?;
        row.map_or(Ok(false), |row| row.flag(0)).map_err(plain_error)
    }

    fn dependents(_: &Store, _: &Id, _: usize) -> Result<Vec<Dependent>> {
        Ok(Vec::new())
    }
}

fn columns(record: &Record<Policy>) -> Vec<Value> {
    let mut all = meta_params(record);
    let policy = &record.value;
    let Attachment { level, id } = &policy.attached_to;
    let id_at = |wanted: Level| id.as_deref().filter(|_| *level == wanted);
    all.extend(params![
        policy.name.as_str(),
        policy.module_digest.as_str(),
        sha256_hex(policy.settings_text().as_bytes()),
        level.as_str(),
        id_at(Level::Api),
        id_at(Level::Client),
        id_at(Level::Account),
        policy.order,
        policy.mode.as_str(),
        policy.active,
    ]);
    all
}

/// The settings, where a decision that was made with them still finds them when the policy has others.
fn keep_settings(record: &Record<Policy>) -> Statement {
    const KEEP: &str = "INSERT INTO policy_settings (digest, settings) VALUES (?1, ?2) \
        ON CONFLICT (digest) DO UPDATE SET released_at_ms = NULL";
    let text = record.value.settings_text();
    Statement::new(KEEP, params![sha256_hex(text.as_bytes()), text])
}

impl Store {
    /// The settings with this digest, in JSON: a policy's, or a recorded decision's.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn policy_settings(&self, digest: &str) -> Result<Option<String>> {
        const SETTINGS: &str = "SELECT settings FROM policy_settings WHERE digest = ?1";
        let row = self.read_one(&Statement::new(SETTINGS, params![digest]))?;
        row.map(|row| row.text(0)).transpose().map_err(plain_error)
    }

    /// Forgets settings that no policy uses and no kept decision can name.
    pub(crate) fn policy_settings_prune(&self, now: Timestamp) -> Result<()> {
        const BACK_IN_USE: &str = "UPDATE policy_settings SET released_at_ms = NULL WHERE released_at_ms IS NOT NULL \
            AND EXISTS (SELECT 1 FROM policy WHERE settings_digest = policy_settings.digest)";
        const RELEASE: &str = "UPDATE policy_settings SET released_at_ms = ?1 WHERE released_at_ms IS NULL \
            AND NOT EXISTS (SELECT 1 FROM policy WHERE settings_digest = policy_settings.digest)";
        // The grace covers decisions that were made before the release and reach the disk after it.
        const FORGET: &str = "DELETE FROM policy_settings WHERE released_at_ms < \
            COALESCE((SELECT at_ms FROM decision ORDER BY seq LIMIT 1), ?1) - ?2";
        let batch = vec![
            Statement::new(BACK_IN_USE, Vec::new()),
            Statement::new(RELEASE, params![now]),
            Statement::new(FORGET, params![now, SETTINGS_GRACE_MS]),
        ];
        self.write(batch).map_err(plain_error)
    }

    /// The rows of [`APPLYING`]. A policy that was read before and has not changed is shared, not made again:
    /// settings can be large, and a policy of the server belongs to every client.
    pub(super) fn policies_from_rows(&self, rows: &[Row]) -> Result<Vec<Arc<PolicyView>>, EngineError> {
        rows.iter().map(|row| self.policy_from_row(row)).collect()
    }

    fn policy_from_row(&self, row: &Row) -> Result<Arc<PolicyView>, EngineError> {
        let (id, settings_digest) = (row.id(0)?, row.text(4)?);
        let known = self.policies.get(&id);
        let settings = match known.as_ref().filter(|known| known.settings_digest == settings_digest) {
            Some(known) => Arc::clone(&known.settings),
            None => Arc::from(row.text(3)?),
        };
        let view = PolicyView {
            name: row.text(1)?,
            module_digest: row.text(2)?,
            settings,
            settings_digest,
            level: level_from(row, 5)?,
            api_id: row.optional_id(6)?,
            mode: mode_from(row, 7)?,
            revision: row.integer(8)?,
            id,
        };
        if let Some(known) = known.filter(|known| **known == view) {
            return Ok(known);
        }
        let view = Arc::new(view);
        self.policies.insert(view.id.clone(), Arc::clone(&view));
        Ok(view)
    }
}
