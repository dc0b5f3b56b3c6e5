//! What belongs to the database as a whole.

use super::engine::{Statement, params};
use super::{Store, plain_error};
use crate::error::Result;

/// The setting that holds the check value of the master key.
pub(crate) const MASTER_KEY_CHECK: &str = "master_key_check";
/// The setting that holds the head of the audit chain.
pub(super) const AUDIT_HEAD: &str = "audit_head";

const READ: &str = "SELECT value FROM setting WHERE name = ?1";
const INSERT: &str = "INSERT INTO setting (name, value) VALUES (?1, ?2)";
const PUT: &str = "INSERT INTO setting (name, value) VALUES (?1, ?2) \
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const CHECK: &str = "PRAGMA integrity_check(10)";
const REFERENCES: &str = "SELECT \"table\", COUNT(*) FROM pragma_foreign_key_check GROUP BY 1";
const VERSION: &str = "PRAGMA user_version";
const LATEST: &str = "SELECT MAX(at_ms) FROM audit_commit";

/// Reads the setting of that name.
pub(super) fn read(name: &str) -> Statement {
    Statement::new(READ, params![name])
}

/// Sets it once; a name that is taken fails the batch.
pub(super) fn insert(name: &str, value: &[u8]) -> Statement {
    Statement::new(INSERT, params![name, value.to_vec()])
}

/// Sets it, whether it is set or not.
pub(super) fn put(name: &str, value: &[u8]) -> Statement {
    Statement::new(PUT, params![name, value.to_vec()])
}

impl Store {
    /// The setting of that name.
    pub(crate) fn setting_by_name(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let row = self.read_one(&read(name))?;
        row.map(|row| row.blob(0)).transpose().map_err(plain_error)
    }

    /// Sets it once; a name that is taken is an error.
    pub(crate) fn setting_insert(&self, name: &str, value: &[u8]) -> Result<()> {
        self.write(vec![insert(name, value)]).map_err(plain_error)
    }

    /// SQLite's own check of every page and index; empty when all is well.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn integrity_problems(&self) -> Result<Vec<String>> {
        let rows = self.read(&Statement::new(CHECK, Vec::new()))?;
        let lines = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>().map_err(plain_error)?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// References that lead nowhere, counted for each table; empty when all is well.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn reference_problems(&self) -> Result<Vec<String>> {
        let rows = self.read(&Statement::new(REFERENCES, Vec::new()))?;
        let line = |row: &super::engine::Row| Ok(format!("{} of {}", row.integer(1)?, row.text(0)?));
        rows.iter().map(|row| line(row).map_err(plain_error)).collect()
    }

    /// The version of the schema.
    pub(super) fn version(&self) -> Result<i32> {
        let row = self.read_one(&Statement::new(VERSION, Vec::new()))?;
        let version = row.map_or(Ok(0), |row| row.integer(0)).map_err(plain_error)?;
        Ok(i32::try_from(version).unwrap_or(i32::MAX))
    }

    /// When the last admin write was made.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn last_commit_at(&self) -> Result<Option<crate::clock::Timestamp>> {
        let row = self.read_one(&Statement::new(LATEST, Vec::new()))?;
        row.map_or(Ok(None), |row| row.optional_time(0)).map_err(plain_error)
    }
}
