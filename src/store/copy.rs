//! Copies of a whole database, each as of one moment, of a file that a server may be writing to.
//!
//! It copies and it checks; which file takes whose place is decided in `backup.rs`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::engine::EngineError;
use super::local::sqlite::{connect_reader, engine_error, one_integer};
use super::schema;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::files;

/// Pages that are copied before progress is told and a wish to stop is heard: 1 MiB.
const PAGES_AT_ONCE: i32 = 256;
/// How long a locked source is waited for before it is tried again.
const LOCKED_WAIT: Duration = Duration::from_millis(50);
/// Steps of SQLite's machine between two looks at the wish to stop, some milliseconds.
const OPERATIONS_AT_ONCE: i32 = 100_000;
/// Page cache of a copy's connections.
const PAGE_CACHE_KIB: u32 = 2048;
/// What a refusal says when it was asked for.
const STOPPED: &str = "interrupted: everything is as it was";

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This many pages of that many are copied.
    Copied(u64, u64),
    /// The copy is being checked, page by page.
    Checking,
}

/// A piece of work that takes its time: whom it tells how far it is, and how it is asked to stop.
pub struct Watch<'a> {
    /// Called after each step.
    pub report: &'a mut dyn FnMut(Step),
    /// Set by whoever wants it to stop.
    pub stop: Arc<AtomicBool>,
}

impl Watch<'_> {
    /// Whether to go on.
    ///
    /// # Errors
    /// `Setup` when it was asked to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::SeqCst) { Err(Error::Setup(STOPPED.to_owned())) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("stop", &self.stop).finish_non_exhaustive()
    }
}

/// What is known of a database once it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Its `user_version`.
    pub(crate) version: i32,
    /// When the last admin write in it was made.
    pub(crate) last_commit_at: Option<Timestamp>,
    /// The check value of the master key it needs.
    pub(crate) master_key_check: Option<Vec<u8>>,
}

fn failed(path: &Path, what: &str) -> impl Fn(rusqlite::Error) -> Error {
    move |error| Error::Setup(format!("{} {what}: {}", path.display(), engine_error(error)))
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Through its log: a server may be writing to it.
    InUse,
    /// As it stands, and without a trace: nobody uses it, and it may lie where nothing can be written.
    AtRest,
}

/// Copies the database at `from` into the empty file `to`.
///
/// # Errors
/// `Setup`: one line with the file's name; also when `watch` asks to stop.
pub(crate) fn copy(from: &Path, source: Source, to: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let unreadable = failed(from, "cannot be read");
    let source = match source {
        Source::InUse => connect_reader(from, PAGE_CACHE_KIB)
            .map_err(|error| Error::Setup(format!("{} cannot be read: {error}", from.display())))?,
        Source::AtRest => open_immutable(from).map_err(&unreadable)?,
    };
    // One snapshot for the whole copy: a server that writes meanwhile would make it start over and over.
    source.execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_schema;").map_err(&unreadable)?;
    let unwritable = failed(to, "cannot be written");
    let mut target = Connection::open(to).map_err(&unwritable)?;
    // The copy is made durable at its end, as a whole.
    target.execute_batch("PRAGMA synchronous = OFF;").map_err(&unwritable)?;
    let backup = Backup::new(&source, &mut target).map_err(&unwritable)?;
    loop {
        watch.check()?;
        let step = backup.step(PAGES_AT_ONCE).map_err(&unwritable)?;
        let progress = backup.progress();
        let pages = |count: i32| u64::try_from(count).unwrap_or_default();
        (watch.report)(Step::Copied(pages(progress.pagecount - progress.remaining), pages(progress.pagecount)));
        match step {
            StepResult::Done => break,
            StepResult::Busy | StepResult::Locked => std::thread::sleep(LOCKED_WAIT),
            _ => {}
        }
    }
    drop(backup);
    // Out of WAL mode, which the copy inherits: one file that needs no other.
    let mode = target.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0));
    mode.map_err(&unwritable)?;
    target.close().map_err(|(_, error)| unwritable(error))
}

fn open_immutable(path: &Path) -> rusqlite::Result<Connection> {
    /// What a path may hold in a URI: https://sqlite.org/uri.html
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let uri = format!("file:{}?immutable=1", percent_encode(path.as_os_str().as_encoded_bytes(), KEPT));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags)
}

/// Checks the copy `path` of `original`: whose it is, its version, every page, index and reference.
///
/// # Errors
/// `Setup`: what is wrong with the original; also when `watch` asks to stop.
pub(crate) fn check(path: &Path, original: &Path, watch: &mut Watch<'_>) -> Result<Checked> {
    (watch.report)(Step::Checking);
    let unreadable = failed(original, "cannot be read");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags).map_err(&unreadable)?;
    let stop = Arc::clone(&watch.stop);
    let heard = database.progress_handler(OPERATIONS_AT_ONCE, Some(move || stop.load(Ordering::SeqCst)));
    heard.map_err(&unreadable)?;
    let checked = check_open(&database, original);
    watch.check()?;
    checked
}

fn check_open(database: &Connection, original: &Path) -> Result<Checked> {
    let name = original.display();
    let unreadable = failed(original, "cannot be read");
    let pragma = |sql| {
        let number =
            one_integer(database, sql).map_err(|error| Error::Setup(format!("{name} cannot be read: {error}")))?;
        Ok::<_, Error>(i32::try_from(number).unwrap_or(i32::MAX))
    };
    let version = pragma("PRAGMA user_version")?;
    if pragma("PRAGMA application_id")? != schema::APPLICATION_ID {
        return Err(Error::Setup(format!("{name} is no database of grantd's")));
    }
    if version > schema::VERSION {
        return Err(Error::Setup(format!(
            "{name} was written by a newer grantd (schema {version}, this one knows {}): use that grantd",
            schema::VERSION
        )));
    }
    let verdict: String = database.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(&unreadable)?;
    if verdict != "ok" {
        // SQLite's words may take several lines; an error takes one.
        let verdict = verdict.lines().collect::<Vec<_>>().join(" ");
        return Err(Error::Setup(format!("{name} is damaged: {verdict}")));
    }
    let dangling = database.query_row("SELECT COUNT(*) FROM pragma_foreign_key_check", [], |row| row.get::<_, i64>(0));
    match dangling.map_err(&unreadable)? {
        0 => {}
        count => return Err(Error::Setup(format!("{name} is damaged: {count} references lead nowhere"))),
    }
    let last: Option<i64> =
        database.query_row("SELECT MAX(at_ms) FROM audit_commit", [], |row| row.get(0)).map_err(&unreadable)?;
    let check =
        database.query_row("SELECT value FROM setting WHERE name = ?1", [super::MASTER_KEY_CHECK], |row| row.get(0));
    let master_key_check = match check {
        Err(rusqlite::Error::QueryReturnedNoRows) => None,
        other => Some(other.map_err(&unreadable)?),
    };
    Ok(Checked { version, last_commit_at: last.map(Timestamp::from_ms), master_key_check })
}

/// Folds the log of a database that no server uses back into it, so that its one file is all of it. False when the
/// database is too damaged for that.
///
/// # Errors
/// `Setup` when another program has it open, or the disk does not allow it.
pub(crate) fn fold_log(path: &Path) -> Result<bool> {
    let refused = |why: &dyn std::fmt::Display| {
        Error::Setup(format!("the write-ahead log of {} cannot be folded back: {why}", path.display()))
    };
    let wal = files::beside(path, "-wal");
    let has_log = || std::fs::metadata(&wal).is_ok_and(|meta| meta.len() > 0);
    if !has_log() {
        return Ok(true);
    }
    let fold = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(path, flags)?;
        let busy: i64 = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        database.close().map_err(|(_, error)| error)?;
        Ok(busy == 0)
    };
    match fold().map_err(engine_error) {
        Ok(true) if !has_log() => Ok(true),
        Ok(_) | Err(EngineError::Busy(_)) => {
            Err(refused(&"another program has the database open; close it and try again"))
        }
        Err(EngineError::Damaged(_)) => Ok(false),
        Err(other) => Err(refused(&other)),
    }
}

/// Hands over each module that a policy of the database at `path` uses: its name, its bytes, its signature.
///
/// # Errors
/// `Setup`: one line with the file's name.
pub(crate) fn each_module_in_use(path: &Path, mut each: impl FnMut(&str, &[u8], Option<&[u8]>)) -> Result<()> {
    const HAS_TABLE: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    const MODULES: &str = "SELECT DISTINCT m.digest, m.name || '@' || m.version, m.wasm FROM policy_module AS m \
        JOIN policy AS p ON p.module_digest = m.digest ORDER BY m.digest";
    const SIGNATURE: &str = "SELECT signature FROM policy_signature WHERE digest = ?1";
    let unreadable = failed(path, "cannot be read");
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(&unreadable)?;
    let has = |table: &str| database.query_row(HAS_TABLE, [table], |row| row.get::<_, bool>(0)).map_err(&unreadable);
    if !has("policy_module")? {
        // Older than policies.
        return Ok(());
    }
    let has_signatures = has("policy_signature")?;
    let mut modules = database.prepare(MODULES).map_err(&unreadable)?;
    let mut rows = modules.query([]).map_err(&unreadable)?;
    while let Some(row) = rows.next().map_err(&unreadable)? {
        let text = |column| row.get::<_, String>(column).map_err(&unreadable);
        let wasm: Vec<u8> = row.get(2).map_err(&unreadable)?;
        let mut signature: Option<Vec<u8>> = None;
        if has_signatures {
            let found = database.query_row(SIGNATURE, [text(0)?], |row| row.get(0));
            signature = found.optional().map_err(&unreadable)?;
        }
        each(&text(1)?, &wasm, signature.as_deref());
    }
    Ok(())
}
