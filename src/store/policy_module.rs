//! How policy modules and their compiled forms are kept. What a module is and may do is the policy room's business.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::audit::{guarded_commit, unguarded, write_of};
use super::engine::{EngineError, Row, Statement, params};
use super::entity::{COUNTED_MAX, Page, Query, named};
use super::list::{Attribute, Kind, Listing};
use super::{Change, Origin, Store, plain_error};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::model::digest::DIGEST_CHARS;
use crate::model::policy::Policy;

/// Modules that an answer names.
const NAMED_MAX: usize = 5;
/// A digest may be shortened to this: it is what people are shown.
const DIGEST_PREFIX_CHARS_MIN: usize = 12;

const SELECT: &str = "SELECT t.digest, t.name, t.version, t.manifest, length(t.wasm), t.created_at_ms, \
    (SELECT COUNT(*) FROM policy WHERE module_digest = t.digest), \
    (SELECT signature FROM policy_signature WHERE digest = t.digest) FROM policy_module AS t";
pub(crate) static MODULES: Listing = Listing {
    from: " FROM policy_module AS t",
    select: SELECT,
    key: "t.digest",
    attributes: ATTRIBUTES,
    has_meta: false,
    total: None,
    reach: None,
};
static ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "id", expr: "t.digest", kind: Kind::Exact },
    Attribute { name: "digest", expr: "t.digest", kind: Kind::Exact },
    Attribute { name: "name", expr: "t.name", kind: Kind::Exact },
    Attribute { name: "version", expr: "t.version", kind: Kind::Exact },
    Attribute { name: "size", expr: "length(t.wasm)", kind: Kind::Integer },
    Attribute { name: "createdAt", expr: "t.created_at_ms", kind: Kind::Time },
];
const INSERT: &str = "INSERT INTO policy_module (digest, name, version, manifest, wasm, created_at_ms) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const INSERT_SIGNATURE: &str = "INSERT INTO policy_signature (digest, signature, created_at_ms) VALUES (?1, ?2, ?3) \
    ON CONFLICT (digest) DO UPDATE SET signature = excluded.signature, created_at_ms = excluded.created_at_ms";
const GUARD_EXISTS: &str = guarded_commit!("(SELECT 1 FROM policy_module WHERE digest = ?10)");
const INSERT_ARTIFACT: &str = "INSERT INTO policy_artifact (digest, engine, artifact, mac, created_at_ms) \
    SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM policy_module WHERE digest = ?1) \
    ON CONFLICT (digest, engine) DO UPDATE SET artifact = excluded.artifact, mac = excluded.mac, \
    created_at_ms = excluded.created_at_ms";

/// A stored module, without its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModuleRow {
    /// SHA-256 of its bytes.
    pub digest: String,
    /// What it calls itself.
    pub name: String,
    /// The version that it says it has.
    pub version: String,
    /// Everything it says of itself.
    pub manifest: Map<String, Value>,
    /// Bytes of WebAssembly.
    pub size: i64,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// Policies that use it.
    pub policies: i64,
    /// The signature that it was handed in with. Whether it is good is asked when the module is loaded.
    pub signature: Option<Vec<u8>>,
}

/// The compiled form of a module, as it was stored: to be authenticated before it is used.
#[derive(Clone, Debug)]
pub struct StoredArtifact {
    /// The compiled form.
    pub artifact: Vec<u8>,
    /// What authenticates it.
    pub mac: Vec<u8>,
}

impl ModuleRow {
    /// As on the wire.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let Value::Object(mut members) = json!({
            "id": self.digest,
            "digest": self.digest,
            "name": self.name,
            "version": self.version,
            "size": self.size,
            "createdAt": self.created_at.to_string(),
            "policies": self.policies,
            "manifest": self.manifest,
        }) else {
            return Map::new();
        };
        if let Some(signature) = &self.signature {
            members.insert("signature".to_owned(), BASE64_STANDARD.encode(signature).into());
        }
        members
    }

    /// Told apart from others of its name and version: `max-ttl@1.0.0 (0123456789ab)`.
    #[must_use]
    pub fn full_name(&self) -> String {
        let short = self.digest.get(..DIGEST_PREFIX_CHARS_MIN).unwrap_or(&self.digest);
        format!("{}@{} ({short})", self.name, self.version)
    }

    fn change(&self, added: bool) -> Change {
        let shown = Some(Value::Object(self.to_json()));
        Change {
            resource_type: "PolicyModule",
            id: self.digest.clone(),
            name: format!("{}@{}", self.name, self.version),
            before: if added { None } else { shown.clone() },
            after: if added { shown } else { None },
        }
    }
}

fn module_from_row(row: &Row) -> Result<ModuleRow, EngineError> {
    Ok(ModuleRow {
        digest: row.text(0)?,
        name: row.text(1)?,
        version: row.text(2)?,
        manifest: row.object(3)?,
        size: row.integer(4)?,
        created_at: row.time(5)?,
        policies: row.integer(6)?,
        signature: if row.is_null(7) { None } else { Some(row.blob(7)?) },
    })
}

fn keep_artifact(digest: &str, engine: &str, stored: &StoredArtifact, now: Timestamp) -> Statement {
    Statement::new(INSERT_ARTIFACT, params![digest, engine, stored.artifact.clone(), stored.mac.clone(), now])
}

impl Store {
    /// The module with this digest, if it is there.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn policy_module_by_digest(&self, digest: &str) -> Result<Option<ModuleRow>> {
        let sql = [SELECT, " WHERE t.digest = ?1"].concat();
        let row = self.read_one(&Statement { sql: sql.into(), params: params![digest] })?;
        row.map(|row| module_from_row(&row)).transpose().map_err(plain_error)
    }

    /// The one module that a caller names by its digest or the beginning of it, its name, or `name@version`.
    /// `Err` in the answer says why there is not one.
    pub(crate) fn policy_module_named(&self, named: &str) -> Result<Result<ModuleRow, String>> {
        const NAMED: &str = " WHERE t.digest = ?1 OR t.name = ?1 OR t.name || '@' || t.version = ?1 \
            OR (length(?1) >= ?2 AND substr(t.digest, 1, length(?1)) = ?1) ORDER BY t.created_at_ms DESC, t.digest";
        let sql = [SELECT, NAMED].concat();
        let params = params![named, DIGEST_PREFIX_CHARS_MIN as i64];
        let rows = self.read(&Statement { sql: sql.into(), params })?;
        let found: Vec<ModuleRow> =
            rows.iter().map(|row| module_from_row(row).map_err(plain_error)).collect::<Result<_>>()?;
        if let Some(exact) = found.iter().find(|module| module.digest == named) {
            return Ok(Ok(exact.clone()));
        }
        Ok(match found.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err("there is no policy module with this digest, name or name@version: upload it first".to_owned()),
            several => {
                let names: Vec<String> = several.iter().take(NAMED_MAX).map(ModuleRow::full_name).collect();
                let more = several.len() - names.len();
                let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
                Err(format!(
                    "several policy modules are called this, so name one by its digest: {}{rest}",
                    names.join(", ")
                ))
            }
        })
    }

    /// One page of modules.
    pub(crate) fn policy_module_list(&self, query: &Query) -> Result<Page<ModuleRow>> {
        self.page(&MODULES, query, module_from_row)
    }

    /// Those other modules that have the same name and version.
    pub(crate) fn policy_module_namesakes(&self, module: &ModuleRow) -> Result<Vec<String>> {
        const NAMESAKES: &str = "SELECT digest FROM policy_module WHERE name = ?1 AND version = ?2 AND digest <> ?3 \
            ORDER BY created_at_ms DESC, digest";
        let params = params![module.name.as_str(), module.version.as_str(), module.digest.as_str()];
        let rows = self.read(&Statement::new(NAMESAKES, params))?;
        rows.iter().map(|row| row.text(0).map_err(plain_error)).collect()
    }

    /// The bytes of a module.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn policy_module_wasm(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        let row =
            self.read_one(&Statement::new("SELECT wasm FROM policy_module WHERE digest = ?1", params![digest]))?;
        row.map(|row| row.blob(0)).transpose().map_err(plain_error)
    }

    /// Stores a module that was admitted, with its compiled form. One that is there already is left as it is, and nothing is written.
    pub(crate) fn policy_module_insert(
        &self,
        module: &ModuleRow,
        wasm: &[u8],
        (engine, compiled): (&str, &StoredArtifact),
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        debug_assert_eq!(module.digest.len(), DIGEST_CHARS);
        let params = params![
            module.digest.as_str(),
            module.name.as_str(),
            module.version.as_str(),
            Value::Object(module.manifest.clone()).to_string(),
            wasm.to_vec(),
            module.created_at,
        ];
        let mut statements =
            vec![Statement::new(INSERT, params), keep_artifact(&module.digest, engine, compiled, module.created_at)];
        if let Some(signature) = &module.signature {
            let params = params![module.digest.as_str(), signature.clone(), module.created_at];
            statements.push(Statement::new(INSERT_SIGNATURE, params));
        }
        let write = write_of(clock, vec![module.change(true)], unguarded(), statements);
        match self.write_audited(write, origin) {
            // Another upload of the same bytes came first: what was wanted is there.
            Err(EngineError::Unique(column)) if column == "policy_module.digest" => Ok(()),
            other => other.map_err(plain_error),
        }
    }

    /// Gives a module that is there another signature.
    pub(crate) fn policy_signature_upsert(
        &self,
        module: &ModuleRow,
        signature: &[u8],
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        let signed = ModuleRow { signature: Some(signature.to_vec()), ..module.clone() };
        let change = Change { before: module.change(true).after, ..signed.change(true) };
        let guard = Statement::new(GUARD_EXISTS, params![module.digest.as_str()]);
        let params = params![module.digest.as_str(), signature.to_vec(), clock.now()];
        let write = write_of(clock, vec![change], guard, vec![Statement::new(INSERT_SIGNATURE, params)]);
        self.write_audited(write, origin).map_err(plain_error)
    }

    /// The signature of a module, if it was handed in with one.
    pub(crate) fn policy_signature(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        const SIGNATURE: &str = "SELECT signature FROM policy_signature WHERE digest = ?1";
        let row = self.read_one(&Statement::new(SIGNATURE, params![digest]))?;
        row.map(|row| row.blob(0)).transpose().map_err(plain_error)
    }

    /// The modules that policies use which are asked.
    pub(crate) fn policy_modules_in_use(&self) -> Result<Vec<String>> {
        const IN_USE: &str = "SELECT DISTINCT module_digest FROM policy WHERE active = 1 AND mode <> 'off' ORDER BY 1";
        let rows = self.read(&Statement::new(IN_USE, Vec::new()))?;
        rows.iter().map(|row| row.text(0).map_err(plain_error)).collect()
    }

    /// Deletes a module that no policy uses, and its compiled forms with it.
    pub(crate) fn policy_module_delete(&self, module: &ModuleRow, clock: &Clock, origin: &Origin) -> Result<()> {
        let users = self.dependents_where::<Policy>("t.module_digest = ?1", &module.digest, COUNTED_MAX + 1)?;
        if !users.is_empty() {
            return Err(Error::InUse {
                detail: format!(
                    "this module is in use by {}; delete those first, or give them another module",
                    named(&users)
                ),
            });
        }
        let guard = Statement::new(GUARD_EXISTS, params![module.digest.as_str()]);
        let delete = Statement::new("DELETE FROM policy_module WHERE digest = ?1", params![module.digest.as_str()]);
        let write = write_of(clock, vec![module.change(false)], guard, vec![delete]);
        self.write_audited(write, origin).map_err(plain_error)
    }

    /// Modules that have no compiled form for an engine: all of them, or those that active policies use.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn policy_modules_uncompiled(&self, engine: &str, in_use: bool) -> Result<Vec<String>> {
        const UNCOMPILED: &str = "SELECT m.digest FROM policy_module AS m WHERE NOT EXISTS (SELECT 1 \
            FROM policy_artifact AS a WHERE a.digest = m.digest AND a.engine = ?1) AND (?2 = 0 OR EXISTS (SELECT 1 \
            FROM policy AS p WHERE p.module_digest = m.digest AND p.active = 1 AND p.mode <> 'off')) ORDER BY m.digest";
        let rows = self.read(&Statement::new(UNCOMPILED, params![engine, in_use]))?;
        rows.iter().map(|row| row.text(0).map_err(plain_error)).collect()
    }

    /// The compiled form of a module for one build of the engine.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn policy_artifact(&self, digest: &str, engine: &str) -> Result<Option<StoredArtifact>> {
        const ARTIFACT: &str = "SELECT artifact, mac FROM policy_artifact WHERE digest = ?1 AND engine = ?2";
        let row = self.read_one(&Statement::new(ARTIFACT, params![digest, engine]))?;
        let read = |row: Row| Ok(StoredArtifact { artifact: row.blob(0)?, mac: row.blob(1)? });
        row.map(read).transpose().map_err(plain_error)
    }

    /// Keeps the compiled form of a module, in place of an earlier one for the same engine. It follows from the
    /// module, so it has no audit commit. Nothing is kept for a module that is gone.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn policy_artifact_upsert(
        &self,
        digest: &str,
        engine: &str,
        stored: &StoredArtifact,
        now: Timestamp,
    ) -> Result<()> {
        self.write(vec![keep_artifact(digest, engine, stored, now)]).map_err(plain_error)
    }
}
