//! Backup and restore: a checked copy of a database takes a name, whole or not at all.
//!
//! Neither needs a server's co-operation: a backup reads beside it, a restore refuses while one runs. The master
//! key is in no backup: whoever finds one must not be able to use it.

mod target;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::files;
use crate::policy::trust::Trust;
use crate::secret::{ServerKeys, master};
use crate::signer::{DamagedKey, Signer};
use crate::store::copy::{Checked, Source};
use crate::store::{AuditVerdict, Store, StoreLimits, Watch, copy, lock, schema};

pub use target::check_target;

/// Copies of one name that may be unfinished at once: those that are being made, and what was left of those whose process
/// died a short time ago.
const PARTIALS_MAX: u32 = 16;
/// How long an unfinished copy lies untouched until nobody can be making it: no step of that takes as long.
const DEAD_AFTER_SECONDS: i64 = 86_400;

/// What a backup made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Bytes of the file.
    pub bytes: u64,
    /// When the last admin write in it was made.
    pub last_commit_at: Option<Timestamp>,
    /// What its audit chain is worth.
    pub trail: Trail,
    /// Its signing keys that cannot be opened. None that signs is among them.
    pub damaged_keys: Vec<DamagedKey>,
}

/// What is known of a copy's audit chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trail {
    /// It holds.
    Holds,
    /// Something in it was changed or removed after it was sealed: `grantd doctor` says what.
    Broken,
    /// It is of an older grantd, and can be checked once it is brought up to date.
    Older,
    /// The master key is not at hand: the signing keys were not opened either.
    Sealed,
}

/// What a restore made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the database that stood there is kept; `None` where there was none.
    pub kept: Option<PathBuf>,
    /// When the last admin write in what was restored was made.
    pub last_commit_at: Option<Timestamp>,
    /// Whether the next start migrates it to this grantd's schema.
    pub is_older: bool,
    /// What its audit chain is worth. Never `Sealed`.
    pub trail: Trail,
    /// Its signing keys that cannot be opened. None that signs is among them.
    pub damaged_keys: Vec<DamagedKey>,
}

/// Copies the database of `config`, which a server may be using, to `file`. With `force` a file that is there is
/// replaced, once the copy is whole and checked.
///
/// # Errors
/// `Setup`: one line with the way out. Nothing is left behind, and `file` is as it was.
pub fn backup(config: &Config, file: &Path, force: bool, clock: &Clock, watch: &mut Watch<'_>) -> Result<Backup> {
    let database = &config.database;
    // Not opened but through SQLite: in a program that serves it too, closing the file would drop the server's locks.
    if !database.exists() {
        return Err(Error::Setup(format!("there is no database at {}; name one with --database", database.display())));
    }
    check_target(config, file)?;
    if !force && file.symlink_metadata().is_ok() {
        return Err(Error::Setup(format!("{} exists; choose another name, or add --force", file.display())));
    }
    let now = clock.now();
    let partial = Partial::beside(file, |written| written.plus_seconds(DEAD_AFTER_SECONDS) < now)?;
    copy::copy(database, Source::InUse, &partial.path, watch)?;
    let checked = copy::check(&partial.path, database, watch)?;
    let (trail, damaged_keys) = match keys_at_hand(config, &checked) {
        Some(keys) => check_sealed(config, database, &partial.path, &keys, "there is no new backup")?,
        None => (Trail::Sealed, Vec::new()),
    };
    watch.check()?;
    let bytes = std::fs::metadata(&partial.path).map_or(0, |meta| meta.len());
    partial.publish(file, force)?;
    Ok(Backup { bytes, last_commit_at: checked.last_commit_at, trail, damaged_keys })
}

/// Puts the backup `file` in the place of the database of `config`, which is kept beside it under a dated name.
///
/// # Errors
/// `Setup`: one line with the way out. Until the very end, which is one rename, everything is as it was.
pub fn restore(config: &Config, file: &Path, clock: &Clock, watch: &mut Watch<'_>) -> Result<Restored> {
    if !file.is_file() {
        return Err(Error::Setup(format!("there is no backup at {}", file.display())));
    }
    // Where a link leads to, not the link, is what the backup takes the place of. The lock is held to the end: no
    // server starts on what is half there.
    let database = &config.database.canonicalize().unwrap_or_else(|_| config.database.clone());
    if std::fs::metadata(database).is_ok_and(|meta| !meta.is_file()) {
        return Err(Error::Setup(format!("{} is no file; name one with --database", config.database.display())));
    }
    let _lock = lock(database, &config.database, true)?;
    // Nobody but who holds the lock makes one.
    let partial = Partial::beside(database, |_| true)?;
    let source = if files::beside(file, "-wal").exists() { Source::InUse } else { Source::AtRest };
    copy::copy(file, source, &partial.path, watch)?;
    let checked = copy::check(&partial.path, file, watch)?;
    let keys = check_master_key(config, file, &checked)?;
    check_modules(config, file, &partial.path)?;
    let (trail, damaged_keys) = check_sealed(config, file, &partial.path, &keys, "everything is as it was")?;
    keep_owner(database, &partial.path)?;
    watch.check()?;
    let kept = keep_old(database, clock.now())?;
    partial.publish(database, true)?;
    let is_older = checked.version < schema::VERSION;
    Ok(Restored { kept, last_commit_at: checked.last_commit_at, is_older, trail, damaged_keys })
}

/// What the policies of a backup use must be fit to be run here.
fn check_modules(config: &Config, file: &Path, copied: &Path) -> Result<()> {
    let trust = Trust::parse(&config.policies.trusted_keys)
        .map_err(|what| Error::Setup(format!("policies.trusted_keys: {what}")))?;
    if !trust.is_demanded() {
        return Ok(());
    }
    let mut refused = Vec::new();
    copy::each_module_in_use(copied, |name, wasm, signature| {
        if let Err(failure) = trust.check(wasm, signature) {
            refused.push(format!("{name}: {failure}"));
        }
    })?;
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::Setup(format!(
        "{} has policies with modules that may not be run here, and everything is as it was: {}",
        file.display(),
        refused.join("; ")
    )))
}

/// The key that stands ready must be the one that the backup needs: without it the database opens for nobody.
fn check_master_key(config: &Config, file: &Path, checked: &Checked) -> Result<ServerKeys> {
    let source = master::source(config.master_key_file.as_deref(), &config.database);
    let Some(wanted) = &checked.master_key_check else {
        return Err(Error::Setup(format!("{} was never finished: it is sealed under no master key", file.display())));
    };
    let Some(key) = master::read(&source)? else {
        return Err(Error::Setup(format!(
            "the master key is missing: {source} does not exist; put the key of {} there, or name it with --master-key-file",
            file.display()
        )));
    };
    let keys = ServerKeys::derive(&key)?;
    if keys.recognise(wanted).is_some() {
        return Ok(keys);
    }
    Err(Error::Setup(format!(
        "the master key in {source} is not the one of {}; name the right one with --master-key-file",
        file.display()
    )))
}

/// The keys of a copy, if its master key is at hand: whoever makes backups need not have it.
fn keys_at_hand(config: &Config, checked: &Checked) -> Option<ServerKeys> {
    let source = master::source(config.master_key_file.as_deref(), &config.database);
    let keys = ServerKeys::derive(&master::read(&source).ok()??).ok()?;
    keys.recognise(checked.master_key_check.as_ref()?).is_some().then_some(keys)
}

/// Opens the signing keys of the copy of `original`, and reads its audit chain. Refused is a copy with which no server
/// starts. A key that does not sign and a chain that is broken are told of: what is beside them is needed all the same.
fn check_sealed(
    config: &Config,
    original: &Path,
    copied: &Path,
    keys: &ServerKeys,
    outcome: &str,
) -> Result<(Trail, Vec<DamagedKey>)> {
    let limits = StoreLimits { clients_cached: 1, page_cache_kib: config.limits.page_cache_kib };
    let name = original.display();
    let unreadable = |error: Error| Error::Setup(format!("{name} cannot be read: {}", error.for_operator()));
    let (store, version) = Store::open_beside(copied, limits).map_err(unreadable)?;
    let (_, damaged_keys) = Signer::check(&store, keys).map_err(|error| {
        let cause = error.for_operator();
        Error::Setup(format!("{name} has a signing key that cannot be used, and {outcome}: {cause}"))
    })?;
    if version < schema::VERSION {
        return Ok((Trail::Older, damaged_keys));
    }
    let holds = matches!(store.audit_verify(keys).map_err(unreadable)?, AuditVerdict::Holds { .. });
    Ok((if holds { Trail::Holds } else { Trail::Broken }, damaged_keys))
}

/// A restore by root must not lock the server's own user out.
#[cfg(unix)]
fn keep_owner(database: &Path, restored: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let (Ok(old), Ok(new)) = (std::fs::metadata(database), std::fs::metadata(restored)) else { return Ok(()) };
    if (old.uid(), old.gid()) == (new.uid(), new.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(restored, Some(old.uid()), Some(old.gid())).map_err(|error| {
        Error::Setup(format!("{} has another owner: {error}; restore as that user or as root", database.display()))
    })
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &Path) -> Result<()> {
    Ok(())
}

/// Gives the database that is there a second, dated name, so that the next rename may take the first one.
fn keep_old(database: &Path, now: Timestamp) -> Result<Option<PathBuf>> {
    let failed = |error: std::io::Error| {
        Error::Setup(format!("{} cannot be kept under another name: {error}", database.display()))
    };
    let dated = free_name(database, now);
    let is_there = database.exists();
    // A log that belongs to the old file must not be read into the new one, also where that was moved away without it.
    let mut logs = vec!["-journal"];
    if !is_there || !copy::fold_log(database)? {
        // What cannot be read any more is kept as it is.
        logs.push("-wal");
    }
    for log in logs {
        rename_if_there(&files::beside(database, log), &files::beside(&dated, log)).map_err(failed)?;
    }
    remove_if_there(&files::beside(database, "-shm")).map_err(failed)?;
    if !is_there {
        return Ok(None);
    }
    if std::fs::hard_link(database, &dated).is_err() {
        // A file system without links: there is a moment without a database, and nothing is lost in it.
        std::fs::rename(database, &dated).map_err(failed)?;
    }
    Ok(Some(dated))
}

fn free_name(database: &Path, now: Timestamp) -> PathBuf {
    // 2027-01-15T10:00:00.000Z -> 20270115T100000Z
    let time: String =
        now.to_string().chars().filter(|c| !matches!(c, '-' | ':')).take("20270115T100000".len()).collect();
    let name = |more: &str| files::beside(database, &format!(".{time}Z{more}"));
    let mut names = std::iter::once(name("")).chain((1..).map(|n: u32| name(&format!("-{n}"))));
    // A log may have been kept without its database.
    let is_free = |name: &PathBuf| {
        ["", "-wal", "-journal"].iter().all(|suffix| files::beside(name, suffix).symlink_metadata().is_err())
    };
    names.find(is_free).unwrap_or_else(|| name("-again"))
}

fn rename_if_there(from: &Path, to: &Path) -> std::io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A file that is being written under a name of its own. Gone when dropped, unless it took its final one.
struct Partial {
    path: PathBuf,
    is_renamed: bool,
}

impl Partial {
    /// An empty file in the directory of `file`, for its owner alone. Those of dead processes, as `is_dead` tells by the
    /// time of the last write, are removed.
    fn beside(file: &Path, is_dead: impl Fn(Timestamp) -> bool) -> Result<Self> {
        let paths = || (1..=PARTIALS_MAX).map(|number| files::beside(file, &format!(".{number}.partial")));
        for path in paths() {
            let written = path.symlink_metadata().and_then(|meta| meta.modified());
            if written.is_ok_and(|at| is_dead(Timestamp::of_file(at))) {
                remove_with_logs(&path);
            }
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        files::owner_only(&mut options);
        for path in paths() {
            match options.open(&path) {
                Ok(_) => return Ok(Self { path, is_renamed: false }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let what =
                        format!("{} cannot be made: {error}; check the directory and its rights", path.display());
                    return Err(Error::Setup(what));
                }
            }
        }
        Err(Error::Setup(format!(
            "{PARTIALS_MAX} unfinished copies stand beside {0}; remove {0}.*.partial, unless they are being made now",
            file.display()
        )))
    }

    /// Makes the file durable and gives it its name, in one step.
    fn publish(mut self, name: &Path, replace: bool) -> Result<()> {
        self.take_name(name, replace)
            .map_err(|error| Error::Setup(format!("{} cannot be written: {error}", name.display())))
    }

    fn take_name(&mut self, name: &Path, replace: bool) -> std::io::Result<()> {
        std::fs::File::open(&self.path)?.sync_all()?;
        // A link never replaces: a file that came meanwhile is safe.
        if replace || std::fs::hard_link(&self.path, name).is_err() {
            if !replace && name.symlink_metadata().is_ok() {
                return Err(std::io::Error::new(ErrorKind::AlreadyExists, "it was made meanwhile"));
            }
            std::fs::rename(&self.path, name)?;
            // From now on another's file may have the name that this one had.
            self.is_renamed = true;
        }
        files::sync_directory_of(name)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_renamed {
            remove_with_logs(&self.path);
        }
    }
}

fn remove_with_logs(path: &Path) {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        // Most of them never were.
        let _ = std::fs::remove_file(files::beside(path, suffix));
    }
}
