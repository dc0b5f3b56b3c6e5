//! Looks a database and its surroundings over, beside a running server too, and says what to do for each finding.
//!
//! It reads alone: nothing is made, migrated or repaired. Whether the issuer can be reached is for the command,
//! which may use the network.

mod contents;
mod tls;

use std::path::Path;

use crate::address::is_local;
use crate::clock::Clock;
use crate::config::{Config, ListenAddress};
use crate::error::{Error, Result};
use crate::files;
use crate::secret::master::{self, KeySource};
use crate::store::schema::{self, Found};
use crate::store::{Store, StoreLimits, is_in_use};

/// A write-ahead log larger than this is not folded back as it should be.
const WAL_BYTES_MAX: u64 = 256 * 1024 * 1024;
const MIB: u64 = 1024 * 1024;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Fine,
    /// Will become a problem unless somebody does something.
    Soon,
    /// Must be seen to.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub what: String,
    /// What to do about it; empty when there is nothing to do.
    pub way_out: String,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
    /// Whether a server uses the database now.
    pub is_served: bool,
    /// The ids of the keys that are published.
    pub key_ids: Vec<String>,
}

impl Report {
    /// Notes that something is as it should be.
    pub fn fine(&mut self, what: impl Into<String>) {
        self.findings.push(Finding { level: Level::Fine, what: what.into(), way_out: String::new() });
    }

    /// Notes what will become a problem.
    pub fn soon(&mut self, what: impl Into<String>, way_out: impl Into<String>) {
        self.findings.push(Finding { level: Level::Soon, what: what.into(), way_out: way_out.into() });
    }

    /// Notes a problem.
    pub fn problem(&mut self, what: impl Into<String>, way_out: impl Into<String>) {
        self.findings.push(Finding { level: Level::Problem, what: what.into(), way_out: way_out.into() });
    }

    /// How many problems there are.
    #[must_use]
    pub fn problems(&self) -> usize {
        self.findings.iter().filter(|finding| finding.level == Level::Problem).count()
    }

    /// What could not even be looked at is a problem too.
    fn failed(&mut self, what: &str, error: &Error) {
        self.problem(
            format!("{what} cannot be looked at: {}", error.for_operator()),
            "see to this first, then run doctor again",
        );
    }
}

/// Looks everything over that this machine can tell.
#[must_use]
pub fn examine(config: &Config, clock: &Clock) -> Report {
    let mut report = Report { is_served: is_in_use(&config.database), ..Report::default() };
    // What a server uses is a database of grantd's, and is opened through SQLite alone: see `backup`.
    if !report.is_served && !check_identity(&mut report, &config.database) {
        return report;
    }
    report.fine(if report.is_served { "a server uses the database" } else { "no server uses the database" });
    check_files(&mut report, config);
    check_addresses(&mut report, config);
    tls::check(&mut report, config, clock);
    if let Err(error) = look_inside(&mut report, config, clock) {
        report.failed("the database", &error);
    }
    report
}

fn check_identity(report: &mut Report, database: &Path) -> bool {
    match schema::inspect(database) {
        Ok(Found::Database(_)) => return true,
        Ok(Found::Nothing) => report.problem(
            format!("there is no database at {}", database.display()),
            "make one with grantd init, or name another with --database",
        ),
        Err(error) => report.problem(error.to_string(), "name the right file with --database, or restore a backup"),
    }
    false
}

fn check_files(report: &mut Report, config: &Config) {
    let database = &config.database;
    let mut files = ["", "-wal", "-shm", "-lock"].map(|suffix| files::beside(database, suffix)).to_vec();
    if let KeySource::File(path) = master::source(config.master_key_file.as_deref(), database) {
        files.push(path);
    }
    let before = report.problems();
    for (path, mode) in files.iter().filter_map(|path| Some((path.display(), open_mode(path)?))) {
        report.problem(format!("{path} can be read or written by others (mode {mode:o})"), format!("chmod 600 {path}"));
    }
    if report.problems() == before {
        report.fine("the database and its key are their owner's alone");
    }
    let wal = std::fs::metadata(files::beside(database, "-wal")).map_or(0, |meta| meta.len());
    if wal > WAL_BYTES_MAX {
        report.problem(
            format!("the write-ahead log has {} MiB", wal / MIB),
            "a program that keeps the database open holds it up: find it with fuser, or restart the server",
        );
    } else {
        report.fine(format!("the write-ahead log has {} MiB", wal / MIB));
    }
}

/// The rights of a file that is not its owner's alone.
#[cfg(unix)]
fn open_mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_mode(_: &Path) -> Option<u32> {
    None
}

/// Secrets and tokens that travel in clear.
fn check_addresses(report: &mut Report, config: &Config) {
    if let Some(url) = config.public_url.as_deref().filter(|url| url.starts_with("http://") && !is_local(url)) {
        report.problem(
            format!("public_url is {url}: client secrets and tokens travel in clear"),
            "set tls.cert and tls.key, or put a TLS proxy in front, and say https:// in public_url",
        );
    }
    let is_reachable =
        matches!(config.listen_address(), Ok(ListenAddress::Tcp(address)) if !address.ip().is_loopback());
    if is_reachable && config.public_url.is_none() {
        report.soon(
            format!("grantd listens on {} for everybody, and public_url is not set", config.listen),
            "set public_url to the URL that clients use: it is the issuer that every token names",
        );
    }
}

fn look_inside(report: &mut Report, config: &Config, clock: &Clock) -> Result<()> {
    let limits = StoreLimits { clients_cached: 1, page_cache_kib: config.limits.page_cache_kib };
    let (store, version) = Store::open_beside(&config.database, limits)?;
    contents::check_pages(report, &store)?;
    let keys = contents::check_master_key(report, config, &store)?;
    if version < schema::VERSION {
        report.soon(
            format!("the schema is version {version}, and this grantd's is {}", schema::VERSION),
            "make a backup; the next start of this grantd brings it up to date. Then run doctor again for the rest",
        );
        return Ok(());
    }
    contents::check_clock(report, &store, clock)?;
    contents::check_modules(report, &store, config)?;
    contents::check_expiring(report, &store, clock)?;
    if let Some(keys) = &keys {
        contents::check_signing_keys(report, &store, keys, config, clock);
        contents::check_audit(report, &store, keys)?;
    }
    Ok(())
}
